package api_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/api"
)

// TestARequestThatItsClientBreaksOffIsNoFailure: neither the log nor the metrics count it as one of the server's.
func TestARequestThatItsClientBreaksOffIsNoFailure(t *testing.T) {
	s := start(t)
	var log bytes.Buffer
	handler := api.New(s.db.Serve(t), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})), s.dir)
	ended := make(chan int, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := httptest.NewRecorder()
		handler.ServeHTTP(seen, r)
		ended <- seen.Code
	}))
	t.Cleanup(server.Close)
	held, err := s.admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Rollback(context.Background()) //nolint:errcheck // it has written nothing
	if _, err := held.Exec(t.Context(), "LOCK TABLE sb.conversation"); err != nil {
		t.Fatal(err)
	}
	asking, breakOff := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(asking, http.MethodGet, server.URL+"/api/v1/conversations", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	failed := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(r) //nolint:bodyclose // there is none
		failed <- err
	}()
	const waiting = `SELECT count(*) FROM pg_locks WHERE relation = 'sb.conversation'::regclass AND NOT granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	for deadline := time.Now().Add(time.Minute); s.count(waiting) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the list is not read")
		}
	}
	breakOff()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("the request ended with %v", err)
	}
	select {
	case status := <-ended:
		if status != 499 {
			t.Errorf("counted as %d", status)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the handler does not end")
	}
	if log.Len() > 0 {
		t.Errorf("the log says %s", &log)
	}
}
