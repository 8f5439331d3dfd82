package unsubscribe_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/unsubscribe"
)

// keys are those of a tenant, of versions from 1 on, each of one letter.
func keys(t *testing.T, letters string) *addresshash.Keys {
	t.Helper()
	dir := t.TempDir()
	for i, letter := range []byte(letters) {
		if err := os.WriteFile(filepath.Join(dir, contract.FileHashKeyPrefix+strconv.Itoa(i+1)), bytes.Repeat([]byte{letter}, 32), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k, err := addresshash.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func token(t *testing.T, k *addresshash.Keys, contact uuid.UUID, scope string) string {
	t.Helper()
	hash, version := k.Hash(contract.KindPhone, "+4915112345678")
	made, err := unsubscribe.Token(k, contact, scope, [][]byte{hash}, version)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestALinkIsReadAsItWasMade(t *testing.T) {
	k, contact := keys(t, "a"), uuid.New()
	for _, scope := range []string{unsubscribe.AllChannels, "front-desk"} {
		first, second := token(t, k, contact, scope), token(t, k, contact, scope)
		if first == second {
			t.Error("two links are alike: who sees both knows that they are of one guest")
		}
		got, err := unsubscribe.Parse(k, first)
		hash, _ := k.Hash(contract.KindPhone, "+4915112345678")
		if err != nil || got.Contact != contact || got.Scope != scope || got.KeyVersion != 1 || len(got.Hashes) != 1 || !bytes.Equal(got.Hashes[0], hash) {
			t.Errorf("read %+v, %v", got, err)
		}
	}
}

func TestALinkSurvivesARotationOfTheKey(t *testing.T) {
	contact := uuid.New()
	made := token(t, keys(t, "a"), contact, unsubscribe.AllChannels)
	got, err := unsubscribe.Parse(keys(t, "ab"), made)
	if err != nil || got.Contact != contact || got.KeyVersion != 1 {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestWhatIsNoLinkIsRefusedAlike(t *testing.T) {
	k := keys(t, "a")
	made := token(t, k, uuid.New(), "front-desk")
	if _, err := unsubscribe.Parse(keys(t, "b"), made); !errors.Is(err, unsubscribe.ErrInvalid) {
		t.Errorf("another tenant's link: %v", err)
	}
	bad := []string{"", "AQ", "AQAAAAE", made + "A", made[:len(made)-2], made + "=", "Ag" + made[2:], strings.Repeat("A", 5000), "../" + made, "é"}
	for i := range made {
		other := byte('A')
		if made[i] == other {
			other = 'B'
		}
		bad = append(bad, made[:i]+string(other)+made[i+1:])
	}
	for _, b := range bad {
		if _, err := unsubscribe.Parse(k, b); !errors.Is(err, unsubscribe.ErrInvalid) {
			t.Errorf("%q: %v", b, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("AQAAAAE")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := unsubscribe.Parse(keys(t, "a"), token); !errors.Is(err, unsubscribe.ErrInvalid) {
			t.Errorf("%q was taken: %v", token, err)
		}
	})
}
