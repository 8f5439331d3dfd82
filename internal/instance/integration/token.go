// Package integration knows the other systems of a client, such as property management and
// ticketing: their tokens, and what each may do.
package integration

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

// Scope is something that a token may do.
type Scope string

// Scopes. A token has those that it was made with, and never more.
const (
	WriteEvents       Scope = "events:write"
	WriteOptOuts      Scope = "optouts:write"
	ReadContacts      Scope = "contacts:read"
	ReadConversations Scope = "conversations:read"
	WriteMessages     Scope = "messages:write"
	ReadTestimonials  Scope = "testimonials:read"
)

// Scopes are all there are.
func Scopes() []Scope {
	return []Scope{WriteEvents, WriteOptOuts, ReadContacts, ReadConversations, WriteMessages, ReadTestimonials}
}

// MaxLife bounds a token's life, in days of 24 hours.
const MaxLife = 366

// tokenPrefix lets secret scanners recognise a token that leaked, and tells it from a
// session's.
const tokenPrefix = "sbi_"

// ErrNoToken says that a token is unknown, expired or revoked; which of these is told to
// nobody.
var ErrNoToken = errors.New("the token is unknown, expired or revoked")

// System is one of the client's.
type System struct {
	ID         uuid.UUID  `json:"id"`
	Name       string     `json:"name"`
	Scopes     []Scope    `json:"scopes"`
	CreatedAt  time.Time  `json:"createdAt"`
	CreatedBy  uuid.UUID  `json:"createdBy"` // the member of staff
	ExpiresAt  time.Time  `json:"expiresAt"`
	LastUsedAt *time.Time `json:"lastUsedAt"` // to the minute; null when it never was
	RevokedAt  *time.Time `json:"revokedAt"`
}

// May says whether the system's token has a scope.
func (s System) May(scope Scope) bool { return slices.Contains(s.Scopes, scope) }

// IsToken says whether a bearer's token is meant to be a system's.
func IsToken(token string) bool { return strings.HasPrefix(token, tokenPrefix) }

// Create makes a system and its token, which is shown this once: the database holds its
// SHA-256.
func Create(ctx context.Context, tx pgx.Tx, name string, scopes []Scope, days int, by uuid.UUID) (System, string, error) {
	random := make([]byte, 32)
	rand.Read(random) // never fails: crypto/rand ends the program instead
	token := tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	id, err := uuid.NewV7()
	if err != nil {
		return System{}, "", fmt.Errorf("making an id: %w", err)
	}
	rows, err := tx.Query(ctx, `INSERT INTO sb.integration (id, name, token_hash, scopes, created_by, expires_at)
		VALUES ($1, $2, $3, $4, $5, now() + make_interval(days => $6)) RETURNING `+columns, id, name, tokenHash(token), scopes, by, days)
	if err != nil {
		return System{}, "", fmt.Errorf("storing an integration: %w", err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, scan)
	if err != nil {
		return System{}, "", fmt.Errorf("storing an integration: %w", err)
	}
	return s, token, nil
}

const columns = "id, name, scopes, created_at, created_by, expires_at, last_used_at, revoked_at"

func scan(row pgx.CollectableRow) (System, error) {
	var s System
	err := row.Scan(&s.ID, &s.Name, &s.Scopes, &s.CreatedAt, &s.CreatedBy, &s.ExpiresAt, &s.LastUsedAt, &s.RevokedAt)
	for _, at := range []*time.Time{&s.CreatedAt, &s.ExpiresAt, s.LastUsedAt, s.RevokedAt} {
		if at != nil {
			*at = at.UTC()
		}
	}
	return s, err
}

// List gives all systems, revoked and expired ones too, the newest first.
func List(ctx context.Context, tx pgx.Tx) ([]System, error) {
	rows, err := tx.Query(ctx, "SELECT "+columns+" FROM sb.integration ORDER BY created_at DESC, id DESC")
	if err != nil {
		return nil, fmt.Errorf("listing integrations: %w", err)
	}
	all, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("listing integrations: %w", err)
	}
	return all, nil
}

// Revoke ends a token at once; false when there is no such system. Again changes nothing.
func Revoke(ctx context.Context, tx pgx.Tx, id uuid.UUID) (bool, error) {
	tag, err := tx.Exec(ctx, "UPDATE sb.integration SET revoked_at = COALESCE(revoked_at, now()) WHERE id = $1", id)
	if err != nil {
		return false, fmt.Errorf("revoking an integration: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// OfToken gives the system whose token it is, or ErrNoToken, and notes that it was used. The
// note is of the minute, so that requests at once don't wait for each other.
func OfToken(ctx context.Context, db staff.Querier, token string) (System, error) {
	var s System
	if !IsToken(token) {
		return s, ErrNoToken
	}
	var stale bool
	err := db.QueryRow(ctx, `SELECT id, name, scopes, COALESCE(last_used_at < now() - interval '1 minute', true) FROM sb.integration
		WHERE token_hash = $1 AND expires_at > now() AND revoked_at IS NULL`, tokenHash(token)).Scan(&s.ID, &s.Name, &s.Scopes, &stale)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, ErrNoToken
	}
	if err != nil {
		return s, fmt.Errorf("looking for a token: %w", err)
	}
	if stale {
		if _, err := db.Exec(ctx, "UPDATE sb.integration SET last_used_at = now() WHERE id = $1", s.ID); err != nil {
			return s, fmt.Errorf("noting that a token was used: %w", err)
		}
	}
	return s, nil
}

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
