// Package person reads the addresses of a person whom a hold or a request is about,
// from the files of a mounted Secret. What it returns and stores is personal data:
// its errors name files and lines, never what is in them.
package person

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/number"
)

// Bounds of what is read.
const (
	MaxAddresses = 16
	maxLength    = 256 // bytes of one address
	maxFile      = 8 << 10
)

// Address is one address of a person, normalised as it is hashed.
type Address struct {
	Kind  string // a contract.Kind…
	Value string
}

// TimeZone gives the IANA name of the time zone that a number's prefix tells, and "" when it tells none or several, and of
// other kinds of addresses.
func (a Address) TimeZone() string {
	if a.Kind != contract.KindPhone && a.Kind != contract.KindWhatsApp {
		return ""
	}
	return number.TimeZone(strings.TrimPrefix(a.Value, "+"))
}

// ErrNone says that a directory holds no address.
var ErrNone = errors.New("there is no address; give one of the keys phone, whatsapp, messenger, telegram, webchat and email")

// maxLines bounds what ReadLines reads, in bytes.
const maxLines = 64 << 10

// ReadLines reads addresses, one in a line after its kind: phone +4915112345678. A number
// is known as a WhatsApp id too, and the other way round.
func ReadLines(from io.Reader) ([]Address, error) {
	var all []Address
	lines := bufio.NewScanner(io.LimitReader(from, maxLines))
	for n := 1; lines.Scan(); n++ {
		kind, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if kind == "" {
			continue
		}
		a, err := Parse(kind, strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("reading the addresses of a person: line %d: %w", n, err)
		}
		all = append(all, a)
		if twin, ok := a.twin(); ok {
			all = append(all, twin)
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		return nil, fmt.Errorf("reading the addresses of a person: %w", err)
	case len(all) == 0:
		return nil, errors.New("reading the addresses of a person: there is none; write one in each line after its kind, as in: phone +4915112345678")
	case len(all) > MaxAddresses:
		return nil, fmt.Errorf("reading the addresses of a person: there are more than %d (a phone number counts as a WhatsApp id too); split them", MaxAddresses)
	}
	return all, nil
}

// Read reads the files of dir that are named as kinds of addresses, with one address on
// each line. A WhatsApp id is a phone number without its plus: who is given by one of
// the two is known by the other too.
func Read(dir string) ([]Address, error) {
	var all []Address
	seen := map[Address]bool{}
	add := func(a Address) {
		if !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	for _, kind := range contract.Kinds() {
		content, err := readFile(filepath.Join(dir, kind))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the addresses of a person: %w", err)
		}
		lines := bufio.NewScanner(bytes.NewReader(content))
		for n := 1; lines.Scan(); n++ {
			line := strings.TrimSpace(lines.Text())
			if line == "" {
				continue
			}
			a, err := Parse(kind, line)
			if err != nil {
				return nil, fmt.Errorf("reading the addresses of a person: key %s, line %d: %w", kind, n, err)
			}
			add(a)
			if twin, ok := a.twin(); ok {
				add(twin)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("reading the addresses of a person: key %s: %w", kind, err)
		}
	}
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("reading the addresses of a person: %w", ErrNone)
	case len(all) > MaxAddresses:
		return nil, fmt.Errorf("reading the addresses of a person: there are more than %d (a phone number counts as a WhatsApp id too); split them", MaxAddresses)
	}
	return all, nil
}

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("key %s has %d bytes, at most %d are taken", filepath.Base(name), info.Size(), maxFile)
	}
	return os.ReadFile(name)
}

// maxHandle bounds a provider's name for a person, in bytes.
const maxHandle = 128

var (
	digits = regexp.MustCompile(`^[1-9][0-9]{4,14}$`)
	handle = regexp.MustCompile(`^[A-Za-z0-9_.:@-]+$`)
	userID = regexp.MustCompile(`^[A-Za-z0-9_.:@+|-]+$`)
)

// ChatUser is the address of a guest of a web chat whom the client's own site knows by a user id.
func ChatUser(channel, id string) (Address, error) {
	return Parse(contract.KindWebChat, channel+":user:"+id)
}

// ChatSession is the address of one who is known by a session alone.
func ChatSession(channel string, session uuid.UUID) Address {
	return Address{contract.KindWebChat, channel + ":session:" + session.String()}
}

// isChat tells whether a value is CHANNEL:user:ID or CHANNEL:session:UUID.
func isChat(value string) bool {
	channel, rest, _ := strings.Cut(value, ":")
	by, id, _ := strings.Cut(rest, ":")
	if !handle.MatchString(channel) {
		return false
	}
	if by == "session" {
		session, err := uuid.Parse(id)
		return err == nil && session.String() == id
	}
	return by == "user" && len(id) <= maxHandle && userID.MatchString(id)
}

// Parse checks and normalises one address: a phone number to E.164, a WhatsApp id to
// digits, an e-mail address to lower case.
func Parse(kind, value string) (Address, error) {
	if len(value) > maxLength {
		return Address{}, fmt.Errorf("%d bytes are more than the %d that an address may have", len(value), maxLength)
	}
	switch kind {
	case contract.KindPhone:
		e164, err := number.E164(value)
		return Address{kind, e164}, err
	case contract.KindWhatsApp:
		value = strings.TrimPrefix(value, "+")
		if !digits.MatchString(value) {
			return Address{}, errors.New("this is no WhatsApp id; write its 5 to 15 digits, as in 4915112345678")
		}
	case contract.KindEmail:
		a, err := mail.ParseAddress(value)
		if err != nil || a.Address != value {
			return Address{}, errors.New("this is no e-mail address; write it as name@host.example")
		}
		value = strings.ToLower(value)
	case contract.KindWebChat:
		if !isChat(value) {
			return Address{}, errors.New("this is no guest of a web chat; write the channel's name and the user's id or the session's, as in front-desk:user:4711")
		}
	case contract.KindMessenger, contract.KindTelegram:
		if len(value) > maxHandle || !handle.MatchString(value) {
			return Address{}, fmt.Errorf("this is no %s id; write it as the provider does, without blanks", kind)
		}
	default: // it may be an address, where the kind was forgotten
		return Address{}, fmt.Errorf("the kind is none; use one of %s", strings.Join(contract.Kinds(), ", "))
	}
	return Address{kind, value}, nil
}

// Aliases are the addresses by which the same number is known, this one among them. The
// first is the one that is opted out: a phone's, where there is one.
func (a Address) Aliases() []Address {
	twin, ok := a.twin()
	switch {
	case !ok:
		return []Address{a}
	case a.Kind == contract.KindPhone:
		return []Address{a, twin}
	default:
		return []Address{twin, a}
	}
}

// twin is the same number under its other kind.
func (a Address) twin() (Address, bool) {
	switch a.Kind {
	case contract.KindPhone:
		if id := strings.TrimPrefix(a.Value, "+"); digits.MatchString(id) {
			return Address{contract.KindWhatsApp, id}, true
		}
	case contract.KindWhatsApp:
		return Address{contract.KindPhone, "+" + a.Value}, true
	}
	return Address{}, false
}

// Hashes gives, in two lists of equal length, the kinds and keyed hashes of addresses
// under every version of the key.
func Hashes(keys *addresshash.Keys, addresses []Address) (kinds []string, hashes [][]byte) {
	for _, a := range addresses {
		under, _ := keys.Hashes(a.Kind, a.Value)
		for _, h := range under {
			kinds, hashes = append(kinds, a.Kind), append(hashes, h)
		}
	}
	return kinds, hashes
}
