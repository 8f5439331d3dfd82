package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/instance/web"
)

const defaultInvitationHours = 72

type inviteRequest struct {
	Email          string     `json:"email"`
	Name           string     `json:"name"`
	Role           staff.Role `json:"role"`
	ExpiresInHours *int       `json:"expiresInHours"`
}

type inviteAgainRequest struct {
	ExpiresInHours *int `json:"expiresInHours"`
}

type madeInvitation struct {
	staff.Invitation
	Token string `json:"token"` // shown this once
	// Link opens the page with the token behind a #, which browsers send to nobody.
	Link string `json:"link"`
}

type invitationList struct {
	Invitations []staff.Invitation `json:"invitations"`
}

type acceptRequest struct {
	Token    string `json:"token"`
	Name     string `json:"name"`
	Password string `json:"password"`
}

func listInvitations(ctx context.Context, c *call) (reply, error) {
	all, err := staff.Invitations(ctx, c.tx)
	return reply{status: http.StatusOK, body: invitationList{append([]staff.Invitation{}, all...)}}, err
}

// postInvitation invites somebody who has no account.
func (s *Server) postInvitation(ctx context.Context, c *call) (reply, error) {
	var in inviteRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if a, err := mail.ParseAddress(in.Email); err != nil || a.Address != in.Email || len(in.Email) > 254 {
		return reply{}, badRequest("The field email is no address; write it as name@host.example.")
	}
	if err := errors.Join(checkText("name", in.Name, 0, maxName), checkRole(&in.Role)); err != nil {
		return reply{}, err
	}
	return s.invite(ctx, c, staff.Invitation{Email: in.Email, Name: in.Name, Role: in.Role}, in.ExpiresInHours)
}

// postAccountInvitation lets somebody who has an account choose another password.
func (s *Server) postAccountInvitation(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "account")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	var in inviteAgainRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	return s.invite(ctx, c, staff.Invitation{Account: &id}, in.ExpiresInHours)
}

func (s *Server) invite(ctx context.Context, c *call, i staff.Invitation, hours *int) (reply, error) {
	life := defaultInvitationHours
	if hours != nil {
		life = *hours
	}
	if most := int(staff.MaxInvitationLife.Hours()); life < 1 || life > most {
		return reply{}, badRequest(fmt.Sprintf("The field expiresInHours must be from 1 to %d.", most))
	}
	i.CreatedBy = c.staff.ID
	made, token, err := staff.Invite(ctx, c.tx, i, time.Duration(life)*time.Hour)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return reply{}, notFound("account")
	case errors.Is(err, staff.ErrTaken):
		return reply{}, fail(http.StatusConflict, typeTaken, "There is an account of this e-mail address; to let its owner choose another password, POST /api/v1/staff/{id}/invitations.")
	case errors.Is(err, staff.ErrClosed):
		return reply{}, fail(http.StatusConflict, typeClosed, "The account is closed; open it first, by PATCH /api/v1/staff/{id} with active true.")
	case errors.Is(err, staff.ErrTooMany):
		p := fail(http.StatusTooManyRequests, typeTooManyTries, fmt.Sprintf("%d invitations are open; withdraw some, or wait until they end.", staff.MaxOpenInvitations))
		p.retryAfter = time.Hour
		return reply{}, p
	case err != nil:
		return reply{}, err
	}
	if c.object == nil {
		c.object = &made.ID
	}
	return reply{status: http.StatusCreated, body: madeInvitation{made, token, s.origin + web.InboxPath + "#invitation=" + token}}, nil
}

func deleteInvitation(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "invitation")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	found, err := staff.Withdraw(ctx, c.tx, id)
	if err == nil && !found {
		err = notFound("invitation")
	}
	return reply{status: http.StatusNoContent}, err
}

