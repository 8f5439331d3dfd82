package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

const number = "+493023125177" // of the range that Germany keeps for films

// recipient is an age public key.
func recipient(t *testing.T) string {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity.Recipient().String()
}

func TestNobodyIsNamedOnTheCommandLine(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for _, args := range [][]string{
		{"--person", number}, {"--person", "guest@example.org"}, {"--person", "phone " + number}, {"--phone", number}, {"--phone=" + number},
		{"--email", "guest@example.org"}, {"--newName", "Erika Mustermann"}, {number}, {"guest@example.org"}, {"phone " + number},
	} {
		o := plugin(t, "", append([]string{"request", "hotel-berlin", "--type", "Erasure"}, args...)...)
		o.says(t, exitUsage, "not taken from the command line", "history", "--person -")
		if strings.Contains(o.out+o.errs, number) || strings.Contains(o.out+o.errs, "guest@") || strings.Contains(o.out+o.errs, "Erika") {
			t.Errorf("%v: it repeats the person: %s", args, o.errs)
		}
	}
	if o := plugin(t, "", "request", "--help"); strings.Contains(o.out, "--phone") {
		t.Errorf("--help offers what is refused:\n%s", o.out)
	}
}

func TestMistakesInARequest(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for says, args := range map[string][]string{
		"name one tenant":            {},
		"write one of [Erasure":      {"a"},
		"\"Deletion\"":               {"a", "--type", "Deletion", "--person", "-"},
		"say who is meant":           {"a", "--type", "Erasure"},
		"a Complaint names nobody":   {"a", "--type", "Complaint", "--person", "-"},
		"an Access request, and no":  {"a", "--type", "Access", "--person", "-"},
		"needs an age public key":    {"a", "--type", "Erasure", "--person", "-", "--to", recipient(t)},
		"never a person's name":      {"a", "--type", "Complaint", "--name", "Erika"},
		"write a time as 2026-11-20": {"a", "--type", "Complaint", "--received", "yesterday"},
		"write 1 to 90":              {"a", "--type", "Complaint", "--due-days", "91"},
		"text, json or yaml":         {"a", "--type", "Complaint", "-o", "csv"},
	} {
		plugin(t, "", append([]string{"request"}, args...)...).says(t, exitUsage, says)
	}
}

func TestWhoIsMeantIsReadLineByLine(t *testing.T) {
	person, err := readPerson("-", strings.NewReader("phone "+number+"\n\nphone:  +493023125178 \nemail guest@example.org\nnewName Erika Mustermann\n"))
	if err != nil || len(person) != 3 || string(person["phone"]) != number+"\n+493023125178" || string(person["newName"]) != "Erika Mustermann" {
		t.Errorf("%v: %q", err, person)
	}
	for text, says := range map[string]string{number + "\n": "line 1", "phone " + number + "\nfax 0301\n": "line 2", strings.Repeat("x", maxPerson+1): "bytes"} {
		if _, err := readPerson("-", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "0231") || strings.Contains(err.Error(), "0301") {
			t.Errorf("%.20q: %v, want %q and nothing of the person", text, err, says)
		}
	}
	if _, err := readPerson(filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("it reads a file that is not there")
	}
}

