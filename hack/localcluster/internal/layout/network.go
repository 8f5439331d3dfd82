// Package layout says where everything of the local cluster is: its addresses, its nodes and its folders.
// Everything here is a constant or follows from one folder; nothing in this package touches the machine.
package layout

import "fmt"

// The cluster's addresses. Three ranges, none of which leaves the machine.
const (
	// NodeNet holds the nodes; its first address is the host's, where the API server listens:
	// on 127.0.0.1 neither pods nor a node in another network namespace could reach it.
	NodeNet       = "10.88.0.0/24"
	nodeNetPrefix = 24

	// PodNet holds the pods (a /24 of it for each node) and, so that one range names the whole cluster, the nodes.
	PodNet = "10.88.0.0/16"

	// ServiceNet holds the ClusterIPs.
	ServiceNet = "10.96.0.0/16"

	// APIServiceIP is the Service "kubernetes"; the API server always takes the first address.
	APIServiceIP = "10.96.0.1"

	// DNSServiceIP is the Service "kube-dns".
	DNSServiceIP = "10.96.0.10"

	// ClusterDomain is the DNS domain of the cluster.
	ClusterDomain = "cluster.local"
)

// Ports on the host. Those of etcd are unusual on purpose: another etcd may well run on a developer's machine.
const (
	APIPort               = 6443
	EtcdClientPort        = 23790
	EtcdPeerPort          = 23800
	ControllerManagerPort = 10257
	SchedulerPort         = 10259
	KubeletHealthPort     = 10248
	KubeProxyHealthPort   = 10256
)

// Bridge is the network device that joins the nodes.
const Bridge = "switchboard0"

// HostIP is the address of the host on the bridge: that of the API server and of the first node.
const HostIP = "10.88.0.1"

// HostCIDR is HostIP with the prefix of the nodes' network.
var HostCIDR = fmt.Sprintf("%s/%d", HostIP, nodeNetPrefix)

// APIServer is the URL of the API server.
var APIServer = fmt.Sprintf("https://%s:%d", HostIP, APIPort)

// Etcd is the URL of etcd.
var Etcd = fmt.Sprintf("http://127.0.0.1:%d", EtcdClientPort)

// Node is one node of the cluster.
type Node struct {
	// Name is the node's name in the cluster.
	Name string
	// Region and Zone become the node's topology labels.
	Region, Zone string
	// IP is the node's address.
	IP string
	// PodNet is the range that the node's pods get their addresses from.
	PodNet string
	// Namespace is the node's network namespace; empty: the host's.
	Namespace string
	// Veth is the host's end of the cable to the node; empty for a node in the host's network.
	Veth string
}

// CIDR is the node's address with the prefix of the nodes' network.
func (n Node) CIDR() string { return fmt.Sprintf("%s/%d", n.IP, nodeNetPrefix) }

// Nodes are the nodes of the cluster, one in each region. The first is the host itself,
// so that tests that run there reach every pod and every ClusterIP.
func Nodes() []Node {
	return []Node{
		{Name: "eu-central-1", Region: "eu-central", Zone: "eu-central-a", IP: HostIP, PodNet: "10.88.1.0/24"},
		{Name: "us-east-1", Region: "us-east", Zone: "us-east-a", IP: "10.88.0.2", PodNet: "10.88.2.0/24",
			Namespace: "switchboard-us-east-1", Veth: "swb-us-east-1"},
	}
}
