package ledger_test

import (
	"fmt"
	"testing"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/ledger"
)

// A person may accept what the operator can't: exactly that receipt, and no other.
func TestABreakGoesOnWhenItIsAccepted(t *testing.T) {
	w, mine, restored := newWorld(t), chain(t, 30, ""), chain(t, 8, word("a"))
	w.append(tenant(), mine[2])
	w.append(tenant(), mine[4])
	accepting := func(r contract.RetentionResult) *v1alpha1.Tenant {
		accepted := tenant()
		accepted.Annotations = map[string]string{v1alpha1.AnnotationAcceptEvidence: fmt.Sprintf("%d:%s", r.Sequence, r.Digest)}
		return accepted
	}
	if _, err := w.Append(t.Context(), accepting(restored[3]), ledger.OfRetention(restored[4], rules())); err == nil {
		t.Error("another receipt than the accepted one was taken")
	}
	if e := w.append(accepting(restored[3]), restored[3]); e.Ledger != "ledger-hotel-berlin-2026-2" {
		t.Errorf("written into %s", e.Ledger)
	}
	if r := w.statements()[4]; r.Anchor != nil || r.Accepted == nil || r.Accepted.Sequence != 5 || r.Accepted.Digest != mine[4].Digest {
		t.Errorf("statement %+v", r)
	}
	if e := w.append(tenant(), restored[5]); e.Sequence != 6 || w.statements()[6].Anchor.Sequence != 4 {
		t.Errorf("went on as %+v", e)
	}
	// Too many results were lost.
	w.append(accepting(mine[29]), mine[29])
	if r := w.statements()[30]; r.Accepted == nil || r.Accepted.Sequence != 6 || len(r.Links) != 20 {
		t.Errorf("statement %+v", r)
	}
}

func TestANewTenantOfTheSameNameBeginsAnew(t *testing.T) {
	w, former, fresh := newWorld(t), chain(t, 4, ""), chain(t, 6, word("a"))
	w.append(tenant(), former[3])
	if newest, err := w.Newest(t.Context(), again()); newest != nil || err != nil {
		t.Errorf("the new Tenant has %+v, %v", newest, err)
	}
	e := w.append(again(), fresh[1])
	if e.Ledger != "ledger-hotel-berlin-2026-2" {
		t.Errorf("written into %s", e.Ledger)
	}
	w.append(again(), fresh[5])
	if r := w.statements()[2]; r.Anchor != nil || len(r.Links) != 1 {
		t.Errorf("the new chain is joined to %+v by %+v", r.Anchor, r.Links)
	}
	// One that got the former one's data goes on with its chain.
	kept := newWorld(t)
	kept.append(tenant(), former[1])
	kept.append(again(), former[1])
	if n := len(kept.books()); n != 1 {
		t.Errorf("%d ConfigMaps for a receipt that was countersigned before", n)
	}
	if e := kept.append(again(), former[3]); e.Ledger != "ledger-hotel-berlin-2026-2" || kept.statements()[4].Anchor.Sequence != 2 {
		t.Errorf("went on as %+v", e)
	}
}
