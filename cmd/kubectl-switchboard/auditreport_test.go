package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/auditreport"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/signing"
)

// report makes one of March 2026 from the files, and reads it when it is JSON.
func (f files) report(t *testing.T, more ...string) (outcome, string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "report")
	return plugin(t, "", append([]string{"audit", "report", f.tenant, "--ledger", f.file(fileLedger), "--keys", f.file(fileKeys), "--receipts", f.file(fileReceipts),
		"--from", "2026-03-01", "--to", "2026-03-31", "--out", out}, more...)...), out
}

func readReport(t *testing.T, file string) auditreport.Report {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r auditreport.Report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAReportOffline(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	f := newFiles(t)
	o, file := f.report(t)
	o.says(t, exitWhole, "Wrote "+file, "2026-03-01 to 2026-03-31, 5 runs, 10 rows deleted; 0 problems, 0 breaches, 1 notes")
	page, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(page), "<!DOCTYPE html>") || !strings.Contains(string(page), "kubectl switchboard audit report hotel-berlin --from 2026-03-01 --to 2026-03-31") {
		t.Errorf("%v: %.200s", err, page)
	}
	o, file = f.report(t, "-o", "json", "--to", "2026-03-03")
	o.says(t, exitWhole)
	r := readReport(t, file)
	if r.Deletions.Total != 3 || len(r.Runs) != 3 || !r.Verified || r.Residency != nil || r.Tenant.State != auditreport.StateNotRead || len(r.Verification.Keys) != 1 || r.Verification.Countersigned.Sequence != 5 {
		t.Errorf("report %+v", r)
	}

	f.change(t, fileReceipts, edited)
	o, file = f.report(t, "-o", "json")
	o.says(t, exitFindings, "counted nowhere", "kubectl switchboard audit verify hotel-berlin")
	if r := readReport(t, file); r.Deletions.Total != 9 || r.Verified {
		t.Errorf("an edited receipt: %d rows, %+v", r.Deletions.Total, r.Findings)
	}

	exported := newFiles(t)
	folder := filepath.Join(t.TempDir(), "evidence")
	o, _ = exported.report(t, "--export", folder)
	o.says(t, exitWhole)
	files{folder, f.tenant}.verify(t).says(t, exitWhole, "The evidence is whole.")
}

