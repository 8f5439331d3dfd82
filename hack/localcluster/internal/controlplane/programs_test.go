package controlplane

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/pki"
)

func TestEveryFileThatTheControlPlaneReadsIsMade(t *testing.T) {
	plane := Plane{State: layout.State(t.TempDir()), Bin: "/bin"}
	ca, err := pki.Open(plane.State.PKI())
	if err != nil {
		t.Fatal(err)
	}
	if err := plane.Configure(ca); err != nil {
		t.Fatal(err)
	}
	suffixes := []string{".crt", ".key", ".pub", ".kubeconfig", ".yaml"}
	for _, argv := range [][]string{plane.APIServer().Argv, plane.ControllerManager().Argv, plane.Scheduler().Argv} {
		for _, arg := range argv {
			_, value, _ := strings.Cut(arg, "=")
			for _, suffix := range suffixes {
				if !strings.HasSuffix(value, suffix) {
					continue
				}
				if _, err := os.Stat(value); err != nil {
					t.Errorf("%s %s: %v", filepath.Base(argv[0]), arg, err)
				}
			}
		}
	}
}

func TestTheAuditPolicyHoldsNoBodies(t *testing.T) {
	var policy struct {
		Rules []struct {
			Level string
			Verbs []string
		}
	}
	if err := yaml.Unmarshal(auditPolicy, &policy); err != nil {
		t.Fatal(err)
	}
	for _, rule := range policy.Rules {
		if rule.Level != "Metadata" && rule.Level != "None" {
			t.Errorf("level %s writes Secrets into the log", rule.Level)
		}
	}
	if len(policy.Rules) != 2 || len(policy.Rules[0].Verbs) != 5 {
		t.Errorf("the policy does not log every write: %+v", policy.Rules)
	}
}
