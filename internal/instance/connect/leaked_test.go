package connect

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestALeakedPasswordReadsNothingOfTheOthers logs in as a connector whose credentials have leaked, and reads all that PostgreSQL lets
// it, the catalogue and its statistics too: nothing of another channel's guests, of staff or of the queues is in it.
func TestALeakedPasswordReadsNothingOfTheOthers(t *testing.T) {
	const words = "Zimmer-mit-Seeblick"
	s := inHouse(t)
	s.reply(guest, words)
	s.reply(guest, words+" again") // values that are there more than once get into statistics
	s.exec("ANALYZE")
	hash, err := asked{s.admin}.query(t, "SELECT password_hash FROM sb.staff")
	if err != nil || len(hash) != 1 {
		t.Fatal(hash, err)
	}
	secrets := map[string]string{
		"a guest's number": strings.TrimPrefix(guest, "+"), "what was written": words, "a member of staff": pgtest.StaffEmail,
		"a verifier of a login": "SCRAM-SHA-256$", "a hash of a password": hash[0],
	}

	relations := func(who asked) (read int, found map[string][]string) {
		t.Helper()
		all, err := asked{s.admin}.query(t, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\_t%' ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		found = map[string][]string{}
		for _, relation := range all {
			rows, err := who.query(t, "SELECT r::text FROM "+relation+" r")
			var refused *pgconn.PgError
			if err != nil && (!errors.As(err, &refused) || refused.Code != "42501") {
				t.Errorf("%s: %v, want rows or insufficient_privilege", relation, err)
			}
			if err != nil {
				continue
			}
			read++
			text := strings.Join(rows, "\n")
			for what, secret := range secrets {
				if strings.Contains(text, secret) {
					found[what] = append(found[what], relation)
				}
			}
		}
		return read, found
	}

	if _, found := relations(asked{s.admin}); len(found) != len(secrets) {
		t.Errorf("control: the superuser finds %v, want all of %d secrets", found, len(secrets))
	}
	leaked := s.database.Pool(t, contract.LoginRole(contract.ComponentConnector(pgtest.OtherChannel), 1))
	read, found := relations(asked{leaked})
	if len(found) > 0 {
		t.Errorf("with the leaked password one finds %v", found)
	}
	if read < 100 {
		t.Errorf("%d relations could be read: the catalogue alone has more, so the test has not looked", read)
	}
	for _, statement := range []string{
		"SELECT pg_read_file('pg_hba.conf')", "SELECT pg_ls_dir('.')", "COPY sb.message_body TO STDOUT", "COPY (SELECT 1) TO PROGRAM 'true'", "SELECT lo_import('/etc/hostname')",
		"SELECT pg_stat_reset()", "CREATE EXTENSION dblink SCHEMA sb", "ALTER ROLE CURRENT_USER BYPASSRLS", "SET row_security = off; SELECT * FROM sb.contact",
		"SELECT query_to_xml('SELECT * FROM sb.message_body', true, true, '')",
	} {
		_, err := leaked.Exec(t.Context(), statement)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s: %v, want insufficient_privilege", statement, err)
		}
	}
}

// asked asks as somebody.
type asked struct {
	pool interface {
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	}
}

func (a asked) query(t *testing.T, sql string, args ...any) ([]string, error) {
	t.Helper()
	rows, err := a.pool.Query(t.Context(), sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
