package migrate_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

var update = flag.Bool("update", false, "write testdata/rights.txt anew")

const rightsFile = "testdata/rights.txt"

// TestRights holds every right of every role to a table, as PostgreSQL's catalogue has them: a relation, function or role that is added
// later shows until somebody decided who may what. After a change that is meant: go test -run TestRights -update, and read the difference.
func TestRights(t *testing.T) {
	got := rights(t, pgtest.New(t).Admin(t))
	if *update {
		if err := os.WriteFile(rightsFile, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(rightsFile)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("rights are not as %s says; they are\n%s", rightsFile, got)
	}
}

// TestRightsShowAGrant: a table of rights that overlooks one would prove nothing.
func TestRightsShowAGrant(t *testing.T) {
	admin := pgtest.NewOn(t, pgtest.StartOwn(t)).Admin(t) // roles are the server's
	before := rights(t, admin)
	for _, grant := range []string{
		"GRANT SELECT ON sb.staff TO sb_retain", "GRANT UPDATE (name) ON sb.contact TO sb_connector", "GRANT SELECT ON sb.receipt TO PUBLIC",
		"CREATE TABLE sb.forgotten (word text)", "GRANT sb_serve TO sb_connector_spa_v1", "GRANT EXECUTE ON FUNCTION sb.retention_batch TO sb_serve",
		"GRANT CREATE ON SCHEMA sb TO sb_serve", "ALTER TABLE sb.contact DISABLE ROW LEVEL SECURITY", "ALTER ROLE sb_serve_v1 BYPASSRLS",
		"ALTER TABLE sb.receipt OWNER TO sb_serve", "GRANT pg_read_all_data TO sb_serve", "DROP POLICY live ON sb.contact",
	} {
		tx, err := admin.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), grant); err != nil {
			t.Fatal(err)
		}
		if rights(t, tx) == before {
			t.Errorf("%s does not show", grant)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if rights(t, admin) != before {
		t.Error("something stayed: what was to show may have been the grant before")
	}
}

// querier is a pool or a transaction of the superuser's.
type querier interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}

// verbs of relations, with the letters of the table. Small letters are rights to some columns alone.
var verbs = []struct{ name, letter string }{
	{"SELECT", "S"}, {"INSERT", "I"}, {"UPDATE", "U"}, {"DELETE", "D"}, {"TRUNCATE", "T"}, {"REFERENCES", "R"}, {"TRIGGER", "G"},
}

// ours are the schemas that are not PostgreSQL's own.
const ours = `n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'`

func rights(t *testing.T, admin querier) string {
	t.Helper()
	var b strings.Builder
	roles := lines(t, admin, `SELECT rolname FROM pg_roles WHERE rolname LIKE 'sb\_%' AND (rolcanlogin OR rolname = 'sb_owner') ORDER BY rolname COLLATE "C"`)
	roles = append(roles, "public")
	section := func(title, legend string) { fmt.Fprintf(&b, "\n# %s\n# %s\n", title, legend) }

	b.WriteString("# Who may what in a tenant's database; what is not here, nobody may but the superuser.\n")
	section("Roles", "attributes, and what a role is a member of, directly or not")
	for _, line := range lines(t, admin, `SELECT r.rolname || ':'
		|| CASE WHEN r.rolcanlogin THEN ' login' ELSE '' END || CASE WHEN r.rolsuper THEN ' superuser' ELSE '' END
		|| CASE WHEN r.rolbypassrls THEN ' bypassrls' ELSE '' END || CASE WHEN r.rolcreaterole THEN ' createrole' ELSE '' END
		|| CASE WHEN r.rolcreatedb THEN ' createdb' ELSE '' END || CASE WHEN r.rolreplication THEN ' replication' ELSE '' END
		|| COALESCE(' in ' || (SELECT string_agg(g.rolname, ', ' ORDER BY g.rolname COLLATE "C") FROM pg_roles g
		     WHERE g.oid <> r.oid AND pg_has_role(r.oid, g.oid, 'MEMBER')), '')
		FROM pg_roles r WHERE r.rolname LIKE 'sb\_%' ORDER BY r.rolname COLLATE "C"`) {
		b.WriteString(line + "\n")
	}

	section("Database and schemas", "CONNECT, CREATE, TEMPORARY; USAGE, CREATE")
	for _, role := range roles {
		fmt.Fprintf(&b, "%s:%s\n", role, strings.Join(lines(t, admin, `SELECT ' ' || string_agg(p, '+' ORDER BY p) FROM unnest(ARRAY['CONNECT', 'CREATE', 'TEMPORARY']) p
			WHERE has_database_privilege($1, current_database(), p) HAVING count(*) > 0
			UNION ALL SELECT ' ' || n.nspname || '=' || string_agg(p, '+' ORDER BY p) FROM pg_namespace n, unnest(ARRAY['USAGE', 'CREATE']) p
			WHERE `+ours+` AND has_schema_privilege($1, n.oid, p) GROUP BY n.nspname ORDER BY 1`, role), ""))
	}

	section("Relations", "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, triGger; small letters: of some columns alone; rls: row-level security. The owner's are left out")
	b.WriteString(relations(t, admin, roles))

	section("Columns", "of rights to some columns alone")
	writeSet(&b, lines(t, admin, `SELECT n.nspname || '.' || c.relname || ' ' || CASE a.grantee WHEN 0 THEN 'public' ELSE a.grantee::regrole::text END || ' ' || a.privilege_type || ' ('
		|| string_agg(at.attname, ', ' ORDER BY at.attname COLLATE "C") || ')'
		FROM pg_attribute at JOIN pg_class c ON c.oid = at.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(at.attacl) a
		WHERE `+ours+` GROUP BY n.nspname, c.relname, a.grantee, a.privilege_type ORDER BY 1`))

	section("Row-level policies", "relation, policy, verb, roles")
	writeSet(&b, lines(t, admin, `SELECT schemaname || '.' || tablename || ' ' || policyname || ' ' || cmd || ' ' || array_to_string(roles, ', ') || CASE WHEN permissive = 'PERMISSIVE' THEN '' ELSE ' restrictive' END
		FROM pg_policies ORDER BY 1`))

	section("Functions", "who may execute; * runs as its owner. The owner's are left out")
	for _, role := range roles {
		if role == "sb_owner" {
			continue
		}
		writeSet(&b, lines(t, admin, `SELECT n.nspname || '.' || p.proname || CASE WHEN p.prosecdef THEN '*' ELSE '' END || ' ' || $1::text
			FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE `+ours+` AND has_function_privilege($1, p.oid, 'EXECUTE') ORDER BY 1`, role))
	}
	return b.String()
}

