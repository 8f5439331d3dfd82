// Package property_test plays random histories of a tenant's data against a plain model.
package property_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"filippo.io/age"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// histories is how many random histories are played; $SWITCHBOARD_HISTORIES plays more.
const histories = 500

// step is a step of a history. What it does in detail follows from its seed and from what is
// there, so that a history without some of its steps still means something.
type step struct {
	name string
	seed uint64
}

// kind of steps.
type kind struct {
	name  string
	often int // is drawn, among the others
	play  func(*world)
}

var kinds = []kind{
	{"arrive", 2, (*world).arrive},
	{"receive", 5, (*world).playReceive},
	{"send", 2, (*world).playSend},
	{"hold", 3, (*world).playHold},
	{"release", 2, (*world).playRelease},
	{"rules", 2, (*world).playRules},
	{"run", 4, (*world).playRun},
	{contract.RequestErasure, 3, asked(contract.RequestErasure)},
	{contract.RequestUnderage, 1, asked(contract.RequestUnderage)},
	{contract.RequestOptOut, 1, asked(contract.RequestOptOut)},
	{contract.RequestObjection, 1, asked(contract.RequestObjection)},
	{contract.RequestRectification, 1, asked(contract.RequestRectification)},
	{contract.RequestAccess, 1, asked(contract.RequestAccess)},
	{"backup", 0, (*world).playBackup},
	{"restore", 0, (*world).playRestore},
}

// happens lists what must have happened beside, in all histories together.
var happens = []string{
	"stop", "start", "help", "blocked by the provider", "run Enforced", "run Blocked", "run DryRun", "run taken up again", "row held back", "approval",
	"lost result of a run", "erasure deferred by a hold", "deferred erasure", "correction refused", "restore of a database that lacks nothing",
	"change of consent replayed", "replayed " + contract.RequestErasure, "replayed " + contract.RequestUnderage, "replayed " + contract.RequestOptOut,
	"replayed " + contract.RequestObjection, "crash of " + contract.ComponentRetain, "crash of " + contract.ComponentSubject, "crash of " + contract.ComponentReplay,
	"crash of " + contract.ComponentConnector(pgtest.Channel),
}

func asked(kind string) func(*world) { return func(w *world) { w.playRequest(kind) } }

// plan draws the steps of a history. In one of four an older database is put back, or two.
func plan(seed uint64) []step {
	r := rand.New(rand.NewPCG(seed, 2026))
	var names []string
	for _, k := range kinds {
		for range k.often {
			names = append(names, k.name)
		}
	}
	steps := []step{{"arrive", r.Uint64()}, {"rules", r.Uint64()}}
	for range 6 {
		steps = append(steps, step{names[r.IntN(len(names))], r.Uint64()})
	}
	for range []int{0, 0, 1, 0, 0, 2, 0, 0}[r.IntN(8)] {
		from := 2 + r.IntN(len(steps)/2)
		to := from + 1 + r.IntN(len(steps)-from)
		steps = slices.Insert(steps, from, step{"backup", r.Uint64()})
		steps = slices.Insert(steps, min(to+1, len(steps)), step{"restore", r.Uint64()})
	}
	return steps
}

// TestRandomHistories plays random histories of guests, messages, STOP and START, holds, requests
// of persons, changes of policy, approvals of what the guard stopped, retention runs, backups that
// are put back, and crashes of all that, and compares every row, whoever may read it, what staff
// can read, whom they can write to, every count and the chain with a plain model.
//
// A failure tells its seed, its steps without those that it does not need, and the first
// difference. To play one seed alone: go test ./test/property -run 'TestRandomHistories/^seed_17$'
func TestRandomHistories(t *testing.T) {
	n := histories
	if more, err := strconv.Atoi(os.Getenv("SWITCHBOARD_HISTORIES")); err == nil {
		n = more
	}
	s := newStage(t, pgtest.Start(t), 2)
	t.Cleanup(func() { s.report(t, n) })
	// Under -race a collection is dear, and a history leaves little behind.
	percent := debug.SetGCPercent(800)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	for seed := range uint64(n) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			s.playOrShrink(t, seed, copied)
		})
	}
}

// stage is what histories share: keys, databases, and counts of what was played.
type stage struct {
	keys   *addresshash.Keys
	logins map[string]string // directories of credentials, by role
	free   chan *bed
	// failed histories, and those that were not played since enough of them have.
	failed, idle atomic.Int64

	mu   sync.Mutex
	sums map[string]int64
}

// enough failures to look at: no more histories are played.
const enough = 3

// bed is a database that one history after the other is played on.
type bed struct {
	db      *pgtest.Database
	pools   map[string]*pgxpool.Pool
	anchors string // directory of the anchor
}

var recipient = func() string {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		panic(err)
	}
	return key.Recipient().String()
}()

