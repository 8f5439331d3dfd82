package staff

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/instance/openid"
)

var (
	// ErrUnknown says that there is neither an account nor an invitation of whom a provider has signed in.
	ErrUnknown = errors.New("there is neither an account nor an invitation of this e-mail address")
	// ErrLinked says that the account of the address is linked to somebody else at the provider.
	ErrLinked = errors.New("the account of this e-mail address is linked to somebody else at the provider")
)

// Identify gives the member whom a provider has signed in: by the link to them, else by their address, which links them. It makes an
// account of an invitation alone. It fails with ErrUnknown, ErrClosed or ErrLinked.
func Identify(ctx context.Context, tx pgx.Tx, p openid.Person) (Member, error) {
	var m Member
	fresh, err := uuid.NewV7()
	if err != nil {
		return m, fmt.Errorf("making an id: %w", err)
	}
	var account *uuid.UUID
	var refusal *string
	err = tx.QueryRow(ctx, "SELECT account, refusal FROM sb.staff_identify($1, $2, $3, $4, $5)", p.Issuer, p.Client, p.Subject, p.Email, fresh).Scan(&account, &refusal)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "23505": // unique_violation: the address is an account's that has expired
		return m, ErrUnknown
	case err != nil:
		return m, fmt.Errorf("looking for whom a provider has signed in: %w", err)
	case account != nil:
		err = tx.QueryRow(ctx, "SELECT id, email, name, role, "+factorOf+" FROM sb.staff s WHERE id = $1", *account).Scan(&m.ID, &m.Email, &m.Name, &m.Role, &m.SecondFactor)
		if err != nil {
			return m, fmt.Errorf("reading an account: %w", err)
		}
		return m, nil
	}
	if refusal == nil {
		return m, errors.New("looking for whom a provider has signed in: the database says nothing")
	}
	switch *refusal {
	case "closed":
		return m, ErrClosed
	case "taken":
		return m, ErrLinked
	}
	return m, ErrUnknown
}

// Open gives a member by their account, unless it is closed or has expired: then it fails with ErrClosed.
func Open(ctx context.Context, db Querier, id uuid.UUID) (Member, error) {
	var m Member
	err := db.QueryRow(ctx, "SELECT id, email, name, role, "+factorOf+" FROM sb.staff s WHERE id = $1 AND disabled_at IS NULL", id).
		Scan(&m.ID, &m.Email, &m.Name, &m.Role, &m.SecondFactor)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, ErrClosed
	}
	if err != nil {
		return m, fmt.Errorf("reading an account: %w", err)
	}
	return m, nil
}

// Unlink ends the link of an account to somebody at a provider; false when there was none. The next sign-in by a provider links it again, by
// its verified address.
func Unlink(ctx context.Context, db Querier, account uuid.UUID) (bool, error) {
	tag, err := db.Exec(ctx, "DELETE FROM sb.staff_identity WHERE staff_id = $1", account)
	if err != nil {
		return false, fmt.Errorf("ending the link to a provider: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}
