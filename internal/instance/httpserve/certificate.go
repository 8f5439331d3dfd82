package httpserve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// certificate serves what a directory holds, and reads it again when it changed.
type certificate struct {
	dir string
	log *slog.Logger

	mu      sync.Mutex
	changed time.Time
	current *tls.Certificate
}

// get is a tls.Config's GetCertificate. A pair that can't be read, as in the midst of
// a rotation, leaves the one before in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	certFile := filepath.Join(c.dir, contract.FileTLSCert)
	info, err := os.Stat(certFile)
	if err == nil && c.current != nil && info.ModTime().Equal(c.changed) {
		return c.current, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(certFile, filepath.Join(c.dir, contract.FileTLSKey)); err == nil {
			c.current, c.changed = &pair, info.ModTime()
			return c.current, nil
		}
	}
	if c.current != nil {
		c.log.Warn("keeping the serving certificate: reading the new one failed", "error", err.Error())
		return c.current, nil
	}
	return nil, fmt.Errorf("reading the serving certificate: %w", err)
}

// authority reads the tenant's own, which lives as long as the tenant.
func authority(dir string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(filepath.Join(dir, contract.FileCA))
	if err != nil {
		return nil, fmt.Errorf("reading the authority of clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading the authority of clients: %s holds no PEM certificate", filepath.Join(dir, contract.FileCA))
	}
	return pool, nil
}

// withoutMessage logs that something happened and not what: net/http's messages
// hold addresses of peers.
type withoutMessage struct{ slog.Handler }

func (h withoutMessage) Handle(ctx context.Context, r slog.Record) error {
	r.Message = "a connection failed"
	return h.Handler.Handle(ctx, r)
}

// IsOperator says that the peer proved to be the operator: a server with VerifyClients
// verifies certificates against the tenant's own authority.
func IsOperator(r *http.Request) bool {
	return r.TLS != nil && len(r.TLS.VerifiedChains) > 0 && r.TLS.VerifiedChains[0][0].Subject.CommonName == contract.OperatorName
}
