package connect

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	judge "github.com/twilio/twilio-go/client"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/internal/instance/twilio"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/standin/twilio/standin"
)

const formType = "application/x-www-form-urlencoded"

// signed gives a form's bytes and its right signature for a path.
func signed(t *testing.T, path string, f url.Values) ([]byte, string) {
	t.Helper()
	signature, err := standin.Sign(token, publicURL+path, f)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(f.Encode()), signature
}

func with(f url.Values, changes ...string) url.Values {
	f = maps.Clone(f)
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "" {
			f.Del(changes[i])
		} else {
			f.Set(changes[i], changes[i+1])
		}
	}
	return f
}

func TestWhatIsNotTheProvidersIsRefusedAndChangesNothing(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.says(guest, "Hallo")
	id := s.reply(guest, "Good evening")
	s.becomes(id, "delivered")
	s.sent(guest, 1)
	good := form(newSID(), guest, "You have won a week in the suite")
	encoded, signature := signed(t, inboundPath, good)
	otherToken, err := standin.Sign("another", publicURL+inboundPath, good)
	if err != nil {
		t.Fatal(err)
	}
	_, evil := signed(t, inboundPath, good)
	otherHost, err := standin.Sign(token, "https://evil.example"+inboundPath, good)
	if err != nil {
		t.Fatal(err)
	}
	_, _, sid := s.message(id)
	status := url.Values{"MessageSid": {sid}, "MessageStatus": {"read"}, "AccountSid": {account}}
	before := s.fingerprint()
	type attempt struct {
		path      string
		body      []byte
		kind      string
		signature string
		want      int
		says      string
	}
	attempts := map[string]attempt{
		"unsigned":                    {inboundPath, encoded, formType, "", 403, twilio.SignatureHeader},
		"forged":                      {inboundPath, encoded, formType, otherToken, 403, "signature"},
		"a signature that is none":    {inboundPath, encoded, formType, "%%%", 403, "signature"},
		"signed for another host":     {inboundPath, encoded, formType, otherHost, 403, "signature"},
		"signed for another path":     {inboundPath + "?a=b", encoded, formType, evil, 403, "signature"},
		"changed after it was signed": {inboundPath, []byte(with(good, "Body", "Another").Encode()), formType, signature, 403, "signature"},
		"a parameter added":           {inboundPath, append(encoded[:len(encoded):len(encoded)], "&OptOutType=STOP"...), formType, signature, 403, "signature"},
		"a second value added":        {inboundPath, append([]byte("From=%2B15550000000&"), encoded...), formType, signature, 403, "signature"},
		"truncated":                   {inboundPath, encoded[:len(encoded)-3], formType, signature, 403, "signature"},
		"truncated within an escape":  {inboundPath, []byte("Body=%E"), formType, signature, 400, "complete"},
		"empty":                       {inboundPath, nil, formType, signature, 400, "empty"},
		"not a form":                  {inboundPath, encoded, "text/plain", signature, 400, "Content-Type"},
		"without a type":              {inboundPath, encoded, "", signature, 400, "Content-Type"},
		"too many parameters":         {inboundPath, []byte(strings.Repeat("a&", 500)), formType, signature, 400, "parameters"},
		"over 1 MiB, unsigned":        {inboundPath, make([]byte, 1<<20+1), formType, "", 413, "1 MiB"},
		"status unsigned":             {statusPath, []byte(status.Encode()), formType, "", 403, twilio.SignatureHeader},
		"status forged":               {statusPath, []byte(status.Encode()), formType, otherToken, 403, "signature"},
		"another channel's path":      {"/webhooks/" + pgtest.OtherChannel + "/twilio/inbound", encoded, formType, signature, 404, ""},
	}
	add := func(name, path string, f url.Values, want int, says string) {
		body, signature := signed(t, path, f)
		attempts[name] = attempt{path, body, formType, signature, want, says}
	}
	add("another account's", inboundPath, with(good, "AccountSid", "AC"+strings.Repeat("f", 32)), 403, "AccountSid")
	add("no account's", inboundPath, with(good, "AccountSid", ""), 403, "AccountSid")
	add("to another number", inboundPath, with(good, "To", "+493023125178"), 403, "number")
	add("without an id", inboundPath, with(good, "MessageSid", ""), 400, "MessageSid")
	add("an id that is none", inboundPath, with(good, "MessageSid", "SM123"), 400, "MessageSid")
	add("without a sender", inboundPath, with(good, "From", ""), 400, "From")
	add("a sender that is none", inboundPath, with(good, "From", "whatsapp:+4915112345678"), 400, "From")
	add("without a body", inboundPath, with(good, "Body", ""), 400, "Body")
	add("a body too long", inboundPath, with(good, "Body", strings.Repeat("a", 16_001)), 400, "Body")
	add("over 1 MiB, signed", inboundPath, with(good, "Body", strings.Repeat("a", 1<<20)), 413, "1 MiB")
	add("status of another account", statusPath, with(status, "AccountSid", "AC0"), 403, "AccountSid")
	add("status without an id", statusPath, with(status, "MessageSid", ""), 400, "MessageSid")
	add("status without a status", statusPath, with(status, "MessageStatus", ""), 400, "MessageStatus")
	add("status with a wrong code", statusPath, with(status, "ErrorCode", "x'y"), 400, "ErrorCode")
	add("status with a wrong name", statusPath+"?m=1&t=2", status, 400, "parameter m")
	add("status with a wrong time", statusPath+"?m=0190b6a0-0000-7000-8000-000000000000&t=-1", status, 400, "parameter t")
	add("status of a message not known", statusPath, with(status, "MessageSid", newSID()), 200, "")
	add("status of a message that is gone", statusPath+"?m=0190b6a0-0000-7000-8000-000000000000&t=1", status, 200, "")
	add("status of another id for the message", statusPath+s.query(id), with(status, "MessageSid", newSID()), 200, "")
	add("status that says nothing", statusPath, with(status, "MessageStatus", "partially_delivered"), 200, "")
	for name, a := range attempts {
		header := http.Header{}
		for k, v := range map[string]string{"Content-Type": a.kind, twilio.SignatureHeader: a.signature} {
			if v != "" {
				header.Set(k, v)
			}
		}
		got, _, answer := s.raw(a.path, a.body, header)
		if got != a.want || !strings.Contains(answer, a.says) {
			t.Errorf("%s: answered %d %q, want %d and %q", name, got, answer, a.want, a.says)
		}
		if strings.Contains(answer, "won a week") || strings.Contains(answer, guest) {
			t.Errorf("%s: the answer repeats what was received: %s", name, answer)
		}
		if after := s.fingerprint(); after != before {
			t.Fatalf("%s: the database changed from\n%s\nto\n%s", name, before, after)
		}
	}
	if code, _ := s.post(inboundPath, good); code != http.StatusOK || s.fingerprint() == before {
		t.Errorf("control: the message that was forged above is not taken with its own signature: %d", code)
	}
	if code, _ := s.post(statusPath, status); code != http.StatusOK {
		t.Errorf("control: a right status was answered %d", code)
	}
	s.becomes(id, "read")
}

