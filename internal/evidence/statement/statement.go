// Package statement is what the operator signs: in-toto statements (v1) in DSSE
// envelopes, by Ed25519 keys. It knows nothing of Kubernetes, so that they can be
// checked anywhere.
package statement

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

const (
	// Type of every statement, and PayloadType of every envelope, as in-toto defines them.
	Type        = "https://in-toto.io/Statement/v1"
	PayloadType = "application/vnd.in-toto+json"
)

// MaxEnvelope bounds an envelope, in bytes. Real ones have about four thousand.
const MaxEnvelope = 64 << 10

// Statement says something (the predicate) about things named by their digests.
type Statement struct {
	Type          string          `json:"_type"`
	Subject       []Subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// Subject names a thing by its digest.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"` // algorithm → hex
}

// New makes a statement about one thing, whose SHA-256 is given in hex.
func New(name, sha256, predicateType string, predicate any) (Statement, error) {
	b, err := json.Marshal(predicate)
	if err != nil {
		return Statement{}, fmt.Errorf("encoding the predicate about %s: %w", name, err)
	}
	return Statement{
		Type: Type, Subject: []Subject{{Name: name, Digest: map[string]string{"sha256": sha256}}},
		PredicateType: predicateType, Predicate: b,
	}, nil
}

// Is says whether the statement is about the thing alone.
func (s Statement) Is(name, sha256 string) bool {
	return len(s.Subject) == 1 && s.Subject[0].Name == name && len(s.Subject[0].Digest) == 1 && s.Subject[0].Digest["sha256"] == sha256
}

// Sign gives the envelope, as JSON.
func Sign(ctx context.Context, key PrivateKey, s Statement) ([]byte, error) {
	payload, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encoding a statement: %w", err)
	}
	signer, err := dsse.NewEnvelopeSigner(key)
	if err != nil {
		return nil, fmt.Errorf("signing a statement: %w", err)
	}
	envelope, err := signer.SignPayload(ctx, PayloadType, payload)
	if err != nil {
		return nil, fmt.Errorf("signing a statement: %w", err)
	}
	b, err := json.Marshal(envelope)
	if err != nil {
		return nil, fmt.Errorf("encoding an envelope: %w", err)
	}
	if len(b) > MaxEnvelope {
		return nil, fmt.Errorf("encoding an envelope: %d bytes, at most %d are allowed", len(b), MaxEnvelope)
	}
	return b, nil
}

// Why an envelope isn't taken.
var (
	// ErrUnreadable: it is no envelope around a statement of the kind asked for.
	ErrUnreadable = errors.New("it is no signed statement of the expected kind")
	// ErrUnknownKey: nobody says whose key signed it.
	ErrUnknownKey = errors.New("it is signed by a key that is not known")
	// ErrBadSignature: it was changed after it was signed, or never signed by that key.
	ErrBadSignature = errors.New("its signature does not fit")
)

// Open checks an envelope's signature by the keys, and gives its statement and the
// ID of the key. It fails with ErrUnreadable, ErrUnknownKey or ErrBadSignature; the
// causes never quote what is inside.
func Open(ctx context.Context, envelope []byte, keys Keys, predicateType string) (Statement, string, error) {
	var e dsse.Envelope
	if len(envelope) > MaxEnvelope || strict(envelope, &e) != nil || e.PayloadType != PayloadType || len(e.Signatures) != 1 {
		return Statement{}, "", ErrUnreadable
	}
	id := e.Signatures[0].KeyID
	key, known := keys[id]
	if !known {
		return Statement{}, id, ErrUnknownKey
	}
	verifier, err := dsse.NewEnvelopeVerifier(key)
	if err != nil {
		return Statement{}, id, fmt.Errorf("checking a signature: %w", err)
	}
	_, payload, err := verifier.VerifyAndDecode(ctx, &e)
	if err != nil {
		return Statement{}, id, ErrBadSignature
	}
	var s Statement
	if strict(payload, &s) != nil || s.Type != Type || s.PredicateType != predicateType {
		return Statement{}, id, ErrUnreadable
	}
	return s, id, nil
}

// strict decodes one JSON value without members that are not known.
func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows")
	}
	return nil
}
