package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestBadBodiesAreRefusedWithAReason(t *testing.T) {
	s := start(t)
	path := s.guest("Ada", "+493000", pgtest.Channel, s.now()).path() + "/messages"
	tests := map[string]struct {
		body    string
		headers []string
		status  int
		says    string
	}{
		"empty":                {"", nil, 400, "not valid JSON"},
		"not JSON":             {"body=hello", nil, 400, "not valid JSON"},
		"not an object":        {`["hello"]`, nil, 400, "must be a JSON object"},
		"cut off":              {`{"body":"hel`, nil, 400, "not valid JSON"},
		"two objects":          {`{"body":"a"}{"body":"b"}`, nil, 400, "after its JSON object"},
		"unknown field":        {`{"body":"a","to":"+49"}`, nil, 400, `no field \"to\" here; the fields are body`},
		"spelt otherwise":      {`{"Body":"a"}`, nil, 400, `no field \"Body\" here; the fields are body`},
		"a field twice":        {`{"body":"a","body":"b"}`, nil, 400, `\"body\" is there twice`},
		"too deep":             {`{"body":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`, nil, 400, "too deep in each other"},
		"wrong type":           {`{"body":42}`, nil, 400, `\"body\" must be a string, not a number`},
		"no text":              {`{"body":""}`, nil, 400, "is empty"},
		"blank text":           {`{"body":" \n\t"}`, nil, 400, "is empty"},
		"text too long":        {`{"body":"` + strings.Repeat("x", 1601) + `"}`, nil, 400, "has 1601 characters; at most 1600"},
		"a NUL character":      {`{"body":"a\u0000b"}`, nil, 400, "NUL"},
		"not UTF-8":            {"{\"body\":\"\xff\xfe\"}", nil, 400, "not UTF-8"},
		"oversized":            {`{"body":"` + strings.Repeat("x", 65<<10) + `"}`, nil, 413, "larger than 65536 bytes"},
		"form":                 {"body=hello", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json"},
		"no content type":      {`{"body":"a"}`, []string{"Content-Type", ""}, 415, "application/json"},
		"another charset":      {`{"body":"a"}`, []string{"Content-Type", "application/json; charset=latin1"}, 415, "UTF-8"},
		"long idempotency key": {`{"body":"a"}`, []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "1 to 255"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sub := *s
			sub.t = t
			sub.do("POST", path, test.body, test.headers...).want(test.status).saying(test.says)
		})
	}
	if n := s.count("SELECT count(*) FROM sb.message"); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
	s.do("POST", path, map[string]any{"body": strings.Repeat("ü", 1600)}, "Content-Type", "application/json; charset=UTF-8").want(http.StatusAccepted)
}

func TestBadQueriesAreRefusedWithAReason(t *testing.T) {
	s := start(t)
	for query, says := range map[string]string{
		"limit=0":                           "from 1 to 200",
		"limit=201":                         "from 1 to 200",
		"limit=ten":                         "from 1 to 200",
		"limit=":                            "from 1 to 200",
		"limit=1&limit=2":                   "given twice",
		"cursor=":                           "cursor",
		"cursor=' OR 1=1":                   "cursor",
		"cursor=" + strings.Repeat("_", 31): "cursor",
		"channel=":                          "channel",
		"channel=%ff":                       "not UTF-8",
		"chanel=front-desk":                 "unknown",
	} {
		s.do("GET", "/api/v1/conversations?"+strings.ReplaceAll(query, " ", "%20"), nil).want(http.StatusBadRequest).saying(says)
	}
	s.do("GET", "/api/v1/conversations?channel='%20OR%20true", nil).want(http.StatusOK).saying(`"conversations":[]`)
}

func TestUnknownAddressesAndMethodsAreProblems(t *testing.T) {
	s := start(t)
	s.do("GET", "/api/v1/nothing", nil).want(http.StatusNotFound).saying("openapi.yaml")
	got := s.do("PUT", "/api/v1/me", nil).want(http.StatusMethodNotAllowed).saying("GET")
	if !strings.Contains(got.header.Get("Allow"), "GET") {
		t.Errorf("Allow: %q", got.header.Get("Allow"))
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	s := start(t)
	for _, a := range []answer{
		s.do("GET", "/api/v1/me", nil).want(http.StatusOK),
		s.do("GET", "/api/v1/nothing", nil).want(http.StatusNotFound),
		s.do("GET", "/api/v1/openapi.yaml", nil).want(http.StatusOK).saying("openapi: 3.1.0"),
	} {
		for header, value := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Strict-Transport-Security": "max-age=31536000", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := a.header.Get(header); got != value {
				t.Errorf("%s: %s is %q, want %q", a.what, header, got, value)
			}
		}
	}
}

func TestADatabaseOutOfReachIsUnavailable(t *testing.T) {
	s := start(t)
	s.db.Refuse(t)
	for range 10 { // however many broken connections the pool held
		got := s.do("GET", "/api/v1/conversations", nil).want(http.StatusServiceUnavailable).saying("unavailable", "try again")
		if got.header.Get("Retry-After") == "" {
			t.Error("a 503 without Retry-After")
		}
	}
	s.db.Accept(t)
	s.do("GET", "/api/v1/conversations", nil).want(http.StatusOK)
}
