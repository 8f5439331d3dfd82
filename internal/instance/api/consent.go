package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/queue"
)

const (
	// allChannels is the scope of the whole tenant.
	allChannels = "*"
	// codeNoContact is how sb.staff_consent says that a guest has expired.
	codeNoContact = "SB301"
)

// consent is what became of an opt-out or opt-in.
type consent struct {
	OptOut    string `json:"optOut"` // an optOut…
	Changed   bool   `json:"changed"`
	Confirmed bool   `json:"confirmed"` // the guest is told by one message
}

type optOutRequest struct {
	Channel string `json:"channel"` // "" for all of the tenant's
}

type optInRequest struct{}

type addressOptOutRequest struct {
	Kind    string `json:"kind"`
	Address string `json:"address"`
	Channel string `json:"channel"`
}

type addressOptInRequest struct {
	Kind    string `json:"kind"`
	Address string `json:"address"`
}

func (s *Server) optOutContact(ctx context.Context, c *call) (reply, error) {
	var in optOutRequest
	return s.ofContact(ctx, c, &in, func() change { return change{optout.Stop, in.Channel} })
}

func (s *Server) optInContact(ctx context.Context, c *call) (reply, error) {
	return s.ofContact(ctx, c, &optInRequest{}, func() change { return change{optout.Start, ""} })
}

func (s *Server) optOutAddress(ctx context.Context, c *call) (reply, error) {
	var in addressOptOutRequest
	return s.ofAddress(ctx, c, &in, func() (change, string, string) { return change{optout.Stop, in.Channel}, in.Kind, in.Address })
}

func (s *Server) optInAddress(ctx context.Context, c *call) (reply, error) {
	var in addressOptInRequest
	return s.ofAddress(ctx, c, &in, func() (change, string, string) { return change{optout.Start, ""}, in.Kind, in.Address })
}

// change is what staff were told by a guest, on a channel, or on all when it is "".
type change struct {
	command optout.Command
	channel string
}

// who is whom it concerns: a guest, an address, or both.
type who struct {
	contact      *uuid.UUID
	kind         string
	hashes, also [][]byte
	keyVersion   int
}

func (s *Server) ofContact(ctx context.Context, c *call, in any, read func() change) (reply, error) {
	id, err := pathID(c.http, "contact")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	if err := decode(c.w, c.http, in); err != nil {
		return reply{}, err
	}
	also, err := s.hashesOf(ctx, c.tx, id)
	if err != nil {
		return reply{}, err
	}
	return setConsent(ctx, c, read(), who{contact: &id, also: also})
}

// hashesOf gives the keyed hashes of a guest's addresses under every key: what is undone
// by them is undone in a restore too, when it was done before the key changed.
func (s *Server) hashesOf(ctx context.Context, tx pgx.Tx, contact uuid.UUID) ([][]byte, error) {
	keys, err := addresshash.Load(s.keysDir)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT kind, address FROM sb.contact_address
		WHERE contact_id = $1 OR contact_id IN (SELECT o.id FROM sb.contact c JOIN sb.contact o ON o.person = c.person WHERE c.id = $1)`, contact)
	if err != nil {
		return nil, fmt.Errorf("reading a guest's addresses: %w", err)
	}
	addresses, err := pgx.CollectRows(rows, pgx.RowToStructByPos[person.Address])
	if err != nil {
		return nil, fmt.Errorf("reading a guest's addresses: %w", err)
	}
	_, hashes := person.Hashes(keys, addresses)
	return hashes, nil
}

func (s *Server) ofAddress(ctx context.Context, c *call, in any, read func() (change, string, string)) (reply, error) {
	if err := decode(c.w, c.http, in); err != nil {
		return reply{}, err
	}
	wanted, kind, value := read()
	address, err := person.Parse(kind, value)
	if err != nil {
		return reply{}, badRequest("The fields kind and address name no address: " + err.Error() + ".")
	}
	keys, err := addresshash.Load(s.keysDir)
	if err != nil {
		return reply{}, err
	}
	w, err := findBearer(ctx, c.tx, keys, address.Aliases())
	if err != nil {
		return reply{}, err
	}
	c.object = w.contact
	return setConsent(ctx, c, wanted, w)
}

// findBearer finds the guest who bears an address, given all the addresses that are the same
// number.
func findBearer(ctx context.Context, tx pgx.Tx, keys *addresshash.Keys, aliases []person.Address) (who, error) {
	w := who{kind: aliases[0].Kind}
	w.hashes, w.keyVersion = keys.Hashes(aliases[0].Kind, aliases[0].Value)
	_, w.also = person.Hashes(keys, aliases[1:])
	kinds, hashes := person.Hashes(keys, aliases)
	err := tx.QueryRow(ctx, `SELECT a.contact_id FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS n (kind, hash, place)
		JOIN sb.contact_address a ON a.kind = n.kind AND a.address_hash = n.hash ORDER BY n.place LIMIT 1`, kinds, hashes).Scan(&w.contact)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return w, fmt.Errorf("looking for a guest by address: %w", err)
	}
	return w, nil
}

// setConsent opts somebody out or in. What is so already changes nothing and is not
// confirmed again.
func setConsent(ctx context.Context, c *call, wanted change, w who) (reply, error) {
	scope, err := scopeOf(ctx, c.tx, wanted.channel)
	if err != nil {
		return reply{}, err
	}
	confirmation, err := uuid.NewV7()
	if err != nil {
		return reply{}, fmt.Errorf("making an id: %w", err)
	}
	done := consent{OptOut: optOutDone}
	if wanted.command == optout.Start {
		done.OptOut = optOutNone
	}
	var channel *string
	var at *time.Time
	err = c.tx.QueryRow(ctx, "SELECT changed, channel, confirmation_at FROM sb.staff_consent($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		string(wanted.command), scope, w.contact, w.kind, w.hashes, w.also, w.keyVersion, optout.Answer(wanted.command), confirmation, c.source()).
		Scan(&done.Changed, &channel, &at)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == codeNoContact {
		return reply{}, notFound("contact")
	}
	if err != nil {
		return reply{}, fmt.Errorf("changing whether somebody is written to: %w", err)
	}
	done.Confirmed, err = queueConfirmation(ctx, c.tx, channel, confirmation, at)
	return reply{status: http.StatusOK, body: done}, err
}

// source is who changes consent, as the log has it.
func (c *call) source() string {
	if c.system != nil {
		return "api"
	}
	return "staff"
}

// scopeOf is the scope of an opt-out on a channel, or on all when it is "".
func scopeOf(ctx context.Context, tx pgx.Tx, channel string) (string, error) {
	if channel == "" {
		return allChannels, nil
	}
	var exists bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM sb.channel WHERE name = $1)", channel).Scan(&exists); err != nil {
		return "", fmt.Errorf("looking for a channel: %w", err)
	}
	if !exists {
		return "", badRequest("There is no channel of that name; leave the field channel out for all channels.")
	}
	return channel, nil
}

// queueConfirmation gives a confirmation that was stored to the channel's connector.
func queueConfirmation(ctx context.Context, tx pgx.Tx, channel *string, id uuid.UUID, at *time.Time) (bool, error) {
	if channel == nil || at == nil {
		return false, nil
	}
	if err := queue.InsertTx(ctx, tx, *channel, queue.SendArgs{MessageID: id, At: *at}); err != nil {
		return false, fmt.Errorf("queueing a confirmation: %w", err)
	}
	return true, nil
}
