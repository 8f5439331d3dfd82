package queue_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/queue"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// The job is there when the message is, and not otherwise; it carries ids alone.
func TestAJobIsPartOfItsTransaction(t *testing.T) {
	d := pgtest.New(t)
	serve, admin := d.Serve(t), d.Admin(t)
	args := queue.SendArgs{MessageID: uuid.Must(uuid.NewV7()), At: time.Date(2026, 11, 24, 1, 2, 3, 456789000, time.UTC)}
	jobs := func(channel string) (n int) {
		t.Helper()
		if err := admin.QueryRow(t.Context(), "SELECT count(*) FROM "+contract.QueueSchema(channel)+".river_job").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, end := range []func(pgx.Tx) error{func(tx pgx.Tx) error { return tx.Rollback(t.Context()) }, func(tx pgx.Tx) error { return tx.Commit(t.Context()) }} {
		tx, err := serve.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := queue.InsertTx(t.Context(), tx, pgtest.Channel, args); err != nil {
			t.Fatal(err)
		}
		if n := jobs(pgtest.Channel); n != 0 {
			t.Errorf("%d jobs before the transaction ended", n)
		}
		if err := end(tx); err != nil {
			t.Fatal(err)
		}
	}
	if n, other := jobs(pgtest.Channel), jobs(pgtest.OtherChannel); n != 1 || other != 0 {
		t.Errorf("%d jobs on the channel and %d on the other, want 1 and 0", n, other)
	}
	var kind string
	var encoded []byte
	if err := admin.QueryRow(t.Context(), "SELECT kind, args FROM "+contract.QueueSchema(pgtest.Channel)+".river_job").Scan(&kind, &encoded); err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if kind != "send" || len(got) != 2 || got["message_id"] != args.MessageID.String() || got["at"] != "2026-11-24T01:02:03.456789Z" {
		t.Errorf("the job is %s %s", kind, encoded)
	}
}

func TestAChannelWithoutAQueueIsTold(t *testing.T) {
	tx, err := pgtest.New(t).Serve(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if err := queue.InsertTx(t.Context(), tx, "removed", queue.SendArgs{MessageID: uuid.New(), At: time.Now()}); err == nil {
		t.Error("a message was queued on a channel that has no queue")
	}
}
