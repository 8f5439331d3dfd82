package importer

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// intake gathers lines into batches and stores them, until a line is bad.
type intake struct {
	rules     rules
	writer    writer
	checkOnly bool
	errs      io.Writer

	summary Summary
	batch   []line
	size    int // bytes of the batch's lines
	bad     int
}

// take takes one line, or what was wrong with reading it.
func (i *intake) take(ctx context.Context, number int, b []byte, wrong error) error {
	if wrong == nil && len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	i.summary.Read++
	var l line
	if wrong == nil {
		l, wrong = i.rules.parse(b)
	}
	if wrong != nil {
		if i.bad++; i.bad <= maxErrors {
			fmt.Fprintf(i.errs, "line %d: %v\n", number, wrong)
		}
		return nil
	}
	i.batch = append(i.batch, l)
	if i.size += len(b); len(i.batch) == batchSize || i.size >= batchBytes {
		if err := i.flush(ctx); err != nil {
			return err
		}
	}
	if i.summary.Read%progressEvery == 0 {
		fmt.Fprintf(i.errs, "%d lines read, %d imported, %d there already\n", i.summary.Read, i.summary.Imported, i.summary.SkippedDuplicates)
	}
	return nil
}

// flush stores the batch, unless nothing is to be stored.
func (i *intake) flush(ctx context.Context) error {
	batch := i.batch
	i.batch, i.size = i.batch[:0], 0
	if len(batch) == 0 || i.checkOnly || i.bad > 0 {
		return nil
	}
	n, err := i.writer.store(ctx, batch)
	if err != nil {
		return fmt.Errorf("storing a batch of %d lines, the last of them the %d. read: %w; %s", len(batch), i.summary.Read, err, again)
	}
	i.summary.Imported += n
	i.summary.SkippedDuplicates += len(batch) - n
	return nil
}

func (i *intake) finish(ctx context.Context) (Summary, error) {
	if err := i.flush(ctx); err != nil {
		return i.summary, err
	}
	if i.bad > maxErrors {
		fmt.Fprintf(i.errs, "and %d more\n", i.bad-maxErrors)
	}
	if i.bad > 0 {
		return i.summary, fmt.Errorf("%d of %d %w", i.bad, i.summary.Read, ErrBadLines)
	}
	return i.summary, nil
}
