// Package node says how the programs of a node are configured and started: containerd, kubelet and kube-proxy.
package node

import (
	"bytes"
	"embed"
	"fmt"
	"path/filepath"
	"text/template"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/cgroup"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/file"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/hostnet"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/pki"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/process"
)

// PauseImage is the image whose container holds a pod's namespaces.
const PauseImage = "switchboard.localhost/pause:1"

//go:embed containerd.toml cni.json kubelet.yaml kube-proxy.yaml
var files embed.FS

var templates = template.Must(template.New("").Option("missingkey=error").ParseFS(files, "*"))

// Node is a node of one cluster.
type Node struct {
	layout.Node
	State layout.State
	// Bin is the folder of the programs.
	Bin string
}

// Configure writes the certificates and files that the node's programs start from.
func (n Node) Configure(ca *pki.Authority) error {
	users := []struct{ name, user, group, file string }{
		{"node-" + n.Name, "system:node:" + n.Name, "system:nodes", n.file("kubelet.kubeconfig")},
		{"kube-proxy", "system:kube-proxy", "system:node-proxier", n.file("kube-proxy.kubeconfig")},
	}
	for _, u := range users {
		if err := ca.Client(u.name, u.user, u.group); err != nil {
			return err
		}
		if err := ca.Kubeconfig(u.file, layout.APIServer, u.name); err != nil {
			return err
		}
	}
	for source, target := range map[string]string{
		"containerd.toml": "containerd.toml", "cni.json": "cni/switchboard.conflist",
		"kubelet.yaml": "kubelet.yaml", "kube-proxy.yaml": "kube-proxy.yaml",
	} {
		content, err := n.render(source)
		if err != nil {
			return err
		}
		if err := file.Put(n.file(target), content, 0o644); err != nil {
			return fmt.Errorf("configuring node %s: %w", n.Name, err)
		}
	}
	// Pods with the host's DNS policy find no server: nothing in this cluster asks the world outside.
	if err := file.Put(n.file("resolv.conf"), nil, 0o644); err != nil {
		return fmt.Errorf("configuring node %s: %w", n.Name, err)
	}
	return nil
}

// render fills in one of the embedded files.
func (n Node) render(name string) ([]byte, error) {
	var out bytes.Buffer
	err := templates.ExecuteTemplate(&out, name, map[string]any{
		"Node": n.Node, "Dir": n.State.Node(n.Name), "Socket": n.State.Containerd(n.Name),
		"PauseImage": PauseImage, "CA": n.State.PKI(pki.CACert), "Cgroup": cgroup.Path(n.Name),
		"DNS": layout.DNSServiceIP, "Domain": layout.ClusterDomain, "ClusterNet": layout.PodNet,
		"HealthPort": layout.KubeletHealthPort, "ProxyHealthPort": layout.KubeProxyHealthPort,
		"ProxyKubeconfig": n.file("kube-proxy.kubeconfig"),
	})
	if err != nil {
		return nil, fmt.Errorf("rendering %s of node %s: %w", name, n.Name, err)
	}
	return out.Bytes(), nil
}

// Containerd is the node's container runtime.
func (n Node) Containerd() process.Program {
	return n.program("containerd", []string{n.file("containerd.toml")},
		"/usr/bin/containerd", "--config="+n.file("containerd.toml"))
}

// Kubelet is the node's agent.
func (n Node) Kubelet() process.Program {
	return n.program("kubelet", []string{n.file("kubelet.yaml"), n.file("kubelet.kubeconfig")},
		filepath.Join(n.Bin, "kubelet"),
		"--config="+n.file("kubelet.yaml"),
		"--kubeconfig="+n.file("kubelet.kubeconfig"),
		"--root-dir="+n.file("kubelet"),
		"--cert-dir="+n.file("kubelet-certs"),
		"--hostname-override="+n.Name,
		"--node-ip="+n.IP,
		"--node-labels=topology.kubernetes.io/region="+n.Region+",topology.kubernetes.io/zone="+n.Zone,
	)
}

// Proxy makes Services reachable from the node.
func (n Node) Proxy() process.Program {
	return n.program("kube-proxy", []string{n.file("kube-proxy.yaml"), n.file("kube-proxy.kubeconfig")},
		filepath.Join(n.Bin, "kube-proxy"), "--config="+n.file("kube-proxy.yaml"))
}

// program is a program that runs in the node's network.
func (n Node) program(kind string, inputs []string, argv ...string) process.Program {
	return process.Program{
		Name:   kind + "-" + n.Name,
		Argv:   append(hostnet.Enter(n.Node), argv...),
		Inputs: inputs,
	}
}

func (n Node) file(elem ...string) string { return n.State.Node(n.Name, elem...) }
