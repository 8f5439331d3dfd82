package subject

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

//go:embed archive.txt
var readme string

// files of the archive, by the category that fills them. archive.txt explains each.
var files = []struct{ category, name string }{
	{contract.CategoryContacts, "contacts.json"},
	{contract.CategoryMessageMetadata, "messages.json"},
	{contract.CategoryMessages, "contents.json"},
	{contract.CategoryAttachments, "attachments.json"},
	{contract.CategoryWebChatSessions, "web-chats.json"},
	{contract.CategoryIntegrationData, "integration-data.json"},
	{contract.CategoryTestimonials, "testimonials.json"},
	{contract.CategoryAccessLogs, "access-log.json"},
	{"Suppressions", "suppressions.json"},
	{"ConsentLog", "consent-log.json"},
}

// piece is how much is read or written at once, in bytes: the archive never stands in memory whole.
const piece = 1 << 20

// hand puts all that there is of the person into an archive that only they can read:
// a ZIP file, encrypted by age to the key in the request, in the database.
func (r *run) hand(ctx context.Context) error {
	recipient, err := age.ParseX25519Recipient(r.request.ArchiveKey)
	if err != nil {
		return fmt.Errorf("archiveKey is no age recipient; age-keygen prints one (age1…): %w", err)
	}
	if _, err := r.tx.Exec(ctx, "SELECT * FROM sb.subject_find($1, $2, $3)", r.request.UID, r.kinds, r.hashes); err != nil {
		return err
	}
	token := sha256.Sum256([]byte(r.person.Token))
	var id uuid.UUID
	if err := r.tx.QueryRow(ctx, "SELECT sb.archive_begin($1)", token[:]).Scan(&id); err != nil {
		return err
	}
	r.archive = id.String()
	store := &pieces{ctx: ctx, tx: r.tx, archive: id}
	encrypted, err := age.Encrypt(store, recipient)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	archive := zip.NewWriter(encrypted)
	if err := r.fill(ctx, archive); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("ending the archive: %w", err)
	}
	if err := encrypted.Close(); err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	return store.flush()
}

func (r *run) fill(ctx context.Context, archive *zip.Writer) error {
	create := func(name string) (io.Writer, error) {
		return archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Now().UTC()})
	}
	w, err := create("README.txt")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, readme); err != nil {
		return err
	}
	for _, f := range files {
		if w, err = create(f.name); err != nil {
			return err
		}
		n, err := r.export(ctx, w, f.category)
		if err != nil {
			return fmt.Errorf("exporting %s: %w", f.category, err)
		}
		if _, err := r.tx.Exec(ctx, "SELECT sb.subject_note($1, 'done', $2, $3)", r.request.UID, f.category, n); err != nil {
			return err
		}
	}
	if r.missing, err = r.addFiles(ctx, create); err != nil {
		return fmt.Errorf("adding the files: %w", err)
	}
	return nil
}

// export writes a category as a JSON array, a row on each line.
func (r *run) export(ctx context.Context, w io.Writer, category string) (rows int64, err error) {
	if _, err := r.tx.Exec(ctx, "DECLARE export NO SCROLL CURSOR FOR SELECT row::text FROM sb.subject_export($1, $2, $3) AS row",
		pgx.QueryExecModeCacheDescribe, r.kinds, r.hashes, category); err != nil {
		return 0, err
	}
	before := "[\n"
	for {
		found, _ := r.tx.Query(ctx, "FETCH 500 FROM export")
		lines, err := pgx.CollectRows(found, pgx.RowTo[string])
		if err != nil {
			return 0, err
		}
		for _, line := range lines {
			if _, err := io.WriteString(w, before+line); err != nil {
				return 0, err
			}
			before = ",\n"
			rows++
		}
		if len(lines) == 0 {
			break
		}
	}
	if rows == 0 {
		before = "["
	} else {
		before = "\n"
	}
	if _, err := io.WriteString(w, before+"]\n"); err != nil {
		return 0, err
	}
	_, err = r.tx.Exec(ctx, "CLOSE export")
	return rows, err
}

// pieces appends what is written to an archive in the database, a piece at a time.
type pieces struct {
	ctx     context.Context //nolint:containedctx // an io.Writer has no other way to one
	tx      pgx.Tx
	archive uuid.UUID
	buffer  []byte
}

func (p *pieces) Write(b []byte) (int, error) {
	p.buffer = append(p.buffer, b...)
	if len(p.buffer) >= piece {
		return len(b), p.flush()
	}
	return len(b), nil
}

func (p *pieces) flush() error {
	if len(p.buffer) == 0 {
		return nil
	}
	if _, err := p.tx.Exec(p.ctx, "SELECT sb.archive_append($1, $2)", p.archive, p.buffer); err != nil {
		return fmt.Errorf("storing the archive: %w", err)
	}
	p.buffer = p.buffer[:0]
	return nil
}
