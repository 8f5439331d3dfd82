package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
	"github.com/switchboard-operator/switchboard/test/inbox"
)

// said is one message of a guest. The numbers are of ranges kept for fiction (Ofcom's 07700 900 and
// North America's 555-01).
type said struct {
	hotel   int
	channel string
	from    string
	text    string
}

var messages = []said{
	{0, "front-desk", "+447700900301", "Guten Tag, können wir schon um 13 Uhr einchecken?"},
	{0, "front-desk", "+447700900302", "Bonjour, y a-t-il un lit pour bébé dans la chambre ?"},
	{0, "concierge", "+447700900303", "こんばんは。近くで遅くまで開いているレストランはありますか？"},
	{0, "concierge", "+447700900304", "هل يمكنكم حجز سيارة أجرة للساعة السابعة صباحًا؟"},
	{0, "front-desk", "+447700900305", "Чи можна залишити валізи після виїзду? 🧳"},
	{1, "front-desk", "+16175550121", "Is the pool heated in November? 🏊"},
	{1, "concierge", "+16175550122", "¿Hay entradas para el partido del sábado?"},
}

// guestOfSTOP is the one who has had enough.
const guestOfSTOP = "+16175550121"

func (d *demo) guestsWrite(ctx context.Context, say say) error {
	lines := map[string]*guest.Line{}
	for _, m := range messages {
		line, err := d.line(ctx, lines, hotels[m.hotel], m.channel)
		if err != nil {
			return err
		}
		sid := guest.NewSID()
		for range 2 { // as providers do, once more for luck: it is stored once
			status, err := line.Write(ctx, sid, m.from, m.text)
			if err != nil {
				return err
			}
			if status != http.StatusOK {
				return fmt.Errorf("the webhook of %s in %s answered %d", m.channel, hotels[m.hotel].name, status)
			}
		}
		say("%s, %s: %s", hotels[m.hotel].name, m.channel, m.text)
	}
	line := lines["hotel-berlin/front-desk"]
	status, _, err := line.Post(ctx, line.InboundURL(), []byte(line.Message(guest.NewSID(), "+447700900399", "forged").Encode()), "bm90IGEgc2lnbmF0dXJl")
	if err != nil {
		return err
	}
	if status != http.StatusForbidden {
		return fmt.Errorf("a forged webhook was answered with %d instead of 403", status)
	}
	say("each was posted twice and is stored once; a forged one was refused with 403")
	return nil
}

func (d *demo) line(ctx context.Context, lines map[string]*guest.Line, h hotel, channel string) (*guest.Line, error) {
	key := h.name + "/" + channel
	if lines[key] == nil {
		tenant, err := d.tenant(ctx, h)
		if err != nil {
			return nil, err
		}
		if lines[key], err = fixture.OpenLine(ctx, d.cluster, tenant, channel, h.token); err != nil {
			return nil, err
		}
	}
	return lines[key], nil
}

// importHistory brings in a message for every tenth day of three years, of a few guests.
func (d *demo) importHistory(ctx context.Context, say say) error {
	const years, step, guests = 3, 10, 6
	for i, h := range hotels {
		tenant, err := d.tenant(ctx, h)
		if err != nil {
			return err
		}
		var history strings.Builder
		encode := json.NewEncoder(&history)
		count := 0
		for day := 1; day <= years*365; day += step {
			// The guest of a while: the early ones were last seen years ago.
			who := fmt.Sprintf("+4477009004%d%d", i, day*guests/(years*365+1))
			err := encode.Encode(fixture.Imported{
				Channel: "front-desk", Address: who, Name: "A former guest", Direction: "in",
				At: time.Now().UTC().AddDate(0, 0, -day), Body: "Thank you for the lovely stay.",
			})
			if err != nil {
				return fmt.Errorf("writing the history: %w", err)
			}
			count++
		}
		if err := fixture.Import(ctx, d.cluster, tenant, history.String()); err != nil {
			return err
		}
		say("%s: %d messages of the last %d years", h.name, count, years)
	}
	return nil
}

func (d *demo) staffAnswer(ctx context.Context, say say) error {
	d.inbox, d.thread = map[string]*inbox.Inbox{}, map[string]string{}
	for i, h := range hotels {
		tenant, err := d.tenant(ctx, h)
		if err != nil {
			return err
		}
		box, err := fixture.OpenInbox(ctx, d.cluster, tenant)
		if err != nil {
			return err
		}
		d.inbox[h.name] = box
		threads, err := box.Conversations(ctx)
		if err != nil {
			return err
		}
		say("%s: signed in, %d conversations in the inbox", h.name, len(threads))
		for _, m := range messages {
			if m.hotel != i {
				continue
			}
			thread, err := threadWith(threads, m)
			if err != nil {
				return err
			}
			d.thread[m.from] = thread
			if _, err := box.Reply(ctx, thread, "Thank you for asking. We see to it.", ""); err != nil {
				return err
			}
		}
	}
	return cluster.Until(ctx, 30*time.Second, "the answers at the provider", func(ctx context.Context) error {
		for _, m := range messages {
			sent, err := d.standin.SentTo(ctx, m.from)
			if err != nil {
				return err
			}
			if len(sent) == 0 {
				return errors.New("the answer to " + m.channel + " of " + hotels[m.hotel].name + " has not come there")
			}
		}
		return nil
	})
}

// threadWith finds the conversation whose last message is the guest's.
func threadWith(threads []inbox.Conversation, m said) (string, error) {
	for _, t := range threads {
		if t.Channel == m.channel && t.LastMessage != nil && t.LastMessage.Preview != nil && *t.LastMessage.Preview == m.text {
			return t.ID, nil
		}
	}
	return "", fmt.Errorf("the inbox of %s has no conversation that ends with the guest's message", hotels[m.hotel].name)
}

func (d *demo) guestStops(ctx context.Context, say say) error {
	h := hotels[1]
	line, err := d.line(ctx, map[string]*guest.Line{}, h, "front-desk")
	if err != nil {
		return err
	}
	box, thread := d.inbox[h.name], d.thread[guestOfSTOP]
	write := func(text string) error {
		status, err := line.Write(ctx, guest.NewSID(), guestOfSTOP, text)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("the webhook answered %d", status)
		}
		return err
	}
	if err := write(" Stop \n"); err != nil {
		return err
	}
	_, err = box.Reply(ctx, thread, "One more offer!", "")
	if inbox.StatusOf(err) != http.StatusConflict {
		return fmt.Errorf("a reply after STOP was not refused with 409: %w", err)
	}
	say("a reply after STOP is refused: %v", err)
	err = cluster.Until(ctx, 30*time.Second, "the one confirmation", func(ctx context.Context) error {
		sent, err := d.standin.SentTo(ctx, guestOfSTOP)
		if err != nil {
			return err
		}
		if last := sent[len(sent)-1]; !strings.Contains(last.Body, "unsubscribed") {
			return errors.New("it has not come to the provider")
		}
		return nil
	})
	if err != nil {
		return err
	}
	say("the guest got one confirmation; START lets messages come again")
	return write("START")
}
