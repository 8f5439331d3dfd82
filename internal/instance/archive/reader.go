package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Handler takes what an archive holds, in its order. What it was given counts only when
// Read has ended without an error.
type Handler interface {
	Head(Head) error
	Keys(map[int][]byte) error
	// Row takes a row of a table: a JSON object, valid until it returns.
	Row(table string, row []byte) error
	// File takes a file's bytes, behind the rows of table file.
	File(id string, size int64, content io.Reader) error
}

// Why an archive isn't taken.
var (
	// ErrKey: it is not encrypted to this key.
	ErrKey = errors.New("the archive can't be decrypted with this key: give the identity whose recipient (age1…) it was exported to")
	// ErrForm: it is no archive of this form.
	ErrForm = errors.New("this is no archive of a tenant, as instance export writes it")
	// ErrDamaged: it was cut off or changed.
	ErrDamaged = errors.New("the archive is damaged, cut off or was changed: fetch it again, and compare its SHA-256")
)

// Read reads an archive to its end, and holds it against its manifest. It fails with
// ErrKey, ErrForm, ErrDamaged or an error of the handler.
func Read(from io.Reader, h Handler, identities ...age.Identity) (Manifest, error) {
	r, err := open(from, h, identities)
	if err != nil {
		return Manifest{}, err
	}
	for r.state != stateDone {
		if err := r.next(); err != nil {
			return Manifest{}, err
		}
	}
	return r.told, r.end()
}

// ReadKeys reads the beginning of an archive: what it is about, and the keys of hashes.
func ReadKeys(from io.Reader, identities ...age.Identity) (Head, map[int][]byte, error) {
	var k beginning
	r, err := open(from, &k, identities)
	if err != nil {
		return Head{}, nil, err
	}
	for r.state != stateBody {
		if err := r.next(); err != nil {
			return Head{}, nil, err
		}
	}
	return k.head, k.keys, nil
}

// beginning keeps the first documents alone.
type beginning struct {
	head Head
	keys map[int][]byte
}

func (b *beginning) Head(h Head) error                   { b.head = h; return nil }
func (b *beginning) Keys(k map[int][]byte) error         { b.keys = k; return nil }
func (b *beginning) Row(string, []byte) error            { return nil }
func (b *beginning) File(string, int64, io.Reader) error { return nil }

// What comes next.
type state int

const (
	stateHead state = iota
	stateKeys
	stateBody
	stateDone
)

type reader struct {
	plain, zipped io.Reader
	tar           *tar.Reader
	handler       Handler
	state         state
	seen          Manifest // what went by
	table         *tally   // that is being read
	files         *tally
	told          Manifest // what the manifest says
}

func open(from io.Reader, h Handler, identities []age.Identity) (*reader, error) {
	plain, err := age.Decrypt(from, identities...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, ErrKey
	case err != nil:
		return nil, fmt.Errorf("%w: it does not begin as a file of age", ErrForm)
	}
	zipped, err := gzip.NewReader(plain)
	if err != nil {
		return nil, damaged(err)
	}
	return &reader{
		plain: plain, zipped: zipped, tar: tar.NewReader(zipped), handler: h, files: newTally("files"),
		seen: Manifest{Documents: []Part{}, Tables: []Part{}},
	}, nil
}

// damaged tells of what age, gzip or tar found; they say nothing of what is inside.
func damaged(err error) error { return fmt.Errorf("%w (%w)", ErrDamaged, err) }

// next reads one member.
func (r *reader) next() error {
	header, err := r.tar.Next()
	if errors.Is(err, io.EOF) {
		return damaged(errors.New("it has no manifest"))
	}
	if err != nil {
		return damaged(err)
	}
	name := header.Name
	switch {
	case header.Typeflag != tar.TypeReg:
		return fmt.Errorf("%w: it holds something else than files", ErrForm)
	case r.state == stateHead && name == headName:
		return r.head(header.Size)
	case r.state == stateKeys && name == keysName:
		return r.keys(header.Size)
	case r.state == stateBody && name == resourcesName && len(r.seen.Tables) == 0 && r.table == nil:
		_, err := r.document(name, header.Size)
		return err
	case r.state == stateBody && strings.HasPrefix(name, tablePrefix):
		return r.rows(name)
	case r.state == stateBody && strings.HasPrefix(name, filePrefix):
		return r.file(strings.TrimPrefix(name, filePrefix), header.Size)
	case r.state == stateBody && name == manifestName:
		return r.manifest(header.Size)
	default:
		return fmt.Errorf("%w: its members are not in their order", ErrForm)
	}
}

