package provider

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Site is where a channel is: how the provider reaches it, and its credentials.
type Site struct {
	PublicURL string // as contract.EnvPublicURL
	Prefix    string // of the webhooks' paths: /webhooks/front-desk/
	Dir       string // laid out as contract.DirChannel
}

// Credential reads a key of the channel's Secret. It is read whenever it is needed, so
// that a rotation needs no restart.
func (s Site) Credential(key string) (string, error) {
	b, err := os.ReadFile(filepath.Join(s.Dir, key))
	if err != nil {
		return "", fmt.Errorf("reading the channel's credentials: %w; add the key %s to the Secret that the Channel names", err, key)
	}
	value := strings.TrimSpace(string(b))
	if value == "" {
		return "", fmt.Errorf("reading the channel's credentials: the key %s of the Secret that the Channel names is empty", key)
	}
	return value, nil
}

// Fingerprint changes when one of the keys does.
func (s Site) Fingerprint(keys []string) [sha256.Size]byte {
	all := sha256.New()
	for _, key := range keys {
		b, err := os.ReadFile(filepath.Join(s.Dir, key))
		fmt.Fprintf(all, "%s %d %t\n", key, len(b), err == nil)
		all.Write(b)
	}
	return [sha256.Size]byte(all.Sum(nil))
}

// CheckOrigin fails for what is no https origin; name says of which setting.
func CheckOrigin(name, origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		return errors.New(name + " is not an origin such as https://hotel-berlin.example, without a slash at its end")
	}
	return nil
}
