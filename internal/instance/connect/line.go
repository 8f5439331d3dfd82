package connect

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/internal/instance/queue"
)

// lineLetter is what is stored with a message that a line brought.
type lineLetter struct {
	connection   provider.Connection
	fingerprints [][]byte
	doubtful     bool
	from         person.Address
	long         *provider.LongMessage // nil for a message of one part
	key          []byte
	words        func(text string) (optout.Command, string)

	unconfirmed int64 // what sb.smpp_confirm takes
}

const callJoin = `SELECT body, complete FROM sb.smpp_join($1, $2, $3, $4)`

const callLine = `SELECT stored, confirmation_at, unconfirmed FROM sb.smpp_receive($1, $2, $3, $4, $5, $6, $7,
	$8, $9, $10, $11, $12, $13, $14, $15, NULLIF($16, ''), $17, $18, $19, $20)`

// heard is what a text asks for, and what confirms it.
func (c *Connector) heard(text string) (optout.Command, string) {
	command := c.words.Command(text)
	return command, optout.Answer(command)
}

// receiveLines stores what a line brought, in one transaction, in order: what the parts of a long message ask for is known from those
// before.
func (d database) receiveLines(ctx context.Context, channel string, group []*letter) error {
	stored := 0
	err := pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		stored = 0
		for rest := group; len(rest) > 0; {
			n := 1
			if rest[0].line.long == nil {
				for n < len(rest) && rest[n].line.long == nil {
					n++
				}
			}
			isNew, err := receiveRun(ctx, tx, channel, rest[:n])
			if err != nil {
				return err
			}
			stored += isNew
			rest = rest[n:]
		}
		return nil
	})
	if err != nil {
		return described("storing messages", err)
	}
	received.add("stored", stored)
	received.add("duplicate", len(group)-stored)
	return nil
}

// receiveRun stores messages of one part at once, or a part of a long one.
func receiveRun(ctx context.Context, tx pgx.Tx, channel string, run []*letter) (stored int, err error) {
	batch := &pgx.Batch{}
	var confirmations []job
	for _, l := range run {
		command, answer, part, of := l.command, l.answer, 1, 1
		if long := l.line.long; long != nil {
			part, of = long.Part, long.Of
			var joined *string
			var complete bool
			if err := tx.QueryRow(ctx, callJoin, l.line.key, part, of, l.body).Scan(&joined, &complete); err != nil {
				return 0, err
			}
			if command, answer = optout.None, ""; joined != nil {
				// A word that is an order says so alone. A wish in words of the guest's own may stand in any part.
				if said, says := l.line.words(*joined); complete || said == optout.Request {
					command, answer = said, says
				}
			} else if said, _ := l.line.words(l.body); said == optout.Request {
				command = said
			}
		}
		batch.Queue(callLine, l.line.connection.ID, l.line.connection.Since, l.line.fingerprints, l.line.doubtful, l.line.key, part, of,
			l.providerID, l.seen, l.kinds, l.addresses, l.hashes, l.keyVersion, l.body, string(command), answer,
			l.message, l.contact, l.conversation, l.confirmation).QueryRow(func(row pgx.Row) error {
			var isNew bool
			var confirmed *time.Time
			if err := row.Scan(&isNew, &confirmed, &l.line.unconfirmed); err != nil {
				return err
			}
			if isNew {
				stored++
			}
			if confirmed != nil {
				confirmations = append(confirmations, job{queue.SendArgs{MessageID: l.confirmation, At: *confirmed}, l.of})
			}
			return nil
		})
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return 0, err
	}
	return stored, insert(ctx, tx, channel, confirmations)
}

// parts tells which parts of a message were begun.
func (d database) parts(ctx context.Context, k provider.Key) ([]provider.Part, error) {
	rows, err := d.pool.Query(ctx, "SELECT part, parts, reference, taken FROM sb.smpp_parts($1, $2)", k.ID, k.At)
	if err != nil {
		return nil, described("looking for the parts of a message", err)
	}
	parts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (provider.Part, error) {
		var p provider.Part
		err := row.Scan(&p.Number, &p.Of, &p.Reference, &p.Taken)
		return p, err
	})
	return parts, described("looking for the parts of a message", err)
}

// recall settles an attempt by what the provider itself has noted.
func (s *sender) recall(ctx context.Context, line provider.Line, k messageKey) (settled bool, err error) {
	sent, settled, err := line.Recall(ctx, provider.Key{ID: k.id, At: k.at})
	var unknown *provider.UnknownError
	switch {
	case errors.As(err, &unknown):
		s.c.log.Warn("whether a message was sent is unknown, and the provider can't be asked", "message", k.id.String())
		err = s.unknown(ctx, k, codeUnanswered)
		return err == nil, err
	case err != nil || !settled:
		return false, err
	}
	err = s.bind(ctx, k, sent)
	return err == nil, err
}
