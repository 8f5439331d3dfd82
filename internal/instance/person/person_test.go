package person_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAPersonKnownByWhatsAppIsFoundByPhone(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"by phone":     {"phone": "+49 151 12345678\n"},
		"by WhatsApp":  {"whatsapp": "4915112345678"},
		"by WhatsApp+": {"whatsapp": "+4915112345678"},
		"by both":      {"phone": "+4915112345678", "whatsapp": "4915112345678\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := person.Read(write(t, files))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []person.Address{{Kind: contract.KindPhone, Value: "+4915112345678"}, {Kind: contract.KindWhatsApp, Value: "4915112345678"}} {
				if !slices.Contains(got, want) || len(got) != 2 {
					t.Errorf("got %d addresses, want 2 with the %s among them", len(got), want.Kind)
				}
			}
		})
	}
}

func TestOtherAddresses(t *testing.T) {
	got, err := person.Read(write(t, map[string]string{"email": "Guest@Hotel.Example", "messenger": "7102345", "telegram": "55",
		"webchat": "front-desk:user:guest+1@hotel.example\nspa:session:1f0c4b52-8f3a-4d5e-9c6b-7a8091a2b3c4", "newName": "ignored"}))
	want := []person.Address{
		{Kind: contract.KindMessenger, Value: "7102345"}, {Kind: contract.KindTelegram, Value: "55"},
		{Kind: contract.KindWebChat, Value: "front-desk:user:guest+1@hotel.example"}, {Kind: contract.KindWebChat, Value: "spa:session:1f0c4b52-8f3a-4d5e-9c6b-7a8091a2b3c4"},
		{Kind: contract.KindEmail, Value: "guest@hotel.example"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestBadAddressesAreRefusedWithoutRepeatingThem(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		says  string
	}{
		"no key":       {map[string]string{"note": "x"}, "one of the keys phone"},
		"empty":        {map[string]string{"phone": "\n \n"}, "one of the keys phone"},
		"local number": {map[string]string{"phone": "0151 12345678"}, "key phone, line 1"},
		"second line":  {map[string]string{"phone": "+4915112345678\nsecret-word"}, "key phone, line 2"},
		"whatsapp":     {map[string]string{"whatsapp": "secret-word"}, "5 to 15 digits"},
		"email":        {map[string]string{"email": "secret-word"}, "name@host.example"},
		"messenger":    {map[string]string{"messenger": "secret word"}, "without blanks"},
		"too long":     {map[string]string{"telegram": strings.Repeat("7", 300)}, "more than the 256"},
		"too large":    {map[string]string{"telegram": strings.Repeat("7\n", 9000)}, "at most 8192"},
		"too many":     {map[string]string{"telegram": "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17"}, "more than 16"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := person.Read(write(t, test.files))
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want that it says %q", err, test.says)
			}
		})
	}
	if _, err := person.Read(t.TempDir()); !errors.Is(err, person.ErrNone) {
		t.Errorf("an empty directory gives %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, kind := range contract.Kinds() {
		f.Add(kind, "+4915112345678")
		f.Add(kind, "guest@hotel.example")
	}
	f.Fuzz(func(t *testing.T, kind, value string) {
		a, err := person.Parse(kind, value)
		if err != nil {
			return
		}
		// What is normalised stays as it is: a hash must not depend on how often that is done.
		if again, err := person.Parse(a.Kind, a.Value); err != nil || again != a {
			t.Errorf("a normalised address became another, %v", err)
		}
	})
}
