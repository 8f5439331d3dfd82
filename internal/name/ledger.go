package name

import (
	"fmt"
	"strconv"
	"strings"
)

// The operator's signing key, in its namespace.
const (
	SigningKey  = "switchboard-signing-key"  // Secret with the private halves
	SigningKeys = "switchboard-signing-keys" // ConfigMap with the public halves
)

// Consents names the ConfigMap with part 1, 2, 3 … of the changes of consent of a tenant,
// in the operator's namespace. A later tenant of the same name has its own.
func Consents(tenant, uid string, part int) string {
	return fmt.Sprintf("consents-%s-%s-%d", tenant, uid[:min(len(uid), 8)], part)
}

// Ledger names the ConfigMap with part 1, 2, 3 … of a tenant's ledger of a year, in
// the operator's namespace.
func Ledger(tenant string, year, part int) string {
	if part == 1 {
		return fmt.Sprintf("ledger-%s-%04d", tenant, year)
	}
	return fmt.Sprintf("ledger-%s-%04d-%d", tenant, year, part)
}

// ParseLedger is the inverse of Ledger for one tenant's.
func ParseLedger(tenant, configMap string) (year, part int, ok bool) {
	rest, found := strings.CutPrefix(configMap, "ledger-"+tenant+"-")
	number, more, parts := strings.Cut(rest, "-")
	year, err := strconv.Atoi(number)
	if !found || err != nil {
		return 0, 0, false
	}
	part = 1
	if parts {
		if part, err = strconv.Atoi(more); err != nil {
			return 0, 0, false
		}
	}
	return year, part, Ledger(tenant, year, part) == configMap
}
