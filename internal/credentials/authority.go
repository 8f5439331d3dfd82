// Package credentials makes what can't be made twice: passwords, keys and
// certificates. They are created when they are missing and never applied again.
package credentials

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Lifetimes of certificates. One is renewed when a third of its time is left.
const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 365 * 24 * time.Hour
	backdate          = 5 * time.Minute // for clocks that are behind ours
)

// Pair is a certificate and its key, as PEM.
type Pair struct {
	Cert, Key []byte
}

// NewAuthority makes a tenant's own certificate authority.
func NewAuthority(tenant string, now time.Time) (Pair, error) {
	return issue(&x509.Certificate{
		Subject:               pkix.Name{CommonName: "Switchboard tenant " + tenant},
		NotAfter:              now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
	}, now, nil)
}

// Server issues a certificate for host names.
func (ca Pair) Server(now time.Time, names ...string) (Pair, error) {
	return issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, NotAfter: now.Add(leafLifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, now, &ca)
}

// Client issues a certificate for a database role: its common name is the role.
func (ca Pair) Client(now time.Time, role string) (Pair, error) {
	return issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: role}, NotAfter: now.Add(leafLifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, now, &ca)
}

func issue(template *x509.Certificate, now time.Time, by *Pair) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("making a key: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return Pair{}, fmt.Errorf("making a serial number: %w", err)
	}
	template.NotBefore = now.Add(-backdate)
	parent, signer := template, key
	if by != nil {
		if parent, signer, err = by.parse(); err != nil {
			return Pair{}, err
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return Pair{}, fmt.Errorf("issuing a certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encoding a key: %w", err)
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

func (ca Pair) parse() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	cert, err := parseCertificate(ca.Cert)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	block, _ := pem.Decode(ca.Key)
	if block == nil {
		return nil, nil, errors.New("reading the certificate authority: its key is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the certificate authority's key: %w", err)
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, errors.New("reading the certificate authority's key: it is not ECDSA")
	}
	return cert, signer, nil
}

func parseCertificate(b []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("not PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// due says whether a certificate must be replaced: it is unreadable, another
// authority's, for other names, or has a third of its time left at most.
func due(certPEM []byte, authority *x509.Certificate, now time.Time, names ...string) bool {
	cert, err := parseCertificate(certPEM)
	if err != nil || cert.CheckSignatureFrom(authority) != nil {
		return true
	}
	for _, n := range names {
		if cert.VerifyHostname(n) != nil {
			return true
		}
	}
	return cert.NotAfter.Sub(now) < cert.NotAfter.Sub(cert.NotBefore)/3
}
