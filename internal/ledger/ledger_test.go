package ledger_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/ledger"
)

func TestAHeadIsCountersignedOnce(t *testing.T) {
	w, results := newWorld(t), chain(t, 3, "")
	first := w.append(tenant(), results[0])
	if first.Sequence != 1 || first.Digest != results[0].Digest || first.Ledger != "ledger-hotel-berlin-2026" || !first.SignedAt.Time.Equal(w.now) || len(first.KeyID) != 64 {
		t.Errorf("evidence %+v", first)
	}
	// The second run's pod was lost: the third tells its digest.
	third := w.append(tenant(), results[2])
	got := w.statements()
	if len(got) != 2 || got[3].Anchor == nil || got[3].Anchor.Sequence != 1 || !slices.Equal(got[3].Links, []contract.ChainLink{{Sequence: 2, Digest: results[1].Digest}}) {
		t.Errorf("statements %+v", got)
	}
	if r := got[1]; r.TenantUID != string(tenant().UID) || contract.Digest(r.Rules) != r.PolicyDigest || r.Outcome != contract.OutcomeEnforced || len(r.Counts) != 1 {
		t.Errorf("statement %+v", r)
	}

	w.writes.Store(0)
	w.now = w.now.Add(time.Hour)
	for range 3 {
		if e := w.append(tenant(), results[0]); e != first {
			t.Errorf("the first again: %+v, was %+v", e, first)
		}
		if e := w.append(tenant(), results[2]); e.Sequence != 3 || e.Digest != third.Digest || !e.SignedAt.Equal(&third.SignedAt) || e.KeyID != third.KeyID {
			t.Errorf("the newest again: %+v, was %+v", e, third)
		}
	}
	if n := w.writes.Load(); n != 0 {
		t.Errorf("%d writes although nothing was new", n)
	}
	newest, err := w.Newest(t.Context(), tenant())
	if err != nil || newest == nil || newest.Sequence != 3 || newest.Digest != third.Digest {
		t.Errorf("newest %+v, %v", newest, err)
	}
}

func TestWhatContradictsTheLedgerIsRefused(t *testing.T) {
	mine, forged := chain(t, 30, ""), chain(t, 30, word("a"))
	without := func(r contract.RetentionResult) contract.RetentionResult { r.Recent = nil; return r }
	for name, c := range map[string]struct {
		result contract.RetentionResult
		says   string
	}{
		"the newest, sealed anew":                        {forged[4], "another receipt 5 was countersigned"},
		"an older one, sealed anew":                      {forged[2], "another receipt 3 was countersigned"},
		"one that only a link told of":                   {forged[1], "another receipt 2 was countersigned"},
		"the next, on a chain sealed anew":               {forged[5], "it follows another receipt 5"},
		"a later one, on a chain sealed anew":            {forged[9], "it follows another receipt 5"},
		"one whose links end before the ledger":          {mine[28], "none of the 20 links told along leads there"},
		"one without links":                              {without(mine[6]), "none of the 0 links"},
		"links that are not in order":                    {shuffled(mine[7]), "link 1 before it is out of order"},
		"links that begin elsewhere":                     {relinked(mine[6]), "not the one that it was sealed on"},
		"a digest that is none":                          {contract.RetentionResult{Sequence: 6, Digest: "x", PreviousDigest: mine[4].Digest}, "no receipt of a chain"},
		"a name where a category should be":              {named(mine[5]), "a category that there is not"},
		"an outcome in a guest's words":                  {outcome(mine[5]), "outcome or type"},
		"a name that is longer than a policy's may be":   {policy(mine[5], strings.Repeat("x", 64)), "no receipt of a chain"},
		"a receipt below the first, by a negative count": {contract.RetentionResult{Sequence: -1, Digest: word("0"), PreviousDigest: word("0")}, "no receipt of a chain"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.append(tenant(), mine[0])
			w.append(tenant(), mine[2])
			w.append(tenant(), mine[4])
			w.writes.Store(0)
			e, err := w.Append(t.Context(), tenant(), ledger.OfRetention(c.result, rules()))
			var broken *ledger.BrokenError
			if !errors.As(err, &broken) || broken.Sequence != c.result.Sequence || !strings.Contains(err.Error(), c.says) || e != (v1alpha1.Evidence{}) {
				t.Errorf("got %+v, %v; want a refusal that says %q", e, err, c.says)
			}
			if err != nil && !strings.Contains(err.Error(), "kubectl switchboard audit verify hotel-berlin") {
				t.Errorf("%v doesn't say what to do", err)
			}
			if n := w.writes.Load(); n != 0 {
				t.Errorf("%d writes", n)
			}
		})
	}
}

