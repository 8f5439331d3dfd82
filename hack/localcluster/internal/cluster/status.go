package cluster

import (
	"context"
	"fmt"
	"io"
)

// Status writes what runs and what answers, and reports whether the cluster is whole.
func (c Cluster) Status(ctx context.Context, out io.Writer) (whole bool, err error) {
	bin, err := c.Builder.Folder()
	if err != nil {
		return false, err
	}
	whole = true
	for _, p := range c.programs(bin) {
		state := "runs"
		if !c.table().Running(p.Name) {
			state, whole = "does not run", false
		}
		fmt.Fprintf(out, "%-28s %s\n", p.Name, state)
	}
	health, err := newHealth(c.State)
	if err != nil {
		return false, err
	}
	for _, check := range health.checks() {
		state := "ready"
		if err := check.ask(ctx); err != nil {
			state, whole = err.Error(), false
		}
		fmt.Fprintf(out, "%-28s %s\n", check.name, state)
	}
	return whole, nil
}
