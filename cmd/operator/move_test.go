package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/signing"
)

// mover is a client that moves from region near, in the EU, to region far, in the US.
type mover struct{ hotel }

// moved takes a client to another region: refused, planned, begun, failed, given up, and done.
func moved(t *testing.T, c testCluster) {
	for region, law := range map[string]string{"near": "EU", "far": "US"} {
		create(t, c, &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: "local-" + region}, Provisioner: "local", ReclaimPolicy: ptrTo(corev1.PersistentVolumeReclaimDelete),
			AllowedTopologies: []corev1.TopologySelectorTerm{{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{{Key: corev1.LabelTopologyRegion, Values: []string{region}}}}},
		})
		create(t, c, aNode("node-"+region, region))
		r := aRegion(region)
		r.Spec.Jurisdiction, r.Spec.StorageClassName = law, "local-"+region
		if region == "far" {
			r.Spec.SubProcessors = nil
		}
		create(t, c, r)
	}
	h := mover{c.book(t, "moving", func(s *v1alpha1.TenantSpec) { s.Region, s.Backup = "near", &v1alpha1.Backup{} })}
	h.settle(t)
	h.volume(t, "pv-source", "near", "data-postgres-0")
	h.settle(t)

	t.Run("what the other region lacks is listed, and refused", h.isRefused)
	t.Run("nothing begins before the plan is approved", h.isPlanned)
	t.Run("the database is copied there while the client is served", h.copies)
	t.Run("what is not the move's is kept out of the other region", h.lets)
	t.Run("a move that is given up leaves nothing", h.givesUp)
	t.Run("a move that fails is taken back, and can be tried again", h.fails)
	t.Run("the client is switched when both are the same", h.switches)
	t.Run("and what it left is erased, with a certificate", h.leaves)
	t.Run("a mere edit takes it nowhere", func(t *testing.T) {
		err := h.asks(t, func(s *v1alpha1.TenantSpec) { s.Region, s.Move = "near", &v1alpha1.Move{To: "near"} })
		if err == nil || !strings.Contains(err.Error(), "region can't change") {
			t.Errorf("err = %v", err)
		}
	})
}

// asks changes the Tenant as a person would.
func (h mover) asks(t *testing.T, change func(*v1alpha1.TenantSpec)) error {
	t.Helper()
	o := h.tenant(t)
	before := o.DeepCopy()
	change(&o.Spec)
	return h.Patch(t.Context(), o, client.MergeFrom(before))
}

func (h mover) approves(t *testing.T) {
	t.Helper()
	digest := h.tenant(t).Status.Move.Plan.Digest
	if err := h.asks(t, func(s *v1alpha1.TenantSpec) { s.Move.ApprovedPlan = digest }); err != nil {
		t.Fatal(err)
	}
}

// phase waits until the move has come to a phase, and something more is true.
func (h mover) phase(t *testing.T, want v1alpha1.MovePhase, reason string, more func(*v1alpha1.Tenant) error) {
	t.Helper()
	h.is(t, "a move that is "+string(want), func(o *v1alpha1.Tenant) error {
		if o.Status.Move == nil || o.Status.Move.Phase != want {
			return fmt.Errorf("it is %+v, conditions %+v", o.Status.Move, o.Status.Conditions)
		}
		if reason != "" {
			if err := condition(o.Status.Conditions, v1alpha1.ConditionMoved, metav1.ConditionFalse, reason); err != nil {
				return err
			}
		}
		return more(o)
	})
}

func anyhow(*v1alpha1.Tenant) error { return nil }

// volume makes a volume in a region, bound to a claim, as the cluster's own controllers would.
func (h mover) volume(t *testing.T, volume, region, claim string) {
	t.Helper()
	v := aVolume(volume, h.namespace, region)
	v.Spec.ClaimRef.Name, v.Spec.PersistentVolumeReclaimPolicy = claim, corev1.PersistentVolumeReclaimDelete
	create(t, h, v)
}

