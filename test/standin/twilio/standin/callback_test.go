package standin

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/twilio/twilio-go/client"
)

const statusURL = "https://example.com/status?m=1"

// receiver is a tenant that answers callbacks by the statuses given, then 204; 0 cuts the connection.
func receiver(t *testing.T, answers ...int) (*httptest.Server, Route) {
	t.Helper()
	judge := client.NewRequestValidator(token)
	left := make(chan int, len(answers))
	for _, a := range answers {
		left <- a
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !judge.ValidateBody("https://example.com"+r.RequestURI, body, r.Header.Get("X-Twilio-Signature")) {
			t.Errorf("twilio-go refuses the signature of %s", r.RequestURI)
		}
		status := http.StatusNoContent
		select {
		case status = <-left:
		default:
		}
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return server, Route{Host: "example.com", Address: server.Listener.Addr().String(), CA: string(ca)}
}

// reported sends one message whose callbacks take this route, waits for the last of
// them, and tells each as "status/try/answer".
func reported(t *testing.T, route Route, outcome Outcome, last int) []string {
	t.Helper()
	s, server := start(t)
	if err := s.AddRoute(route); err != nil {
		t.Fatal(err)
	}
	outcome.To = guest
	if err := s.SetOutcome(outcome); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := call(t, server, http.MethodPost, messagesPath, sid, token, formType, hello("StatusCallback", statusURL)); status != 201 {
		t.Fatalf("HTTP %d", status)
	}
	eventually(t, "the callbacks", func() bool { return len(s.Callbacks(guest)) >= last })
	s.calls.Wait() // none may follow
	var tries []string
	for _, c := range s.Callbacks(guest) {
		tries = append(tries, fmt.Sprintf("%s/%d/%d", c.MessageStatus, c.Try, c.Status))
	}
	return tries
}

func TestCallbacksAreTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int
		retries int
		want    []string
	}{
		"answered at once":                 {nil, 0, []string{"sent/1/204"}},
		"Twilio takes an answer for final": {[]int{500}, 0, []string{"sent/1/500"}},
		"Twilio does so for a cut one too": {[]int{0}, 0, []string{"sent/1/0"}},
		"as often as asked for":            {[]int{500, 503, 0, 500}, 3, []string{"sent/1/500", "sent/2/503", "sent/3/0", "sent/4/500"}},
		"until it is taken":                {[]int{500, 0}, 5, []string{"sent/1/500", "sent/2/0", "sent/3/204"}},
		"a 4xx is no use trying again":     {[]int{403}, 5, []string{"sent/1/403"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, route := receiver(t, c.answers...)
			if got := reported(t, route, Outcome{Statuses: []string{"sent"}, Retries: c.retries}, len(c.want)); !slices.Equal(got, c.want) {
				t.Errorf("tried %q, want %q", got, c.want)
			}
		})
	}
	t.Run("twice without a connection", func(t *testing.T) {
		tenant, route := receiver(t)
		tenant.Close()
		want := []string{"sent/1/0", "sent/2/0"}
		if got := reported(t, route, Outcome{Statuses: []string{"sent"}}, 2); !slices.Equal(got, want) {
			t.Errorf("tried %q, want %q", got, want)
		}
	})
	t.Run("twice with a certificate of another authority", func(t *testing.T) {
		_, route := receiver(t)
		route.CA = ""
		want := []string{"sent/1/0", "sent/2/0"}
		if got := reported(t, route, Outcome{Statuses: []string{"sent"}}, 2); !slices.Equal(got, want) {
			t.Errorf("tried %q, want %q", got, want)
		}
	})
	s, _ := start(t)
	for _, retries := range []int{-1, 6} {
		if s.SetOutcome(Outcome{To: guest, Retries: retries}) == nil {
			t.Errorf("%d retries were taken", retries)
		}
	}
}

func TestCallbacksComeInTheOrderAskedForAndTwice(t *testing.T) {
	_, route := receiver(t)
	got := reported(t, route, Outcome{Statuses: []string{"delivered", "sent", "delivered"}}, 3)
	if want := []string{"delivered/1/204", "sent/1/204", "delivered/1/204"}; !slices.Equal(got, want) {
		t.Errorf("reported %q, want %q", got, want)
	}
}

// What was sent before a reset must not be reported in the test after it.
func TestAResetEndsTheCallbacksUnderWay(t *testing.T) {
	s, server := start(t)
	arrived, gone := make(chan struct{}), make(chan struct{})
	tenant := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http sees a client leave only then
		close(arrived)
		<-r.Context().Done()
		close(gone)
	}))
	t.Cleanup(tenant.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tenant.Certificate().Raw})
	if err := s.AddRoute(Route{Host: "example.com", Address: tenant.Listener.Addr().String(), CA: string(ca)}); err != nil {
		t.Fatal(err)
	}
	call(t, server, http.MethodPost, messagesPath, sid, token, formType, hello("StatusCallback", statusURL))
	within(t, "the callback to arrive", arrived)
	s.Reset()
	within(t, "the callback to be given up", gone)
	s.calls.Wait()
	if got := s.Callbacks(""); len(got) != 0 {
		t.Errorf("after the reset: %+v", got)
	}
	if status, _, _ := call(t, server, http.MethodPost, messagesPath, sid, token, formType, hello()); status != 201 {
		t.Errorf("HTTP %d after a reset", status)
	}
	eventually(t, "the next message to be reported", func() bool { return s.Messages(guest)[0].Status == "delivered" })
}

const messagesPath = "/2010-04-01/Accounts/" + sid + "/Messages.json"

// hello is the form of a message, with parameters put in place of the usual ones.
func hello(pairs ...string) string {
	f := url.Values{"To": {guest}, "From": {sender}, "Body": {"Hello"}}
	for i := 0; i < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	return f.Encode()
}

func within(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("waited in vain for %s", what)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
