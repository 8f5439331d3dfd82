package adopt

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"filippo.io/age"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// maxIdentity bounds the line of the key, in bytes; those after quantum computers are long.
const maxIdentity = 8 << 10

// Command is `instance adopt`: on in, a line with the age identity, then the archive. The
// outcome is a line of JSON on out. check looks whether the tenant is empty, and reads nothing.
func Command(ctx context.Context, log *slog.Logger, digest string, check bool, in io.Reader, out io.Writer) error {
	pool, err := store.OpenConfig(ctx, log, store.Config{MaxConns: 1})
	if err != nil {
		return err
	}
	defer pool.Close()
	if check {
		return Check(ctx, pool)
	}
	keys, err := addresshash.Load(addresshash.Dir())
	if err != nil {
		return err
	}
	from := bufio.NewReaderSize(in, maxIdentity)
	identities, err := readIdentity(from)
	if err != nil {
		return err
	}
	result, err := Run(ctx, pool, from, Options{
		Tenant: os.Getenv(contract.EnvTenant), Identities: identities, Keys: keys.Versions(), Digest: digest, Log: log,
	})
	if err != nil {
		return err
	}
	log.Info("adopted", "tenant", result.Tenant, "rows", result.Rows, "leftOut", result.LeftOut, "sequence", result.Receipt.Sequence)
	if err := json.NewEncoder(out).Encode(result); err != nil {
		return fmt.Errorf("telling the outcome: %w", err)
	}
	return nil
}

func readIdentity(from *bufio.Reader) ([]age.Identity, error) {
	line, err := from.ReadSlice('\n')
	if err != nil {
		return nil, errors.New("reading the key: the first line of standard input must be an age identity (AGE-SECRET-KEY-…), the archive follows it")
	}
	identities, err := age.ParseIdentities(strings.NewReader(string(line)))
	if err != nil {
		return nil, errors.New("reading the key: the first line of standard input is no age identity (AGE-SECRET-KEY-…)") // err quotes it
	}
	return identities, nil
}
