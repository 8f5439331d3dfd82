package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/notice"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// tellNotice has a message link the tenant's privacy notice, and marks the guest as told, when it is due: once, and once more after
// a material change. One that has no room for the line goes as it is, and the next one tells. It is part of the message's transaction.
func tellNotice(ctx context.Context, tx pgx.Tx, v conversation, m *message) error {
	var url, language string
	var version int32
	var again bool
	var of person.Address
	err := tx.QueryRow(ctx, "SELECT url, version, language, again, kind, address FROM sb.notice_due($1)", v.ID).
		Scan(&url, &version, &language, &again, &of.Kind, &of.Value)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking whether the guest knows the privacy notice: %w", err)
	}
	body := notice.With(*m.Body, notice.Language(of, language), url, again)
	if utf8.RuneCountInString(body) > maxReply {
		return nil
	}
	m.Body = &body
	if _, err := tx.Exec(ctx, "SELECT sb.notice_told($1, $2, $3, $4)", v.ID, version, m.ID, m.At); err != nil {
		return fmt.Errorf("noting that the guest is told of the privacy notice: %w", err)
	}
	return nil
}

// countNotice bounds the count of who was told, which reads every contact: the operator's question must not wait for it.
const countNotice = 2 * time.Second

// noticeState gives who was told of the tenant's notice, nil for none. They are counted once an hour; a count that is not done in
// time leaves the one before.
func noticeState(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (*contract.NoticeState, error) {
	var due bool
	if err := pool.QueryRow(ctx, "SELECT sb.notice_counts()").Scan(&due); err != nil {
		return nil, fmt.Errorf("asking whether to count who was told of the privacy notice: %w", err)
	}
	if due {
		counting, cancel := context.WithTimeout(ctx, countNotice)
		defer cancel()
		if _, err := pool.Exec(counting, "SELECT sb.notice_count($1, $2)", contract.MinGroup, contract.MaxNoticeCounts); err != nil {
			log.Warn("who was told of the privacy notice was not counted; the count before stands for another hour", "error", err.Error())
		}
	}
	var s contract.NoticeState
	err := pool.QueryRow(ctx, "SELECT version, told, to_tell FROM sb.notice_state()").Scan(&s.Version, &s.Told, &s.ToTell)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading who was told of the privacy notice: %w", err)
	}
	return &s, nil
}
