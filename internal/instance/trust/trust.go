// Package trust gives the authorities that servers outside of the cluster may prove themselves by.
package trust

import (
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Authorities gives those of caBundle, PEM certificates, alone; without a bundle the
// machine's. An image without any of its own gets those that Mozilla trusts.
func Authorities(caBundle string) (*x509.CertPool, error) {
	if caBundle != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(caBundle)) {
			return nil, errors.New("it holds no PEM certificate")
		}
		return pool, nil
	}
	if pool, err := x509.SystemCertPool(); err == nil && !pool.Equal(x509.NewCertPool()) {
		return pool, nil
	}
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading the public authorities: %w", err)
		}
		pool.AddCertWithConstraint(certificate, root.Constraint)
	}
	return pool, nil
}
