package staff

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Bounds on an invitation.
const (
	MaxInvitationLife  = 14 * 24 * time.Hour
	MaxOpenInvitations = 100
)

// invitationPrefix lets secret scanners recognise a token that leaked, and tells it from a session's.
const invitationPrefix = "sbv_"

const secretLength = 32

var (
	// ErrNoInvitation says that a token is unknown, expired, withdrawn or was used; which of these is told to nobody.
	ErrNoInvitation = errors.New("the invitation is unknown, has ended or was used")
	// ErrTaken says that an account has the e-mail address already.
	ErrTaken = errors.New("there is an account of this e-mail address")
	// ErrClosed says that an account is closed.
	ErrClosed = errors.New("the account is closed")
	// ErrTooMany says that MaxOpenInvitations are open.
	ErrTooMany = errors.New("too many invitations are open")
)

// Invitation lets whoever has its token choose the password of an account: a new one, or, with Account, one that there is.
type Invitation struct {
	ID        uuid.UUID  `json:"id"`
	Account   *uuid.UUID `json:"account"` // null for a new one
	Email     string     `json:"email"`
	Name      string     `json:"name"`
	Role      Role       `json:"role"`
	CreatedAt time.Time  `json:"createdAt"`
	CreatedBy uuid.UUID  `json:"createdBy"`
	ExpiresAt time.Time  `json:"expiresAt"`
}

const invitationColumns = "id, staff_id, email, name, role, created_at, created_by, expires_at"

func scanInvitation(row pgx.CollectableRow) (Invitation, error) {
	i, err := pgx.RowToStructByPos[Invitation](row)
	i.CreatedAt, i.ExpiresAt = i.CreatedAt.UTC(), i.ExpiresAt.UTC()
	return i, err
}

// Invite makes an invitation and its token, which is shown this once: the database holds the SHA-256 of its secret half. An open one for the same
// address ends. i says account or address, name and role, and who invites. It fails with ErrTaken, ErrClosed or ErrTooMany.
func Invite(ctx context.Context, tx pgx.Tx, i Invitation, life time.Duration) (Invitation, string, error) {
	if i.Account != nil {
		var closed bool
		err := tx.QueryRow(ctx, "SELECT email, name, role, disabled_at IS NOT NULL FROM sb.staff WHERE id = $1", *i.Account).Scan(&i.Email, &i.Name, &i.Role, &closed)
		if err != nil {
			return i, "", fmt.Errorf("looking for an account: %w", err)
		}
		if closed {
			return i, "", ErrClosed
		}
	} else {
		i.Email = strings.ToLower(strings.TrimSpace(i.Email))
		var taken bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM sb.staff WHERE email = $1)", i.Email).Scan(&taken); err != nil {
			return i, "", fmt.Errorf("looking for an account: %w", err)
		}
		if taken {
			return i, "", ErrTaken
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return i, "", fmt.Errorf("making an id: %w", err)
	}
	secret := make([]byte, secretLength)
	rand.Read(secret) // never fails: crypto/rand ends the program instead
	hash := sha256.Sum256(secret)
	if _, err := tx.Exec(ctx, "DELETE FROM sb.staff_invitation WHERE email = $1", i.Email); err != nil {
		return i, "", fmt.Errorf("ending an earlier invitation: %w", err)
	}
	rows, _ := tx.Query(ctx, `INSERT INTO sb.staff_invitation (id, token_hash, staff_id, email, name, role, created_by, expires_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, now() + $8::interval WHERE (SELECT count(*) FROM sb.staff_invitation) < $9
		RETURNING `+invitationColumns, id, hash[:], i.Account, i.Email, i.Name, i.Role, i.CreatedBy, life, MaxOpenInvitations)
	made, err := pgx.CollectExactlyOneRow(rows, scanInvitation)
	if errors.Is(err, pgx.ErrNoRows) {
		return i, "", ErrTooMany
	}
	if err != nil {
		return i, "", fmt.Errorf("storing an invitation: %w", err)
	}
	return made, invitationPrefix + base64.RawURLEncoding.EncodeToString(append(id[:], secret...)), nil
}

