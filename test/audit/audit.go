// Package audit reads the API server's audit log, so that a test can count what a
// user wrote as the API server saw it, not as the writer tells it.
package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Path is where the local cluster's API server logs; SWITCHBOARD_AUDIT_LOG overrides it.
func Path() string {
	if path := os.Getenv("SWITCHBOARD_AUDIT_LOG"); path != "" {
		return path
	}
	return "/var/lib/switchboard/localcluster/audit.log"
}

// Event is one request, as far as the tests need it.
type Event struct {
	Stage string `json:"stage"`
	Verb  string `json:"verb"`
	URI   string `json:"requestURI"`
	User  struct {
		Username string `json:"username"`
	} `json:"user"`
	Object struct {
		APIGroup    string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	Response struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	Received time.Time `json:"requestReceivedTimestamp"`
}

// IsWrite tells whether a request asks for a change.
func (e Event) IsWrite() bool {
	switch e.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	}
	return false
}

// String names the request on one line.
func (e Event) String() string {
	return fmt.Sprintf("%s %s %s (%d)", e.Received.Format(time.TimeOnly), e.Verb, e.URI, e.Response.Code)
}

// Between gives a user's finished requests received in [from, to), in order. It fails
// when the log holds nothing of anybody since from: then it is not being written.
func Between(user string, from, to time.Time) ([]Event, error) {
	file, err := os.Open(Path())
	if err != nil {
		return nil, fmt.Errorf("reading the API server's audit log (set SWITCHBOARD_AUDIT_LOG to where yours is): %w", err)
	}
	defer func() { _ = file.Close() }()
	var events []Event
	alive := false
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // an unfinished last line is not yet an event
		}
		if err != nil {
			return nil, fmt.Errorf("reading the API server's audit log: %w", err)
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("reading the API server's audit log: %w", err)
		}
		if e.Stage != "ResponseComplete" || e.Received.Before(from) || !e.Received.Before(to) {
			continue
		}
		alive = true
		if e.User.Username == user {
			events = append(events, e)
		}
	}
	if !alive {
		return nil, fmt.Errorf("the audit log %s holds no request since %s: is it this cluster's?", Path(), from.Format(time.RFC3339))
	}
	return events, nil
}
