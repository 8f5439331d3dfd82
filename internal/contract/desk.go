package contract

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// PathDesk is where `instance serve` is told by the operator, and nobody else, what became of requests and what holds
// there are: POST of a DeskTold, answered by a DeskFiled. See docs/design/0019.
const PathDesk = "/operator/v1/desk"

// Bounds of what privacy officers file. The instance keeps to them, and the operator does not take its word for it.
const (
	// MaxFiled bounds the requests that wait to be taken.
	MaxFiled = 20
	// MaxFiledDay bounds those that officers file within 24 hours.
	MaxFiledDay = 50
	// MaxReports bounds what one account reports of guests under 16 within 24 hours, MaxReportsDay what all do. They don't count
	// among what officers file.
	MaxReports    = 5
	MaxReportsDay = 20
	// MaxDeskTold bounds a DeskTold as JSON, in bytes.
	MaxDeskTold = 4 << 20
	// MaxDeskRequests and MaxDeskHolds bound what a DeskTold lists: of requests those that are open, the desk's own and what is
	// due first before others, then what has ended last; of holds the newest.
	MaxDeskRequests = 500
	MaxDeskHolds    = 200
)

// RequestTypes lists what a person may ask for.
func RequestTypes() []string {
	return []string{RequestErasure, RequestAccess, RequestRectification, RequestOptOut, RequestObjection, RequestUnderage, RequestComplaint}
}

// DueDays is how many days of 24 hours a request of a type has, unless it says otherwise.
func DueDays(requestType string) int32 {
	if requestType == RequestUnderage {
		return 1
	}
	return 45
}

// DeskState is what a tenant's privacy desk has, as State tells it.
type DeskState struct {
	// Filed counts the requests that wait for the operator, and the complaints that were answered and it does not know it yet.
	Filed int64 `json:"filed"`
	// Digest is that of the DeskTold which it was told last; empty for none.
	Digest string `json:"digest,omitempty"`
}

// DeskTold is what the operator tells a privacy desk. It names objects, counts and times, and nobody.
type DeskTold struct {
	// Digest of Requests and Holds, hex SHA-256: what tells one telling from the next.
	Digest string `json:"digest"`
	// Taken are filed requests that the operator has seen to since.
	Taken []DeskTaken `json:"taken,omitempty"`
	// Requests of the tenant, whoever filed them: those that are open first, the newest of each first.
	Requests []DeskRequest `json:"requests"`
	// Cut says that there are more requests than those: one that is not listed need not be gone.
	Cut bool `json:"cut,omitempty"`
	// Holds of the tenant, the newest first.
	Holds []DeskHold `json:"holds"`
}

// DeskTaken is what the operator did with a filed request.
type DeskTaken struct {
	ID string `json:"id"`
	// Name of the DataSubjectRequest; empty when it was refused.
	Name string `json:"name,omitempty"`
	// Refused says why there will be no object. It names nobody.
	Refused string `json:"refused,omitempty"`
}

// DeskRequest is a DataSubjectRequest as a privacy desk shows it.
type DeskRequest struct {
	Name        string         `json:"name"`
	Type        string         `json:"type"`
	ReceivedAt  time.Time      `json:"receivedAt"`
	DueAt       *time.Time     `json:"dueAt,omitempty"`
	AnsweredAt  *time.Time     `json:"answeredAt,omitempty"` // the first answer: what the clock counts to
	CompletedAt *time.Time     `json:"completedAt,omitempty"`
	Phase       string         `json:"phase"`
	Message     string         `json:"message,omitempty"` // why it is not done
	Done        []RequestCount `json:"done,omitempty"`
	Refused     []DeskRefusal  `json:"refused,omitempty"`
	// Archive is the id of what can be fetched; ArchiveUntil until when.
	Archive      string     `json:"archive,omitempty"`
	ArchiveUntil *time.Time `json:"archiveUntil,omitempty"`
}

// RequestCount counts rows of a category.
type RequestCount struct {
	Category string `json:"category"`
	Rows     int64  `json:"rows"`
}

// DeskRefusal counts rows that a hold keeps.
type DeskRefusal struct {
	Category string `json:"category"`
	Rows     int64  `json:"rows"`
	Hold     string `json:"hold"`
}