func shuffled(r contract.RetentionResult) contract.RetentionResult {
	r.Recent = slices.Clone(r.Recent)
	r.Recent[0], r.Recent[1] = r.Recent[1], r.Recent[0]
	return r
}

func relinked(r contract.RetentionResult) contract.RetentionResult {
	r.PreviousDigest = word("b")
	return r
}

func named(r contract.RetentionResult) contract.RetentionResult {
	r.Categories = []contract.CategoryResult{{Category: "Erika Mustermann"}}
	return r
}

func outcome(r contract.RetentionResult) contract.RetentionResult {
	r.Outcome = "call me at seven"
	return r
}

func policy(r contract.RetentionResult, name string) contract.RetentionResult {
	r.Policy = name
	return r
}

// A ledger that somebody wrote into is not gone on with.
func TestAForgedStatementIsNoticed(t *testing.T) {
	w, results := newWorld(t), chain(t, 3, "")
	w.append(tenant(), results[0])
	w.append(tenant(), results[1])
	book := w.books()[0]
	book.Data["000000000002"] = book.Data["000000000001"]
	if err := w.Client.Update(t.Context(), &book); err != nil {
		t.Fatal(err)
	}
	_, err := w.Append(t.Context(), tenant(), ledger.OfRetention(results[2], rules()))
	var broken *ledger.BrokenError
	if !errors.As(err, &broken) || !strings.Contains(err.Error(), "000000000002 in ConfigMap ledger-hotel-berlin-2026 can't be relied upon") {
		t.Errorf("got %v", err)
	}
}

func TestARequestIsCountersignedInTheSameChain(t *testing.T) {
	w, results := newWorld(t), chain(t, 2, "")
	w.append(tenant(), results[0])
	request := contract.SubjectResult{
		Request: "7d1c4e0a-0000-4000-8000-000000000003", Type: contract.RequestErasure, FinishedAt: w.now,
		Found: []contract.CategoryCount{{Category: contract.CategoryMessages, Rows: 9}}, Done: []contract.CategoryCount{{Category: contract.CategoryMessages, Rows: 7}, {Category: "Suppressions", Rows: 1}},
		Refused:  []contract.Refusal{{Category: contract.CategoryMessages, Rows: 2, Hold: "lawsuit"}},
		Subjects: []contract.SubjectHash{{Kind: contract.KindPhone, KeyVersion: 1, Hash: word("c")}},
		Sequence: 2, Digest: results[1].Digest, PreviousDigest: results[0].Digest,
	}
	e, err := w.Append(t.Context(), tenant(), ledger.OfSubject(request))
	if err != nil || e.Sequence != 2 {
		t.Fatalf("%+v, %v", e, err)
	}
	r := w.statements()[2]
	if r.Request != request.Request || len(r.Counts) != 2 || r.Counts[1].Category != "Suppressions" || r.Counts[0].Found != 9 || r.Counts[0].Done != 7 || r.Counts[0].HeldBack != 2 || len(r.Subjects) != 1 {
		t.Errorf("statement %+v", r)
	}
	request.Sequence, request.PreviousDigest, request.Digest = 3, request.Digest, word("e")
	request.Subjects[0].Hash = "+4930123456"
	if _, err := w.Append(t.Context(), tenant(), ledger.OfSubject(request)); err == nil {
		t.Error("a phone number was taken for a keyed hash")
	}
}

