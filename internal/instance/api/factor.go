package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

// issuer is what authenticator apps call us.
const issuer = "Switchboard"

type codeRequest struct {
	Code string `json:"code"`
}

type recoveryCodes struct {
	RecoveryCodes []string `json:"recoveryCodes"` // shown this once
}

type settings struct {
	RequireSecondFactor *bool `json:"requireSecondFactor"`
}

func (s *Server) keys() (*addresshash.Keys, error) { return addresshash.Load(s.keysDir) }

// beginFactor makes a secret, which counts once a code of it was confirmed.
func (s *Server) beginFactor(ctx context.Context, c *call) (reply, error) {
	keys, err := s.keys()
	if err != nil {
		return reply{}, err
	}
	f, err := staff.BeginFactor(ctx, c.tx, keys, c.staff, issuer)
	if errors.Is(err, staff.ErrHasFactor) {
		return reply{}, fail(http.StatusConflict, typeHasFactor, "You have a second factor; take it away first, by a code.")
	}
	return reply{status: http.StatusCreated, body: f}, err
}

// confirmFactor has it count from the next sign-in on.
func (s *Server) confirmFactor(ctx context.Context, c *call) (reply, error) {
	keys, code, err := s.guess(c)
	if err != nil {
		return reply{}, err
	}
	codes, err := staff.ConfirmFactor(ctx, c.tx, keys, c.staff.ID, code)
	if errors.Is(err, staff.ErrNoFactor) {
		return reply{}, fail(http.StatusConflict, typeNoFactor, "No second factor waits to be confirmed; begin by POST /api/v1/me/second-factor.")
	}
	return reply{status: http.StatusOK, body: recoveryCodes{codes}}, s.guessed(c, err)
}

// removeFactor takes one's own away, by a code of it.
func (s *Server) removeFactor(ctx context.Context, c *call) (reply, error) {
	keys, code, err := s.guess(c)
	if err != nil {
		return reply{}, err
	}
	if c.staff.SecondFactor != staff.FactorOn {
		return reply{}, notFound("second factor")
	}
	if err := s.guessed(c, staff.UseCode(ctx, c.tx, keys, c.staff.ID, code)); err != nil {
		return reply{}, err
	}
	_, err = staff.DropFactor(ctx, c.tx, c.staff.ID)
	return reply{status: http.StatusNoContent}, err
}

// guess reads a code, and bounds how many are tried, as passwords are.
func (s *Server) guess(c *call) (*addresshash.Keys, string, error) {
	var in codeRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return nil, "", err
	}
	if err := checkText("code", in.Code, 6, maxCode); err != nil {
		return nil, "", err
	}
	if err := s.mayGuess(c.staff, time.Now()); err != nil {
		return nil, "", err
	}
	keys, err := s.keys()
	return keys, in.Code, err
}

// guessed turns what became of a code into an answer.
func (s *Server) guessed(c *call, err error) error {
	if errors.Is(err, staff.ErrWrongCode) {
		return fail(http.StatusUnprocessableEntity, typeWrongCode, "The code is wrong, too old or was used; wait for the next one.")
	}
	if err == nil {
		s.emails.forgive(c.staff.Email, time.Now())
	}
	return err
}

// resetFactor takes somebody's away who has lost it.
func resetFactor(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "account")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	found, err := staff.DropFactor(ctx, c.tx, id)
	if err == nil && !found {
		err = notFound("second factor")
	}
	return reply{status: http.StatusNoContent}, err
}

func getSettings(ctx context.Context, c *call) (reply, error) {
	var in settings
	if err := c.tx.QueryRow(ctx, "SELECT require_factor FROM sb.staff_setting").Scan(&in.RequireSecondFactor); err != nil {
		return reply{}, fmt.Errorf("reading the settings: %w", err)
	}
	return reply{status: http.StatusOK, body: in}, nil
}

// patchSettings holds from the next request of everybody on: who has no second factor may do nothing but set one up.
func patchSettings(ctx context.Context, c *call) (reply, error) {
	var in settings
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if in.RequireSecondFactor == nil {
		return reply{}, badRequest("Nothing to change: send the field requireSecondFactor.")
	}
	if *in.RequireSecondFactor && c.staff.SecondFactor != staff.FactorOn {
		return reply{}, fail(http.StatusConflict, typeNoFactor, "Set up a second factor of your own first, by POST /api/v1/me/second-factor.")
	}
	if _, err := c.tx.Exec(ctx, "UPDATE sb.staff_setting SET require_factor = $1", *in.RequireSecondFactor); err != nil {
		return reply{}, fmt.Errorf("changing the settings: %w", err)
	}
	return reply{status: http.StatusOK, body: in}, nil
}
