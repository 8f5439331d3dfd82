package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/overview"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

const statusAbout = `Shows a tenant as a tree: its region, instance and database, channels, retention policies with each category's limit, last
run and what is overdue, legal holds, requests of persons with their clocks, the evidence, where it was seen, and how its
network is closed. Without a name, all tenants in one line each, the worst first.

  ok       all is as asked for
  waiting  it is on its way, or waits for somebody's word; no promise is broken
  broken   a promise is broken, or nothing will change until somebody does what the message says
  unknown  it could not be read

Whatever is not ok says its reason, since when, and the next step. The marks agree with what Argo CD shows: ok is Healthy,
broken is Degraded. It reads custom resources and nothing else; the ClusterRole switchboard-auditor may.

Exit codes: 0 all is ok; 1 something is waiting or broken; 2 wrong usage; 3 it could not be asked.`

const statusExamples = `  # All tenants, the worst first
  kubectl switchboard status

  # One, as a tree; then as long as it changes
  kubectl switchboard status hotel-berlin
  kubectl switchboard status hotel-berlin --watch

  # For a program: every part that is broken
  kubectl switchboard status hotel-berlin -o json | jq -r '.. | objects | select(.mark == "broken") | "\(.kind) \(.name)"'`

// statusOptions are the flags of status.
type statusOptions struct {
	output string
	watch  bool
}

func statusCommand(c *connection) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use: "status [TENANT]", Short: "Show a tenant as a tree, or all tenants, the worst first",
		Long: statusAbout, Example: statusExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{fmt.Errorf("name one tenant or none, there are %d names", len(args))}
			}
			if o.output != "table" && o.output != "json" && o.output != "yaml" {
				return &usageError{fmt.Errorf("--output %q: write table, json or yaml", o.output)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runStatus(cmd, c, args, o) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.output, "output", "o", "table", "`table`, json or yaml")
	flags.BoolVarP(&o.watch, "watch", "w", false, "show it again whenever it has changed, until interrupted")
	return cmd
}

// watchEvery is how often --watch looks again.
const watchEvery = 2 * time.Second

func runStatus(cmd *cobra.Command, c *connection, args []string, o statusOptions) error {
	reader, _, err := c.open()
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	show := func(nodes []overview.Node) error {
		if err := printStatus(out, nodes, len(args) == 1, o.output, screenOf(out)); err != nil {
			return fmt.Errorf("printing the status: %w", err)
		}
		return nil
	}
	nodes, err := statuses(cmd.Context(), reader, args)
	if err != nil {
		return err
	}
	if err := show(nodes); err != nil {
		return err
	}
	if o.watch {
		return watchStatus(cmd.Context(), reader, args, nodes, func(nodes []overview.Node) error {
			fmt.Fprintln(out)
			return show(nodes)
		})
	}
	return statusOutcome(nodes)
}

// watchStatus shows what is there now whenever it differs from what was shown last, until interrupted.
func watchStatus(ctx context.Context, reader client.Reader, args []string, shown []overview.Node, show func([]overview.Node) error) error {
	err := wait.PollUntilContextCancel(ctx, watchEvery, false, func(ctx context.Context) (bool, error) {
		nodes, err := statuses(ctx, reader, args)
		if err != nil || same(shown, nodes) {
			return false, err
		}
		shown = nodes
		return false, show(nodes)
	})
	if errors.Is(ctx.Err(), context.Canceled) {
		return statusOutcome(shown) // interrupted, as it is meant to end
	}
	return err
}

// statusOutcome gives the error by which the program ends.
func statusOutcome(nodes []overview.Node) error {
	worst := overview.OK
	for _, n := range nodes {
		worst = overview.Worse(worst, n.Mark)
	}
	switch worst {
	case overview.OK:
		return nil
	case overview.Unknown:
		return errors.New("not all of it could be read: see what is unknown above")
	default:
		return errFindings
	}
}

// statuses reads one tenant, or all of them, the worst first.
func statuses(ctx context.Context, reader client.Reader, args []string) ([]overview.Node, error) {
	if len(args) == 1 {
		read, err := readTenant(ctx, reader, args[0])
		if err != nil {
			return nil, err
		}
		return []overview.Node{overview.Of(read)}, nil
	}
	all, err := readTenants(ctx, reader)
	if err != nil {
		return nil, err
	}
	nodes := make([]overview.Node, len(all))
	for i, read := range all {
		nodes[i] = overview.Of(read)
	}
	slices.SortFunc(nodes, overview.Compare)
	return nodes, nil
}

