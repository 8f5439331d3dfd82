// Package channel reconciles Channels: each gets a connector with a login, a
// certificate and an egress of its own.
package channel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/checks"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/served"
	"github.com/switchboard-operator/switchboard/internal/status"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=channels;tenants;regions,verbs=get;list;watch
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=channels,verbs=patch
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=channels/finalizers,verbs=update
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=channels/status,verbs=patch

// Reconciler brings Channels about.
type Reconciler struct {
	Client            client.Client
	Jobs              observe.Jobs
	Applier           *apply.Applier
	Recorder          events.EventRecorder
	Status            *status.Writer
	Images            plan.Images
	OperatorNamespace string
	Gateway           bool
	Checks            *checks.Checks
	Regions           served.Regions
	Now               func() time.Time

	found found
}

type scope struct {
	channel   *v1alpha1.Channel
	in        plan.Tenant
	processor v1alpha1.SubProcessor
	facts     judge.ChannelFacts
	// lookAgain is when what was found of the Secret before does not count any more; 0 when it was looked at.
	lookAgain time.Duration
	// withdrawing opens the way to the provider while a webhook is taken from it; nil otherwise.
	withdrawing client.Object
	// ends is since when the webhook is to be taken from the provider.
	ends time.Time
	// left says why the webhook of a Channel that goes is not known to be gone; "" when it is.
	left string
}

// Reconcile is one pass over one Channel. Of one that is being deleted, what it set up at its provider is taken
// back; its objects go by their owner references, its role by the tenant's next migration.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	c := &v1alpha1.Channel{}
	if err := r.Client.Get(ctx, req.NamespacedName, c); err != nil {
		r.found.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	s := &scope{channel: c, in: plan.Tenant{Images: r.Images, OperatorNamespace: r.OperatorNamespace, Gateway: r.Gateway}}
	if !c.DeletionTimestamp.IsZero() {
		r.found.forget(req.NamespacedName)
		return r.tearDown(ctx, s)
	}
	s.facts.Dials = contract.Dials(string(c.Spec.Type))
	return r.report(ctx, s, step.Run(ctx, r.steps(s)))
}

func (r *Reconciler) steps(s *scope) []step.Step {
	with := func(do func(context.Context, *scope) error) func(context.Context) error {
		return func(ctx context.Context) error { return do(ctx, s) }
	}
	return []step.Step{
		{Name: "see whether the region is served", Do: func(ctx context.Context) error { return r.Regions.Check(ctx, r.Client, s.channel.Namespace) }},
		{Name: "find the tenant", Do: with(r.loadTenant)},
		{Name: "check the channel against its region", Do: with(r.accept)},
		{Name: "send nothing while something is outside", Do: with(r.closeWayOut)},
		{Name: "find the database login", Do: with(r.findLogin)},
		{Name: "check the provider's credentials", Do: with(r.checkCredentials)},
		{Name: "bind it to its end", Do: with(r.bind)},
		{Name: "apply the connector", Do: with(r.applyConnector)},
		{Name: "hear what the provider says", Do: with(r.hearProvider)},
	}
}

func (r *Reconciler) loadTenant(ctx context.Context, s *scope) error {
	tenant, region, err := observe.TenantOf(ctx, r.Client, s.channel.Namespace)
	if err != nil {
		return err
	}
	if tenant == nil {
		if err := r.unplug(ctx, s); err != nil {
			return err
		}
		if err := r.stop(ctx, s); err != nil {
			return err
		}
		return step.NoTenant(s.channel.Namespace)
	}
	if region == nil {
		return step.NoRegion(tenant.Spec.Region)
	}
	s.in.Tenant, s.in.Region = tenant, region
	s.facts.Suspended = tenant.Spec.Suspended
	return nil
}

