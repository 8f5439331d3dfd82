package smpp

import (
	"fmt"
	"strconv"

	"github.com/linxGnu/gosmpp/data"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// reasons explain the statuses that a message to one guest meets, and say what to do.
var reasons = map[data.CommandStatusType]string{
	data.ESME_RINVSRCADR:       "the Channel's from is not valid at the message centre; correct from, sourceTON and sourceNPI",
	data.ESME_RINVSRCTON:       "the message centre takes no such sourceTON; correct the Channel",
	data.ESME_RINVSRCNPI:       "the message centre takes no such sourceNPI; correct the Channel",
	data.ESME_RINVDSTADR:       "the guest's number is not valid at the message centre",
	data.ESME_RINVDSTTON:       "the guest's number is not valid at the message centre",
	data.ESME_RINVDSTNPI:       "the guest's number is not valid at the message centre",
	data.ESME_RINVMSGLEN:       "the message centre takes no text of this length; have longMessages of the Channel be another",
	data.ESME_RINVESMCLASS:     "the message centre takes no long messages in this way; have longMessages of the Channel be another",
	data.ESME_ROPTPARNOTALLWD:  "the message centre takes no long messages in this way; have longMessages of the Channel be another",
	data.ESME_RSUBMITFAIL:      "the message centre could not take the message",
	data.ESME_RDELIVERYFAILURE: "the message centre could not deliver the message",
}

// later are statuses of messages that may be taken another time.
var later = map[data.CommandStatusType]bool{
	data.ESME_RTHROTTLED: true, data.ESME_RMSGQFUL: true, data.ESME_RSYSERR: true, data.ESME_RX_T_APPN: true, data.ESME_RINVBNDSTS: true,
}

// outcome says what the status of a submit_sm_resp means. Nothing but ESME_ROK says that a message was taken.
func outcome(status data.CommandStatusType) error {
	code := "smpp-" + strconv.FormatUint(uint64(uint32(status)), 16) //nolint:gosec // the bits are meant
	switch {
	case status == data.ESME_ROK:
		return nil
	case later[status]:
		return &provider.NotSentError{Cause: fmt.Errorf("the message centre asks to be given the message later (%s)", code)}
	}
	reason, known := reasons[status]
	if !known {
		reason = "see what the operator of the message centre says of this status"
	}
	return &provider.RefusedError{Code: code, Reason: reason}
}

// refusal says what a status other than ESME_ROK of a bind means.
func refusal(status data.CommandStatusType) error {
	e := &provider.CredentialsError{Code: strconv.FormatUint(uint64(uint32(status)), 10)} //nolint:gosec // the bits are meant
	switch status {
	case data.ESME_RINVPASWD:
		e.Problem = contract.ProblemRefused
	case data.ESME_RINVSYSID:
		e.Problem = contract.ProblemElsewhere
	case data.ESME_RBINDFAIL, data.ESME_RINVSYSTYP, data.ESME_RINVBNDSTS:
		e.Problem = contract.ProblemNotAllowed
	default: // throttled, a fault of its own, a bind that it has not let go of yet
		return fmt.Errorf("binding: the message centre answered status %#x", uint32(status)) //nolint:gosec // the bits are meant
	}
	return e
}
