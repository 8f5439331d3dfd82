package standin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

var errForm = errors.New("the request must be application/x-www-form-urlencoded")

const defaultPageSize = 50

// list is Twilio's "read multiple Message resources", newest first.
func (s *Server) list(w http.ResponseWriter, r *http.Request, account Account) {
	query := r.URL.Query()
	lookup := &Lookup{At: time.Now(), Account: account.SID, To: query.Get("To")}
	s.mu.Lock()
	s.lookups = append(s.lookups, lookup)
	s.mu.Unlock()
	record := func(status, _ int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		lookup.Status = status
	}
	if fault := s.takeFault("list", lookup.To); fault != nil {
		fault.meet(w, r, record)
		return
	}
	sent, err := dateFilter(query)
	size, page := number(query, "PageSize", defaultPageSize), number(query, "Page", 0)
	if err != nil || size < 1 || size > 1000 || page < 0 {
		record(http.StatusBadRequest, 20001)
		fail(w, http.StatusBadRequest, 20001, "Invalid filter or page")
		return
	}
	s.mu.Lock()
	var found []map[string]any
	for _, m := range slices.Backward(s.messages) {
		if m.Account == account.SID && matches(query, "To", m.To) && matches(query, "From", m.From) && sent(m.SentAt) {
			found = append(found, resource(*m))
		}
	}
	s.mu.Unlock()
	first, last := min(page*size, len(found)), min((page+1)*size, len(found))
	answered := map[string]any{"messages": append([]map[string]any{}, found[first:last]...), "page": page, "page_size": size, "next_page_uri": nil}
	if last < len(found) {
		query.Set("Page", strconv.Itoa(page+1))
		answered["next_page_uri"] = r.URL.Path + "?" + query.Encode()
	}
	record(http.StatusOK, 0)
	answer(w, http.StatusOK, answered)
}

// one is Twilio's "fetch a Message resource".
func (s *Server) one(w http.ResponseWriter, r *http.Request, account Account) {
	sid, ok := strings.CutSuffix(r.PathValue("file"), ".json")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if ok && m.SID == sid && m.Account == account.SID {
			answer(w, http.StatusOK, resource(*m))
			return
		}
	}
	fail(w, http.StatusNotFound, 20404, fmt.Sprintf("The requested resource %s was not found", r.URL.Path))
}

func matches(query url.Values, parameter, value string) bool {
	return !query.Has(parameter) || query.Get(parameter) == value
}

func number(query url.Values, parameter string, otherwise int) int {
	if !query.Has(parameter) {
		return otherwise
	}
	n, err := strconv.Atoi(query.Get(parameter))
	if err != nil {
		return -1
	}
	return n
}

// dateFilter reads DateSent, DateSent< and DateSent>, whole days of UTC. A message
// that has not left the queue has no date, and matches none of them.
func dateFilter(query url.Values) (func(time.Time) bool, error) {
	var checks []func(day time.Time) bool
	for parameter, check := range map[string]func(day, bound time.Time) bool{
		"DateSent":  func(day, bound time.Time) bool { return day.Equal(bound) },
		"DateSent<": func(day, bound time.Time) bool { return !day.After(bound) },
		"DateSent>": func(day, bound time.Time) bool { return !day.Before(bound) },
	} {
		if !query.Has(parameter) {
			continue
		}
		bound, err := time.Parse(time.DateOnly, query.Get(parameter))
		if err != nil { // Twilio takes an instant too, and counts its day
			bound, err = time.Parse(time.RFC3339, query.Get(parameter))
			bound = bound.UTC().Truncate(24 * time.Hour)
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", parameter, err)
		}
		checks = append(checks, func(day time.Time) bool { return check(day, bound) })
	}
	return func(sent time.Time) bool {
		for _, check := range checks {
			if sent.IsZero() || !check(sent.UTC().Truncate(24*time.Hour)) {
				return false
			}
		}
		return true
	}, nil
}

// resource is a message as Twilio writes it.
func resource(m Message) map[string]any {
	orNull := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	date := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.UTC().Format(time.RFC1123Z)
	}
	var code any
	if m.ErrorCode != 0 {
		code = m.ErrorCode
	}
	return map[string]any{
		"sid": m.SID, "account_sid": m.Account, "to": m.To, "from": orNull(m.From), "body": m.Body,
		"messaging_service_sid": orNull(m.MessagingServiceSID), "direction": "outbound-api", "status": m.Status,
		"date_created": date(m.At), "date_updated": date(m.At), "date_sent": date(m.SentAt),
		"error_code": code, "error_message": nil, "num_segments": strconv.Itoa(segments(m.Body)), "num_media": "0", "price": nil, "price_unit": "USD",
		"api_version": "2010-04-01", "uri": "/2010-04-01/Accounts/" + m.Account + "/Messages/" + m.SID + ".json",
	}
}
