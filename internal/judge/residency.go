package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Kinds of violations.
const (
	KindNode   = "Node"
	KindVolume = "Volume"
)

// maxGone bounds, per list, what is remembered of nodes, volumes and channels that have gone.
const maxGone = 16

// The API's bounds on the lists.
const (
	maxListed     = 64
	maxViolations = 128
)

// Remember joins what is seen now with what was seen before: when each was seen first, and, of what has gone, last. Since
// nothing else than coming, going and changing is written down, nothing is written while nothing happens.
func Remember(before, seen *v1alpha1.Residency, now time.Time) *v1alpha1.Residency {
	if before == nil {
		before = &v1alpha1.Residency{}
	}
	at := metav1.NewTime(now.UTC().Truncate(time.Second))
	r := &v1alpha1.Residency{
		Nodes: remember(before.Nodes, seen.Nodes, at, func(n *v1alpha1.ObservedNode) (string, **metav1.Time, **metav1.Time) {
			return n.Name, &n.FirstSeen, &n.LastSeen
		}),
		Volumes: remember(before.Volumes, seen.Volumes, at, func(v *v1alpha1.ObservedVolume) (string, **metav1.Time, **metav1.Time) {
			return v.Name, &v.FirstSeen, &v.LastSeen
		}),
		SubProcessors: remember(before.SubProcessors, seen.SubProcessors, at, func(p *v1alpha1.ObservedSubProcessor) (string, **metav1.Time, **metav1.Time) {
			return p.Channel + " " + p.Name, &p.FirstSeen, &p.LastSeen
		}),
		Planned: seen.Planned, EgressClosed: EgressClosed(seen), Database: claimed(before.Database, seen.Database, at),
	}
	all := outside(seen)
	for _, v := range all[:min(len(all), maxViolations)] {
		v.Since = at
		for _, old := range before.Violations {
			if old.Kind == v.Kind && old.Name == v.Name {
				v.Since = old.Since
			}
		}
		r.Violations = append(r.Violations, v)
	}
	return r
}

// claimed gives where a provider says that its database is, and since when.
func claimed(before, seen *v1alpha1.ObservedDatabase, at metav1.Time) *v1alpha1.ObservedDatabase {
	if seen == nil {
		return nil
	}
	d := seen.DeepCopy()
	d.FirstSeen = &at
	if before != nil && before.FirstSeen != nil && before.Provider == d.Provider && before.Location == d.Location {
		d.FirstSeen = before.FirstSeen
	}
	return d
}

// remember gives what is there, by name, and then the newest of what has gone. fields gives an entry's name and times.
func remember[T any](before, seen []T, at metav1.Time, fields func(*T) (name string, first, last **metav1.Time)) []T {
	seen = slices.Clone(seen[:min(len(seen), maxListed-maxGone)])
	there := map[string]bool{}
	for i := range seen {
		id, first, _ := fields(&seen[i])
		there[id], *first = true, &at
		for j := range before {
			if old, since, _ := fields(&before[j]); old == id && *since != nil {
				*first = *since
			}
		}
	}
	var gone []T
	for _, old := range before {
		id, _, last := fields(&old)
		if there[id] {
			continue
		}
		if *last == nil {
			*last = &at
		}
		gone = append(gone, old)
	}
	slices.SortStableFunc(gone, func(a, b T) int {
		nameA, _, lastA := fields(&a)
		nameB, _, lastB := fields(&b)
		return cmp.Or((*lastB).Compare((*lastA).Time), cmp.Compare(nameA, nameB))
	})
	return append(seen, gone[:min(len(gone), maxGone)]...)
}

// outside is what is seen outside of the region now, without times.
func outside(r *v1alpha1.Residency) []v1alpha1.ResidencyViolation {
	var all []v1alpha1.ResidencyViolation
	if r == nil {
		return nil
	}
	for _, n := range r.Nodes {
		if !n.InRegion && !n.Moving && n.LastSeen == nil {
			all = append(all, v1alpha1.ResidencyViolation{Kind: KindNode, Name: n.Name})
		}
	}
	for _, v := range r.Volumes {
		if !v.InRegion && !v.Moving && v.LastSeen == nil {
			all = append(all, v1alpha1.ResidencyViolation{Kind: KindVolume, Name: v.Name})
		}
	}
	return all
}

// Outside names what is seen outside of the region now.
func Outside(r *v1alpha1.Residency) []string {
	var names []string
	for _, v := range outside(r) {
		names = append(names, strings.ToLower(v.Kind)+" "+v.Name)
	}
	return names
}

// EgressClosed says whether a tenant may send nothing: something of it is outside of its region. A node that has gone
// keeps it from being compliant, since nobody can say where it was, but its pods run no more: that happens whenever a
// cluster is made smaller, and closes nothing.
func EgressClosed(r *v1alpha1.Residency) bool {
	if r == nil {
		return false
	}
	return slices.ContainsFunc(r.Nodes, func(n v1alpha1.ObservedNode) bool { return !n.InRegion && !n.Moving && !n.Missing && n.LastSeen == nil }) ||
		slices.ContainsFunc(r.Volumes, func(v v1alpha1.ObservedVolume) bool { return !v.InRegion && !v.Moving && v.LastSeen == nil })
}

func residency(f TenantFacts) metav1.Condition {
	const condition = v1alpha1.ConditionResidencyCompliant
	present := func() bool {
		return slices.ContainsFunc(f.Residency.Nodes, func(n v1alpha1.ObservedNode) bool { return n.LastSeen == nil }) ||
			slices.ContainsFunc(f.Residency.Volumes, func(v v1alpha1.ObservedVolume) bool { return v.LastSeen == nil })
	}
	if f.Residency == nil || !present() {
		return unknown(condition, v1alpha1.ReasonNothingObserved, "no pod or volume has been seen yet")
	}
	if names := Outside(f.Residency); len(names) > 0 {
		closed := ""
		if EgressClosed(f.Residency) {
			closed = "; the connectors are stopped until then"
		}
		return is(condition, false, v1alpha1.ReasonOutsideRegion, fmt.Sprintf("not in region %s: %s; move what runs there, or mend the labels%s",
			f.Region, strings.Join(names, ", "), closed))
	}
	says := "every pod and volume seen is in region " + f.Region
	if d := f.Residency.Database; d != nil {
		says += "; that the database is in " + d.Location + " is what provider " + d.Provider + " says, and was not seen"
	}
	return is(condition, true, v1alpha1.ReasonReady, says)
}
