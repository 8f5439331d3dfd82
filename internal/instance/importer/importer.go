// Package importer brings a client's history in from another system: JSON Lines,
// one message a line.
package importer

import (
	"bufio"
	"bytes"
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

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// EnvKeysDir names another directory than contract.DirKeys, for running outside of a pod.
const EnvKeysDir = "SWITCHBOARD_KEYS_DIR"

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
	dir := os.Getenv(EnvKeysDir)
	if dir == "" {
		dir = contract.DirKeys
	}
	keys, err := addresshash.Load(dir)
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
	var s Summary
	rules, err := loadRules(ctx, pool)
	if err != nil {
		return s, err
	}
	w := writer{pool: pool, keys: keys, started: rules.now}
	var batch []line
	size, bad := 0, 0
	flush := func() error {
		if len(batch) == 0 || checkOnly || bad > 0 {
			batch, size = batch[:0], 0
			return nil
		}
		n, err := w.store(ctx, batch)
		if err != nil {
			return fmt.Errorf("storing the batch that ends at line %d: %w; import the file again, what is imported already is skipped", s.Read, err)
		}
		s.Imported += n
		s.SkippedDuplicates += len(batch) - n
		batch, size = batch[:0], 0
		return nil
	}
	r := bufio.NewReaderSize(in, maxLine)
	for number := 1; ; number++ {
		if err := ctx.Err(); err != nil {
			return s, fmt.Errorf("stopped at line %d: %w; import the file again, what is imported already is skipped", number, err)
		}
		b, err := readLine(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, errLong) {
			return s, fmt.Errorf("reading line %d: %w", number, err)
		}
		if err == nil && len(bytes.TrimSpace(b)) == 0 {
			continue
		}
		s.Read++
		var l line
		if err == nil {
			l, err = rules.parse(b)
		}
		if err != nil {
			if bad++; bad <= maxErrors {
				fmt.Fprintf(errs, "line %d: %v\n", number, err)
			}
			continue
		}
		batch = append(batch, l)
		if size += len(b); len(batch) == batchSize || size >= batchBytes {
			if err := flush(); err != nil {
				return s, err
			}
		}
		if s.Read%progressEvery == 0 {
			fmt.Fprintf(errs, "%d lines read, %d imported, %d there already\n", s.Read, s.Imported, s.SkippedDuplicates)
		}
	}
	if err := flush(); err != nil {
		return s, err
	}
	if bad > maxErrors {
		fmt.Fprintf(errs, "and %d more\n", bad-maxErrors)
	}
	if bad > 0 {
		return s, fmt.Errorf("%d of %d %w", bad, s.Read, ErrBadLines)
	}
	return s, nil
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
