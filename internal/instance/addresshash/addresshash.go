// Package addresshash turns addresses of guests into keyed hashes, by which they
// are recognised where the address itself must not stand.
package addresshash

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// minKeyLength is the shortest key taken, in bytes: as long as the hash (RFC 2104, section 3).
const minKeyLength = 32

// EnvDir names another directory than contract.DirKeys, for running outside of a pod.
const EnvDir = "SWITCHBOARD_KEYS_DIR"

// Dir is where the keys are mounted.
func Dir() string { return cmp.Or(os.Getenv(EnvDir), contract.DirKeys) }

// Keys are the versions of a tenant's key. The highest is current.
type Keys struct {
	current int
	keys    map[int][]byte
}

// Load reads the keys from a directory laid out as contract.DirKeys.
func Load(dir string) (*Keys, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the keys for hashes: %w", err)
	}
	k := &Keys{keys: map[int][]byte{}}
	for _, e := range entries {
		suffix, found := strings.CutPrefix(e.Name(), contract.FileHashKeyPrefix)
		if !found {
			continue
		}
		version, err := strconv.Atoi(suffix)
		if err != nil || version < 1 || strconv.Itoa(version) != suffix {
			return nil, fmt.Errorf("reading the keys for hashes: %s does not end in a version from 1", e.Name())
		}
		key, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading the keys for hashes: %w", err)
		}
		if len(key) < minKeyLength {
			return nil, fmt.Errorf("reading the keys for hashes: %s has %d bytes, at least %d are needed", e.Name(), len(key), minKeyLength)
		}
		k.keys[version] = key
		k.current = max(k.current, version)
	}
	if k.current == 0 {
		return nil, fmt.Errorf("reading the keys for hashes: %s has no file %s1", dir, contract.FileHashKeyPrefix)
	}
	return k, nil
}

// Versions gives the keys themselves, by their version: what they hashed is worthless
// elsewhere without them.
func (k *Keys) Versions() map[int][]byte { return maps.Clone(k.keys) }

// Hash gives the HMAC-SHA-256 of an address under the current key, and the key's
// version. address is normalised: E.164 for kind phone.
func (k *Keys) Hash(kind, address string) (hash []byte, version int) {
	return keyed(k.keys[k.current], kind, address), k.current
}

// Hashes gives the hashes of an address under every key, the current one first,
// and the current key's version: what was hashed before a rotation is still found.
func (k *Keys) Hashes(kind, address string) (hashes [][]byte, version int) {
	for _, hash := range k.Each(kind, address) {
		hashes = append(hashes, hash)
	}
	return hashes, k.current
}

// Each gives the hashes of an address by the version of their key, the current one first.
func (k *Keys) Each(kind, address string) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for _, v := range slices.Backward(slices.Sorted(maps.Keys(k.keys))) {
			if !yield(v, keyed(k.keys[v], kind, address)) {
				return
			}
		}
	}
}

func keyed(key []byte, kind, address string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(kind + "\x00" + address))
	return mac.Sum(nil)
}
