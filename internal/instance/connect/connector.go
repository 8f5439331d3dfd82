// Package connect is the connector of one channel: it takes the provider's
// webhooks, and sends what the channel's queue holds. Its role in the database
// can do nothing else.
package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/twilio"
)

// Config says what to connect.
type Config struct {
	Channel    contract.Channel
	PublicURL  string // as contract.EnvPublicURL
	Pool       *pgxpool.Pool
	ChannelDir string // laid out as contract.DirChannel
	KeysDir    string // laid out as contract.DirKeys
	Log        *slog.Logger
	// RescueAfter is when a send whose connector was killed is taken up again; a minute when zero.
	RescueAfter time.Duration
}

// Connector connects one channel.
type Connector struct {
	channel     contract.Channel
	twilio      contract.TwilioSMS
	publicURL   string
	database    database
	words       *optout.Words
	provider    *twilio.Client
	receiver    *receiver
	channelDir  string
	keysDir     string
	log         *slog.Logger
	rescueAfter time.Duration
}

// New makes a connector and checks what can be checked without the network. Run
// must be running for the handler to answer.
func New(c Config) (*Connector, error) {
	if err := check(c); err != nil {
		return nil, fmt.Errorf("connecting the channel: %w", err)
	}
	if _, err := addresshash.Load(c.KeysDir); err != nil {
		return nil, fmt.Errorf("connecting the channel: %w", err)
	}
	if _, err := readToken(c.ChannelDir); err != nil {
		return nil, fmt.Errorf("connecting the channel: %w", err)
	}
	provider, err := twilio.NewClient(*c.Channel.TwilioSMS, func() (string, error) { return readToken(c.ChannelDir) })
	if err != nil {
		return nil, fmt.Errorf("connecting the channel: %w", err)
	}
	if c.RescueAfter == 0 {
		c.RescueAfter = time.Minute
	}
	return &Connector{
		channel: c.Channel, twilio: *c.Channel.TwilioSMS, publicURL: c.PublicURL,
		database: database{c.Pool}, words: optout.New(c.Channel.Keywords), provider: provider,
		receiver:   newReceiver(database{c.Pool}, c.Channel.Name, c.Log),
		channelDir: c.ChannelDir, keysDir: c.KeysDir, log: c.Log, rescueAfter: c.RescueAfter,
	}, nil
}

func check(c Config) error {
	t := c.Channel.TwilioSMS
	if c.Channel.Name == "" {
		return errors.New("the channel has no name")
	}
	if c.Channel.Type != contract.ChannelTypeTwilioSMS || t == nil {
		return fmt.Errorf("channels of type %q are not known; use %s with its member twilioSMS", c.Channel.Type, contract.ChannelTypeTwilioSMS)
	}
	if t.AccountSID == "" || (t.From == "") == (t.MessagingServiceSID == "") {
		return errors.New("twilioSMS needs accountSID, and either from or messagingServiceSID")
	}
	for name, origin := range map[string]string{contract.EnvPublicURL: c.PublicURL, "apiBaseURL": t.APIBaseURL} {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
			return fmt.Errorf("%s is not an origin such as https://hotel-berlin.example, without a slash at its end", name)
		}
	}
	return nil
}

func (c *Connector) inboundPath() string { return "/webhooks/" + c.channel.Name + "/twilio/inbound" }
func (c *Connector) statusPath() string  { return "/webhooks/" + c.channel.Name + "/twilio/status" }

// Handler serves the channel's webhooks.
func (c *Connector) Handler() http.Handler {
	g := newGuard(c)
	mux := http.NewServeMux()
	mux.Handle("POST "+c.inboundPath(), g.checked(c.inbound))
	mux.Handle("POST "+c.statusPath(), g.checked(c.status))
	return mux
}

// Run stores what webhooks bring, and sends what is queued, until ctx ends.
func (c *Connector) Run(ctx context.Context) error {
	stored := make(chan struct{})
	go func() {
		defer close(stored)
		c.receiver.run(ctx)
	}()
	err := c.send(ctx)
	<-stored
	return err
}