func TestAReportIsNotMadeOfWhatCantBe(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	f := newFiles(t)
	tomorrow := time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	for name, c := range map[string]struct {
		more []string
		code int
		says string
	}{
		"from after to":          {[]string{"--from", "2026-04-01"}, exitUsage, "swap them"},
		"a future period":        {[]string{"--to", tomorrow}, exitUsage, "is in the future"},
		"no day":                 {[]string{"--to", "March"}, exitUsage, "write a day as"},
		"another form":           {[]string{"-o", "pdf"}, exitUsage, "write html or json"},
		"an anchor that is none": {[]string{"--anchor", "x"}, exitUsage, "SEQUENCE:DIGEST"},
		"no file":                {[]string{"--out", ""}, exitUsage, "--out FILE"},
		"no such folder":         {[]string{"--out", filepath.Join(t.TempDir(), "none", "report")}, exitFailed, "writing the report"},
		"no ledger":              {[]string{"--ledger", filepath.Join(t.TempDir(), "none")}, exitFailed, "opening the ledger"},
		"no receipts":            {[]string{"--receipts", filepath.Join(t.TempDir(), "none")}, exitFailed, "opening the receipts"},
		"no certificate":         {[]string{"--certificate", f.file(fileKeys)}, exitFailed, "is no ErasureCertificate"},
		"no cluster":             {[]string{"--ledger", ""}, exitFailed, "KUBECONFIG"},
	} {
		t.Run(name, func(t *testing.T) {
			o, file := f.report(t, c.more...)
			o.says(t, c.code, c.says)
			if _, err := os.Stat(file); err == nil {
				t.Error("a report was written")
			}
		})
	}
	plugin(t, "", "audit", "report", "--out", "x").says(t, exitUsage, "name one tenant")

	there := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, _ := f.report(t, "--out", there)
	o.says(t, exitUsage, "is there", "--force")
	if b, err := os.ReadFile(there); err != nil || string(b) != "mine" {
		t.Errorf("it was written over: %v", err)
	}
	o, _ = f.report(t, "--out", there, "--force")
	o.says(t, exitWhole)
	if b, err := os.ReadFile(there); err != nil || !strings.Contains(string(b), "<title>") {
		t.Errorf("it was not written over: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(there)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestAReportInACluster reports on a tenant that is there, and on it again when it was erased.
func TestAReportInACluster(t *testing.T) {
	c := startCluster(t)
	create(t, c, &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu-central"}, Spec: v1alpha1.RegionSpec{Jurisdiction: "EU"}})
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin"}, Spec: v1alpha1.TenantSpec{Region: "eu-central", Hostname: "a.example", DisplayName: "MARKER"}}
	create(t, c, tenant)
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-hotel-berlin"}})
	create(t, c, &v1alpha1.LegalHold{ObjectMeta: metav1.ObjectMeta{Name: "case-2026-17", Namespace: "tenant-hotel-berlin"}, Spec: v1alpha1.LegalHoldSpec{
		Reason: "court order 12 O 345/26", Match: v1alpha1.HoldMatch{Subject: &v1alpha1.SubjectReference{SecretName: "marker"}},
	}})
	complaint := &v1alpha1.DataSubjectRequest{ObjectMeta: metav1.ObjectMeta{Name: "complaint-1", Namespace: "tenant-hotel-berlin"}, Spec: v1alpha1.DataSubjectRequestSpec{
		Type: v1alpha1.RequestComplaint, ReceivedAt: metav1.NewTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)),
	}}
	create(t, c, complaint)
	due := metav1.NewTime(time.Date(2026, 3, 20, 9, 0, 0, 0, time.UTC))
	complaint.Status.DueAt = &due
	if err := c.Status().Update(t.Context(), complaint); err != nil {
		t.Fatal(err)
	}
	keeper := signing.Keeper{Client: c, Reader: c, Namespace: name.OperatorNamespace}
	operator := &ledger.Ledger{Client: c, Reader: c, Index: c, Namespace: name.OperatorNamespace, Now: time.Now, Keeper: keeper}
	var newest v1alpha1.Evidence
	for _, r := range results(t) {
		var err error
		if newest, err = operator.Append(t.Context(), tenant, ledger.OfRetention(r, rules())); err != nil {
			t.Fatal(err)
		}
	}
	f := files{t.TempDir(), tenant.Name}
	writeReceipts(t, f, "")
	report := func(more ...string) (outcome, auditreport.Report) {
		out := filepath.Join(t.TempDir(), "report.json")
		o := plugin(t, "", append([]string{"audit", "report", tenant.Name, "--from", "2026-03-01", "--to", "2026-03-31", "-o", "json", "--out", out}, more...)...)
		if o.code > exitFindings {
			return o, auditreport.Report{}
		}
		b, err := os.ReadFile(out)
		if err != nil || strings.Contains(strings.ToLower(string(b)), "marker") {
			t.Errorf("%v, or something personal is in it", err)
		}
		return o, readReport(t, out)
	}
	o, r := report("--receipts", f.file(fileReceipts))
	o.says(t, exitFindings, "5 runs, 10 rows deleted; 0 problems, 1 breaches")
	if r.Tenant.State != auditreport.StatePresent || r.Tenant.UID != string(tenant.UID) || r.Residency == nil || r.Transfers == nil ||
		len(r.Requests) != 1 || r.Requests[0].Clock != auditreport.ClockPastDue || r.Verification.Keys[0] != newest.KeyID {
		t.Errorf("report %+v", r)
	}
	o, _ = report()
	o.says(t, exitFailed, "no pod of Deployment serve", "--receipts FILE")
	plugin(t, "", "audit", "report", "hotel-boston", "--out", filepath.Join(t.TempDir(), "x")).says(t, exitFailed, "neither a Tenant hotel-boston nor a ledger")

	// It is erased: what is left are ledger and certificate.
	at := metav1.NewTime(time.Date(2026, 3, 30, 9, 0, 0, 0, time.UTC))
	gone := tenant.DeepCopy()
	gone.DeletionTimestamp = &at
	certificate := plan.Certificate(plan.Tenant{Tenant: gone, OperatorNamespace: name.OperatorNamespace},
		v1alpha1.Erasure{Counted: true, Counts: []v1alpha1.CategoryCount{{Category: contract.CategoryMessages, Rows: 7}}}, &newest, at.Add(time.Minute))
	key, err := keeper.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := statement.SignErasure(t.Context(), key, plan.ErasureOf(certificate.Spec))
	if err != nil {
		t.Fatal(err)
	}
	certificate.Spec.Envelope = string(envelope)
	create(t, c, certificate)
	for _, object := range []client.Object{complaint, tenant} {
		if err := c.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	o, r = report()
	o.says(t, exitWhole, "4 runs, 8 rows deleted; 0 problems, 0 breaches")
	if r.Tenant.State != auditreport.StateErased || r.Tenant.UID != string(tenant.UID) || len(r.Certificates) != 1 || !r.Certificates[0].Genuine || r.Certificates[0].Says.Counts[0].Rows != 7 {
		t.Errorf("report %+v", r)
	}

	// Its files, elsewhere.
	folder := filepath.Join(t.TempDir(), "evidence")
	o, _ = report("--export", folder, "--receipts", f.file(fileReceipts))
	o.says(t, exitWhole, "5 runs, 10 rows")
	certificate.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ErasureCertificate"))
	b, err := yaml.Marshal(certificate)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "certificate.yaml"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	o, file := files{folder, tenant.Name}.report(t, "-o", "json", "--certificate", filepath.Join(folder, "certificate.yaml"))
	o.says(t, exitWhole, "5 runs, 10 rows")
	if r := readReport(t, file); r.Tenant.State != auditreport.StateErased || len(r.Certificates) != 1 {
		t.Errorf("report %+v", r.Tenant)
	}
}

// A cluster that does not answer is not taken for one without the tenant.
func TestAReportOfAClusterOutOfReach(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(api.Config{
		Clusters: map[string]*api.Cluster{"test": {Server: "http://127.0.0.1:9"}}, Contexts: map[string]*api.Context{"test": {Cluster: "test"}}, CurrentContext: "test",
	}, kubeconfig); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	out := filepath.Join(t.TempDir(), "report.html")
	plugin(t, "", "audit", "report", "hotel-berlin", "--out", out).says(t, exitFailed, "reading Tenant hotel-berlin")
	if _, err := os.Stat(out); err == nil {
		t.Error("a report was written")
	}
}
