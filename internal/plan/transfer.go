package plan

import (
	"strings"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// union are the states of the European Economic Area: data moves freely among them (GDPR, Article 1(3), and the EEA
// Agreement's Annex XI).
var union = map[string]bool{
	"EU": true, "AT": true, "BE": true, "BG": true, "CY": true, "CZ": true, "DE": true, "DK": true, "EE": true, "ES": true, "FI": true,
	"FR": true, "GR": true, "HR": true, "HU": true, "IE": true, "IT": true, "LT": true, "LU": true, "LV": true, "MT": true, "NL": true,
	"PL": true, "PT": true, "RO": true, "SE": true, "SI": true, "SK": true, "IS": true, "LI": true, "NO": true,
}

// Within says whether data that is processed in a place needs no mechanism to go there: it is of the same country, or both
// are in the European Economic Area. Mechanisms are between countries: parts of one need none.
func Within(place, jurisdiction string) bool {
	there, _, _ := strings.Cut(place, "-")
	here, _, _ := strings.Cut(jurisdiction, "-")
	return there == here || union[there] && union[here]
}

// Covered says whether data may go to a sub-processor: it stays under the region's jurisdiction, or the register names
// the mechanism under which it leaves.
func Covered(region *v1alpha1.Region, p v1alpha1.SubProcessor) bool {
	return p.TransferMechanism != "" || Within(p.Location, region.Spec.Jurisdiction)
}
