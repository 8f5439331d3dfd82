package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// pass is one head's way into the ledger.
type pass struct {
	*Ledger
	tenant *v1alpha1.Tenant
	head   Head
	key    statement.PrivateKey
	keys   statement.Keys
	books  []ref
	last   *book // nil when there is none
}

// judge compares the head with the newest statement, and signs what goes with it.
func (p *pass) judge(ctx context.Context) (v1alpha1.Evidence, error) {
	newest, sequence := p.last.newest, p.head.receipt.Sequence
	// The Tenant was deleted with its data, and one of its name made anew.
	begins := newest.TenantUID != string(p.tenant.UID) && p.head.whole()
	digest, told := p.head.at(newest.Sequence)
	switch {
	case sequence <= newest.Sequence:
		given, err := p.older(ctx)
		if begins && given.Sequence == 0 && (err == nil || isBroken(err)) {
			return p.sign(ctx, p.statement(nil))
		}
		return given, err
	case told && digest == newest.Digest:
		return p.sign(ctx, p.statement(&newest))
	case begins:
		return p.sign(ctx, p.statement(nil))
	case told:
		return v1alpha1.Evidence{}, broken(p.tenant, p.head, "it follows another receipt %d than the one that was countersigned: the tenant's chain was written anew, or an older database was put back", newest.Sequence)
	default:
		return v1alpha1.Evidence{}, broken(p.tenant, p.head, "receipt %d was countersigned last, and none of the %d links told along leads there: too many results were lost", newest.Sequence, len(p.head.recent))
	}
}

// older gives what status shows of a head at or before the newest statement. One that
// only a link told of gets a statement of its own, late.
func (p *pass) older(ctx context.Context) (v1alpha1.Evidence, error) {
	sequence := p.head.receipt.Sequence
	t, err := p.find(ctx, sequence)
	switch {
	case err != nil:
		return v1alpha1.Evidence{}, asBroken(p.tenant, p.head, err)
	case t.digest == "":
		return v1alpha1.Evidence{}, nil // older than the ledger
	case t.digest != p.head.receipt.Digest:
		return v1alpha1.Evidence{}, broken(p.tenant, p.head, "another receipt %d was countersigned, in ConfigMap %s: the tenant's chain was written anew, or an older database was put back", sequence, t.book.object.Name)
	case t.by.Sequence == sequence || t.by.TenantUID != string(p.tenant.UID) || t.book.size() > maxLate:
		return v1alpha1.Evidence{
			Sequence: sequence, Digest: t.digest, Ledger: t.book.object.Name, KeyID: t.keyID, SignedAt: metav1.NewTime(t.by.SignedAt),
		}, nil
	}
	r := p.statement(nil)
	r.Links, r.CoveredBy = nil, &contract.ChainLink{Sequence: t.by.Sequence, Digest: t.by.Digest}
	return p.write(ctx, t.book.object, r)
}

// statement is what is signed of a head that joins an anchor.
func (p *pass) statement(anchor *statement.Receipt) statement.Receipt {
	r := p.head.receipt
	r.Tenant, r.TenantUID, r.SignedAt = p.tenant.Name, string(p.tenant.UID), p.Now().UTC().Truncate(time.Second)
	r.Links = p.head.after(0)
	if anchor != nil {
		r.Anchor = &contract.ChainLink{Sequence: anchor.Sequence, Digest: anchor.Digest}
		r.Links = p.head.after(anchor.Sequence)
	}
	return r
}

const (
	// maxBook is where a ConfigMap is full, in bytes: Kubernetes takes 1 MiB.
	maxBook = 512 << 10
	// maxLate is where it takes no late statement any more.
	maxLate = maxBook + 256<<10
	// maxParts keeps the names of one tenant's ledgers from those of another's.
	maxParts = 999
)

// sign adds a statement about a new head.
func (p *pass) sign(ctx context.Context, r statement.Receipt) (v1alpha1.Evidence, error) {
	target, err := p.target(r)
	if err != nil {
		return v1alpha1.Evidence{}, err
	}
	return p.write(ctx, target, r)
}

// target is the ConfigMap to write into: the last one, or the next when that is full,
// another year's or another chain's.
func (p *pass) target(r statement.Receipt) (*corev1.ConfigMap, error) {
	year, part := r.SignedAt.Year(), 1
	if last := p.last; last != nil {
		old, number, _ := name.ParseLedger(p.tenant.Name, last.object.Name)
		if year <= old {
			year, part = old, number+1
		}
		goesOn := last.newest.TenantUID == r.TenantUID && r.Anchor != nil
		if year == old && goesOn && last.size() < maxBook {
			return last.object, nil
		}
	}
	if part > maxParts {
		return nil, fmt.Errorf("the ledger of tenant %s has %d parts for %d: something fills it; look into it with kubectl switchboard audit verify %s",
			p.tenant.Name, maxParts, year, p.tenant.Name)
	}
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: name.Ledger(p.tenant.Name, year, part), Namespace: p.Namespace, Labels: labels(p.tenant),
	}}, nil
}

func (p *pass) write(ctx context.Context, target *corev1.ConfigMap, r statement.Receipt) (v1alpha1.Evidence, error) {
	envelope, err := statement.SignReceipt(ctx, p.key, r)
	if err != nil {
		return v1alpha1.Evidence{}, err
	}
	e := v1alpha1.Evidence{
		Sequence: r.Sequence, Digest: r.Digest, KeyID: p.key.Public().ID(), SignedAt: metav1.NewTime(r.SignedAt), Ledger: target.Name,
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
	if r.CoveredBy == nil {
		metav1.SetMetaDataAnnotation(&target.ObjectMeta, v1alpha1.AnnotationHead, string(shown))
	}
	if target.ResourceVersion == "" {
		err = p.Client.Create(ctx, target)
	} else {
		err = p.Client.Patch(ctx, target, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}
	if err != nil {
		return v1alpha1.Evidence{}, fmt.Errorf("writing receipt %d into ledger %s: %w", r.Sequence, e.Ledger, err)
	}
	return e, nil
}
