package standin

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

func TestMessagesAreListedByNumberAndDaySent(t *testing.T) {
	s, server := start(t)
	if err := s.SetOutcome(Outcome{To: guest, Statuses: []string{"sent"}}); err != nil {
		t.Fatal(err)
	}
	call(t, server, http.MethodPost, messagesPath, sid, token, formType, hello())
	eventually(t, "the message to be sent", func() bool { return !s.Messages(guest)[0].SentAt.IsZero() })
	sent := s.Messages(guest)[0].SentAt.UTC()
	day := func(n int) string { return sent.AddDate(0, 0, n).Format(time.DateOnly) }
	for name, c := range map[string]struct {
		filters []string
		status  int
		found   int
	}{
		"all":                       {nil, 200, 1},
		"to this guest":             {[]string{"To", guest}, 200, 1},
		"to another":                {[]string{"To", "+4915100000009"}, 200, 0},
		"from this number":          {[]string{"From", sender}, 200, 1},
		"from another":              {[]string{"From", "+493023125199"}, 200, 0},
		"on the day":                {[]string{"DateSent", day(0)}, 200, 1},
		"on the day before":         {[]string{"DateSent", day(-1)}, 200, 0},
		"from the day on":           {[]string{"DateSent>", day(0)}, 200, 1},
		"from an instant's day on":  {[]string{"DateSent>", sent.Format(time.RFC3339)}, 200, 1},
		"from the next day on":      {[]string{"DateSent>", day(1)}, 200, 0},
		"until the day":             {[]string{"DateSent<", day(0)}, 200, 1},
		"until the day before":      {[]string{"DateSent<", day(-1)}, 200, 0},
		"between":                   {[]string{"DateSent>", day(-1), "DateSent<", day(1)}, 200, 1},
		"a date that is none":       {[]string{"DateSent>", "yesterday"}, 400, 0},
		"pages of no message":       {[]string{"PageSize", "0"}, 400, 0},
		"pages larger than allowed": {[]string{"PageSize", "1001"}, 400, 0},
		"a page size that is none":  {[]string{"PageSize", "many"}, 400, 0},
	} {
		query := url.Values{}
		for i := 0; i < len(c.filters); i += 2 {
			query.Set(c.filters[i], c.filters[i+1])
		}
		status, _, document := call(t, server, http.MethodGet, messagesPath+"?"+query.Encode(), sid, token, "", "")
		found, _ := document["messages"].([]any)
		if status != c.status || len(found) != c.found || status == 400 && document["code"] != 20001.0 {
			t.Errorf("%s: HTTP %d, %d found, want %d and %d", name, status, len(found), c.status, c.found)
		}
	}
	if n := len(s.Lookups("+4915100000009")); n != 1 {
		t.Errorf("%d lookups of the other guest, want 1", n)
	}
}
