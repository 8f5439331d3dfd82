package judge

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

// RegionFacts are what is known of a region.
type RegionFacts struct {
	Outcome   error
	Seen      observe.Region
	Planned   *v1alpha1.RegionChange
	Uncovered []string // sub-processors that no data may go to
	// DatabaseUncovered: nor to the servers of the databases' provider.
	DatabaseUncovered bool
}

// Region judges a region.
func Region(f RegionFacts) []metav1.Condition {
	return summarise([]metav1.Condition{nodes(f), storage(f), transfers(f), resident(f), changes(f)}, f.Outcome, "tenants can be placed here")
}

func nodes(f RegionFacts) metav1.Condition {
	n := len(f.Seen.Nodes)
	if n == 0 {
		return is(v1alpha1.ConditionNodesAvailable, false, v1alpha1.ReasonNoNodes, "no node bears the region's labels: label one, or change spec.nodeSelector")
	}
	return is(v1alpha1.ConditionNodesAvailable, true, v1alpha1.ReasonReady, fmt.Sprintf("%d nodes bear the region's labels", n))
}

func storage(f RegionFacts) metav1.Condition {
	const condition = v1alpha1.ConditionStorageBound
	switch c := f.Seen.Class; {
	case c == nil:
		return is(condition, false, v1alpha1.ReasonStorageNotBound, "there is no StorageClass: name one in spec.storageClassName")
	case c.Provisioner == "":
		return is(condition, false, v1alpha1.ReasonStorageNotBound, "there is no StorageClass "+c.Name+": make it, or name another in spec.storageClassName")
	case !c.Bound:
		return is(condition, false, v1alpha1.ReasonStorageNotBound, "StorageClass "+c.Name+
			" may make volumes elsewhere: use one whose allowedTopologies are the region's, or whose volumeBindingMode is WaitForFirstConsumer")
	default:
		return is(condition, true, v1alpha1.ReasonReady, "volumes of StorageClass "+c.Name+" are made in the region")
	}
}

func transfers(f RegionFacts) metav1.Condition {
	const condition = v1alpha1.ConditionTransfersCovered
	if len(f.Uncovered) > 0 {
		return is(condition, false, v1alpha1.ReasonTransferNotCovered, "outside of the jurisdiction, and without a transferMechanism: sub-processor "+
			strings.Join(f.Uncovered, ", ")+"; no channel can use it")
	}
	if f.DatabaseUncovered {
		return is(condition, false, v1alpha1.ReasonTransferNotCovered, "spec.database.external is outside of the jurisdiction, and without a transferMechanism: no tenant can be set up")
	}
	return is(condition, true, v1alpha1.ReasonReady, "every sub-processor is within the jurisdiction, or under a transfer mechanism")
}

func resident(f RegionFacts) metav1.Condition {
	const condition = v1alpha1.ConditionTenantsResident
	var names []string
	for _, t := range f.Seen.Tenants {
		if t.Status.Residency != nil && len(t.Status.Residency.Violations) > 0 {
			names = append(names, t.Name)
		}
	}
	if len(names) > 0 {
		return is(condition, false, v1alpha1.ReasonTenantsOutside, "something was seen elsewhere of tenant "+strings.Join(names[:min(len(names), maxListed)], ", ")+
			": see their condition ResidencyCompliant")
	}
	return is(condition, true, v1alpha1.ReasonReady, "nothing of the tenants was seen elsewhere")
}

func changes(f RegionFacts) metav1.Condition {
	const condition = v1alpha1.ConditionChangesMade
	if f.Planned != nil {
		return is(condition, false, v1alpha1.ReasonChangePlanned, fmt.Sprintf("the change would leave outside: %s; undo it, or, if that is meant, annotate the Region with %s=%s",
			strings.Join(f.Planned.Outside, "; "), v1alpha1.AnnotationApproveChange, f.Planned.Digest))
	}
	return is(condition, true, v1alpha1.ReasonReady, "all tenants are held to the Region as it stands")
}

// Planned gathers what a change of a Region would leave outside of its tenants; nil when they are all held to it.
func Planned(digest string, tenants []v1alpha1.Tenant) *v1alpha1.RegionChange {
	var outside []string
	for _, t := range tenants {
		if r := t.Status.Residency; r != nil && r.Planned != nil && r.Planned.Digest == digest {
			for _, what := range r.Planned.Outside {
				outside = append(outside, t.Name+": "+what)
			}
		}
	}
	if len(outside) == 0 {
		return nil
	}
	return &v1alpha1.RegionChange{Digest: digest, Outside: outside[:min(len(outside), maxListed)]}
}