func TestAFullLedgerAndANewYearGoOnInTheNext(t *testing.T) {
	w, results := newWorld(t), chain(t, 4, "")
	w.append(tenant(), results[0])
	book := w.books()[0]
	book.Data["000000000000"] = strings.Repeat("x", 512<<10-len(book.Data["000000000001"])-24)
	if err := w.Client.Update(t.Context(), &book); err != nil {
		t.Fatal(err)
	}
	if e := w.append(tenant(), results[1]); e.Ledger != "ledger-hotel-berlin-2026-2" {
		t.Errorf("the second went into %s", e.Ledger)
	}
	w.now = w.now.AddDate(1, 0, 0)
	if e := w.append(tenant(), results[2]); e.Ledger != "ledger-hotel-berlin-2027" {
		t.Errorf("the third went into %s", e.Ledger)
	}
	w.now = w.now.AddDate(-1, 0, 0) // the clock was put back
	if e := w.append(tenant(), results[3]); e.Ledger != "ledger-hotel-berlin-2027-2" && e.Ledger != "ledger-hotel-berlin-2027" {
		t.Errorf("the fourth went into %s", e.Ledger)
	}
	w.writes.Store(0)
	for i, ledgerName := range []string{"ledger-hotel-berlin-2026", "ledger-hotel-berlin-2026-2", "ledger-hotel-berlin-2027"} {
		if e := w.append(tenant(), results[i]); e.Ledger != ledgerName || e.Digest != results[i].Digest {
			t.Errorf("receipt %d is found as %+v", i+1, e)
		}
	}
	if n := w.writes.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

// Several at once agree on one order, and on one key.
func TestConcurrentAppendsAgree(t *testing.T) {
	w, results := newWorld(t), chain(t, 5, "")
	var group sync.WaitGroup
	failures := make(chan error, len(results))
	for _, r := range results {
		group.Go(func() {
			for {
				_, err := w.Append(t.Context(), tenant(), ledger.OfRetention(r, rules()))
				if err == nil || t.Context().Err() != nil {
					failures <- err
					return
				}
				var broken *ledger.BrokenError
				if errors.As(err, &broken) {
					failures <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			t.Error(err)
		}
	}
	seen, signed := map[int64]string{}, w.statements()
	for _, r := range signed {
		seen[r.Sequence] = r.Digest
		for _, link := range r.Links {
			if seen[link.Sequence] = link.Digest; link.Digest != results[link.Sequence-1].Digest {
				t.Errorf("link %d is wrong", link.Sequence)
			}
		}
	}
	if len(seen) != len(results) || signed[5].Digest != results[4].Digest {
		t.Errorf("the ledger tells of %d receipts", len(seen))
	}
	keys, err := w.Keeper.Public(t.Context())
	if err != nil || len(keys) != 1 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// What Index shows may be old: the ledger itself is read before anything is signed.
func TestAStaleIndexDoesNoHarm(t *testing.T) {
	w, results := newWorld(t), chain(t, 3, "")
	w.Index = nothing{w.Reader}
	for _, r := range results {
		w.append(tenant(), r)
	}
	w.writes.Store(0)
	for _, r := range results {
		w.append(tenant(), r)
	}
	if n := w.writes.Load(); n != 0 || len(w.books()) != 1 || len(w.statements()) != 3 {
		t.Errorf("%d writes, %d statements", n, len(w.statements()))
	}
}

func TestLedgerSaysWhenItCantRead(t *testing.T) {
	w := newWorld(t)
	w.Index = failing{w.Reader}
	if _, err := w.Append(t.Context(), tenant(), ledger.OfRetention(chain(t, 1, "")[0], rules())); err == nil || !strings.Contains(err.Error(), "reading the ledger of tenant hotel-berlin") {
		t.Errorf("got %v", err)
	}
}
