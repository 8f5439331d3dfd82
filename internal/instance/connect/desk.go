package connect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// desk is what a provider that is dialled has of the database.
type desk struct{ c *Connector }

const (
	// ownEvery is how often a connector that is not alone looks whether it is, and one that is whether that holds.
	ownEvery = time.Second
	// takeTimeout bounds how long a message waits to be stored.
	takeTimeout = answerTimeout
)

// Own holds an advisory lock of a session of its own: wherever pods of the channel run, one has it.
func (d desk) Own(ctx context.Context) (<-chan struct{}, func(), error) {
	conn, err := d.c.database.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, described("making sure that no other connector is bound", err)
	}
	raw := conn.Hijack() // the pool must not end or lend it
	closing := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		_ = raw.Close(ctx) // with it the lock goes
	}
	ticks := time.NewTicker(ownEvery)
	for waited := false; ; waited = true {
		var mine bool
		if err := raw.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended('smpp ' || $1, 0))", d.c.channel.Name).Scan(&mine); err != nil {
			ticks.Stop()
			closing()
			return nil, nil, described("making sure that no other connector is bound", err)
		}
		if mine {
			break
		}
		if !waited {
			d.c.log.Info("another connector of the channel is bound; waiting until it is not")
		}
		select {
		case <-ctx.Done():
			ticks.Stop()
			closing()
			return nil, nil, ctx.Err()
		case <-ticks.C:
		}
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	lost := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		defer ticks.Stop()
		for {
			select {
			case <-watching.Done():
				return
			case <-ticks.C:
				asked, cancel := context.WithTimeout(watching, storeTimeout)
				_, err := raw.Exec(asked, "SELECT 1")
				cancel()
				if err != nil {
					if watching.Err() == nil {
						close(lost)
					}
					return
				}
			}
		}
	})
	return lost, func() {
		stop()
		watcher.Wait()
		closing()
	}, nil
}

var errBusy = errors.New("as many messages as fit wait to be stored")

// Take hands a message to the receiver, in order.
func (d desk) Take(m provider.LineMessage, done func(int64, error)) bool {
	l, err := d.c.letter(m.Inbound)
	if err != nil {
		done(0, err)
		return true
	}
	keys, err := addresshash.Load(d.c.keysDir)
	if err != nil {
		done(0, err)
		return true
	}
	l.line = &lineLetter{connection: m.Connection, doubtful: m.Doubtful, from: m.From[0]}
	l.line.fingerprints, _ = keys.Hashes(kindProviderID, m.Fingerprint)
	l.providerID = m.Connection.ID.String() + "." + l.message.String()
	l.seen, l.keyVersion = keys.Hashes(kindProviderID, l.providerID)
	if m.Long != nil {
		l.line.long = m.Long
		l.line.key, _ = keys.Hash(kindProviderID, m.Long.Key)
		l.line.words = d.c.heard
	}
	l.done = make(chan error, 1)
	span := d.c.receiver.begin(context.Background(), l)
	select {
	case d.c.receiver.letters <- l:
	default:
		span.End(errBusy)
		received.add("unavailable", 1)
		return false
	}
	go func() {
		timer := time.NewTimer(takeTimeout)
		defer timer.Stop()
		select {
		case err := <-l.done:
			span.End(err)
			if err != nil {
				received.add("unavailable", 1)
			}
			done(l.line.unconfirmed, err)
		case <-timer.C:
			err := fmt.Errorf("storing a message took longer than %s", takeTimeout)
			span.End(err)
			received.add("unavailable", 1)
			done(0, err)
		}
	}()
	return true
}

func (d desk) Unreadable() { received.add("unreadable", 1) }

func (d desk) Confirm(ctx context.Context, ids []int64) error {
	_, err := d.c.database.pool.Exec(ctx, "SELECT sb.smpp_confirm($1)", ids)
	return described("noting that the provider knows of messages", err)
}

func (d desk) Purge(ctx context.Context, c provider.Connection) error {
	_, err := d.c.database.pool.Exec(ctx, "SELECT sb.smpp_purge($1, $2)", c.ID, c.Since)
	return described("removing notes of older connections", err)
}

func (d desk) Parts(ctx context.Context, k provider.Key) ([]provider.Part, error) {
	return d.c.database.parts(ctx, k)
}

func (d desk) Begin(ctx context.Context, k provider.Key, p provider.Part) error {
	_, err := d.c.database.pool.Exec(ctx, "SELECT sb.smpp_begin($1, $2, $3, $4, $5)", k.ID, k.At, p.Number, p.Of, int32(p.Reference))
	return described("noting that a part is submitted", err)
}

func (d desk) End(ctx context.Context, k provider.Key, part int, id string) error {
	var hash []byte
	if id != "" {
		keys, err := addresshash.Load(d.c.keysDir)
		if err != nil {
			return err
		}
		hash, _ = keys.Hash(kindProviderID, id)
	}
	_, err := d.c.database.pool.Exec(ctx, "SELECT sb.smpp_end($1, $2, $3, $4)", k.ID, k.At, part, hash)
	return described("noting what came of a part", err)
}

func (d desk) Receipt(ctx context.Context, r provider.Receipt) (known bool, err error) {
	keys, err := addresshash.Load(d.c.keysDir)
	if err != nil {
		return false, err
	}
	exact, _ := keys.Hashes(kindProviderID, r.ID)
	other := [][]byte{}
	for _, id := range r.Alike {
		h, _ := keys.Hashes(kindProviderID, id)
		other = append(other, h...)
	}
	var guest [][]byte
	if r.Guest != nil {
		_, guest = person.Hashes(keys, r.Guest)
	}
	var reference *int32
	if r.Reference != nil {
		n := int32(*r.Reference)
		reference = &n
	}
	err = d.c.database.pool.QueryRow(ctx, "SELECT sb.smpp_receipt($1, $2, $3, $4, $5, NULLIF($6, ''))",
		exact, other, guest, reference, r.Status, r.ErrorCode).Scan(&known)
	return known, described("noting a receipt", err)
}
