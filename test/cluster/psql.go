package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// AsAdmin goes before a program of PostgreSQL's in its pod: it gives it the superuser's password, where the socket asks
// for that too, without showing it on a command line.
const AsAdmin = `if [ -n "${POSTGRES_PASSWORD_FILE-}" ]; then PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") && export PGPASSWORD; fi && exec `

// PSQL runs one statement inside a tenant's database pod as the superuser, with the
// image's own psql, and gives the rows as they are, unaligned: columns are separated
// by '|'. It sees past every row-level policy, which is what a count of evidence needs.
func (c *Cluster) PSQL(ctx context.Context, namespace, statement string) ([]string, error) {
	pod, err := c.DatabasePod(ctx, namespace)
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

// DatabasePod is the pod whose PostgreSQL takes what is written, whoever runs it.
func (c *Cluster) DatabasePod(ctx context.Context, namespace string) (*corev1.Pod, error) {
	pod, err := c.ReadyPod(ctx, namespace, "postgres")
	if apierrors.IsNotFound(err) {
		return c.ReadyPod(ctx, namespace, "postgres-rw") // CloudNativePG's
	}
	return pod, err
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
