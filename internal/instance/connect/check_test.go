package connect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/test/standin/twilio/standin"
)

// message is what the database says of an outbound message.
func (s *stage) message(id uuid.UUID) (status, code, sid string) {
	s.t.Helper()
	if err := s.admin.QueryRow(context.Background(), `SELECT status, COALESCE(error_code, ''), COALESCE(provider_id, '')
		FROM sb.message WHERE id = $1`, id).Scan(&status, &code, &sid); err != nil {
		s.t.Fatal(err)
	}
	return status, code, sid
}

// becomes waits for a message's status.
func (s *stage) becomes(id uuid.UUID, want ...string) {
	s.t.Helper()
	s.until("message to become "+strings.Join(want, " or "), func() (bool, string) {
		status, code, _ := s.message(id)
		return slices.Contains(want, status), status + " " + code
	})
}

// until waits for a condition.
func (s *stage) until(what string, met func() (ok bool, now string)) {
	s.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, now := met()
		if ok {
			return
		}
		select {
		case <-deadline:
			s.t.Fatalf("waited %s for %s; now: %s", patience, what, now)
		case <-tick.C:
		}
	}
}

// sent waits for n messages at the provider, then for its queue to hold no job
// that could send another.
func (s *stage) sent(to string, n int) []standin.Message {
	s.t.Helper()
	s.until(fmt.Sprintf("%d messages sent and an idle queue", n), func() (bool, string) {
		have, jobs := len(s.twilio.Messages(to)), s.count("SELECT count(*) FROM "+contract.QueueSchema(s.channel.Name)+
			".river_job WHERE state NOT IN ('completed', 'cancelled', 'discarded')")
		return have >= n && jobs == 0, fmt.Sprintf("%d messages, %d jobs", have, jobs)
	})
	m := s.twilio.Messages(to)
	if len(m) != n {
		s.t.Fatalf("the provider was given %d messages, want %d: %v", len(m), n, m)
	}
	return m
}

func (s *stage) count(query string, args ...any) int {
	s.t.Helper()
	var n int
	if err := s.admin.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (s *stage) exec(query string, args ...any) {
	s.t.Helper()
	if _, err := s.admin.Exec(context.Background(), query, args...); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
}

// fingerprint sums up every table that a webhook could change.
func (s *stage) fingerprint() string {
	s.t.Helper()
	var all string
	if err := s.admin.QueryRow(context.Background(), `SELECT string_agg(format('%s %s', t, (xpath('/row/c/text()',
		query_to_xml(format('SELECT count(*) || md5(COALESCE(string_agg(r::text, '''' ORDER BY r::text), '''')) AS c FROM %s r', t), false, true, '')))[1]), E'\n')
		FROM unnest(ARRAY['sb.contact', 'sb.contact_address', 'sb.conversation', 'sb.message', 'sb.message_body', 'sb.seen',
			'sb.suppression', 'sb.consent_log', $1 || '.river_job']) AS t`, contract.QueueSchema(s.channel.Name)).Scan(&all); err != nil {
		s.t.Fatal(err)
	}
	return all
}

func (s *stage) keys() *addresshash.Keys {
	s.t.Helper()
	k, err := addresshash.Load(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}
