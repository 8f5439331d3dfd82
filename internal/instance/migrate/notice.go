package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

func (in Input) validatePrivacyNotice() error {
	n := in.Setup.PrivacyNotice
	switch {
	case n == nil:
		return nil
	case !strings.HasPrefix(n.URL, "https://") || len(n.URL) > contract.MaxNoticeURL || strings.ContainsFunc(n.URL, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("the privacy notice in %s has the address %q; write one by https of at most %d ASCII characters", contract.EnvSetup, n.URL, contract.MaxNoticeURL)
	case n.Material < 1 || n.Material > n.Version:
		return fmt.Errorf("the privacy notice in %s is version %d, with %d as the newest material one; write a positive number that is not above the version", contract.EnvSetup, n.Version, n.Material)
	case !slices.Contains(contract.NoticeLanguages(), n.Language):
		return fmt.Errorf("the privacy notice in %s has the language %q; write one of %s", contract.EnvSetup, n.Language, strings.Join(contract.NoticeLanguages(), ", "))
	}
	return nil
}

// replacePrivacyNotice has guests told of a notice, nil being none. Who was told of which version stays.
func replacePrivacyNotice(ctx context.Context, owner *pgxpool.Pool, n *contract.PrivacyNotice) error {
	return pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM sb.privacy_notice"); err != nil {
			return fmt.Errorf("removing the privacy notice: %w", err)
		}
		if n == nil {
			return nil
		}
		if _, err := tx.Exec(ctx, "INSERT INTO sb.privacy_notice (url, version, material, language) VALUES ($1, $2, $3, $4)",
			n.URL, n.Version, n.Material, n.Language); err != nil {
			return fmt.Errorf("storing the privacy notice: %w", err)
		}
		return nil
	})
}
