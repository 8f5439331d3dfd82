// Package pki makes the keys, certificates and kubeconfigs of the cluster.
// What is there already is kept: a second `up` must not change the identity of a running cluster.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/file"
)

// lifetime is that of every certificate: longer than any cluster of this kind lives.
const lifetime = 365 * 24 * time.Hour

// Authority signs the certificates of one cluster.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// CACert and CAKey name the authority's files.
const (
	CACert = "ca.crt"
	CAKey  = "ca.key"
)

// Open loads the authority in dir, or makes it.
func Open(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the certificates: %w", err)
	}
	a := &Authority{dir: dir}
	err := a.load()
	if errors.Is(err, fs.ErrNotExist) {
		err = a.create()
	}
	if err != nil {
		return nil, fmt.Errorf("opening the certificate authority in %s: %w", dir, err)
	}
	return a, nil
}

func (a *Authority) load() error {
	certs, err := cert.CertsFromFile(filepath.Join(a.dir, CACert))
	if err != nil {
		return err
	}
	key, err := keyutil.PrivateKeyFromFile(filepath.Join(a.dir, CAKey))
	if err != nil {
		return err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return fmt.Errorf("%s holds a %T, which can't sign", CAKey, key)
	}
	a.cert, a.key = certs[0], signer
	return nil
}

func (a *Authority) create() error {
	key, err := a.newKey(CAKey)
	if err != nil {
		return err
	}
	ca, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "switchboard-localcluster"}, key)
	if err != nil {
		return err
	}
	a.cert, a.key = ca, key
	return a.write(CACert, "CERTIFICATE", ca.Raw, 0o644)
}

// Server makes a certificate that proves a server's names.
func (a *Authority) Server(name string, dns []string, ips []net.IP) error {
	return a.issue(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    dns, IPAddresses: ips,
	})
}

// Client makes a certificate that proves a user and the user's groups.
func (a *Authority) Client(name, user string, groups ...string) error {
	return a.issue(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// KeyPair makes a key NAME.key and its public part NAME.pub, for signing service account tokens.
func (a *Authority) KeyPair(name string) error {
	if a.has(name + ".pub") {
		return nil
	}
	key, err := a.newKey(name + ".key")
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encoding the public key of %s: %w", name, err)
	}
	return a.write(name+".pub", "PUBLIC KEY", public, 0o644)
}

// Kubeconfig writes a kubeconfig with the client certificate of this name.
func (a *Authority) Kubeconfig(target, server, name string) error {
	var parts [3][]byte
	for i, base := range []string{CACert, name + ".crt", name + ".key"} {
		content, err := os.ReadFile(filepath.Join(a.dir, base))
		if err != nil {
			return fmt.Errorf("reading what the kubeconfig %s is made of: %w", target, err)
		}
		parts[i] = content
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["localcluster"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: parts[0]}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: parts[1], ClientKeyData: parts[2]}
	config.Contexts["localcluster"] = &clientcmdapi.Context{Cluster: "localcluster", AuthInfo: name}
	config.CurrentContext = "localcluster"
	content, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("writing the kubeconfig %s: %w", target, err)
	}
	return file.Put(target, content, 0o600)
}

// issue signs a certificate into NAME.crt with a new key NAME.key, unless it is there.
func (a *Authority) issue(name string, template *x509.Certificate) error {
	if a.has(name + ".crt") {
		return nil
	}
	key, err := a.newKey(name + ".key")
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return fmt.Errorf("drawing a serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore = a.cert.NotBefore
	template.NotAfter = time.Now().Add(lifetime)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	return a.write(name+".crt", "CERTIFICATE", raw, 0o644)
}

func (a *Authority) newKey(base string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key %s: %w", base, err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the key %s: %w", base, err)
	}
	return key, a.write(base, "EC PRIVATE KEY", raw, 0o600)
}

func (a *Authority) has(base string) bool {
	_, err := os.Stat(filepath.Join(a.dir, base))
	return err == nil
}

func (a *Authority) write(base, kind string, raw []byte, mode fs.FileMode) error {
	return file.Put(filepath.Join(a.dir, base), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), mode)
}
