package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// aCertificate is signed by the key.
func aCertificate(t *testing.T, key statement.PrivateKey) *v1alpha1.ErasureCertificate {
	t.Helper()
	at := metav1.NewTime(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC))
	tenant := &v1alpha1.Tenant{
		ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin", UID: types.UID("3f9b1c64-0000-4000-8000-000000000001"), DeletionTimestamp: &at},
		Spec:       v1alpha1.TenantSpec{Region: "eu-central", Export: &v1alpha1.Export{}},
		Status: v1alpha1.TenantStatus{Export: &v1alpha1.Exported{
			Object: "hotels/a.tar.gz.age", Endpoint: "https://s3.example", Bucket: "handover", Recipient: "age1x", SHA256: "cd", Bytes: 9, SnapshotAt: at, Sequence: 12,
		}},
	}
	c := plan.Certificate(plan.Tenant{Tenant: tenant, OperatorNamespace: "switchboard-system"}, v1alpha1.Erasure{
		Counted: true, Counts: []v1alpha1.CategoryCount{{Category: "Messages", Rows: 7}}, Volumes: []string{"pv-1"},
	}, &v1alpha1.Evidence{Sequence: 12, Digest: "ab"}, at.Add(time.Minute))
	envelope, err := statement.SignErasure(t.Context(), key, plan.ErasureOf(c.Spec))
	if err != nil {
		t.Fatal(err)
	}
	c.Spec.Envelope = string(envelope)
	return c
}

func TestACertificateIsCheckedOffline(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	key, err := statement.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := statement.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	for sentence, x := range map[string]struct {
		change func(*v1alpha1.ErasureCertificate)
		by     statement.PrivateKey
		code   int
		says   []string
	}{
		"genuine": {nil, key, exitWhole, []string{
			"tenant     hotel-berlin (3f9b1c64-0000-4000-8000-000000000001), region eu-central", "counted    7 rows", "PersistentVolume pv-1",
			"receipts   up to 12:ab", "exported   hotels/a.tar.gz.age in bucket handover of https://s3.example", "9 bytes, sha256 cd, to age1x", "note      NotChecked: Not checked: copies", "The certificate is genuine.",
		}},
		"a count made smaller":     {func(c *v1alpha1.ErasureCertificate) { c.Spec.Counts[0].Rows = 1 }, key, exitFindings, []string{"PROBLEM   CertificateEdited: ", "was signed: counts."}},
		"another file's digest":    {func(c *v1alpha1.ErasureCertificate) { c.Spec.Export.SHA256 = "ef" }, key, exitFindings, []string{"CertificateEdited", "export"}},
		"another tenant's":         {func(c *v1alpha1.ErasureCertificate) { c.Spec.Tenant = "hotel-boston" }, key, exitFindings, []string{"CertificateEdited", "tenant"}},
		"signed by nobody known":   {nil, other, exitFindings, []string{"PROBLEM   UnknownKey: "}},
		"an envelope that is none": {func(c *v1alpha1.ErasureCertificate) { c.Spec.Envelope = "{}" }, key, exitFindings, []string{"PROBLEM   BadStatement: ", "can't be relied upon"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			c := aCertificate(t, x.by)
			if x.change != nil {
				x.change(c)
			}
			b, err := yaml.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			folder := t.TempDir()
			file, keys := filepath.Join(folder, "certificate.yaml"), filepath.Join(folder, "keys.pem")
			for name, content := range map[string][]byte{file: b, keys: key.Public().PEM()} {
				if err := os.WriteFile(name, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			plugin(t, "", "audit", "certificate", "--file", file, "--keys", keys).says(t, x.code, x.says...)
			o := plugin(t, "", "audit", "certificate", "--file", file, "--keys", keys, "-o", "json")
			var told checkedCertificate
			if err := json.Unmarshal([]byte(o.out), &told); err != nil || told.OK != (x.code == exitWhole) {
				t.Errorf("as JSON: %v, %s", err, o.out)
			}
		})
	}
	plugin(t, "", "audit", "certificate", "--file", filepath.Join(t.TempDir(), "none"), "--keys", "none").says(t, exitFailed, "reading the certificate")
}
