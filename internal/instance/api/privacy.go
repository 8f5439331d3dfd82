package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

const (
	// codeTooManyFiled is how sb.file_request says so.
	codeTooManyFiled = "SB502"
	// maxFiledShown bounds a list of what was filed: what is open, then the newest.
	maxFiledShown = 500
	// dueSoon is how long before the end a clock is said to run out: as the operator has it.
	dueSoon = 7 * 24 * time.Hour
)

// Ways in which officers made sure who asks, as sb.filed_request has them.
var verifications = []string{"fromAddress", "booking", "document", "inPerson", "notNeeded"}

// States of a request beside the phases of its object.
const (
	stateWaiting = "Waiting" // for the operator to make an object of it
	stateRefused = "Refused" // by the operator
	stateGone    = "Gone"    // its object was deleted
	statePending = "Pending"
)

// privacyRequest is what a person asked for, filed here or elsewhere.
type privacyRequest struct {
	ID           *uuid.UUID              `json:"id"`   // of what was filed here
	Name         *string                 `json:"name"` // of the object in the cluster; none yet while it waits
	Type         string                  `json:"type"`
	State        string                  `json:"state"`
	ReceivedAt   time.Time               `json:"receivedAt"`
	DueAt        time.Time               `json:"dueAt"`
	AnsweredAt   *time.Time              `json:"answeredAt"`
	CompletedAt  *time.Time              `json:"completedAt"`
	FiledAt      *time.Time              `json:"filedAt"`
	FiledBy      *uuid.UUID              `json:"filedBy"`
	Verified     *string                 `json:"verified"`
	Message      *string                 `json:"message"` // why it is not done
	Done         []contract.RequestCount `json:"done"`
	Refused      []contract.DeskRefusal  `json:"refused"`
	ArchiveUntil *time.Time              `json:"archiveUntil"`
	Escalation   *string                 `json:"escalation"` // whom the answer to a complaint names to turn to
}

type privacyRequestList struct {
	ToldAt   *time.Time       `json:"toldAt"` // when the operator last told something new
	Requests []privacyRequest `json:"requests"`
}

type postPrivacyRequestRequest struct {
	Type       string     `json:"type"`
	ReceivedAt time.Time  `json:"receivedAt"`
	Verified   string     `json:"verified"`
	DueDays    *int32     `json:"dueDays"`
	ArchiveKey *string    `json:"archiveKey"`
	Contact    *uuid.UUID `json:"contact"` // whose addresses are meant; or
	Addresses  []struct {
		Kind    string `json:"kind"`
		Address string `json:"address"`
	} `json:"addresses"`
	NewName  *string `json:"newName"`
	NewPhone *string `json:"newPhone"`
}

// postPrivacyRequest keeps a request for the operator, which makes an object of the cluster of it.
func postPrivacyRequest(ctx context.Context, c *call) (reply, error) {
	var in postPrivacyRequestRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if !slices.Contains(verifications, in.Verified) {
		return reply{}, badRequest(`The field "verified" says how it was made sure who asks; use one of ` + strings.Join(verifications, ", ") + ".")
	}
	filed := contract.Filed{ID: uuid.NewString(), Type: in.Type, ReceivedAt: in.ReceivedAt, DueDays: contract.DueDays(in.Type)}
	if in.DueDays != nil {
		if filed.DueDays = *in.DueDays; *in.DueDays == 0 {
			return reply{}, badRequest(`The field "dueDays" must be a number from 1 to 90.`)
		}
	}
	if in.ArchiveKey != nil {
		filed.ArchiveKey = *in.ArchiveKey
	}
	var err error
	if filed.Subject, err = subjectOf(ctx, c, in); err != nil {
		return reply{}, err
	}
	if err := filed.Check(time.Now()); err != nil {
		return reply{}, badRequest("The request can't be filed: " + err.Error() + ".")
	}
	id := uuid.MustParse(filed.ID)
	c.object = &id
	return fileRequest(ctx, c, id, filed, in.Verified, false)
}

