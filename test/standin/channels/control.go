package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	messenger "github.com/switchboard-operator/switchboard/test/standin/messenger/standin"
	telegram "github.com/switchboard-operator/switchboard/test/standin/telegram/standin"
	whatsapp "github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

// Inbound is a text that a guest writes by a channel.
type Inbound struct {
	Channel string `json:"channel"` // telegram, messenger, whatsapp or smsc
	From    string `json:"from"`
	To      string `json:"to,omitempty"` // of smsc
	Text    string `json:"text"`
}

// Down has nobody reach a channel, or ends that.
type Down struct {
	Channel string `json:"channel"`
	Down    bool   `json:"down"`
}

// Account is who may bind at the message centre.
type Account struct {
	SystemID string `json:"systemID"`
	Password string `json:"password"`
}

// Taken is a message that a channel took.
type Taken struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// control serves what tests ask for: /control/…
func (s *service) control(mux *http.ServeMux) {
	mux.HandleFunc("POST /control/telegram", set(func(_ context.Context, b telegram.Bot) error {
		s.mu.Lock()
		s.token = b.Token
		s.mu.Unlock()
		s.telegram.SetBots(b)
		return nil
	}))
	mux.HandleFunc("POST /control/messenger", set(func(_ context.Context, p messenger.Page) error {
		s.mu.Lock()
		s.page = p
		s.mu.Unlock()
		s.messenger.SetPage(p)
		return nil
	}))
	mux.HandleFunc("POST /control/whatsapp", set(func(_ context.Context, n whatsapp.Number) error {
		s.mu.Lock()
		s.phone = n
		s.mu.Unlock()
		return s.whatsapp.AddNumber(n)
	}))
	mux.HandleFunc("POST /control/smsc", set(func(_ context.Context, a Account) error {
		s.smsc.SetAccount(a.SystemID, a.Password)
		return nil
	}))
	mux.HandleFunc("POST /control/down", set(func(_ context.Context, d Down) error {
		s.mu.Lock()
		s.down[d.Channel] = d.Down
		s.mu.Unlock()
		if d.Down && d.Channel == "smsc" {
			s.smsc.Drop()
		}
		return nil
	}))
	mux.HandleFunc("POST /control/inbound", set(s.inbound))
	mux.HandleFunc("POST /control/replay", set(func(ctx context.Context, in Inbound) error { return s.again(ctx, in.Channel) }))
	mux.HandleFunc("POST /control/read", set(func(ctx context.Context, in Inbound) error {
		return taken2xx(s.messenger.Deliver(ctx, s.readUntilNow(in.From)))
	}))
	for channel, list := range map[string]func(to string) []Taken{"telegram": s.byTelegram, "messenger": s.byMessenger, "whatsapp": s.byWhatsApp, "smsc": s.bySMSC} {
		mux.HandleFunc("GET /control/"+channel, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(list(r.URL.Query().Get("to"))) // a client that went away can't be told
		})
	}
}

func set[T any](do func(context.Context, T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		decoder := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&in)
		if err == nil {
			err = do(r.Context(), in)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func taken2xx(status int, err error) error {
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the webhook was answered %d", status)
	}
	return err
}

// inbound has a guest write, and keeps how that is told once more.
func (s *service) inbound(ctx context.Context, in Inbound) error {
	var tell func(context.Context) (int, error)
	switch in.Channel {
	case "telegram":
		from, err := strconv.ParseInt(in.From, 10, 64)
		if err != nil {
			return errors.New("from is the number of a chat")
		}
		s.telegram.Begin(from)
		update, token := s.telegram.Text(from, in.Text), s.tokenOf()
		tell = func(ctx context.Context) (int, error) { return s.telegram.Deliver(ctx, token, update) }
	case "messenger":
		event := s.pageOf().Text(in.From, messenger.NewID(), in.Text)
		tell = func(ctx context.Context) (int, error) { return s.messenger.Deliver(ctx, event) }
	case "whatsapp":
		number := s.numberOf()
		body := number.Payload(number.Value([]whatsapp.Object{whatsapp.Text(whatsapp.NewID(), in.From, in.Text)}, nil))
		tell = func(ctx context.Context) (int, error) {
			return whatsapp.Post(ctx, number, body, whatsapp.Sign(number.AppSecret, body))
		}
	case "smsc":
		return s.smsc.Deliver(in.From, in.To, in.Text)
	default:
		return errors.New("channel is telegram, messenger, whatsapp or smsc")
	}
	s.mu.Lock()
	s.last[in.Channel] = tell
	s.mu.Unlock()
	return taken2xx(tell(ctx))
}

func (s *service) again(ctx context.Context, channel string) error {
	s.mu.Lock()
	tell := s.last[channel]
	s.mu.Unlock()
	if tell == nil {
		return errors.New("nothing was told by this channel")
	}
	return taken2xx(tell(ctx))
}
