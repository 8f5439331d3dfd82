package judge

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

const (
	// ProbeEvery is how often a network is probed where nothing of it changes: another network, or another version of it, shows by
	// that alone.
	ProbeEvery = 6 * time.Hour
	// ProbeCounts is how long what a probe saw is told as what is.
	ProbeCounts = 2 * ProbeEvery
)

// Network is what is known of a tenant's network.
type Network struct {
	Last    *v1alpha1.NetworkProbe // what the newest probe saw; nil when none has ended
	Problem string                 // why the newest did not end well; empty when it did, or has not ended
	Now     time.Time
}

// networkIsolated is not part of Ready: policies are applied, and a network that does not enforce them serves.
func networkIsolated(n Network) metav1.Condition {
	const condition = v1alpha1.ConditionNetworkIsolated
	last := n.Last
	if n.Problem != "" {
		return unknown(condition, v1alpha1.ReasonNotProbed, "the network could not be probed: "+n.Problem)
	}
	if last == nil {
		return unknown(condition, v1alpha1.ReasonWaiting, "not probed yet")
	}
	when := fmt.Sprintf("at %s a pod on node %s", last.ProbedAt.UTC().Format(time.RFC3339), last.Node)
	switch {
	case n.Now.Sub(last.ProbedAt.Time) > ProbeCounts:
		return unknown(condition, v1alpha1.ReasonNotProbed, fmt.Sprintf("the last probe is of %s, which is too long ago; see kubectl describe jobs in the tenant's namespace",
			last.ProbedAt.UTC().Format(time.RFC3339)))
	case len(last.Reached) > 0:
		return is(condition, false, v1alpha1.ReasonPolicyNotEnforced, when+" reached "+listed(last.Reached)+
			": use a network plugin that enforces NetworkPolicy, and see that it runs on that node")
	case len(last.Missed) > 0:
		return unknown(condition, v1alpha1.ReasonNotProbed, when+" did not get to "+listed(last.Missed)+", so that it proves nothing that others did not answer")
	default:
		return is(condition, true, v1alpha1.ReasonReady, fmt.Sprintf("%s reached its database, and none of %d targets that it must not; %s", when, last.Tried, among(last.Neighbours)))
	}
}

func listed(targets []string) string {
	const most = 8
	if len(targets) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(targets[:most], ", "), len(targets)-most)
	}
	return strings.Join(targets, ", ")
}

func among(neighbours int32) string {
	switch neighbours {
	case 0:
		return "there was no other tenant to try"
	case 1:
		return "one other tenant was among them"
	default:
		return fmt.Sprintf("%d other tenants were among them", neighbours)
	}
}
