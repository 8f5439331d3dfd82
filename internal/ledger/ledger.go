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

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/name"
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
	if len(books) == 0 {
		return l.write(ctx, tenant, key, nil, l.statement(tenant, head, nil))
	}
	last, err := l.open(ctx, books[len(books)-1].name, keys)
	if err != nil {
		return v1alpha1.Evidence{}, asBroken(tenant, head, err)
	}
	verdict, why := judge(last.newest, head, string(tenant.UID))
	switch verdict {
	case joins:
		return l.write(ctx, tenant, key, last, l.statement(tenant, head, &last.newest))
	case begins:
		return l.write(ctx, tenant, key, last, l.statement(tenant, head, nil))
	}
	given, refusal := v1alpha1.Evidence{}, broken(tenant, head, "%s", why)
	if verdict == older {
		given, refusal = l.covered(ctx, tenant, head, books, keys)
	}
	var contradiction *BrokenError
	switch isBroken := errors.As(refusal, &contradiction); {
	case refusal != nil && !isBroken:
		return given, refusal
	case verdict == older && given.Sequence == 0 && last.newest.TenantUID != string(tenant.UID) && head.whole():
		return l.write(ctx, tenant, key, last, l.statement(tenant, head, nil)) // as begins
	case isBroken && tenant.Annotations[v1alpha1.AnnotationAcceptEvidence] == fmt.Sprintf("%d:%s", head.receipt.Sequence, head.receipt.Digest):
		r := l.statement(tenant, head, nil)
		r.Accepted = &contract.ChainLink{Sequence: last.newest.Sequence, Digest: last.newest.Digest}
		return l.write(ctx, tenant, key, last, r)
	default:
		return given, refusal
	}
}

// statement is what is signed of a head that joins an anchor.
func (l *Ledger) statement(tenant *v1alpha1.Tenant, head Head, anchor *statement.Receipt) statement.Receipt {
	r := head.receipt
	r.Tenant, r.TenantUID, r.SignedAt = tenant.Name, string(tenant.UID), l.Now().UTC().Truncate(time.Second)
	r.Links = head.after(0)
	if anchor != nil {
		r.Anchor = &contract.ChainLink{Sequence: anchor.Sequence, Digest: anchor.Digest}
		r.Links = head.after(anchor.Sequence)
	}
	return r
}

// maxBook is where a ConfigMap is full, in bytes: Kubernetes takes 1 MiB.
const maxBook = 512 << 10

func (l *Ledger) write(ctx context.Context, tenant *v1alpha1.Tenant, key statement.PrivateKey, last *book, r statement.Receipt) (v1alpha1.Evidence, error) {
	envelope, err := statement.SignReceipt(ctx, key, r)
	if err != nil {
		return v1alpha1.Evidence{}, err
	}
	target, err := l.target(tenant, last, r, len(envelope))
	if err != nil {
		return v1alpha1.Evidence{}, err
	}
	e := v1alpha1.Evidence{
		Sequence: r.Sequence, Digest: r.Digest, KeyID: key.Public().ID(), SignedAt: metav1.NewTime(r.SignedAt), Ledger: target.Name,
	}
	shown, err := json.Marshal(e)
	if err != nil {
		return v1alpha1.Evidence{}, fmt.Errorf("encoding what status shows of receipt %d: %w", r.Sequence, err)
	}
	before := target.DeepCopy()
	if target.Data == nil {
		target.Data = map[string]string{}
	}
	target.Data[entry(r.Sequence)] = string(envelope)
	metav1.SetMetaDataAnnotation(&target.ObjectMeta, v1alpha1.AnnotationHead, string(shown))
	if target.ResourceVersion == "" {
		err = l.Client.Create(ctx, target)
	} else {
		err = l.Client.Patch(ctx, target, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}
	if err != nil {
		return v1alpha1.Evidence{}, fmt.Errorf("writing receipt %d into ledger %s: %w", r.Sequence, e.Ledger, err)
	}
	return e, nil
}

// target is the ConfigMap to write into: the last one, or the next when that is full,
// another year's or another Tenant's.
func (l *Ledger) target(tenant *v1alpha1.Tenant, last *book, r statement.Receipt, size int) (*corev1.ConfigMap, error) {
	year, part := r.SignedAt.Year(), 1
	if last != nil {
		old, number, _ := name.ParseLedger(tenant.Name, last.object.Name)
		if year <= old {
			year, part = old, number+1
		}
		goesOn := last.newest.TenantUID == r.TenantUID && r.Accepted == nil
		if year == old && goesOn && last.size()+size <= maxBook {
			return last.object, nil
		}
	}
	if part > maxParts {
		return nil, fmt.Errorf("the ledger of tenant %s has %d parts for %d: something fills it; look into it with kubectl switchboard audit verify %s", tenant.Name, maxParts, year, tenant.Name)
	}
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: name.Ledger(tenant.Name, year, part), Namespace: l.Namespace, Labels: labels(tenant),
	}}, nil
}

// maxParts keeps the names of one tenant's ledgers from those of another's.
const maxParts = 999