// freed has a volume go after its claim was deleted, as the cluster's own controllers would.
func (h mover) freed(t *testing.T, volume, claim string) {
	t.Helper()
	eventually(t, "claim "+claim+" is deleted", func(ctx context.Context) error {
		o := &corev1.PersistentVolumeClaim{}
		if err := h.Get(ctx, h.key(claim), o); err != nil {
			return client.IgnoreNotFound(err)
		}
		if o.DeletionTimestamp.IsZero() {
			return errors.New("it stays")
		}
		o.Finalizers = nil
		return client.IgnoreNotFound(h.Update(ctx, o))
	})
	if volume == "" {
		return
	}
	v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: volume}}
	if err := h.Delete(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if err := h.Get(t.Context(), client.ObjectKeyFromObject(v), v); err == nil {
		v.Finalizers = nil
		if err := h.Update(t.Context(), v); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
}

func (h mover) job(t *testing.T, name string) *batchv1.Job {
	t.Helper()
	job := &batchv1.Job{}
	eventually(t, "Job "+name, func(ctx context.Context) error { return h.Get(ctx, h.key(name), job) })
	return job
}

// plays has the cluster's controllers work until something is true.
func (h mover) plays(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) error {
		if err := h.play(ctx, h.namespace); err != nil {
			return err
		}
		return check(ctx)
	})
}

func (h mover) isRefused(t *testing.T) {
	if err := h.asks(t, func(s *v1alpha1.TenantSpec) { s.Move = &v1alpha1.Move{To: "far"} }); err != nil {
		t.Fatal(err)
	}
	h.phase(t, v1alpha1.MovePlanned, v1alpha1.ReasonMoveRefused, func(o *v1alpha1.Tenant) error {
		refusals := strings.Join(o.Status.Move.Plan.Refusals, "\n")
		for _, part := range []string{"jurisdiction EU for US under no mechanism", `channel desk: sub-processor "twilio" is not in the register of region far`} {
			if !strings.Contains(refusals, part) {
				return fmt.Errorf("not refused for %q: %s", part, refusals)
			}
		}
		return condition(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, "")
	})
	h.approves(t) // a plan that is refused is not carried out, whatever is approved
	quiet(t, h.testCluster)
	h.phase(t, v1alpha1.MovePlanned, v1alpha1.ReasonMoveRefused, anyhow)
}

func (h mover) isPlanned(t *testing.T) {
	amend(t, h, aRegion("far"), func(o *v1alpha1.Region) { o.Spec.SubProcessors = aRegion("far").Spec.SubProcessors })
	if err := h.asks(t, func(s *v1alpha1.TenantSpec) { s.Move.TransferMechanism = "EU-US Data Privacy Framework" }); err != nil {
		t.Fatal(err)
	}
	h.phase(t, v1alpha1.MovePlanned, v1alpha1.ReasonMovePlanned, func(o *v1alpha1.Tenant) error {
		if p := o.Status.Move.Plan; len(p.Refusals) > 0 || len(p.Flows) < 3 || !strings.Contains(p.Flows[0], "from near (EU) to far (US), under EU-US Data Privacy Framework") {
			return fmt.Errorf("the plan is %+v", p)
		}
		return nil
	})
	quiet(t, h.testCluster)
	if err := h.Get(t.Context(), h.key("data-postgres-far-0"), &corev1.PersistentVolumeClaim{}); !apierrors.IsNotFound(err) {
		t.Errorf("there is a volume before anybody approved it: %v", err)
	}
}

// copyEnds has the Job that fills the volume there end well. Its pod is let in there as the cluster's own controller makes it.
func (h mover) copyEnds(t *testing.T) {
	t.Helper()
	job := h.job(t, "copy-postgres-far")
	h.Client = as(t, h.config, h.Client, "system:serviceaccount:kube-system:job-controller", "system:masters")
	h.finishes(t, job, `{"standby":{"bytes":4711}}`)
}

// copied brings a move to where nothing is written any more.
func (h mover) copied(t *testing.T) {
	t.Helper()
	h.approves(t)
	h.copyEnds(t)
	h.plays(t, "the copy follows", func(ctx context.Context) error {
		o := &v1alpha1.Tenant{}
		if err := h.Get(ctx, client.ObjectKey{Name: h.name}, o); err != nil || o.Status.Move.Phase != v1alpha1.MoveQuiesced {
			return fmt.Errorf("it is %+v: %w", o.Status.Move, err)
		}
		return nil
	})
}

