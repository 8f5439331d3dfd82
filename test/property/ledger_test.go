package property_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

// ledger is what the operator keeps outside of the database: countersigned receipts,
// requests by keyed hashes, changes of consent.
type ledger struct {
	key        statement.PrivateKey
	entries    []audit.Entry
	statements []statement.Receipt
	consents   map[string]contract.Consent
	newest     contract.Position // the last change of consent that was told
	epoch      int32
}

func newLedger() *ledger {
	key, err := statement.NewPrivateKey()
	must(err)
	return &ledger{key: key, consents: map[string]contract.Consent{}}
}

// anchor is what the database is known to have held.
func (l *ledger) anchor() contract.Anchor {
	a := contract.Anchor{Epoch: l.epoch}
	if n := len(l.statements); n > 0 {
		a.Head = contract.ChainLink{Sequence: l.statements[n-1].Sequence, Digest: l.statements[n-1].Digest}
	}
	if l.newest.Epoch == l.epoch {
		a.Consent = l.newest
	}
	return a
}

// append countersigns a receipt that joins the one before it, by the links told along.
// forked tells that another receipt of the number was countersigned: a run whose result was lost
// sealed the one in the backup, before the database was put back to a time before that. Such a backup is
// refused as EvidenceBroken (docs/restore.md).
func (l *ledger) forked(newest contract.ChainLink) bool {
	return slices.ContainsFunc(l.statements, func(s statement.Receipt) bool {
		return s.Sequence == newest.Sequence && s.Digest != newest.Digest
	})
}

func (l *ledger) append(r statement.Receipt, recent []contract.ChainLink) {
	r.Tenant, r.TenantUID, r.SignedAt, r.FinishedAt = tenant, "3f9b1c64-0000-4000-8000-000000000001", time.Now().UTC().Truncate(time.Second), r.FinishedAt.UTC()
	if head := l.anchor().Head; head.Sequence > 0 {
		if head.Sequence == r.Sequence {
			return // told before
		}
		links := append([]contract.ChainLink{{Sequence: r.Sequence - 1, Digest: r.PreviousDigest}}, recent...)
		if !slices.Contains(links, head) {
			differ("receipt %d does not lead to receipt %d, which was countersigned last: %+v", r.Sequence, head.Sequence, links)
		}
		r.Anchor = &head
		for _, link := range slices.Backward(recent) {
			if link.Sequence > head.Sequence {
				r.Links = append(r.Links, link)
			}
		}
	} else {
		r.Links = slices.Clone(recent)
		slices.Reverse(r.Links)
	}
	envelope, err := statement.SignReceipt(context.Background(), l.key, r)
	must(err)
	l.statements = append(l.statements, r)
	l.entries = append(l.entries, audit.Entry{Ledger: "ledger-hotel-berlin-2026", Key: fmt.Sprintf("%012d", r.Sequence), Envelope: string(envelope)})
}

func (l *ledger) ofRun(r contract.RetentionResult, rules []contract.RetentionRule) {
	s := statement.Receipt{
		Sequence: r.Sequence, Digest: r.Digest, PreviousDigest: r.PreviousDigest, Kind: evidence.KindRetention, Policy: r.Policy,
		Generation: r.Generation, PolicyDigest: r.PolicyDigest, Rules: rules, Outcome: r.Outcome, FinishedAt: r.FinishedAt,
	}
	for _, c := range r.Categories {
		cutoff := c.Cutoff.UTC()
		s.Counts = append(s.Counts, statement.Count{Category: c.Category, Cutoff: &cutoff, Done: c.Deleted, HeldBack: c.HeldBack, Overdue: c.Overdue})
	}
	l.append(s, r.Recent)
}

func (l *ledger) ofRequest(r contract.SubjectResult) {
	l.append(statement.Receipt{
		Sequence: r.Sequence, Digest: r.Digest, PreviousDigest: r.PreviousDigest, Kind: evidence.KindRequest,
		Request: r.Request, RequestType: r.Type, Subjects: r.Subjects, FinishedAt: r.FinishedAt,
	}, r.Recent)
}

func (l *ledger) ofReplay(r contract.ReplayResult) {
	l.append(statement.Receipt{
		Sequence: r.Sequence, Digest: r.Digest, PreviousDigest: r.PreviousDigest, Kind: evidence.KindRestore,
		Restored: &r.Restored, FinishedAt: r.FinishedAt,
	}, nil)
	l.epoch = r.Epoch
}

// replay is what has happened since a database's head and its newest change of consent.
func (l *ledger) replay(head contract.ChainLink, consent contract.Position) contract.Replay {
	input := contract.Replay{Anchor: l.anchor()}
	for _, r := range l.statements {
		switch {
		case r.Sequence <= head.Sequence || r.Kind != evidence.KindRequest || len(r.Subjects) == 0 && r.RequestType == contract.RequestAccess:
		case len(r.Subjects) == 0:
			input.Again++
		default:
			input.Requests = append(input.Requests, contract.ReplayRequest{UID: r.Request, Type: r.RequestType, At: r.FinishedAt, Subjects: r.Subjects})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.consents)) {
		if key > consentKey(consent) {
			input.Consents = append(input.Consents, l.consents[key])
		}
	}
	return input
}

