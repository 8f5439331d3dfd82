package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

func rules() []contract.RetentionRule {
	return []contract.RetentionRule{{Category: contract.CategoryMessages, RetainDays: 90, Action: contract.ActionDelete}}
}

// sealed gives a chain of five receipts of runs. An oddity changes it from the first on.
func sealed(t *testing.T, oddity string) ([]evidence.Sealed, []evidence.Receipt) {
	t.Helper()
	var head contract.ChainLink
	var chain []evidence.Sealed
	var receipts []evidence.Receipt
	for i := range 5 {
		at, overdue := time.Date(2026, 3, 1+i, 2, 30, 0, 0, time.UTC), int64(0)
		r := evidence.Receipt{
			Kind: evidence.KindRetention, Tenant: "hotel-berlin", Policy: "guests", Generation: 1, PolicyDigest: contract.Digest(rules()), Outcome: contract.OutcomeEnforced,
			StartedAt: at, FinishedAt: at.Add(time.Second),
			Categories: []contract.CategoryResult{{Category: contract.CategoryMessages, Cutoff: at.AddDate(0, 0, -90), Deleted: int64(i), Overdue: &overdue}},
		}
		switch oddity {
		case "swapped":
			r.PolicyDigest = strings.Repeat("99", 32)
		case "anew":
			r.Generation = 9
		}
		s, err := evidence.Seal(r, head)
		if err != nil {
			t.Fatal(err)
		}
		chain, receipts = append(chain, s), append(receipts, r)
		head = contract.ChainLink{Sequence: s.Sequence, Digest: s.Digest}
	}
	return chain, receipts
}

// results are what the runs told the operator; the third's pod was lost.
func results(t *testing.T) []contract.RetentionResult {
	t.Helper()
	chain, receipts := sealed(t, "")
	var all []contract.RetentionResult
	for i, s := range chain {
		if i == 2 {
			continue
		}
		r := receipts[i]
		result := contract.RetentionResult{
			Sequence: s.Sequence, Policy: r.Policy, Generation: r.Generation, PolicyDigest: r.PolicyDigest, Outcome: r.Outcome,
			StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Categories: r.Categories, PreviousDigest: s.Previous, Digest: s.Digest,
		}
		for j := i - 1; j >= 0; j-- {
			result.Recent = append(result.Recent, contract.ChainLink{Sequence: chain[j].Sequence, Digest: chain[j].Digest})
		}
		all = append(all, result)
	}
	return all
}

// newFiles is an export of a whole tenant.
func newFiles(t *testing.T) files {
	t.Helper()
	f := files{t.TempDir(), "hotel-berlin"}
	writeReceipts(t, f, "")
	key, err := statement.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.file(fileKeys), key.Public().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	var anchor *contract.ChainLink
	for _, r := range results(t) {
		told := statement.Receipt{
			Tenant: f.tenant, TenantUID: "3f9b1c64-0000-4000-8000-000000000001", Sequence: r.Sequence, Digest: r.Digest, PreviousDigest: r.PreviousDigest, Kind: evidence.KindRetention,
			Policy: r.Policy, Generation: r.Generation, PolicyDigest: r.PolicyDigest, Rules: rules(), Outcome: r.Outcome, Anchor: anchor, FinishedAt: r.FinishedAt, SignedAt: r.FinishedAt,
		}
		c := r.Categories[0]
		told.Counts = []statement.Count{{Category: c.Category, Cutoff: &c.Cutoff, Done: c.Deleted, Overdue: c.Overdue}}
		if r.Sequence == 4 {
			told.Links = r.Recent[:1]
		}
		envelope, err := statement.SignReceipt(t.Context(), key, told)
		if err != nil {
			t.Fatal(err)
		}
		entry := audit.Entry{Ledger: "ledger-hotel-berlin-2026", Key: fmt.Sprintf("%012d", r.Sequence), Envelope: string(envelope)}
		if err := json.NewEncoder(&lines).Encode(entry); err != nil {
			t.Fatal(err)
		}
		anchor = &contract.ChainLink{Sequence: r.Sequence, Digest: r.Digest}
	}
	if err := os.WriteFile(f.file(fileLedger), lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// writeReceipts writes the receipts of a chain, from its genesis.
func writeReceipts(t *testing.T, f files, oddity string) {
	t.Helper()
	var lines bytes.Buffer
	chain, _ := sealed(t, oddity)
	for _, s := range chain {
		if err := evidence.WriteLine(&lines, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(f.file(fileReceipts), lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func edited(lines []string) []string {
	lines[1] = strings.Replace(lines[1], `\"deleted\":1`, `\"deleted\":7`, 1)
	return lines
}

// resigned changes a statement, and leaves its signature.
func resigned(lines []string) []string {
	lines[1] = strings.Replace(lines[1], `\"payload\":\"ey`, `\"payload\":\"fy`, 1)
	return lines
}

func foreignKey(t *testing.T, f files) {
	t.Helper()
	key, err := statement.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.file(fileKeys), key.Public().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func privateKey(t *testing.T, f files) {
	t.Helper()
	key, err := statement.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := key.PEM()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.file(fileKeys), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, f files, name string) {
	t.Helper()
	if err := os.Remove(f.file(name)); err != nil {
		t.Fatal(err)
	}
}

// lister lists one pod.
type lister struct {
	client.Reader
	pod corev1.Pod
}

func (l lister) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	pods, ok := list.(*corev1.PodList)
	if !ok {
		return fmt.Errorf("asked for %T", list)
	}
	pods.Items = []corev1.Pod{l.pod}
	return nil
}

func newFlags() *pflag.FlagSet { return pflag.NewFlagSet("test", pflag.ContinueOnError) }