func (h mover) copies(t *testing.T) {
	h.approves(t)
	job := h.job(t, "copy-postgres-far")
	h.phase(t, v1alpha1.MoveCopying, v1alpha1.ReasonMoveCopying, func(o *v1alpha1.Tenant) error {
		return errors.Join(condition(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""),
			condition(o.Status.Conditions, v1alpha1.ConditionResidencyCompliant, metav1.ConditionTrue, ""))
	})
	if class := get(t, h.hotel, "data-postgres-far-0", &corev1.PersistentVolumeClaim{}).Spec.StorageClassName; *class != "local-far" {
		t.Errorf("the volume is of class %s", *class)
	}
	if terms := job.Spec.Template.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms; terms[0].MatchExpressions[0].Values[0] != "far" {
		t.Errorf("the copy is made where %v", terms)
	}
	h.volume(t, "pv-copy", "far", "data-postgres-far-0")
	quiet(t, h.testCluster)
	h.is(t, "a volume of the move closes nothing", func(o *v1alpha1.Tenant) error {
		r := o.Status.Residency
		i := slices.IndexFunc(r.Volumes, func(v v1alpha1.ObservedVolume) bool { return v.Name == "pv-copy" })
		if i < 0 || r.Volumes[i].InRegion || !r.Volumes[i].Moving || r.EgressClosed || len(r.Violations) > 0 {
			return fmt.Errorf("seen: %+v", r)
		}
		return h.egress(t.Context(), 2, 1)
	})
	h.restart(t)
	h.copyEnds(t)
	eventually(t, "the database there", func(ctx context.Context) error { return h.Get(ctx, h.key("postgres-far"), &appsv1.StatefulSet{}) })
	if selector := get(t, h.hotel, "postgres", &corev1.Service{}).Spec.Selector[appsv1.StatefulSetPodNameLabel]; selector != "postgres-0" {
		t.Errorf("the Service leads to %s", selector)
	}
}

// lets tries what the other region is open for while a client moves there.
func (h mover) lets(t *testing.T) {
	far := aRegion("far")
	far.Spec.StorageClassName = "local-far"
	elsewhere := plan.MoveDatabase(plan.Tenant{
		Tenant: h.tenant(t), Region: aRegion("near"), Incoming: far, Images: plan.Images{Instance: "i", Postgres: "p"},
	})
	elsewhere.OwnerReferences, elsewhere.ResourceVersion = nil, ""
	job := get(t, h.hotel, "copy-postgres-far", &batchv1.Job{})
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "copy-postgres-far-x", Namespace: h.namespace}, Spec: job.Spec.Template.Spec}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "mine", Namespace: h.namespace}, Spec: corev1.PersistentVolumeClaimSpec{
		StorageClassName: ptrTo("local-far"), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: quantity("1Gi")}},
	}}
	operator := as(t, h.config, h.Client, operatorUser, "system:masters")
	controller := as(t, h.config, h.Client, "system:serviceaccount:kube-system:job-controller", "system:masters")
	other := elsewhere.DeepCopy()
	other.Name = "other"
	same := elsewhere.DeepCopy()
	same.Name = "postgres-far"
	for sentence, c := range map[string]struct {
		by     client.Client
		object client.Object
		says   string // empty: it is let in
	}{
		"the database's name by somebody else":  {h.Client, same, "it could run outside of region near"},
		"another StatefulSet of the operator's": {operator, other, "it could run outside of region near"},
		"a pod by somebody":                     {h.Client, pod, "it could run outside of region near"},
		"a pod by the controller of Jobs":       {controller, pod, ""},
		"a claim by somebody":                   {h.Client, claim, "StorageClass local-far is not that of region near"},
	} {
		err := c.by.Create(t.Context(), c.object.DeepCopyObject().(client.Object), client.DryRunAll)
		switch {
		case c.says == "" && err != nil && !apierrors.IsAlreadyExists(err):
			t.Errorf("%s: %v", sentence, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: err = %v, want %q", sentence, err, c.says)
		}
	}
}

// nothingLeft says that nothing of a move is there.
func (h mover) nothingLeft(t *testing.T) {
	t.Helper()
	for name, object := range map[string]client.Object{
		"postgres-far": &appsv1.StatefulSet{}, "copy-postgres-far": &batchv1.Job{}, "cutover-postgres-far": &batchv1.Job{}, "reopen-postgres-far": &batchv1.Job{},
		"data-postgres-far-0": &corev1.PersistentVolumeClaim{}, "move": &networkingv1.NetworkPolicy{}, "move-database": &networkingv1.NetworkPolicy{},
	} {
		h.testCluster.gone(t, h.key(name), object)
	}
	h.testCluster.gone(t, h.key("postgres-far"), &corev1.Service{})
	eventually(t, "the boundary is that of one region", func(ctx context.Context) error {
		b := &v1alpha1.ResidencyBoundary{}
		if err := h.Get(ctx, h.key("residency"), b); err != nil || b.Spec.Move != nil {
			return fmt.Errorf("it lets in %+v: %w", b.Spec.Move, err)
		}
		return nil
	})
}

