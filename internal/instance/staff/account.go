package staff

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrLastSupervisor says that nobody would be left to manage the accounts.
var ErrLastSupervisor = errors.New("nobody would be left to manage the accounts")

// codeLastSupervisor is how sb.staff_change says so.
const codeLastSupervisor = "SB501"

// Account is a member as supervisors see it.
type Account struct {
	Member
	CreatedAt    time.Time  `json:"createdAt"`
	LastActiveAt time.Time  `json:"lastActiveAt"` // from it the limit of StaffAccounts counts
	DisabledAt   *time.Time `json:"disabledAt"`   // null: it can be used
	LinkedAt     *time.Time `json:"linkedAt"`     // to somebody at the provider that staff sign in by; null: to nobody
}

// Change is what is to become of an account; nil leaves what is.
type Change struct {
	Name   *string
	Role   *Role
	Active *bool
}

const accountColumns = "s.id, s.email, s.name, s.role, " + factorOf + ", s.created_at, s.last_active_at, s.disabled_at, " +
	"(SELECT i.linked_at FROM sb.staff_identity i WHERE i.staff_id = s.id)"

func scanAccount(row pgx.CollectableRow) (Account, error) {
	var a Account
	err := row.Scan(&a.ID, &a.Email, &a.Name, &a.Role, &a.SecondFactor, &a.CreatedAt, &a.LastActiveAt, &a.DisabledAt, &a.LinkedAt)
	for _, at := range []*time.Time{&a.CreatedAt, &a.LastActiveAt, a.DisabledAt, a.LinkedAt} {
		if at != nil {
			*at = at.UTC()
		}
	}
	return a, err
}

// Accounts lists all that have not expired, by name.
func Accounts(ctx context.Context, tx pgx.Tx) ([]Account, error) {
	rows, _ := tx.Query(ctx, "SELECT "+accountColumns+" FROM sb.staff s ORDER BY lower(s.name), s.email")
	all, err := pgx.CollectRows(rows, scanAccount)
	if err != nil {
		return nil, fmt.Errorf("listing accounts: %w", err)
	}
	return all, nil
}

// ChangeAccount changes an account and gives it as it is then; pgx.ErrNoRows when there is none. Sessions of one that may do
// something else from now on, or nothing any more, end with the transaction. It fails with ErrLastSupervisor rather than leave none.
func ChangeAccount(ctx context.Context, tx pgx.Tx, id uuid.UUID, c Change) (Account, error) {
	var found bool
	err := tx.QueryRow(ctx, "SELECT sb.staff_change($1, $2, $3, $4)", id, c.Name, c.Role, c.Active).Scan(&found)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == codeLastSupervisor {
		return Account{}, ErrLastSupervisor
	}
	if err != nil {
		return Account{}, fmt.Errorf("changing an account: %w", err)
	}
	if !found {
		return Account{}, pgx.ErrNoRows
	}
	rows, _ := tx.Query(ctx, "SELECT "+accountColumns+" FROM sb.staff s WHERE s.id = $1", id)
	a, err := pgx.CollectExactlyOneRow(rows, scanAccount)
	if err != nil {
		return Account{}, fmt.Errorf("reading an account: %w", err)
	}
	return a, nil
}