func TestRequestsInACluster(t *testing.T) {
	c := startCluster(t)
	request := func(in string, args ...string) outcome {
		o := plugin(t, in, append([]string{"request", "hotel-berlin"}, args...)...)
		if strings.Contains(o.out+o.errs, "3023125177") {
			t.Errorf("it tells of the person: %s%s", o.out, o.errs)
		}
		return o
	}
	request("phone "+number, "--type", "Erasure", "--person", "-").says(t, exitFailed, "no Tenant hotel-berlin")
	create(t, c, &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin"}, Spec: v1alpha1.TenantSpec{Region: "eu-central", Hostname: "a.example"}})
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-hotel-berlin"}})

	request("phone 030", "--type", "Erasure", "--person", "-").says(t, exitFailed, "key phone, line 1")
	request("phone "+number, "--type", "Rectification", "--person", "-").says(t, exitFailed, "newName")
	request("", "--type", "Erasure", "--person", "-").says(t, exitFailed, "there is no address")
	var secrets corev1.SecretList
	if err := c.List(t.Context(), &secrets, client.InNamespace("tenant-hotel-berlin")); err != nil || len(secrets.Items) > 0 {
		t.Fatalf("%v: what was refused left %d Secrets", err, len(secrets.Items))
	}

	file := filepath.Join(t.TempDir(), "person.txt")
	if err := os.WriteFile(file, []byte("phone "+number+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	request("", "--type", "Erasure", "--person", file, "--name", "request-2026-41", "--received", "2026-11-20T09:00:00Z").says(t, exitWhole,
		"request   request-2026-41, in namespace tenant-hotel-berlin", "due       2027-01-04T09:00:00Z", "get datasubjectrequest request-2026-41 --watch")
	q := &v1alpha1.DataSubjectRequest{}
	key := client.ObjectKey{Namespace: "tenant-hotel-berlin", Name: "request-2026-41"}
	secret := &corev1.Secret{}
	if err := c.Get(t.Context(), key, q); err != nil || q.Spec.Type != v1alpha1.RequestErasure || q.Spec.Subject.SecretName != "request-2026-41" {
		t.Errorf("%v: %+v", err, q.Spec)
	}
	if err := c.Get(t.Context(), key, secret); err != nil || string(secret.Data["phone"]) != number {
		t.Errorf("%v: the Secret holds %d keys", err, len(secret.Data))
	}
	request("", "--type", "Erasure", "--person", file, "--name", "request-2026-41").says(t, exitFailed, "already exists")

	o := request("phone "+number, "--type", "Access", "--person", "-", "--to", recipient(t), "--due-days", "30", "-o", "json")
	var told filed
	if err := json.Unmarshal([]byte(o.out), &told); err != nil || told.Type != v1alpha1.RequestAccess || told.Due.Sub(told.Received) != 30*24*time.Hour || !strings.HasPrefix(told.Name, "request-") {
		t.Errorf("%v: %s%s", err, o.out, o.errs)
	}

	// Nobody carries it out in time.
	request("", "--type", "Complaint", "--name", "complaint-1", "--wait", "--timeout", "1s").says(t, exitFindings, "phase     Pending", "has not looked at it yet")

	// The operator carries it out.
	finished := make(chan outcome, 1)
	go func() {
		finished <- plugin(t, "phone "+number, "request", "hotel-berlin", "--type", "Erasure", "--person", "-", "--name", "request-2026-42", "--wait")
	}()
	key.Name = "request-2026-42"
	for q.Name != key.Name {
		if err := c.Get(t.Context(), key, q); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
	q.Status = v1alpha1.DataSubjectRequestStatus{
		Phase: v1alpha1.RequestCompleted, Done: []v1alpha1.CategoryCount{{Category: "Messages", Rows: 7}},
		Receipts: []v1alpha1.RequestReceipt{{Sequence: 3, Digest: strings.Repeat("ab", 32), FinishedAt: metav1.Now()}},
	}
	if err := c.Status().Update(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	(<-finished).says(t, exitWhole, "phase     Completed", "done      Messages: 7 rows", "receipt   3:abab", "Completed\n")

	// A hold keeps some of it.
	q.Status.Phase = v1alpha1.RequestDeferred
	q.Status.Refused = []v1alpha1.Refusal{{Category: "Messages", Rows: 2, Hold: "case-2026-17"}}
	q.Status.Conditions = conditions("Ready False HeldBack hold case-2026-17 keeps it")
	if err := c.Status().Update(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if err := follow(t.Context(), c, q, time.Minute, func() {}); err == nil {
		t.Error("a deferred request counts as completed")
	}
	var b strings.Builder
	if err := printOutcome(&b, q); err != nil || !strings.Contains(b.String(), "kept      Messages: 2 rows, by hold case-2026-17") || !strings.Contains(b.String(), "HeldBack: hold") {
		t.Errorf("%v: %s", err, &b)
	}
}