// accept checks the channel's sub-processor, and the notice that a web chat shows. One that is not in the register any more gets
// nothing more: its connector is taken down.
func (r *Reconciler) accept(ctx context.Context, s *scope) error {
	processor, refusal := plan.Processor(s.in.Region, s.channel)
	if refusal == nil {
		refusal = plan.ChatNotice(s.in.Tenant, s.channel)
	}
	if refusal != nil {
		if err := r.stop(ctx, s); err != nil {
			return fmt.Errorf("stopping the connector: %w", err)
		}
		return &step.Stall{Condition: v1alpha1.ConditionAccepted, Reason: refusal.Reason, Message: refusal.Message}
	}
	s.processor, s.facts.Accepted, s.facts.EgressClosed = processor, true, s.in.EgressClosed()
	return nil
}

// closeWayOut stops a connector that may send nothing now. It waits for nothing: what a connector needs to run may be missing just then.
func (r *Reconciler) closeWayOut(ctx context.Context, s *scope) error {
	if !s.in.EgressClosed() && !s.facts.Suspended {
		return nil
	}
	connector, err := observe.Deployment(ctx, r.Client, s.channel.Namespace, name.Connector(s.channel.Name))
	if err != nil || connector.Wanted <= 0 {
		return err
	}
	return r.applyConnector(ctx, s)
}

func (r *Reconciler) findLogin(ctx context.Context, s *scope) error {
	component := contract.ComponentConnector(s.channel.Name)
	setup, err := r.Jobs.Setup(ctx, s.in.Tenant, s.channel.Namespace, "")
	if err != nil {
		return err
	}
	if setup.Usable[component] == 0 {
		return &step.Wait{
			Condition: v1alpha1.ConditionConnectorAvailable, Reason: v1alpha1.ReasonWaiting,
			Message: "the tenant's database has no role for this channel yet; see kubectl describe tenant " + s.in.Tenant.Name + " if this lasts",
		}
	}
	s.in.Versions = setup.Usable
	return nil
}

// askAgain is how soon a missing Secret is looked for again: Secrets are not watched (docs/design/0003).
const askAgain = 3 * time.Second

func (r *Reconciler) checkCredentials(ctx context.Context, s *scope) error {
	secret := &corev1.Secret{}
	wanted, keys := plan.ChannelCredentials(s.channel)
	if wanted == "" { // a web chat that nobody vouches for
		s.facts.CredentialsReady = true
		return nil
	}
	if s.lookAgain = r.found.left(s.channel, r.Now()); s.lookAgain > 0 {
		s.facts.CredentialsReady = true
		return nil
	}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.channel.Namespace, Name: wanted}, secret)
	missing := func(reason, what string) error {
		r.found.forget(client.ObjectKeyFromObject(s.channel))
		return &step.Stall{
			Condition: v1alpha1.ConditionCredentialsReady, Reason: reason, After: askAgain,
			Message: fmt.Sprintf("%s: create it with kubectl -n %s create secret generic %s --from-file=%s=FILE",
				what, s.channel.Namespace, wanted, strings.Join(keys, "=FILE --from-file=")),
		}
	}
	switch {
	case apierrors.IsNotFound(err):
		return missing(v1alpha1.ReasonSecretMissing, "there is no Secret "+wanted)
	case apierrors.IsForbidden(err):
		// The binding that the Tenant's pass has just made takes a moment to reach the authorizer.
		return &step.Wait{
			Condition: v1alpha1.ConditionCredentialsReady, Reason: v1alpha1.ReasonProgressing, After: 200 * time.Millisecond,
			Message: "the operator's rights in the namespace are on their way",
		}
	case err != nil:
		return err
	}
	for _, key := range keys {
		if len(secret.Data[key]) == 0 {
			return missing(v1alpha1.ReasonKeyMissing, fmt.Sprintf("Secret %s has no key %s", wanted, key))
		}
	}
	r.found.note(s.channel, r.Now())
	s.facts.CredentialsReady = true
	return nil
}

