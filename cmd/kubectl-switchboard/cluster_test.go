package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/signing"
)

// TestInACluster has the operator's ledger countersign on an API server, and lets the
// plugin read it there.
func TestInACluster(t *testing.T) {
	c := startCluster(t)
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin"}, Spec: v1alpha1.TenantSpec{Region: "eu-central", Hostname: "a.example"}}
	create(t, c, tenant)
	operator := &ledger.Ledger{
		Client: c, Reader: c, Index: c, Namespace: name.OperatorNamespace, Now: time.Now,
		Keeper: signing.Keeper{Client: c, Reader: c, Namespace: name.OperatorNamespace},
	}
	f := files{t.TempDir(), tenant.Name}
	writeReceipts(t, f, "")
	receipts := f.file(fileReceipts)
	verify := func(more ...string) outcome {
		return plugin(t, "", append([]string{"audit", "verify", tenant.Name, "--receipts", receipts}, more...)...)
	}
	verify().says(t, exitWhole, "LedgerEmpty", "receipts  5")

	var newest v1alpha1.Evidence
	for _, r := range results(t) {
		var err error
		if newest, err = operator.Append(t.Context(), tenant, ledger.OfRetention(r, rules())); err != nil {
			t.Fatal(err)
		}
	}
	verify().says(t, exitWhole, "ledger    4 statements, the newest is 5:", "key       "+newest.KeyID, "The evidence is whole.")

	folder := filepath.Join(t.TempDir(), "evidence")
	verify("--export", folder).says(t, exitWhole, "To check it elsewhere:\n  kubectl switchboard audit verify hotel-berlin --ledger "+folder)
	verify("--export", folder).says(t, exitFailed, "is not empty")
	kubeconfig := os.Getenv("KUBECONFIG")
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	files{folder, tenant.Name}.verify(t).says(t, exitWhole, "The evidence is whole.")
	t.Setenv("KUBECONFIG", kubeconfig)

	// Status knows of a newer statement than what the ledger still has.
	tenant.Status.Evidence = &newest
	if err := c.Status().Update(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	book := &corev1.ConfigMap{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: name.OperatorNamespace, Name: newest.Ledger}, book); err != nil {
		t.Fatal(err)
	}
	delete(book.Data, "000000000005")
	if err := c.Update(t.Context(), book); err != nil {
		t.Fatal(err)
	}
	verify().says(t, exitFindings, "LedgerTruncated")

	plugin(t, "", "audit", "verify", "hotel-berlin").says(t, exitFailed, "no pod of Deployment serve in namespace tenant-hotel-berlin is ready", "--receipts FILE")
	plugin(t, "", "audit", "verify", "hotel-boston").says(t, exitFailed, "neither a Tenant hotel-boston nor a ledger")
}

// startCluster is an API server that KUBECONFIG leads to.
func startCluster(t *testing.T) client.Client {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("this test needs an API server: run `make test`, which builds one and sets KUBEBUILDER_ASSETS")
	}
	environment := &envtest.Environment{CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true}
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("KUBECONFIG", kubeconfig(t, config))
	c, _, err := newConnection(newFlags()).open()
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name.OperatorNamespace}})
	return c
}

func kubeconfig(t *testing.T, config *rest.Config) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(api.Config{
		Clusters:       map[string]*api.Cluster{"test": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*api.AuthInfo{"test": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:       map[string]*api.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}, file)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func create(t *testing.T, c client.Client, object client.Object) {
	t.Helper()
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// TestReceiptsFromAPod plays the API server's exec of a pod.
func TestReceiptsFromAPod(t *testing.T) {
	f := newFiles(t)
	export, err := os.ReadFile(f.file(fileReceipts))
	if err != nil {
		t.Fatal(err)
	}
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: f.tenant}}
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "serve-0", Namespace: "tenant-hotel-berlin", Labels: plan.ServerLabels(f.tenant)},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	for name, c := range map[string]struct {
		stdout, stderr, status string
		receipts               int
		says                   string
	}{
		"an export":              {string(export), "", `{"status":"Success"}`, 5, ""},
		"an export of nothing":   {"", "", `{"status":"Success"}`, 0, ""},
		"a database that's down": {"", "no connection to the database\n", failure(1), 0, "no connection to the database"},
		"an export that broke":   {string(export[:len(export)/2]), "killed\n", failure(137), 2, "exit code 137"},
		"something else":         {"hello\n", "", `{"status":"Success"}`, 0, "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			config := playExec(t, c.stdout, c.stderr, c.status)
			n := 0
			err := fromPod(t.Context(), lister{pod: pod}, config, tenant, func(evidence.Sealed) error { n++; return nil })
			if n != c.receipts || (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%d receipts, %v; want %d, %q", n, err, c.receipts, c.says)
			}
		})
	}
}

func failure(code int) string {
	return fmt.Sprintf(`{"status":"Failure","reason":"NonZeroExitCode","message":"m","details":{"causes":[{"reason":"ExitCode","message":"%d"}]}}`, code)
}

// playExec answers an exec with what a container writes, as the API server's web socket does.
func playExec(t *testing.T, stdout, stderr, status string) *rest.Config {
	t.Helper()
	return playExecOf(t, "/instance verify --export", stdout, stderr, status)
}

// playExecOf is playExec for another command.
func playExecOf(t *testing.T, command, stdout, stderr, status string) *rest.Config {
	t.Helper()
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := "/api/v1/namespaces/tenant-hotel-berlin/pods/serve-0/exec"
		if got := r.URL; got.Path != want || strings.Join(got.Query()["command"], " ") != command || got.Query().Get("container") != "serve" {
			t.Errorf("asked for %s", got)
		}
		socket, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = socket.Close() }()
		for i, text := range []string{stdout, stderr, status} {
			if err := socket.WriteMessage(websocket.BinaryMessage, append([]byte{byte(i + 1)}, text...)); err != nil {
				t.Error(err)
			}
		}
		_ = socket.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}
