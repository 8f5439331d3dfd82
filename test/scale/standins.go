package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// standinAddress is where all instances answer: an address of the loopback network that nobody else has.
const standinAddress = "127.77.0.1"

// standins answer the operator in the place of every tenant's instance: pods of kwok's run nothing. They prove themselves by
// the certificates that the operator made for them.
type standins struct {
	client client.Reader

	mu    sync.Mutex
	known map[string]*tls.Config
}

// start answers until ctx ends.
func (s *standins) start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(standinAddress, "443"))
	if err != nil {
		return fmt.Errorf("answering in the instances' place (this needs root): %w", err)
	}
	s.known = map[string]*tls.Config{}
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) { //nolint:contextcheck // the handshake has its own
			return s.identity(hello.Context(), hello.ServerName)
		}},
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

// identity is that of the Service by whose name an instance is called.
func (s *standins) identity(ctx context.Context, host string) (*tls.Config, error) {
	s.mu.Lock()
	known := s.known[host]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	part := strings.Split(host, ".")
	if len(part) != 3 {
		return nil, errors.New("no Service bears this name")
	}
	secret := &corev1.Secret{}
	if err := s.client.Get(ctx, client.ObjectKey{Namespace: part[1], Name: part[0] + "-tls"}, secret); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(secret.Data[contract.FileTLSCert], secret.Data[contract.FileTLSKey])
	if err != nil {
		return nil, err
	}
	authority := x509.NewCertPool()
	authority.AppendCertsFromPEM(secret.Data[contract.FileCA])
	known = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: authority, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}
	s.mu.Lock()
	s.known[host] = known
	s.mu.Unlock()
	return known, nil
}

func (s *standins) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case contract.PathState:
		var anchor contract.Anchor
		if err := json.Unmarshal([]byte(r.URL.Query().Get("anchor")), &anchor); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(contract.State{Epoch: anchor.Epoch, Head: anchor.Head, Consent: anchor.Consent})
	case contract.PathCheck:
		now := time.Now().UTC()
		_ = json.NewEncoder(w).Encode(contract.Check{Tried: now, Answered: now})
	default:
		http.NotFound(w, r)
	}
}

// writeHosts writes what the operator is to find in /etc/hosts: the stand-ins, by the names of all tenants' Services.
func writeHosts(file string, tenants, channels int) error {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n")
	for i := range tenants {
		namespace := name.Namespace(tenantName(i))
		fmt.Fprintf(&b, "%s %s", standinAddress, name.Host(name.ServeState, namespace))
		for c := range channels {
			fmt.Fprintf(&b, " %s", name.Host(name.Connector(channelName(c)), namespace))
		}
		b.WriteByte('\n')
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("writing where the instances answer: %w", err)
	}
	return nil
}