// postUnderageReport files that a guest is under 16, whoever of the staff found out: what is kept of a child goes at once.
func postUnderageReport(ctx context.Context, c *call) (reply, error) {
	contact, err := pathID(c.http, "contact")
	if err != nil {
		return reply{}, err
	}
	c.object = &contact
	subject, err := subjectOf(ctx, c, postPrivacyRequestRequest{Contact: &contact})
	if err != nil {
		return reply{}, err
	}
	id, now := uuid.New(), time.Now()
	filed := contract.Filed{ID: id.String(), Type: contract.RequestUnderage, ReceivedAt: now, DueDays: contract.DueDays(contract.RequestUnderage), Subject: subject}
	if err := filed.Check(now); err != nil {
		return reply{}, fmt.Errorf("filing a report by a contact's own addresses: %w", err)
	}
	return fileRequest(ctx, c, id, filed, "notNeeded", true)
}

// fileRequest keeps a checked request. A report by whoever of the staff has bounds of its own.
func fileRequest(ctx context.Context, c *call, id uuid.UUID, filed contract.Filed, verified string, report bool) (reply, error) {
	var subject any
	if len(filed.Subject) > 0 {
		subject = filed.Subject
	}
	made := privacyRequest{
		ID: &id, Type: filed.Type, State: stateWaiting, ReceivedAt: filed.ReceivedAt.UTC(), DueAt: dueAt(filed.ReceivedAt, filed.DueDays),
		FiledAt: &time.Time{}, FiledBy: &c.staff.ID, Verified: &verified, Done: []contract.RequestCount{}, Refused: []contract.DeskRefusal{},
	}
	day, reports := contract.MaxFiledDay, (*int)(nil)
	full := fmt.Sprintf("%d requests wait for the operator, or %d were filed within a day; wait until it has taken some, or have the cluster's people file this one.", contract.MaxFiled, contract.MaxFiledDay)
	if report {
		most := contract.MaxReports
		day, reports = contract.MaxReportsDay, &most
		full = fmt.Sprintf("%d guests were reported by this account within a day, or %d by all; have a privacy officer file this one.", contract.MaxReports, contract.MaxReportsDay)
	}
	err := c.tx.QueryRow(ctx, "SELECT sb.file_request($1, $2, $3, $4, $5, $6, NULLIF($7, ''), $8, $9, $10, $11)",
		id, filed.Type, filed.ReceivedAt, c.staff.ID, verified, filed.DueDays, filed.ArchiveKey, subject, contract.MaxFiled, day, reports).Scan(made.FiledAt)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == codeTooManyFiled:
		return reply{}, fail(http.StatusConflict, typeTooManyFiled, full)
	case err != nil:
		return reply{}, fmt.Errorf("filing a request: %w", err)
	}
	*made.FiledAt = made.FiledAt.UTC()
	return reply{status: http.StatusCreated, body: made}, nil
}

func dueAt(received time.Time, days int32) time.Time {
	return received.UTC().Add(time.Duration(days) * 24 * time.Hour)
}

// subjectOf gives what the person's Secret is to hold.
func subjectOf(ctx context.Context, c *call, in postPrivacyRequestRequest) (map[string]string, error) {
	lines := map[string][]string{}
	if in.Contact != nil {
		if len(in.Addresses) > 0 {
			return nil, badRequest(`Send "contact" or "addresses", not both.`)
		}
		rows, _ := c.tx.Query(ctx, "SELECT a.kind, a.address FROM sb.contact_address a JOIN sb.contact t ON t.id = a.contact_id WHERE t.id = $1 ORDER BY 1, 2", in.Contact)
		var kind, address string
		if _, err := pgx.ForEachRow(rows, []any{&kind, &address}, func() error {
			lines[kind] = append(lines[kind], address)
			return nil
		}); err != nil {
			return nil, fmt.Errorf("reading a contact's addresses: %w", err)
		}
		if len(lines) == 0 {
			return nil, notFound("contact")
		}
	}
	for _, a := range in.Addresses {
		if strings.ContainsAny(a.Address, "\r\n") {
			return nil, badRequest("An address has a line break; send each as an object of its own.")
		}
		lines[a.Kind] = append(lines[a.Kind], strings.TrimSpace(a.Address))
	}
	subject := map[string]string{}
	for kind, all := range lines {
		subject[kind] = strings.Join(all, "\n")
	}
	for key, value := range map[string]*string{contract.FileNewName: in.NewName, contract.FileNewPhone: in.NewPhone} {
		if value != nil {
			if err := checkText(key, *value, 1, maxName); err != nil {
				return nil, err
			}
			subject[key] = *value
		}
	}
	return subject, nil
}

