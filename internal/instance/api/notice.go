package api

import (
	"context"
	"errors"
	"fmt"
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

// noticeState counts who was told of the tenant's notice, nil for none.
func noticeState(ctx context.Context, pool *pgxpool.Pool) (*contract.NoticeState, error) {
	var s contract.NoticeState
	err := pool.QueryRow(ctx, "SELECT version, told, to_tell FROM sb.notice_state($1, $2)", contract.MinGroup, contract.MaxNoticeCounts).
		Scan(&s.Version, &s.Told, &s.ToTell)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("counting who was told of the privacy notice: %w", err)
	}
	return &s, nil
}
