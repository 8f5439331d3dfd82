package store_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

var quiet = slog.New(slog.DiscardHandler)

func TestARotationNeedsNoRestart(t *testing.T) {
	d := pgtest.New(t)
	serve, retain := contract.LoginRole(contract.ComponentServe, 1), contract.LoginRole(contract.ComponentRetain, 1)
	config := d.Config(t, serve)
	pool, err := store.OpenConfig(t.Context(), quiet, config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	who := func() (name string) {
		if err := pool.QueryRow(t.Context(), "SELECT session_user").Scan(&name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	if got := who(); got != serve {
		t.Fatalf("connected as %s", got)
	}
	d.WriteCredentials(t, config.Dir, retain, pgtest.Password)
	if got := who(); got != serve {
		t.Errorf("an open connection changed to %s", got)
	}
	pool.Reset()
	if got := who(); got != retain {
		t.Errorf("a new connection is %s, want %s", got, retain)
	}
}

func TestARotationIsReadAsTheKubeletWritesIt(t *testing.T) {
	d := pgtest.New(t)
	config := d.Config(t, contract.LoginRole(contract.ComponentServe, 1))
	mount := t.TempDir()
	if err := os.Symlink(config.Dir, filepath.Join(mount, "..data")); err != nil {
		t.Fatal(err)
	}
	config.Dir = mount // the files are found behind ..data alone
	pool, err := store.OpenConfig(t.Context(), quiet, config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := store.Ready(t.Context(), pool); err != nil {
		t.Error(err)
	}
}

func TestWhoIsNotTheServerOrTheClientIsRefused(t *testing.T) {
	d := pgtest.New(t)
	serve := contract.LoginRole(contract.ComponentServe, 1)
	tests := map[string]struct {
		spoil func(t *testing.T, c *store.Config)
		says  string
	}{
		"a server of another authority": {func(t *testing.T, c *store.Config) {
			other := pgtest.StartOwn(t).Empty(t).Dir(t, serve)
			copyFile(t, filepath.Join(other, contract.FileCA), filepath.Join(c.Dir, contract.FileCA))
		}, "certificate"},
		"a server of another name": {func(_ *testing.T, c *store.Config) { c.Host = "127.0.0.2" }, ""},
		"a certificate of another role": {func(t *testing.T, c *store.Config) {
			other := d.Dir(t, contract.LoginRole(contract.ComponentRetain, 1))
			copyFile(t, filepath.Join(other, contract.FileTLSCert), filepath.Join(c.Dir, contract.FileTLSCert))
			copyFile(t, filepath.Join(other, contract.FileTLSKey), filepath.Join(c.Dir, contract.FileTLSKey))
		}, "28P01"},
		"a wrong password": {func(t *testing.T, c *store.Config) { d.WriteCredentials(t, c.Dir, serve, "not the password") }, "28P01"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := d.Config(t, serve)
			test.spoil(t, &config)
			pool, err := store.OpenConfig(t.Context(), quiet, config)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			err = store.Ready(t.Context(), pool)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("want it refused (%s), got %v", test.says, err)
			}
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNoSecretStandsInTheLog(t *testing.T) {
	d := pgtest.New(t)
	var log bytes.Buffer
	pool, err := store.OpenConfig(t.Context(), slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		d.Config(t, contract.LoginRole(contract.ComponentServe, 1)))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := store.Ready(context.Background(), pool); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "sb_serve_v1") || strings.Contains(log.String(), pgtest.Password) {
		t.Errorf("the log: %s", log.String())
	}
}
