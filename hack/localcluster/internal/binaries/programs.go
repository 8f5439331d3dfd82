// Package binaries builds the programs of the cluster from the Go module proxy: no prebuilt binary is downloaded.
package binaries

import (
	"fmt"
	"strings"
)

// Kubernetes is the version that modules/kubernetes requires.
const Kubernetes = "v1.37.2"

// Program is one program of the cluster.
type Program struct {
	// Name is what the program is called, here and in its folder.
	Name string
	// Module is the folder of the Go module that pins the program's dependencies, inside this program's source.
	// Kubernetes and CoreDNS have one each, so that each is built from the very versions that it was released with.
	Module string
	// Package is the import path of the program.
	Package string
}

// Programs are all the programs, in the order in which progress counts them.
func Programs() []Program {
	kubernetes := func(name string) Program {
		return Program{Name: name, Module: "modules/kubernetes", Package: "k8s.io/kubernetes/cmd/" + name}
	}
	return []Program{
		{Name: "etcd", Module: "modules/kubernetes", Package: "go.etcd.io/etcd/server/v3"},
		kubernetes("kube-apiserver"),
		kubernetes("kube-controller-manager"),
		kubernetes("kube-scheduler"),
		kubernetes("kubelet"),
		kubernetes("kube-proxy"),
		kubernetes("kubectl"),
		{Name: "coredns", Module: "modules/coredns", Package: "."},
	}
}

// Named returns the programs of these names, or all when there are none.
func Named(names []string) ([]Program, error) {
	if len(names) == 0 {
		return Programs(), nil
	}
	var all []string
	byName := map[string]Program{}
	for _, p := range Programs() {
		byName[p.Name] = p
		all = append(all, p.Name)
	}
	var programs []Program
	for _, name := range names {
		p, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("no program is called %q; there are %s", name, strings.Join(all, ", "))
		}
		programs = append(programs, p)
	}
	return programs, nil
}

// ldflags make the binaries small and tell them their version, as the release build does.
func ldflags() string {
	parts := strings.Split(strings.TrimPrefix(Kubernetes, "v"), ".")
	version := "-X k8s.io/component-base/version."
	return strings.Join([]string{
		"-s -w",
		version + "gitVersion=" + Kubernetes,
		version + "gitMajor=" + parts[0],
		version + "gitMinor=" + parts[1],
	}, " ")
}
