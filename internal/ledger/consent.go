package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// componentConsents marks ConfigMaps with changes of consent: keyed hashes, kept outside
// of the tenant's database so that one that was put back can be told of them. Like receipts
// they are only ever added to: with the tenant's key they lose what they mean.
const componentConsents = "consents"

// maxConsents is where a ConfigMap of them is full, in bytes.
const maxConsents = 256 << 10

// Anchor is what the tenant's database is known to have held.
func (l *Ledger) Anchor(ctx context.Context, tenant *v1alpha1.Tenant) (contract.Anchor, error) {
	var a contract.Anchor
	if r := tenant.Status.Restored; r != nil {
		a.Epoch = r.Epoch
	}
	head, err := l.Newest(ctx, tenant)
	if err != nil {
		return a, err
	}
	if head != nil {
		a.Head = contract.ChainLink{Sequence: head.Sequence, Digest: head.Digest}
	}
	newest, err := l.NewestConsent(ctx, tenant)
	if newest.Epoch == a.Epoch {
		a.Consent = newest // another epoch's tells nothing of this one
	}
	return a, err
}

// NewestConsent is the position of the newest change of consent that is kept.
func (l *Ledger) NewestConsent(ctx context.Context, tenant *v1alpha1.Tenant) (contract.Position, error) {
	var newest contract.Position
	parts, err := l.consents(ctx, l.Index, tenant)
	if err != nil || len(parts) == 0 {
		return newest, err
	}
	last := parts[len(parts)-1]
	if err := json.Unmarshal([]byte(last.Annotations[v1alpha1.AnnotationPosition]), &newest); err != nil {
		return newest, fmt.Errorf("reading the position of ConfigMap %s: its annotation %s was edited: %w", last.Name, v1alpha1.AnnotationPosition, err)
	}
	return newest, nil
}

// AppendConsents keeps changes of consent. What is kept already is left as it is.
func (l *Ledger) AppendConsents(ctx context.Context, tenant *v1alpha1.Tenant, changes []contract.Consent) error {
	if len(changes) == 0 {
		return nil
	}
	parts, err := l.consents(ctx, l.Reader, tenant)
	if err != nil {
		return err
	}
	target := &corev1.ConfigMap{}
	if len(parts) > 0 {
		last := client.ObjectKey{Namespace: l.Namespace, Name: parts[len(parts)-1].Name}
		if err := l.Reader.Get(ctx, last, target); err != nil {
			return fmt.Errorf("reading changes of consent: %w", err)
		}
	}
	if len(parts) == 0 || sizeOf(target) >= maxConsents {
		target = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: name.Consents(tenant.Name, string(tenant.UID), len(parts)+1), Namespace: l.Namespace, Labels: consentLabels(tenant),
		}}
	}
	before := target.DeepCopy()
	if target.Data == nil {
		target.Data = map[string]string{}
	}
	for _, c := range changes {
		value, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encoding a change of consent: %w", err)
		}
		target.Data[consentKey(c.Position)] = string(value)
	}
	if maps.Equal(before.Data, target.Data) {
		return nil
	}
	position, err := json.Marshal(changes[len(changes)-1].Position)
	if err != nil {
		return fmt.Errorf("encoding a position: %w", err)
	}
	metav1.SetMetaDataAnnotation(&target.ObjectMeta, v1alpha1.AnnotationPosition, string(position))
	if target.ResourceVersion == "" {
		err = l.Client.Create(ctx, target)
	} else {
		err = l.Client.Patch(ctx, target, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}
	if err != nil {
		return fmt.Errorf("keeping changes of consent in ConfigMap %s: %w", target.Name, err)
	}
	return nil
}

// ConsentsAfter gives the changes of consent that are kept after a position, in their order.
func (l *Ledger) ConsentsAfter(ctx context.Context, tenant *v1alpha1.Tenant, after contract.Position) ([]contract.Consent, error) {
	parts, err := l.consents(ctx, l.Reader, tenant)
	if err != nil {
		return nil, err
	}
	var all []contract.Consent
	for _, part := range parts {
		object := &corev1.ConfigMap{}
		if err := l.Reader.Get(ctx, client.ObjectKey{Namespace: l.Namespace, Name: part.Name}, object); err != nil {
			return nil, fmt.Errorf("reading changes of consent: %w", err)
		}
		for _, key := range slices.Sorted(maps.Keys(object.Data)) {
			if key <= consentKey(after) {
				continue
			}
			var c contract.Consent
			if err := json.Unmarshal([]byte(object.Data[key]), &c); err != nil || consentKey(c.Position) != key {
				return nil, fmt.Errorf("change of consent %s in ConfigMap %s was edited", key, part.Name)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// consents lists the metadata of a tenant's, in the order of their parts.
func (l *Ledger) consents(ctx context.Context, from client.Reader, tenant *v1alpha1.Tenant) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
	if err := from.List(ctx, list, client.InNamespace(l.Namespace), client.MatchingLabels(consentLabels(tenant))); err != nil {
		return nil, fmt.Errorf("listing changes of consent of tenant %s: %w", tenant.Name, err)
	}
	number := func(o metav1.PartialObjectMetadata) int {
		n, _ := strconv.Atoi(o.Name[strings.LastIndex(o.Name, "-")+1:])
		return n
	}
	slices.SortFunc(list.Items, func(a, b metav1.PartialObjectMetadata) int { return cmp.Compare(number(a), number(b)) })
	return list.Items, nil
}

func consentLabels(tenant *v1alpha1.Tenant) map[string]string {
	l := labels(tenant)
	l[labelComponent] = componentConsents
	return l
}

// consentKey sorts as positions do.
func consentKey(p contract.Position) string {
	return fmt.Sprintf("%010d-%020d-%019d", p.Epoch, p.XID, p.ID)
}

func sizeOf(object *corev1.ConfigMap) int {
	n := 0
	for key, value := range object.Data {
		n += len(key) + len(value)
	}
	return n
}
