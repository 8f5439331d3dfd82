// Package unsubscribe makes and reads the links by which a guest ends messages with one
// click, without a login. A link says nothing of whom it is for, can't be guessed or
// altered, and counts after its guest was erased.
package unsubscribe

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
)

// Path is where links lead: Path + token.
const Path = "/u/"

// Link is whose messages end, and where.
type Link struct {
	Contact uuid.UUID
	// Scope is the name of a channel, or AllChannels.
	Scope string
	// Hashes are the keyed hashes of the addresses that the guest had when the link was
	// made, under KeyVersion: by them the opt-out is kept when there is no guest any more.
	Hashes     [][]byte
	KeyVersion int
}

// AllChannels is the scope of the whole tenant.
const AllChannels = "*"

// ErrInvalid says that a token is none of this tenant's, or of a key that is gone.
var ErrInvalid = errors.New("the link is not one of this tenant's")

const (
	format    = 1
	maxHashes = 8
	maxScope  = 63
	maxToken  = 600 // characters
	header    = 1 + 4
)

// Token seals a link under the current key. Two of the same link differ.
func Token(keys *addresshash.Keys, contact uuid.UUID, scope string, hashes [][]byte, version int) (string, error) {
	switch {
	case len(scope) > maxScope:
		return "", fmt.Errorf("making an unsubscribe link: the scope has more than %d characters", maxScope)
	case len(hashes) == 0:
		return "", errors.New("making an unsubscribe link: the guest has no address")
	}
	aead, err := sealer(keys, version)
	if err != nil {
		return "", fmt.Errorf("making an unsubscribe link: %w", err)
	}
	hashes = hashes[:min(len(hashes), maxHashes)]
	plain := append(slices.Clone(contact[:]), byte(len(hashes))) //nolint:gosec // at most maxHashes
	for _, h := range hashes {
		if len(h) != sha256.Size {
			return "", errors.New("making an unsubscribe link: an address has no keyed hash")
		}
		plain = append(plain, h...)
	}
	plain = append(plain, scope...)
	head := binary.BigEndian.AppendUint32([]byte{format}, uint32(version))              //nolint:gosec // counted from 1 by the operator
	return base64.RawURLEncoding.EncodeToString(aead.Seal(head, nil, plain, head)), nil //nolint:gosec // it makes its nonce itself, at random
}

// Parse opens a token, which is authenticated in constant time. Its error is ErrInvalid,
// whatever is wrong with it.
func Parse(keys *addresshash.Keys, token string) (Link, error) {
	var l Link
	if len(token) > maxToken {
		return l, ErrInvalid
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < header || raw[0] != format {
		return l, ErrInvalid
	}
	l.KeyVersion = int(binary.BigEndian.Uint32(raw[1:header]))
	aead, err := sealer(keys, l.KeyVersion)
	if err != nil {
		return Link{}, ErrInvalid
	}
	plain, err := aead.Open(nil, nil, raw[header:], raw[:header])
	const fixed = len(l.Contact) + 1
	if err != nil || len(plain) < fixed {
		return Link{}, ErrInvalid
	}
	copy(l.Contact[:], plain)
	rest := plain[fixed:]
	for range plain[fixed-1] {
		if len(rest) < sha256.Size {
			return Link{}, ErrInvalid
		}
		l.Hashes, rest = append(l.Hashes, rest[:sha256.Size]), rest[sha256.Size:]
	}
	l.Scope = string(rest)
	return l, nil
}

// sealer derives the key of links from a version of the tenant's key, so that neither
// tells of the other.
func sealer(keys *addresshash.Keys, version int) (cipher.AEAD, error) {
	key, ok := keys.Versions()[version]
	if !ok {
		return nil, fmt.Errorf("there is no version %d of the tenant's key", version)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "switchboard/unsubscribe/v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
