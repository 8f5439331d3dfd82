package binaries

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const source = "../.."

func TestTheVersionIsTheOneThatTheModuleRequires(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(source, "modules/kubernetes/go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "k8s.io/kubernetes "+Kubernetes+" ") {
		t.Errorf("modules/kubernetes does not require %s", Kubernetes)
	}
	staging := "v0" + strings.TrimPrefix(Kubernetes, "v1")
	if !strings.Contains(string(mod), "k8s.io/api => k8s.io/api "+staging) {
		t.Errorf("modules/kubernetes does not replace k8s.io/api by %s", staging)
	}
	for _, p := range Programs() {
		if p.Package != "." && !strings.Contains(string(mod), "\t"+p.Package+"\n") {
			t.Errorf("modules/kubernetes does not hold %s as a tool: `go mod tidy` would drop it", p.Package)
		}
	}
}

func TestNamed(t *testing.T) {
	if all, err := Named(nil); err != nil || len(all) != len(Programs()) {
		t.Errorf("no names mean %d programs (%v), want all", len(all), err)
	}
	two, err := Named([]string{"kubectl", "etcd"})
	if err != nil || len(two) != 2 || two[0].Name != "kubectl" {
		t.Errorf("Named = %v, %v", two, err)
	}
	if _, err := Named([]string{"kubctl"}); err == nil || !strings.Contains(err.Error(), "kubectl") {
		t.Errorf("a wrong name is answered by %v, which does not list the right ones", err)
	}
}

func TestOutputIsTheNameThatGoBuildGives(t *testing.T) {
	for _, p := range Programs() {
		want := p.Name
		if want == "etcd" {
			want = "server"
		}
		if got := p.output(); got != want {
			t.Errorf("output of %s = %s, want %s", p.Name, got, want)
		}
	}
}

func TestBuildLeavesWhatIsThere(t *testing.T) {
	b := Builder{Source: source, Cache: t.TempDir(), Progress: io.Discard}
	folder, err := b.Folder()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	programs, err := Named([]string{"etcd", "kubectl"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		if err := os.WriteFile(filepath.Join(folder, p.Name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", "") // no go to build with
	if got, err := b.Build(context.Background(), programs); err != nil || got != folder {
		t.Errorf("Build = %q, %v; want %q", got, err, folder)
	}
}
