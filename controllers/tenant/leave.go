package tenant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// leave erases what is left in the region before, once the tenant is served from the other, and leaves a certificate behind.
func (r *Reconciler) leave(ctx context.Context, s *scope) error {
	m := s.move
	claims, err := r.claimsLeft(ctx, s)
	if err != nil {
		return err
	}
	if m.FinishedAt == nil && m.Volumes == nil && len(claims) > 0 {
		m.Volumes = []string{}
		for _, v := range claims {
			m.Volumes = append(m.Volumes, v.Name)
		}
		return s.enter(v1alpha1.MoveSwitched) // so that status has their names before they go
	}
	if err := r.endThere(ctx, s); err != nil {
		return err
	}
	for _, claim := range []string{name.DatabaseClaim(m.Source), name.Backups} { // backups are made anew only when this has ended
		err := r.remove(ctx, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: claim, Namespace: s.in.Namespace()}})
		if err != nil {
			return err
		}
	}
	if len(claims) > 0 {
		return volumeLeft(switched(""), claims[0])
	}
	if m.FinishedAt == nil {
		m.FinishedAt = timeOf(r.Now())
		return s.enter(v1alpha1.MoveSwitched) // a certificate that is made again says the same
	}
	if m.Certificate, err = r.certifyMove(ctx, s); err != nil {
		return err
	}
	s.backup = nil // the copies that it told of have gone
	return s.enter(v1alpha1.MoveSourceErased)
}

func switched(message string, args ...any) *step.Wait {
	wait := moving(v1alpha1.ReasonMoveSwitched, "the tenant is served from its new region, and the one before is being emptied: "+message, args...)
	wait.After = 2 * time.Second
	return wait
}

func volumeLeft(wait *step.Wait, v corev1.PersistentVolume) error {
	if v.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		wait.Message += fmt.Sprintf("volume %s holds the tenant's data and its reclaim policy is %s: erase it, then kubectl delete pv %s",
			v.Name, v.Spec.PersistentVolumeReclaimPolicy, v.Name)
	} else {
		wait.Message += fmt.Sprintf("volume %s has not been removed yet (phase %s)", v.Name, v.Status.Phase)
	}
	return wait
}

// volumesOf are the volumes that are bound to a claim of the tenant's, or were.
func (r *Reconciler) volumesOf(ctx context.Context, s *scope, claims ...string) ([]corev1.PersistentVolume, error) {
	var all corev1.PersistentVolumeList
	if err := r.Client.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("reading volumes: %w", err)
	}
	found := slices.DeleteFunc(all.Items, func(v corev1.PersistentVolume) bool {
		return v.Spec.ClaimRef == nil || v.Spec.ClaimRef.Namespace != s.in.Namespace() || !slices.Contains(claims, v.Spec.ClaimRef.Name)
	})
	slices.SortFunc(found, func(a, b corev1.PersistentVolume) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// claimsLeft are the volumes of the database and the backups in the region before.
func (r *Reconciler) claimsLeft(ctx context.Context, s *scope) ([]corev1.PersistentVolume, error) {
	return r.volumesOf(ctx, s, name.DatabaseClaim(s.move.Source), name.Backups)
}

// endThere ends what runs in the region before: its database, what the move needed, Jobs that were begun there, and pods
// that are being replaced.
func (r *Reconciler) endThere(ctx context.Context, s *scope) error {
	if err := r.removeDoors(ctx, s); err != nil {
		return err
	}
	if err := r.remove(ctx, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: s.move.Source, Namespace: s.in.Namespace()}}); err != nil {
		return err
	}
	busy, err := observe.Busy(ctx, r.Client, s.tenant.Name, s.in.Namespace())
	if err != nil {
		return err
	}
	for i := range busy {
		// Its pods could not be made again; what it was to do is begun anew where the tenant is.
		if !observe.InRegion(&busy[i], s.in) {
			if err := r.removeJob(ctx, s, busy[i].Name); err != nil {
				return err
			}
		}
	}
	seen, err := observe.Residency(ctx, r.Client, s.in.Namespace(), s.in.NodeSelector(), observe.Elsewhere{})
	if err != nil {
		return err
	}
	for _, n := range seen.Nodes {
		if !n.InRegion && !n.Missing {
			return switched("pods must end on node %s", n.Name)
		}
	}
	return nil
}

// certifyMove leaves the certificate behind.
func (r *Reconciler) certifyMove(ctx context.Context, s *scope) (string, error) {
	head, err := r.Ledger.Newest(ctx, s.tenant)
	if err != nil {
		return "", err
	}
	certificate := plan.MoveCertificate(s.in, s.move, head)
	key, err := r.Ledger.Keeper.Current(ctx)
	if err != nil {
		return "", err
	}
	envelope, err := statement.SignErasure(ctx, key, plan.ErasureOf(certificate.Spec))
	if err != nil {
		return "", err
	}
	certificate.Spec.Envelope = string(envelope)
	err = r.Client.Create(ctx, certificate, client.FieldOwner(apply.FieldOwner))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("leaving ErasureCertificate %s: %w", certificate.Name, err)
	}
	return certificate.Name, nil
}
