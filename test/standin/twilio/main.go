// Command twilio stands in for Twilio's API in tests that run on a cluster. What
// it serves, and how tests control it, is told by package standin below it.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/switchboard-operator/switchboard/test/standin/twilio/standin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "twilio:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("twilio", flag.ContinueOnError)
	listen := set.String("listen", ":8443", "`address` to serve HTTPS on")
	cert := set.String("cert", "", "PEM `file` of the serving certificate")
	key := set.String("key", "", "PEM `file` of its key")
	configFile := set.String("config", "", `JSON `+"`file`"+`: {"accounts":[{"sid":"AC…","authToken":"…","numbers":["+49…"]}],"routes":[]}; none: add them by /control`)
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *cert == "" || *key == "" {
		return errors.New("set -cert and -key: the stand-in serves HTTPS only")
	}
	s, err := configured(*configFile)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	defer s.Close()
	server := &http.Server{
		Addr: *listen, Handler: s, ReadHeaderTimeout: 5 * time.Second,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServeTLS(*cert, *key) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		return server.Close()
	}
}

// configured makes a stand-in with what a file names, or an empty one without a file.
// The file is judged as strictly as what comes by /control.
func configured(file string) (*standin.Server, error) {
	if file == "" {
		return standin.New(standin.Config{}), nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var config standin.Config
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&config); err != nil {
		return nil, err
	}
	s := standin.New(standin.Config{CallbackDelay: config.CallbackDelay})
	for _, a := range config.Accounts {
		if err := s.AddAccount(a); err != nil {
			return nil, err
		}
	}
	for _, r := range config.Routes {
		if err := s.AddRoute(r); err != nil {
			return nil, err
		}
	}
	return s, nil
}
