package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// AsAdmin goes before a program of PostgreSQL's in its pod: it gives it the superuser's password,
// which the socket asks for too, without showing it on a command line.
const AsAdmin = `PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") && export PGPASSWORD && exec `

// PSQL runs one statement inside a tenant's database pod as the superuser, with the
// image's own psql, and gives the rows as they are, unaligned: columns are separated
// by '|'. It sees past every row-level policy, which is what a count of evidence needs.
func (c *Cluster) PSQL(ctx context.Context, namespace, statement string) ([]string, error) {
	pod, err := c.ReadyPod(ctx, namespace, "postgres")
	if err != nil {
		return nil, err
	}
	out, err := c.Exec(ctx, namespace, pod.Name, "postgres", strings.NewReader(statement),
		"sh", "-c", AsAdmin+"psql -X -q -A -t -v ON_ERROR_STOP=1 -U postgres -d switchboard -f -")
	if err != nil {
		return nil, fmt.Errorf("asking the database of %s: %w", namespace, err)
	}
	out = strings.TrimRight(out, "\n")
	if out == "" {
		return nil, nil
	}
	return strings.Split(out, "\n"), nil
}

// Count runs a statement that gives one number.
func (c *Cluster) Count(ctx context.Context, namespace, statement string) (int64, error) {
	rows, err := c.PSQL(ctx, namespace, statement)
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 {
		return 0, fmt.Errorf("asking the database of %s for a number: %d rows came back", namespace, len(rows))
	}
	n, err := strconv.ParseInt(rows[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("asking the database of %s for a number: %w", namespace, err)
	}
	return n, nil
}
