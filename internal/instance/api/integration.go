package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/integration"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

const (
	// maxEvent bounds the data of an event, in bytes of JSON.
	maxEvent = 16 << 10
	// maxAhead is how far the clock of another system may be ahead.
	maxAhead = 5 * time.Minute
	// kindEvent is what keys of events are hashed as; no address is of that kind.
	kindEvent = "event"
)

// eventKind is how the kind of an event is written: guest.arrived.
var eventKind = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

type createIntegrationRequest struct {
	Name          string              `json:"name"`
	Scopes        []integration.Scope `json:"scopes"`
	ExpiresInDays int                 `json:"expiresInDays"`
}

type createdIntegration struct {
	integration.System
	Token string `json:"token"` // shown this once
}

type integrationList struct {
	Integrations []integration.System `json:"integrations"`
}

func createIntegration(ctx context.Context, c *call) (reply, error) {
	var in createIntegrationRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if err := checkText("name", in.Name, 1, 64); err != nil {
		return reply{}, err
	}
	if in.ExpiresInDays < 1 || in.ExpiresInDays > integration.MaxLife {
		return reply{}, badRequest(fmt.Sprintf("The field expiresInDays must be from 1 to %d.", integration.MaxLife))
	}
	known := integration.Scopes()
	wrong := func(s integration.Scope) bool { return !slices.Contains(known, s) }
	slices.Sort(in.Scopes)
	if in.Scopes = slices.Compact(in.Scopes); len(in.Scopes) == 0 || slices.ContainsFunc(in.Scopes, wrong) {
		return reply{}, badRequest(fmt.Sprintf("The field scopes must name one or more of %v.", known))
	}
	s, token, err := integration.Create(ctx, c.tx, in.Name, in.Scopes, in.ExpiresInDays, c.staff.ID)
	c.object = &s.ID
	return reply{status: http.StatusCreated, body: createdIntegration{s, token}}, err
}

func listIntegrations(ctx context.Context, c *call) (reply, error) {
	all, err := integration.List(ctx, c.tx)
	return reply{status: http.StatusOK, body: integrationList{append([]integration.System{}, all...)}}, err
}

func revokeIntegration(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "integration")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	found, err := integration.Revoke(ctx, c.tx, id)
	if err == nil && !found {
		err = notFound("integration")
	}
	return reply{status: http.StatusNoContent}, err
}

type eventRequest struct {
	Kind  string          `json:"kind"`
	At    *time.Time      `json:"at"` // now when left out
	Guest eventGuest      `json:"guest"`
	Data  json.RawMessage `json:"data"`
}

type eventGuest struct {
	Kind    string `json:"kind"`
	Address string `json:"address"`
}

type eventAnswer struct {
	ID     uuid.UUID `json:"id"`
	Stored bool      `json:"stored"` // false when it was told before
}

func (e eventRequest) check() error {
	if len(e.Kind) > 64 || !eventKind.MatchString(e.Kind) {
		return badRequest("The field kind must be a word such as guest.arrived, of at most 64 lower-case letters and digits, with dots, dashes and underscores between.")
	}
	if e.At != nil && time.Until(*e.At) > maxAhead {
		return badRequest("The field at lies in the future; send when it happened, or leave it out.")
	}
	if len(e.Data) > maxEvent {
		return badRequest(fmt.Sprintf("The field data has more than %d bytes; send less.", maxEvent))
	}
	if len(e.Data) == 0 || e.Data[0] != '{' {
		return badRequest("The field data must be a JSON object.")
	}
	return nil
}

// postEvent keeps what another system tells of a guest, once for each Idempotency-Key.
func (s *Server) postEvent(ctx context.Context, c *call) (reply, error) {
	key := c.http.Header.Values("Idempotency-Key")
	if len(key) != 1 || key[0] == "" || len(key[0]) > 255 {
		return reply{}, badRequest("Send one header Idempotency-Key of 1 to 255 characters: the same event bears the same one whenever it is sent.")
	}
	var in eventRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if err := in.check(); err != nil {
		return reply{}, err
	}
	address, err := person.Parse(in.Guest.Kind, in.Guest.Address)
	if err != nil {
		return reply{}, badRequest("The fields kind and address of guest name no address: " + err.Error() + ".")
	}
	keys, err := addresshash.Load(s.keysDir)
	if err != nil {
		return reply{}, err
	}
	var kinds, addresses []string
	aliases := address.Aliases()
	for _, a := range aliases {
		kinds, addresses = append(kinds, a.Kind), append(addresses, a.Value)
	}
	_, hashes := person.Hashes(keys, aliases)
	// By the system's name, not by its token: what is sent again under a new token is known still.
	told := c.system.Name + "\x00" + key[0]
	seen, version := keys.Hashes(kindEvent, told)
	id := uuid.NewHash(sha256.New(), uuid.Nil, []byte(told), 8)
	at := time.Now()
	if in.At != nil {
		at = *in.At
	}
	var outcome string
	err = c.tx.QueryRow(ctx, "SELECT sb.integration_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		id, seen, c.system.Name, in.Kind, at, string(in.Data), kinds, addresses, hashes, version, uuid.New()).Scan(&outcome)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code[:2] == "22" || pg.Code[:2] == "54") { // a lone surrogate, a number without end, a depth
		return reply{}, badRequest("The field data has something that can't be kept as JSON; send plain values.")
	}
	if err != nil {
		return reply{}, fmt.Errorf("storing an event: %w", err)
	}
	c.object = &id
	switch outcome {
	case "seen":
		return reply{status: http.StatusOK, body: eventAnswer{id, false}}, nil
	case "expired":
		return reply{}, fail(http.StatusUnprocessableEntity, typeExpired, "The event is older than the tenant keeps such data; it is not stored.")
	}
	return reply{status: http.StatusCreated, body: eventAnswer{id, true}}, nil
}
