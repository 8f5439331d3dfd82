package cluster

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Dump writes what one looks at first when something failed: the custom resources,
// pods, events, and the end of every pod's log in the given namespaces.
func (c *Cluster) Dump(ctx context.Context, w io.Writer, namespaces ...string) {
	show := func(title string, args ...string) string {
		out, err := c.Run(ctx, nil, args...)
		if err != nil {
			out += err.Error()
		}
		fmt.Fprintf(w, "\n--- %s\n%s\n", title, out)
		return out
	}
	show("regions and tenants", "get", "regions,tenants", "-o", "yaml")
	for _, ns := range namespaces {
		show("channels and policies in "+ns, "-n", ns, "get", "channels,retentionpolicies", "-o", "yaml")
		show("workloads in "+ns, "-n", ns, "get", "pods,jobs,cronjobs,statefulsets,deployments,pvc", "-o", "wide")
		show("events in "+ns, "-n", ns, "get", "events", "--sort-by=.lastTimestamp")
		names, err := c.Run(ctx, nil, "-n", ns, "get", "pods", "-o", "name")
		if err != nil {
			fmt.Fprintln(w, err)
			continue
		}
		for pod := range strings.FieldsSeq(names) {
			show("log of "+ns+"/"+pod, "-n", ns, "logs", "--all-containers", "--tail=60", pod)
		}
	}
}
