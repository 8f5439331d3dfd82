package node

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
)

func nodes() []Node {
	var all []Node
	for _, n := range layout.Nodes() {
		all = append(all, Node{Node: n, State: "/state", Bin: "/bin"})
	}
	return all
}

func TestEveryFileOfANodeNamesThatNodeAlone(t *testing.T) {
	all := nodes()
	for i, n := range all {
		other := all[len(all)-1-i]
		for _, name := range []string{"containerd.toml", "cni.json", "kubelet.yaml", "kube-proxy.yaml"} {
			content, err := n.render(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(content), other.Name) || strings.Contains(string(content), other.PodNet) {
				t.Errorf("%s of %s names %s:\n%s", name, n.Name, other.Name, content)
			}
			if strings.HasSuffix(name, ".yaml") {
				var parsed map[string]any
				if err := yaml.UnmarshalStrict(content, &parsed); err != nil || parsed["kind"] == nil {
					t.Errorf("%s of %s is no configuration: %v", name, n.Name, err)
				}
			}
			if strings.HasSuffix(name, ".json") && !json.Valid(content) {
				t.Errorf("%s of %s is not JSON:\n%s", name, n.Name, content)
			}
		}
	}
}

func TestTheSecondNodeRunsInItsOwnNetwork(t *testing.T) {
	for _, n := range nodes() {
		argv := strings.Join(n.Kubelet().Argv, " ")
		if inside := strings.HasPrefix(argv, "nsenter --net=/run/netns/"+n.Namespace+" "); inside != (n.Namespace != "") {
			t.Errorf("the kubelet of %s starts as %s", n.Name, argv)
		}
		if !strings.Contains(argv, "topology.kubernetes.io/region="+n.Region) {
			t.Errorf("the kubelet of %s does not say its region: %s", n.Name, argv)
		}
	}
}
