package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/rollout"
	"github.com/switchboard-operator/switchboard/internal/served"
)

// options are what the command line says.
type options struct {
	instanceImage  string
	postgresImage  string
	namespace      string
	leaderElect    bool
	metricsAddress string
	probeAddress   string
	pprofAddress   string
	logLevel       slog.Level
	journalEvery   time.Duration
	apiQPS         float64 // of requests to the API server for each kind of objects, over all controllers
	apiBurst       int
	rollout        rollout.Rules
	regions        served.Regions // all when empty
	// stateURL leads to a tenant's serve, outside of a cluster; nil for its Service.
	stateURL func(*v1alpha1.Tenant) string
	// connectorURL leads to a channel's connector likewise, and checksEvery is how often it is asked; checks.Every when zero.
	connectorURL func(*v1alpha1.Channel) string
	checksEvery  time.Duration
}

const overview = `Usage: operator [flags]

Operator gives every Tenant a messaging instance of its own: a closed namespace
in the tenant's region, a database, the staff API, a connector for each Channel
and a deletion job for each RetentionPolicy. What others change it puts back.

It talks to the cluster that it runs in, or to the one that the environment
variable KUBECONFIG leads to. Install its custom resources first:

    kubectl apply -k config/default

On a laptop, against the current cluster and without other replicas to agree with:

    KUBECONFIG=~/.kube/config operator --leader-elect=false

The policies of config/admission know it by its service account: there, have the
kubeconfig's user impersonate ("as") system:serviceaccount:NAMESPACE:switchboard-operator.

Logs are JSON on stdout and carry names and ids only. SIGTERM ends it: work that
is under way is finished first, and another replica takes over at once.

Flags:
`

// parse reads the command line. flag.ErrHelp means that help was asked for, and printed to out.
func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("operator", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // an error is told once, by main
	flags.StringVar(&o.instanceImage, "instance-image", "switchboard/instance:dev",
		"`image` of the messaging instance: server, connectors and jobs of every tenant")
	flags.StringVar(&o.postgresImage, "postgres-image", "docker.io/library/postgres:15-bookworm",
		"`image` of the tenants' databases: the official postgres image, or one that keeps its contract")
	flags.StringVar(&o.namespace, "namespace", name.OperatorNamespace,
		"`namespace` that the operator runs in; the tenants' certificate authorities stay there")
	flags.BoolVar(&o.leaderElect, "leader-elect", true,
		"let only one of several replicas work, by a Lease in --namespace")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080",
		"`address` of Prometheus metrics over plain HTTP; they carry counts only; 0 turns them off")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081",
		"`address` of /healthz and /readyz")
	flags.StringVar(&o.pprofAddress, "pprof-bind-address", "0",
		"`address` of Go's profiles over plain HTTP, for who looks for what takes time or memory; 0 turns them off")

	flags.Func("log-level", "`level` of what is logged: error, info, or debug, which tells of every question that a tenant did not answer (default info)", func(level string) error {
		known, ok := map[string]slog.Level{"error": slog.LevelError, "info": slog.LevelInfo, "debug": slog.LevelDebug}[level]
		if !ok {
			return errors.New("it is error, info or debug")
		}
		o.logLevel = known
		return nil
	})

	flags.DurationVar(&o.journalEvery, "journal-interval", 10*time.Second,
		"`time` between two questions to each tenant's instance: what its database holds, and which guests' consent has\nchanged; what changed after the last one is lost with the database when that is put back")

	flags.Float64Var(&o.apiQPS, "kube-api-qps", 50,
		"`number` of requests a second that the operator makes to the API server, for each kind of objects, when it has much\nto do; more than the API server bears makes it slower for everybody")
	flags.IntVar(&o.apiBurst, "kube-api-burst", 100,
		"`number` of requests that it may make at once, for each kind of objects, after it has been idle")

	o.rollout.MaxUnavailable = intstr.FromString("10%")
	flags.Func("rollout-max-unavailable", "`number` or percentage of all tenants that may be on the way to another --instance-image at once (default 10%)", func(text string) error {
		o.rollout.MaxUnavailable = intstr.Parse(text)
		n, err := intstr.GetScaledValueFromIntOrPercent(&o.rollout.MaxUnavailable, 100, false)
		if err != nil || n < 1 {
			return errors.New("it is a number such as 5, or a percentage such as 10%")
		}
		return nil
	})
	flags.DurationVar(&o.rollout.Deadline, "rollout-deadline", 10*time.Minute,
		"`time` that a tenant may take to become ready with another --instance-image; then all that have not begun wait for it")

	flags.Func("regions", "`names` of the Regions whose tenants this operator serves, with commas in between; may be given more than once.\nDefault: all. Tenants of others are told so in their status, and left alone: for one cluster in each region, not for\ntwo operators in one cluster", o.regions.Add)

	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, overview)
		flags.SetOutput(out)
		flags.PrintDefaults()
		return o, flag.ErrHelp
	}
	if err != nil {
		return o, err
	}
	return o, o.validate(flags.Args())
}

func (o options) validate(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q: everything is set by flags", rest[0])
	}
	if o.instanceImage == "" {
		return errors.New("--instance-image is empty: name the image of the messaging instance")
	}
	if o.postgresImage == "" {
		return errors.New("--postgres-image is empty: name the image of the tenants' databases")
	}
	if o.journalEvery < time.Second {
		return fmt.Errorf("--journal-interval %s is too short: use 1s or more", o.journalEvery)
	}
	if o.rollout.Deadline < time.Second {
		return fmt.Errorf("--rollout-deadline %s is too short: use 1m or more", o.rollout.Deadline)
	}
	if !(o.apiQPS >= 1) || o.apiBurst < 1 {
		return fmt.Errorf("--kube-api-qps %g and --kube-api-burst %d must be 1 or more", o.apiQPS, o.apiBurst)
	}
	if problems := validation.IsDNS1123Label(o.namespace); len(problems) > 0 {
		return fmt.Errorf("--namespace %q can't be a namespace: %s", o.namespace, problems[0])
	}
	return nil
}