// query names a message as its callback does.
func (s *stage) query(id any) string {
	s.t.Helper()
	return fmt.Sprintf("?m=%s&t=%d", id, s.count("SELECT (extract(epoch FROM at) * 1000000)::bigint FROM sb.message WHERE id = $1", id))
}

func TestABodyCutOffIsRefused(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	before := s.fingerprint()
	body, signature := signed(t, inboundPath, form(newSID(), guest, "Hello"))
	conn, err := tls.Dial("tcp", s.connector.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: example.com\r\nContent-Type: %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
		inboundPath, formType, twilio.SignatureHeader, signature, len(body)+10, body)
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest || s.fingerprint() != before {
		t.Errorf("answered %d; the database is as before: %t", response.StatusCode, s.fingerprint() == before)
	}
}

func TestASignedDigestStandsForTheBody(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	sid := newSID()
	body := []byte(`{"MessageSid":"` + sid + `","AccountSid":"` + account + `","From":"` + guest + `","To":"` + number + `","Body":"Hello"}`)
	sum := sha256.Sum256(body)
	path := inboundPath + "?bodySHA256=" + hex.EncodeToString(sum[:])
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(publicURL + path))
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if judge := judge.NewRequestValidator(token); !judge.ValidateBody(publicURL+path, body, signature) {
		t.Fatal("twilio-go's validator refuses the signature")
	}
	header := http.Header{"Content-Type": {"application/json"}, twilio.SignatureHeader: {signature}}
	before := s.fingerprint()
	if status, _, _ := s.raw(path, append(body[:len(body)-1], " }"...), header); status != http.StatusForbidden || s.fingerprint() != before {
		t.Errorf("another body was answered %d", status)
	}
	body[len(body)-1] = '}'
	if status, _, answer := s.raw(path, body, header); status != http.StatusOK {
		t.Errorf("answered %d: %s", status, answer)
	}
	if n := s.count("SELECT count(*) FROM sb.message WHERE provider_id = $1", sid); n != 1 {
		t.Errorf("stored %d times", n)
	}
}

func TestMoreWebhooksThanCanBeHandledAreSentBack(t *testing.T) {
	g := newGuard(&Connector{})
	for range maxRequests {
		g.slots <- struct{}{}
	}
	answer := httptest.NewRecorder()
	g.checked(provider.Webhook{}).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, inboundPath, nil))
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
		t.Errorf("answered %d, Retry-After %q", answer.Code, answer.Header().Get("Retry-After"))
	}
}
