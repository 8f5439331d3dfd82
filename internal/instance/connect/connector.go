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
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/messenger"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/internal/instance/smpp"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/telegram"
	"github.com/switchboard-operator/switchboard/internal/instance/twilio"
	"github.com/switchboard-operator/switchboard/internal/instance/webchat"
	"github.com/switchboard-operator/switchboard/internal/instance/whatsapp"
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
	// Objects is the tenant's object store; without one (nil) files are in the database.
	Objects *objectstore.Store
	// FetchTimeout bounds the fetching of one file; 40 seconds when zero. It is less than RescueAfter.
	FetchTimeout time.Duration
	// UploadAge is when a file is given up that a guest's browser began to send to a chat; 15 minutes when zero.
	UploadAge time.Duration
	// CheckEvery is how often the provider is asked whether the credentials work, while they do; 5 minutes when zero.
	CheckEvery time.Duration
	// Chat bounds a web chat.
	Chat webchat.Limits
}

// Connector connects one channel.
type Connector struct {
	channel     contract.Channel
	site        provider.Site
	database    database
	words       *optout.Words
	provider    provider.Provider
	chat        *webchat.Server // nil for other types
	receiver    *receiver
	keysDir     string
	log         *slog.Logger
	rescueAfter time.Duration
	check       check

	objects      *objectstore.Store
	fetchTimeout time.Duration
	uploadAge    time.Duration
}

// New makes a connector and checks what can be checked without the network. Run
// must be running for the handler to answer.
func New(c Config) (*Connector, error) {
	if c.Channel.Name == "" {
		return nil, errors.New("connecting the channel: the channel has no name")
	}
	if err := provider.CheckOrigin(contract.EnvPublicURL, c.PublicURL); err != nil {
		return nil, fmt.Errorf("connecting the channel: %w", err)
	}
	if _, err := addresshash.Load(c.KeysDir); err != nil {
		return nil, fmt.Errorf("connecting the channel: %w", err)
	}
	site := provider.Site{PublicURL: c.PublicURL, Prefix: "/webhooks/" + c.Channel.Name + "/", Dir: c.ChannelDir}
	carrier, err := providerOf(c.Channel, site, c.Log)
	if err != nil {
		return nil, fmt.Errorf("connecting the channel: %w", err)
	}
	if c.RescueAfter == 0 {
		c.RescueAfter = time.Minute
	}
	if c.FetchTimeout == 0 {
		c.FetchTimeout = sendTimeout
	}
	if c.UploadAge == 0 {
		c.UploadAge = uploadAge
	}
	if c.CheckEvery == 0 {
		c.CheckEvery = checkEvery
	}
	connector := &Connector{
		channel: c.Channel, site: site, database: database{c.Pool}, words: optout.New(c.Channel.Keywords), provider: carrier,
		receiver: newReceiver(database{c.Pool}, c.Channel, c.Log), keysDir: c.KeysDir, log: c.Log, rescueAfter: c.RescueAfter,
		check: check{every: c.CheckEvery}, objects: c.Objects, fetchTimeout: c.FetchTimeout, uploadAge: c.UploadAge,
	}
	if chat, is := carrier.(*webchat.Server); is {
		connector.attach(chat, c.Log, c.Chat)
	}
	return connector, nil
}

// providerOf is the one list of the types of channels.
func providerOf(c contract.Channel, site provider.Site, log *slog.Logger) (provider.Provider, error) {
	switch {
	case c.Type == contract.ChannelTypeTwilioSMS && c.TwilioSMS != nil:
		return twilio.New(*c.TwilioSMS, site)
	case c.Type == contract.ChannelTypeWhatsApp && c.WhatsApp != nil:
		return whatsapp.New(*c.WhatsApp, site)
	case c.Type == contract.ChannelTypeTelegram && c.Telegram != nil:
		return telegram.New(*c.Telegram, site)
	case c.Type == contract.ChannelTypeMessenger && c.Messenger != nil:
		return messenger.New(*c.Messenger, site)
	case c.Type == contract.ChannelTypeSMPP && c.SMPP != nil:
		return smpp.New(*c.SMPP, site, log)
	case c.Type == contract.ChannelTypeWebChat && c.WebChat != nil:
		return webchat.New(c.Name, *c.WebChat, site)
	}
	return nil, fmt.Errorf("channels of type %q are not known; use one of %s, with the member of the same name: twilioSMS, whatsApp, telegram, messenger, smpp, webChat",
		c.Type, strings.Join(contract.ChannelTypes(), ", "))
}

// Handler serves the channel's webhooks, or its guests.
func (c *Connector) Handler() http.Handler {
	if c.chat != nil {
		return c.chat.Handler()
	}
	g := newGuard(c)
	mux := http.NewServeMux()
	for _, w := range c.provider.Webhooks() {
		mux.Handle(w.Method+" "+c.site.Prefix+w.Path, g.checked(w))
	}
	if _, links := c.provider.(provider.Linker); links {
		mux.Handle("GET "+c.site.Prefix+"media/{id}", c.linkHandler())
	}
	return mux
}

// Ready says whether the channel can take messages: the database answers, and a provider that is dialled is there.
func (c *Connector) Ready(ctx context.Context) error {
	if err := store.Ready(ctx, c.database.pool); err != nil {
		return err
	}
	if line, ok := c.provider.(provider.Line); ok {
		return line.Connected()
	}
	return nil
}

// Run stores what webhooks bring, sends what is queued, and asks whether the credentials
// work, until ctx ends.
func (c *Connector) Run(ctx context.Context) error {
	// What is under way when a line is hung up is stored yet.
	receiving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var receiver, others sync.WaitGroup
	receiver.Go(func() { c.receiver.run(receiving) })
	defer receiver.Wait()
	defer stop()
	defer others.Wait()
	others.Go(func() { c.keepChecking(ctx) })
	if c.chat != nil {
		others.Go(func() { c.chat.Run(ctx) })
	}
	line, ok := c.provider.(provider.Line)
	if !ok {
		return c.send(ctx, maxSends)
	}
	var dialled error
	others.Go(func() { dialled = line.Run(ctx, desk{c}) })
	sent := c.send(ctx, line.AtOnce())
	others.Wait()
	return errors.Join(sent, dialled)
}
