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

// Check asks Twilio for the account.
func (p *Provider) Check(ctx context.Context) error {
	if _, err := p.token(); err != nil {
		return &provider.CredentialsError{Problem: contract.ProblemUnreadable}
	}
	at := strings.TrimSuffix(p.channel.APIBaseURL, "/") + "/2010-04-01/Accounts/" + url.PathEscape(p.channel.AccountSID) + ".json"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return fmt.Errorf("asking Twilio for the account: %w", err)
	}
	status, _, answer, err := p.do(request)
	if err != nil {
		return err
	}
	var account struct {
		SID    string `json:"sid"`
		Status string `json:"status"` // of the account; of a failure it is a number
		Code   int    `json:"code"`
	}
	_ = json.Unmarshal(answer, &account) // a member of another type is left empty
	switch {
	case account.Code == codeInactive, status == http.StatusOK && (account.Status == "suspended" || account.Status == "closed"):
		return &provider.CredentialsError{Problem: contract.ProblemSuspended, Code: strconv.Itoa(account.Code)}
	case status == http.StatusUnauthorized, status == http.StatusNotFound:
		return &provider.CredentialsError{Problem: contract.ProblemRefused, Code: strconv.Itoa(account.Code)}
	case status == http.StatusForbidden:
		return &provider.CredentialsError{Problem: contract.ProblemNotAllowed, Code: strconv.Itoa(account.Code)}
	case status != http.StatusOK || account.SID != p.channel.AccountSID:
		return fmt.Errorf("asking Twilio for the account: HTTP %d", status)
	}
	return nil
}
