// Command operator gives every Tenant a messaging instance of its own.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // the image has no time zones of its own

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/switchboard-operator/switchboard/controllers/channel"
	"github.com/switchboard-operator/switchboard/controllers/datasubjectrequest"
	"github.com/switchboard-operator/switchboard/controllers/legalhold"
	"github.com/switchboard-operator/switchboard/controllers/region"
	"github.com/switchboard-operator/switchboard/controllers/retentionpolicy"
	"github.com/switchboard-operator/switchboard/controllers/tenant"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/checks"
	"github.com/switchboard-operator/switchboard/internal/credentials"
	"github.com/switchboard-operator/switchboard/internal/desk"
	"github.com/switchboard-operator/switchboard/internal/journal"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/metric"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/signing"
	"github.com/switchboard-operator/switchboard/internal/status"
)

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "operator: %v\nRun operator --help to see what can be set.\n", err)
		os.Exit(2)
	}
	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: o.logLevel}))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err = run(ctx, log, o)
	stop()
	if err != nil {
		log.Error("the operator ended", "error", err.Error())
		os.Exit(1)
	}
}

// run works until ctx ends.
func run(ctx context.Context, log *slog.Logger, o options) error {
	logger := logr.FromSlogHandler(log.Handler())
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: run in a pod, or set KUBECONFIG: %w", err)
	}
	with, err := managerOptions(o)
	if err != nil {
		return err
	}
	mgr, err := newManager(config, o, with)
	if err != nil {
		return err
	}
	if err := setup(ctx, mgr, o); err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running: %w", err)
	}
	return nil
}

// setup registers the reconcilers, one per kind.
func setup(ctx context.Context, mgr ctrl.Manager, o options) error {
	gateway, err := knows(mgr, schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"})
	if err != nil {
		return err
	}
	clusters, err := knows(mgr, plan.ClusterKind)
	if err != nil {
		return err
	}
	heads, err := newHeads(mgr, o.namespace)
	if err != nil {
		return err
	}
	if err := observe.Index(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	c := mgr.GetClient()
	evidence := &ledger.Ledger{
		Client: c, Reader: mgr.GetAPIReader(), Index: heads, Namespace: o.namespace, Now: time.Now,
		Keeper: signing.Keeper{Client: c, Reader: mgr.GetAPIReader(), Namespace: o.namespace},
	}
	applier := &apply.Applier{Client: c, Live: mgr.GetAPIReader()}
	jobs := observe.Jobs{Cache: c, Live: mgr.GetAPIReader(), Now: time.Now}
	images := plan.Images{Instance: o.instanceImage, Postgres: o.postgresImage}
	recorder, written := mgr.GetEventRecorder("switchboard-operator"), &status.Writer{}
	keeper := credentials.Keeper{Client: c, OperatorNamespace: o.namespace, Now: time.Now, Memory: &credentials.Memory{}}
	asked := &journal.Journal{
		Client: c, Ledger: evidence, Keeper: keeper,
		Every: o.journalEvery, Now: time.Now, Regions: o.regions, URL: o.stateURL, Changed: make(chan event.GenericEvent),
		Desk: &desk.Desk{Client: c, Live: mgr.GetAPIReader(), Now: time.Now},
	}
	if err := mgr.Add(asked); err != nil {
		return fmt.Errorf("adding the journal: %w", err)
	}
	told := &checks.Checks{
		Client: c, Keeper: keeper, Every: cmp.Or(o.checksEvery, checks.Every),
		URL: o.connectorURL, Changed: make(chan event.GenericEvent),
	}
	if err := mgr.Add(told); err != nil {
		return fmt.Errorf("adding the checks of credentials: %w", err)
	}
	if err := metric.Lead(mgr, "channels", told); err != nil {
		return err
	}
	if err := metric.Lead(mgr, "the journal", asked); err != nil {
		return err
	}
	for _, reconciler := range []interface{ Setup(ctrl.Manager) error }{
		&region.Reconciler{Client: c, Recorder: recorder, Status: written, Regions: o.regions},
		&tenant.Reconciler{
			Client: c, Live: mgr.GetAPIReader(), Jobs: jobs, Applier: applier, Recorder: recorder, Status: written, Images: images, Gateway: gateway, Clusters: clusters, Now: time.Now, Ledger: evidence, Heads: heads, Journal: asked,
			Keeper: keeper, Regions: o.regions, Rollout: o.rollout,
		},
		&channel.Reconciler{
			Client: c, Jobs: jobs, Applier: applier, Recorder: recorder, Status: written, Images: images, Gateway: gateway, OperatorNamespace: o.namespace, Checks: told, Regions: o.regions, Now: time.Now,
		},
		&retentionpolicy.Reconciler{
			Client: c, Jobs: jobs, Applier: applier, Recorder: recorder, Status: written, Images: images, OperatorNamespace: o.namespace, Ledger: evidence, Now: time.Now, Regions: o.regions,
		},
		&legalhold.Reconciler{Client: c, Jobs: jobs, Recorder: recorder, Status: written, Now: time.Now, Regions: o.regions},
		&datasubjectrequest.Reconciler{
			Client: c, Live: mgr.GetAPIReader(), Jobs: jobs, Applier: applier, Recorder: recorder, Status: written, Images: images, OperatorNamespace: o.namespace, Ledger: evidence, Now: time.Now,
			Regions: o.regions,
		},
	} {
		if err := reconciler.Setup(mgr); err != nil {
			return err
		}
	}
	return nil
}

// knows tells whether the cluster has a kind that is not Kubernetes' own. One that gets it later needs a restart of the
// operator.
func knows(mgr ctrl.Manager, kind schema.GroupVersionKind) (bool, error) {
	_, err := mgr.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking the cluster for %s: %w", kind.Kind, err)
	}
	return true, nil
}
