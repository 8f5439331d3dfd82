// Package tenant reconciles Tenants: a namespace of their own, closed and bounded,
// with credentials, a database, and the staff API.
package tenant

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/credentials"
	"github.com/switchboard-operator/switchboard/internal/journal"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/rollout"
	"github.com/switchboard-operator/switchboard/internal/served"
	"github.com/switchboard-operator/switchboard/internal/status"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=tenants;regions;channels;retentionpolicies;legalholds;residencyboundaries,verbs=get;list;watch
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=tenants,verbs=patch
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=tenants/finalizers,verbs=update
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=tenants/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=nodes;persistentvolumes;persistentvolumeclaims;pods;services;configmaps;resourcequotas;limitranges,verbs=get;list;watch
// +kubebuilder:rbac:groups=storage.k8s.io,resources=storageclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=deployments;statefulsets,verbs=get;list;watch
// +kubebuilder:rbac:groups=batch,resources=jobs;cronjobs,verbs=get;list;watch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies;ingresses,verbs=get;list;watch
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes,verbs=get;list;watch
// +kubebuilder:rbac:groups=postgresql.cnpg.io,resources=clusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,verbs=bind,resourceNames=switchboard-tenant-manager
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler brings Tenants about.
type Reconciler struct {
	Client   client.Client
	Live     client.Reader // knows what the last pass wrote
	Jobs     observe.Jobs
	Applier  *apply.Applier
	Keeper   credentials.Keeper
	Recorder events.EventRecorder
	Status   *status.Writer
	Images   plan.Images
	Ledger   *ledger.Ledger
	Heads    cache.Cache // of the ledger's ConfigMaps: their metadata
	Journal  *journal.Journal
	Gateway  bool // the cluster knows Gateway API routes
	Clusters bool // it knows CloudNativePG's Clusters
	Regions  served.Regions
	Rollout  rollout.Rules
	Now      func() time.Time

	ring  ring
	turns turns
}

// scope is what one pass knows: inputs first, then what its steps found.
type scope struct {
	tenant   *v1alpha1.Tenant
	in       plan.Tenant
	channels []v1alpha1.Channel
	found    credentials.Found
	before   observe.Setup // what finished migrations brought about
	job      *batchv1.Job  // the migration that stands for what is asked for
	evidence *v1alpha1.Evidence
	database *contract.State           // what the database was last found to hold; nil when it is not known
	restored *v1alpha1.Restored        // a replay that this pass took into account
	fallback *v1alpha1.RetentionPolicy // that the Region's default makes, as it was applied; nil when there is none
	limits   []contract.Retention
	planned  *v1alpha1.PlannedChange // a change of the Region that the tenant is not held to yet
	backup   *v1alpha1.BackupStatus
	restore  *v1alpha1.RestoreStatus
	network  *v1alpha1.NetworkProbe // what the newest probe saw
	again    time.Duration          // until something is due that no watch tells of; 0 when nothing is
	// lookAgain is when what was found of Secrets before does not count any more; 0 when they were looked at.
	lookAgain time.Duration
	namespace types.UID
	move      *v1alpha1.MoveStatus // what status is to show of it
	facts     judge.TenantFacts
	// secretMissing: of a webhook's, or the provider's that staff sign in by; Secrets are not watched.
	secretMissing bool
}

// Reconcile is one pass over one Tenant.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	t := &v1alpha1.Tenant{}
	if err := r.Client.Get(ctx, req.NamespacedName, t); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if refusal := r.Regions.Refuse(t.Spec.Region); refusal != nil {
		return r.refuse(ctx, t, refusal)
	}
	s := &scope{tenant: t, evidence: t.Status.Evidence, move: t.Status.Move.DeepCopy(), in: plan.Tenant{
		Tenant: t, Region: &v1alpha1.Region{}, Images: r.Images, OperatorNamespace: r.Keeper.OperatorNamespace, Gateway: r.Gateway,
	}}
	if !t.DeletionTimestamp.IsZero() {
		return r.tearDown(ctx, s)
	}
	outcome := step.Run(ctx, r.steps(s))
	return r.report(ctx, s, outcome)
}