// newStage makes so many databases on a server.
func newStage(t *testing.T, server *pgtest.Server, databases int) *stage {
	t.Helper()
	dir := t.TempDir()
	for version, b := range map[string]byte{"1": 'a', "2": 'b'} {
		if err := os.WriteFile(filepath.Join(dir, contract.FileHashKeyPrefix+version), bytes.Repeat([]byte{b}, 32), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := addresshash.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{keys: keys, free: make(chan *bed, databases), sums: map[string]int64{}, logins: map[string]string{}}
	for _, l := range pgtest.Input().Logins {
		s.logins[l.Role] = (&pgtest.Database{Server: server}).Dir(t, l.Role)
	}
	s.logins[contract.AdminRole] = (&pgtest.Database{Server: server}).Dir(t, contract.AdminRole)
	for range cap(s.free) {
		b := &bed{db: pgtest.NewOn(t, server), pools: map[string]*pgxpool.Pool{}, anchors: t.TempDir()}
		t.Cleanup(func() { closeAll(b.pools) })
		s.free <- b
	}
	return s
}

// playOrShrink plays a history. One that fails is played again without each of its steps in turn,
// and those that it fails without are left out.
func (s *stage) playOrShrink(t *testing.T, seed uint64, take func(*world) snapshot) {
	t.Helper()
	b := <-s.free
	defer func() { s.free <- b }()
	if s.failed.Load() >= enough {
		s.idle.Add(1)
		return // told by report
	}
	steps := plan(seed)
	err := s.play(t, b, steps, take, true)
	if err == nil {
		return
	}
	s.failed.Add(1)
	first := err
	for i := len(steps) - 1; i >= 0 && os.Getenv("SWITCHBOARD_SHRINK") != "no"; i-- {
		fewer := slices.Delete(slices.Clone(steps), i, i+1)
		if again := s.play(t, b, fewer, take, false); again != nil {
			steps, err = fewer, again
		}
	}
	names := make([]string, len(steps))
	for i, step := range steps {
		names[i] = step.name
	}
	t.Fatalf("seed %d: %v\nof these steps are needed: %s: %v\nto play it alone: go test ./test/property -run '%s'",
		seed, first, strings.Join(names, ", "), err, "TestRandomHistories/^"+fmt.Sprintf("seed_%d", seed)+"$")
}

// play plays the steps of a history on an empty database, and gives the first difference.
func (s *stage) play(t *testing.T, b *bed, steps []step, take func(*world) snapshot, tell bool) (err error) {
	t.Helper()
	w := &world{
		t: t, stage: s, db: b.db, pools: b.pools, model: newModel(), ledger: newLedger(), anchors: b.anchors, take: take, untold: map[int64]bool{}, counts: map[string]int64{},
	}
	at := step{name: "beginning"}
	defer func() {
		if w.db != b.db {
			closeAll(w.pools)
		}
		switch r := recover().(type) {
		case nil:
		case difference:
			err = fmt.Errorf("%s: %w", at.name, r.error)
		default:
			panic(r)
		}
		if tell && err == nil {
			s.add(w.counts)
		}
	}()
	w.tell()
	w.empty()
	for _, at = range steps {
		w.Rand, w.skipped = rand.New(rand.NewPCG(at.seed, 1)), false
		if at.name != "arrive" && at.name != "rules" && (len(w.guests) == 0 || len(w.policies) == 0) {
			continue // shrunk
		}
		kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == at.name })].play(w)
		if !w.skipped {
			w.count(at.name)
		}
		if len(w.policies) > 0 { // else the step that puts one in force was left out
			w.compare()
			if w.IntN(3) == 0 {
				w.compareReadable()
			}
		}
	}
	at = step{name: "the end"}
	if len(w.policies) > 0 {
		if len(w.deferred) > 0 {
			w.playRelease()
		}
		w.finish()
		w.compareReadable()
	}
	return nil
}

// empty clears the database for another history.
func (w *world) empty() {
	w.exec(`DELETE FROM sb.attachment; DELETE FROM sb.message_body; DELETE FROM sb.message; DELETE FROM sb.seen; DELETE FROM sb.access_log; DELETE FROM sb.conversation;
		DELETE FROM sb.contact; DELETE FROM sb.web_chat_session; DELETE FROM sb.integration_data; DELETE FROM sb.testimonial; DELETE FROM sb.staff; DELETE FROM sb.hold;
		DELETE FROM sb.suppression; DELETE FROM sb.consent_log; DELETE FROM sb.restore; DELETE FROM sb.receipt; DELETE FROM sb.retention_run; DELETE FROM sb.retention_plan;
		DELETE FROM sb.retention_limit; DELETE FROM sb.request_count; DELETE FROM sb.archive; DELETE FROM sb.file; SELECT lo_unlink(oid) FROM pg_largeobject_metadata`)
}

func (s *stage) add(counts map[string]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, n := range counts {
		s.sums[what] += n
	}
}

// report prints how often everything was played, and fails when something never was.
func (s *stage) report(t *testing.T, n int) {
	t.Helper()
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(s.sums)) {
		lines = append(lines, fmt.Sprintf("%6d %s", s.sums[what], what))
	}
	t.Logf("%d histories, %d of them not played after %d have failed:\n%s", n, s.idle.Load(), s.failed.Load(), strings.Join(lines, "\n"))
	if t.Failed() || n < histories {
		return
	}
	wanted := slices.Clone(happens)
	for _, k := range kinds {
		wanted = append(wanted, k.name)
	}
	for _, what := range wanted {
		if s.sums[what] == 0 {
			t.Errorf("%s: it never happened, and the histories tell too little", what)
		}
	}
}
