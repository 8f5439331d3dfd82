package connect

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/switchboard-operator/switchboard/internal/instance/twilio"
)

// status moves a message of ours on. One that is not known is acknowledged too:
// to repeat it would not help.
func (c *Connector) status(w http.ResponseWriter, r *http.Request, form url.Values) {
	s, err := twilio.ParseStatus(form)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, at, named, err := twilio.ParseCallback(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if s.Status == "" {
		return // nothing that staff would want to know
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	u := update{providerID: s.SID, status: s.Status, errorCode: s.ErrorCode, blocked: s.ErrorCode == strconv.Itoa(twilio.CodeBlocked)}
	if named {
		u.message = &messageKey{id, at}
	}
	if _, err := c.database.recordStatus(ctx, u); err != nil {
		c.log.Warn("a status was not stored; the provider is asked to send it again", "error", err.Error())
		unavailable(w, "the status could not be stored")
	}
}