func (h mover) givesUp(t *testing.T) {
	if err := h.asks(t, func(s *v1alpha1.TenantSpec) { s.Move = nil }); err != nil {
		t.Fatal(err)
	}
	reopen := h.job(t, "reopen-postgres-far")
	h.restart(t)
	h.phase(t, v1alpha1.MoveAborting, v1alpha1.ReasonMoveAborting, anyhow)
	h.finishes(t, reopen, `{"reopen":{"at":"2026-11-24T00:00:00Z"}}`)
	h.freed(t, "pv-copy", "data-postgres-far-0")
	h.phase(t, v1alpha1.MoveAborted, "", anyhow)
	h.nothingLeft(t)
	h.settle(t)
	if err := condition(h.tenant(t).Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""); err != nil {
		t.Error(err)
	}
}

func (h mover) fails(t *testing.T) {
	err := h.asks(t, func(s *v1alpha1.TenantSpec) {
		s.Move = &v1alpha1.Move{To: "far", TransferMechanism: "EU-US Data Privacy Framework"}
	})
	if err != nil {
		t.Fatal(err)
	}
	h.phase(t, v1alpha1.MovePlanned, v1alpha1.ReasonMovePlanned, anyhow)
	first := h.tenant(t).Status.Move.Plan.Digest
	h.copied(t)
	cutover := h.job(t, "cutover-postgres-far")
	h.phase(t, v1alpha1.MoveQuiesced, v1alpha1.ReasonMoveQuiesced, anyhow)
	if err := h.fail(t.Context(), cutover, `{"error":"cutting over: source and target differ in 1 tables: sb.message (9 and 8 rows)"}`, time.Now()); err != nil {
		t.Fatal(err)
	}
	h.finishes(t, h.job(t, "reopen-postgres-far"), `{"reopen":{"at":"2026-11-24T00:00:00Z"}}`)
	h.freed(t, "", "data-postgres-far-0")
	h.phase(t, v1alpha1.MovePlanned, v1alpha1.ReasonMoveFailed, func(o *v1alpha1.Tenant) error {
		if m := o.Status.Move; m.Attempts != 1 || !strings.Contains(m.Failure, "sb.message (9 and 8 rows)") || m.Plan.Digest == first {
			return fmt.Errorf("it is %+v", m)
		}
		return nil
	})
	h.nothingLeft(t)
	h.settle(t)
}

