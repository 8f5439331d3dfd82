package move

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// table is what is known of a table's content: the number of its rows, and a digest that does not depend on their order.
type table struct {
	name   string // SCHEMA.TABLE
	rows   int64
	digest string
}

// tables lists what is compared: every table that outlives a crash, and the large objects.
const tables = `
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
UNION SELECT 'pg_catalog', 'pg_largeobject' ORDER BY 1, 2`

// content adds up the hashes of a table's rows: equal rows in another order have the same sums.
const content = `
SELECT count(*), coalesce(sum(('x' || left(h, 16))::bit(64)::bigint::numeric), 0)::text || '/' || coalesce(sum(('x' || substr(h, 17, 16))::bit(64)::bigint::numeric), 0)::text
FROM (SELECT encode(sha256(convert_to(t::text, 'UTF8')), 'hex') AS h FROM %s t) rows`

// read counts and digests a database. The pool's role sees all rows.
func read(ctx context.Context, pool *pgxpool.Pool) ([]table, error) {
	rows, err := pool.Query(ctx, tables)
	if err != nil {
		return nil, fmt.Errorf("listing the tables: %w", err)
	}
	names, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (pgx.Identifier, error) {
		name := make(pgx.Identifier, 2)
		return name, row.Scan(&name[0], &name[1])
	})
	if err != nil {
		return nil, fmt.Errorf("listing the tables: %w", err)
	}
	all := make([]table, 0, len(names))
	for _, name := range names {
		t := table{name: strings.Join(name, ".")}
		if err := pool.QueryRow(ctx, fmt.Sprintf(content, name.Sanitize())).Scan(&t.rows, &t.digest); err != nil {
			return nil, fmt.Errorf("counting %s: %w", t.name, err)
		}
		all = append(all, t)
	}
	return all, nil
}

// sum gives the number of rows, and one digest of all tables.
func sum(all []table) (rows int64, digest string) {
	h := sha256.New()
	for _, t := range all {
		rows += t.rows
		_, _ = fmt.Fprintf(h, "%s %d %s\n", t.name, t.rows, t.digest) // a hash takes everything
	}
	return rows, hex.EncodeToString(h.Sum(nil))
}

// differing names the tables that are not the same in both, with their rows.
func differing(source, target []table) []string {
	var names []string
	for _, s := range source {
		i := slices.IndexFunc(target, func(t table) bool { return t.name == s.name })
		switch {
		case i < 0:
			names = append(names, s.name+" (missing)")
		case target[i] != s:
			names = append(names, fmt.Sprintf("%s (%d and %d rows)", s.name, s.rows, target[i].rows))
		}
	}
	for _, t := range target {
		if !slices.ContainsFunc(source, func(s table) bool { return s.name == t.name }) {
			names = append(names, t.name+" (unknown to the source)")
		}
	}
	return names
}
