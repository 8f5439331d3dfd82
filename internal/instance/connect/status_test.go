package connect

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/standin/twilio/standin"
)

// Every order of two receipts leads to the status that is ahead.
func TestAStatusMovesForwardOnly(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.says(guest, "Hello")
	if err := s.twilio.SetOutcome(standin.Outcome{To: guest}); err != nil {
		t.Fatal(err)
	}
	id := s.reply(guest, "Good evening")
	s.becomes(id, "accepted")
	_, _, sid := s.message(id)
	order := []string{"queued", "sent", "delivered", "read"}
	receipt := func(status string) {
		t.Helper()
		f := url.Values{"MessageSid": {sid}, "MessageStatus": {status}, "AccountSid": {account}}
		if status == "undelivered" {
			f.Set("ErrorCode", "30003")
		}
		if code, answer := s.post(statusPath+s.query(id), f); code != http.StatusOK {
			t.Fatalf("%s was answered %d: %s", status, code, answer)
		}
	}
	check := func(after, want string) {
		t.Helper()
		if got, _, _ := s.message(id); got != want {
			t.Errorf("after %s the status is %s, want %s", after, got, want)
		}
	}
	for i, first := range order {
		for j, second := range order {
			s.exec("UPDATE sb.message SET status = 'accepted' WHERE id = $1", id)
			receipt(first)
			receipt(second)
			want := order[max(i, j)]
			if want == "queued" {
				want = "accepted"
			}
			check(first+" and "+second, want)
		}
	}
	for _, status := range order[:2] {
		s.exec("UPDATE sb.message SET status = 'accepted', error_code = NULL WHERE id = $1", id)
		receipt(status)
		receipt("undelivered")
		check(status+" and undelivered", "failed")
		if _, code, _ := s.message(id); code != "30003" {
			t.Errorf("the error code is %q", code)
		}
		receipt("delivered")
		check("undelivered and delivered", "failed")
	}
	for _, status := range order[2:] {
		s.exec("UPDATE sb.message SET status = 'accepted', error_code = NULL WHERE id = $1", id)
		receipt(status)
		receipt("undelivered")
		check(status+" and undelivered", status)
	}
	s.exec("UPDATE sb.message SET status = 'accepted' WHERE id = $1", id)
	var all sync.WaitGroup
	for range 4 {
		for _, status := range order {
			all.Go(func() { receipt(status) })
		}
	}
	all.Wait()
	check("all at once", "read")
}

// A callback configured at Twilio names no message of ours; the provider's id does.
func TestACallbackWithoutANameIsMatchedByTheProvidersID(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.says(guest, "Hello")
	if err := s.twilio.SetOutcome(standin.Outcome{To: guest}); err != nil {
		t.Fatal(err)
	}
	id := s.reply(guest, "Good evening")
	s.becomes(id, "accepted")
	_, _, sid := s.message(id)
	if code, _ := s.post(statusPath, url.Values{"MessageSid": {sid}, "MessageStatus": {"delivered"}, "AccountSid": {account}}); code != http.StatusOK {
		t.Errorf("answered %d", code)
	}
	if got, _, _ := s.message(id); got != "delivered" {
		t.Errorf("the status is %s", got)
	}
}

// One id of the provider's stands for one message, even when two claim it at once.
func TestAProvidersIDIsBoundToOneMessage(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.says(guest, "Hello")
	s.end()
	var keys []messageKey
	for range 8 {
		k := messageKey{id: s.reply(guest, "OK")}
		if err := s.admin.QueryRow(t.Context(), "SELECT at FROM sb.message WHERE id = $1", k.id).Scan(&k.at); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	d := database{s.database.Connector(t, pgtest.Channel)}
	sid := newSID()
	known := make([]bool, len(keys))
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			var err error
			if known[i], err = d.recordStatus(t.Context(), update{message: &keys[i], providerID: sid, status: "sent"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := s.count("SELECT count(*) FROM sb.message WHERE provider_id = $1", sid); n != 1 {
		t.Errorf("the id is bound to %d messages", n)
	}
	if n := len(slices.DeleteFunc(known, func(ok bool) bool { return !ok })); n != 1 {
		t.Errorf("%d were told that it is theirs", n)
	}
}

func TestWhatACommandNeedsIsToldInOneSentence(t *testing.T) {
	twilio := func() *contract.TwilioSMS {
		return &contract.TwilioSMS{AccountSID: account, From: number, APIBaseURL: "https://api.twilio.com"}
	}
	good := Config{Channel: contract.Channel{Name: "a", Type: contract.ChannelTypeTwilioSMS, TwilioSMS: twilio()}, PublicURL: publicURL}
	for says, change := range map[string]func(*Config){
		"no name":                        func(c *Config) { c.Channel.Name = "" },
		"not known":                      func(c *Config) { c.Channel.Type = "Fax" },
		"either from":                    func(c *Config) { c.Channel.TwilioSMS.MessagingServiceSID = messagingService },
		contract.EnvPublicURL:            func(c *Config) { c.PublicURL = "https://hotel.example/" },
		"apiBaseURL":                     func(c *Config) { c.Channel.TwilioSMS.APIBaseURL = "http://api.twilio.com" },
		"keys for hashes":                func(c *Config) { c.KeysDir = t.TempDir() },
		"add the key authToken":          func(c *Config) { c.ChannelDir = t.TempDir() },
		"caBundle":                       func(c *Config) { c.Channel.TwilioSMS.CABundle = "none" },
		"SWITCHBOARD_CHANNEL is not set": nil,
	} {
		if change == nil {
			t.Setenv(contract.EnvChannel, "")
			if err := Command(t.Context(), nil); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("want %q: %v", says, err)
			}
			continue
		}
		s := &stage{t: t, dir: t.TempDir()}
		s.writeKey(1)
		s.writeToken(token)
		c := good
		c.KeysDir, c.ChannelDir = s.dir, s.dir
		c.Channel.TwilioSMS = twilio()
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %v", says, err)
		}
	}
}
