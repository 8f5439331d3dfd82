package judge_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/step"
)

func TestCredentials(t *testing.T) {
	at := time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC)
	for sentence, c := range map[string]struct {
		of      v1alpha1.ChannelType
		told    contract.Check
		lost    bool
		reason  string
		message string
	}{
		"credentials that work need nobody":                {v1alpha1.TypeTelegram, contract.Check{Tried: at, Answered: at}, false, "", ""},
		"a provider that does not answer now is no matter": {v1alpha1.TypeTelegram, contract.Check{Tried: at.Add(time.Minute), Answered: at}, false, "", ""},
		"one that never did is":                            {v1alpha1.TypeTwilioSMS, contract.Check{Tried: at}, true, v1alpha1.ReasonProviderUnreachable, "Twilio does not say"},
		"a revoked token is to be replaced":                {v1alpha1.TypeTwilioSMS, contract.Check{Tried: at, Answered: at, Problem: contract.ProblemRefused, Code: "20003"}, false, v1alpha1.ReasonCredentialsRefused, "(code 20003): they are wrong or were revoked. Put into Secret desk authToken"},
		"an expired one too":                               {v1alpha1.TypeWhatsApp, contract.Check{Tried: at, Answered: at, Problem: contract.ProblemExpired, Code: "190"}, false, v1alpha1.ReasonCredentialsExpired, "Put into Secret desk accessToken"},
		"one without rights is told as such":               {v1alpha1.TypeWhatsApp, contract.Check{Tried: at, Answered: at, Problem: contract.ProblemNotAllowed}, false, v1alpha1.ReasonCredentialsNotAllowed, "Give them the right at Meta"},
		"another bot's too":                                {v1alpha1.TypeTelegram, contract.Check{Tried: at, Answered: at, Problem: contract.ProblemElsewhere}, false, v1alpha1.ReasonCredentialsElsewhere, "Correct the Channel"},
		"a suspended account is seen to at the provider":   {v1alpha1.TypeTwilioSMS, contract.Check{Tried: at, Answered: at, Problem: contract.ProblemSuspended, Code: "0"}, false, v1alpha1.ReasonAccountSuspended, "closed the account. See to it at Twilio"},
		"a code that is none is not repeated":              {v1alpha1.TypeTelegram, contract.Check{Tried: at, Answered: at, Problem: contract.ProblemWebhook, Code: "12a"}, false, v1alpha1.ReasonWebhookRefused, "the channel's address. It must"},
		"what can't be a token is told":                    {v1alpha1.TypeTelegram, contract.Check{Tried: at, Answered: at, Problem: contract.ProblemUnreadable}, false, v1alpha1.ReasonCredentialsRefused, "a key of Secret desk is empty or in another form"},
		"a word that nobody knows is no good news":         {v1alpha1.TypeTelegram, contract.Check{Tried: at, Answered: at, Problem: "guest@host.example"}, false, v1alpha1.ReasonProviderUnreachable, "Telegram does not say"},
		"who was not asked has not answered":               {v1alpha1.TypeTelegram, contract.Check{}, true, v1alpha1.ReasonWaiting, "Telegram has not been asked"},
	} {
		err := judge.Credentials(judge.CredentialsFacts{Type: c.of, Secret: "desk", Check: c.told, Lost: c.lost})
		reason, message := "", ""
		var stall *step.Stall
		var wait *step.Wait
		switch {
		case errors.As(err, &stall):
			reason, message = stall.Reason, stall.Message
		case errors.As(err, &wait):
			reason, message = wait.Reason, wait.Message
		}
		if reason != c.reason || !strings.Contains(message, c.message) || strings.Contains(message, "guest@") || strings.Contains(message, "%!") {
			t.Errorf("%s: %s, %q", sentence, reason, message)
		}
	}
}
