package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestItServesTheAccountsOfItsConfiguration(t *testing.T) {
	cert, key, client := certificate(t)
	config := file(t, `{"accounts":[{"sid":"AC1","authToken":"token","numbers":["+493023125177"]}]}`)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-listen", address, "-cert", cert, "-key", key, "-config", config}) }()
	for password, want := range map[string]int{"token": http.StatusOK, "wrong": http.StatusUnauthorized} {
		if got := status(t, client, "https://"+address+"/2010-04-01/Accounts/AC1/Messages.json", password); got != want {
			t.Errorf("with the token %q: HTTP %d, want %d", password, got, want)
		}
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it doesn't end")
	}
}

func TestMistakesAreNamed(t *testing.T) {
	cert, key, _ := certificate(t)
	for want, args := range map[string][]string{
		"set -cert and -key":        nil,
		"reading the configuration": {"-cert", cert, "-key", key, "-config", filepath.Join(t.TempDir(), "none")},
		"invalid character":         {"-cert", cert, "-key", key, "-config", file(t, "accounts: []")},
		"unknown field":             {"-cert", cert, "-key", key, "-config", file(t, `{"acounts":[]}`)},
		"an account needs":          {"-cert", cert, "-key", key, "-config", file(t, `{"accounts":[{"sid":"AC1"}]}`)},
		"a route needs":             {"-cert", cert, "-key", key, "-config", file(t, `{"routes":[{"host":"example.com"}]}`)},
		"serving":                   {"-cert", key, "-key", cert, "-listen", "127.0.0.1:0"},
		"not defined":               {"-port", "1"},
	} {
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		if err := run(ctx, args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
		stop()
	}
}

// status asks until the server listens.
func status(t *testing.T, client *http.Client, target, password string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("AC1", password)
	deadline := time.After(10 * time.Second)
	for {
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close()
			return response.StatusCode
		}
		select {
		case <-deadline:
			t.Fatalf("it doesn't serve: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// certificate writes httptest's own, and gives a client that trusts it.
func certificate(t *testing.T) (cert, key string, client *http.Client) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	private, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(fmt.Errorf("writing the key: %w", err))
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}}
	return file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))),
		file(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))), client
}

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
