package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// maxAnchor bounds the anchor that the operator sends, in bytes.
const maxAnchor = 4096

// State answers contract.PathState, to the operator alone: it names nobody. The pool is
// not guarded, because what is asked is whether the database is behind.
func State(pool *pgxpool.Pool, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !httpserve.IsOperator(r) {
			http.NotFound(w, r) // to everyone else there is nothing here
			return
		}
		var anchor contract.Anchor
		raw := r.URL.Query().Get("anchor")
		if err := json.Unmarshal([]byte(raw), &anchor); err != nil || len(raw) > maxAnchor {
			http.Error(w, "the parameter anchor is no anchor as JSON", http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		state, err := readState(ctx, pool, anchor)
		if err != nil {
			log.Error("telling the operator what the database holds failed", "error", err.Error())
			http.Error(w, "the database did not answer; see the pod's log", http.StatusServiceUnavailable)
			return
		}
		if !state.Behind {
			if state.Usage, err = usage(ctx, pool); err != nil {
				log.Error("telling the operator what the tenant is billed by failed", "error", err.Error()) // the rest is told all the same
			}
			if state.Notice, err = noticeState(ctx, pool, log); err != nil {
				log.Error("telling the operator who was told of the privacy notice failed", "error", err.Error())
			}
			if state.Desk, err = deskState(ctx, pool); err != nil {
				log.Error("telling the operator what the privacy desk has failed", "error", err.Error())
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(state) // a client that went away can't be told
	})
}

func readState(ctx context.Context, pool *pgxpool.Pool, anchor contract.Anchor) (contract.State, error) {
	var s contract.State
	// One snapshot: what is told belongs together.
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		args := store.AnchorArgs(anchor)
		err := tx.QueryRow(ctx, `SELECT sb.behind($1, $2, $3, $4::text::xid8, $5), sb.lacks($1, $2, $3, $4::text::xid8, $5), sb.epoch()`, args...).
			Scan(&s.Behind, &s.Lacks, &s.Epoch)
		if err != nil {
			return fmt.Errorf("comparing with the anchor: %w", err)
		}
		err = tx.QueryRow(ctx, "SELECT sequence, digest FROM sb.receipt ORDER BY sequence DESC LIMIT 1").Scan(&s.Head.Sequence, &s.Head.Digest)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("reading the head: %w", err)
		}
		if s.Webhooks, err = webhooks(ctx, tx); err != nil {
			return err
		}
		newest, err := consents(ctx, tx, "SELECT * FROM sb.consent_newest()")
		if err != nil {
			return err
		}
		if len(newest) > 0 {
			s.Consent = newest[0].Position
		}
		if s.Behind {
			return nil
		}
		c := anchor.Consent
		s.Consents, err = consents(ctx, tx, "SELECT * FROM sb.consents_after($1, $2::text::xid8, $3, $4)",
			c.Epoch, strconv.FormatUint(c.XID, 10), c.ID, contract.MaxConsents)
		return err
	})
	return s, err
}

func consents(ctx context.Context, tx pgx.Tx, query string, args ...any) ([]contract.Consent, error) {
	rows, _ := tx.Query(ctx, "SELECT epoch, xid::text, id, at, channel, address_hash, key_version, change, source, reason FROM ("+query+") c", args...)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c contract.Consent, err error) {
		var xid string
		var hash []byte
		var at time.Time
		if err := row.Scan(&c.Epoch, &xid, &c.ID, &at, &c.Channel, &hash, &c.KeyVersion, &c.Change, &c.Source, &c.Reason); err != nil {
			return c, err
		}
		c.At, c.Hash = at.UTC(), hex.EncodeToString(hash)
		c.XID, err = strconv.ParseUint(xid, 10, 64)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading changes of consent: %w", err)
	}
	return all, nil
}

func webhooks(ctx context.Context, tx pgx.Tx) ([]contract.WebhookState, error) {
	rows, _ := tx.Query(ctx, "SELECT name, waiting, dead, COALESCE(problem, ''), failing_since, ended FROM sb.webhook_state()")
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[contract.WebhookState])
	if err != nil {
		return nil, fmt.Errorf("reading how webhooks fare: %w", err)
	}
	return all, nil
}
