// Package controlplane says how the programs of the control plane are started.
package controlplane

import (
	_ "embed"
	"fmt"
	"net"
	"path/filepath"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/file"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/pki"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/process"
)

// The names of the programs, of their processes and of their logs.
const (
	EtcdName              = "etcd"
	APIServerName         = "kube-apiserver"
	ControllerManagerName = "kube-controller-manager"
	SchedulerName         = "kube-scheduler"
)

//go:embed audit-policy.yaml
var auditPolicy []byte

// Plane is the control plane of one cluster.
type Plane struct {
	State layout.State
	// Bin is the folder of the programs.
	Bin string
}

// Configure writes the certificates, kubeconfigs and files that the control plane starts from.
func (p Plane) Configure(ca *pki.Authority) error {
	ips := []net.IP{net.ParseIP(layout.HostIP), net.ParseIP(layout.APIServiceIP), net.IPv4(127, 0, 0, 1)}
	names := []string{
		"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc." + layout.ClusterDomain,
	}
	if err := ca.Server(APIServerName, names, ips); err != nil {
		return err
	}
	if err := ca.KeyPair("service-accounts"); err != nil {
		return err
	}
	if err := ca.Client("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"); err != nil {
		return err
	}
	users := []struct {
		name, user, file string
		groups           []string
	}{
		{"admin", "kubernetes-admin", p.State.Kubeconfig(), []string{"system:masters"}},
		{ControllerManagerName, "system:kube-controller-manager", p.kubeconfig(ControllerManagerName), nil},
		{SchedulerName, "system:kube-scheduler", p.kubeconfig(SchedulerName), nil},
	}
	for _, u := range users {
		if err := ca.Client(u.name, u.user, u.groups...); err != nil {
			return err
		}
		if err := ca.Kubeconfig(u.file, layout.APIServer, u.name); err != nil {
			return err
		}
	}
	if err := file.Put(p.auditPolicy(), auditPolicy, 0o644); err != nil {
		return fmt.Errorf("writing the audit policy: %w", err)
	}
	return nil
}

// Etcd is the database of the API server. It listens on the loopback address alone, as it asks nobody who he is.
func (p Plane) Etcd() process.Program {
	return process.Program{Name: EtcdName, Argv: []string{
		filepath.Join(p.Bin, "etcd"),
		"--name=localcluster",
		"--data-dir=" + p.State.Path("etcd"),
		"--listen-client-urls=" + layout.Etcd,
		"--advertise-client-urls=" + layout.Etcd,
		fmt.Sprintf("--listen-peer-urls=http://127.0.0.1:%d", layout.EtcdPeerPort),
		fmt.Sprintf("--initial-advertise-peer-urls=http://127.0.0.1:%d", layout.EtcdPeerPort),
		fmt.Sprintf("--initial-cluster=localcluster=http://127.0.0.1:%d", layout.EtcdPeerPort),
		"--unsafe-no-fsync", // a cluster for tests may lose its objects when the machine does
		"--auto-compaction-mode=periodic",
		"--auto-compaction-retention=10m",
		"--log-level=warn",
	}}
}

// APIServer is the API server, with an audit log of every write.
func (p Plane) APIServer() process.Program {
	pair := func(name string) (string, string) { return p.State.PKI(name + ".crt"), p.State.PKI(name + ".key") }
	servingCert, servingKey := pair(APIServerName)
	kubeletCert, kubeletKey := pair("apiserver-kubelet-client")
	return process.Program{
		Name:   APIServerName,
		Inputs: []string{p.auditPolicy(), servingCert},
		Argv: []string{
			filepath.Join(p.Bin, "kube-apiserver"),
			"--bind-address=" + layout.HostIP,
			"--advertise-address=" + layout.HostIP,
			fmt.Sprintf("--secure-port=%d", layout.APIPort),
			"--etcd-servers=" + layout.Etcd,
			"--service-cluster-ip-range=" + layout.ServiceNet,
			"--authorization-mode=Node,RBAC",
			"--enable-admission-plugins=NodeRestriction",
			"--allow-privileged=true",
			"--client-ca-file=" + p.State.PKI(pki.CACert),
			"--tls-cert-file=" + servingCert,
			"--tls-private-key-file=" + servingKey,
			"--kubelet-client-certificate=" + kubeletCert,
			"--kubelet-client-key=" + kubeletKey,
			// The nodes' names are in no DNS.
			"--kubelet-preferred-address-types=InternalIP",
			"--service-account-issuer=https://kubernetes.default.svc." + layout.ClusterDomain,
			"--service-account-key-file=" + p.State.PKI("service-accounts.pub"),
			"--service-account-signing-key-file=" + p.State.PKI("service-accounts.key"),
			"--audit-policy-file=" + p.auditPolicy(),
			"--audit-log-path=" + p.AuditLog(),
			"--audit-log-format=json",
			"--audit-log-mode=blocking-strict", // a test that counts writes must find the last one
			"--audit-log-maxsize=200",
			"--audit-log-maxbackup=1",
			"--profiling=false",
		},
	}
}

// ControllerManager runs the controllers, each as a service account of its own.
func (p Plane) ControllerManager() process.Program {
	return process.Program{Name: ControllerManagerName, Inputs: []string{p.kubeconfig(ControllerManagerName)}, Argv: []string{
		filepath.Join(p.Bin, "kube-controller-manager"),
		"--kubeconfig=" + p.kubeconfig(ControllerManagerName),
		"--authentication-kubeconfig=" + p.kubeconfig(ControllerManagerName),
		"--authorization-kubeconfig=" + p.kubeconfig(ControllerManagerName),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", layout.ControllerManagerPort),
		"--cert-dir=" + p.State.Path("certs", ControllerManagerName),
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--root-ca-file=" + p.State.PKI(pki.CACert),
		"--service-account-private-key-file=" + p.State.PKI("service-accounts.key"),
		"--cluster-signing-cert-file=" + p.State.PKI(pki.CACert),
		"--cluster-signing-key-file=" + p.State.PKI(pki.CAKey),
		"--flex-volume-plugin-dir=" + p.State.Path("volume-plugins"),
		"--profiling=false",
	}}
}

// Scheduler is the scheduler.
func (p Plane) Scheduler() process.Program {
	return process.Program{Name: SchedulerName, Inputs: []string{p.kubeconfig(SchedulerName)}, Argv: []string{
		filepath.Join(p.Bin, "kube-scheduler"),
		"--kubeconfig=" + p.kubeconfig(SchedulerName),
		"--authentication-kubeconfig=" + p.kubeconfig(SchedulerName),
		"--authorization-kubeconfig=" + p.kubeconfig(SchedulerName),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", layout.SchedulerPort),
		"--cert-dir=" + p.State.Path("certs", SchedulerName),
		"--leader-elect=false",
		"--profiling=false",
	}}
}

// AuditLog is the file with a line for every write that the API server answered.
func (p Plane) AuditLog() string { return p.State.Path("audit.log") }

func (p Plane) auditPolicy() string { return p.State.Path("audit-policy.yaml") }

func (p Plane) kubeconfig(name string) string { return p.State.PKI(name + ".kubeconfig") }
