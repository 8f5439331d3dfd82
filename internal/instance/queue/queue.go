// Package queue is the outbound queue of a channel: River's tables in a schema
// of the channel's own, so that a connector sees its own queue alone. Jobs carry
// ids, never words or addresses.
package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/tracing"
)

// SendArgs asks a connector to send one message: the key of its row in sb.message.
type SendArgs struct {
	MessageID uuid.UUID `json:"message_id"`
	At        time.Time `json:"at"`
	Files     int       `json:"files,omitempty"` // that it goes with; without all of them it does not go
}

// Kind names the job for River.
func (SendArgs) Kind() string { return "send" }

// maxAttempts bounds the tries of one message; with the connector's delays they span about an hour.
const maxAttempts = 60

// InsertOpts are River's settings of the job.
func (SendArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: maxAttempts} }

// FetchArgs asks a connector to fetch one file of a guest's: the key of its row in sb.attachment.
type FetchArgs struct {
	AttachmentID uuid.UUID `json:"attachment_id"`
}

// Kind names the job for River.
func (FetchArgs) Kind() string { return "fetch" }

// Media is the queue of fetches: however slow they are, messages are sent.
const Media = "media"

// maxFetches bounds the tries of one file; with the connector's delays they span about twenty minutes.
const maxFetches = 25

// InsertOpts are River's settings of the job.
func (FetchArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: maxFetches, Queue: Media}
}

// InsertTx adds a job to a channel's queue in tx: the job exists when the
// message does. Its steps are traced as a part of what ctx belongs to.
func InsertTx(ctx context.Context, tx pgx.Tx, channel string, args river.JobArgs) error {
	client, err := river.NewClient(riverpgxv5.New(nil), &river.Config{Schema: contract.QueueSchema(channel)})
	if err != nil {
		return fmt.Errorf("opening the queue of channel %s: %w", channel, err)
	}
	if _, err := client.InsertTx(ctx, tx, args, &river.InsertOpts{Metadata: tracing.Carry(ctx)}); err != nil {
		return fmt.Errorf("queueing a message on channel %s: %w", channel, err)
	}
	return nil
}

// Migrate makes River's tables in schema, or brings them up to date. The schema
// must exist, and the pool's role own it.
func Migrate(ctx context.Context, pool *pgxpool.Pool, schema string) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: schema})
	if err != nil {
		return fmt.Errorf("preparing queue schema %s: %w", schema, err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrating queue schema %s: %w", schema, err)
	}
	return nil
}
