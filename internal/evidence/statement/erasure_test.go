package statement_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

func TestAnErasureIsReadBackAndNothingElsePassesAsOne(t *testing.T) {
	key := newKey(t)
	keys := keysOf(key)
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	want := statement.Erasure{
		Tenant: "hotel-berlin", TenantUID: "uid-1", Region: "eu-central", RequestedAt: at, FinishedAt: at.Add(time.Minute), Counted: true,
		Counts: []contract.CategoryCount{{Category: contract.CategoryMessages, Rows: 7}}, Destroyed: []string{"Namespace tenant-hotel-berlin"},
	}
	envelope, err := statement.SignErasure(t.Context(), key, want)
	if err != nil {
		t.Fatal(err)
	}
	got, id, err := statement.OpenErasure(t.Context(), envelope, keys)
	if err != nil || id != key.Public().ID() || !got.Same(want) {
		t.Errorf("read %+v, %s, %v", got, id, err)
	}
	if _, _, err := statement.OpenErasure(t.Context(), envelope, keysOf(newKey(t))); !errors.Is(err, statement.ErrUnknownKey) {
		t.Errorf("by another key: %v", err)
	}
	other := want
	other.Counts, other.Region = nil, "us-east"
	if differs := want.Differs(other); !slices.Equal(differs, []string{"counts", "region"}) {
		t.Errorf("they differ in %v", differs)
	}
	if _, _, err := statement.OpenReceipt(t.Context(), envelope, keys); err == nil {
		t.Error("it passes as a receipt")
	}
}

// What a tenant left behind when it moved is not the tenant.
func TestWhatIsLeftBehindIsAnotherSubject(t *testing.T) {
	key := newKey(t)
	moved := statement.Erasure{Tenant: "hotel-berlin", TenantUID: "uid-1", Region: "eu-central", Moved: &statement.Moved{To: "us-east", Plan: "4711", Rows: 7}}
	envelope, err := statement.SignErasure(t.Context(), key, moved)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := statement.OpenErasure(t.Context(), envelope, keysOf(key))
	if err != nil || !got.Same(moved) {
		t.Errorf("read %+v, %v", got, err)
	}
	all := moved
	all.Moved = nil
	s, err := statement.New("tenant/hotel-berlin/uid-1", strings.Repeat("0", 64), statement.ErasureType, moved)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := statement.Sign(t.Context(), key, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := statement.OpenErasure(t.Context(), forged, keysOf(key)); !errors.Is(err, statement.ErrUnreadable) {
		t.Errorf("what was left behind passes as the whole tenant: %v", err)
	}
	if differs := moved.Differs(all); !slices.Equal(differs, []string{"moved"}) {
		t.Errorf("they differ in %v", differs)
	}
}