func (h mover) switches(t *testing.T) {
	h.copied(t)
	h.volume(t, "pv-target", "far", "data-postgres-far-0")
	cutover := h.job(t, "cutover-postgres-far")
	h.restart(t)
	// Whatever is asked for meanwhile, nothing writes to a database that is being left.
	migrations := h.migrations(t)
	create(t, h, aChannel(func(o *v1alpha1.Channel) { o.Name, o.Namespace = "spa", h.namespace }))
	quiet(t, h.testCluster)
	if now := h.migrations(t); !slices.Equal(now, migrations) {
		t.Errorf("the database is migrated by %v, before it was by %v", now, migrations)
	}
	at := time.Now().UTC().Truncate(time.Second)
	told, err := json.Marshal(contract.Result{CutOver: &contract.CutOverResult{
		QuiescedAt: at, VerifiedAt: at, OpenedAt: at, Tables: 40, Rows: 100_000, Digest: hash("both"),
		Counts: []contract.CategoryCount{{Category: contract.CategoryMessages, Rows: 99_000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h.finishes(t, cutover, string(told))
	h.plays(t, "the client is served from there", func(ctx context.Context) error {
		o, service := &v1alpha1.Tenant{}, &corev1.Service{}
		if err := errors.Join(h.Get(ctx, client.ObjectKey{Name: h.name}, o), h.Get(ctx, h.key("postgres"), service), h.placedIn(ctx, "far")); err != nil {
			return err
		}
		if o.Spec.Region != "far" || service.Spec.Selector[appsv1.StatefulSetPodNameLabel] != "postgres-far-0" {
			return fmt.Errorf("it is in %s, by %v", o.Spec.Region, service.Spec.Selector)
		}
		if o.Status.Move.Verified == nil || o.Status.Move.Verified.Rows != 100_000 || o.Status.Residency.EgressClosed {
			return fmt.Errorf("status tells of %+v, %+v", o.Status.Move, o.Status.Residency)
		}
		return nil
	})
}

// placedIn says that all that serves the client is to run in a region.
func (h mover) placedIn(ctx context.Context, region string) error {
	cron := &batchv1.CronJob{}
	if err := errors.Join(h.placed(ctx, region), h.Get(ctx, h.key("retain-guests"), cron)); err != nil {
		return err
	}
	e := cron.Spec.JobTemplate.Spec.Template.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchExpressions[0]
	if e.Values[0] != region {
		return fmt.Errorf("retention runs where %+v", e)
	}
	return nil
}

func (h mover) migrations(t *testing.T) []string {
	t.Helper()
	var jobs batchv1.JobList
	if err := h.List(t.Context(), &jobs, client.InNamespace(h.namespace)); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range jobs.Items {
		if plan.IsMigration(&jobs.Items[i]) {
			names = append(names, jobs.Items[i].Name)
		}
	}
	return names
}

func (h mover) leaves(t *testing.T) {
	h.plays(t, "the source's volume is known before it goes", func(ctx context.Context) error {
		o := &v1alpha1.Tenant{}
		if err := h.Get(ctx, client.ObjectKey{Name: h.name}, o); err != nil || !slices.Equal(o.Status.Move.Volumes, []string{"pv-source"}) {
			return fmt.Errorf("known are %v: %w", o.Status.Move.Volumes, err)
		}
		return client.IgnoreNotFound(h.Get(ctx, h.key("postgres"), &appsv1.StatefulSet{}))
	})
	h.testCluster.gone(t, h.key("postgres"), &appsv1.StatefulSet{})
	h.freed(t, "", "backups")
	h.restart(t)
	h.phase(t, v1alpha1.MoveSwitched, v1alpha1.ReasonMoveSwitched, func(o *v1alpha1.Tenant) error {
		return says(o.Status.Conditions, v1alpha1.ConditionMoved, metav1.ConditionFalse, v1alpha1.ReasonMoveSwitched, "pv-source")
	})
	h.freed(t, "pv-source", "data-postgres-0")
	h.is(t, "a client that moved", func(o *v1alpha1.Tenant) error {
		if m := o.Status.Move; m.Phase != v1alpha1.MoveSourceErased || m.FinishedAt == nil || m.Certificate == "" {
			return fmt.Errorf("it is %+v", m)
		}
		return condition(o.Status.Conditions, v1alpha1.ConditionMoved, metav1.ConditionTrue, v1alpha1.ReasonReady)
	})
	h.settle(t)
	if class := get(t, h.hotel, "backups", &corev1.PersistentVolumeClaim{}).Spec.StorageClassName; *class != "local-far" {
		t.Errorf("backups are on a volume of class %s", *class)
	}

	m, certificate := h.tenant(t).Status.Move, &v1alpha1.ErasureCertificate{}
	keys := &corev1.ConfigMap{}
	if err := errors.Join(h.Get(t.Context(), client.ObjectKey{Name: m.Certificate}, certificate),
		h.Get(t.Context(), client.ObjectKey{Namespace: "switchboard-system", Name: "switchboard-signing-keys"}, keys)); err != nil {
		t.Fatal(err)
	}
	public, err := signing.PublicKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	signed, _, err := statement.OpenErasure(t.Context(), []byte(certificate.Spec.Envelope), public)
	if err != nil || !signed.Same(plan.ErasureOf(certificate.Spec)) {
		t.Fatalf("the certificate is not what was signed: %v", err)
	}
	if signed.Moved == nil || signed.Moved.To != "far" || signed.Moved.Digest != hash("both") || signed.Region != "near" || signed.Moved.TransferMechanism == "" ||
		!slices.Contains(signed.Destroyed, "PersistentVolume pv-source") {
		t.Errorf("it says %+v", signed)
	}
	quiet(t, h.testCluster)
}

// retires deletes a client with Retain while its database is being copied: one open database is kept, and no copy.
func retires(t *testing.T, c testCluster) {
	h := mover{c.book(t, "retiring", func(s *v1alpha1.TenantSpec) {
		s.Region, s.Move = "near", &v1alpha1.Move{To: "far", TransferMechanism: "EU-US Data Privacy Framework"}
	})}
	h.settle(t)
	h.phase(t, v1alpha1.MovePlanned, v1alpha1.ReasonMovePlanned, anyhow)
	h.copied(t)
	h.job(t, "cutover-postgres-far")
	if err := h.Delete(t.Context(), h.tenant(t)); err != nil {
		t.Fatal(err)
	}
	h.finishes(t, h.job(t, "reopen-postgres-far"), `{"reopen":{"at":"2026-11-24T00:00:00Z"}}`)
	h.freed(t, "", "data-postgres-far-0")
	h.testCluster.gone(t, client.ObjectKey{Name: h.name}, &v1alpha1.Tenant{})
	if err := h.Get(t.Context(), h.key("postgres-far"), &appsv1.StatefulSet{}); !apierrors.IsNotFound(err) {
		t.Errorf("the copy is there: %v", err)
	}
	get(t, h.hotel, "postgres", &appsv1.StatefulSet{})
}
