package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
)

// Desk answers contract.PathDesk, to the operator alone: what it tells is kept for privacy officers to see, and what they
// have filed is its answer.
func Desk(pool *pgxpool.Pool, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !httpserve.IsOperator(r) {
			http.NotFound(w, r) // to everyone else there is nothing here
			return
		}
		var told contract.DeskTold
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, contract.MaxDeskTold))
		if err == nil {
			err = json.Unmarshal(body, &told)
		}
		if err != nil {
			http.Error(w, "the body is nothing that a privacy desk is told, as JSON", http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		var answer contract.DeskFiled
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if err := learn(ctx, tx, told); err != nil {
				return err
			}
			if answer.Filed, err = waiting(ctx, tx); err != nil {
				return err
			}
			answer.Answered, err = answered(ctx, tx)
			return err
		})
		if err != nil {
			log.Error("handing the operator what privacy officers filed failed", "error", err.Error())
			http.Error(w, "the database did not answer; see the pod's log", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(answer) // a client that went away can't be told
	})
}

// desk is what the operator told, as the database keeps it.
type desk struct {
	Requests []contract.DeskRequest `json:"requests"`
	Holds    []contract.DeskHold    `json:"holds"`
	Cut      bool                   `json:"cut"`
}

func learn(ctx context.Context, tx pgx.Tx, told contract.DeskTold) error {
	kept := desk{append([]contract.DeskRequest{}, told.Requests...), append([]contract.DeskHold{}, told.Holds...), told.Cut}
	type taken struct {
		ID      string  `json:"id"`
		Name    *string `json:"name"`
		Refused *string `json:"refused"`
	}
	all := []taken{}
	for _, t := range told.Taken {
		one := taken{ID: t.ID}
		if t.Name != "" {
			one.Name = &t.Name
		} else {
			why := shorten(t.Refused, maxLogged)
			one.Refused = &why
		}
		all = append(all, one)
	}
	if _, err := tx.Exec(ctx, "SELECT sb.desk_tell($1, $2, $3)", told.Digest, kept, all); err != nil {
		return fmt.Errorf("keeping what the operator told: %w", err)
	}
	return nil
}

func waiting(ctx context.Context, tx pgx.Tx) ([]contract.Filed, error) {
	rows, _ := tx.Query(ctx, "SELECT id::text, type, received_at, due_days, COALESCE(archive_key, ''), subject FROM sb.filed_requests($1)", contract.MaxFiled)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[contract.Filed])
	if err != nil {
		return nil, fmt.Errorf("reading what was filed: %w", err)
	}
	for i := range all {
		all[i].ReceivedAt = all[i].ReceivedAt.UTC()
	}
	return all, nil
}

func answered(ctx context.Context, tx pgx.Tx) ([]contract.DeskAnswered, error) {
	rows, _ := tx.Query(ctx, "SELECT id::text, at FROM sb.filed_answers($1)", contract.MaxFiled)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[contract.DeskAnswered])
	if err != nil {
		return nil, fmt.Errorf("reading which complaints were answered: %w", err)
	}
	for i := range all {
		all[i].At = all[i].At.UTC()
	}
	return all, nil
}

func deskState(ctx context.Context, pool *pgxpool.Pool) (*contract.DeskState, error) {
	var s contract.DeskState
	if err := pool.QueryRow(ctx, "SELECT filed, digest FROM sb.desk_state()").Scan(&s.Filed, &s.Digest); err != nil {
		return nil, fmt.Errorf("counting what waits: %w", err)
	}
	return &s, nil
}