// refuse says that a Tenant is another operator's, and does nothing else.
func (r *Reconciler) refuse(ctx context.Context, t *v1alpha1.Tenant, refusal error) (ctrl.Result, error) {
	before := t.DeepCopy()
	t.Status.ObservedGeneration = t.Generation
	status.SetConditions(&t.Status.Conditions, judge.Refused(refusal), t.Generation)
	if err := r.Status.Patch(ctx, r.Client, t, before); err != nil {
		return step.Result(err)
	}
	status.Events(r.Recorder, t, before.Status.Conditions, t.Status.Conditions)
	return step.Result(refusal)
}

// report observes what is there, judges it and writes status, whatever became of the
// steps: an auditor sees the truth even when provisioning fails.
func (r *Reconciler) report(ctx context.Context, s *scope, outcome error) (ctrl.Result, error) {
	observed := r.observe(ctx, s)
	s.facts.Outcome = observed
	if outcome != nil {
		s.facts.Outcome = outcome
	}
	r.networkFacts(s)
	before := s.tenant.DeepCopy()
	st := &s.tenant.Status
	st.ObservedGeneration = s.tenant.Generation
	st.Namespace = s.in.Namespace()
	if s.facts.Residency != nil {
		st.Residency = s.facts.Residency
	}
	st.Evidence = s.evidence
	if s.facts.Backup.Known {
		st.Backup = s.backup
	}
	st.Network = s.network
	if s.restore != nil {
		st.Restore = s.restore
	}
	if s.restored != nil {
		st.Restored = s.restored
	}
	st.Move = s.move
	if s.facts.Rollout.Status != nil {
		st.Instance = s.facts.Rollout.Status
	}
	if known, ok := r.Journal.Known(s.tenant.UID); ok && known.State.Usage != nil {
		st.Usage = usage(*known.State.Usage)
	}
	st.PrivacyNotice = r.notice(s.tenant)
	if s.facts.Setup.Done {
		st.SchemaVersion = s.facts.Setup.SchemaVersion
	}
	st.CredentialsVersion = int32(s.facts.Setup.Usable[contract.ComponentServe]) //nolint:gosec // counts rotations
	st.Endpoints = endpoints(s)
	status.SetConditions(&st.Conditions, judge.Tenant(s.facts), s.tenant.Generation)
	if err := r.Status.Patch(ctx, r.Client, s.tenant, before); err != nil {
		return step.Result(err)
	}
	status.Events(r.Recorder, s.tenant, before.Status.Conditions, st.Conditions)
	result, err := step.Result(errors.Join(outcome, observed))
	return r.comeAgain(s, result, err)
}

func (r *Reconciler) observe(ctx context.Context, s *scope) (err error) {
	namespace, f := s.in.Namespace(), &s.facts
	f.Suspended, f.Region = s.tenant.Spec.Suspended, s.tenant.Spec.Region
	f.SendWindow = s.tenant.Spec.SendWindow
	f.Move.Status = s.move
	if asked := s.tenant.Spec.Move; asked != nil {
		f.Move.Wanted = asked.To
	}
	ours := f.NamespaceReady && s.in.Region.Name != "" // or nothing there is known to be the tenant's
	if ours {
		// Whatever else can't be read: what is outside closes the way out.
		if err := r.lookAround(ctx, s); err != nil {
			return err
		}
	}
	evidence, err := r.Ledger.Newest(ctx, s.tenant)
	if err != nil {
		return err
	}
	s.evidence = evidence
	if err := r.observeRollout(ctx, s); err != nil || !ours {
		return err
	}
	if err := r.observeDatabase(ctx, s); err != nil {
		return err
	}
	f.Server, err = observe.Deployment(ctx, r.Client, namespace, name.Serve)
	return err
}

func endpoints(s *scope) []v1alpha1.Endpoint {
	all := []v1alpha1.Endpoint{{Name: "staff-api", URL: s.in.PublicURL() + "/api/v1"}}
	for _, c := range s.channels {
		if contract.Dials(string(c.Spec.Type)) {
			continue // nobody calls it
		}
		all = append(all, v1alpha1.Endpoint{Name: "channel-" + c.Name, URL: fmt.Sprintf("%s/webhooks/%s", s.in.PublicURL(), c.Name)})
	}
	return all
}
