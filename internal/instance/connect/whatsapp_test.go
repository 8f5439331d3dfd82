package connect

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

const (
	accessToken  = "access-token-of-the-test"
	appSecret    = "app-secret-of-the-test"
	verifyToken  = "verify-token-of-the-test"
	waGuest      = "4915112345678" // the same number as guest
	whatsAppPath = "/webhooks/" + pgtest.OtherChannel + "/whatsapp"
)

// wa is a stage whose channel is WhatsApp's.
type wa struct {
	*stage
	meta   *standin.Server
	number standin.Number
}

// newWhatsApp starts a connector of pgtest.OtherChannel between a database and a stand-in
// for WhatsApp's Cloud API.
func newWhatsApp(t *testing.T, d *pgtest.Database) *wa {
	t.Helper()
	s := &wa{
		stage:  &stage{t: t, database: d, admin: d.Admin(t), serve: d.Serve(t), dir: t.TempDir(), log: &lockedBuffer{}},
		number: standin.Number{PhoneNumberID: "106540352242922", BusinessAccountID: "102290129340398", AccessToken: accessToken, AppSecret: appSecret, WebhookURL: publicURL + whatsAppPath},
		meta:   standin.New(),
	}
	t.Cleanup(s.meta.Close)
	s.provider = httptest.NewTLSServer(s.meta)
	t.Cleanup(func() {
		s.provider.CloseClientConnections()
		s.provider.Close()
	})
	s.writeKey(1)
	for name, value := range map[string]string{contract.FileAccessToken: accessToken, contract.FileAppSecret: appSecret, contract.FileVerifyToken: verifyToken} {
		s.write(name, []byte(value+"\n"))
	}
	s.exec("UPDATE sb.channel SET type = $1 WHERE name = $2", contract.ChannelTypeWhatsApp, pgtest.OtherChannel)
	s.channel = contract.Channel{Name: pgtest.OtherChannel, Type: contract.ChannelTypeWhatsApp, WhatsApp: &contract.WhatsApp{
		PhoneNumberID: s.number.PhoneNumberID, BusinessAccountID: s.number.BusinessAccountID,
		APIBaseURL: s.provider.URL, APIVersion: "v23.0", CABundle: authority(s.provider),
	}}
	s.route = func() error {
		s.number.Address, s.number.CA = s.connector.Listener.Addr().String(), authority(s.connector)
		return s.meta.AddNumber(s.number)
	}
	s.play(accessToken, appSecret, verifyToken, waGuest)
	return s
}

// deliver posts a signed webhook and gives the answer.
func (s *wa) deliver(body []byte) (int, string) {
	s.t.Helper()
	status, _, answer := s.raw(whatsAppPath, body, http.Header{meta.SignatureHeader: {standin.Sign(appSecret, body)}, "Content-Type": {"application/json"}})
	return status, answer
}

// writes delivers texts of a guest, in one webhook, which must be acknowledged.
func (s *wa) writes(from string, bodies ...string) {
	s.t.Helper()
	var texts []standin.Object
	for _, body := range bodies {
		texts = append(texts, standin.Text(standin.NewID(), from, body))
	}
	if status, answer := s.deliver(s.number.Payload(s.number.Value(texts, nil))); status != http.StatusOK {
		s.t.Fatalf("a webhook was answered %d: %s", status, answer)
	}
}

// took waits until WhatsApp took n messages for somebody.
func (s *wa) took(to string, n int) []standin.Message {
	s.t.Helper()
	s.until("messages to be taken", func() (bool, string) {
		return len(s.meta.Messages(to)) == n && s.count("SELECT count(*) FROM "+contract.QueueSchema(s.channel.Name)+".river_job WHERE finalized_at IS NULL") == 0, ""
	})
	return s.meta.Messages(to)
}

func TestAGuestWritesByWhatsAppAndIsAnswered(t *testing.T) {
	t.Parallel()
	s := newWhatsApp(t, pgtest.New(t))
	s.writes(waGuest, "Grüße 🗝", "Is my room ready?")
	id := s.reply(waGuest, "Yes, behind the house 🏠")
	s.becomes(id, "read")
	m := s.took(waGuest, 1)[0]
	if _, _, bound := s.message(id); m.Body != "Yes, behind the house 🏠" || bound != m.ID {
		t.Errorf("sent %+v, bound to %q", m, bound)
	}
	if n := s.count(`SELECT count(*) FROM sb.contact_address WHERE (kind, address) IN (('whatsapp', $1), ('phone', $2))`, waGuest, guest); n != 2 {
		t.Errorf("the guest bears %d of the two addresses", n)
	}
	if n := s.count("SELECT count(*) FROM sb.message_body WHERE body = 'Grüße 🗝'"); n != 1 {
		t.Errorf("the text is stored %d times", n)
	}
}

