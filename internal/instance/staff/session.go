package staff

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
)

// SessionLife is how long a session lasts: a working day.
const SessionLife = 12 * time.Hour

// tokenPrefix lets secret scanners recognise a token that leaked.
const tokenPrefix = "sbs_"

var (
	// ErrWrong says that e-mail and password do not belong together, or that the
	// account is disabled; which of these is told to nobody.
	ErrWrong = errors.New("the e-mail address or the password is wrong")
	// ErrNoSession says that a token is unknown, expired or revoked.
	ErrNoSession = errors.New("the session is unknown, expired or signed out")
)

// Querier is a pool or a transaction.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Member is one of the tenant's staff.
type Member struct {
	ID    uuid.UUID `json:"id"`
	Email string    `json:"email"`
	Name  string    `json:"name"`
	Role  Role      `json:"role"`
	// SecondFactor is one of Factor….
	SecondFactor string `json:"secondFactor"`
}

// How it is with a member's second factor.
const (
	FactorNone   = "none"
	FactorOn     = "on"
	FactorNeeded = "needed" // it is required, and there is none: nothing else may be done before it is set up
)

// factorOf is that of an account s.
const factorOf = `CASE WHEN EXISTS (SELECT FROM sb.staff_factor f WHERE f.staff_id = s.id AND f.confirmed_at IS NOT NULL) THEN 'on'
	WHEN (SELECT require_factor FROM sb.staff_setting) THEN 'needed' ELSE 'none' END`

// Session is a sign-in. Token is known to its bearer alone: the database holds
// its SHA-256.
type Session struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
	Staff     Member    `json:"staff"`
}

// SignIn makes a session for whoever knows the password, else it returns ErrWrong,
// after the same time whether the account exists or not. Where there is a second factor, it wants a code of it too, and returns ErrCodeNeeded
// or ErrWrongCode; keys are asked for then.
func SignIn(ctx context.Context, db Querier, keys func() (*addresshash.Keys, error), email, password, code string) (Session, error) {
	var s Session
	var hash string
	email = strings.ToLower(strings.TrimSpace(email))
	err := db.QueryRow(ctx, `SELECT id, email, name, role, `+factorOf+`, password_hash FROM sb.staff s WHERE email = $1 AND disabled_at IS NULL`, email).
		Scan(&s.Staff.ID, &s.Staff.Email, &s.Staff.Name, &s.Staff.Role, &s.Staff.SecondFactor, &hash)
	known := err == nil
	if errors.Is(err, pgx.ErrNoRows) {
		hash = unknown
	} else if err != nil {
		return Session{}, fmt.Errorf("looking for an account: %w", err)
	}
	if len(password) > MaxPassword {
		password, known = password[:MaxPassword], false
	}
	right, err := verifyPassword(ctx, hash, password)
	if err != nil {
		return Session{}, err
	}
	if !right || !known {
		return Session{}, ErrWrong
	}
	if s.Staff.SecondFactor == FactorOn {
		if code == "" {
			return Session{}, ErrCodeNeeded
		}
		k, err := keys()
		if err != nil {
			return Session{}, err
		}
		if err := UseCode(ctx, db, k, s.Staff.ID, code); err != nil {
			return Session{}, err
		}
	}
	return Begin(ctx, db, s.Staff)
}

// Begin makes a session for a member who has shown who they are.
func Begin(ctx context.Context, db Querier, m Member) (Session, error) {
	s := Session{Staff: m}
	random := make([]byte, 32)
	rand.Read(random) // never fails: crypto/rand ends the program instead
	s.Token = tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	// Sessions that ended are of no more use: they go on the way.
	err := db.QueryRow(ctx, `WITH gone AS (
			DELETE FROM sb.staff_session WHERE staff_id = $2 AND (expires_at <= now() OR revoked_at IS NOT NULL)
		), active AS (
			UPDATE sb.staff SET last_active_at = now() WHERE id = $2
		)
		INSERT INTO sb.staff_session (token_hash, staff_id, expires_at)
		VALUES ($1, $2, now() + $3::interval) RETURNING expires_at`,
		tokenHash(s.Token), s.Staff.ID, SessionLife).Scan(&s.ExpiresAt)
	if err != nil {
		return Session{}, fmt.Errorf("storing a session: %w", err)
	}
	s.ExpiresAt = s.ExpiresAt.UTC()
	return s, nil
}

// OfToken gives the member whose session a token is, or ErrNoSession.
func OfToken(ctx context.Context, db Querier, token string) (Member, error) {
	var m Member
	if !strings.HasPrefix(token, tokenPrefix) {
		return m, ErrNoSession
	}
	err := db.QueryRow(ctx, `SELECT s.id, s.email, s.name, s.role, `+factorOf+`
		FROM sb.staff_session x JOIN sb.staff s ON s.id = x.staff_id
		WHERE x.token_hash = $1 AND x.expires_at > now() AND x.revoked_at IS NULL AND s.disabled_at IS NULL`,
		tokenHash(token)).Scan(&m.ID, &m.Email, &m.Name, &m.Role, &m.SecondFactor)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, ErrNoSession
	}
	if err != nil {
		return m, fmt.Errorf("looking for a session: %w", err)
	}
	return m, nil
}

// SignOut revokes the session of a token.
func SignOut(ctx context.Context, db Querier, token string) error {
	if _, err := db.Exec(ctx, "UPDATE sb.staff_session SET revoked_at = now() WHERE token_hash = $1 AND revoked_at IS NULL", tokenHash(token)); err != nil {
		return fmt.Errorf("revoking a session: %w", err)
	}
	return nil
}

// Hash is a token as the database knows it.
type Hash [sha256.Size]byte

// HashToken hashes a token.
func HashToken(token string) Hash { return sha256.Sum256([]byte(token)) }

// Live tells which of some sessions count still, and until when: not those that a second factor is to be set up in first.
func Live(ctx context.Context, db *pgxpool.Pool, tokens []Hash) (map[Hash]time.Time, error) {
	hashes := make([][]byte, len(tokens))
	for i := range tokens {
		hashes[i] = tokens[i][:]
	}
	rows, _ := db.Query(ctx, `SELECT x.token_hash, x.expires_at FROM sb.staff_session x JOIN sb.staff s ON s.id = x.staff_id
		WHERE x.token_hash = ANY ($1) AND x.expires_at > now() AND x.revoked_at IS NULL AND s.disabled_at IS NULL
			AND `+factorOf+` <> 'needed'`, hashes)
	live := map[Hash]time.Time{}
	var hash []byte
	var until time.Time
	_, err := pgx.ForEachRow(rows, []any{&hash, &until}, func() error {
		live[Hash(hash)] = until
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("asking which sessions count: %w", err)
	}
	return live, nil
}

func tokenHash(token string) []byte {
	sum := HashToken(token)
	return sum[:]
}
