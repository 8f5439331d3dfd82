package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/evidence"
)

// Files of an export.
const (
	fileLedger   = "ledger.jsonl"
	fileKeys     = "keys.pem"
	fileReceipts = "receipts.jsonl"
)

// export writes the evidence into a folder of its own, and lets what follows read the
// receipts from there: what is checked is what was written.
func export(folder string, found *audit.Evidence) error {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	if there, err := os.ReadDir(folder); err != nil || len(there) > 0 {
		return errors.Join(fmt.Errorf("exporting: folder %s is not empty: name another", folder), err)
	}
	files := map[string]func(io.Writer) error{
		fileLedger: func(w io.Writer) error {
			for _, e := range found.Entries {
				if err := json.NewEncoder(w).Encode(e); err != nil {
					return err
				}
			}
			return nil
		},
		fileKeys: func(w io.Writer) error {
			for _, id := range slices.Sorted(maps.Keys(found.Keys)) {
				if _, err := w.Write(found.Keys[id].PEM()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	if found.Receipts != nil {
		files[fileReceipts] = func(w io.Writer) error {
			return found.Receipts(func(s evidence.Sealed) error { return evidence.WriteLine(w, s) })
		}
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err := write(filepath.Join(folder, file), files[file]); err != nil {
			return fmt.Errorf("exporting %s: %w", file, err)
		}
	}
	if found.Receipts != nil {
		found.Receipts = receiptsOf(filepath.Join(folder, fileReceipts), nil)
	}
	return nil
}

func write(file string, content func(io.Writer) error) (err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	if err := content(w); err != nil {
		return err
	}
	return w.Flush()
}
