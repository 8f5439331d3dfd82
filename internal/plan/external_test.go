package plan_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

func abroad(t *testing.T) plan.Tenant {
	t.Helper()
	tenant, region := &v1alpha1.Tenant{}, &v1alpha1.Region{}
	read(t, filepath.Join("testdata/external", "tenant.yaml"), tenant)
	read(t, filepath.Join("testdata/external", "region.yaml"), region)
	return plan.Tenant{Tenant: tenant, Region: region}
}

// The provider's server is reached at its addresses and port alone, by whoever works with the database; its login is
// mounted by migrations, and by those who ask and empty the server; nobody runs a database.
func TestAProvidersServerIsReachedByThoseWhoWorkWithIt(t *testing.T) {
	const dir = "testdata/external"
	const server = "203.0.113.64/28"
	var policies []string
	owners := map[string]bool{}
	for _, o := range everything(t, dir) {
		switch o := o.(type) {
		case *appsv1.StatefulSet, *corev1.PersistentVolumeClaim:
			t.Errorf("%T %s is there", o, o.GetName())
		case *networkingv1.NetworkPolicy:
			for _, rule := range o.Spec.Egress {
				if len(rule.To) == 1 && rule.To[0].IPBlock != nil && rule.To[0].IPBlock.CIDR == server {
					policies = append(policies, o.Name)
					if len(rule.Ports) != 1 || rule.Ports[0].Port.IntValue() != 5432 {
						t.Errorf("%s opens the ports %v", o.Name, rule.Ports)
					}
				}
			}
		}
		pod := podOf(o)
		if pod == nil {
			continue
		}
		for _, v := range pod.Volumes {
			if v.Name != "database" {
				continue
			}
			if v.Projected == nil {
				t.Errorf("%s has the credentials of another engine", o.GetName())
				continue
			}
			for _, source := range v.Projected.Sources {
				if source.Secret.Name == "database" && slices.ContainsFunc(source.Secret.Items, func(i corev1.KeyToPath) bool { return i.Key == "password" || i.Key == "user" }) {
					owners[o.GetName()] = true
				}
			}
		}
		for _, c := range pod.Containers {
			for _, e := range c.Env {
				if strings.HasPrefix(e.Name, "PGHOST") || strings.HasPrefix(e.Name, "PGPORT") {
					t.Errorf("%s is told another place: %v", o.GetName(), e)
				}
			}
		}
	}
	slices.Sort(policies)
	if want := []string{"adopt", "connector-front-desk", "database", "export", "migrate", "replay", "retain", "serve", "subject"}; !slices.Equal(policies, want) {
		t.Errorf("open to the server are %v, want %v", policies, want)
	}
	for owner := range owners {
		if !strings.HasPrefix(owner, "migrate-") && !strings.HasPrefix(owner, "check-database-") && owner != name.EraseDatabase {
			t.Errorf("%s has the login that owns the database", owner)
		}
	}
	if len(owners) != 3 {
		t.Errorf("the owner's login is mounted by %v", slices.Sorted(maps.Keys(owners)))
	}
}

