package statement

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// Types of PEM blocks.
const (
	pemPrivate = "PRIVATE KEY" // PKCS #8
	pemPublic  = "PUBLIC KEY"  // PKIX
)

// PrivateKey signs statements.
type PrivateKey struct {
	key    ed25519.PrivateKey
	public PublicKey
}

// NewPrivateKey makes a key.
func NewPrivateKey() (PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("making a signing key: %w", err)
	}
	return privateKey(key)
}

// ParsePrivateKey reads an Ed25519 key as PKCS #8 in PEM.
func ParsePrivateKey(b []byte) (PrivateKey, error) {
	der, err := decodePEM(b, pemPrivate)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("reading a signing key: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return PrivateKey{}, errors.New("reading a signing key: it is not PKCS #8") // the cause may quote the key
	}
	signer, ok := key.(ed25519.PrivateKey)
	if !ok {
		return PrivateKey{}, errors.New("reading a signing key: it is not Ed25519")
	}
	return privateKey(signer)
}

func privateKey(key ed25519.PrivateKey) (PrivateKey, error) {
	half, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return PrivateKey{}, errors.New("reading a signing key: it has no public half")
	}
	public, err := publicKey(half)
	return PrivateKey{key: key, public: public}, err
}

// PEM gives the key as PKCS #8.
func (k PrivateKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return nil, fmt.Errorf("encoding a signing key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der}), nil
}

// Public is the half that checks.
func (k PrivateKey) Public() PublicKey { return k.public }

// Sign and KeyID make it a dsse.Signer.
func (k PrivateKey) Sign(_ context.Context, data []byte) ([]byte, error) {
	return k.key.Sign(nil, data, crypto.Hash(0))
}

// KeyID is that of the public half.
func (k PrivateKey) KeyID() (string, error) { return k.public.id, nil }

// PublicKey checks statements.
type PublicKey struct {
	key ed25519.PublicKey
	der []byte
	id  string
}

// ParsePublicKey reads an Ed25519 key as PKIX in PEM.
func ParsePublicKey(b []byte) (PublicKey, error) {
	der, err := decodePEM(b, pemPublic)
	if err != nil {
		return PublicKey{}, fmt.Errorf("reading a public key: %w", err)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return PublicKey{}, fmt.Errorf("reading a public key: %w", err)
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return PublicKey{}, errors.New("reading a public key: it is not Ed25519")
	}
	return publicKey(public)
}

func publicKey(key ed25519.PublicKey) (PublicKey, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKey{}, fmt.Errorf("encoding a public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return PublicKey{key: key, der: der, id: hex.EncodeToString(sum[:])}, nil
}

// ID is the hex SHA-256 of the key's PKIX form.
func (k PublicKey) ID() string { return k.id }

// PEM gives the key in PKIX form.
func (k PublicKey) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: k.der})
}

// Verify, KeyID and Public make it a dsse.Verifier.
func (k PublicKey) Verify(_ context.Context, data, signature []byte) error {
	return ed25519.VerifyWithOptions(k.key, data, signature, &ed25519.Options{})
}

// KeyID is ID.
func (k PublicKey) KeyID() (string, error) { return k.id, nil }

// Public is the key as crypto/ed25519 has it.
func (k PublicKey) Public() crypto.PublicKey { return k.key }

// Keys are public keys by their ID.
type Keys map[string]PublicKey

// ParseKeys reads all public keys of a PEM file.
func ParseKeys(b []byte) (Keys, error) {
	keys := Keys{}
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			break
		}
		key, err := ParsePublicKey(pem.EncodeToMemory(block))
		if err != nil {
			return nil, err
		}
		keys[key.ID()], b = key, rest
	}
	if len(keys) == 0 {
		return nil, errors.New("reading public keys: there is none in PEM form")
	}
	return keys, nil
}

func decodePEM(b []byte, kind string) ([]byte, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	if block.Type != kind {
		return nil, fmt.Errorf("the PEM block is %q, it should be %q", block.Type, kind)
	}
	return block.Bytes, nil
}
