package addresshash

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHashesAreKeyedByVersion(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"address-hash-2": strings.Repeat("b", 32), "address-hash-10": strings.Repeat("c", 32), "other": "x"})
	k, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	hash, version := k.Hash("phone", "+4915112345678")
	// printf 'phone\0+4915112345678' | openssl dgst -sha256 -hmac cccccccccccccccccccccccccccccccc
	if want := "b5eb3e60a94a014747e28a310f12ae97608fcd234ef2c4a2466eb4e6daca8020"; hex.EncodeToString(hash) != want || version != 10 {
		t.Errorf("%x under key %d, want %s under key 10: the highest number, not the last name", hash, version, want)
	}
	hashes, current := k.Hashes("phone", "+4915112345678")
	if len(hashes) != 2 || !bytes.Equal(hashes[0], hash) || bytes.Equal(hashes[1], hash) || current != 10 {
		t.Errorf("under all keys: %x, current %d", hashes, current)
	}
	for name, other := range map[string][2]string{"kind": {"e-mail", "+4915112345678"}, "address": {"phone", "+4915112345679"}, "boundary": {"phon", "e\x00+4915112345678"}} {
		if h, _ := k.Hash(other[0], other[1]); bytes.Equal(h, hash) {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

func TestKeysThatWontDo(t *testing.T) {
	for says, files := range map[string]map[string]string{
		"has no file address-hash-1":   {},
		"at least 32":                  {"address-hash-1": "short"},
		"does not end in a version":    {"address-hash-x": strings.Repeat("a", 32)},
		"address-hash-0 does not end":  {"address-hash-0": strings.Repeat("a", 32)},
		"address-hash-+1 does not end": {"address-hash-+1": strings.Repeat("a", 32)},
	} {
		dir := t.TempDir()
		write(t, dir, files)
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", files, err, says)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a directory that is not there is taken")
	}
}
