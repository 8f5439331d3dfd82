package contract

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
)

// Bounds of a person's addresses, as the instance takes them.
const (
	maxAddresses = 16
	maxAddress   = 256     // bytes of one address
	maxHandle    = 128     // bytes of a provider's name for a person
	maxKind      = 8 << 10 // bytes of one key
)

var (
	phone    = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	whatsApp = regexp.MustCompile(`^\+?[1-9][0-9]{4,14}$`)
	handle   = regexp.MustCompile(`^[A-Za-z0-9_.:@-]+$`)
)

// RequestCategories lists what requests count beside the categories that a rule can
// bound: what outlives an erasure as keyed hashes alone.
func RequestCategories() []string { return []string{"Suppressions", "ConsentLog"} }

// CheckSubject checks the data of a Secret that names a person: what could not be read
// as addresses is told before a pod fails of it. A key that is none of a person's is
// refused, so that no other Secret passes as one. Errors name keys and lines alone.
func CheckSubject(data map[string][]byte) error {
	addresses := map[string]bool{}
	for key, value := range data {
		switch {
		case key == FileNewName || key == FileNewPhone:
			continue
		case !slices.Contains(Kinds(), key):
			return fmt.Errorf("key %q is none of %s: rename or remove it", key, strings.Join(Kinds(), ", "))
		case len(value) > maxKind:
			return fmt.Errorf("key %s has %d bytes, at most %d are taken", key, len(value), maxKind)
		}
		for n, line := range strings.Split(string(value), "\n") {
			line = strings.TrimSpace(line)
			if line == "" {
				continue
			}
			if !isAddress(key, line) {
				return fmt.Errorf("key %s, line %d: this is no address of that kind; phone numbers are written as +4915112345678", key, n+1)
			}
			switch number := strings.TrimPrefix(line, "+"); key {
			case KindPhone, KindWhatsApp: // known as both
				addresses[KindPhone+number], addresses[KindWhatsApp+number] = true, true
			default:
				addresses[key+line] = true
			}
		}
	}
	switch {
	case len(addresses) == 0:
		return fmt.Errorf("there is no address in it: give one of the keys %s, with one address on each line", strings.Join(Kinds(), ", "))
	case len(addresses) > maxAddresses:
		return fmt.Errorf("it has more than %d addresses (a phone number counts as a WhatsApp id too): split them", maxAddresses)
	}
	return nil
}

// CheckRectification is CheckSubject for a person who wants name or phone put right.
func CheckRectification(data map[string][]byte) error {
	if err := CheckSubject(data); err != nil {
		return err
	}
	name, number := strings.TrimSpace(string(data[FileNewName])), strings.TrimSpace(string(data[FileNewPhone]))
	switch {
	case name == "" && number == "":
		return fmt.Errorf("it does not say what to put right: give the key %s or %s", FileNewName, FileNewPhone)
	case number != "" && !phone.MatchString(number):
		return errors.New("key " + FileNewPhone + ": this is no phone number; write it as +4915112345678")
	}
	return nil
}

func isAddress(kind, value string) bool {
	switch kind {
	case KindPhone:
		return phone.MatchString(value)
	case KindWhatsApp:
		return whatsApp.MatchString(value)
	case KindEmail:
		a, err := mail.ParseAddress(value)
		return err == nil && a.Address == value && len(value) <= maxAddress
	default:
		return len(value) <= maxHandle && handle.MatchString(value)
	}
}