type answerComplaintRequest struct {
	AnsweredAt time.Time `json:"answeredAt"`
	Escalation *string   `json:"escalation"`
}

// answerComplaint notes that people have answered a complaint that was filed here: the operator ends its clock.
func answerComplaint(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "complaint")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	var in answerComplaintRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if err := (contract.DeskAnswered{ID: id.String(), At: in.AnsweredAt}).Check(time.Now()); err != nil {
		return reply{}, badRequest("The complaint can't be answered so: " + err.Error() + ".")
	}
	if in.Escalation != nil {
		if err := checkText("escalation", *in.Escalation, 1, maxName); err != nil {
			return reply{}, err
		}
	}
	tag, err := c.tx.Exec(ctx, "UPDATE sb.filed_request SET answered_at = $2, escalation = $3 WHERE id = $1 AND type = 'Complaint' AND answered_at IS NULL AND ended_at IS NULL", id, in.AnsweredAt, in.Escalation)
	if err != nil {
		return reply{}, fmt.Errorf("answering a complaint: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return reply{}, fail(http.StatusNotFound, typeUnspecific, "There is no such complaint that is open and was filed here; one of the cluster's is ended there, by spec.answeredAt.")
	}
	return reply{status: http.StatusNoContent}, nil
}

// readDesk gives what the operator told last; toldAt is nil when it never did.
func readDesk(ctx context.Context, c *call) (d desk, toldAt *time.Time, err error) {
	if err := c.tx.QueryRow(ctx, "SELECT told, told_at FROM sb.desk").Scan(&d, &toldAt); err != nil {
		return d, nil, fmt.Errorf("reading what the operator told: %w", err)
	}
	if toldAt != nil {
		*toldAt = toldAt.UTC()
	}
	return d, toldAt, nil
}

// privacyRequests are those that wait, that are open and that have ended, the most urgent first.
func privacyRequests(ctx context.Context, c *call) (privacyRequestList, error) {
	list := privacyRequestList{Requests: []privacyRequest{}}
	d, toldAt, err := readDesk(ctx, c)
	if err != nil {
		return list, err
	}
	list.ToldAt = toldAt
	told := map[string]contract.DeskRequest{}
	for _, r := range d.Requests {
		told[r.Name] = r
	}
	rows, _ := c.tx.Query(ctx, `SELECT id, name, type, received_at, due_days, filed_at, filed_by, verified, taken_at IS NOT NULL, refused, answered_at, escalation, ended_at
		FROM sb.filed_request ORDER BY ended_at IS NOT NULL, filed_at DESC, id LIMIT $1`, maxFiledShown)
	var r privacyRequest
	var days int32
	var taken bool
	var refused *string
	var answered, ended *time.Time
	_, err = pgx.ForEachRow(rows, []any{&r.ID, &r.Name, &r.Type, &r.ReceivedAt, &days, &r.FiledAt, &r.FiledBy, &r.Verified, &taken, &refused, &answered, &r.Escalation, &ended}, func() error {
		one := r
		one.Done, one.Refused = []contract.RequestCount{}, []contract.DeskRefusal{}
		one.ReceivedAt, one.DueAt = one.ReceivedAt.UTC(), dueAt(one.ReceivedAt, days)
		*one.FiledAt = one.FiledAt.UTC()
		switch {
		case !taken:
			one.State = stateWaiting
		case one.Name == nil:
			one.State, one.Message = stateRefused, refused
		case ended != nil:
			one.State = stateGone
		default:
			one.State = statePending
		}
		if one.Name != nil {
			if t, known := told[*one.Name]; known {
				one.take(t)
				if answered != nil { // the operator is yet to be told
					utc := answered.UTC()
					one.AnsweredAt = &utc
				}
				delete(told, t.Name)
			}
		}
		list.Requests = append(list.Requests, one)
		r = privacyRequest{} // the next has pointers of its own
		return nil
	})
	if err != nil {
		return list, fmt.Errorf("listing what was filed: %w", err)
	}
	for _, t := range told {
		one := privacyRequest{Name: &t.Name, Type: t.Type, ReceivedAt: t.ReceivedAt, DueAt: dueAt(t.ReceivedAt, contract.DueDays(t.Type)), Done: []contract.RequestCount{}, Refused: []contract.DeskRefusal{}}
		one.take(t)
		list.Requests = append(list.Requests, one)
	}
	slices.SortFunc(list.Requests, func(a, b privacyRequest) int {
		if a.ended() || b.ended() {
			return cmp.Or(rank(a)-rank(b), b.ReceivedAt.Compare(a.ReceivedAt))
		}
		return a.DueAt.Compare(b.DueAt)
	})
	return list, nil
}

