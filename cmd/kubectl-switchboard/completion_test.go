package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

func TestCompletionScripts(t *testing.T) {
	for shell, part := range map[string]string{"bash": "complete ", "zsh": "#compdef", "fish": "complete -c", "kubectl": "exec kubectl switchboard __complete"} {
		o := plugin(t, "", "completion", shell)
		o.says(t, exitWhole, part)
		if shell == "bash" || shell == "kubectl" { // what this machine can read
			check := exec.CommandContext(t.Context(), "bash", "-n")
			check.Stdin = strings.NewReader(o.out)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", shell, err, out)
			}
		}
	}
	plugin(t, "", "completion").says(t, exitUsage, "bash, zsh, fish, kubectl")
	plugin(t, "", "completion", "tcsh").says(t, exitUsage, "bash, zsh, fish, kubectl")
}

func TestTabWithoutACluster(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for want, args := range map[string][]string{
		"status":               {"st"},
		"transfers":            {"report", "tr"},
		"Erasure":              {"request", "a", "--type", ""},
		"Messages=":            {"onboard", "a", "--retention", ""},
		"Messages=9,Contacts=": {"onboard", "a", "--retention", "Messages=9,"},
		"desk=Telegram,":       {"onboard", "a", "--channel", "desk="},
		"yaml":                 {"status", "-o", ""},
		"server":               {"onboard", "a", "--validate="},
		":4":                   {"status", ""}, // nothing, and no files either
	} {
		o := plugin(t, "", append([]string{"__complete"}, args...)...)
		if !strings.Contains(o.out, want+"\n") && !strings.Contains(o.out, want+"\t") {
			t.Errorf("%v: it doesn't offer %s:\n%s%s", args, want, o.out, o.errs)
		}
	}
}

func TestTabInACluster(t *testing.T) {
	c := startCluster(t)
	create(t, c, &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu-central"}, Spec: v1alpha1.RegionSpec{Jurisdiction: "EU"}})
	create(t, c, &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin"}, Spec: v1alpha1.TenantSpec{Region: "eu-central", Hostname: "a.example"}})
	for _, args := range [][]string{
		{"status", ""}, {"logs", ""}, {"request", ""}, {"audit", "verify", ""}, {"audit", "access", ""}, {"report", "transfers", ""}, {"export", ""}, {"restore", ""},
	} {
		plugin(t, "", append([]string{"__complete"}, args...)...).says(t, exitWhole, "hotel-berlin\n", ":4")
	}
	plugin(t, "", "__complete", "onboard", "a", "--region", "").says(t, exitWhole, "eu-central\tEU")

	// As kubectl's own completion asks, by the executable that completion kubectl prints.
	bin := built(t)
	if err := os.WriteFile(filepath.Join(bin, "kubectl_complete-switchboard"), []byte(plugin(t, "", "completion", "kubectl").out), 0o755); err != nil { //nolint:gosec // it is executed
		t.Fatal(err)
	}
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	t.Setenv("PATH", bin+":"+assets+":"+os.Getenv("PATH"))
	for _, words := range [][]string{{"status", ""}, {"audit", "verify", "hotel-b"}} {
		out, err := exec.CommandContext(t.Context(), filepath.Join(assets, "kubectl"), append([]string{"__complete", "switchboard"}, words...)...).Output()
		if err != nil || !strings.HasPrefix(string(out), "hotel-berlin\n") {
			t.Errorf("kubectl offers for %q, with %v:\n%s", words, err, out)
		}
	}
}
