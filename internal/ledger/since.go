package ledger

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

// Since gives the statements about receipts after a head, in their order, and whether the
// ledger goes on from that very head: false when it tells of another receipt there. The
// zero head is before the first.
func (l *Ledger) Since(ctx context.Context, tenant *v1alpha1.Tenant, head contract.ChainLink) ([]statement.Receipt, bool, error) {
	keys, err := l.Keeper.Public(ctx)
	if err != nil {
		return nil, false, err
	}
	books, err := l.books(ctx, l.Reader, tenant.Name)
	if err != nil {
		return nil, false, err
	}
	var all []statement.Receipt
	joins := true
	for _, ref := range books {
		b, err := l.open(ctx, ref.name, keys)
		if err != nil {
			return nil, false, err
		}
		for _, key := range slices.Sorted(maps.Keys(b.object.Data)) {
			r, _, err := b.read(ctx, key, keys)
			if err != nil {
				return nil, false, err
			}
			if r.TenantUID != string(tenant.UID) {
				continue
			}
			if digest, told := said(r, head.Sequence); told && head.Sequence > 0 {
				joins = digest == head.Digest
			}
			if r.Sequence > head.Sequence {
				all = append(all, r)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b statement.Receipt) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return all, joins, nil
}
