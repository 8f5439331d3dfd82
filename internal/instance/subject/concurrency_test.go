package subject_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/subject"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestAGuestWhoWritesDuringTheErasure: each message was erased, or it belongs to a guest
// who is new. Nothing is left halfway.
func TestAGuestWhoWritesDuringTheErasure(t *testing.T) {
	s := newStage(t)
	connector := s.d.Pool(t, contract.LoginRole(contract.ComponentConnector(pgtest.Channel), 1))
	hashes, version := s.keys.Hashes(contract.KindPhone, anna)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	wrote := make([]int, 3)
	for w := range wrote {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("SM%d-%d", w, wrote[w])
				seen, _ := s.keys.Hashes("provider-id", id)
				if _, err := connector.Exec(context.Background(), "SELECT * FROM sb.receive($1, $2, $3, $4, $5, $6, 'still there?', '', NULL, $7, $8, $9, $10)",
					id, seen, []string{contract.KindPhone}, []string{anna}, hashes, version, uuid.New(), uuid.New(), uuid.New(), uuid.New()); err != nil {
					t.Errorf("a message could not be stored: %v", err)
					return
				}
				wrote[w]++
			}
		})
	}
	erased := int64(0)
	for n := range 30 {
		erased += sum(s.carryOut(request(contract.RequestErasure, fmt.Sprint(n)), s.person(contract.KindPhone, anna)).Done)
	}
	close(stop)
	writers.Wait()
	if erased < 100 || wrote[0]+wrote[1]+wrote[2] < 30 {
		t.Fatalf("%d rows erased, %v messages written: this test tells nothing", erased, wrote)
	}
	for what, query := range map[string]string{
		"contents without metadata":       "SELECT count(*) FROM sb.message_body b WHERE NOT EXISTS (SELECT FROM sb.message m WHERE (m.at, m.id) = (b.at, b.id))",
		"messages without a thread":       "SELECT count(*) FROM sb.message m WHERE NOT EXISTS (SELECT FROM sb.conversation v WHERE v.id = m.conversation_id)",
		"threads without a guest":         "SELECT count(*) FROM sb.conversation WHERE contact_id IS NULL",
		"guests without an address":       "SELECT count(*) FROM sb.contact c WHERE NOT EXISTS (SELECT FROM sb.contact_address a WHERE a.contact_id = c.id)",
		"more than one guest of a number": "SELECT count(*) - 1 FROM sb.contact WHERE id <> md5('ben')::uuid HAVING count(*) > 1",
	} {
		var n int64
		if err := s.db.QueryRow(t.Context(), "SELECT COALESCE(("+query+"), 0)").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != 0 {
			t.Errorf("%s: %d", what, n)
		}
	}
}

// TestARequestKilledInTheMiddle leaves everything, and the repeat completes it.
func TestARequestKilledInTheMiddle(t *testing.T) {
	s := newStage(t)
	before := s.has("anna")
	// The contact goes last: a lock on the log of accesses stops the erasure before it.
	blocker, err := s.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Rollback(context.Background())
	if _, err := blocker.Exec(t.Context(), "LOCK TABLE sb.access_log IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := subject.Run(context.Background(), s.d.Subject(t), request(contract.RequestErasure, "uid-1"), tenant, s.person(contract.KindPhone, anna))
		ended <- err
	}()
	for s.count("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'sb.access_log'::regclass") == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the erasure never came to the lock")
		}
	}
	s.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'sb_subject%' AND datname = current_database()")
	if err := <-ended; err == nil {
		t.Fatal("a request whose connection was killed has succeeded")
	}
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for category, n := range s.has("anna") {
		if n != before[category] {
			t.Errorf("%s: %d of %d rows are left", category, n, before[category])
		}
	}
	if n := s.count("SELECT count(*) FROM sb.receipt"); n != 0 {
		t.Errorf("%d receipts of what has not happened", n)
	}
	if result := s.carryOut(request(contract.RequestErasure, "uid-1"), s.person(contract.KindPhone, anna)); sum(result.Done) != sum(result.Found) || result.Sequence != 1 {
		t.Errorf("the repeat: %+v", result)
	}
}

// TestAGuestOfManyMessages is erased in one transaction, and told in one receipt.
func TestAGuestOfManyMessages(t *testing.T) {
	s := newStage(t)
	const many = 50_000
	s.exec(`INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
		SELECT gen_random_uuid(), now() - make_interval(secs => i), md5('vanna')::uuid, $1, 'in', 'guest', 'received' FROM generate_series(1, $2::int) i`, pgtest.Channel, many)
	s.exec(`INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT id, at, conversation_id, channel, 'more' FROM sb.message
		WHERE conversation_id = md5('vanna')::uuid ON CONFLICT DO NOTHING`)
	result := s.carryOut(request(contract.RequestErasure, "uid-1"), s.person(contract.KindPhone, anna))
	if sum(result.Done) < 2*many || s.has("anna")[contract.CategoryMessages] != 0 {
		t.Errorf("%d rows erased, left are %v", sum(result.Done), s.has("anna"))
	}
}

// TestOfTwoHoldsTheFirstIsTold, once for each row.
func TestOfTwoHoldsTheFirstIsTold(t *testing.T) {
	s := newStage(t)
	s.exec("INSERT INTO sb.hold (name, by_subject, conversation_id) VALUES ('case-b', false, md5('vanna')::uuid), ('case-a', false, md5('vanna')::uuid)")
	result := s.carryOut(request(contract.RequestErasure, "uid-1"), s.person(contract.KindPhone, anna))
	rows := int64(0)
	for _, r := range result.Refused {
		if r.Hold != "case-a" {
			t.Errorf("%s is refused by %s", r.Category, r.Hold)
		}
		rows += r.Rows
	}
	if rows != sum(result.Found) || len(result.Done) != 0 {
		t.Errorf("%d of %d rows are refused, %v done", rows, sum(result.Found), result.Done)
	}
}
