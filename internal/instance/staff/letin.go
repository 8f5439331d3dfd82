package staff

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// LetInLife is how long a supervisor who was locked out has to choose another password.
const LetInLife = 4 * time.Hour

// ErrNoSupervisor says that an address is no supervisor's. Others who are locked out are a supervisor's to help.
var ErrNoSupervisor = errors.New("no supervisor has this e-mail address, or the account has expired; supervisors see to other accounts, and a migration makes the first one again when no supervisor is left")

// LetIn opens a supervisor's account, takes its second factor, its password, its link to a provider and its sessions away, and gives the token with which its
// password is chosen anew within LetInLife: whoever knows the old one is not let in. The access log has a line of it, by nobody of the staff. The pool's role is a member of sb_serve. It fails
// with ErrNoSupervisor or ErrTooMany, and then changes nothing.
func LetIn(ctx context.Context, pool *pgxpool.Pool, email string) (token string, err error) {
	unusable, err := HashPassword(ctx, crand.Text()+crand.Text()) // nobody ever knows it
	if err != nil {
		return "", err
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var id uuid.UUID
		err := tx.QueryRow(ctx, "SELECT id FROM sb.staff WHERE email = $1 AND role = $2", strings.ToLower(strings.TrimSpace(email)), Supervisor).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNoSupervisor
		}
		if err != nil {
			return fmt.Errorf("looking for an account: %w", err)
		}
		open := true
		// Which fails for nobody but an account that came without a password while no other supervisor has one.
		if _, err := ChangeAccount(ctx, tx, id, Change{Active: &open}); err != nil {
			return err
		}
		if _, err := DropFactor(ctx, tx, id); err != nil {
			return err
		}
		if _, err := Unlink(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE sb.staff SET password_hash = $2 WHERE id = $1", id, unusable); err != nil {
			return fmt.Errorf("taking the old password away: %w", err)
		}
		if _, err := tx.Exec(ctx, "UPDATE sb.staff_session SET revoked_at = now() WHERE staff_id = $1 AND revoked_at IS NULL", id); err != nil {
			return fmt.Errorf("ending the account's sessions: %w", err)
		}
		if _, token, err = Invite(ctx, tx, Invitation{Account: &id, CreatedBy: id}, LetInLife); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO sb.access_log (method, route, object_id, status) VALUES ('AUDIT', 'instance staff', $1, 200)", id); err != nil {
			return fmt.Errorf("logging that an account was let in: %w", err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// maxLine bounds what is read of a line with an address, in bytes.
const maxLine = 512

// LetInCommand is `instance staff`: it reads the e-mail address from in, and writes the link to out. page is the address of the
// staff's page.
func LetInCommand(ctx context.Context, log *slog.Logger, in io.Reader, out io.Writer, page string) error {
	email, err := io.ReadAll(io.LimitReader(in, maxLine))
	if err != nil {
		return fmt.Errorf("reading the e-mail address: %w", err)
	}
	if strings.TrimSpace(string(email)) == "" {
		return errors.New("standard input is empty; write the supervisor's e-mail address to it")
	}
	pool, err := store.OpenConfig(ctx, log, store.Config{MaxConns: 1})
	if err != nil {
		return err
	}
	defer pool.Close()
	token, err := LetIn(ctx, pool, string(email))
	if err != nil {
		return fmt.Errorf("letting a supervisor in: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s#invitation=%s\n", page, token); err != nil {
		return fmt.Errorf("writing the link: %w", err)
	}
	return nil
}
