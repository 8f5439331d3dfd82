package retention_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/internal/s3test"
)

const bucket = "tenants"

// stored is a tenant whose attachments are in an object store.
type stored struct {
	t      *testing.T
	d      *pgtest.Database
	db     *pgxpool.Pool
	server *s3test.Server
	store  *objectstore.Store
	policy contract.Retention
}

func newStored(t *testing.T) *stored {
	t.Helper()
	d := pgtest.New(t)
	s := &stored{t: t, d: d, db: d.Admin(t), server: s3test.Start(t), policy: d.Limits(t, map[string]int32{contract.CategoryMessages: 30, contract.CategoryAttachments: 30})}
	var err error
	if s.store, err = objectstore.Open(s.server.Place(t, bucket, "hotel-berlin/"), s.server.Credentials(t)); err != nil {
		t.Fatal(err)
	}
	return s
}

// attach stores a message of days ago with a file.
func (s *stored) attach(days int, content string) {
	s.t.Helper()
	err := pgx.BeginFunc(s.t.Context(), s.db, func(tx pgx.Tx) error {
		id, err := file.Keep(s.t.Context(), tx, s.store, "image/png", []byte(content))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(s.t.Context(), "SELECT sb.ensure_partition(now() - make_interval(days => $1))", days); err != nil {
			return err
		}
		thread, message := uuid.New(), uuid.New()
		if _, err := tx.Exec(s.t.Context(), "INSERT INTO sb.conversation (id, channel) VALUES ($1, 'front-desk')", thread); err != nil {
			return err
		}
		for _, statement := range []string{
			"INSERT INTO sb.message_body (id, at, conversation_id, channel, body) VALUES ($1, now() - make_interval(days => $2), $3, 'front-desk', 'look')",
			"INSERT INTO sb.attachment (message_id, at, conversation_id, channel, id, file_id) VALUES ($1, now() - make_interval(days => $2), $3, 'front-desk', gen_random_uuid(), '" + id.String() + "')",
		} {
			if _, err := tx.Exec(s.t.Context(), statement, message, days, thread); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stored) run(change ...func(*retention.Options)) contract.RetentionResult {
	s.t.Helper()
	o := retention.Options{Batch: 100, Objects: s.store}
	for _, c := range change {
		c(&o)
	}
	result, err := retention.Run(s.t.Context(), s.d.Retain(s.t), s.policy, tenant, o)
	if err != nil {
		s.t.Fatalf("the run failed: %v", err)
	}
	wantValidChain(s.t, s.db, result)
	return result
}

// files gives what the newest receipt says of files, and what the result does.
func (s *stored) files(result contract.RetentionResult) (followed evidence.Followed, told contract.FilesResult) {
	s.t.Helper()
	all := receipts(s.t, s.db)
	receipt, err := evidence.Decode([]byte(all[len(all)-1].Body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range receipt.Followed {
		if f.Kind == "Files" {
			followed = f
		}
	}
	if result.Files != nil {
		told = *result.Files
	}
	return followed, told
}

func (s *stored) objects() []string {
	s.t.Helper()
	return slices.Sorted(maps.Keys(s.server.Objects(s.t, bucket)))
}

// TestAStoreThatIsDownLeavesAnExactRemainder is the story of a partial failure: rows go, their files can't be read any more at
// once, the store's objects are counted until they are gone, and nothing is counted twice.
func TestAStoreThatIsDownLeavesAnExactRemainder(t *testing.T) {
	s := newStored(t)
	for i := range 7 {
		s.attach(40, fmt.Sprint("an old file ", i))
	}
	s.attach(40, "a file of both") // its other message is young
	s.attach(3, "a file of both")
	s.attach(3, "a young file")
	if n := len(s.objects()); n != 9 {
		t.Fatalf("the store has %d objects", n)
	}
	for key, content := range s.server.Objects(t, bucket) {
		if strings.Contains(content, "file") || !strings.HasPrefix(content, "age-encryption.org/v1") || !strings.HasPrefix(key, "hotel-berlin/files/") {
			t.Errorf("object %s holds %.60q", key, content)
		}
	}
	s.server.Down(t)
	hidden := ask[int64](t, s.d.Serve(t), "SELECT count(*) FROM sb.message_body")
	if hidden != 2 {
		t.Errorf("staff see %d messages before the run, 2 are not expired", hidden)
	}

	first := s.run()
	followed, told := s.files(first)
	if followed.Deleted != 7 || followed.Pending != 7 || told.Pending != 7 || told.Removed != 0 || told.Class != contract.StoreUnreachable || told.Since == nil {
		t.Errorf("with the store down: receipt %+v, result %+v", followed, told)
	}
	if c := category(t, first, contract.CategoryAttachments); c.Deleted != 8 || *c.Overdue != 0 {
		t.Errorf("attachments: %+v", c)
	}
	if keys := ask[int64](t, s.db, "SELECT count(*) FROM sb.file"); keys != 2 {
		t.Errorf("%d keys are left, of 2 files", keys)
	}

	second := s.run() // down still
	if followed, told := s.files(second); followed.Deleted != 0 || followed.Pending != 7 || told.Pending != 7 || !told.Since.Equal(*s.since(first)) {
		t.Errorf("down still: receipt %+v, result %+v", followed, told)
	}

	s.server.Up(t)
	third := s.run()
	if followed, told := s.files(third); followed != (evidence.Followed{}) || told != (contract.FilesResult{Removed: 7}) {
		t.Errorf("back again: receipt %+v, result %+v", followed, told)
	}
	if n := len(s.objects()); n != 2 {
		t.Errorf("the store has %d objects, 2 files are left", n)
	}
	if fourth := s.run(); fourth.Files != nil {
		t.Errorf("nothing is left to tell, and it tells %+v", *fourth.Files)
	}
}

func (s *stored) since(r contract.RetentionResult) *time.Time { return r.Files.Since }

// TestObjectsGoWithTheirRowsInOneRun, in a run of several transactions too.
func TestObjectsGoWithTheirRowsInOneRun(t *testing.T) {
	s := newStored(t)
	for i := range 12 {
		s.attach(40, fmt.Sprint("file ", i))
	}
	result := s.run(func(o *retention.Options) { o.Batch = 5 })
	if followed, told := s.files(result); followed.Deleted != 12 || followed.Pending != 0 || told != (contract.FilesResult{Removed: 12}) {
		t.Errorf("receipt %+v, result %+v", followed, told)
	}
	if left := s.objects(); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

// TestAHeldAttachmentKeepsItsFile.
func TestAHeldAttachmentKeepsItsFile(t *testing.T) {
	s := newStored(t)
	s.attach(40, "evidence")
	s.attach(40, "another")
	execSQL(t, s.db, "INSERT INTO sb.hold (name, by_subject, conversation_id) SELECT 'court', false, a.conversation_id FROM sb.attachment a JOIN sb.file f ON f.id = a.file_id WHERE f.sha256 = sha256('evidence')")
	if followed, _ := s.files(s.run()); followed.Deleted != 1 || followed.Pending != 0 {
		t.Errorf("receipt %+v", followed)
	}
	if got := s.read("evidence"); got != "evidence" {
		t.Errorf("the held file reads %q", got)
	}
}

// read reads a stored file by its content's digest.
func (s *stored) read(content string) string {
	s.t.Helper()
	var object, key string
	if err := s.db.QueryRow(s.t.Context(), "SELECT object, object_key FROM sb.file WHERE sha256 = sha256($1)", []byte(content)).Scan(&object, &key); err != nil {
		s.t.Fatal(err)
	}
	r, err := file.Open(s.t.Context(), s.store, object, key)
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// TestWhatNobodyNamesIsRemovedAfterAnHour: an upload whose transaction did not commit leaves an object.
func TestWhatNobodyNamesIsRemovedAfterAnHour(t *testing.T) {
	s := newStored(t)
	s.attach(3, "kept")
	undone := errors.New("undone")
	err := pgx.BeginFunc(t.Context(), s.db, func(tx pgx.Tx) error {
		if _, err := file.Keep(t.Context(), tx, s.store, "image/png", []byte("never came to be")); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	if result := s.run(); result.Files != nil || len(s.objects()) != 2 {
		t.Errorf("an upload that may be under way: %+v, %v", result.Files, s.objects())
	}
	later := func(o *retention.Options) { o.Now = nil }
	for _, key := range s.objects() {
		s.server.Age(t, bucket, key, 2*time.Hour)
	}
	result := s.run(later)
	if _, told := s.files(result); told != (contract.FilesResult{Removed: 1, Unknown: 1}) {
		t.Errorf("an hour later: %+v", told)
	}
	if got := s.read("kept"); got != "kept" || len(s.objects()) != 1 {
		t.Errorf("the other file reads %q; there are %v", got, s.objects())
	}
}

// TestADatabaseThatWasPutBackNamesObjectsThatAreGone: they are counted, not taken for others', and what the
// database does not know yet is left alone until it is told.
func TestADatabaseThatWasPutBackNamesObjectsThatAreGone(t *testing.T) {
	s := newStored(t)
	s.attach(3, "removed since")
	s.attach(3, "still there")
	gone := ask[string](t, s.db, "SELECT object FROM sb.file WHERE sha256 = sha256('removed since')")
	if _, err := s.store.Remove(t.Context(), []string{gone}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Put(t.Context(), file.Prefix+uuid.NewString(), strings.NewReader("since the backup"), 16); err != nil {
		t.Fatal(err)
	}
	for _, key := range s.objects() {
		s.server.Age(t, bucket, key, 2*time.Hour)
	}
	execSQL(t, s.db, "UPDATE sb.file SET created_at = now() - interval '1 day'")
	execSQL(t, s.db, "INSERT INTO sb.restore (epoch, sequence) VALUES (1, 0)") // in quarantine
	if _, told := s.files(s.run()); told != (contract.FilesResult{Missing: 1}) {
		t.Errorf("in quarantine: %+v", told)
	}
	if n := len(s.objects()); n != 2 {
		t.Errorf("%d objects are left", n)
	}
	if _, told := s.files(s.run()); told != (contract.FilesResult{Missing: 1, Unknown: 1, Removed: 1}) {
		t.Errorf("after it: %+v", told)
	}
	execSQL(t, s.db, "UPDATE sb.attachment SET at = now() - interval '40 days'")
	if followed, told := s.files(s.run()); followed.Deleted != 2 || told != (contract.FilesResult{Missing: 1, Removed: 2}) {
		t.Errorf("when they expire: receipt %+v, result %+v", followed, told)
	}
}

// TestFilesOfAStoreThatWasTakenAwayAreNotClaimed.
func TestFilesOfAStoreThatWasTakenAwayAreNotClaimed(t *testing.T) {
	s := newStored(t)
	s.attach(40, "in the store")
	result := s.run(func(o *retention.Options) { o.Objects = nil })
	if followed, told := s.files(result); followed.Pending != 1 || told.Pending != 1 || told.Class != contract.StoreNone {
		t.Errorf("receipt %+v, result %+v", followed, told)
	}
	result = s.run(func(o *retention.Options) { o.Objects, o.StoreClass = nil, contract.StoreUnreadable })
	if followed, told := s.files(result); followed.Pending != 1 || told.Pending != 1 || told.Class != contract.StoreUnreadable {
		t.Errorf("with settings that can't be read: receipt %+v, result %+v", followed, told)
	}
}

// TestTheDatabaseRefusesAReceiptThatHidesWhatIsPending.
func TestTheDatabaseRefusesAReceiptThatHidesWhatIsPending(t *testing.T) {
	s := newStored(t)
	s.attach(40, "in the store")
	s.server.Down(t)
	first := s.run()
	retain := s.d.Retain(t)
	execSQL(t, retain, "SELECT sb.retention_open($1, $2)", s.policy.Policy, s.policy.Digest)
	execSQL(t, retain, "SELECT sb.retention_files($1)", s.policy.Policy)
	receipt := evidence.Receipt{Kind: evidence.KindRetention, Outcome: contract.OutcomeEnforced, Tenant: tenant, Policy: s.policy.Policy, Generation: 1, PolicyDigest: s.policy.Digest}
	for _, c := range []string{contract.CategoryAttachments, contract.CategoryMessages} {
		cutoff := ask[time.Time](t, retain, "SELECT cutoff FROM sb.retention_progress WHERE policy = $1 AND kind = $2", s.policy.Policy, c)
		receipt.Categories = append(receipt.Categories, contract.CategoryResult{Category: c, Cutoff: cutoff})
	}
	seal := func(r evidence.Receipt) error {
		x := sealed(t, r, contract.ChainLink{Sequence: first.Sequence, Digest: first.Digest})
		_, err := retain.Exec(t.Context(), "SELECT sb.retention_seal($1, $2, $3, $4, $5)", s.policy.Policy, x.Sequence, x.Body, x.Previous, x.Digest)
		return err
	}
	if err := seal(receipt); err == nil || !strings.Contains(err.Error(), "does not tell what was deleted") {
		t.Errorf("without what is pending: %v", err)
	}
	receipt.Followed = []evidence.Followed{{Kind: "Files", Pending: 1}}
	if err := seal(receipt); err != nil {
		t.Errorf("with it: %v", err)
	}
}

// TestSettingsThatCannotBeReadStopNoDeletion.
func TestSettingsThatCannotBeReadStopNoDeletion(t *testing.T) {
	s := newStored(t)
	s.attach(40, "in the store")
	s.d.Setenv(t, contract.LoginRole(contract.ComponentRetain, 1))
	policy, err := json.Marshal(s.policy)
	if err != nil {
		t.Fatal(err)
	}
	told := filepath.Join(t.TempDir(), "told")
	for name, value := range map[string]string{
		contract.EnvRetention: string(policy), contract.EnvTenant: tenant, contract.EnvTerminationLog: told, contract.EnvObjectStore: "{",
	} {
		t.Setenv(name, value)
	}
	if err := retention.Command(t.Context(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	message, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	result, err := contract.DecodeResult(string(message))
	if err != nil || result.Retention == nil || result.Retention.Files == nil || result.Retention.Files.Class != contract.StoreUnreadable || result.Retention.Files.Pending != 1 {
		t.Errorf("it tells %s, %v", message, err)
	}
	if n := ask[int64](t, s.db, "SELECT count(*) FROM sb.attachment"); n != 0 {
		t.Errorf("%d attachments are left", n)
	}
}
