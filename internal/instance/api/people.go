package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

type accountList struct {
	Accounts []staff.Account `json:"accounts"`
}

// colleague is a member as others see them.
type colleague struct {
	ID   uuid.UUID  `json:"id"`
	Name string     `json:"name"` // the e-mail address where there is none
	Role staff.Role `json:"role"`
}

type colleagueList struct {
	Colleagues []colleague `json:"colleagues"`
}

type patchAccountRequest struct {
	Name   *string     `json:"name"`
	Role   *staff.Role `json:"role"`
	Active *bool       `json:"active"`
}

func listAccounts(ctx context.Context, c *call) (reply, error) {
	all, err := staff.Accounts(ctx, c.tx)
	return reply{status: http.StatusOK, body: accountList{append([]staff.Account{}, all...)}}, err
}

// listColleagues names those who can be asked: nothing of when they work.
func listColleagues(ctx context.Context, c *call) (reply, error) {
	all, err := staff.Accounts(ctx, c.tx)
	list := colleagueList{[]colleague{}}
	for _, a := range all {
		if a.DisabledAt == nil && a.Role != staff.Auditor {
			list.Colleagues = append(list.Colleagues, colleague{a.ID, nameOf(a.Member), a.Role})
		}
	}
	return reply{status: http.StatusOK, body: list}, err
}

func nameOf(m staff.Member) string {
	if m.Name != "" {
		return m.Name
	}
	return m.Email
}

// patchAccount changes what it is told to and leaves the rest.
func patchAccount(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "account")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	var in patchAccountRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if in.Name == nil && in.Role == nil && in.Active == nil {
		return reply{}, badRequest("Nothing to change: send the field name, role or active.")
	}
	if in.Name != nil {
		if err := checkText("name", *in.Name, 0, maxName); err != nil {
			return reply{}, err
		}
	}
	if err := checkRole(in.Role); err != nil {
		return reply{}, err
	}
	a, err := staff.ChangeAccount(ctx, c.tx, id, staff.Change{Name: in.Name, Role: in.Role, Active: in.Active})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return reply{}, notFound("account")
	case errors.Is(err, staff.ErrLastSupervisor):
		return reply{}, fail(http.StatusConflict, typeLastSupervisor, "This is the last supervisor who can sign in; make somebody else one first.")
	}
	return reply{status: http.StatusOK, body: a}, err
}

func checkRole(role *staff.Role) error {
	if role != nil && !staff.All().Has(*role) {
		return badRequest(fmt.Sprintf("The field role must be one of %s.", staff.All()))
	}
	return nil
}
