package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// factor is a second factor as its owner's app and paper have it.
type factor struct {
	t      *testing.T
	secret string
	codes  []string
	step   int64 // of the last code
}

// code gives one that was not used yet, as soon as there is one.
func (f *factor) code() string {
	f.t.Helper()
	// The step ahead counts already: nobody need wait for half a minute.
	step := max(time.Now().Unix()/30, f.step+1)
	for time.Now().Unix()/30 < step-1 {
		select {
		case <-f.t.Context().Done():
			f.t.Fatal("no code in time")
		case <-time.After(time.Second):
		}
	}
	f.step = step
	code, err := totp.GenerateCode(f.secret, time.Unix(step*30, 0))
	if err != nil {
		f.t.Fatal(err)
	}
	return code
}

// enrol sets a second factor up for whoever is signed in.
func (s *system) enrol() *factor {
	s.t.Helper()
	var begun struct {
		Secret, URL string
		QR          struct {
			Size int
			Path string
		}
	}
	s.do("POST", "/api/v1/me/second-factor", nil).want(http.StatusCreated).into(&begun)
	if !strings.HasPrefix(begun.URL, "otpauth://totp/Switchboard:") || !strings.Contains(begun.URL, begun.Secret) || begun.QR.Size < 29 || len(begun.QR.Path) < 500 {
		s.t.Errorf("begun %+v", begun)
	}
	f := &factor{t: s.t, secret: begun.Secret}
	var confirmed struct{ RecoveryCodes []string }
	s.do("PUT", "/api/v1/me/second-factor", map[string]any{"code": f.code()}).want(http.StatusOK).into(&confirmed)
	f.codes = confirmed.RecoveryCodes
	if len(f.codes) != 10 || f.codes[0] == f.codes[1] {
		s.t.Errorf("recovery codes %v", f.codes)
	}
	return f
}

func withCode(code string) map[string]any {
	return map[string]any{"email": pgtest.StaffEmail, "password": pgtest.Password, "code": code}
}

