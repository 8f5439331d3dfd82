package twilio

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestEveryStatusOfTwilioHasOneOfOurs(t *testing.T) {
	for theirs, want := range map[string]string{
		"accepted": "accepted", "scheduled": "accepted", "queued": "accepted", "sending": "accepted", "sent": "sent",
		"delivered": "delivered", "read": "read", "undelivered": "failed", "failed": "failed", "canceled": "failed",
		"receiving": "", "received": "", "": "", "Delivered": "",
	} {
		if got := OurStatus(theirs); got != want {
			t.Errorf("%q is %q, want %q", theirs, got, want)
		}
	}
}

func TestACallbackNamesItsMessage(t *testing.T) {
	id, at := uuid.Must(uuid.NewV7()), time.Date(2026, 11, 24, 0, 5, 6, 123456000, time.UTC)
	u, err := url.Parse(StatusCallback("https://hotel.example/status", id, at))
	if err != nil {
		t.Fatal(err)
	}
	gotID, gotAt, ok, err := ParseCallback(u.Query())
	if err != nil || !ok || gotID != id || !gotAt.Equal(at) {
		t.Errorf("read back as %s %s %t %v", gotID, gotAt, ok, err)
	}
	if _, _, ok, err := ParseCallback(url.Values{}); ok || err != nil {
		t.Errorf("a URL that names none: %t %v", ok, err)
	}
	for _, query := range []string{"m=x&t=1", "m=" + id.String(), "m=" + id.String() + "&t=", "m=" + id.String() + "&t=-1", "m=" + id.String() + "&t=999999999999999999"} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := ParseCallback(values); err == nil {
			t.Errorf("%s is taken", query)
		}
	}
}

func TestARefusalSaysWhyAndWhatToDo(t *testing.T) {
	for code, fragment := range map[int]string{21610: "opted out", 21211: "not valid", 21660: "correct the Channel", 99999: "twilio.com/docs/api/errors"} {
		e := refused(400, code)
		if !strings.Contains(e.Error(), fragment) {
			t.Errorf("%d: %s", code, e.Error())
		}
	}
	if got := refused(403, 0).Code; got != "http-403" {
		t.Errorf("without a code of Twilio's: %s", got)
	}
}
