package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// credentials are what one login role needs to reach the database.
type credentials struct {
	username, password string
	tls                *tls.Config
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
	password, err := readWord(dir, contract.FilePassword)
	if err != nil {
		return c, err
	}
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, contract.FileTLSCert), filepath.Join(dir, contract.FileTLSKey))
	if err != nil {
		return c, fmt.Errorf("reading the client certificate (%s and %s in %s): %w", contract.FileTLSCert, contract.FileTLSKey, dir, err)
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
	c.tls = &tls.Config{
		Certificates: []tls.Certificate{certificate},
		RootCAs:      roots,
		ServerName:   serverName,
		MinVersion:   tls.VersionTLS13,
	}
	return c, nil
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
