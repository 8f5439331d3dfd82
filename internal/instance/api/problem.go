package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// problem is an error as RFC 9457 writes it. It is an error, so that handlers can
// return it.
type problem struct {
	Type   string `json:"type"` // about:blank, or one that clients act upon
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"` // one sentence that says what to do
	// MaxBytes is how large a file may be, of one that is refused for its size.
	MaxBytes int64 `json:"maxBytes,omitempty"`

	retryAfter time.Duration
	headers    http.Header
}

func (p *problem) Error() string { return strconv.Itoa(p.Status) + " " + p.Detail }

// Types of problems that a client may want to tell apart.
const (
	typeOptedOut         = "urn:switchboard:problem:opted-out"
	typeOptOutRequested  = "urn:switchboard:problem:opt-out-requested"
	typeNoOptOutRequest  = "urn:switchboard:problem:no-opt-out-request"
	typeWindowClosed     = "urn:switchboard:problem:window-closed"
	typeUnreachable      = "urn:switchboard:problem:unreachable"
	typeFileRefused      = "urn:switchboard:problem:file-refused"
	typeExpired          = "urn:switchboard:problem:expired"
	typeNotFailed        = "urn:switchboard:problem:not-failed"
	typeNotMerged        = "urn:switchboard:problem:not-merged"
	typeNotAllowed       = "urn:switchboard:problem:not-allowed"
	typeCodeNeeded       = "urn:switchboard:problem:code-needed"
	typeWrongCode        = "urn:switchboard:problem:wrong-code"
	typeNoFactor         = "urn:switchboard:problem:no-second-factor"
	typeHasFactor        = "urn:switchboard:problem:second-factor-exists"
	typeNotAssignable    = "urn:switchboard:problem:not-assignable"
	typeTaken            = "urn:switchboard:problem:taken"
	typeClosed           = "urn:switchboard:problem:account-closed"
	typeWrongPassword    = "urn:switchboard:problem:wrong-password"
	typeLastSupervisor   = "urn:switchboard:problem:last-supervisor"
	typeTooManyFiled     = "urn:switchboard:problem:too-many-filed"
	typeKeyReused        = "urn:switchboard:problem:idempotency-key-reused"
	typeWrongSignIn      = "urn:switchboard:problem:wrong-sign-in"
	typeProviderRequired = "urn:switchboard:problem:provider-required"
	typeNoSession        = "urn:switchboard:problem:no-session"
	typeTooManyTries     = "urn:switchboard:problem:too-many-tries"
	typeUnavailable      = "urn:switchboard:problem:unavailable"
	typeUnspecific       = "about:blank"
	retryWhenDatabase    = 5 * time.Second
	statusGone           = 499 // counted of a request that its client broke off, as nginx does; nobody is told
)

func fail(status int, kind, detail string) *problem {
	return &problem{Type: kind, Title: http.StatusText(status), Status: status, Detail: detail}
}

func badRequest(detail string) *problem {
	return fail(http.StatusBadRequest, typeUnspecific, detail)
}

func notFound(what string) *problem {
	return fail(http.StatusNotFound, typeUnspecific, "There is no such "+what+", or what is left of it has expired.")
}

// problemOf turns any error into what the client is told; internal ones say nothing
// of their cause.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	if unavailable(err) {
		p = fail(http.StatusServiceUnavailable, typeUnavailable, "The service can't reach its database at the moment; try again in a few seconds.")
		p.retryAfter = retryWhenDatabase
		return p
	}
	return fail(http.StatusInternalServerError, typeUnspecific, "Something went wrong on our side; try again, and tell the operator of the service if it happens again.")
}

// unavailable says whether err is of a kind that passes: no connection to the
// database, one that broke, a server that starts or stops, or a time that ran out.
func unavailable(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) {
		return true
	}
	for _, broken := range []error{context.DeadlineExceeded, context.Canceled, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, broken) {
			return true
		}
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code[:2] {
	case "08", "53", "57": // connection exception, insufficient resources, operator intervention
		return true
	}
	return false
}

func (p *problem) write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range p.headers {
		h[name] = values
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	writeJSON(w, p.Status, "application/problem+json", p)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // our own structs: cannot happen
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that went away can't be told
}