// DeskHold is a LegalHold as a privacy desk shows it.
type DeskHold struct {
	Name     string     `json:"name"`
	Reason   string     `json:"reason"` // without personal data, by the rules of its object
	Since    time.Time  `json:"since"`
	Until    *time.Time `json:"until,omitempty"`
	InForce  bool       `json:"inForce"`
	Contacts *int64     `json:"contacts,omitempty"` // that it matched; nil: not known yet
	Messages *int64     `json:"messages,omitempty"`
	HeldBack *int64     `json:"heldBack,omitempty"` // expired rows
}

// DeskFiled are requests that wait for the operator, the oldest first, at most MaxFiled.
type DeskFiled struct {
	Filed []Filed `json:"filed"`
	// Answered are complaints of the desk's own that people have answered; at most MaxFiled.
	Answered []DeskAnswered `json:"answered,omitempty"`
}

// DeskAnswered is a complaint that was answered.
type DeskAnswered struct {
	ID string    `json:"id"` // that it was filed by
	At time.Time `json:"at"`
}

// Filed is a request as a privacy officer filed it. It has a person's addresses: it goes into a Secret, and nowhere else.
type Filed struct {
	ID         string    `json:"id"` // a UUID in lower case
	Type       string    `json:"type"`
	ReceivedAt time.Time `json:"receivedAt"`
	DueDays    int32     `json:"dueDays,omitempty"`    // 0: as DueDays
	ArchiveKey string    `json:"archiveKey,omitempty"` // an age recipient, of an Access request
	// Subject is what the person's Secret will hold, by key. None for a Complaint.
	Subject map[string]string `json:"subject,omitempty"`
}

var (
	uuidText     = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	ageRecipient = regexp.MustCompile(`^age1[02-9ac-hj-np-z]{58}$`)
)

// Check checks an answer as Filed.Check does a request.
func (a DeskAnswered) Check(now time.Time) error {
	switch {
	case !uuidText.MatchString(a.ID):
		return errors.New("id is no UUID in lower case")
	case a.At.After(now.Add(time.Hour)) || a.At.Before(now.AddDate(-1, 0, 0)):
		return errors.New("the time of the answer must lie within the last year")
	}
	return nil
}

// Check checks a filed request as both sides do: the instance before it keeps it, the operator before it makes an object
// of it. Errors name fields alone.
func (f Filed) Check(now time.Time) error {
	switch {
	case !uuidText.MatchString(f.ID):
		return errors.New("id is no UUID in lower case")
	case !slices.Contains(RequestTypes(), f.Type):
		return fmt.Errorf("type is none of %s", strings.Join(RequestTypes(), ", "))
	case f.ReceivedAt.After(now.Add(time.Hour)) || f.ReceivedAt.Before(now.AddDate(-1, 0, 0)):
		return errors.New("receivedAt must lie within the last year")
	case f.DueDays < 0 || f.DueDays > 90:
		return errors.New("dueDays must be 1 to 90")
	case f.Type == RequestAccess && !ageRecipient.MatchString(f.ArchiveKey):
		return errors.New("archiveKey is no age recipient; age-keygen prints one: age1 and 58 more characters")
	case f.Type != RequestAccess && f.ArchiveKey != "":
		return fmt.Errorf("archiveKey belongs to requests of type %s", RequestAccess)
	case f.Type == RequestComplaint && len(f.Subject) > 0:
		return fmt.Errorf("a %s names nobody: leave subject out", RequestComplaint)
	case f.Type == RequestComplaint:
		return nil
	}
	data := make(map[string][]byte, len(f.Subject))
	for key, value := range f.Subject {
		if f.Type != RequestRectification && (key == FileNewName || key == FileNewPhone) {
			return fmt.Errorf("subject: %s belongs to requests of type %s", key, RequestRectification)
		}
		if len(value) > maxKind {
			return fmt.Errorf("subject: key %s has %d bytes, at most %d are taken", key, len(value), maxKind)
		}
		data[key] = []byte(value)
	}
	check := CheckSubject
	if f.Type == RequestRectification {
		check = CheckRectification
	}
	if err := check(data); err != nil {
		return fmt.Errorf("subject: %w", err)
	}
	return nil
}
