package store

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// credentials are what one login role needs to reach the database.
type credentials struct {
	username, password string
	tls                *tls.Config
	place              place
}

// readCredentials reads a directory laid out as contract.DirDatabase. serverName
// is the name that the server's certificate must bear.
func readCredentials(dir, serverName string) (credentials, error) {
	dir = settled(dir)
	var c credentials
	username, err := readWord(dir, contract.FileUsername)
	if err != nil {
		return c, err
	}
	certificates, err := readCertificate(dir)
	if err != nil {
		return c, err
	}
	password, err := readWord(dir, contract.FilePassword)
	if errors.Is(err, fs.ErrNotExist) && len(certificates) > 0 {
		err = nil // the server of a provider knows the login by its certificate alone
	}
	if err != nil {
		return c, err
	}
	ca, err := os.ReadFile(filepath.Join(dir, contract.FileCA))
	if err != nil {
		return c, fmt.Errorf("reading the authority of the database's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return c, fmt.Errorf("%s holds no PEM certificate", filepath.Join(dir, contract.FileCA))
	}
	c.username, c.password = username, password
	if c.place, err = readPlace(dir); err != nil {
		return c, err
	}
	c.tls = &tls.Config{
		Certificates: certificates,
		RootCAs:      roots,
		ServerName:   cmp.Or(c.place.host, serverName),
		MinVersion:   tls.VersionTLS13,
	}
	return c, nil
}

// readCertificate reads the client certificate. A server that is not the operator's own may know its clients by their
// password alone: then neither file is there. The operator's own refuses whoever has none.
func readCertificate(dir string) ([]tls.Certificate, error) {
	cert, key := filepath.Join(dir, contract.FileTLSCert), filepath.Join(dir, contract.FileTLSKey)
	_, noCert := os.Stat(cert)
	_, noKey := os.Stat(key)
	if errors.Is(noCert, fs.ErrNotExist) && errors.Is(noKey, fs.ErrNotExist) {
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("reading the client certificate (%s and %s in %s): %w", contract.FileTLSCert, contract.FileTLSKey, dir, err)
	}
	return []tls.Certificate{certificate}, nil
}

// settled resolves the directory that the kubelet's ..data link points to at this
// moment, so that files read one after the other are of one version of a Secret.
func settled(dir string) string {
	if target, err := filepath.EvalSymlinks(filepath.Join(dir, "..data")); err == nil {
		return target
	}
	return dir
}

func readWord(dir, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return "", fmt.Errorf("reading the database's credentials: %w", err)
	}
	word := strings.TrimRight(string(b), "\r\n")
	if word == "" {
		return "", errors.New("reading the database's credentials: " + filepath.Join(dir, name) + " is empty")
	}
	return word, nil
}