// readTenant reads one tenant. Whoever has rights in its namespace alone is shown what stands there.
func readTenant(ctx context.Context, reader client.Reader, tenant string) (overview.Read, error) {
	r := overview.Read{Tenant: &v1alpha1.Tenant{}, Unread: map[string]string{}}
	err := reader.Get(ctx, client.ObjectKey{Name: tenant}, r.Tenant)
	switch {
	case apierrors.IsNotFound(err):
		return r, fmt.Errorf("there is no Tenant %s: see kubectl switchboard status for those that there are", tenant)
	case apierrors.IsForbidden(err):
		r.Tenant = &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: tenant}}
		r.Unread[overview.KindTenant] = "you may not read Tenants: have the ClusterRole switchboard-auditor bound to you"
	case err != nil:
		return r, fmt.Errorf("reading Tenant %s: %w", tenant, err)
	default:
		r.Region = &v1alpha1.Region{}
		err := reader.Get(ctx, client.ObjectKey{Name: r.Tenant.Spec.Region}, r.Region)
		if err != nil {
			r.Region = nil
		}
		if apierrors.IsForbidden(err) {
			r.Unread[overview.KindRegion] = "you may not read Regions: have the ClusterRole switchboard-auditor bound to you"
		} else if client.IgnoreNotFound(err) != nil {
			return r, fmt.Errorf("reading Region %s: %w", r.Tenant.Spec.Region, err)
		}
	}
	namespace := plan.Tenant{Tenant: r.Tenant}.Namespace()
	var lists tenantLists
	for kind, list := range lists.all() {
		err := reader.List(ctx, list, client.InNamespace(namespace))
		if apierrors.IsForbidden(err) {
			r.Unread[kind] = "you may not read them: have the ClusterRole switchboard-auditor bound to you in namespace " + namespace
		} else if err != nil {
			return r, fmt.Errorf("reading the tenant's %s: %w", kind, err)
		}
	}
	lists.into(&r)
	return r, nil
}

// readTenants reads all tenants, by one list of each kind.
func readTenants(ctx context.Context, reader client.Reader) ([]overview.Read, error) {
	var tenants v1alpha1.TenantList
	var regions v1alpha1.RegionList
	if err := errors.Join(reader.List(ctx, &tenants), reader.List(ctx, &regions)); err != nil {
		return nil, fmt.Errorf("reading all Tenants: %w; to see one, name it", err)
	}
	var lists tenantLists
	for kind, list := range lists.all() {
		if err := reader.List(ctx, list); err != nil {
			return nil, fmt.Errorf("reading the %s of all tenants: %w; to see one tenant, name it", kind, err)
		}
	}
	all := make([]overview.Read, len(tenants.Items))
	for i := range tenants.Items {
		all[i].Tenant = &tenants.Items[i]
		for j := range regions.Items {
			if regions.Items[j].Name == all[i].Tenant.Spec.Region {
				all[i].Region = &regions.Items[j]
			}
		}
		lists.into(&all[i])
	}
	return all, nil
}

// tenantLists are the objects of one namespace, or of all.
type tenantLists struct {
	channels v1alpha1.ChannelList
	policies v1alpha1.RetentionPolicyList
	holds    v1alpha1.LegalHoldList
	requests v1alpha1.DataSubjectRequestList
}

// all gives the lists to read, by the kind of their nodes.
func (l *tenantLists) all() map[string]client.ObjectList {
	return map[string]client.ObjectList{
		overview.KindChannels: &l.channels, overview.KindRetention: &l.policies, overview.KindHolds: &l.holds, overview.KindRequests: &l.requests,
	}
}

// into gives a tenant what is of its namespace.
func (l *tenantLists) into(r *overview.Read) {
	namespace := plan.Tenant{Tenant: r.Tenant}.Namespace()
	r.Channels = ofNamespace(l.channels.Items, namespace)
	r.Policies = ofNamespace(l.policies.Items, namespace)
	r.Holds = ofNamespace(l.holds.Items, namespace)
	r.Requests = ofNamespace(l.requests.Items, namespace)
}

func ofNamespace[T any, P interface {
	*T
	client.Object
}](all []T, namespace string) []T {
	var found []T
	for i := range all {
		if P(&all[i]).GetNamespace() == namespace {
			found = append(found, all[i])
		}
	}
	return found
}
