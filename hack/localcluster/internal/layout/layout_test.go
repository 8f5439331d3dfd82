package layout

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

func TestAddressesDoNotOverlap(t *testing.T) {
	seen := []netip.Prefix{netip.MustParsePrefix(NodeNet), netip.MustParsePrefix(ServiceNet)}
	cluster := netip.MustParsePrefix(PodNet)
	for _, n := range Nodes() {
		pods := netip.MustParsePrefix(n.PodNet)
		for _, other := range seen {
			if pods.Overlaps(other) {
				t.Errorf("the pods of %s (%s) overlap %s", n.Name, pods, other)
			}
		}
		seen = append(seen, pods)
		if !cluster.Overlaps(pods) || !netip.MustParsePrefix(NodeNet).Contains(netip.MustParseAddr(n.IP)) {
			t.Errorf("node %s lies outside the cluster's networks", n.Name)
		}
		if len(n.Veth) > 15 {
			t.Errorf("the kernel takes no device name as long as %s", n.Veth)
		}
	}
	for _, ip := range []string{APIServiceIP, DNSServiceIP} {
		if !netip.MustParsePrefix(ServiceNet).Contains(netip.MustParseAddr(ip)) {
			t.Errorf("%s is no ClusterIP", ip)
		}
	}
}

func TestStateRefusesFoldersThatMustStay(t *testing.T) {
	for _, dir := range []State{"", "/", "/var", "relative/folder"} {
		if dir.Check() == nil {
			t.Errorf("%q would be removed", dir)
		}
	}
	if err := State("/var/lib/switchboard/localcluster").Check(); err != nil {
		t.Error(err)
	}
}

func TestProjectRoot(t *testing.T) {
	root := t.TempDir()
	inner := filepath.Join(root, "hack", "localcluster")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, module := range map[string]string{
		filepath.Join(root, "go.mod"):  Project,
		filepath.Join(inner, "go.mod"): Project + "/hack/localcluster",
	} {
		if err := os.WriteFile(file, []byte("module "+module+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := ProjectRoot(inner); err != nil || got != root {
		t.Errorf("ProjectRoot = %q, %v; want %q", got, err, root)
	}
	if _, err := ProjectRoot(t.TempDir()); err == nil {
		t.Error("a folder outside any checkout was taken for the project")
	}
}
