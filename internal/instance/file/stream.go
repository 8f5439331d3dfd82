package file

import (
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
)

// Stored is an object whose row is not there yet.
type Stored struct {
	Object string
	Key    string // an age identity; as long as it is nowhere else, nobody reads the object
}

// Stream stores what is read as an object, encrypted, with a few MiB of it in memory at most. Of a reader that fails nothing
// stays, and its error is returned as it is.
func Stream(ctx context.Context, store *objectstore.Store, from io.Reader) (Stored, error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return Stored{}, fmt.Errorf("making the file's key: %w", err)
	}
	s := Stored{Object: Prefix + uuid.NewString(), Key: key.String()}
	out, in := io.Pipe()
	broken := make(chan error, 1)
	go func() {
		err := encrypt(in, key.Recipient(), from)
		_ = in.CloseWithError(err) // nil is the end
		broken <- err
	}()
	_, err = store.Stream(ctx, s.Object, out)
	_ = out.CloseWithError(err) // the encryption ends, however far it is
	if reading := <-broken; reading != nil && !errors.Is(reading, err) && !errors.Is(reading, io.ErrClosedPipe) {
		return Stored{}, reading
	}
	return s, err
}

func encrypt(to io.Writer, recipient age.Recipient, from io.Reader) error {
	w, err := age.Encrypt(to, recipient)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	if _, err := io.Copy(w, from); err != nil {
		return err
	}
	return w.Close()
}

// piece is how much of a file in the database is in memory at a time, in bytes.
const piece = 256 << 10

// Pieces reads a file that is in the database. next gives at most length bytes from an offset on; fewer than are there are
// ErrMissing: the file went, or expired, in between.
func Pieces(size int64, next func(offset int64, length int) ([]byte, error)) io.Reader {
	return &pieces{size: size, next: next}
}

type pieces struct {
	size, at int64
	next     func(offset int64, length int) ([]byte, error)
	left     []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		if p.at >= p.size {
			return 0, io.EOF
		}
		length := int(min(piece, p.size-p.at))
		got, err := p.next(p.at, length)
		if err != nil {
			return 0, err
		}
		if len(got) != length {
			return 0, ErrMissing
		}
		p.left, p.at = got, p.at+int64(length)
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}
