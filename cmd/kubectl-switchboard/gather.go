package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// gather reads what is to be checked, each from its file or from the cluster.
func gather(ctx context.Context, c *connection, tenant string, o auditOptions, in io.Reader) (audit.Evidence, error) {
	found := audit.Evidence{Tenant: tenant}
	if o.ledger == "" || o.keys == "" {
		if err := fromCluster(ctx, c, &found, o); err != nil {
			return found, err
		}
	}
	if o.keys != "" {
		keys, err := keysOf(o.keys)
		if err != nil {
			return found, err
		}
		found.Keys = keys
	}
	if o.ledger != "" {
		entries, err := readEntries(o.ledger)
		if err != nil {
			return found, err
		}
		found.Entries = entries
	}
	audit.Sort(found.Entries, func(ledger string) (year, part int) {
		year, part, _ = name.ParseLedger(tenant, ledger)
		return year, part
	})
	if o.receipts != "" {
		found.Receipts = receiptsOf(o.receipts, in)
	}
	return found, nil
}

// receiptsOf reads an exported file, or in for -.
func receiptsOf(file string, in io.Reader) func(func(evidence.Sealed) error) error {
	return func(add func(evidence.Sealed) error) error {
		if file == "-" {
			return evidence.ReadLines(in, add)
		}
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("opening the receipts: %w", err)
		}
		defer func() { _ = f.Close() }()
		return evidence.ReadLines(f, add)
	}
}

// maxEntry bounds a line of an exported ledger: an envelope, escaped, and the rest.
const maxEntry = 2*statement.MaxEnvelope + 1024

func readEntries(file string) ([]audit.Entry, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	defer func() { _ = f.Close() }()
	var entries []audit.Entry
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 0, 4096), maxEntry)
	for n := 1; lines.Scan(); n++ {
		var e audit.Entry
		d := json.NewDecoder(strings.NewReader(lines.Text()))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			return nil, fmt.Errorf("reading the ledger %s: line %d is no statement; was the file written by kubectl switchboard audit verify --export?", file, n)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading the ledger %s: line %d has something after its statement", file, n)
		}
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the ledger %s: %w", file, err)
	}
	return entries, nil
}