// Invitations lists those that are open, the newest first.
func Invitations(ctx context.Context, tx pgx.Tx) ([]Invitation, error) {
	rows, _ := tx.Query(ctx, "SELECT "+invitationColumns+" FROM sb.staff_invitation ORDER BY created_at DESC, id DESC")
	all, err := pgx.CollectRows(rows, scanInvitation)
	if err != nil {
		return nil, fmt.Errorf("listing invitations: %w", err)
	}
	return all, nil
}

// Withdraw ends an invitation; false when there is none.
func Withdraw(ctx context.Context, tx pgx.Tx, id uuid.UUID) (bool, error) {
	tag, err := tx.Exec(ctx, "DELETE FROM sb.staff_invitation WHERE id = $1", id)
	if err != nil {
		return false, fmt.Errorf("withdrawing an invitation: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Accept makes the account of an invitation, or gives the one that there is another password and ends its sessions. name, when it is not
// empty, takes the place of the one that was thought of. The invitation is used up. It fails with ErrNoInvitation, or with ErrTaken.
func Accept(ctx context.Context, tx pgx.Tx, token, name, password string) (Member, error) {
	var m Member
	text, ok := strings.CutPrefix(token, invitationPrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(raw) != 16+secretLength {
		return m, ErrNoInvitation
	}
	id, sum := uuid.UUID(raw[:16]), sha256.Sum256(raw[16:])
	var stored []byte
	err = tx.QueryRow(ctx, "SELECT token_hash FROM sb.staff_invitation WHERE id = $1", id).Scan(&stored)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return m, fmt.Errorf("looking for an invitation: %w", err)
	}
	if subtle.ConstantTimeCompare(stored, sum[:]) != 1 {
		return m, ErrNoInvitation
	}
	hash, err := HashPassword(ctx, password)
	if err != nil {
		return m, err
	}
	fresh, err := uuid.NewV7()
	if err != nil {
		return m, fmt.Errorf("making an id: %w", err)
	}
	var account *uuid.UUID
	err = tx.QueryRow(ctx, "SELECT sb.staff_accept($1, $2, $3, $4)", id, fresh, name, hash).Scan(&account)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "23505": // unique_violation: of the address
		return m, ErrTaken
	case err != nil:
		return m, fmt.Errorf("accepting an invitation: %w", err)
	case account == nil:
		return m, ErrNoInvitation
	}
	err = tx.QueryRow(ctx, "SELECT id, email, name, role, "+factorOf+" FROM sb.staff s WHERE id = $1", *account).Scan(&m.ID, &m.Email, &m.Name, &m.Role, &m.SecondFactor)
	if err != nil {
		return m, fmt.Errorf("reading an account: %w", err)
	}
	return m, nil
}

// ChangePassword gives a member another password, and ends their sessions but the one of a token. It fails with ErrWrong when the present
// password is another.
func ChangePassword(ctx context.Context, tx pgx.Tx, id uuid.UUID, token, present, next string) error {
	var hash string
	if err := tx.QueryRow(ctx, "SELECT password_hash FROM sb.staff WHERE id = $1", id).Scan(&hash); err != nil {
		return fmt.Errorf("looking for an account: %w", err)
	}
	right, err := verifyPassword(ctx, hash, present)
	if err != nil {
		return err
	}
	if !right {
		return ErrWrong
	}
	if hash, err = HashPassword(ctx, next); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE sb.staff SET password_hash = $2 WHERE id = $1", id, hash); err != nil {
		return fmt.Errorf("changing a password: %w", err)
	}
	if _, err := tx.Exec(ctx, "UPDATE sb.staff_session SET revoked_at = now() WHERE staff_id = $1 AND token_hash <> $2 AND revoked_at IS NULL", id, tokenHash(token)); err != nil {
		return fmt.Errorf("ending the other sessions: %w", err)
	}
	return nil
}