func TestABatchIsStoredOnceEach(t *testing.T) {
	t.Parallel()
	s := newWhatsApp(t, pgtest.New(t))
	var values []standin.Object
	for range 3 {
		values = append(values, s.number.Value([]standin.Object{
			standin.Text(standin.NewID(), waGuest, "One"), standin.Text(standin.NewID(), "4915100000001", "Two"), {"from": waGuest, "id": standin.NewID(), "type": "audio"},
		}, nil))
	}
	body := s.number.Payload(append(values, values[0])...) // the first twice
	for range 3 {
		if status, answer := s.deliver(body); status != http.StatusOK {
			t.Fatalf("answered %d: %s", status, answer)
		}
	}
	if n := s.count("SELECT count(*) FROM sb.message WHERE direction = 'in'"); n != 9 {
		t.Errorf("%d messages are stored, want 9", n)
	}
	if n := s.count("SELECT count(*) FROM sb.message_body WHERE body = '[audio]'"); n != 3 {
		t.Errorf("%d of what is no text", n)
	}
	if n := s.count("SELECT count(*) FROM sb.contact"); n != 2 {
		t.Errorf("%d contacts, want 2", n)
	}
}

func TestWhatIsNotMetasIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := newWhatsApp(t, pgtest.New(t))
	s.writes(waGuest, "Hallo")
	before := s.fingerprint()
	body := s.number.Payload(s.number.Value([]standin.Object{standin.Text("wamid.evil", waGuest, "You have won an é")}, nil))
	other := standin.Number{PhoneNumberID: "106540352242999", BusinessAccountID: s.number.BusinessAccountID}
	others := other.Payload(other.Value([]standin.Object{standin.Text("wamid.evil", waGuest, "Hallo")}, nil))
	rewritten := []byte(strings.ReplaceAll(string(body), `\u00e9`, "é"))
	for what, c := range map[string]struct {
		body      []byte
		signature string
		want      int
	}{
		"unsigned":                  {body, "", http.StatusForbidden},
		"signed by another":         {body, standin.Sign("another", body), http.StatusForbidden},
		"signed with another token": {body, standin.Sign(accessToken, body), http.StatusForbidden},
		"rewritten":                 {rewritten, standin.Sign(appSecret, body), http.StatusForbidden},
		"with something added":      {append(slices.Clone(body), ' '), standin.Sign(appSecret, body), http.StatusForbidden},
		"another number's":          {others, standin.Sign(appSecret, others), http.StatusForbidden},
		"no JSON":                   {[]byte("Body=Hallo"), standin.Sign(appSecret, []byte("Body=Hallo")), http.StatusBadRequest},
		"larger than Meta's can be": {make([]byte, 3<<20+1), standin.Sign(appSecret, make([]byte, 3<<20+1)), http.StatusRequestEntityTooLarge},
	} {
		header := http.Header{"Content-Type": {"application/json"}}
		if c.signature != "" {
			header.Set(meta.SignatureHeader, c.signature)
		}
		status, _, answer := s.raw(whatsAppPath, c.body, header)
		if status != c.want || strings.Contains(answer, "won") {
			t.Errorf("%s: answered %d, want %d: %s", what, status, c.want, answer)
		}
	}
	if after := s.fingerprint(); after != before {
		t.Errorf("the database changed from\n%s\nto\n%s", before, after)
	}
}

