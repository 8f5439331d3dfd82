// Package desk makes objects of the requests that a tenant's privacy officers file, and says what its desk is to be told. The
// instance asks for nothing: it answers the operator, and what it answers is data. See docs/design/0019.
package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Desk sees to what tenants' privacy desks file.
type Desk struct {
	Client client.Client // reads from a cache, and writes
	Live   client.Reader // knows of an object that was made a moment ago
	Now    func() time.Time
}

// Told is what a tenant's desk is to be told.
func (d *Desk) Told(ctx context.Context, t *v1alpha1.Tenant) (contract.DeskTold, error) {
	in := client.InNamespace(plan.Tenant{Tenant: t}.Namespace())
	var requests v1alpha1.DataSubjectRequestList
	var holds v1alpha1.LegalHoldList
	if err := d.Client.List(ctx, &requests, in); err != nil {
		return contract.DeskTold{}, fmt.Errorf("listing the DataSubjectRequests: %w", err)
	}
	if err := d.Client.List(ctx, &holds, in); err != nil {
		return contract.DeskTold{}, fmt.Errorf("listing the LegalHolds: %w", err)
	}
	return plan.Desk(requests.Items, holds.Items)
}

// Take makes objects of filed requests: once, however often each is told of. What it does not give back stays filed, because
// enough was made for today or the API server did not answer.
func (d *Desk) Take(ctx context.Context, t *v1alpha1.Tenant, filed []contract.Filed) ([]contract.DeskTaken, error) {
	in := plan.Tenant{Tenant: t}
	counted, err := d.counted(ctx, in.Namespace())
	if err != nil {
		return nil, err
	}
	var taken []contract.DeskTaken
	var failed error
	for _, f := range filed[:min(len(filed), contract.MaxFiled)] {
		if err := f.Check(d.Now()); err != nil {
			taken = append(taken, contract.DeskTaken{ID: f.ID, Refused: err.Error()})
			continue
		}
		one, made, err := d.take(ctx, in, f, room(counted, f))
		failed = errors.Join(failed, err) // one that can't be made keeps no other from it
		if made {
			counted[name.Filed(f.ID)] = f.Type
		}
		if err == nil && one.Name+one.Refused != "" {
			taken = append(taken, one)
		}
	}
	return taken, failed
}

// Answer ends the clocks of complaints that people have answered: of those that the desk filed, once.
func (d *Desk) Answer(ctx context.Context, t *v1alpha1.Tenant, answered []contract.DeskAnswered) error {
	namespace := plan.Tenant{Tenant: t}.Namespace()
	var failed error
	for _, a := range answered[:min(len(answered), contract.MaxFiled)] {
		if err := a.Check(d.Now()); err != nil {
			failed = errors.Join(failed, fmt.Errorf("an answer to a complaint: %w", err))
			continue
		}
		failed = errors.Join(failed, d.answer(ctx, client.ObjectKey{Namespace: namespace, Name: name.Filed(a.ID)}, a.At))
	}
	return failed
}

func (d *Desk) answer(ctx context.Context, complaint client.ObjectKey, at time.Time) error {
	q := &v1alpha1.DataSubjectRequest{}
	if err := d.Live.Get(ctx, complaint, q); err != nil {
		return client.IgnoreNotFound(err) // gone: the desk is told that it is
	}
	if q.Spec.Type != v1alpha1.RequestComplaint || q.Spec.AnsweredAt != nil || q.Labels[v1alpha1.LabelFiledBy] != v1alpha1.FiledByDesk {
		return nil
	}
	before := q.DeepCopy()
	q.Spec.AnsweredAt = &metav1.Time{Time: at.UTC().Truncate(time.Second)}
	if err := d.Client.Patch(ctx, q, client.MergeFrom(before), client.FieldOwner(apply.FieldOwner)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("answering DataSubjectRequest %s: %w", q.Name, err)
	}
	return nil
}

