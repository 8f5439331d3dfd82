package connect

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestAConnectorHasNoRightOnAnyTable asks PostgreSQL for every relation there is:
// one that is added later is covered too.
func TestAConnectorHasNoRightOnAnyTable(t *testing.T) {
	d := pgtest.New(t)
	admin := d.Admin(t)
	login := contract.LoginRole(contract.ComponentConnector(pgtest.Channel), 1)
	rows, err := admin.Query(t.Context(), `SELECT format('%s on %I.%I', p, n.nspname, c.relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p
		WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' AND n.nspname <> $2
		  AND CASE WHEN p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') THEN has_any_column_privilege($1, c.oid, p) ELSE has_table_privilege($1, c.oid, p) END`,
		login, contract.QueueSchema(pgtest.Channel))
	if err != nil {
		t.Fatal(err)
	}
	rights, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(rights) != 0 {
		t.Errorf("%s may %v", login, rights)
	}
	pool := d.Connector(t, pgtest.Channel)
	for _, statement := range []string{
		"SELECT * FROM sb.message_body", "SELECT address FROM sb.contact_address", "SELECT * FROM sb.suppression", "DELETE FROM sb.suppression",
		"SELECT * FROM sb.staff", "UPDATE sb.message SET status = 'read'", "SELECT * FROM " + contract.QueueSchema(pgtest.OtherChannel) + ".river_job",
		"SELECT sb.opt_out(gen_random_uuid())", "SELECT sb.suppress('*', '\\x00', 1)", "SELECT sb.rehash('phone', ARRAY['\\x00'::bytea], 1)", "SELECT sb.ensure_partition(now())",
		"SELECT sb.store_message(gen_random_uuid(), now(), gen_random_uuid(), 'spa', 'in', 'guest', 'received', NULL, 'x')",
		"SELECT * FROM sb.web_chat_session", "SELECT sb.web_chat_live('\\x00')", "SELECT sb.web_chat_seen(gen_random_uuid(), gen_random_uuid(), now())", "SELECT sb.web_chat_typing(gen_random_uuid())",
		"SET ROLE sb_owner", "SET SESSION AUTHORIZATION " + contract.LoginRole(contract.ComponentConnector(pgtest.OtherChannel), 1),
		"CREATE TABLE sb.mine (x int)", "CREATE SCHEMA mine",
	} {
		_, err := pool.Exec(t.Context(), statement)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s: %v, want insufficient_privilege", statement, err)
		}
	}
}

// TestAConnectorMayCallItsFunctionsAlone lists what it may execute in sb.
func TestAConnectorMayCallItsFunctionsAlone(t *testing.T) {
	d := pgtest.New(t)
	rows, err := d.Admin(t).Query(t.Context(), `SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE n.nspname = 'sb' AND has_function_privilege($1, p.oid, 'EXECUTE') ORDER BY 1`, contract.LoginRole(contract.ComponentConnector(pgtest.Channel), 1))
	if err != nil {
		t.Fatal(err)
	}
	may, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	// cutoff gives an instant and reads nothing personal; retention_table maps a word to a word; behind says whether the
	// database was put back.
	harmless := []string{"behind", "cutoff", "retention_table"}
	want := []string{"begin_attempt", "bound", "ensure_this_month", "media_expect", "media_keep", "media_pending", "media_piece", "media_refuse", "outbound",
		"outbound_files", "outbound_piece", "outbound_template", "outbound_wait", "receive", "record_expired", "record_not_sent", "record_status", "record_watermark",
		"smpp_begin", "smpp_confirm", "smpp_end", "smpp_join", "smpp_parts", "smpp_purge", "smpp_receipt", "smpp_receive",
		"web_chat_alive", "web_chat_begin", "web_chat_end", "web_chat_file", "web_chat_file_piece", "web_chat_files", "web_chat_open", "web_chat_read", "web_chat_receipt", "web_chat_receive", "web_chat_release"}
	may = slices.DeleteFunc(may, func(name string) bool { return slices.Contains(harmless, name) })
	if !slices.Equal(may, want) {
		t.Errorf("a connector may call %v, want %v", may, want)
	}
}

// TestAChannelsMessageIsNoneOfAnothersBusiness calls every function for another
// channel's message, whose key is known.
func TestAChannelsMessageIsNoneOfAnothersBusiness(t *testing.T) {
	s := inHouse(t)
	id := s.reply(guest, "For you alone")
	s.becomes(id, "delivered")
	_, _, sid := s.message(id)
	s.end()
	pending := s.reply(guest, "This one is queued")
	before := s.fingerprint()
	ours := database{s.database.Connector(t, pgtest.Channel)}
	theirs := database{s.database.Connector(t, pgtest.OtherChannel)}
	for _, id := range []any{id, pending} {
		k := messageKey{}
		if err := s.admin.QueryRow(t.Context(), "SELECT id, at FROM sb.message WHERE id = $1", id).Scan(&k.id, &k.at); err != nil {
			t.Fatal(err)
		}
		if _, err := ours.outbound(t.Context(), k); err != nil {
			t.Errorf("control: the channel's own connector can't read it: %v", err)
		}
		if _, err := theirs.outbound(t.Context(), k); !errors.Is(err, pgx.ErrNoRows) {
			t.Errorf("another connector reads it: %v", err)
		}
		if verdict, err := theirs.beginAttempt(t.Context(), k, nil); err != nil || verdict != "settled" {
			t.Errorf("another connector may begin an attempt: %q %v", verdict, err)
		}
		hash, _ := s.keys().Hashes(kindPhone, guest)
		if err := theirs.recordWatermark(t.Context(), hash, "read", time.Now()); err != nil {
			t.Errorf("a watermark on another channel: %v", err)
		}
		for _, u := range []update{
			{message: &k, providerID: sid, status: "read"}, {message: &k, status: "failed", errorCode: "21610", blocked: true}, {providerID: sid, status: "read"},
		} {
			if known, err := theirs.recordStatus(t.Context(), u); err != nil || known {
				t.Errorf("another connector may record %+v: %t %v", u, known, err)
			}
		}
		if err := errors.Join(theirs.recordNotSent(t.Context(), k), theirs.recordExpired(t.Context(), k)); err != nil {
			t.Error(err)
		}
	}
	if bound, err := theirs.bound(t.Context(), []string{sid}); err != nil || len(bound) != 0 {
		t.Errorf("another connector learns of the provider's id: %v %v", bound, err)
	}
	if after := s.fingerprint(); after != before {
		t.Errorf("the database changed from\n%s\nto\n%s", before, after)
	}
}

// Roles that are no connector's, and a connector whose channel was removed, can't store.
func TestOnlyAConnectorOfAChannelThatExistsStores(t *testing.T) {
	s := inHouse(t)
	before := s.count("SELECT count(*) FROM sb.message")
	s.exec("DELETE FROM sb.channel WHERE name = $1", pgtest.Channel)
	if status, _ := s.post(inboundPath, form(newSID(), guest, "Anybody there?")); status != 503 {
		t.Errorf("answered %d", status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l := &letter{providerID: newSID(), seen: [][]byte{{1}}, kinds: []string{kindPhone}, addresses: []string{guest}, hashes: [][]byte{{1}}, keyVersion: 1}
	err := database{s.admin}.receive(ctx, pgtest.Channel, []*letter{l})
	if err == nil || !strings.Contains(err.Error(), "SB101") {
		t.Errorf("the superuser's own session may receive: %v", err)
	}
	if n := s.count("SELECT count(*) FROM sb.message"); n != before {
		t.Errorf("%d messages, want %d", n, before)
	}
}
