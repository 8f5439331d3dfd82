package connect

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// letterFrom prepares what a guest wrote, as the webhook's handler does.
func (s *stage) letterFrom(from string, command optout.Command) *letter {
	s.t.Helper()
	l := &letter{providerID: newSID(), kinds: []string{kindPhone}, addresses: []string{from}, body: "Hallo", command: command, answer: optout.Answer(command)}
	l.seen, _ = s.keys().Hashes(kindProviderID, l.providerID)
	l.hashes, l.keyVersion = s.keys().Hashes(kindPhone, from)
	for _, id := range []*uuid.UUID{&l.message, &l.contact, &l.conversation, &l.confirmation} {
		*id = uuid.Must(uuid.NewV7())
	}
	return l
}

// TestNothingButItsConfirmationFollowsAStop: answers to HELP and START that still
// wait when the guest opts out are not sent any more.
func TestNothingButItsConfirmationFollowsAStop(t *testing.T) {
	s := inHouse(t)
	s.end()
	const other = "+4915112340777"
	group := []*letter{
		s.letterFrom(guest, optout.Help), s.letterFrom(guest, optout.Stop),
		s.letterFrom(other, optout.Stop), s.letterFrom(other, optout.Start), s.letterFrom(other, optout.Stop),
	}
	if err := (database{s.database.Connector(t, pgtest.Channel)}).receive(t.Context(), pgtest.Channel, group); err != nil {
		t.Fatal(err)
	}
	s.start()
	for i, status := range []string{"suppressed", "delivered", "suppressed", "suppressed", "delivered"} {
		s.becomes(group[i].confirmation, status)
	}
	for _, from := range []string{guest, other} {
		if m := s.sent(from, 1)[0]; m.Body != optout.Answer(optout.Stop) {
			t.Errorf("what was sent after a STOP: %q", m.Body)
		}
	}
}

// TestTwoChannelsMeetAnExpiredGuestAtOnce: one new contact takes the address over,
// and both threads are its own.
func TestTwoChannelsMeetAnExpiredGuestAtOnce(t *testing.T) {
	s := inHouse(t)
	s.end()
	s.database.Limits(t, map[string]int32{contract.CategoryContacts: 30})
	s.exec("UPDATE sb.contact SET last_seen_at = now() - interval '31 days'")
	begin := func(channel string) pgx.Tx {
		tx, err := s.database.Connector(t, channel).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
		return tx
	}
	receive := func(tx pgx.Tx) error {
		l := s.letterFrom(guest, optout.None)
		_, err := tx.Exec(t.Context(), callReceive, l.providerID, l.seen, l.kinds, l.addresses, l.hashes, l.keyVersion, l.body, "", "",
			l.message, l.contact, l.conversation, l.confirmation)
		return err
	}
	first, second := begin(pgtest.Channel), begin(pgtest.OtherChannel)
	if err := receive(first); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- receive(second) }()
	s.until("the second waits for the first", func() (bool, string) {
		n := s.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
		return n == 1, fmt.Sprint(n, " sessions wait")
	})
	if err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := second.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.count("SELECT count(*) FROM sb.contact WHERE last_seen_at > sb.cutoff('Contacts')"); n != 1 {
		t.Errorf("%d live contacts, want 1", n)
	}
	if n := s.count(`SELECT count(*) FROM sb.conversation v JOIN sb.contact_address a USING (contact_id) WHERE a.address = $1`, guest); n != 2 {
		t.Errorf("%d threads whose guest has the address, want 2", n)
	}
}

// TestWithoutKeysNothingIsSentAndStaffAreTold: who has opted out can't be told, and a
// message that was given up must not look as if it were still on its way.
func TestWithoutKeysNothingIsSentAndStaffAreTold(t *testing.T) {
	s := inHouse(t)
	if err := os.Remove(filepath.Join(s.dir, contract.FileHashKeyPrefix+"1")); err != nil {
		t.Fatal(err)
	}
	id := s.reply(guest, "Your room is ready")
	s.until("a try", func() (bool, string) {
		return s.count("SELECT count(*) FROM "+contract.QueueSchema(pgtest.Channel)+".river_job WHERE attempt >= 1 AND cardinality(errors) > 0") == 1, ""
	})
	s.exec("UPDATE " + contract.QueueSchema(pgtest.Channel) + ".river_job SET max_attempts = 2")
	s.becomes(id, "failed")
	if _, code, _ := s.message(id); code != "keys-unavailable" {
		t.Errorf("the error code is %q", code)
	}
	if n := len(s.twilio.Attempts(guest)); n != 0 {
		t.Errorf("%d attempts without keys", n)
	}
}