// counted has the types of requests that were made of filed ones within a day, by name. Those that there are are counted, not
// those that were made: a restart of the operator forgets none, and whoever may delete the objects may make them too. A Secret
// whose request the API server did not answer for counts as one, of no type.
func (d *Desk) counted(ctx context.Context, namespace string) (map[string]string, error) {
	counted, in := map[string]string{}, []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelFiledBy: v1alpha1.FiledByDesk}}
	secrets := &metav1.PartialObjectMetadataList{} // nobody's addresses are read
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := d.Live.List(ctx, secrets, in...); err != nil {
		return nil, fmt.Errorf("counting the Secrets of what the privacy desk filed: %w", err)
	}
	var requests v1alpha1.DataSubjectRequestList
	if err := d.Live.List(ctx, &requests, in...); err != nil {
		return nil, fmt.Errorf("counting what the privacy desk filed: %w", err)
	}
	count := func(o client.Object, kind string) {
		if d.Now().Sub(o.GetCreationTimestamp().Time) < 24*time.Hour {
			counted[o.GetName()] = kind
		}
	}
	for i := range secrets.Items {
		count(&secrets.Items[i], "")
	}
	for i := range requests.Items {
		count(&requests.Items[i], string(requests.Items[i].Spec.Type))
	}
	return counted, nil
}

// room says whether one more may be made today. Reports of guests under 16 have room of their own, which nothing else takes.
func room(counted map[string]string, f contract.Filed) bool {
	if _, known := counted[name.Filed(f.ID)]; known {
		return true
	}
	others := 0
	for _, kind := range counted {
		if kind != contract.RequestUnderage {
			others++
		}
	}
	return len(counted) < contract.MaxFiledDay+contract.MaxReportsDay && (f.Type == contract.RequestUnderage || others < contract.MaxFiledDay)
}

// take makes one request, and its Secret first. Neither is made again once the request is there: its Secret goes when it is done.
func (d *Desk) take(ctx context.Context, in plan.Tenant, f contract.Filed, may bool) (told contract.DeskTaken, made bool, err error) {
	told.ID = f.ID
	request, secret := plan.Filed(in, f)
	there := &v1alpha1.DataSubjectRequest{}
	err = d.Live.Get(ctx, client.ObjectKeyFromObject(request), there)
	switch {
	case err == nil:
		told.Name = request.Name
		return told, false, d.own(ctx, there, secret)
	case !apierrors.IsNotFound(err):
		return told, false, fmt.Errorf("looking for DataSubjectRequest %s: %w", request.Name, err)
	case !may:
		return told, false, nil
	}
	if secret != nil {
		if err := d.Client.Create(ctx, secret, client.FieldOwner(apply.FieldOwner)); err != nil && !apierrors.IsAlreadyExists(err) {
			return told, false, fmt.Errorf("making the Secret of DataSubjectRequest %s: %w", request.Name, err)
		}
	}
	err = d.Client.Create(ctx, request, client.FieldOwner(apply.FieldOwner))
	switch {
	case err == nil:
		told.Name = request.Name
		return told, true, d.own(ctx, request, secret)
	case mayExist(err):
		return told, true, fmt.Errorf("making DataSubjectRequest %s: %w", request.Name, err) // the next time finds it, or makes it
	}
	// The cluster will not have it, by its schema, a quota or a policy of admission, or not now: nobody's addresses stay behind.
	if secret != nil {
		if err := d.Client.Delete(ctx, &corev1.Secret{ObjectMeta: secret.ObjectMeta}); client.IgnoreNotFound(err) != nil {
			return told, false, fmt.Errorf("removing the Secret of DataSubjectRequest %s: %w", request.Name, err)
		}
	}
	ends := apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
	if !apierrors.IsInvalid(err) && (!apierrors.IsForbidden(err) || ends) {
		return told, false, fmt.Errorf("making DataSubjectRequest %s: %w", request.Name, err)
	}
	told.Refused = "the cluster refused it: see the operator's admission policies and the quotas of the namespace"
	return told, false, nil
}

// own has a person's Secret go with its request. The request has to be there first; a Secret that is gone has done its work.
func (d *Desk) own(ctx context.Context, request *v1alpha1.DataSubjectRequest, secret *corev1.Secret) error {
	if secret == nil {
		return nil
	}
	owned := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: secret.Name, Namespace: secret.Namespace}}
	before := owned.DeepCopy()
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "DataSubjectRequest", Name: request.Name, UID: request.UID}}
	if err := d.Client.Patch(ctx, owned, client.MergeFrom(before), client.FieldOwner(apply.FieldOwner)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("binding the Secret of DataSubjectRequest %s to it: %w", request.Name, err)
	}
	return nil
}

// mayExist says that an object may be there although making it failed: it was there before, or nobody knows.
func mayExist(err error) bool {
	switch apierrors.ReasonForError(err) {
	case metav1.StatusReasonUnknown, metav1.StatusReasonAlreadyExists, metav1.StatusReasonTimeout, metav1.StatusReasonServerTimeout,
		metav1.StatusReasonInternalError, metav1.StatusReasonServiceUnavailable:
		return true
	default:
		return false
	}
}
