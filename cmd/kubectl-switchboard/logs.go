package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

const logsAbout = `Shows what the pods of a tenant log, each line after its component and pod: serve, database, webhooks, migrate, retain,
subject, backup and so on, and connector-CHANNEL for each channel. Name one of them, or a channel, to see that alone.

With --follow it goes on until interrupted, with the pods that there are when it starts. What the instance logs has nothing
personal in it.

You need the rights to list pods and to get pods/log in the tenant's namespace.

Exit codes: 0 it was shown, 2 wrong usage, 3 it could not be read.`

const logsExamples = `  # All of a tenant, of the last hour
  kubectl switchboard logs hotel-berlin --since 1h

  # The connector of one channel, as it goes on
  kubectl switchboard logs hotel-berlin front-desk -f

  # The last lines of the database
  kubectl switchboard logs hotel-berlin database --tail 50`

// logsOptions are the flags of logs.
type logsOptions struct {
	follow bool
	since  time.Duration
	tail   int64
}

func logsCommand(c *connection) *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use: "logs TENANT [COMPONENT|CHANNEL]", Short: "Show what a tenant's pods log",
		Long: logsAbout, Example: logsExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return &usageError{fmt.Errorf("name a tenant, and a component or channel if you like, there are %d names", len(args))}
			}
			if o.since < 0 {
				return &usageError{fmt.Errorf("--since %s: write how long ago, as 90s, 10m or 1h", o.since)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			reader, config, err := c.open()
			if err != nil {
				return err
			}
			pods, err := podsOf(ctx, reader, append(args, "")[0], append(args, "")[1])
			if err != nil {
				return err
			}
			open, err := podLogs(config, o)
			if err != nil {
				return err
			}
			return showLogs(ctx, pods, open, o.follow, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on until interrupted")
	flags.DurationVar(&o.since, "since", 0, "only what is newer than this, as `10m`")
	flags.Int64Var(&o.tail, "tail", -1, "only so many `LINES` of each pod")
	return cmd
}

// logSource is a container whose log is shown, under a title.
type logSource struct {
	title, namespace, pod, container string
}

// podsOf gives the containers of a tenant's pods, or those of one component or channel, by their titles.
func podsOf(ctx context.Context, reader client.Reader, tenant, only string) ([]logSource, error) {
	t := &v1alpha1.Tenant{}
	err := reader.Get(ctx, client.ObjectKey{Name: tenant}, t)
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("there is no Tenant %s in this cluster: if it lives in another region's, name that one by --context", tenant)
	case apierrors.IsForbidden(err):
		t = &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: tenant}}
	case err != nil:
		return nil, fmt.Errorf("reading Tenant %s: %w", tenant, err)
	}
	if c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionAccepted); c != nil && c.Reason == v1alpha1.ReasonRegionNotServed {
		return nil, fmt.Errorf("tenant %s is of region %s, which this cluster does not serve: its pods run in that region's cluster; name it by --context (kubectl config get-contexts)", tenant, t.Spec.Region)
	}
	namespace := plan.Tenant{Tenant: t}.Namespace()
	var pods corev1.PodList
	if err := reader.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("looking for the tenant's pods in namespace %s: %w", namespace, err)
	}
	var found []logSource
	var names []string
	for i := range pods.Items {
		p := &pods.Items[i]
		component, channel := plan.Component(p)
		title := cmp.Or(component, "other")
		if channel != "" {
			title += "-" + channel
		}
		names = append(names, title)
		if only != "" && only != title && only != component && only != channel && only != p.Name {
			continue
		}
		for _, c := range p.Spec.Containers {
			found = append(found, logSource{title, p.Namespace, p.Name, c.Name})
		}
	}
	slices.SortFunc(found, func(a, b logSource) int {
		return cmp.Or(cmp.Compare(a.title, b.title), cmp.Compare(a.pod, b.pod), cmp.Compare(a.container, b.container))
	})
	slices.Sort(names)
	switch {
	case len(found) > 0:
		return found, nil
	case len(names) > 0:
		return nil, fmt.Errorf("tenant %s has no pod of %q: there are %s", tenant, only, strings.Join(slices.Compact(names), ", "))
	default:
		return nil, fmt.Errorf("tenant %s has no pods in namespace %s: see kubectl switchboard status %s", tenant, namespace, tenant)
	}
}

// podLogs opens logs by the API server.
func podLogs(config *rest.Config, o logsOptions) (func(context.Context, logSource) (io.ReadCloser, error), error) {
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	options := corev1.PodLogOptions{Follow: o.follow}
	if o.since > 0 {
		seconds := max(1, int64(o.since.Seconds()))
		options.SinceSeconds = &seconds
	}
	if o.tail >= 0 {
		options.TailLines = &o.tail
	}
	return func(ctx context.Context, l logSource) (io.ReadCloser, error) {
		of := options
		of.Container = l.container
		return set.CoreV1().Pods(l.namespace).GetLogs(l.pod, &of).Stream(ctx)
	}, nil
}

// showLogs prints one log after the other, or all at the same time when they are followed. A log that can't be read is told,
// and the others are shown all the same.
func showLogs(ctx context.Context, pods []logSource, open func(context.Context, logSource) (io.ReadCloser, error), follow bool, out, errs io.Writer) error {
	var mutex sync.Mutex
	failed := 0
	show := func(l logSource) {
		err := showLog(ctx, l, open, out, &mutex)
		if err == nil || ctx.Err() != nil {
			return
		}
		mutex.Lock()
		defer mutex.Unlock()
		failed++
		fmt.Fprintf(errs, "%s/%s: %v\n", l.title, l.pod, err)
	}
	var all sync.WaitGroup
	for _, l := range pods {
		if follow {
			all.Go(func() { show(l) })
		} else {
			show(l)
		}
	}
	all.Wait()
	if failed == len(pods) {
		return errors.New("no log could be read: see above")
	}
	return nil
}

// maxShown bounds a line that is shown, in bytes: the rest comes as a line of its own.
const maxShown = 64 << 10

func showLog(ctx context.Context, l logSource, open func(context.Context, logSource) (io.ReadCloser, error), out io.Writer, mutex *sync.Mutex) error {
	log, err := open(ctx, l)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	lines := bufio.NewReaderSize(log, maxShown)
	for {
		line, _, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		mutex.Lock()
		_, err = fmt.Fprintf(out, "%s/%s | %s\n", l.title, l.pod, printable(string(line)))
		mutex.Unlock()
		if err != nil {
			return err
		}
	}
}
