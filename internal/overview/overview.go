// Package overview sums a tenant up as a tree of what is fine and what is not, for people: pure functions from what the API
// server holds. It judges nothing anew: it reads the conditions as Argo CD's health scripts (config/argocd) do.
package overview

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Mark says how something is.
type Mark string

// Marks, from the best to the worst.
const (
	// OK: all is as asked for.
	OK Mark = "ok"
	// Unknown: it could not be read.
	Unknown Mark = "unknown"
	// Waiting: it is on its way, or waits for somebody's word; no promise is broken.
	Waiting Mark = "waiting"
	// Broken: a promise is broken, or nothing will change until somebody does what the message says.
	Broken Mark = "broken"
)

var marks = []Mark{OK, Unknown, Waiting, Broken}

// Worse gives the worse of two marks.
func Worse(a, b Mark) Mark { return marks[max(slices.Index(marks, a), slices.Index(marks, b))] }

// Compare orders nodes: the worst first, then by name.
func Compare(a, b Node) int {
	return cmp.Or(cmp.Compare(slices.Index(marks, b.Mark), slices.Index(marks, a.Mark)), cmp.Compare(a.Name, b.Name))
}

// Node is a part of a tenant. Its mark is the worst of its problems and of its parts.
type Node struct {
	Kind     string    `json:"kind"`
	Name     string    `json:"name,omitempty"`
	Mark     Mark      `json:"mark"`
	Facts    Facts     `json:"facts,omitempty"`
	Problems []Problem `json:"problems,omitempty"`
	Parts    []Node    `json:"parts,omitempty"`
}

// Problem is a condition that is not True: why, since when, and what to do. One with mark ok is to be known, no more: the
// object is Ready all the same.
type Problem struct {
	Condition string     `json:"condition,omitempty"`
	Reason    string     `json:"reason"`
	Mark      Mark       `json:"mark"`
	Since     *time.Time `json:"since,omitempty"`
	Message   string     `json:"message"`
}

// Fact is something that is known of a part. Value is a string, an int64, or a time.Time.
type Fact struct {
	Name  string
	Value any
}

// Facts are in the order in which people read them; in JSON they are an object.
type Facts []Fact

