package standin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// A message can be taken although its sender hears nothing, or be lost with the connection.
func TestConnectionsCutAndLeftHanging(t *testing.T) {
	for name, c := range map[string]struct {
		fault string
		taken int
	}{
		"cut before it is taken": {`{"answer":"drop"}`, 0},
		"cut after":              {`{"answer":"drop","accept":true}`, 1},
		"hanging, not taken":     {`{"answer":"hang"}`, 0},
		"hanging, but taken":     {`{"answer":"hang","accept":true}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, server := start(t)
			if status, _, _ := call(t, server, http.MethodPost, "/control/faults", "", "", "", c.fault); status != 204 {
				t.Fatalf("HTTP %d", status)
			}
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+messagesPath, strings.NewReader(hello()))
			if err != nil {
				t.Fatal(err)
			}
			request.SetBasicAuth(sid, token)
			request.Header.Set("Content-Type", formType)
			failed := make(chan error, 1)
			go func() {
				response, err := server.Client().Do(request)
				if err == nil {
					_ = response.Body.Close()
				}
				failed <- err
			}()
			if strings.Contains(c.fault, "hang") {
				// Once the message is dealt with only the answer is missing, until the client leaves.
				eventually(t, "the request", func() bool { return len(s.Attempts(guest)) == 1 && len(s.Messages(guest)) == c.taken })
				select {
				case err := <-failed:
					t.Fatalf("it was answered: %v", err)
				default:
				}
				giveUp()
			}
			err = <-failed
			if err == nil || errors.Is(err, context.Canceled) != strings.Contains(c.fault, "hang") {
				t.Errorf("the client was told %v", err)
			}
			a := s.Attempts(guest)
			if len(s.Messages(guest)) != c.taken || len(a) != 1 || a[0].Status != 0 || (a[0].SID != "") != (c.taken == 1) {
				t.Errorf("taken: %+v, attempts %+v", s.Messages(guest), a)
			}
			if status, _, _ := call(t, server, http.MethodPost, messagesPath, sid, token, formType, hello()); status != 201 {
				t.Errorf("the next one: HTTP %d", status)
			}
		})
	}
}

func TestMessagesAreCountedByBody(t *testing.T) {
	s, server := start(t)
	for _, form := range []string{hello(), hello(), hello("Body", "Bye"), hello("To", "+4915100000009"), hello("Body", "")} {
		call(t, server, http.MethodPost, messagesPath, sid, token, formType, form)
	}
	_, _, counts := call(t, server, http.MethodGet, "/control/counts?to=%2B4915112345678", "", "", "", "")
	if len(counts) != 2 || counts["Hello"] != 2.0 || counts["Bye"] != 1.0 {
		t.Errorf("of one guest: %v", counts)
	}
	if counts := s.Counts(""); len(counts) != 2 || counts["Hello"] != 3 || counts["Bye"] != 1 {
		t.Errorf("of all: %v", counts)
	}
}

func TestAMessageFetchedIsTheAccountsOwn(t *testing.T) {
	_, server := start(t)
	_, _, sent := call(t, server, http.MethodPost, messagesPath, sid, token, formType, hello("Body", strings.Repeat("x", 161)))
	uri, ok := sent["uri"].(string)
	if !ok || sent["num_segments"] != "2" || sent["error_code"] != nil || sent["status"] != "queued" {
		document, _ := json.Marshal(sent)
		t.Fatalf("answered %s", document)
	}
	if status, _, got := call(t, server, http.MethodGet, uri, sid, token, "", ""); status != 200 || got["sid"] != sent["sid"] {
		t.Errorf("its own: HTTP %d %v", status, got)
	}
	for name, path := range map[string]string{
		"another account's": strings.Replace(uri, sid, "AC2", 1),
		"without .json":     strings.TrimSuffix(uri, ".json"),
	} {
		user, password := sid, token
		if strings.Contains(path, "AC2") {
			user, password = "AC2", "t2"
		}
		if status, _, got := call(t, server, http.MethodGet, path, user, password, "", ""); status != 404 || got["code"] != 20404.0 {
			t.Errorf("%s: HTTP %d %v", name, status, got)
		}
	}
}
