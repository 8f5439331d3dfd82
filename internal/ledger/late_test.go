package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/ledger"
)

// A receipt that only a link told of gets a statement of its own when its run's result
// is seen after all: it alone has counts, rules and keyed hashes.
func TestAResultThatComesLateIsCountersignedToo(t *testing.T) {
	w, results := newWorld(t), chain(t, 6, "")
	w.append(tenant(), results[0])
	w.append(tenant(), results[4])
	newest, err := w.Newest(t.Context(), tenant())
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Hour)
	for _, i := range []int{2, 3, 1} {
		e := w.append(tenant(), results[i])
		r := w.statements()[int64(i+1)]
		if e.Digest != results[i].Digest || !e.SignedAt.Time.Equal(w.now) || r.CoveredBy == nil || *r.CoveredBy != (contract.ChainLink{Sequence: 5, Digest: results[4].Digest}) ||
			r.Anchor != nil || len(r.Links) != 0 || contract.Digest(r.Rules) != r.PolicyDigest {
			t.Errorf("receipt %d: %+v, %+v", i+1, e, r)
		}
	}
	if still, err := w.Newest(t.Context(), tenant()); err != nil || *still != *newest {
		t.Errorf("the newest is %+v, %v", still, err)
	}
	w.writes.Store(0)
	for i, r := range results[:5] {
		if e := w.append(tenant(), r); e.Sequence != int64(i+1) || e.Digest != r.Digest {
			t.Errorf("receipt %d again: %+v", i+1, e)
		}
	}
	var broken *ledger.BrokenError
	if _, err := w.Append(t.Context(), tenant(), ledger.OfRetention(chain(t, 3, word("a"))[2], rules())); !errors.As(err, &broken) {
		t.Errorf("another receipt 3: %v", err)
	}
	if n := w.writes.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
	w.append(tenant(), results[5])
	if r := w.statements()[6]; r.Anchor == nil || r.Anchor.Sequence != 5 {
		t.Errorf("the next joins %+v", r.Anchor)
	}
}