// MarshalJSON writes an object, in order.
func (f Facts) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, fact := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(fact.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(fact.Value)
		if err != nil {
			return nil, err
		}
		b.Write(append(append(name, ':'), value...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (f *Facts) add(name string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case *metav1.Time:
		if v == nil {
			return
		}
		value = v.UTC()
	}
	*f = append(*f, Fact{name, value})
}

// degraded are the reasons for which a promise is broken, or somebody must mend something, though the operator goes on
// trying; suspended those that were asked for, or wait for a person's word. A test holds both to config/argocd/health.lua.
var (
	degraded = set(
		v1alpha1.ReasonOutsideRegion, v1alpha1.ReasonEgressClosed, v1alpha1.ReasonGlassBroken, v1alpha1.ReasonTenantsOutside,
		v1alpha1.ReasonStorageNotBound, v1alpha1.ReasonTransferNotCovered, v1alpha1.ReasonBucketMisplaced, v1alpha1.ReasonBucketVersioned,
		v1alpha1.ReasonPolicyNotEnforced, v1alpha1.ReasonUnbounded, v1alpha1.ReasonEvidenceBroken, v1alpha1.ReasonOverdue,
		v1alpha1.ReasonRunFailed, v1alpha1.ReasonPastDue, v1alpha1.ReasonExportFailed, v1alpha1.ReasonMigrationFailed,
		v1alpha1.ReasonCredentialsRefused, v1alpha1.ReasonCredentialsExpired, v1alpha1.ReasonCredentialsNotAllowed,
		v1alpha1.ReasonCredentialsElsewhere, v1alpha1.ReasonAccountSuspended, v1alpha1.ReasonWebhookRefused, v1alpha1.ReasonReceiverGone,
		v1alpha1.ReasonEventsGivenUp, v1alpha1.ReasonNoNodes, v1alpha1.ReasonMoveFailed, v1alpha1.ReasonRolloutOverdue,
	)
	suspended = set(
		v1alpha1.ReasonSuspended, v1alpha1.ReasonBlocked, v1alpha1.ReasonDryRun, v1alpha1.ReasonChangePlanned, v1alpha1.ReasonMovePlanned,
		v1alpha1.ReasonHeld, v1alpha1.ReasonHeldBack, v1alpha1.ReasonRolloutPaused,
	)
)

func set(reasons ...string) map[string]bool {
	s := map[string]bool{}
	for _, r := range reasons {
		s[r] = true
	}
	return s
}

// object is what all our kinds have in common.
type object struct {
	meta       *metav1.ObjectMeta
	observed   int64
	conditions []metav1.Condition
}

// Judge gives the mark of any of our objects by its status. It agrees with Argo CD's health script: OK is Healthy, Broken is
// Degraded, Waiting is Progressing or Suspended.
func Judge(meta *metav1.ObjectMeta, observedGeneration int64, conditions []metav1.Condition) Mark {
	return Node{Problems: object{meta, observedGeneration, conditions}.problems()}.close().Mark
}

// problems are an object's conditions that are not True, each under its own mark.
func (o object) problems() []Problem {
	if len(o.conditions) == 0 {
		return []Problem{{
			Reason: v1alpha1.ReasonWaiting, Mark: Waiting, Since: since(o.meta.CreationTimestamp),
			Message: "the operator has not looked at it yet; if this lasts, see whether it runs: kubectl get pods -A -l app.kubernetes.io/name=switchboard",
		}}
	}
	deleted := !o.meta.DeletionTimestamp.IsZero()
	if o.observed != o.meta.Generation && !deleted {
		return []Problem{{Reason: v1alpha1.ReasonProgressing, Mark: Waiting, Message: "the operator has not looked at this spec yet"}}
	}
	by := map[string]metav1.Condition{}
	for _, c := range o.conditions {
		by[c.Type] = c
	}
	ready, stalled := by[v1alpha1.ConditionReady], by[v1alpha1.ConditionStalled]
	fine := ready.Status == metav1.ConditionTrue && !deleted
	mark := func(c metav1.Condition) Mark {
		switch {
		case degraded[c.Reason]:
			return Broken
		case suspended[c.Reason]:
			return Waiting
		case stalled.Status == metav1.ConditionTrue && stalled.Reason == c.Reason && stalled.Message == c.Message:
			return Broken
		case fine:
			return OK
		default:
			return Waiting
		}
	}
	var found []Problem
	told := false // what Ready says, by the condition that it is from
	for _, c := range o.conditions {
		switch c.Type {
		case v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionTerminating:
			continue
		}
		if c.Status == metav1.ConditionTrue || deleted {
			continue
		}
		told = told || c.Reason == ready.Reason && c.Message == ready.Message
		found = append(found, of(c, mark(c)))
	}
	if terminating, ok := by[v1alpha1.ConditionTerminating]; ok && deleted {
		return []Problem{of(terminating, mark(terminating))}
	}
	if !fine && !told {
		found = append([]Problem{of(ready, mark(ready))}, found...)
	}
	return found
}

func of(c metav1.Condition, mark Mark) Problem {
	return Problem{Condition: c.Type, Reason: c.Reason, Mark: mark, Since: since(c.LastTransitionTime), Message: cmp.Or(c.Message, c.Reason)}
}

func since(t metav1.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	at := t.UTC()
	return &at
}

// close gives a node its mark. Of what was not come to yet, no more than one problem is told, and none beside others.
func (n Node) close() Node {
	n.Mark = cmp.Or(n.Mark, OK)
	for _, p := range n.Problems {
		n.Mark = Worse(n.Mark, p.Mark)
	}
	for _, p := range n.Parts {
		n.Mark = Worse(n.Mark, p.Mark)
	}
	comesLater := func(p Problem) bool { return p.Reason == v1alpha1.ReasonWaiting && p.Message == "not come to yet" }
	if len(n.Problems) > 1 {
		rest := slices.DeleteFunc(slices.Clone(n.Problems), comesLater)
		if len(rest) == 0 {
			rest = n.Problems[:1]
		}
		n.Problems = rest
	}
	return n
}

// First is the first problem in the tree that made its mark what it is; nil when there is none.
func (n Node) First() (path []string, problem *Problem) {
	for _, p := range n.Problems {
		if p.Mark == n.Mark && n.Mark != OK {
			return nil, &p
		}
	}
	for _, part := range n.Parts {
		if part.Mark != n.Mark {
			continue
		}
		if path, problem := part.First(); problem != nil {
			return append([]string{part.Title()}, path...), problem
		}
	}
	return nil, nil
}

// Title is what a node is called.
func (n Node) Title() string {
	if n.Name == "" {
		return n.Kind
	}
	return n.Kind + " " + n.Name
}
