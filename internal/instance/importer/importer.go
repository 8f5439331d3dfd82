// Package importer brings a client's history in from another system: JSON Lines,
// one message a line.
package importer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

const (
	// batchSize is how many lines are stored in one transaction.
	batchSize = 1000
	// batchBytes bounds a batch in memory when its lines are long.
	batchBytes = 4 << 20
	// maxErrors is how many bad lines are told before the rest is only counted.
	maxErrors = 20
	// progressEvery is how many lines pass between two lines of progress.
	progressEvery = 5000
)

// Options are the flags of `instance import`.
type Options struct {
	File  string // - or empty for standard input
	Check bool   // read and check every line, and store none
}

// Summary is what an import did, printed as JSON.
type Summary struct {
	Read              int `json:"read"`
	Imported          int `json:"imported"`
	SkippedDuplicates int `json:"skippedDuplicates"`
}

const again = "import the file again, what is imported already is skipped"

// ErrBadLines says that lines were refused; which ones was printed.
var ErrBadLines = errors.New("lines were refused, see above; correct them and import the whole file again: what is imported already is skipped")

// Command imports a file or in as role sb_serve: problems and progress go to errs,
// the summary to out.
func Command(ctx context.Context, log *slog.Logger, o Options, in io.Reader, out, errs io.Writer) error {
	if o.File != "" && o.File != "-" {
		f, err := os.Open(o.File)
		if err != nil {
			return fmt.Errorf("importing: %w", err)
		}
		defer f.Close()
		in = f
	}
	keys, err := addresshash.Load(addresshash.Dir())
	if err != nil {
		return fmt.Errorf("importing: %w", err)
	}
	pool, err := store.OpenConfig(ctx, log, store.Config{MaxConns: 1})
	if err != nil {
		return fmt.Errorf("importing: %w", err)
	}
	defer pool.Close()
	summary, err := Run(ctx, pool, keys, o.Check, in, errs)
	if err != nil {
		return fmt.Errorf("importing: %w", err)
	}
	return json.NewEncoder(out).Encode(summary)
}

// Run imports the lines of in. Each batch is stored whole or not at all. After a bad
// line nothing more is stored: the rest is only checked, so that one run tells of all
// bad lines, and the error is ErrBadLines.
func Run(ctx context.Context, pool *pgxpool.Pool, keys *addresshash.Keys, checkOnly bool, in io.Reader, errs io.Writer) (Summary, error) {
	rules, err := loadRules(ctx, pool)
	if err != nil {
		return Summary{}, err
	}
	i := &intake{rules: rules, writer: writer{pool: pool, keys: keys, started: rules.now}, checkOnly: checkOnly, errs: errs}
	r := bufio.NewReaderSize(in, maxLine)
	for number := 1; ; number++ {
		if err := ctx.Err(); err != nil {
			return i.summary, fmt.Errorf("stopped at line %d: %w; %s", number, err, again)
		}
		b, err := readLine(r)
		switch {
		case errors.Is(err, io.EOF):
			return i.finish(ctx)
		case err != nil && !errors.Is(err, errLong):
			return i.summary, fmt.Errorf("reading line %d: %w", number, err)
		}
		if err := i.take(ctx, number, b, err); err != nil {
			return i.summary, err
		}
	}
}

func loadRules(ctx context.Context, pool *pgxpool.Pool) (rules, error) {
	r := rules{channels: map[string]bool{}}
	rows, err := pool.Query(ctx, "SELECT name, now() FROM sb.channel")
	if err != nil {
		return r, fmt.Errorf("asking for the channels: %w", err)
	}
	var name string
	var now time.Time
	_, err = pgx.ForEachRow(rows, []any{&name, &now}, func() error {
		r.channels[name], r.now = true, now
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("asking for the channels: %w", err)
	}
	if len(r.channels) == 0 {
		return r, errors.New("this tenant has no channels; create the Channels of the history first")
	}
	return r, nil
}
