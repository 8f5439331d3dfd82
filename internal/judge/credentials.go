package judge

import (
	"fmt"
	"strings"
	"time"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// CredentialsFacts are what a channel's connector told of its credentials.
type CredentialsFacts struct {
	Type   v1alpha1.ChannelType
	Secret string // its name
	Check  contract.Check
	Lost   bool // the provider never answered, or not for a long time
}

// providers have a name for people, and what to put into the Secret.
var providers = map[v1alpha1.ChannelType]struct{ name, credential string }{
	v1alpha1.TypeTwilioSMS: {"Twilio", "authToken: the account's primary auth token, which the Twilio Console shows"},
	v1alpha1.TypeWhatsApp:  {"Meta", "accessToken: one of a system user who may use the number"},
	v1alpha1.TypeMessenger: {"Meta", "accessToken: the page's own"},
	v1alpha1.TypeSMPP:      {"The message centre", "password: the one of the account that spec.smpp.systemID names"},
	v1alpha1.TypeTelegram:  {"Telegram", "botToken: what BotFather gives for the bot that spec.telegram.username names"},
	v1alpha1.TypeWebChat:   {"the client's site", "identitySecret: 32 bytes or more, by which the site's server signs user ids"},
}

// problems are what each problem is called, and what to do.
var problems = map[string]struct{ reason, says string }{
	contract.ProblemRefused:    {v1alpha1.ReasonCredentialsRefused, "%[1]s does not take the credentials%[2]s: they are wrong or were revoked. Put into Secret %[3]s %[4]s"},
	contract.ProblemUnreadable: {v1alpha1.ReasonCredentialsRefused, "the credentials can't be what %[1]s gives: a key of Secret %[3]s is empty or in another form. Put into it %[4]s"},
	contract.ProblemExpired:    {v1alpha1.ReasonCredentialsExpired, "%[1]s says that the credentials have expired%[2]s. Put into Secret %[3]s %[4]s"},
	contract.ProblemNotAllowed: {v1alpha1.ReasonCredentialsNotAllowed, "%[1]s takes the credentials, and does not allow what the channel needs%[2]s. Give them the right at %[1]s, or put into Secret %[3]s %[4]s"},
	contract.ProblemElsewhere:  {v1alpha1.ReasonCredentialsElsewhere, "%[1]s says that the credentials are not of what the Channel names%[2]s. Correct the Channel, or put into Secret %[3]s %[4]s"},
	contract.ProblemSuspended:  {v1alpha1.ReasonAccountSuspended, "%[1]s has suspended or closed the account%[2]s. See to it at %[1]s"},
	contract.ProblemWebhook:    {v1alpha1.ReasonWebhookRefused, "%[1]s does not take the channel's address%[2]s. It must be reached at status.webhookURL, by HTTPS with a certificate of a public authority"},
}

// askAgain is how soon a connector that has just started is asked again.
const askAgain = time.Second

// Credentials says what a provider's answer comes to: nil when the credentials work, a stall
// when somebody has to help. What a connector tells is no text for people: it reads what
// strangers send.
func Credentials(f CredentialsFacts) error {
	p := providers[f.Type]
	about := func(reason, message string) *step.Stall {
		return &step.Stall{Condition: v1alpha1.ConditionCredentialsAccepted, Reason: reason, Message: message}
	}
	if f.Check.Tried.IsZero() {
		return &step.Wait{Condition: v1alpha1.ConditionCredentialsAccepted, Reason: v1alpha1.ReasonWaiting,
			After: askAgain, Message: p.name + " has not been asked yet"}
	}
	if known, is := problems[f.Check.Problem]; is {
		code := ""
		if digits := f.Check.Code; digits != "" && digits != "0" && len(digits) <= contract.MaxCheckCode && strings.Trim(digits, "0123456789") == "" {
			code = " (code " + digits + ")"
		}
		return about(known.reason, fmt.Sprintf(known.says, p.name, code, f.Secret, p.credential))
	}
	if f.Lost || f.Check.Problem != "" {
		return &step.Wait{Condition: v1alpha1.ConditionCredentialsAccepted, Reason: v1alpha1.ReasonProviderUnreachable,
			Message: p.name + " does not say whether the credentials work; see the log of the connector, and whether the sub-processor's egress in the Region leads there"}
	}
	return nil
}
