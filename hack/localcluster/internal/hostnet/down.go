package hostnet

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/run"
)

var (
	families = []string{"iptables", "ip6tables"}
	tables   = []string{"filter", "nat", "mangle", "raw"}
)

// ruleMark is the comment of the rules that this package makes itself.
const ruleMark = "switchboard-localcluster"

// marks find the lines that the cluster brought into the tables: those of kube-proxy and kubelet,
// those of the CNI plugin portmap, those of the end-to-end suite's enforcer of policies, and our own.
var marks = regexp.MustCompile(`^:(KUBE-|SWB-POLICY|CNI-(HOSTPORT|DN)-)|-[Aj] (KUBE-|SWB-POLICY|CNI-(HOSTPORT|DN)-)|\b` + ruleMark + `\b`)

// Down removes all that Up made and all that the nodes wrote into the host's packet filter.
// Forwarding stays allowed: who else relies on it by now, nobody can tell.
func Down(ctx context.Context, nodes []layout.Node) error {
	for _, n := range nodes {
		if n.Veth != "" && exists("/sys/class/net/"+n.Veth) {
			if err := run.Do(ctx, "ip", "link", "delete", n.Veth); err != nil {
				return fmt.Errorf("removing the cable of node %s: %w", n.Name, err)
			}
		}
		if n.Namespace != "" && exists(namespaces+n.Namespace) {
			if err := run.Do(ctx, "ip", "netns", "delete", n.Namespace); err != nil {
				return fmt.Errorf("removing the network namespace of node %s: %w", n.Name, err)
			}
		}
	}
	if exists("/sys/class/net/" + layout.Bridge) { // its routes go with it
		if err := run.Do(ctx, "ip", "link", "delete", layout.Bridge); err != nil {
			return fmt.Errorf("removing the bridge: %w", err)
		}
	}
	return cleanTables(ctx)
}

func cleanTables(ctx context.Context) error {
	for _, family := range families {
		for _, table := range tables {
			rules, err := run.Output(ctx, family+"-save", "-c", "-t", table)
			if err != nil {
				continue // a family or table that the kernel lacks holds nothing
			}
			rest, dropped := withoutOurs(rules)
			if dropped == 0 {
				continue
			}
			if _, err := run.Input(ctx, strings.NewReader(rest), family+"-restore", "-w", "-c", "-T", table); err != nil {
				return fmt.Errorf("removing the cluster's rules from the packet filter: %w", err)
			}
		}
	}
	return nil
}

// withoutOurs returns a table as iptables-save wrote it without the cluster's lines, and how many those were.
func withoutOurs(saved string) (rest string, dropped int) {
	var kept strings.Builder
	for line := range strings.Lines(saved) {
		if marks.MatchString(line) {
			dropped++
			continue
		}
		kept.WriteString(line)
	}
	return kept.String(), dropped
}
