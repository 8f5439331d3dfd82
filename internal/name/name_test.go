package name_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// The longest names that the API takes give names that Kubernetes and PostgreSQL take.
func TestNamesAtTheLimit(t *testing.T) {
	long := strings.Repeat("a", 40)
	for _, n := range []string{
		name.Namespace(long), name.Connector(long), name.Retain(long), name.Migrate(strings.Repeat("f", 16)),
	} {
		if problems := validation.IsDNS1035Label(n); len(problems) > 0 {
			t.Errorf("%s: %v", n, problems)
		}
	}
	for _, n := range []string{name.CA(long), name.ConnectorTLS(long), name.Credentials(name.Connector(long), 999)} {
		if problems := validation.IsDNS1123Subdomain(n); len(problems) > 0 {
			t.Errorf("%s: %v", n, problems)
		}
	}
	if n := name.Retain(long); len(n) > 52 {
		t.Errorf("%s has %d characters, a CronJob's name 52 at most", n, len(n))
	}
	// PostgreSQL cuts identifiers after 63 bytes without an error: two logins would become one.
	if n := contract.LoginRole(contract.ComponentConnector(long), 999); len(n) > 63 {
		t.Errorf("%s has %d bytes, an identifier of PostgreSQL 63 at most", n, len(n))
	}
}

func TestParseCredentialsIsTheInverse(t *testing.T) {
	for _, component := range []string{name.Admin, "serve", "connector-a", "connector-x-v2", "connector-v1"} {
		for _, version := range []int{1, 2, 10} {
			gotComponent, gotVersion, ok := name.ParseCredentials(name.Credentials(component, version))
			if !ok || gotComponent != component || gotVersion != version {
				t.Errorf("%s v%d came back as %s v%d, %t", component, version, gotComponent, gotVersion, ok)
			}
		}
	}
	for _, foreign := range []string{"", "twilio", "database-", "database-v1", "database-serve", "database-serve-v0", "database-serve-v-1", "database-serve-vx", "serve-v1"} {
		if c, v, ok := name.ParseCredentials(foreign); ok {
			t.Errorf("%q was taken for %s v%d", foreign, c, v)
		}
	}
}

func TestParseLedgerIsTheInverse(t *testing.T) {
	for _, tenant := range []string{"a", "hotel-berlin", "a-2026", "a-2026-2"} {
		for _, year := range []int{2026, 2027} {
			for _, part := range []int{1, 2, 999} {
				gotYear, gotPart, ok := name.ParseLedger(tenant, name.Ledger(tenant, year, part))
				if !ok || gotYear != year || gotPart != part {
					t.Errorf("%s came back as %d, %d, %t", name.Ledger(tenant, year, part), gotYear, gotPart, ok)
				}
			}
		}
	}
	for _, foreign := range []string{"", "ledger-a", "ledger-a-", "ledger-a-x", "ledger-a-2026-1", "ledger-a-2026-x", "ledger-a-2026-02", "ledger-b-2026", "ledger-a-26"} {
		if year, part, ok := name.ParseLedger("a", foreign); ok {
			t.Errorf("%q was taken for part %d of %d", foreign, part, year)
		}
	}
	if problems := validation.IsDNS1123Subdomain(name.Ledger(strings.Repeat("a", 40), 2026, 999)); len(problems) > 0 {
		t.Error(problems)
	}
}