func TestTheAddressIsVerifiedByWhoKnowsTheToken(t *testing.T) {
	t.Parallel()
	s := newWhatsApp(t, pgtest.New(t))
	get := func(query url.Values) (int, http.Header, string) {
		t.Helper()
		response, err := s.connector.Client().Get(s.connector.URL + whatsAppPath + "?" + query.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body := make([]byte, 512)
		n, _ := response.Body.Read(body)
		return response.StatusCode, response.Header, string(body[:n])
	}
	good := url.Values{"hub.mode": {"subscribe"}, "hub.verify_token": {verifyToken}, "hub.challenge": {"<b>1158201444"}}
	status, header, answer := get(good)
	if status != http.StatusOK || answer != "<b>1158201444" || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Errorf("answered %d, %s: %s", status, header.Get("Content-Type"), answer)
	}
	for what, change := range map[string]url.Values{
		"another token": {"hub.verify_token": {"guess"}}, "no token": {"hub.verify_token": {""}}, "another mode": {"hub.mode": {"unsubscribe"}},
		"no challenge": {"hub.challenge": {""}}, "a long challenge": {"hub.challenge": {strings.Repeat("x", 300)}},
	} {
		query := url.Values{}
		for _, v := range []url.Values{good, change} {
			for name, value := range v {
				query[name] = value
			}
		}
		if status, _, answer := get(query); status < 400 || status > 499 || strings.Contains(answer, "1158201444") {
			t.Errorf("%s: answered %d: %s", what, status, answer)
		}
	}
}

// One number, one opt-out, whichever way the guest says it.
func TestAStopBySMSCountsForWhatsApp(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	sms, s := newStage(t, d), newWhatsApp(t, d)
	s.writes(waGuest, "Hallo")
	sms.says(guest, "Arrêt")
	sms.sent(guest, 1)
	s.becomes(s.reply(waGuest, "One more thing"), "suppressed")
	s.writes(waGuest, "please stop texting me", "STOP", "HELP")
	s.took("", 0)
	if n := s.count("SELECT count(*) FROM sb.contact") + s.count("SELECT count(*) FROM sb.suppression"); n != 2 {
		t.Errorf("%d contacts and suppressions, want one of each", n)
	}
	if got := sms.consents(guest); got != "stop by guest" {
		t.Errorf("the log of consent says %q", got)
	}
	s.writes(waGuest, "START")
	if m := s.took(waGuest, 1)[0]; m.Body != optout.Answer(optout.Start) {
		t.Errorf("the guest was sent %q", m.Body)
	}
	sms.becomes(sms.reply(guest, "Welcome back"), "delivered")
}

func TestAWishOnWhatsAppHoldsSMSBack(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	sms, s := newStage(t, d), newWhatsApp(t, d)
	sms.says(guest, "Hallo")
	s.writes(waGuest, "Bitte keine Nachrichten mehr")
	if n := s.count("SELECT count(*) FROM sb.conversation WHERE sb.opt_out(id) = 'requested'"); n != 2 {
		t.Errorf("%d conversations wait for staff, want both", n)
	}
	s.writes(waGuest, "Stop")
	if m := s.took(waGuest, 1)[0]; m.Body != optout.Answer(optout.Stop) {
		t.Errorf("the guest was sent %q", m.Body)
	}
	sms.says(guest, "STOP")
	sms.sent(guest, 0)
	if n := s.count("SELECT count(*) FROM sb.suppression"); n != 1 {
		t.Errorf("%d suppressions, want 1", n)
	}
}

func TestAWhatsAppChannelSaysWhatItNeeds(t *testing.T) {
	good := contract.WhatsApp{PhoneNumberID: "106540352242922", BusinessAccountID: "102290129340398", APIBaseURL: "https://graph.facebook.com", APIVersion: "v23.0"}
	for says, change := range map[string]func(*contract.WhatsApp, *stage){
		"phoneNumberID":     func(w *contract.WhatsApp, _ *stage) { w.PhoneNumberID = "+49" },
		"apiVersion":        func(w *contract.WhatsApp, _ *stage) { w.APIVersion = "23" },
		"apiBaseURL":        func(w *contract.WhatsApp, _ *stage) { w.APIBaseURL = "http://graph.facebook.com" },
		"caBundle":          func(w *contract.WhatsApp, _ *stage) { w.CABundle = "none" },
		"the key appSecret": func(_ *contract.WhatsApp, s *stage) { s.write(contract.FileAppSecret, []byte("\n")) },
		"whatsApp":          nil,
	} {
		s := &stage{t: t, dir: t.TempDir()}
		s.writeKey(1)
		for _, key := range contract.CredentialKeys(contract.ChannelTypeWhatsApp) {
			s.write(key, []byte("x"))
		}
		w := good
		c := Config{Channel: contract.Channel{Name: "a", Type: contract.ChannelTypeWhatsApp}, PublicURL: publicURL, KeysDir: s.dir, ChannelDir: s.dir}
		if change != nil {
			change(&w, s)
			c.Channel.WhatsApp = &w
		}
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %v", says, err)
		}
	}
}
