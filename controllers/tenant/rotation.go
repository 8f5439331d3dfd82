package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/credentials"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

func (r *Reconciler) ensureCredentials(ctx context.Context, s *scope) error {
	var channels v1alpha1.ChannelList
	if err := r.Client.List(ctx, &channels, client.InNamespace(s.in.Namespace())); err != nil {
		return err
	}
	s.channels = slices.DeleteFunc(channels.Items, func(c v1alpha1.Channel) bool { return !c.DeletionTimestamp.IsZero() })
	slices.SortFunc(s.channels, func(a, b v1alpha1.Channel) int { return strings.Compare(a.Name, b.Name) })
	wanted := credentials.Wanted{
		Tenant: s.tenant.Name, Namespace: s.in.Namespace(), Hostname: s.tenant.Spec.Hostname,
		Rotation:   s.tenant.Annotations[v1alpha1.AnnotationRotateCredentials],
		Components: s.components(),
		Servers:    map[string]string{name.ServeTLS: name.Serve},
		Public:     []string{name.ServeTLS},
		Superuser:  plan.External(s.in.Region) == nil,
	}
	database := plan.EngineOf(s.in.Region).Certificates()
	if database.Server != "" {
		wanted.Servers[name.PostgresTLS] = database.Server
		wanted.Clients, wanted.Watched = database.Clients, database.Labels
	}
	for _, c := range s.channels {
		wanted.Servers[name.ConnectorTLS(c.Name)] = name.Connector(c.Name)
		wanted.Public = append(wanted.Public, name.ConnectorTLS(c.Name))
	}
	setup, err := r.Jobs.Setup(ctx, s.tenant, s.in.Namespace(), "")
	if err != nil {
		return err
	}
	s.before, wanted.Used = setup, setup.Usable
	if wanted.Revision, err = s.revision(); err != nil {
		return err
	}
	found, left, err := r.Keeper.Ensure(ctx, wanted)
	var lost *credentials.LostError
	if errors.As(err, &lost) {
		return &step.Stall{
			Condition: v1alpha1.ConditionCredentialsReady, Reason: v1alpha1.ReasonSecretMissing, Message: lost.Message, After: askAgain,
		}
	}
	s.found, s.lookAgain = found, left
	s.facts.CredentialsReady = err == nil
	return err
}

// revision changes with all that people say of the tenant, and with its namespace: what was found of Secrets before counts no
// more then.
func (s *scope) revision() (string, error) {
	annotations, err := json.Marshal(s.tenant.Annotations)
	if err != nil {
		return "", fmt.Errorf("encoding the annotations: %w", err)
	}
	return fmt.Sprintf("%s %d %s %s", s.tenant.UID, s.tenant.Generation, s.namespace, annotations), nil
}

// askAgain is how soon a lost Secret is looked for again: Secrets are not watched (docs/design/0003).
const askAgain = 5 * time.Second

// components that log in to the tenant's database.
func (s *scope) components() []string {
	all := []string{contract.ComponentServe, contract.ComponentRetain, contract.ComponentSubject, contract.ComponentReplay,
		contract.ComponentExport, contract.ComponentAdopt}
	if plan.EngineOf(s.in.Region).NoBackups() == "" {
		all = append(all, contract.ComponentBackup)
	}
	if len(s.tenant.Spec.Webhooks) > 0 {
		all = append(all, contract.ComponentWebhooks)
	}
	for _, c := range s.channels {
		all = append(all, contract.ComponentConnector(c.Name))
	}
	return all
}

// retireCredentials removes logins that nothing uses any more: the next migration
// then drops their roles. A login goes only when every pod has moved to the newer one.
func (r *Reconciler) retireCredentials(ctx context.Context, s *scope) error {
	if observe.Copied(s.move) {
		return nil // the copy follows by a login that must stay
	}
	wanted := s.components()
	for component, versions := range s.found {
		if component == name.Admin {
			continue
		}
		newest := versions[len(versions)-1]
		for _, v := range versions {
			if slices.Contains(wanted, component) {
				if v == newest || s.facts.Setup.Usable[component] != newest {
					continue
				}
				moved, err := r.moved(ctx, s, component)
				if err != nil {
					return err
				}
				if !moved {
					continue
				}
			}
			if err := r.Keeper.Remove(ctx, s.in.Namespace(), component, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// moved says that a component's pods all use its newest login.
func (r *Reconciler) moved(ctx context.Context, s *scope, component string) (bool, error) {
	switch component {
	case contract.ComponentRetain:
		return r.runsMoved(ctx, s)
	case contract.ComponentSubject, contract.ComponentReplay, contract.ComponentBackup, contract.ComponentExport, contract.ComponentAdopt: // the next Job takes the newest
		active, err := observe.ActiveJobs(ctx, r.Client, s.tenant.Name, s.in.Namespace(), component)
		return active == 0, err
	}
	deployment := component // connector-CHANNEL
	if component == contract.ComponentServe {
		deployment = name.Serve
	}
	uses, err := observe.UsesSecret(ctx, r.Client, s.in.Namespace(), deployment, name.Credentials(component, s.facts.Setup.Usable[component]))
	if err != nil || !uses {
		return false, err
	}
	w, err := observe.Deployment(ctx, r.Client, s.in.Namespace(), deployment)
	return w.Settled, err
}

// runsMoved says that no retention Job runs, and none to come uses an older login.
func (r *Reconciler) runsMoved(ctx context.Context, s *scope) (bool, error) {
	newest := name.Credentials(contract.ComponentRetain, s.facts.Setup.Usable[contract.ComponentRetain])
	uses, err := observe.RunsUseSecret(ctx, r.Client, s.tenant.Name, s.in.Namespace(), newest)
	if err != nil || !uses {
		return false, err
	}
	active, err := observe.ActiveJobs(ctx, r.Client, s.tenant.Name, s.in.Namespace(), contract.ComponentRetain)
	return active == 0, err
}