// consentKey sorts as positions do.
func consentKey(p contract.Position) string {
	return fmt.Sprintf("%010d-%020d-%019d", p.Epoch, p.XID, p.ID)
}

const selectConsents = `SELECT epoch, xid::text, id, at, channel, encode(address_hash, 'hex'), key_version, change, source FROM `

func scanConsent(row pgx.CollectableRow) (c contract.Consent, err error) {
	var xid string
	err = row.Scan(&c.Epoch, &xid, &c.ID, &c.At, &c.Channel, &c.Hash, &c.KeyVersion, &c.Change, &c.Source)
	c.At = c.At.UTC()
	return c, cmp.Or(err, func() (err error) { c.XID, err = strconv.ParseUint(xid, 10, 64); return err }())
}

// listen asks `instance serve` for changes of consent, as the operator's journal does. So many
// of them are new.
func (w *world) listen(want int) {
	after := w.ledger.anchor().Consent
	told := func() []contract.Consent {
		rows, _ := w.serve().Query(context.Background(), selectConsents+"sb.consents_after($1, $2::text::xid8, $3, 500)", after.Epoch, strconv.FormatUint(after.XID, 10), after.ID)
		all, err := pgx.CollectRows(rows, scanConsent)
		must(err)
		return all
	}
	// A transaction of another history that is still under way holds them back.
	until("all changes of consent are told", func() bool {
		var n int
		must(w.admin().QueryRow(context.Background(), "SELECT count(*) FROM sb.consent_log WHERE xid > '0' AND (epoch, xid, id) > ($1, $2::text::xid8, $3)",
			after.Epoch, strconv.FormatUint(after.XID, 10), after.ID).Scan(&n))
		return n == 0 || len(told()) == n
	})
	before := len(w.ledger.consents)
	for _, c := range told() {
		w.ledger.consents[consentKey(c.Position)] = c
		w.ledger.newest = c.Position
	}
	if got := len(w.ledger.consents) - before; got != want+w.unheard {
		differ("%d changes of consent are told that were not known, and should be %d", got, want+w.unheard)
	}
	w.unheard = 0
	w.tell()
}

// tell writes the anchor where the pods read it.
func (w *world) tell() {
	b, err := json.Marshal(w.ledger.anchor())
	must(err)
	must(os.WriteFile(filepath.Join(w.anchors, contract.FileAnchor), b, 0o600))
}

// stored reads the receipts of the database.
func (w *world) stored() []evidence.Sealed {
	rows, _ := w.admin().Query(context.Background(), "SELECT sequence, body, previous, digest FROM sb.receipt ORDER BY sequence")
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[evidence.Sealed])
	must(err)
	return all
}

// checkEvidence audits the chain by the ledger: it may tell of restores, and of nothing else
// but of runs that were killed and whose rules were replaced before they could tell anything.
func (w *world) checkEvidence(chain []evidence.Sealed) {
	checked := fmt.Sprint(w.db.Name, len(w.ledger.entries), len(chain))
	if checked == w.checked {
		return
	}
	w.checked = checked
	report, err := audit.Verify(context.Background(), audit.Evidence{
		Tenant: tenant, Entries: w.ledger.entries, Keys: statement.Keys{w.ledger.key.Public().ID(): w.ledger.key.Public()},
		Receipts: func(add func(evidence.Sealed) error) error {
			for _, s := range chain {
				if err := add(s); err != nil {
					return err
				}
			}
			return nil
		},
	})
	must(err)
	want := w.expected(chain)
	got := map[evidence.Code]int{}
	for _, f := range report.Findings {
		got[f.Code]++
	}
	if !maps.Equal(got, want) {
		differ("the audit finds %+v, expected are %v", report.Findings, want)
	}
}

func (w *world) expected(chain []evidence.Sealed) map[evidence.Code]int {
	want := map[evidence.Code]int{}
	if len(w.ledger.entries) == 0 {
		want[audit.LedgerEmpty]++
	}
	told := map[string]bool{}
	for _, s := range w.ledger.statements {
		told[s.Policy+s.PolicyDigest] = true
	}
	anchor, head := w.ledger.anchor().Head.Sequence, int64(0)
	newest := int64(0)
	if len(chain) > 0 {
		newest = chain[len(chain)-1].Sequence
	}
	switch {
	case anchor > newest: // it was put back, and not replayed yet
		want[evidence.HeadTruncated] = 1
	case newest == 0:
		want[evidence.Empty] = 1
	case newest > anchor && anchor > 0:
		want[evidence.AnchorOlder] = 1
	}
	for _, s := range chain {
		r, err := evidence.Decode([]byte(s.Body))
		must(err)
		if r.Kind == evidence.KindRestore && s.Sequence > head+1 {
			want[evidence.Restored]++
		}
		if r.Kind == evidence.KindRetention && anchor > 0 && !told[r.Policy+r.PolicyDigest] {
			if s.Sequence > anchor {
				want[evidence.UnknownPolicy] = 1
			} else if r.Interrupted || w.untold[s.Sequence] {
				want[evidence.SwappedPolicy] = 1
			}
		}
		head = s.Sequence
	}
	return want
}

func must(err error) {
	if err != nil {
		differ("%w", err)
	}
}
