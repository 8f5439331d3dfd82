package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/archive"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

var standingBy = client.ObjectKey{Namespace: "tenant-hotel-berlin", Name: "export-abcde"}

// playCommand answers an exec of a command; what came on standard input is given to took.
func playCommand(t *testing.T, command, stdout, stderr, status string, took func([]byte)) *rest.Config {
	t.Helper()
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := strings.Join(r.URL.Query()["command"], " "); got != command {
			t.Errorf("it runs %s", got)
		}
		socket, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = socket.Close() }()
		var in []byte
		for r.URL.Query().Get("stdin") == "true" {
			_, b, err := socket.ReadMessage()
			if err != nil || len(b) > 0 && b[0] == 255 { // the end of the stream
				break
			}
			in = append(in, b[1:]...)
		}
		if took != nil {
			took(in)
		}
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

const success = `{"status":"Success"}`

func logged(t *testing.T, file string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(file))
	b, err := json.Marshal(map[string]any{"msg": "export", "result": contract.ExportResult{SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(file))}})
	if err != nil {
		t.Fatal(err)
	}
	return `{"level":"INFO","msg":"exported","table":"message","rows":7}` + "\n" + string(b) + "\n"
}

// TestAnExportIsHeldAgainstWhatThePodWrote: what is cut off on its way is no export.
func TestAnExportIsHeldAgainstWhatThePodWrote(t *testing.T) {
	const file = "age-encryption.org/v1 and so on"
	for sentence, c := range map[string]struct{ stdout, stderr, status, says string }{
		"whole":                {file, logged(t, file), success, ""},
		"cut off":              {file[:9], logged(t, file), success, "export again"},
		"nothing told":         {file, "", success, "export again"},
		"a database that left": {file[:9], "{}\ninstance export: exporting: table message: unexpected EOF\n", failure(1), "table message: unexpected EOF; what was written is not whole"},
	} {
		t.Run(sentence, func(t *testing.T) {
			var out, errs bytes.Buffer
			var given []byte
			config := playCommand(t, "/instance export --to age1x", c.stdout, c.stderr, c.status, func(b []byte) { given = b })
			err := exportFromPod(t.Context(), config, standingBy, "age1x", []byte("kind: Tenant\n"), &out, &errs)
			if (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("err = %v", err)
			}
			if out.String() != c.stdout || string(given) != "kind: Tenant\n" {
				t.Errorf("wrote %q, sent %q", &out, given)
			}
			if c.says == "" && (!strings.Contains(errs.String(), "message: 7 rows") || !strings.Contains(errs.String(), "sha256   ")) {
				t.Errorf("it says\n%s", &errs)
			}
		})
	}
}

// TestAnImportSendsTheKeyAheadOfTheFile, and on no command line.
func TestAnImportSendsTheKeyAheadOfTheFile(t *testing.T) {
	result, err := json.Marshal(contract.AdoptResult{
		Adopted: contract.Adopted{Tenant: "hotel-berlin"}, Receipt: contract.ChainLink{Sequence: 8, Digest: "ab"},
		Tables: []contract.AdoptCount{{Table: "message", Rows: 7, LeftOut: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	digest := strings.Repeat("ab", 32)
	for sentence, c := range map[string]struct{ stdout, stderr, status, says string }{
		"taken":   {string(result) + "\n", "", success, ""},
		"refused": {"", "{}\ninstance adopt: adopting: this tenant has data already (table contact); nothing has changed\n", failure(1), "has data already"},
		"other":   {"hello", "", success, "as new as this program"},
	} {
		t.Run(sentence, func(t *testing.T) {
			var out bytes.Buffer
			var sent []byte
			config := playCommand(t, "/instance adopt --digest "+digest, c.stdout, c.stderr, c.status, func(b []byte) { sent = b })
			err := adoptInPod(t.Context(), config, standingBy, digest, strings.NewReader("AGE-SECRET-KEY-1X\nthe file"), &out)
			if (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("err = %v", err)
			}
			if string(sent) != "AGE-SECRET-KEY-1X\nthe file" {
				t.Errorf("sent %q", sent)
			}
			if c.says == "" && (!strings.Contains(out.String(), "7 rows, 2 left out") || !strings.Contains(out.String(), "receipt    8:ab")) {
				t.Errorf("it says\n%s", &out)
			}
		})
	}
}

// TestAnImportRefusesBeforeItChangesAnything what it can tell by itself.
func TestAnImportRefusesBeforeItChangesAnything(t *testing.T) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := archive.NewWriter(&file, key.Recipient(), archive.Head{Format: contract.ExportFormat, Tenant: "hotel-berlin"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Keys(map[int][]byte{1: []byte("k")}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	good := write("key.txt", "# created: today\n# public key: age1\n"+key.String()+"\n")
	bring := func(in io.Reader, identity string) outcome {
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		return plugin(t, string(b), "import", "inn-berlin", "--identity", identity)
	}
	whole := file.String()
	bring(strings.NewReader(whole), write("other.txt", other.String())).says(t, exitFailed, "can't be decrypted with this key")
	bring(strings.NewReader("hello"), good).says(t, exitFailed, "no archive of a tenant")
	bring(strings.NewReader(whole), write("none.txt", "# nothing\n")).says(t, exitFailed, "holds 0 keys")
	told := bring(strings.NewReader(whole), write("bad.txt", "AGE-SECRET-KEY-1NOTHING\n"))
	told.says(t, exitFailed, "no age private key")
	if strings.Contains(told.errs, "NOTHING") {
		t.Error("the key is told:", told.errs)
	}
}

// TestKeysOfHashesTakeThePlaceOfNewOnes, which nothing was hashed by; and what stands by is
// taken in a namespace of a tenant's.
func TestKeysOfHashesTakeThePlaceOfNewOnes(t *testing.T) {
	c := startCluster(t)
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: standingBy.Namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}})
	in := plan.Tenant{
		Tenant: &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin", UID: "3f9b1c64-0000-4000-8000-000000000001"}, Spec: v1alpha1.TenantSpec{Hostname: "a.example"}},
		Region: &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu-central"}}, Images: plan.Images{Instance: "instance:test"},
	}
	for _, component := range []string{contract.ComponentExport, contract.ComponentAdopt} {
		create(t, c, plan.StandBy(in, component, component+"-abcde", standByHours))
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "keys", Namespace: standingBy.Namespace, Labels: map[string]string{"a": "b"}}, Data: map[string][]byte{"address-hash-1": []byte("new")}}
	create(t, c, secret)
	if err := putKeys(t.Context(), c, standingBy.Namespace, map[int][]byte{1: []byte("old"), 2: []byte("older")}); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		t.Fatal(err)
	}
	if len(secret.Data) != 2 || string(secret.Data["address-hash-1"]) != "old" || secret.Labels["a"] != "b" {
		t.Errorf("it is %v, %v", secret.Data, secret.Labels)
	}
	version := secret.ResourceVersion
	if err := putKeys(t.Context(), c, standingBy.Namespace, map[int][]byte{1: []byte("old"), 2: []byte("older")}); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil || secret.ResourceVersion != version {
		t.Errorf("it was written again: %v", err)
	}
}
