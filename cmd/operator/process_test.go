package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// maxIdle is what the operator may occupy at most when it has nothing to do, in KiB.
const maxIdle = 45 << 10

// TestTheProgram runs the operator as a pod does: it leads, stays small, and ends
// well on SIGTERM.
func TestTheProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "operator")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c, kubeconfig := cluster(t)
	manyReceipts(t, c)
	probes := freeAddress(t)
	var log bytes.Buffer
	operator := exec.CommandContext(t.Context(), program, "--metrics-bind-address="+freeAddress(t), "--health-probe-bind-address="+probes)
	operator.Env = []string{"KUBECONFIG=" + kubeconfig, "GOMEMLIMIT=110MiB"}
	operator.Stdout, operator.Stderr = &log, &log
	if err := operator.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- operator.Wait() }()

	until(t, "ready", func(context.Context) (bool, error) {
		resp, err := http.Get("http://" + probes + "/readyz")
		if err != nil {
			return false, nil
		}
		return resp.StatusCode == http.StatusOK, resp.Body.Close()
	})
	until(t, "leading: no Region got a status", func(ctx context.Context) (bool, error) {
		region := &v1alpha1.Region{}
		err := c.Get(ctx, client.ObjectKey{Name: "eu-central"}, region)
		return len(region.Status.Conditions) > 0, err
	})
	if peak := peakMemory(t, operator.Process.Pid); peak > maxIdle {
		t.Errorf("it occupied up to %d KiB, want at most %d", peak, maxIdle)
	} else {
		t.Logf("it occupied up to %d KiB", peak)
	}

	if err := operator.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	working := true
	for line := range strings.Lines(log.String()) {
		// What is cut off by the end is told as an error, and the lease given back as lost: neither is one.
		working = working && !strings.Contains(line, "Stopping and waiting for")
		if !strings.HasPrefix(line, "{") || working && strings.Contains(line, `"level":"ERROR"`) {
			t.Errorf("in the log: %s", line)
		}
	}
}

// manyReceipts makes full ledgers of many tenants, which together are as large as the
// operator may be: it must not hold them.
func manyReceipts(t *testing.T, c client.Client) {
	t.Helper()
	for i := range maxIdle / 512 {
		tenant := fmt.Sprintf("hotel-%d", i)
		labels := ledger.Labels()
		labels[v1alpha1.LabelTenant] = tenant
		create(t, c, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: name.Ledger(tenant, 2026, 1), Namespace: "switchboard-system", Labels: labels},
			Data:       map[string]string{"000000000001": strings.Repeat("x", 512<<10)},
		})
	}
}

// cluster is an API server with a Region, and a kubeconfig that leads to it.
func cluster(t *testing.T) (client.Client, string) {
	t.Helper()
	config := startServer(t)
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "switchboard-system"}})
	create(t, c, decode(t, c, documents(t, "../../config/samples/regions/eu-central.yaml")[0]))

	file := filepath.Join(t.TempDir(), "kubeconfig")
	err = clientcmd.WriteToFile(api.Config{
		Clusters:       map[string]*api.Cluster{"test": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*api.AuthInfo{"test": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:       map[string]*api.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}, file)
	if err != nil {
		t.Fatal(err)
	}
	return c, file
}

func until(t *testing.T, what string, is wait.ConditionWithContextFunc) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, is); err != nil {
		t.Fatalf("it never became %s: %v", what, err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// peakMemory is the process's highest resident set, in KiB.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("the system doesn't tell the peak of memory")
	return 0
}
