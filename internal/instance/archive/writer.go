package archive

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// Writer writes an archive: its documents, then its tables in the order of Tables, the
// files after theirs, then Close.
type Writer struct {
	out       *tally // what leaves, encrypted
	encrypted io.WriteCloser
	zipped    *gzip.Writer
	tar       *tar.Writer
	manifest  Manifest
	files     *tally
}

// NewWriter begins an archive that only the recipient can read.
func NewWriter(to io.Writer, recipient age.Recipient, head Head) (*Writer, error) {
	w := &Writer{out: newTally("archive"), files: newTally("files"), manifest: Manifest{Head: head, Documents: []Part{}, Tables: []Part{}}}
	var err error
	if w.encrypted, err = age.Encrypt(io.MultiWriter(to, w.out), recipient); err != nil {
		return nil, fmt.Errorf("encrypting the archive: %w", err)
	}
	w.zipped = gzip.NewWriter(w.encrypted)
	w.tar = tar.NewWriter(w.zipped)
	b, err := json.MarshalIndent(head, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the archive's head: %w", err)
	}
	return w, w.document(headName, b)
}

func newTally(name string) *tally { return &tally{part: Part{Name: name}, hash: sha256.New()} }

func (t *tally) sum() Part {
	t.part.SHA256 = hex.EncodeToString(t.hash.Sum(nil))
	return t.part
}

// Keys writes the keys of hashes by their version.
func (w *Writer) Keys(keys map[int][]byte) error {
	b, err := json.Marshal(keys)
	if err != nil {
		return fmt.Errorf("encoding the keys of hashes: %w", err)
	}
	return w.document(keysName, b)
}

// Resources writes what the operator had of the tenant, as YAML.
func (w *Writer) Resources(b []byte) error { return w.document(resourcesName, b) }

func (w *Writer) document(name string, b []byte) error {
	if len(b) > maxDocument {
		return fmt.Errorf("writing %s: %d bytes, at most %d are taken", name, len(b), maxDocument)
	}
	t := newTally(name)
	t.part.Members = 1
	if err := w.member(name, b, t); err != nil {
		return err
	}
	w.manifest.Documents = append(w.manifest.Documents, t.sum())
	return nil
}

// member writes a member, and counts its content.
func (w *Writer) member(name string, content []byte, t *tally) error {
	if err := w.header(name, int64(len(content))); err != nil {
		return err
	}
	if _, err := io.MultiWriter(w.tar, t).Write(content); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func (w *Writer) header(name string, size int64) error {
	err := w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: w.manifest.SnapshotAt, Format: tar.FormatPAX})
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// Table writes the rows that fill gives to add, each a JSON object without a line break, and
// says how many they were.
func (w *Writer) Table(name string, fill func(add func(row []byte) error) error) (int64, error) {
	t := newTally(name)
	var lines []byte
	flush := func() error {
		t.part.Members++
		err := w.member(fmt.Sprintf("%s%s/%06d.jsonl", tablePrefix, name, t.part.Members), lines, t)
		lines = lines[:0]
		return err
	}
	err := fill(func(row []byte) error {
		if len(row) > maxLine { // nobody could read it back
			return fmt.Errorf("a row has %d bytes, at most %d are taken", len(row), maxLine)
		}
		t.part.Rows++
		lines = append(append(lines, row...), '\n')
		if len(lines) >= chunk {
			return flush()
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if len(lines) > 0 {
		if err := flush(); err != nil {
			return 0, err
		}
	}
	w.manifest.Tables = append(w.manifest.Tables, t.sum())
	return t.part.Rows, nil
}

// File writes a file of a size in bytes, which fill gives.
func (w *Writer) File(id string, size int64, fill func(io.Writer) error) error {
	if err := w.header(filePrefix+id, size); err != nil {
		return err
	}
	w.files.part.Members++
	if err := fill(io.MultiWriter(w.tar, w.files)); err != nil {
		return fmt.Errorf("writing file %s: %w", id, err)
	}
	if err := w.tar.Flush(); err != nil {
		return fmt.Errorf("file %s is not of the size that was told: %w", id, err)
	}
	return nil
}

// Close ends the archive with its manifest. It gives the digest (hex SHA-256) and the size
// of what was written, encrypted.
func (w *Writer) Close() (digest string, size int64, err error) {
	w.manifest.Files = w.files.sum()
	b, err := json.MarshalIndent(w.manifest, "", "  ")
	if err != nil {
		return "", 0, fmt.Errorf("encoding the manifest: %w", err)
	}
	if err := w.member(manifestName, b, newTally(manifestName)); err != nil {
		return "", 0, err
	}
	if err := errors.Join(w.tar.Close(), w.zipped.Close(), w.encrypted.Close()); err != nil {
		return "", 0, fmt.Errorf("ending the archive: %w", err)
	}
	out := w.out.sum()
	return out.SHA256, out.Bytes, nil
}
