// Package ledger is the operator's own record of every tenant's chain of receipts:
// the newest ones countersigned, in ConfigMaps of the operator's namespace, which
// no tenant reaches. It is only ever added to.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/signing"
)

// Ledger countersigns heads of chains.
type Ledger struct {
	Client client.Client // writes
	// Reader reads ConfigMaps live.
	Reader client.Reader
	// Index reads the metadata of the ledger's ConfigMaps, best from a cache that holds
	// nothing else. A stale answer costs a live read.
	Index     client.Reader
	Keeper    signing.Keeper
	Namespace string // the operator's
	Now       func() time.Time
}

// BrokenError says that a receipt does not go with what was countersigned before:
// somebody wrote the tenant's database anew, put an older one back, or took receipts out.
type BrokenError struct {
	Sequence int64 // the receipt
	Message  string
}

func (e *BrokenError) Error() string { return e.Message }

func broken(tenant *v1alpha1.Tenant, h Head, format string, args ...any) error {
	return &BrokenError{Sequence: h.receipt.Sequence, Message: fmt.Sprintf(
		"receipt %d was not countersigned: %s; look into it with kubectl switchboard audit verify %s",
		h.receipt.Sequence, fmt.Sprintf(format, args...), tenant.Name)}
}

// asBroken makes a statement that can't be relied upon a BrokenError.
func asBroken(tenant *v1alpha1.Tenant, h Head, err error) error {
	var unreadable *unreadableError
	if errors.As(err, &unreadable) {
		return broken(tenant, h, "%v", err)
	}
	return err
}

func isBroken(err error) bool {
	var contradiction *BrokenError
	return errors.As(err, &contradiction)
}

// Append countersigns a head and adds it to the tenant's ledger, unless that was done
// before: then nothing is written. It gives what status shows of the receipt; a zero
// Evidence for one that is older than the ledger. A head that contradicts the ledger
// is refused with a BrokenError, and nothing is written.
func (l *Ledger) Append(ctx context.Context, tenant *v1alpha1.Tenant, head Head) (v1alpha1.Evidence, error) {
	newest, err := l.Newest(ctx, tenant)
	if err != nil {
		return v1alpha1.Evidence{}, err
	}
	if newest != nil && newest.Sequence == head.receipt.Sequence && newest.Digest == head.receipt.Digest {
		return *newest, nil
	}
	if err := head.check(); err != nil {
		return v1alpha1.Evidence{}, broken(tenant, head, "%v", err)
	}
	var given v1alpha1.Evidence
	again := func(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }
	err = retry.OnError(retry.DefaultRetry, again, func() (err error) {
		given, err = l.append(ctx, tenant, head)
		return err
	})
	return given, err
}

// Newest is the newest head of the tenant's chain that was countersigned; nil when
// there is none.
func (l *Ledger) Newest(ctx context.Context, tenant *v1alpha1.Tenant) (*v1alpha1.Evidence, error) {
	books, err := l.books(ctx, l.Index, tenant.Name)
	if err != nil || len(books) == 0 {
		return nil, err
	}
	last := books[len(books)-1]
	if last.uid != string(tenant.UID) {
		return nil, nil
	}
	var e v1alpha1.Evidence
	if err := json.Unmarshal([]byte(last.head), &e); err != nil {
		return nil, nil //nolint:nilerr // somebody edited the annotation: the statements count
	}
	return &e, nil
}

func (l *Ledger) append(ctx context.Context, tenant *v1alpha1.Tenant, head Head) (v1alpha1.Evidence, error) {
	key, err := l.Keeper.Current(ctx)
	if err != nil {
		return v1alpha1.Evidence{}, err
	}
	keys, err := l.Keeper.Public(ctx)
	if err != nil {
		return v1alpha1.Evidence{}, err
	}
	books, err := l.books(ctx, l.Reader, tenant.Name)
	if err != nil {
		return v1alpha1.Evidence{}, err
	}
	p := pass{Ledger: l, tenant: tenant, head: head, key: key, keys: keys, books: books}
	if len(books) == 0 {
		return p.sign(ctx, p.statement(nil))
	}
	if p.last, err = l.open(ctx, books[len(books)-1].name, keys); err != nil {
		return v1alpha1.Evidence{}, asBroken(tenant, head, err)
	}
	given, err := p.judge(ctx)
	if isBroken(err) && tenant.Annotations[v1alpha1.AnnotationAcceptEvidence] == fmt.Sprintf("%d:%s", head.receipt.Sequence, head.receipt.Digest) {
		r := p.statement(nil)
		r.Accepted = &contract.ChainLink{Sequence: p.last.newest.Sequence, Digest: p.last.newest.Digest}
		return p.sign(ctx, r)
	}
	return given, err
}
