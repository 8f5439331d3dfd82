// Command operator reconciles Regions, Tenants, Channels and RetentionPolicies.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"
	_ "time/tzdata" // the image has no time zones of its own

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"

	"github.com/switchboard-operator/switchboard/controllers/channel"
	"github.com/switchboard-operator/switchboard/controllers/region"
	"github.com/switchboard-operator/switchboard/controllers/retentionpolicy"
	"github.com/switchboard-operator/switchboard/controllers/tenant"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/credentials"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// options are the command line.
type options struct {
	namespace   string
	images      plan.Images
	leaderElect bool
	metrics     string
	probes      string
	level       slog.Level
}

const usage = `operator gives every Tenant its own messaging instance, in its region, with deletion
schedules that are enforced.

It runs in a cluster (config/default or the Helm chart install it) and needs the
custom resources of config/crd. Outside of one it uses KUBECONFIG, for example:

  operator --leader-elect=false --namespace switchboard-system

Flags:
`

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("operator", flag.ContinueOnError)
	flags.StringVar(&o.namespace, "namespace", name.OperatorNamespace, "`namespace` of the operator: it keeps the tenants' certificate authorities there")
	flags.StringVar(&o.images.Instance, "instance-image", "switchboard/instance:dev", "`image` of the tenants' servers, connectors and jobs")
	flags.StringVar(&o.images.Postgres, "postgres-image", "docker.io/library/postgres:15-bookworm", "`image` of the embedded database where a Region names none; it must hold to the contract of the official postgres image")
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "let only one of several operators act")
	flags.StringVar(&o.metrics, "metrics-bind-address", ":8080", "`address` of /metrics, over plain HTTP; 0 for none")
	flags.StringVar(&o.probes, "health-probe-bind-address", ":8081", "`address` of /healthz and /readyz")
	flags.TextVar(&o.level, "log-level", slog.LevelInfo, "least `level` to log: DEBUG, INFO, WARN or ERROR")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; see operator --help", flags.Arg(0))
	}
	return o, nil
}

func main() {
	o, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(exitUsage)
	}
	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: o.level}))
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	klog.SetSlogLogger(log)
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		log.Error("the operator ends", "error", err.Error())
		os.Exit(exitFailed)
	}
}

func run(ctx context.Context, o options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w; set KUBECONFIG, or run in a pod", err)
	}
	config.QPS, config.Burst = 50, 100
	mgr, err := ctrl.NewManager(config, managerOptions(o))
	if err != nil {
		return fmt.Errorf("preparing the manager: %w", err)
	}
	if err := register(mgr, o); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func register(mgr ctrl.Manager, o options) error {
	gateway, err := knowsRoutes(mgr)
	if err != nil {
		return err
	}
	applier := &apply.Applier{Client: mgr.GetClient()}
	recorder := mgr.GetEventRecorder("switchboard")
	keeper := credentials.Keeper{Client: mgr.GetClient(), OperatorNamespace: o.namespace, Now: time.Now}
	return errors.Join(
		(&region.Reconciler{Client: mgr.GetClient(), Recorder: recorder}).Setup(mgr),
		(&tenant.Reconciler{
			Client: mgr.GetClient(), Applier: applier, Keeper: keeper, Recorder: recorder,
			Images: o.images, Gateway: gateway, Now: time.Now,
		}).Setup(mgr),
		(&channel.Reconciler{
			Client: mgr.GetClient(), Applier: applier, Recorder: recorder,
			Images: o.images, OperatorNamespace: o.namespace, Gateway: gateway,
		}).Setup(mgr),
		(&retentionpolicy.Reconciler{
			Client: mgr.GetClient(), Applier: applier, Recorder: recorder,
			Images: o.images, OperatorNamespace: o.namespace, Now: time.Now,
		}).Setup(mgr),
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("ping", healthz.Ping),
	)
}

// knowsRoutes says whether the cluster has Gateway API's HTTPRoutes.
func knowsRoutes(mgr ctrl.Manager) (bool, error) {
	_, err := mgr.GetRESTMapper().RESTMapping(schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}, "v1")
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking the cluster for its kinds: %w", err)
	}
	return true, nil
}