// take adds what the operator told of a request.
func (r *privacyRequest) take(t contract.DeskRequest) {
	r.State, r.AnsweredAt, r.CompletedAt, r.ArchiveUntil = t.Phase, t.AnsweredAt, t.CompletedAt, t.ArchiveUntil
	if t.DueAt != nil {
		r.DueAt = *t.DueAt
	}
	if t.Message != "" {
		r.Message = &t.Message
	}
	r.Done, r.Refused = append(r.Done, t.Done...), append(r.Refused, t.Refused...)
}

func (r privacyRequest) ended() bool {
	return r.CompletedAt != nil || r.State == stateRefused || r.State == stateGone
}

func rank(r privacyRequest) int {
	if r.ended() {
		return 1
	}
	return 0
}

func listPrivacyRequests(ctx context.Context, c *call) (reply, error) {
	list, err := privacyRequests(ctx, c)
	return reply{status: http.StatusOK, body: list}, err
}

// privacyCount counts requests of a type in a state of their clocks.
type privacyCount struct {
	Type     string `json:"type"`
	Clock    string `json:"clock"` // open, dueSoon, pastDue, or ended
	Requests int    `json:"requests"`
}

type privacyCountList struct {
	Counts []privacyCount `json:"counts"`
}

// countPrivacyRequests is for those who see to it that people are answered in time, and need not know what about.
func countPrivacyRequests(ctx context.Context, c *call) (reply, error) {
	list, err := privacyRequests(ctx, c)
	if err != nil {
		return reply{}, err
	}
	counts, now := privacyCountList{[]privacyCount{}}, time.Now()
	for _, r := range list.Requests {
		clock := r.clock(now)
		i := slices.IndexFunc(counts.Counts, func(k privacyCount) bool { return k.Type == r.Type && k.Clock == clock })
		if i < 0 {
			i = len(counts.Counts)
			counts.Counts = append(counts.Counts, privacyCount{Type: r.Type, Clock: clock})
		}
		counts.Counts[i].Requests++
	}
	slices.SortFunc(counts.Counts, func(a, b privacyCount) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Clock, b.Clock)) })
	return reply{status: http.StatusOK, body: counts}, nil
}

// clock says how a request's time stands: the first answer stops it.
func (r privacyRequest) clock(now time.Time) string {
	switch {
	case r.ended() || r.AnsweredAt != nil:
		return "ended"
	case !now.Before(r.DueAt):
		return "pastDue"
	case r.DueAt.Sub(now) <= dueSoon:
		return "dueSoon"
	}
	return "open"
}

type privacyHoldList struct {
	ToldAt *time.Time    `json:"toldAt"`
	Holds  []privacyHold `json:"holds"`
}

// privacyHold is a LegalHold as officers see it.
type privacyHold struct {
	Name     string     `json:"name"`
	Reason   string     `json:"reason"`
	Since    time.Time  `json:"since"`
	Until    *time.Time `json:"until"`
	InForce  bool       `json:"inForce"`
	Contacts *int64     `json:"contacts"`
	Messages *int64     `json:"messages"`
	HeldBack *int64     `json:"heldBack"`
}

func listPrivacyHolds(ctx context.Context, c *call) (reply, error) {
	d, toldAt, err := readDesk(ctx, c)
	list := privacyHoldList{ToldAt: toldAt, Holds: []privacyHold{}}
	for _, h := range d.Holds {
		list.Holds = append(list.Holds, privacyHold(h))
	}
	return reply{status: http.StatusOK, body: list}, err
}
