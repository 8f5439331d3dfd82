// Command whatsapp stands in for WhatsApp's Cloud API in tests that run on a cluster. What
// it serves, and how tests control it, is told by package standin below it.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "whatsapp:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("whatsapp", flag.ContinueOnError)
	listen := set.String("listen", ":8443", "`address` to serve HTTPS on")
	cert := set.String("cert", "", "PEM `file` of the serving certificate")
	key := set.String("key", "", "PEM `file` of its key")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *cert == "" || *key == "" {
		return errors.New("set -cert and -key: the stand-in serves HTTPS only")
	}
	s := standin.New()
	defer s.Close()
	server := &http.Server{Addr: *listen, Handler: s, ReadHeaderTimeout: 5 * time.Second, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServeTLS(*cert, *key) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		return server.Close()
	}
}