func (r *Reconciler) applyConnector(ctx context.Context, s *scope) error {
	objects := plan.Connector(s.in, s.channel, s.processor)
	if err := r.Applier.Apply(ctx, objects...); err != nil {
		return err
	}
	return r.Applier.Prune(ctx, s.channel.Namespace, plan.ConnectorLabels(s.in.Tenant.Name, s.channel.Name), objects, plan.Routes(r.Gateway)...)
}

// hearProvider asks the connector, where there is one, whether the provider takes the credentials.
func (r *Reconciler) hearProvider(ctx context.Context, s *scope) error {
	connector, err := observe.Deployment(ctx, r.Client, s.channel.Namespace, name.Connector(s.channel.Name))
	// One that dials is available while it is bound: whether its credentials are why it is not, it tells all the same.
	if err != nil || connector.Available == 0 && (connector.Wanted <= 0 || !contract.Dials(string(s.channel.Spec.Type))) {
		return err
	}
	check, err := r.Checks.Known(ctx, s.channel)
	if err != nil {
		return s.asToldBefore(r.Checks.Silent(s.channel))
	}
	secret, _ := plan.ChannelCredentials(s.channel)
	err = judge.Credentials(judge.CredentialsFacts{Type: s.channel.Spec.Type, Secret: secret, Check: check, Lost: checks.Lost(check)})
	s.facts.CredentialsAccepted = err == nil
	return err
}

// asToldBefore leaves standing what status says of these credentials, when the connector does not tell: an operator that has just
// started does not know what the one before heard, and a connector that is late with an answer has not lost its provider. One that is
// silent for too long is told of.
func (s *scope) asToldBefore(silent bool) error {
	said := meta.FindStatusCondition(s.channel.Status.Conditions, v1alpha1.ConditionCredentialsAccepted)
	switch {
	case silent || said == nil || said.ObservedGeneration != s.channel.Generation || said.Status == metav1.ConditionUnknown:
		return &step.Wait{
			Condition: v1alpha1.ConditionCredentialsAccepted, Reason: v1alpha1.ReasonWaiting, After: askAgain,
			Message: "the connector does not tell what the provider says of the credentials",
		}
	case said.Status == metav1.ConditionTrue:
		s.facts.CredentialsAccepted, s.lookAgain = true, askAgain
		return nil
	case meta.IsStatusConditionTrue(s.channel.Status.Conditions, v1alpha1.ConditionStalled):
		return &step.Stall{Condition: said.Type, Reason: said.Reason, Message: said.Message, After: askAgain}
	default:
		return &step.Wait{Condition: said.Type, Reason: said.Reason, Message: said.Message, After: askAgain}
	}
}

func (r *Reconciler) report(ctx context.Context, s *scope, outcome error) (ctrl.Result, error) {
	connector, observed := observe.Deployment(ctx, r.Client, s.channel.Namespace, name.Connector(s.channel.Name))
	s.facts.Connector, s.facts.Outcome = connector, errors.Join(outcome, observed)
	before := s.channel.DeepCopy()
	st := &s.channel.Status
	st.ObservedGeneration = s.channel.Generation
	if s.in.Tenant != nil {
		st.CredentialsVersion = int32(s.in.Versions[contract.ComponentConnector(s.channel.Name)]) //nolint:gosec // counts rotations
	}
	if s.in.Tenant != nil && !s.facts.Dials {
		st.WebhookURL = fmt.Sprintf("%s/webhooks/%s/%s", s.in.PublicURL(), s.channel.Name, contract.WebhookPath(string(s.channel.Spec.Type)))
	}
	status.SetConditions(&st.Conditions, judge.Channel(s.facts), s.channel.Generation)
	if err := r.Status.Patch(ctx, r.Client, s.channel, before); err != nil {
		return step.Result(err)
	}
	status.Events(r.Recorder, s.channel, before.Status.Conditions, st.Conditions)
	result, err := step.Result(errors.Join(outcome, observed))
	if err == nil && result.RequeueAfter == 0 {
		result.RequeueAfter = s.lookAgain
	}
	return result, err
}
