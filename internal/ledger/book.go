package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Labels of the ledger's ConfigMaps. They lack the operator's managed-by label: the
// caches hold no copy of what is in them.
const (
	labelComponent = "app.kubernetes.io/component"
	component      = "ledger"
)

// Labels select the ledger's ConfigMaps, of all tenants.
func Labels() map[string]string { return map[string]string{labelComponent: component} }

// Indexed says which ConfigMaps an Index is to know: those of receipts and of consent.
func Indexed() k8slabels.Selector {
	of, err := k8slabels.NewRequirement(labelComponent, selection.In, []string{component, componentConsents})
	if err != nil {
		panic(err) // the words above are labels
	}
	return k8slabels.NewSelector().Add(*of)
}

// Metadata is what a cache of the ledger holds of each ConfigMap.
func Metadata() *metav1.PartialObjectMetadata {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	return o
}

func labels(tenant *v1alpha1.Tenant) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name": "switchboard", labelComponent: component,
		v1alpha1.LabelTenant: tenant.Name, v1alpha1.LabelTenantUID: string(tenant.UID),
	}
}

// entry is the key of a receipt's statement: as many digits as sort rightly.
func entry(sequence int64) string { return fmt.Sprintf("%012d", sequence) }

// ref is what the metadata of one of the ledger's ConfigMaps tells.
type ref struct {
	name, uid, head string
	year, part      int
}

// books lists a tenant's ConfigMaps, oldest first.
func (l *Ledger) books(ctx context.Context, from client.Reader, tenant string) ([]ref, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
	selector := client.MatchingLabels{labelComponent: component, v1alpha1.LabelTenant: tenant}
	if err := from.List(ctx, list, client.InNamespace(l.Namespace), selector); err != nil {
		return nil, fmt.Errorf("reading the ledger of tenant %s: %w", tenant, err)
	}
	var all []ref
	for _, o := range list.Items {
		if year, part, ok := name.ParseLedger(tenant, o.Name); ok {
			all = append(all, ref{name: o.Name, uid: o.Labels[v1alpha1.LabelTenantUID], head: o.Annotations[v1alpha1.AnnotationHead], year: year, part: part})
		}
	}
	slices.SortFunc(all, func(a, b ref) int { return cmp.Or(cmp.Compare(a.year, b.year), cmp.Compare(a.part, b.part)) })
	return all, nil
}

// book is one of the ledger's ConfigMaps, and the newest statement in it.
type book struct {
	object *corev1.ConfigMap
	newest statement.Receipt
}

// unreadableError says that a statement in the ledger can't be relied upon.
type unreadableError struct {
	book, entry string
	cause       error
}

func (e *unreadableError) Error() string {
	return fmt.Sprintf("the statement %s in ConfigMap %s can't be relied upon: %v", e.entry, e.book, e.cause)
}

func (l *Ledger) open(ctx context.Context, configMap string, keys statement.Keys) (*book, error) {
	b := &book{object: &corev1.ConfigMap{}}
	if err := l.Reader.Get(ctx, client.ObjectKey{Namespace: l.Namespace, Name: configMap}, b.object); err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	newest := ""
	for key := range b.object.Data {
		newest = max(newest, key)
	}
	if newest == "" {
		return nil, &unreadableError{book: configMap, entry: "0", cause: errors.New("there is none")}
	}
	var err error
	b.newest, _, err = b.read(ctx, newest, keys)
	return b, err
}

// read gives a statement and the ID of the key that signed it.
func (b *book) read(ctx context.Context, key string, keys statement.Keys) (statement.Receipt, string, error) {
	r, id, err := statement.OpenReceipt(ctx, []byte(b.object.Data[key]), keys)
	if err == nil && (entry(r.Sequence) != key || r.Tenant != b.object.Labels[v1alpha1.LabelTenant]) {
		err = errors.New("it is about something else")
	}
	if err != nil {
		return r, id, &unreadableError{book: b.object.Name, entry: key, cause: err}
	}
	return r, id, nil
}

// size in bytes, near enough to what is stored.
func (b *book) size() int { return sizeOf(b.object) }

// trace is where the ledger tells of a receipt.
type trace struct {
	book   *book
	by     statement.Receipt // the statement that tells of it
	keyID  string            // of the key that signed it
	digest string            // of the receipt; empty when nothing tells of it
}

// find looks for the first statement at or after a receipt: its own, or the one whose
// links tell of it.
func (p *pass) find(ctx context.Context, sequence int64) (trace, error) {
	for i, ref := range slices.Backward(p.books) {
		b, err := p.open(ctx, ref.name, p.keys)
		if err != nil {
			return trace{}, err
		}
		r, id, err := b.from(ctx, sequence, p.keys)
		switch {
		case err != nil:
			return trace{}, err
		case r.Anchor != nil && r.Anchor.Sequence >= sequence && i > 0:
			continue // an older book has its statement
		}
		digest, _ := said(r, sequence)
		return trace{book: b, by: r, keyID: id, digest: digest}, nil
	}
	return trace{}, nil
}

// from gives a receipt's own statement, else the first after it that did not come late;
// none when the book ends before it.
func (b *book) from(ctx context.Context, sequence int64, keys statement.Keys) (statement.Receipt, string, error) {
	for _, key := range slices.Sorted(maps.Keys(b.object.Data)) {
		if key < entry(sequence) {
			continue
		}
		r, id, err := b.read(ctx, key, keys)
		if err != nil || r.CoveredBy == nil || r.Sequence == sequence {
			return r, id, err
		}
	}
	return statement.Receipt{}, "", nil
}

// said gives the digest that a statement tells of a receipt.
func said(r statement.Receipt, sequence int64) (digest string, told bool) {
	switch {
	case r.Sequence == sequence:
		return r.Digest, true
	case r.Sequence == sequence+1 && sequence > 0:
		return r.PreviousDigest, true
	}
	for _, link := range r.Links {
		if link.Sequence == sequence {
			return link.Digest, true
		}
	}
	return "", false
}
