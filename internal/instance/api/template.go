package api

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// window is how long after a guest's message free text may be sent, where a provider bounds that.
const window = 24 * time.Hour

// windowed are the types of channels whose provider bounds it, and whether there are templates for the time after.
var windowed = map[string]bool{contract.ChannelTypeWhatsApp: true, contract.ChannelTypeMessenger: false}

// allowed tells what may be sent now. The provider has the last word: its clock counts, and what it gave leave to elsewhere.
type allowed struct {
	FreeText      bool       `json:"freeText"`
	FreeTextUntil *time.Time `json:"freeTextUntil"` // null where nothing bounds it, and once it is over
	Templates     bool       `json:"templates"`
	// Files tells what the channel takes of them, whenever free text may be sent: a files….
	Files string `json:"files"`
}

// What a channel takes of files.
const (
	filesNone      = "none"
	filesAlone     = "alone" // without words
	filesWithWords = "withWords"
)

// allowedNow reads what may be sent in conversations. Only messages of the guest's own count, and only of the last day.
func allowedNow(ctx context.Context, tx pgx.Tx, conversations []conversation) error {
	ids := make([]uuid.UUID, len(conversations))
	at := map[uuid.UUID]int{}
	for i := range conversations {
		conversations[i].Reply = allowed{FreeText: true, Files: filesNone}
		ids[i], at[conversations[i].ID] = conversations[i].ID, i
	}
	rows, err := tx.Query(ctx, `SELECT v.id, c.type, now() < m.at + $2::interval, m.at + $2::interval FROM sb.conversation v JOIN sb.channel c ON c.name = v.channel
		LEFT JOIN LATERAL (SELECT max(at) AS at FROM sb.message WHERE c.type = ANY ($3) AND conversation_id = v.id AND direction = 'in' AND at > now() - $2::interval) m ON true
		WHERE v.id = ANY ($1)`, ids, window, []string{contract.ChannelTypeWhatsApp, contract.ChannelTypeMessenger})
	if err != nil {
		return fmt.Errorf("reading what may be sent: %w", err)
	}
	var id uuid.UUID
	var kind string
	var open *bool
	var until *time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &kind, &open, &until}, func() error {
		templates, bounded := windowed[kind]
		now := allowed{FreeText: !bounded, Templates: templates, Files: filesOf(kind)}
		if open != nil && *open {
			utc := until.UTC()
			now.FreeText, now.FreeTextUntil = true, &utc
		}
		conversations[at[id]].Reply = now
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading what may be sent: %w", err)
	}
	return nil
}

// checkWindow says why nothing but a template may be sent: the provider would refuse it, and staff would learn that later.
func checkWindow(ctx context.Context, tx pgx.Tx, v conversation, by *template) error {
	if by != nil {
		return nil
	}
	one := []conversation{v}
	if err := allowedNow(ctx, tx, one); err != nil {
		return err
	}
	switch may := one[0].Reply; {
	case may.FreeText:
		return nil
	case may.Templates:
		return fail(http.StatusConflict, typeWindowClosed,
			"The guest last wrote more than 24 hours ago, and WhatsApp takes no free text or file after that. Send a template, or wait until the guest writes.")
	}
	return fail(http.StatusConflict, typeWindowClosed,
		"The guest last wrote more than 24 hours ago, and Messenger takes nothing after that. Reach the guest in another way, or wait until the guest writes.")
}

// template is one of WhatsApp's, which Meta has approved: its name, and not its words, which Meta alone has.
type template struct {
	Name       string   `json:"name"`
	Language   string   `json:"language"`
	Parameters []string `json:"parameters,omitempty"`
}

const (
	maxTemplateName = 512 // bytes; a bound in the pattern would take memory for each
	maxParameters   = 20
	maxParameter    = 1024 // characters
)

var (
	templateName     = regexp.MustCompile(`^[a-z0-9_]+$`)
	templateLanguage = regexp.MustCompile(`^[a-z]{2,3}(_[A-Z]{2})?$`)
)

// check says what is wrong with a template as it was asked for.
func (t *template) check(channelType string) error {
	switch {
	case channelType != contract.ChannelTypeWhatsApp:
		return fail(http.StatusUnprocessableEntity, typeUnspecific, "Only channels of WhatsApp have templates; send the field body instead.")
	case len(t.Name) > maxTemplateName || !templateName.MatchString(t.Name):
		return badRequest(`The field "template.name" is none; it has small letters, digits and underscores, as in booking_reminder.`)
	case !templateLanguage.MatchString(t.Language):
		return badRequest(`The field "template.language" is none; it is as in de or en_US.`)
	case len(t.Parameters) > maxParameters:
		return badRequest(fmt.Sprintf("The template has %d parameters; at most %d are allowed.", len(t.Parameters), maxParameters))
	}
	for _, p := range t.Parameters {
		if err := checkText("template.parameters", p, 1, maxParameter); err != nil {
			return err
		}
		if strings.ContainsAny(p, "\r\n\t") || strings.Contains(p, "     ") {
			return badRequest(`A parameter of the template has a line break, a tab or more than four spaces in a row, which WhatsApp does not take.`)
		}
	}
	return nil
}

// words are what staff see of it: the template's own are Meta's.
func (t *template) words() string {
	words := "[template " + t.Name + " " + t.Language + "]"
	if len(t.Parameters) > 0 {
		words += " " + strings.Join(t.Parameters, " · ")
	}
	return words
}

// channelType gives the type of a channel, "" for one that is gone.
func channelType(ctx context.Context, tx pgx.Tx, channel string) (kind string, err error) {
	err = tx.QueryRow(ctx, "SELECT COALESCE((SELECT type FROM sb.channel WHERE name = $1), '')", channel).Scan(&kind)
	if err != nil {
		return "", fmt.Errorf("reading a channel's type: %w", err)
	}
	return kind, nil
}