// relations is the matrix: a line for each relation, a cell for each role.
func relations(t *testing.T, admin querier, roles []string) string {
	t.Helper()
	cells := map[string]map[string]string{}
	for _, role := range roles {
		for _, verb := range verbs {
			rows, err := admin.Query(t.Context(), `SELECT n.nspname || '.' || c.relname || ' ' || c.relkind::text || CASE WHEN c.relrowsecurity THEN ' rls' ELSE '' END
				|| CASE WHEN c.relforcerowsecurity THEN '!' ELSE '' END || CASE WHEN c.relowner = 'sb_owner'::regrole THEN '' ELSE ' of ' || c.relowner::regrole::text END,
				CASE WHEN c.relowner::regrole::text = $1::text THEN ''
				     WHEN c.relkind = 'S' THEN CASE WHEN $2::text IN ('SELECT', 'UPDATE') AND has_sequence_privilege($1, c.oid, $2) OR $2::text = 'INSERT' AND has_sequence_privilege($1, c.oid, 'USAGE') THEN $3 ELSE '' END
				     WHEN has_table_privilege($1, c.oid, $2) THEN $3
				     WHEN $2::text IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege($1, c.oid, $2) THEN lower($3) ELSE '' END
				FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `+ours+` AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')`, role, verb.name, verb.letter)
			if err != nil {
				t.Fatal(err)
			}
			var relation, letter string
			if _, err := pgx.ForEachRow(rows, []any{&relation, &letter}, func() error {
				if cells[relation] == nil {
					cells[relation] = map[string]string{}
				}
				cells[relation][role] += letter
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var all []string
	for _, relation := range slices.Sorted(maps.Keys(cells)) {
		line := relation + ":"
		for _, role := range roles {
			if cells[relation][role] != "" {
				line += " " + role + "=" + cells[relation][role]
			}
		}
		all = append(all, line)
	}
	var b strings.Builder
	writeSet(&b, all)
	return b.String()
}

// month of a partition: which there are hangs on the day.
var month = regexp.MustCompile(`_\d{4}_\d{2}\b`)

// writeSet writes lines once that tell the same of several months.
func writeSet(b *strings.Builder, all []string) {
	for i := range all {
		all[i] = month.ReplaceAllString(all[i], "_YYYY_MM")
	}
	slices.Sort(all)
	for _, line := range slices.Compact(all) {
		b.WriteString(line + "\n")
	}
}

func lines(t *testing.T, admin querier, query string, args ...any) []string {
	t.Helper()
	rows, err := admin.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return all
}
