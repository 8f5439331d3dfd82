package judge

import (
	"fmt"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// refusals say why a provider took no webhook back.
var refusals = map[string]string{
	contract.ProblemRefused:    "%s does not take the credentials: they are wrong or were revoked",
	contract.ProblemUnreadable: "the credentials that %s gave are not in the Channel's Secret",
	contract.ProblemExpired:    "%s says that the credentials have expired",
	contract.ProblemNotAllowed: "%s takes the credentials, and does not allow it",
	contract.ProblemElsewhere:  "%s says that the credentials are not of what the Channel names",
	contract.ProblemSuspended:  "%s has suspended or closed the account",
}

// Withdrawn says what is left of a channel at its provider; "" when nothing is. What a pod tells is no text for people.
func Withdrawn(of v1alpha1.ChannelType, told contract.WithdrawResult) string {
	if told.Gone {
		return ""
	}
	if why, known := refusals[told.Problem]; known {
		return WebhookLeft(of, fmt.Sprintf(why, providers[of].name))
	}
	return WebhookLeft(of, providers[of].name+" did not answer")
}

// WebhookLeft says that a webhook stays at its provider, and what to do.
func WebhookLeft(of v1alpha1.ChannelType, why string) string {
	return fmt.Sprintf("the webhook is not known to be gone at %s: %s. Have it removed there, or the account's token revoked; until then %s may go on sending guests' messages to the tenant's address, where nobody takes them",
		providers[of].name, why, providers[of].name)
}