// acceptInvitation is for whoever has the token. Wrong ones count against the address that they come from.
func (s *Server) acceptInvitation(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	member, err := s.tryAccept(ctx, w, r)
	if err == nil {
		writeJSON(w, http.StatusCreated, "application/json", member)
		return
	}
	p := problemOf(err)
	if p.Status >= 500 {
		s.log.Error("a request failed", "route", r.Pattern, "status", p.Status, "error", err.Error())
	} else if err := logAccess(ctx, s.pool, r, nil, nil, p.Status); err != nil {
		s.log.Error("the access log failed", "route", r.Pattern, "error", err.Error())
	}
	p.write(w)
}

func (s *Server) tryAccept(ctx context.Context, w http.ResponseWriter, r *http.Request) (staff.Member, error) {
	var m staff.Member
	if crossSite(r) {
		return m, fail(http.StatusForbidden, typeNotAllowed, "A page of another site asked for this; use the tenant's own page.")
	}
	var in acceptRequest
	if err := decode(w, r, &in); err != nil {
		return m, err
	}
	if err := errors.Join(checkText("token", in.Token, 1, 100), checkText("name", in.Name, 0, maxName), checkPassword("password", in.Password)); err != nil {
		return m, err
	}
	if err := s.passwordRefused(); err != nil {
		return m, err
	}
	now, address := time.Now(), httpserve.ClientIP(r).String()
	if wait := s.ips.try(address, now); wait > 0 {
		p := fail(http.StatusTooManyRequests, typeTooManyTries, "There were too many tries; wait as long as Retry-After says.")
		p.retryAfter = wait
		return m, p
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var err error
		if m, err = staff.Accept(ctx, tx, in.Token, in.Name, in.Password); err != nil {
			return err
		}
		return logAccess(ctx, tx, r, &m.ID, nil, http.StatusCreated)
	})
	switch {
	case errors.Is(err, staff.ErrNoInvitation):
		return m, fail(http.StatusNotFound, typeUnspecific, "The invitation has ended, or was used; ask a supervisor for another.")
	case errors.Is(err, staff.ErrTaken):
		return m, fail(http.StatusConflict, typeTaken, "There is an account of this e-mail address by now; sign in, or ask a supervisor.")
	}
	s.ips.forgive(address, now)
	return m, err
}

// checkPassword holds a new password to the bounds, in bytes.
func checkPassword(field, password string) error {
	if len(password) < staff.MinPassword || len(password) > staff.MaxPassword {
		return badRequest(fmt.Sprintf("The field %q must have from %d to %d bytes; choose a longer sentence, or let a password manager choose.", field, staff.MinPassword, staff.MaxPassword))
	}
	return nil
}

type changePasswordRequest struct {
	Present string `json:"present"`
	Next    string `json:"next"`
}

// changePassword is a member's own. Wrong tries count as those to sign in.
func (s *Server) changePassword(ctx context.Context, c *call) (reply, error) {
	var in changePasswordRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if err := errors.Join(checkText("present", in.Present, 1, staff.MaxPassword), checkPassword("next", in.Next)); err != nil {
		return reply{}, err
	}
	now := time.Now()
	if err := s.mayGuess(c.staff, now); err != nil {
		return reply{}, err
	}
	token, _ := sessionToken(c.http)
	err := staff.ChangePassword(ctx, c.tx, c.staff.ID, token, in.Present, in.Next)
	if errors.Is(err, staff.ErrWrong) {
		return reply{}, fail(http.StatusUnprocessableEntity, typeWrongPassword, "The present password is another; try again, or ask a supervisor for an invitation.")
	}
	s.emails.forgive(c.staff.Email, now)
	return reply{status: http.StatusNoContent}, err
}

// mayGuess bounds the guesses of somebody who is signed in, or has found somebody's screen.
func (s *Server) mayGuess(m staff.Member, now time.Time) error {
	if wait := s.emails.try(m.Email, now); wait > 0 {
		p := fail(http.StatusTooManyRequests, typeTooManyTries, "There were too many tries; wait as long as Retry-After says.")
		p.retryAfter = wait
		return p
	}
	return nil
}
