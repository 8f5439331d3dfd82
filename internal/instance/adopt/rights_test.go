package adopt_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// rights lists all that a role may do.
func rights(t *testing.T, db *pgxpool.Pool, role string) []string {
	t.Helper()
	found, _ := db.Query(t.Context(), `
		SELECT c.relname || ' ' || p FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
		AND CASE WHEN c.relkind = 'S' THEN p IN ('SELECT', 'UPDATE') AND has_sequence_privilege($1, c.oid, CASE WHEN p = 'UPDATE' THEN 'USAGE' ELSE p END)
		         WHEN p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') THEN has_any_column_privilege($1, c.oid, p)
		         ELSE has_table_privilege($1, c.oid, p) END
		UNION ALL
		SELECT p.proname || ' EXECUTE' FROM pg_proc p WHERE p.pronamespace = 'sb'::regnamespace AND p.prosecdef AND has_function_privilege($1, p.oid, 'EXECUTE')
		UNION ALL
		SELECT 'member of ' || r.rolname FROM pg_roles r WHERE r.rolname <> $1 AND pg_has_role($1, r.oid, 'MEMBER')
		UNION ALL
		SELECT 'owner of ' || c.relname FROM pg_class c WHERE c.relowner = $1::regrole
		ORDER BY 1`, role)
	all, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheRolesMayDoNoMoreThanTheyMust(t *testing.T) {
	admin := pgtest.New(t).Admin(t)
	for role, want := range map[string][]string{
		"sb_adopt": {
			"adopt_begin EXECUTE", "adopt_file EXECUTE", "adopt_holds EXECUTE", "adopt_rows EXECUTE", "adopt_seal EXECUTE", "adopt_whole EXECUTE",
			"behind EXECUTE", "cutoff EXECUTE", "version SELECT",
		},
		"sb_export": {
			"access_log SELECT", "attachment SELECT", "behind EXECUTE", "canned_reply SELECT", "channel SELECT", "consent_log SELECT", "contact SELECT", "contact_address SELECT",
			"conversation SELECT", "cutoff EXECUTE", "export_begin EXECUTE", "export_file EXECUTE", "export_holds EXECUTE", "export_object EXECUTE", "export_seen EXECUTE", "file SELECT", "hold SELECT",
			"hold_alias SELECT", "hold_contact SELECT", "integration_data SELECT", "message SELECT", "message_body SELECT", "message_count SELECT",
			"receipt SELECT", "retention_limit SELECT", "seen SELECT", "staff SELECT", "suppression SELECT", "testimonial SELECT", "version SELECT",
			"web_chat_session SELECT",
		},
	} {
		if got := rights(t, admin, role); !slices.Equal(got, want) {
			t.Errorf("%s may\n%s\nwant\n%s", role, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestTheRoleOfExportsSeesNoMore than what goes into an archive.
func TestTheRoleOfExportsSeesNoMore(t *testing.T) {
	s := newStage(t)
	reader := s.from.Export(t)
	for query, want := range map[string]string{
		"SELECT count(*) FROM sb.message WHERE at < now() - interval '100 days 12 hours'": `{"count":0}`,
		"SELECT count(*) FROM sb.message_body WHERE id = md5('m1')::uuid":                 `{"count":0}`,
		"SELECT count(*) FROM sb.contact_address WHERE contact_id = md5('c3')::uuid":      `{"count":0}`,
		"SELECT count(*) FROM sb.file":                                                    `{"count":2}`,
		"SELECT count(*) FROM sb.message_count WHERE messages = 4":                        `{"count":0}`,
		"SELECT count(sb.export_file(f.id, 0, 10)) FROM sb.file f":                        `{"count":2}`,
	} {
		if got := rows(t, reader, query); got[0] != want {
			t.Errorf("%s: %s, want %s", query, got[0], want)
		}
	}
	expired := rows(t, s.from.Admin(t), "SELECT file_id FROM sb.attachment WHERE id = md5('a3')::uuid")[0]
	id := strings.Split(expired, `"`)[3]
	if got := rows(t, reader, "SELECT sb.export_file('"+id+"', 0, 10) IS NULL AS hidden"); got[0] != `{"hidden":true}` {
		t.Error("the bytes of a file that has expired can be read")
	}
	for _, statement := range []string{
		"SELECT password_hash FROM sb.staff", "SELECT * FROM sb.staff_session", "SELECT content FROM sb.file", "SELECT * FROM sb.archive",
		"DELETE FROM sb.message", "UPDATE sb.contact SET name = ''", "INSERT INTO sb.channel (name, type) VALUES ('x', 'x')",
	} {
		denied(t, reader, statement)
	}
}

// TestTheRoleOfAdoptionsIsOfNoUseAfterwards, nor before one has begun.
func TestTheRoleOfAdoptionsIsOfNoUseAfterwards(t *testing.T) {
	s := newStage(t)
	adopter := s.to.Adopt(t)
	useless := func() {
		t.Helper()
		for _, statement := range []string{
			`SELECT sb.adopt_rows('contact', ARRAY['{"id":"0198c1f2-5a6b-7c8d-9e0f-112233445566"}'::jsonb])`,
			"SELECT sb.adopt_file(gen_random_uuid(), 0, 'x')", "SELECT sb.adopt_seal(1, '{}', '', '')",
		} {
			var pg *pgconn.PgError
			if _, err := adopter.Exec(t.Context(), statement); !errors.As(err, &pg) || pg.Code != "SB303" {
				t.Errorf("%s: %v", statement, err)
			}
		}
		denied(t, adopter, "SELECT * FROM sb.contact")
		denied(t, adopter, "INSERT INTO sb.contact (id) VALUES (gen_random_uuid())")
	}
	useless()
	if _, err := s.adopt(bytes.NewReader(s.export()), s.options()); err != nil {
		t.Fatal(err)
	}
	useless()
}

func denied(t *testing.T, db *pgxpool.Pool, statement string) {
	t.Helper()
	var pg *pgconn.PgError
	if _, err := db.Exec(t.Context(), statement); !errors.As(err, &pg) || pg.Code != "42501" {
		t.Errorf("%s: %v, want that it is not permitted", statement, err)
	}
}
