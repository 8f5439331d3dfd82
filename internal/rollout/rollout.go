// Package rollout decides when a tenant's pods may run another image: a few tenants at a time, and no further one while one that was
// well before has not become ready with it. It is a pure function of what the Tenants' status says.
package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Rules of a rollout.
type Rules struct {
	// MaxUnavailable is how many tenants may be on the way to another image at once: a number, or a percentage of all tenants; it
	// lets one go at least.
	MaxUnavailable intstr.IntOrString
	// Deadline is how long a tenant may take to become ready with another image before all others wait for it.
	Deadline time.Duration
}

// Turn says whether a tenant may go.
type Turn struct {
	Granted bool
	// Reason and Message say why it may not.
	Reason, Message string
}

// Next judges whether a tenant may be brought to an image now. all are the Tenants that there are.
func (r Rules) Next(all []v1alpha1.Tenant, tenant, image string, now time.Time) Turn {
	away, overdue := 0, []string{}
	for i := range all {
		t := &all[i]
		switch {
		case t.Name == tenant || !holdsUp(t):
		case !r.Overdue(t.Status.Instance.Rollout, now):
			away++
		case !t.Status.Instance.Rollout.Mending:
			overdue = append(overdue, t.Name)
		}
	}
	switch bound := r.Bound(len(all)); {
	case len(overdue) > 0:
		return Turn{Reason: v1alpha1.ReasonRolloutPaused, Message: fmt.Sprintf(
			"%s waits: %s not become ready with another image within %s; see kubectl describe tenant %s, and mend it, or start the operator with the image of before",
			image, names(overdue, "has", "have"), r.Deadline, slices.Min(overdue))}
	case away >= bound:
		return Turn{Reason: v1alpha1.ReasonWaitingForTurn, Message: fmt.Sprintf("%s waits for its turn: no more than %d of all tenants are on the way to another image at once", image, bound)}
	}
	return Turn{Granted: true}
}

// holdsUp tells whether others wait for a tenant: not for one that goes, nor for one whose database is being handed over to another
// region, which nothing but that may touch.
func holdsUp(t *v1alpha1.Tenant) bool {
	i, m := t.Status.Instance, t.Status.Move
	if i == nil || i.Rollout == nil || !t.DeletionTimestamp.IsZero() {
		return false
	}
	return m == nil || m.Phase != v1alpha1.MoveQuiesced && m.Phase != v1alpha1.MoveAborting
}

// Overdue tells whether a rollout takes longer than it may.
func (r Rules) Overdue(o *v1alpha1.Rollout, now time.Time) bool {
	return o != nil && now.Sub(o.Since.Time) > r.Deadline
}

// Bound is how many of so many tenants may be on the way at once.
func (r Rules) Bound(tenants int) int {
	n, err := intstr.GetScaledValueFromIntOrPercent(&r.MaxUnavailable, tenants, false)
	if err != nil {
		return 1
	}
	return max(n, 1)
}

// shown is how many tenants a message names.
const shown = 3

func names(all []string, one, several string) string {
	slices.Sort(all)
	if len(all) == 1 {
		return all[0] + " " + one
	}
	more := ""
	if len(all) > shown {
		more = fmt.Sprintf(" and %d more", len(all)-shown)
		all = all[:shown]
	}
	return strings.Join(all, ", ") + more + " " + several
}
