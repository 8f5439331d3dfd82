package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Files that the control plane and kwok are started with.
var (
	//go:embed stages.yaml
	stages []byte
	//go:embed audit.yaml
	auditPolicy []byte
	//go:embed scheduler.yaml
	schedulerConfig []byte
)

// operatorUser is the operator's service account, as its certificate names it.
const operatorUser = "system:serviceaccount:switchboard-system:switchboard-operator"

// plane is a control plane of its own: etcd, API server, controllers and scheduler, with kwok for nodes and pods.
type plane struct {
	admin  *rest.Config
	server *envtest.Environment
	folder string // data, certificates, logs
	bin    string // of the programs
	procs  []*process
}

// startPlane brings all of it up on loopback ports of its own. bin holds the programs, kwok among them.
func startPlane(ctx context.Context, folder, bin string) (*plane, error) {
	p := &plane{folder: folder, bin: bin}
	for name, content := range map[string][]byte{"stages.yaml": stages, "audit.yaml": auditPolicy, "scheduler.yaml": bytes.ReplaceAll(schedulerConfig, []byte("KUBECONFIG"), []byte(p.kubeconfig("kube-scheduler")))} {
		if err := os.WriteFile(p.file(name), content, 0o600); err != nil {
			return nil, fmt.Errorf("writing what the programs start from: %w", err)
		}
	}
	for _, name := range []string{"etcd", "pki"} {
		if err := os.MkdirAll(p.file(name), 0o700); err != nil {
			return nil, fmt.Errorf("making the folders of the control plane: %w", err)
		}
	}
	etcd := &envtest.Etcd{DataDir: p.file("etcd"), Path: filepath.Join(bin, "etcd")}
	etcd.Configure().Set("unsafe-no-fsync", "true").Set("quota-backend-bytes", "6442450944")
	server := &envtest.APIServer{CertDir: p.file("pki"), Path: filepath.Join(bin, "kube-apiserver")}
	server.Configure().
		Disable("disable-admission-plugins"). // envtest leaves service accounts out
		Set("service-cluster-ip-range", "10.96.0.0/12").
		Set("audit-policy-file", p.file("audit.yaml")).Set("audit-log-path", p.auditLog()).
		Set("audit-log-mode", "blocking").Set("audit-log-maxsize", "100000") // whoever counts must find the last one
	p.server = &envtest.Environment{
		ControlPlane: envtest.ControlPlane{APIServer: server, Etcd: etcd}, BinaryAssetsDirectory: bin,
		// The API server waits a minute for requests that last, and the figures are kept when all has ended.
		ControlPlaneStartTimeout: time.Minute, ControlPlaneStopTimeout: 2 * time.Minute,
	}
	var err error
	if p.admin, err = p.server.Start(); err != nil {
		return nil, fmt.Errorf("starting etcd and the API server: %w", err)
	}
	p.admin.QPS, p.admin.Burst = -1, 0
	return p, p.startPrograms(ctx)
}

func (p *plane) startPrograms(ctx context.Context) error {
	users := map[string]envtest.User{
		"admin":                   {Name: "scale-admin", Groups: []string{"system:masters"}},
		"kube-controller-manager": {Name: "system:kube-controller-manager"},
		"kube-scheduler":          {Name: "system:kube-scheduler"},
		"kwok":                    {Name: "kwok", Groups: []string{"system:masters"}},
		"operator":                {Name: operatorUser, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:switchboard-system"}},
	}
	for name, u := range users {
		user, err := p.server.ControlPlane.AddUser(u, nil)
		if err != nil {
			return fmt.Errorf("making user %s: %w", u.Name, err)
		}
		content, err := user.KubeConfig()
		if err != nil {
			return fmt.Errorf("writing the kubeconfig of %s: %w", u.Name, err)
		}
		if err := os.WriteFile(p.kubeconfig(name), content, 0o600); err != nil {
			return fmt.Errorf("writing the kubeconfig of %s: %w", u.Name, err)
		}
	}
	key := filepath.Join(p.file("pki"), "sa-signer.key")
	for _, argv := range [][]string{
		{
			"kube-controller-manager", "--kubeconfig=" + p.kubeconfig("kube-controller-manager"), "--leader-elect=false", "--secure-port=0",
			"--use-service-account-credentials=true", "--service-account-private-key-file=" + key,
			// Its clients' bounds are for clusters with more than two cores; here they would be measured instead of the operator.
			"--kube-api-qps=1000", "--kube-api-burst=2000", "--concurrent-deployment-syncs=10", "--concurrent-replicaset-syncs=10",
		},
		{"kube-scheduler", "--config=" + p.file("scheduler.yaml"), "--secure-port=0"},
		{"kwok", "--kubeconfig=" + p.kubeconfig("kwok"), "--config=" + p.file("stages.yaml"), "--manage-all-nodes=true", "--node-lease-duration-seconds=40", "--cidr=10.32.0.0/11"},
	} {
		proc, err := startProcess(ctx, p.file(argv[0]+".log"), filepath.Join(p.bin, argv[0]), argv[1:], nil)
		if err != nil {
			return err
		}
		p.procs = append(p.procs, proc)
	}
	return nil
}

// died says which of the programs ended that should go on; nil while all do.
func (p *plane) died() error {
	for _, proc := range p.procs {
		if err := proc.died(); err != nil {
			return err
		}
	}
	return nil
}

// stop ends all that was started.
func (p *plane) stop() error {
	for _, proc := range p.procs {
		proc.stop()
	}
	if err := p.server.Stop(); err != nil {
		return fmt.Errorf("stopping the control plane: %w", err)
	}
	return nil
}

// kubectl runs as the administrator in the repository's root.
func (p *plane) kubectl(ctx context.Context, root string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "kubectl"), args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "KUBECONFIG="+p.kubeconfig("admin"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %v: %w\n%s", args, err, out)
	}
	return nil
}

// install applies resource definitions, rights and admission policies as an installation has them.
func (p *plane) install(ctx context.Context, root string) error {
	for _, what := range [][]string{{"-k", "config/crd"}, {"-f", "config/manager/namespace.yaml"}, {"-k", "config/rbac"}} {
		if err := p.kubectl(ctx, root, append([]string{"apply", "--server-side"}, what...)...); err != nil {
			return err
		}
	}
	if err := p.kubectl(ctx, root, "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"); err != nil {
		return err
	}
	return p.kubectl(ctx, root, "apply", "--server-side", "-k", "config/admission")
}

func (p *plane) file(name string) string       { return filepath.Join(p.folder, name) }
func (p *plane) auditLog() string              { return p.file("audit.log") }
func (p *plane) kubeconfig(name string) string { return p.file(name + ".kubeconfig") }
