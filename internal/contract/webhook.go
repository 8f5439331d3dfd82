package contract

import (
	"encoding/base64"
	"strings"
	"time"
)

// EnvWebhooks is what `instance webhooks` sends to: a list of Webhook as JSON.
const EnvWebhooks = "SWITCHBOARD_WEBHOOKS"

// DirWebhooks holds a directory for each subscription, named as it is, with files 0, 1 …: the secrets that what is sent is
// signed with, each as FileSigningSecret of a Secret has it (webhooks only).
const DirWebhooks = "/var/run/switchboard/webhooks"

// FileSigningSecret is the key of a webhook's Secret: whsec_ and 24 to 64 bytes in base64, as Standard Webhooks has it.
const FileSigningSecret = "signingSecret"

// ComponentWebhooks tells the client's other systems of what happens.
const ComponentWebhooks = "webhooks"

// Events that a webhook may tell of, as the API server knows them and as payloads spell them.
const (
	EventMessageReceived      = "message.received"
	EventMessageStatus        = "message.status"
	EventOptOutChanged        = "optout.changed"
	EventTestimonialWithdrawn = "testimonial.withdrawn"
)

// Webhook is a subscription as the worker knows it.
type Webhook struct {
	Name string `json:"name"`
	URL  string `json:"url"` // https
	// CIDRs are the networks that the receiver may be in: those of its sub-processor, without what the Region forbids.
	CIDRs    []string `json:"cidrs"`
	Except   []string `json:"except,omitempty"` // single addresses within them that are forbidden, as CIDRs
	Secrets  int      `json:"secrets"`          // how many sign
	CABundle string   `json:"caBundle,omitempty"`
}

// SetupWebhook is a subscription as the database knows it.
type SetupWebhook struct {
	Name        string   `json:"name"`
	Events      []string `json:"events"`
	IncludeText bool     `json:"includeText,omitempty"`
	// Target is a digest of where it leads. One that its receiver has ended is begun anew when that changes.
	Target string `json:"target"`
}

// WebhookState is how a subscription fares.
type WebhookState struct {
	Name    string `json:"name"`
	Waiting int64  `json:"waiting"` // events that are to be sent yet
	Dead    int64  `json:"dead"`    // that were given up in the last week
	// Problem of the last attempt, as Webhook…; "" when it was taken.
	Problem string     `json:"problem,omitempty"`
	Since   *time.Time `json:"since,omitempty"` // nothing was taken since
	Ended   bool       `json:"ended,omitempty"` // the receiver wants no more
}

// Problems of a webhook, beside status-NNN of what it answered.
const (
	WebhookUnreachable = "unreachable" // no answer, or no connection
	WebhookUntrusted   = "untrusted"   // its certificate is not one of the authorities'
	WebhookForbidden   = "forbidden"   // its name leads out of its sub-processor's networks
	WebhookRedirects   = "redirects"   // it answered with another address, which is not followed
	WebhookUnsigned    = "unsigned"    // its secrets can't be read
	WebhookGone        = "status-410"
)

// SigningSecret says whether this is one: whsec_ and 24 to 64 bytes in base64.
func SigningSecret(b []byte) bool {
	encoded, prefixed := strings.CutPrefix(strings.TrimSpace(string(b)), "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	return prefixed && err == nil && len(key) >= 24 && len(key) <= 64
}

// WebhookEvent gives an event, as Tenant.spec.webhooks spells it, as the database and payloads do; "" for none.
func WebhookEvent(spelled string) string {
	return map[string]string{
		"MessageReceived": EventMessageReceived, "MessageStatus": EventMessageStatus, "OptOutChanged": EventOptOutChanged, "TestimonialWithdrawn": EventTestimonialWithdrawn,
	}[spelled]
}
