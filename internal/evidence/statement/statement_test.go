package statement_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

func newKey(t testing.TB) statement.PrivateKey {
	t.Helper()
	key, err := statement.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func keysOf(keys ...statement.PrivateKey) statement.Keys {
	all := statement.Keys{}
	for _, k := range keys {
		all[k.Public().ID()] = k.Public()
	}
	return all
}

func example() statement.Receipt {
	at := time.Date(2026, 3, 1, 2, 30, 0, 123456000, time.UTC)
	overdue := int64(0)
	return statement.Receipt{
		Tenant: "hotel-berlin", TenantUID: "3f9b1c64-0000-4000-8000-000000000001", Sequence: 7,
		Digest: strings.Repeat("ab", 32), PreviousDigest: strings.Repeat("cd", 32), Kind: evidence.KindRetention,
		Policy: "guests", Generation: 3, PolicyDigest: strings.Repeat("ef", 32), Outcome: contract.OutcomeEnforced,
		Rules:      []contract.RetentionRule{{Category: contract.CategoryMessages, RetainDays: 90, Action: contract.ActionDelete}},
		Counts:     []statement.Count{{Category: contract.CategoryMessages, Cutoff: &at, Done: 1<<53 + 1, Overdue: &overdue}},
		Anchor:     &contract.ChainLink{Sequence: 4, Digest: strings.Repeat("01", 32)},
		Links:      []contract.ChainLink{{Sequence: 5, Digest: strings.Repeat("02", 32)}, {Sequence: 6, Digest: strings.Repeat("cd", 32)}},
		FinishedAt: at, SignedAt: at.Add(time.Minute),
	}
}

func sign(t testing.TB, key statement.PrivateKey, r statement.Receipt) []byte {
	t.Helper()
	envelope, err := statement.SignReceipt(t.Context(), key, r)
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

func TestAReceiptComesBackAsItWasSigned(t *testing.T) {
	key := newKey(t)
	got, id, err := statement.OpenReceipt(t.Context(), sign(t, key, example()), keysOf(newKey(t), key))
	if err != nil || id != key.Public().ID() || !reflect.DeepEqual(got, example()) {
		t.Errorf("got %+v by %s, %v", got, id, err)
	}
}

// TestInTotoTakesOurStatements lets in-toto's own library judge what is signed.
func TestInTotoTakesOurStatements(t *testing.T) {
	var envelope struct{ PayloadType, Payload string }
	if err := json.Unmarshal(sign(t, newKey(t), example()), &envelope); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(envelope.Payload)
	if err != nil {
		t.Fatal(err)
	}
	var s intoto.Statement
	if err := protojson.Unmarshal(payload, &s); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if envelope.PayloadType != "application/vnd.in-toto+json" || s.GetPredicateType() != statement.ReceiptType ||
		s.GetSubject()[0].GetDigest()["sha256"] != example().Digest ||
		s.GetPredicate().GetFields()["tenant"].GetStringValue() != "hotel-berlin" {
		t.Errorf("in-toto reads %v of %s", &s, envelope.PayloadType)
	}
}

func TestOpenRefusesWhatItCantRelyOn(t *testing.T) {
	mine, other := newKey(t), newKey(t)
	good := string(sign(t, mine, example()))
	payload := func(change func(string) string) string {
		var e map[string]any
		if err := json.Unmarshal([]byte(good), &e); err != nil {
			t.Fatal(err)
		}
		text, ok := e["payload"].(string)
		if !ok {
			t.Fatal("no payload")
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		e["payload"] = base64.StdEncoding.EncodeToString([]byte(change(string(b))))
		changed, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return string(changed)
	}
	unsound := func(change func(*statement.Receipt)) string {
		r := example()
		change(&r)
		return string(sign(t, mine, r))
	}
	foreign, err := statement.New("a", "b", "https://example.com/other/v1", map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	otherType, err := statement.Sign(t.Context(), mine, foreign)
	if err != nil {
		t.Fatal(err)
	}
	about, err := statement.New("tenant/other", example().Digest, statement.ReceiptType, example())
	if err != nil {
		t.Fatal(err)
	}
	otherSubject, err := statement.Sign(t.Context(), mine, about)
	if err != nil {
		t.Fatal(err)
	}
	unsigned, _, _ := strings.Cut(good, `"signatures"`)
	for name, c := range map[string]struct {
		envelope string
		want     error
	}{
		"an edited count":                  {payload(func(s string) string { return strings.Replace(s, `"done":9`, `"done":8`, 1) }), statement.ErrBadSignature},
		"another key's signature":          {strings.Replace(string(sign(t, other, example())), other.Public().ID(), mine.Public().ID(), 1), statement.ErrBadSignature},
		"a key that nobody published":      {string(sign(t, other, example())), statement.ErrUnknownKey},
		"another payload type":             {strings.Replace(good, "vnd.in-toto+json", "json", 1), statement.ErrUnreadable},
		"no signature":                     {unsigned + `"signatures":[]}`, statement.ErrUnreadable},
		"something that follows":           {good + "{}", statement.ErrUnreadable},
		"rubbish":                          {"x", statement.ErrUnreadable},
		"nothing":                          {"", statement.ErrUnreadable},
		"too long":                         {good + strings.Repeat(" ", statement.MaxEnvelope), statement.ErrUnreadable},
		"a statement of another kind":      {string(otherType), statement.ErrUnreadable},
		"a statement about something else": {string(otherSubject), statement.ErrUnreadable},
		"a kind that is not known":         {unsound(func(r *statement.Receipt) { r.Kind = "poem" }), statement.ErrUnreadable},
		"links out of order":               {unsound(func(r *statement.Receipt) { r.Links[0].Sequence = 6 }), statement.ErrUnreadable},
		"an anchor after the head":         {unsound(func(r *statement.Receipt) { r.Anchor.Sequence = 7 }), statement.ErrUnreadable},
		"a digest that is none":            {unsound(func(r *statement.Receipt) { r.Digest = "x" }), statement.ErrUnreadable},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := statement.OpenReceipt(t.Context(), []byte(c.envelope), keysOf(mine)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestKeysComeBackFromPEM(t *testing.T) {
	a, b := newKey(t), newKey(t)
	private, err := a.PEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := statement.ParsePrivateKey(private)
	if err != nil || again.Public().ID() != a.Public().ID() {
		t.Errorf("came back as %s, %v", again.Public().ID(), err)
	}
	keys, err := statement.ParseKeys(append(a.Public().PEM(), b.Public().PEM()...))
	if err != nil || len(keys) != 2 || keys[b.Public().ID()].ID() != b.Public().ID() {
		t.Errorf("keys %v, %v", keys, err)
	}
	for name, rubbish := range map[string]string{"nothing": "", "a private key": string(private), "no PEM": "x"} {
		if keys, err := statement.ParseKeys([]byte(rubbish)); err == nil {
			t.Errorf("%s gave %v", name, keys)
		}
	}
	if _, err := statement.ParsePrivateKey(a.Public().PEM()); err == nil {
		t.Error("a public key was taken for a private one")
	}
}

// FuzzOpenReceipt holds that nothing but what was signed is taken.
func FuzzOpenReceipt(f *testing.F) {
	key := newKey(f)
	good := sign(f, key, example())
	f.Add(good)
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"","signatures":[{"keyid":"","sig":""}]}`))
	keys := keysOf(key)
	f.Fuzz(func(t *testing.T, envelope []byte) {
		r, _, err := statement.OpenReceipt(t.Context(), envelope, keys)
		if err == nil && !reflect.DeepEqual(r, example()) {
			t.Fatalf("%q was taken for %+v", envelope, r)
		}
	})
}