func TestTheSecretOfAProvidersServerIsLookedAt(t *testing.T) {
	good := func() map[string][]byte {
		return map[string][]byte{"host": []byte("db.example"), "dbname": []byte("hotel"), "user": []byte("hotel"), "password": []byte("secret"), "ca.crt": []byte("PEM")}
	}
	for _, c := range []struct {
		about  string
		change func(map[string][]byte)
		reason string
		says   string
	}{
		{"by password", func(map[string][]byte) {}, "", ""},
		{"by certificate", func(s map[string][]byte) {
			delete(s, "password")
			s["tls.crt"], s["tls.key"] = []byte("PEM"), []byte("PEM")
		}, "", ""},
		{"with its port", func(s map[string][]byte) { s["port"] = []byte("5432") }, "", ""},
		{"without an authority", func(s map[string][]byte) { delete(s, "ca.crt") }, v1alpha1.ReasonKeyMissing, "no key ca.crt"},
		{"without a host", func(s map[string][]byte) { s["host"] = nil }, v1alpha1.ReasonKeyMissing, "no key host"},
		{"without proof", func(s map[string][]byte) { delete(s, "password") }, v1alpha1.ReasonKeyMissing, "no key password"},
		{"with half a certificate", func(s map[string][]byte) { s["tls.crt"] = []byte("PEM") }, v1alpha1.ReasonKeyMissing, "both or none"},
		{"at a port that is closed", func(s map[string][]byte) { s["port"] = []byte("6432") }, v1alpha1.ReasonDatabaseUnreachable, "egress.ports"},
		{"at a port that is none", func(s map[string][]byte) { s["port"] = []byte("70968") }, v1alpha1.ReasonDatabaseUnreachable, "egress.ports"},
	} {
		t.Run(c.about, func(t *testing.T) {
			secret := good()
			c.change(secret)
			refusal := plan.CheckExternal(abroad(t), secret)
			switch {
			case c.reason == "" && refusal != nil:
				t.Error(refusal)
			case c.reason != "" && (refusal == nil || refusal.Reason != c.reason || !strings.Contains(refusal.Message, c.says)):
				t.Errorf("%+v, want %s with %q", refusal, c.reason, c.says)
			case refusal != nil && strings.Contains(refusal.Message, "db.example"):
				t.Errorf("the message tells what is in the Secret: %s", refusal.Message)
			}
		})
	}
}

func TestDatabasesAbroadNeedAMechanism(t *testing.T) {
	in := abroad(t)
	channel := &v1alpha1.Channel{Spec: v1alpha1.ChannelSpec{SubProcessor: "twilio"}}
	if r := plan.DatabasePlace(in.Region); r != nil {
		t.Errorf("within: %+v", r)
	}
	e := in.Region.Spec.Database.External
	e.Location = "US"
	if r := plan.DatabasePlace(in.Region); r == nil || r.Reason != v1alpha1.ReasonTransferNotCovered {
		t.Errorf("outside: %+v", r)
	}
	if _, r := plan.Processor(in.Region, channel); r == nil || r.Reason != v1alpha1.ReasonTransferNotCovered {
		t.Errorf("a channel goes on: %+v", r)
	}
	in.Region.Spec.SubProcessors = nil
	if j := plan.Jurisdictions(in.Region); len(j) != 2 || j[1].Jurisdiction != "US" || j[1].Covered {
		t.Errorf("jurisdictions %+v", j)
	}
	e.TransferMechanism = "Standard Contractual Clauses"
	if r := plan.DatabasePlace(in.Region); r != nil {
		t.Errorf("under a mechanism: %+v", r)
	}
}

// A question is another one when the Secret changes, and the same otherwise.
func TestAnotherSecretIsAnotherQuestion(t *testing.T) {
	in := abroad(t)
	a, b := plan.CheckDatabase(in, "1"), plan.CheckDatabase(in, "2")
	if a.Name == b.Name || a.Name != plan.CheckDatabase(in, "1").Name {
		t.Errorf("names %s and %s", a.Name, b.Name)
	}
}

func TestTheCertificateTellsOfAProvidersDatabase(t *testing.T) {
	in := abroad(t)
	now := metav1.NewTime(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC))
	in.Tenant.UID, in.Tenant.DeletionTimestamp = "3f9b1c64-0000", &now
	says := func(list []string, part string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, part) })
	}
	c := plan.Certificate(in, v1alpha1.Erasure{Database: &v1alpha1.ErasedDatabase{Provider: "Example", Schemas: 3, Roles: 15}}, nil, now.Time).Spec
	if !says(c.Destroyed, "3 schemas and 15 roles in the database of provider Example") || !says(c.Unchecked, "backups, replicas and logs that provider Example keeps") {
		t.Errorf("destroyed %q, unchecked %q", c.Destroyed, c.Unchecked)
	}
	c = plan.Certificate(in, v1alpha1.Erasure{Database: &v1alpha1.ErasedDatabase{Provider: "Example", Problem: "nobody answers"}}, nil, now.Time).Spec
	if says(c.Destroyed, "schemas") || !says(c.Unchecked, "nobody answers") {
		t.Errorf("destroyed %q, unchecked %q", c.Destroyed, c.Unchecked)
	}
}
