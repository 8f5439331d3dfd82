package auditreport

import (
	"cmp"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
)

// asked is which request an attempt was of.
type asked struct{ UID, Type string }

func attemptOf(r audit.Record) (asked, Attempt) {
	a := Attempt{
		Sequence: r.Sequence, Digest: r.Digest, Basis: r.Basis, Key: r.Key, FinishedAt: r.FinishedAt().UTC(),
		Found: []contract.CategoryCount{}, Done: []contract.CategoryCount{}, Refused: []contract.Refusal{},
	}
	if r.Receipt != nil {
		x := r.Receipt.Request
		if x == nil {
			return asked{}, a
		}
		a.Found, a.Done, a.Refused = list(x.Found), list(x.Done), list(x.Refused)
		return asked{x.UID, x.Type}, a
	}
	for _, c := range r.Statement.Counts {
		a.Found = append(a.Found, contract.CategoryCount{Category: c.Category, Rows: c.Found})
		a.Done = append(a.Done, contract.CategoryCount{Category: c.Category, Rows: c.Done})
	}
	return asked{r.Statement.Request, r.Statement.RequestType}, a
}

// requests tells of those that were received, open or worked on in the period.
func (b *builder) requests() []Request {
	proven := map[string]bool{}
	byUID := map[string]*Request{}
	for _, r := range b.weighed.Records {
		if r.Kind() != evidence.KindRequest {
			continue
		}
		of, a := attemptOf(r)
		proven[of.UID] = true
		if !b.Period.Has(a.FinishedAt) {
			continue
		}
		if byUID[of.UID] == nil {
			byUID[of.UID] = &Request{UID: of.UID, Type: of.Type, Attempts: []Attempt{}, Clock: ClockNotKnown}
		}
		byUID[of.UID].Attempts = append(byUID[of.UID].Attempts, a)
	}
	if b.Objects != nil {
		for i := range b.Objects.Requests {
			o := &b.Objects.Requests[i]
			r := byUID[string(o.UID)]
			if r == nil {
				received := o.Spec.ReceivedAt.UTC()
				if !b.Period.overlaps(&received, completed(o)) {
					continue
				}
				r = &Request{UID: string(o.UID), Type: string(o.Spec.Type), Attempts: []Attempt{}}
				byUID[r.UID] = r
			}
			b.clock(r, o)
		}
	}
	requests := []Request{}
	for uid, r := range byUID {
		r.Proven = proven[uid]
		requests = append(requests, *r)
	}
	slices.SortFunc(requests, func(x, y Request) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.UID, y.UID)) })
	return requests
}

// clock adds what the object says.
func (b *builder) clock(r *Request, o *v1alpha1.DataSubjectRequest) {
	received := o.Spec.ReceivedAt.UTC()
	r.Name, r.ReceivedAt, r.CompletedAt, r.Clock = o.Name, &received, completed(o), ClockNotKnown
	if o.Status.DueAt == nil {
		return
	}
	due := o.Status.DueAt.UTC()
	r.DueAt = &due
	r.Clock = clockAt(b.asOf(), due, r.CompletedAt)
}

// clockAt reads a request's clock at an instant.
func clockAt(at, due time.Time, completed *time.Time) string {
	switch {
	case completed != nil && completed.Before(at) && completed.After(due):
		return ClockLate
	case completed != nil && completed.Before(at):
		return ClockOnTime
	case at.After(due):
		return ClockPastDue
	default:
		return ClockRunning
	}
}

func completed(o *v1alpha1.DataSubjectRequest) *time.Time {
	if o.Status.CompletedAt != nil {
		at := o.Status.CompletedAt.UTC()
		return &at
	}
	return nil
}

// holds tells of those that were there in the period, or kept something then.
func (b *builder) holds() []Hold {
	byName := map[string]*Hold{}
	of := func(name string) *Hold {
		if byName[name] == nil {
			byName[name] = &Hold{Name: name}
		}
		return byName[name]
	}
	for _, r := range b.report.Runs {
		for _, h := range r.Holds {
			hold := of(h.Hold)
			hold.Runs, hold.Rows = hold.Runs+1, h.Rows
		}
	}
	for _, r := range b.in(evidence.KindRequest) {
		_, a := attemptOf(r)
		for _, x := range a.Refused {
			of(x.Hold).Refusals += x.Rows
		}
	}
	if b.Objects != nil {
		for i := range b.Objects.Holds {
			o := &b.Objects.Holds[i]
			var until *time.Time
			if o.Spec.Until != nil {
				at := o.Spec.Until.UTC()
				until = &at
			}
			created := o.CreationTimestamp.UTC()
			if byName[o.Name] == nil && !b.Period.overlaps(&created, until) {
				continue
			}
			of(o.Name).Object = holdObject(o, created, until)
		}
	}
	holds := []Hold{}
	for _, h := range byName {
		holds = append(holds, *h)
	}
	slices.SortFunc(holds, func(x, y Hold) int { return cmp.Compare(x.Name, y.Name) })
	return holds
}

func holdObject(o *v1alpha1.LegalHold, created time.Time, until *time.Time) *HoldObject {
	h := &HoldObject{Reason: o.Spec.Reason, CreatedAt: created, Until: until, InForce: statusOf(o.Status.Conditions, v1alpha1.ConditionInForce), Matches: []string{}}
	m := o.Spec.Match
	for _, by := range []struct {
		given bool
		what  string
	}{{m.Subject != nil, "person"}, {m.Conversation != "", "conversation"}, {m.Channel != "", "channel"}, {m.From != nil, "from"}, {m.To != nil, "to"}} {
		if by.given {
			h.Matches = append(h.Matches, by.what)
		}
	}
	if x := o.Status.Matched; x != nil {
		h.Contacts, h.Conversations, h.Messages = &x.Contacts, &x.Conversations, &x.Messages
	}
	return h
}
