package twilio

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// codeInactive is the error code of an account that was suspended or closed.
const codeInactive = 10001

// Check asks Twilio for the account; where a region of Twilio's does not serve accounts, for
// the newest message of its list, of which nothing is looked at.
func (p *Provider) Check(ctx context.Context) error {
	if _, err := p.token(); err != nil {
		return &provider.CredentialsError{Problem: contract.ProblemUnreadable}
	}
	at := strings.TrimSuffix(p.channel.APIBaseURL, "/") + "/2010-04-01/Accounts/" + url.PathEscape(p.channel.AccountSID) + ".json"
	status, account, err := p.ask(ctx, at)
	if err == nil && status == http.StatusNotFound {
		status, _, err = p.ask(ctx, p.messages()+".json?PageSize=1")
		account.SID = p.channel.AccountSID
	}
	if err != nil {
		return err
	}
	wrong := func(problem string) error {
		return &provider.CredentialsError{Problem: problem, Code: strconv.Itoa(account.Code)}
	}
	switch {
	case account.Code == codeInactive, status == http.StatusOK && (account.Status == "suspended" || account.Status == "closed"):
		return wrong(contract.ProblemSuspended)
	case status == http.StatusUnauthorized, status == http.StatusNotFound:
		return wrong(contract.ProblemRefused)
	case status == http.StatusForbidden:
		return wrong(contract.ProblemNotAllowed)
	case status != http.StatusOK || account.SID != p.channel.AccountSID:
		return fmt.Errorf("asking Twilio for the account: HTTP %d", status)
	}
	return nil
}

// account is the Account resource, or why there is none.
type account struct {
	SID    string `json:"sid"`
	Status string `json:"status"` // active, suspended or closed; of a failure it is a number
	Code   int    `json:"code"`
}

func (p *Provider) ask(ctx context.Context, at string) (status int, a account, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, a, fmt.Errorf("asking Twilio for the account: %w", err)
	}
	status, _, answer, err := p.do(request)
	if err == nil {
		_ = json.Unmarshal(answer, &a) // a member of another type is left empty
	}
	return status, a, err
}
