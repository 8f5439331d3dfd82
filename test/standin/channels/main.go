// Command channels stands in for Telegram, Messenger, WhatsApp and a message centre by SMPP in tests that run on a cluster, in one
// pod. Which one a connection is for, its TLS says by the name of the host: telegram, messenger, whatsapp and smsc, and control for
// the tests.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	messenger "github.com/switchboard-operator/switchboard/test/standin/messenger/standin"
	smsc "github.com/switchboard-operator/switchboard/test/standin/smpp/standin"
	telegram "github.com/switchboard-operator/switchboard/test/standin/telegram/standin"
	whatsapp "github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "channels:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("channels", flag.ContinueOnError)
	listen := set.String("listen", ":8443", "`address` to serve on")
	cert := set.String("cert", "", "PEM `file` of the serving certificate")
	key := set.String("key", "", "PEM `file` of its key")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return fmt.Errorf("reading -cert and -key: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	return newService(pair).serve(ctx, listener)
}

// service is all of the stand-ins.
type service struct {
	telegram  *telegram.Server
	messenger *messenger.Server
	whatsapp  *whatsapp.Server
	smsc      *smsc.Server
	tls       *tls.Config
	http      chan net.Conn

	mu    sync.Mutex
	down  map[string]bool // hosts that nobody reaches
	last  map[string]func(context.Context) (int, error)
	page  messenger.Page
	phone whatsapp.Number
	token string // of the bot
}

func newService(pair tls.Certificate) *service {
	s := &service{
		telegram: telegram.New(), messenger: messenger.New(messenger.Page{}), whatsapp: whatsapp.New(), smsc: smsc.New(), http: make(chan net.Conn),
		down: map[string]bool{}, last: map[string]func(context.Context) (int, error){},
	}
	s.tls = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.down[host(hello.ServerName)] {
			return nil, errors.New("down")
		}
		return nil, nil //nolint:nilnil // as tls.Config says
	}}
	return s
}

func host(name string) string {
	first, _, _ := strings.Cut(name, ".")
	return first
}

func (s *service) serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.whatsapp.Close()
	mux := http.NewServeMux()
	s.control(mux)
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch host(r.TLS.ServerName) {
		case "telegram":
			s.telegram.ServeHTTP(w, r)
		case "messenger":
			s.messenger.ServeHTTP(w, r)
		case "whatsapp":
			s.whatsapp.ServeHTTP(w, r)
		default:
			mux.ServeHTTP(w, r)
		}
	})}
	context.AfterFunc(ctx, func() { _ = listener.Close(); _ = server.Close() })
	go func() { _ = server.Serve(&taken{listener.Addr(), s.http, ctx}) }()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopping is no failure
		}
		if err != nil {
			return fmt.Errorf("serving: %w", err)
		}
		go s.take(ctx, tls.Server(conn, s.tls))
	}
}

// take gives a connection to whom it is for.
func (s *service) take(ctx context.Context, conn *tls.Conn) {
	shaking, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := conn.HandshakeContext(shaking); err != nil {
		_ = conn.Close()
		return
	}
	if host(conn.ConnectionState().ServerName) == "smsc" {
		s.smsc.Serve(conn)
		return
	}
	select {
	case s.http <- conn:
	case <-ctx.Done():
		_ = conn.Close()
	}
}

// taken is a listener of connections that were accepted elsewhere.
type taken struct {
	address net.Addr
	conns   <-chan net.Conn
	ctx     context.Context //nolint:containedctx // net.Listener has none
}

func (t *taken) Accept() (net.Conn, error) {
	select {
	case conn := <-t.conns:
		return conn, nil
	case <-t.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (t *taken) Close() error   { return nil }
func (t *taken) Addr() net.Addr { return t.address }
