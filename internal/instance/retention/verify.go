package retention

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// VerifyOptions are the flags of `instance verify`.
type VerifyOptions struct {
	// File is an exported file, or - for standard input; the database when empty.
	File string
	// Anchor is SEQUENCE:DIGEST of the newest receipt known elsewhere; empty for none.
	Anchor string
	// Output is text (also when empty) or json.
	Output string
	// Export writes the receipts as JSON Lines, instead of verifying them.
	Export bool
}

// ErrNotWhole says that a verification found something wrong.
var ErrNotWhole = errors.New("the receipts are not whole; what was found is listed above")

// VerifyCommand is `instance verify`: it reads the receipts from the database (as
// a role that may: serve or retain) or from an exported file, which needs no
// database, and prints what it found to out. It fails with ErrNotWhole when
// something is wrong.
func VerifyCommand(ctx context.Context, log *slog.Logger, o VerifyOptions, in io.Reader, out io.Writer) error {
	var anchor *contract.ChainLink
	switch o.Output {
	case "", "text", "json":
	default:
		return fmt.Errorf("output %q: write text or json", o.Output)
	}
	if o.Export && (o.File != "" || o.Anchor != "") {
		return errors.New("an export reads the database and checks nothing: leave file and anchor out, or leave export out")
	}
	if o.Anchor != "" {
		link, err := evidence.ParseAnchor(o.Anchor)
		if err != nil {
			return err
		}
		anchor = &link
	}
	source, err := receiptSource(ctx, log, o.File, in)
	if err != nil {
		return err
	}
	defer source.close()
	if o.Export {
		return export(source, out)
	}
	v := evidence.NewVerifier(anchor)
	if err := source.each(func(s evidence.Sealed) error { v.Add(s); return nil }); err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	report := v.Finish()
	if err := printReport(out, report, o.Output); err != nil {
		return fmt.Errorf("printing the report: %w", err)
	}
	if !report.OK() {
		return ErrNotWhole
	}
	return nil
}

// source gives receipts one after the other.
type source struct {
	each  func(func(evidence.Sealed) error) error
	close func()
}

func receiptSource(ctx context.Context, log *slog.Logger, file string, in io.Reader) (source, error) {
	switch file {
	case "":
		pool, err := store.OpenConfig(ctx, log, store.Config{Unguarded: true}) // a chain can be checked in quarantine too
		if err != nil {
			return source{}, err
		}
		return source{
			each:  func(f func(evidence.Sealed) error) error { return eachStored(ctx, pool, f) },
			close: pool.Close,
		}, nil
	case "-":
		return fileSource(in, func() {}), nil
	default:
		f, err := os.Open(file)
		if err != nil {
			return source{}, fmt.Errorf("opening the exported receipts: %w", err)
		}
		return fileSource(f, func() { _ = f.Close() }), nil
	}
}

func fileSource(r io.Reader, closeFile func()) source {
	return source{
		each:  func(f func(evidence.Sealed) error) error { return evidence.ReadLines(r, f) },
		close: closeFile,
	}
}

// eachStored streams the receipts of the database.
func eachStored(ctx context.Context, pool *pgxpool.Pool, f func(evidence.Sealed) error) error {
	rows, err := pool.Query(ctx, "SELECT sequence, body, previous, digest FROM sb.receipt ORDER BY sequence")
	if err != nil {
		return fmt.Errorf("reading the receipts: %w", err)
	}
	var s evidence.Sealed
	_, err = pgx.ForEachRow(rows, []any{&s.Sequence, &s.Body, &s.Previous, &s.Digest}, func() error { return f(s) })
	if err != nil {
		return fmt.Errorf("reading the receipts: %w", err)
	}
	return nil
}

func export(source source, out io.Writer) error {
	w := bufio.NewWriter(out)
	if err := source.each(func(s evidence.Sealed) error { return evidence.WriteLine(w, s) }); err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	return nil
}

func printReport(out io.Writer, r evidence.Report, output string) error {
	if output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			OK bool `json:"ok"`
			evidence.Report
		}{r.OK(), r})
	}
	w := bufio.NewWriter(out)
	for _, f := range r.Findings {
		fmt.Fprintln(w, f.Sentence)
	}
	if r.OK() && r.Receipts > 0 {
		fmt.Fprintf(w, "%d receipts, the newest is %d:%s: the chain is whole.\n", r.Receipts, r.Head.Sequence, r.Head.Digest)
		if r.Anchor == nil {
			fmt.Fprintln(w, "No anchor was given: whether newer receipts were cut off can't be told. Compare with the status of the RetentionPolicies.")
		}
	}
	return w.Flush()
}