// document reads a small member whole.
func (r *reader) document(name string, size int64) ([]byte, error) {
	if size > maxDocument {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d are taken", ErrForm, name, size, maxDocument)
	}
	b, err := io.ReadAll(r.tar)
	if err != nil {
		return nil, damaged(err)
	}
	t := newTally(name)
	t.part.Members = 1
	_, _ = t.Write(b)
	r.seen.Documents = append(r.seen.Documents, t.sum())
	return b, nil
}

func (r *reader) head(size int64) error {
	b, err := r.document(headName, size)
	if err != nil {
		return err
	}
	if err := decode(b, &r.seen.Head); err != nil || r.seen.Format != contract.ExportFormat {
		return fmt.Errorf("%w: its head is not of the form %s", ErrForm, contract.ExportFormat)
	}
	r.state = stateKeys
	return r.handler.Head(r.seen.Head)
}

func (r *reader) keys(size int64) error {
	b, err := r.document(keysName, size)
	if err != nil {
		return err
	}
	var keys map[int][]byte
	if err := decode(b, &keys); err != nil {
		return fmt.Errorf("%w: its keys can't be read", ErrForm)
	}
	r.state = stateBody
	return r.handler.Keys(keys)
}

// rows reads a member of a table.
func (r *reader) rows(member string) error {
	name, _, _ := strings.Cut(strings.TrimPrefix(member, tablePrefix), "/")
	if r.table == nil || r.table.part.Name != name {
		if err := r.begin(name); err != nil {
			return err
		}
	}
	r.table.part.Members++
	if member != fmt.Sprintf("%s%s/%06d.jsonl", tablePrefix, name, r.table.part.Members) {
		return fmt.Errorf("%w: its members are not in their order", ErrForm)
	}
	lines := bufio.NewScanner(io.TeeReader(r.tar, r.table))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		r.table.part.Rows++
		if err := r.handler.Row(name, lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return damaged(err)
	}
	return nil
}

// begin ends the tables before one: those without a row have no member.
func (r *reader) begin(name string) error {
	all := Tables()
	at := slices.Index(all, name)
	done := len(r.seen.Tables)
	if r.table != nil {
		r.seen.Tables = append(r.seen.Tables, r.table.sum())
		r.table, done = nil, done+1
	}
	if at < done {
		return fmt.Errorf("%w: its tables are not in their order", ErrForm)
	}
	for _, empty := range all[done:at] {
		r.seen.Tables = append(r.seen.Tables, newTally(empty).sum())
	}
	r.table = newTally(name)
	return nil
}

func (r *reader) file(id string, size int64) error {
	if r.table == nil || r.table.part.Name != TableFile {
		return fmt.Errorf("%w: its files do not follow their table", ErrForm)
	}
	r.files.part.Members++
	content := io.TeeReader(r.tar, r.files)
	if err := r.handler.File(id, size, content); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, content); err != nil { //nolint:gosec // decompressed, but not kept
		return damaged(err)
	}
	return nil
}

func (r *reader) manifest(size int64) error {
	if r.table != nil {
		r.seen.Tables = append(r.seen.Tables, r.table.sum())
	}
	for _, empty := range Tables()[len(r.seen.Tables):] {
		r.seen.Tables = append(r.seen.Tables, newTally(empty).sum())
	}
	r.seen.Files = r.files.sum()
	if size > maxDocument {
		return fmt.Errorf("%w: its manifest is too long", ErrForm)
	}
	b, err := io.ReadAll(r.tar)
	if err != nil {
		return damaged(err)
	}
	if err := decode(b, &r.told); err != nil {
		return fmt.Errorf("%w: its manifest can't be read", ErrForm)
	}
	r.state = stateDone
	return nil
}

// end reads on to the end of what is authenticated, and compares what went by with the manifest.
func (r *reader) end() error {
	if _, err := r.tar.Next(); !errors.Is(err, io.EOF) {
		return damaged(errors.New("something follows its manifest"))
	}
	for _, rest := range []io.Reader{r.zipped, r.plain} {
		if n, err := io.Copy(io.Discard, rest); err != nil || n > 0 && rest == r.plain { //nolint:gosec // decompressed, but not kept
			return damaged(errors.Join(err, errors.New("it does not end where it should")))
		}
	}
	if !reflect.DeepEqual(r.told, r.seen) {
		return damaged(errors.New("it is not what its manifest tells of"))
	}
	return nil
}

// decode reads one JSON value without members that are not known.
func decode(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
