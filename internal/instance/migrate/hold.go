package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// Aliases are the kinds and keyed hashes of a person's addresses, in two lists of equal length.
type Aliases struct {
	Kinds  []string
	Hashes [][]byte
}

// readAliases reads the persons whose Secrets are mounted. One that can't be read must
// not keep the tenant from all else: its hold keeps the addresses that the database has,
// and its error is given beside the others'.
func readAliases(holds []contract.Hold, dir, keysDir string) (all map[string]Aliases, unreadable []error, err error) {
	all = map[string]Aliases{}
	var keys *addresshash.Keys
	for _, h := range holds {
		if !h.Subject || !holdName.MatchString(h.Name) {
			continue
		}
		folder := filepath.Join(dir, h.Name)
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if keys == nil {
			if keys, err = addresshash.Load(keysDir); err != nil {
				return nil, nil, err
			}
		}
		addresses, err := person.Read(folder)
		if err != nil {
			unreadable = append(unreadable, fmt.Errorf("hold %s: %w", h.Name, err))
			continue
		}
		var a Aliases
		a.Kinds, a.Hashes = person.Hashes(keys, addresses)
		all[h.Name] = a
	}
	return all, unreadable, nil
}

var holdName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$`)

func (in Input) validateHolds() error {
	seen := map[string]bool{}
	for _, h := range in.Setup.Holds {
		switch {
		case !holdName.MatchString(h.Name) || seen[h.Name]:
			return fmt.Errorf("hold %q is listed twice or has no good name in %s", h.Name, contract.EnvSetup)
		case !h.Subject && h.Conversation == "" && h.Channel == "" && h.From == nil && h.To == nil:
			return fmt.Errorf("hold %s names nothing; give it a subject, conversation, channel or range of time", h.Name)
		case h.Conversation != "" && uuid.Validate(h.Conversation) != nil:
			return fmt.Errorf("hold %s: the conversation is no UUID", h.Name)
		}
		seen[h.Name] = true
	}
	return nil
}

// ReplaceRules puts holds and limits in force, all at once, and counts what each hold
// matches. Deletions that are under way are waited for: from then on, nothing held goes.
func ReplaceRules(ctx context.Context, owner *pgxpool.Pool, in Input) (matches []contract.HoldMatch, err error) {
	err = pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE sb.rules SET changed_at = now()"); err != nil {
			return fmt.Errorf("waiting for deletions that are under way: %w", err)
		}
		if err := replaceLimits(ctx, tx, in.Setup.Retention); err != nil {
			return err
		}
		matches, err = replaceHolds(ctx, tx, in.Setup.Holds, in.Aliases)
		return err
	})
	return matches, err
}

func replaceHolds(ctx context.Context, tx pgx.Tx, holds []contract.Hold, aliases map[string]Aliases) ([]contract.HoldMatch, error) {
	names := make([]string, 0, len(holds))
	for _, h := range holds {
		names = append(names, h.Name)
	}
	if _, err := tx.Exec(ctx, "DELETE FROM sb.hold WHERE name <> ALL ($1)", names); err != nil {
		return nil, fmt.Errorf("releasing holds: %w", err)
	}
	var matches []contract.HoldMatch
	for _, h := range holds {
		if err := replaceHold(ctx, tx, h, aliases[h.Name]); err != nil {
			return nil, fmt.Errorf("hold %s: %w", h.Name, err)
		}
		if len(matches) == contract.MaxHoldsTold {
			continue
		}
		match, err := countHold(ctx, tx, h.Name)
		if err != nil {
			return nil, fmt.Errorf("counting what hold %s matches: %w", h.Name, err)
		}
		matches = append(matches, match)
	}
	return matches, nil
}

func replaceHold(ctx context.Context, tx pgx.Tx, h contract.Hold, a Aliases) error {
	var conversation, channel *string
	if h.Conversation != "" {
		conversation = &h.Conversation
	}
	if h.Channel != "" {
		channel = &h.Channel
	}
	if _, err := tx.Exec(ctx, `INSERT INTO sb.hold (name, by_subject, conversation_id, channel, from_at, to_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (name) DO UPDATE SET by_subject = excluded.by_subject, conversation_id = excluded.conversation_id,
			channel = excluded.channel, from_at = excluded.from_at, to_at = excluded.to_at, expires_at = excluded.expires_at`,
		h.Name, h.Subject, conversation, channel, h.From, h.To, h.Expires); err != nil {
		return err
	}
	if len(a.Hashes) == 0 {
		return nil
	}
	// The contacts who were found by an address that is named no more are let go; else all who were ever found stay.
	if _, err := tx.Exec(ctx, `WITH named AS (SELECT * FROM unnest($2::text[], $3::bytea[]) n (kind, address_hash)),
		dropped AS (DELETE FROM sb.hold_alias x WHERE hold = $1 AND NOT EXISTS (
			SELECT FROM named n WHERE n.kind = x.kind AND n.address_hash = x.address_hash) RETURNING 1)
		DELETE FROM sb.hold_contact WHERE hold = $1 AND EXISTS (SELECT FROM dropped)`, h.Name, a.Kinds, a.Hashes); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO sb.hold_alias (hold, kind, address_hash) SELECT $1, kind, address_hash
		FROM unnest($2::text[], $3::bytea[]) n (kind, address_hash) ON CONFLICT DO NOTHING`, h.Name, a.Kinds, a.Hashes); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO sb.hold_contact (hold, contact_id) SELECT x.hold, c.contact_id
		FROM sb.hold_alias x JOIN sb.contact_address c USING (kind, address_hash) WHERE x.hold = $1 ON CONFLICT DO NOTHING`, h.Name)
	return err
}

func countHold(ctx context.Context, tx pgx.Tx, name string) (contract.HoldMatch, error) {
	m := contract.HoldMatch{Hold: name}
	err := tx.QueryRow(ctx, `SELECT
			CASE WHEN h.by_subject THEN (SELECT count(*) FROM sb.hold_contact b WHERE b.hold = h.name) ELSE q.contacts END, q.conversations, q.messages
		FROM sb.hold h CROSS JOIN LATERAL (
			SELECT count(DISTINCT v.contact_id) AS contacts, count(DISTINCT v.id) AS conversations, count(*) AS messages
			FROM sb.conversation v JOIN sb.message m ON m.conversation_id = v.id
			WHERE (h.conversation_id IS NULL OR v.id = h.conversation_id) AND (h.channel IS NULL OR v.channel = h.channel)
				AND (h.from_at IS NULL OR m.at >= h.from_at) AND (h.to_at IS NULL OR m.at < h.to_at)
				AND (NOT h.by_subject OR v.contact_id IN (SELECT b.contact_id FROM sb.hold_contact b WHERE b.hold = h.name))) q
		WHERE h.name = $1`, name).Scan(&m.Contacts, &m.Conversations, &m.Messages)
	return m, err
}