func TestASecondFactorIsWantedOnceConfirmed(t *testing.T) {
	s := start(t)
	s.do("POST", "/api/v1/me/second-factor", nil).want(http.StatusCreated) // begun and left
	s.signIn()
	f := s.enrol()
	s.do("GET", "/api/v1/me", nil).want(http.StatusOK).saying(`"secondFactor":"on"`)
	s.do("POST", "/api/v1/me/second-factor", nil).want(http.StatusConflict).saying("second-factor-exists")
	s.do("PUT", "/api/v1/me/second-factor", map[string]any{"code": f.code()}).want(http.StatusConflict)
	s.do("POST", "/api/v1/sessions", credentials(pgtest.StaffEmail, pgtest.Password)).want(http.StatusUnauthorized).saying("code-needed")
	// What is wrong with the password is told before, and without, a word of the second factor.
	wrong := s.do("POST", "/api/v1/sessions", credentials(pgtest.StaffEmail, "a wrong guess")).want(http.StatusUnauthorized)
	if strings.Contains(string(wrong.body), "code") {
		t.Errorf("it tells that there is a second factor: %s", wrong.body)
	}
	code := f.code()
	s.do("POST", "/api/v1/sessions", withCode(code[:3]+" "+code[3:])).want(http.StatusCreated)
	s.do("POST", "/api/v1/sessions", withCode(code)).want(http.StatusUnauthorized).saying("wrong-code") // once
	old, err := totp.GenerateCode(f.secret, time.Now().Add(-10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	s.do("POST", "/api/v1/sessions", withCode(old)).want(http.StatusUnauthorized)
}

func TestARecoveryCodeCountsOnce(t *testing.T) {
	s := start(t)
	f := s.enrol()
	s.do("POST", "/api/v1/sessions", withCode(strings.ToUpper(f.codes[3]))).want(http.StatusCreated)
	s.do("POST", "/api/v1/sessions", withCode(f.codes[3])).want(http.StatusUnauthorized).saying("wrong-code")
	s.do("POST", "/api/v1/sessions", withCode(f.codes[4])).want(http.StatusCreated)
	s.do("POST", "/api/v1/me/second-factor/removals", map[string]any{"code": f.codes[5]}).want(http.StatusNoContent)
	s.signIn()
	s.do("POST", "/api/v1/me/second-factor/removals", map[string]any{"code": f.codes[6]}).want(http.StatusNotFound)
}

// TestACodeUsedTwiceAtOnceCountsOnce: who looks over a shoulder is as fast as the owner.
func TestACodeUsedTwiceAtOnceCountsOnce(t *testing.T) {
	s := start(t)
	code := s.enrol().code()
	statuses := make(chan int, 4)
	for range cap(statuses) {
		go func() { statuses <- s.do("POST", "/api/v1/sessions", withCode(code)).status }()
	}
	made := 0
	for range cap(statuses) {
		if <-statuses == http.StatusCreated {
			made++
		}
	}
	if made != 1 {
		t.Errorf("it counted %d times", made)
	}
}

func TestCodesAreNotGuessed(t *testing.T) {
	s := start(t)
	f := s.enrol()
	for range 5 {
		s.do("POST", "/api/v1/sessions", withCode("00000x")).want(http.StatusUnauthorized)
	}
	s.do("POST", "/api/v1/sessions", withCode(f.code())).want(http.StatusTooManyRequests)
	// Nor by whoever found the screen.
	s.do("POST", "/api/v1/me/second-factor/removals", map[string]any{"code": "00000x"}).want(http.StatusTooManyRequests)
}

func TestTheSecretIsSealed(t *testing.T) {
	s := start(t)
	f := s.enrol()
	if n := s.count("SELECT count(*) FROM sb.staff_factor f WHERE position(convert_to($1, 'UTF8') IN f.secret) > 0 OR f::text LIKE '%' || $1 || '%' OR f::text LIKE '%' || $2 || '%'", f.secret, f.codes[0]); n != 0 {
		t.Error("it stands in the database")
	}
	// Nor can it be given to another account.
	s.exec("UPDATE sb.staff_factor SET secret = set_byte(secret, 20, (get_byte(secret, 20) + 1) % 256)")
	s.do("POST", "/api/v1/sessions", withCode(f.code())).want(http.StatusInternalServerError)
}

func TestASupervisorTakesALostFactorAway(t *testing.T) {
	s := start(t)
	agent := s.as(staff.Agent)
	agent.enrol()
	me := agent.own()
	s.do("POST", "/api/v1/sessions", credentials(me.Email, pgtest.Password)).want(http.StatusUnauthorized)
	s.do("DELETE", "/api/v1/staff/"+me.ID.String()+"/second-factor", nil).want(http.StatusNoContent)
	s.do("DELETE", "/api/v1/staff/"+me.ID.String()+"/second-factor", nil).want(http.StatusNotFound)
	s.do("POST", "/api/v1/sessions", credentials(me.Email, pgtest.Password)).want(http.StatusCreated)
}

func TestARequiredFactorIsSetUpFirst(t *testing.T) {
	s := startLive(t)
	agent := s.as(staff.Agent)
	conn, _, err := agent.dial("Authorization", "Bearer "+agent.token) //nolint:bodyclose // the library's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	requires := func(is bool) answer {
		return s.do("PATCH", "/api/v1/settings", map[string]any{"requireSecondFactor": is})
	}
	requires(true).want(http.StatusConflict).saying("of your own first")
	s.enrol()
	requires(true).want(http.StatusOK)
	page{t, conn}.ends()
	agent.do("GET", "/api/v1/conversations", nil).want(http.StatusForbidden).saying("no-second-factor", "set it up first")
	agent.do("GET", "/api/v1/events", nil).want(http.StatusForbidden)
	agent.do("GET", "/api/v1/me", nil).want(http.StatusOK).saying(`"secondFactor":"needed"`)
	agent.enrol()
	agent.do("GET", "/api/v1/conversations", nil).want(http.StatusOK)
	s.do("GET", "/api/v1/settings", nil).want(http.StatusOK).saying("true")
	requires(false).want(http.StatusOK)
}
