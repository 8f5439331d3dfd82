package property_test

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/replay"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// snapshot is a database as it was at a moment, what the model said of it then, and what the
// operator would find it to have.
type snapshot struct {
	put    func() *pgtest.Database
	model  *model
	epoch  int32
	behind contract.ChainLink // its newest receipt
	heard  contract.Position  // its newest change of consent
	told   []string           // its changes of consent, by their keys
}

// copied is a backup as a snapshot makes one.
func copied(w *world) snapshot {
	c := w.db.Copy(w.t)
	return snapshot{put: func() *pgtest.Database { return c }}
}

func (w *world) playBackup() {
	if w.IntN(2) == 0 { // somebody changes their mind around it
		g, first := w.guests[w.IntN(len(w.guests))], w.IntN(2)
		w.receive(g, w.channel(), []string{"stop", "start"}[first])
		defer func() { w.receive(g, w.channel(), []string{"start", "stop"}[first]) }()
	}
	w.leave()
	b := w.take(w)
	b.model, b.epoch = w.model.clone(), w.ledger.epoch
	if chain := w.stored(); len(chain) > 0 {
		last := chain[len(chain)-1]
		b.behind = contract.ChainLink{Sequence: last.Sequence, Digest: last.Digest}
	}
	changes := w.consentsOf("sb.consent_log WHERE xid > '0' ORDER BY epoch, xid, id")
	for _, c := range changes {
		b.heard, b.told = c.Position, append(b.told, consentKey(c.Position))
	}
	w.backups = append(w.backups, b)
}

func (w *world) consentsOf(from string) []contract.Consent {
	rows, _ := w.admin().Query(context.Background(), selectConsents+from)
	all, err := pgx.CollectRows(rows, scanConsent)
	must(err)
	return all
}

// consents counts the changes of consent of a person.
func (w *world) consents(who []person.Address) (n int64) {
	_, hashes := person.Hashes(w.keys, who)
	must(w.admin().QueryRow(context.Background(), "SELECT count(*) FROM sb.consent_log WHERE address_hash = ANY ($1)", hashes).Scan(&n))
	return n
}

// playRestore puts an older database in the place of the present one.
func (w *world) playRestore() {
	if len(w.backups) == 0 {
		w.skipped = true
		return
	}
	i := w.IntN(len(w.backups))
	b := w.backups[i]
	w.backups = slices.Delete(w.backups, i, i+1)
	if w.ledger.forked(b.behind) {
		w.count("backup of a fork")
		w.skipped = true
		return
	}
	before, anchor := w.model, w.ledger.anchor()
	w.leave()
	w.pools = map[string]*pgxpool.Pool{}
	w.db, w.model = b.put(), b.model
	lacks := anchor.Epoch > b.epoch || anchor.Head.Sequence > b.behind.Sequence || anchor.Consent.Epoch == b.epoch && anchor.Consent.ID > 0 && consentKey(anchor.Consent) > consentKey(b.heard)
	w.unheard = 0
	for _, key := range b.told {
		if _, known := w.ledger.consents[key]; !known {
			w.unheard++
		}
	}
	components := []string{contract.ComponentServe, contract.ComponentConnector(w.channel()), contract.ComponentSubject, contract.ComponentRetain}
	w.quarantined(lacks, components[w.IntN(4)])
	w.model.force(nil)
	w.force() // holds come first
	if !lacks {
		w.count("restore of a database that lacks nothing")
		if _, err := replay.Run(context.Background(), w.pool(contract.ComponentReplay), tenant, w.ledger.replay(b.behind, b.heard)); !errors.Is(err, replay.ErrNothing) {
			differ("replaying on a database that lacks nothing: %w", err)
		}
		return
	}
	w.replay(b, before)
	w.quarantined(true, components[w.IntN(3)]) // but for the runs, which follow
	for i := range w.policies {
		w.runToItsEnd(i)
	}
	w.quarantined(false, components[w.IntN(3)])
	w.listen(0)
}

func (w *world) quarantined(want bool, component string) {
	if got := !w.admits(component); got != want {
		differ("%s is kept out of the database: %t, and should be %t", component, got, want)
	}
}

// replay carries out again what the operator knows of. Who must not be written to is as it was
// before the database was put back.
func (w *world) replay(b snapshot, before *model) {
	input := w.ledger.replay(b.behind, b.heard)
	var result contract.ReplayResult
	run := func(ctx context.Context, pool *pgxpool.Pool) (err error) {
		result, err = replay.Run(ctx, pool, tenant, input)
		return err
	}
	cut, err := w.attempt(contract.ComponentReplay, 40, run)
	if cut {
		w.compare() // nothing has happened
		err = run(context.Background(), w.pool(contract.ComponentReplay))
	}
	if err != nil {
		differ("replaying: %w", err)
	}
	m := w.model
	want := contract.Restored{
		Epoch: input.Anchor.Epoch + 1, Found: b.behind, Known: input.Anchor.Head, Again: input.Again,
		Consents: int64(len(input.Consents)), Archives: int64(m.archives),
	}
	for _, q := range input.Requests {
		w.count("replayed " + q.Type)
		if q.Type == contract.RequestOptOut || q.Type == contract.RequestObjection {
			want.OptOuts++
			continue
		}
		want.Erasures++
		a := m.erase(w.asked, w.named(q.Subjects))
		for _, n := range a.done {
			want.Erased += n
		}
		for _, n := range a.refused {
			want.Refused += n
		}
	}
	for id, status := range m.statuses {
		if status == "queued" || status == "sending" {
			m.statuses[id] = "unknown"
			want.Unknown++
		}
	}
	m.quiet, m.since, m.started, m.turn = before.quiet, before.since, before.started, before.turn
	m.archives, m.replayed = 0, m.replayed+want.Erased
	if result.Restored != want {
		differ("the replay tells %s, and should %s", text(result.Restored), text(want))
	}
	w.counts["change of consent replayed"] += int64(len(input.Consents))
	first := text(result)
	if must(run(context.Background(), w.pool(contract.ComponentReplay))); text(result) != first {
		differ("the replay told %s, and then %s", first, text(result))
	}
	w.compareUntold(result)
	w.ledger.ofReplay(result)
	w.tell()
	w.compare()
}

// compareUntold makes sure that the receipt of a replay is no problem before it is countersigned.
func (w *world) compareUntold(result contract.ReplayResult) {
	chain := w.stored()
	if last := chain[len(chain)-1]; last.Sequence != result.Sequence || last.Digest != result.Digest {
		differ("the replay tells of receipt %d, the newest is %d", result.Sequence, last.Sequence)
	}
}

// named are the addresses of keyed hashes.
func (w *world) named(subjects []contract.SubjectHash) (who []person.Address) {
	for _, s := range subjects {
		hash, err := hex.DecodeString(s.Hash)
		must(err)
		if a := w.whose(hash); !slices.Contains(who, a) {
			who = append(who, a)
		}
	}
	return who
}
