package openid

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const inbox = "/inbox/"

// invite leaves an open invitation to an address.
func (s *system) invite(email, role string) {
	s.t.Helper()
	s.exec(`INSERT INTO sb.staff_invitation (id, token_hash, email, name, role, created_by, expires_at)
		SELECT gen_random_uuid(), sha256(convert_to($1, 'UTF8')), $1, 'Noor', $2, (SELECT id FROM sb.staff LIMIT 1), now() + interval '1 day'`, email, role)
}

func TestStaffSignInByTheDirectory(t *testing.T) {
	s := start(t, nil)
	b := s.browser()
	if to := b.signIn("eva"); to != inbox {
		t.Fatalf("sent to %s; %s", to, s.log)
	}
	if b.me() != pgtest.StaffEmail {
		t.Fatalf("signed in as %q", b.me())
	}
	if n := s.count("SELECT count(*) FROM sb.staff_identity WHERE subject = '4711' AND issuer = $1 AND client_id = $2", s.directory.URL, client); n != 1 {
		t.Errorf("%d links", n)
	}
	if n := s.count("SELECT count(*) FROM sb.staff"); n != 1 {
		t.Errorf("%d accounts", n)
	}
	// Who comes back is in the access log, and nothing that the directory gave.
	if n := s.count("SELECT count(*) FROM sb.access_log WHERE route = $1 AND status = 303 AND staff_id IS NOT NULL AND referrer IS NULL", contract.PathSignInReturn); n != 1 {
		t.Errorf("%d lines of the access log", n)
	}
	if status, _ := b.do("DELETE", "/api/v1/sessions/current", nil); status != http.StatusNoContent || b.me() != "" {
		t.Error("the session does not end")
	}
}

// TestAnAccountIsItsPersons: of the directory, whatever becomes of their address.
func TestAnAccountIsItsPersons(t *testing.T) {
	s := start(t, nil)
	if to := s.browser().signIn("eva"); to != inbox {
		t.Fatal(to)
	}
	s.people["4711"].Email = "eva@elsewhere.example"
	s.people["4712"] = &storage.User{ID: "4712", Username: "mallory", Password: password, Email: pgtest.StaffEmail, EmailVerified: true}
	b := s.browser()
	if to := b.signIn("eva"); to != inbox || b.me() != pgtest.StaffEmail {
		t.Errorf("who has another address by now is sent to %s, as %q", to, b.me())
	}
	m := s.browser()
	if to := m.signIn("mallory"); to != inbox+"#sign-in=linked" || m.me() != "" {
		t.Errorf("who got the address is sent to %s, as %q", to, m.me())
	}
	// A supervisor ends the link, and the next one counts.
	var id string
	if err := s.admin.QueryRow(t.Context(), "SELECT id FROM sb.staff").Scan(&id); err != nil {
		t.Fatal(err)
	}
	if status, said := b.do("DELETE", "/api/v1/staff/"+id+"/identity", nil); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, said)
	}
	if to := m.signIn("mallory"); to != inbox {
		t.Error(to)
	}
	if to := s.browser().signIn("eva"); to != inbox+"#sign-in=unknown" {
		t.Error(to)
	}
}

func TestNobodyGetsAnAccountWhoWasNotInvited(t *testing.T) {
	s := start(t, nil)
	s.people["4713"] = &storage.User{ID: "4713", Username: "noor", Password: password, Email: "Noor@hotel.example", EmailVerified: true}
	b := s.browser()
	if to := b.signIn("noor"); to != inbox+"#sign-in=unknown" || b.me() != "" {
		t.Fatalf("sent to %s, as %q", to, b.me())
	}
	if n := s.count("SELECT count(*) FROM sb.staff"); n != 1 {
		t.Fatalf("%d accounts", n)
	}
	s.invite("noor@hotel.example", "auditor")
	if to := b.signIn("noor"); to != inbox || b.me() != "noor@hotel.example" {
		t.Fatalf("sent to %s, as %q", to, b.me())
	}
	if n := s.count("SELECT count(*) FROM sb.staff WHERE role = 'auditor' AND name = 'Noor'"); n != 1 {
		t.Error("the account is not as the invitation has it")
	}
	if n := s.count("SELECT count(*) FROM sb.staff_invitation"); n != 0 {
		t.Error("the invitation is open still")
	}
}

func TestWhoIsNotLetIn(t *testing.T) {
	for name, c := range map[string]struct {
		before func(s *system)
		change func(*contract.StaffOIDC)
		want   string
	}{
		"an address that the directory has not verified": {func(s *system) { s.people["4711"].EmailVerified = false }, nil, "unverified"},
		"a closed account": {func(s *system) { s.exec("UPDATE sb.staff SET disabled_at = now()") }, nil, "closed"},
		"an account that has expired": {func(s *system) {
			s.exec("UPDATE sb.staff SET last_active_at = now() - interval '2 days'")
			s.exec("INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest) VALUES ('staff', 'StaffAccounts', 1, 1, '')")
		}, nil, "unknown"},
		"an invitation that has ended": {func(s *system) {
			s.exec("UPDATE sb.staff SET email = 'other@hotel.example'")
			s.invite(pgtest.StaffEmail, "agent")
			s.exec("UPDATE sb.staff_invitation SET created_at = now() - interval '3 days', expires_at = now() - interval '1 day'")
		}, nil, "unknown"},
		"an address of another domain":       {nil, func(c *contract.StaffOIDC) { c.EmailDomains = []string{"another.example"} }, "domain"},
		"by a claim that says nothing of it": {nil, func(c *contract.StaffOIDC) { c.VerifiedClaim = "xms_edov" }, "unverified"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, c.change)
			if c.before != nil {
				c.before(s)
			}
			b := s.browser()
			if to := b.signIn("eva"); to != inbox+"#sign-in="+c.want || b.me() != "" {
				t.Fatalf("sent to %s, as %q; want %s", to, b.me(), c.want)
			}
			if n := s.count("SELECT count(*) FROM sb.staff_session") + s.count("SELECT count(*) FROM sb.staff_identity"); n != 0 {
				t.Errorf("%d sessions and links", n)
			}
		})
	}
}

// TestALinkedAccountThatIsClosedStaysClosed: the link is no way around it, nor is the address that the directory says by then.
func TestALinkedAccountThatIsClosedStaysClosed(t *testing.T) {
	s := start(t, nil)
	if to := s.browser().signIn("eva"); to != inbox {
		t.Fatal(to)
	}
	s.exec("UPDATE sb.staff SET disabled_at = now()")
	s.people["4711"].Email = "eva@elsewhere.example"
	s.invite("eva@elsewhere.example", "supervisor")
	if to := s.browser().signIn("eva"); to != inbox+"#sign-in=closed" {
		t.Fatal(to)
	}
}

// TestWhatComesBackCountsOnceAndInItsBrowser: login CSRF, replays, and sessions that somebody else began.
func TestWhatComesBackCountsOnceAndInItsBrowser(t *testing.T) {
	s := start(t, nil)
	mine, other := s.browser(), s.browser()
	answer := mine.enter(mine.begin(), "eva")
	if to := other.back(answer); to != inbox+"#sign-in=late" || other.me() != "" {
		t.Fatalf("a browser that began nothing is sent to %s, as %q", to, other.me())
	}
	other.begin()
	if to := other.back(answer); to != inbox+"#sign-in=failed" || other.me() != "" {
		t.Fatalf("one that began another attempt is sent to %s, as %q", to, other.me())
	}
	at, _ := url.Parse(s.server.URL)
	attempt := mine.http.Jar.Cookies(at)
	if to := mine.back(answer); to != inbox || mine.me() == "" {
		t.Fatalf("the browser that began it is sent to %s", to)
	}
	if to := mine.back(answer); to != inbox+"#sign-in=late" {
		t.Fatalf("once more, it is sent to %s", to)
	}
	// Whoever has kept the cookie, too, has no code that counts.
	thief := s.browser()
	thief.http.Jar.SetCookies(at, attempt)
	if to := thief.back(answer); !strings.HasPrefix(to, inbox+"#sign-in=") || thief.me() != "" {
		t.Fatalf("with the cookie, it is sent to %s, as %q", to, thief.me())
	}
	for _, told := range []string{secret, "code=", "4711", pgtest.StaffEmail} {
		if strings.Contains(s.log.String(), told) {
			t.Errorf("the log tells %q: %s", told, s.log)
		}
	}
}

func TestTheSessionBeforeEnds(t *testing.T) {
	s := start(t, nil)
	b := s.browser()
	if status, said := b.do("POST", "/api/v1/browser-sessions", map[string]string{"email": pgtest.StaffEmail, "password": pgtest.Password}); status != http.StatusCreated {
		t.Fatal(said)
	}
	b.begin()
	if b.me() != "" || s.count("SELECT count(*) FROM sb.staff_session WHERE revoked_at IS NULL") != 0 {
		t.Error("the session goes on")
	}
}

// TestItLeadsNowhereElse, whatever is asked for.
func TestItLeadsNowhereElse(t *testing.T) {
	s := start(t, nil)
	for _, with := range []string{"", "?next=https://evil.example", "?redirect_uri=https://evil.example&state=x&code=y", "?state=%zz", "?error=https://evil.example"} {
		b := s.browser()
		if to := b.back(s.server.URL + contract.PathSignInReturn + with); !strings.HasPrefix(to, inbox+"#sign-in=") {
			t.Errorf("%s: sent to %s", with, to)
		}
	}
	// The directory, too, sends browsers to the tenant's own address alone.
	b := s.browser()
	u, err := url.Parse(b.begin())
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("redirect_uri", "https://evil.example/return")
	u.RawQuery = q.Encode()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
	if status, to, _ := b.send(r); to != "" || status < 400 {
		t.Errorf("the directory answers %d and leads to %s", status, to)
	}
}

// TestTheSecondFactorIsAskedForToo: the directory's word takes the password's place, and nothing else's.
func TestTheSecondFactorIsAskedForToo(t *testing.T) {
	s := start(t, nil)
	owner := s.browser()
	if to := owner.signIn("eva"); to != inbox {
		t.Fatal(to)
	}
	_, said := owner.do("POST", "/api/v1/me/second-factor", nil)
	_, key, _ := strings.Cut(said, `"secret":"`)
	key, _, _ = strings.Cut(key, `"`)
	code := func(steps int64) string {
		c, err := totp.GenerateCode(key, time.Now().Add(time.Duration(steps)*30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if status, said := owner.do("PUT", "/api/v1/me/second-factor", map[string]string{"code": code(-1)}); status != http.StatusOK {
		t.Fatal(said)
	}
	b := s.browser()
	if to := b.signIn("eva"); to != inbox+"#sign-in=code" || b.me() != "" {
		t.Fatalf("sent to %s, as %q", to, b.me())
	}
	if status, _ := b.do("POST", "/api/v1/sign-in/code", map[string]string{"code": "000000"}); status != http.StatusUnauthorized || b.me() != "" {
		t.Errorf("a wrong code: %d", status)
	}
	if status, said := s.browser().do("POST", "/api/v1/sign-in/code", map[string]string{"code": code(0)}); status != http.StatusUnauthorized {
		t.Errorf("a code of a browser that was not at the directory: %d %s", status, said)
	}
	if status, said := b.do("POST", "/api/v1/sign-in/code", map[string]string{"code": code(1)}); status != http.StatusCreated || b.me() != pgtest.StaffEmail {
		t.Errorf("a right code: %d %s", status, said)
	}
	if status, _ := b.do("POST", "/api/v1/sign-in/code", map[string]string{"code": code(1)}); status != http.StatusUnauthorized {
		t.Errorf("once more: %d", status)
	}
}

func TestARequiredProviderTakesThePlaceOfPasswords(t *testing.T) {
	s := start(t, func(c *contract.StaffOIDC) { c.Required = true })
	b := s.browser()
	if _, said := b.do("GET", "/api/v1/sign-in", nil); said != `{"password":false,"provider":{"name":"Directory"}}`+"\n" && said != `{"password":false,"provider":{"name":"Directory"}}` {
		t.Error(said)
	}
	right := map[string]string{"email": pgtest.StaffEmail, "password": pgtest.Password}
	for _, path := range []string{"/api/v1/sessions", "/api/v1/browser-sessions"} {
		if status, said := b.do("POST", path, right); status != http.StatusForbidden || !strings.Contains(said, "provider-required") {
			t.Errorf("%s: %d %s", path, status, said)
		}
	}
	if status, said := b.do("POST", "/api/v1/accepted-invitations", map[string]string{"token": "sbv_x", "name": "", "password": pgtest.Password}); status != http.StatusForbidden {
		t.Errorf("%d %s", status, said)
	}
	if to := b.signIn("eva"); to != inbox {
		t.Error(to)
	}
}

// TestWhileTheDirectoryIsDown the page is there, and passwords count.
func TestWhileTheDirectoryIsDown(t *testing.T) {
	s := start(t, nil)
	s.directory.Close()
	b := s.browser()
	if status, said := b.do("GET", "/api/v1/sign-in", nil); status != http.StatusOK || !strings.Contains(said, "Directory") {
		t.Errorf("%d %s", status, said)
	}
	if status, said := b.do("POST", "/api/v1/sign-in/provider", nil); status != http.StatusServiceUnavailable || !strings.Contains(said, "try again") {
		t.Errorf("%d %s", status, said)
	}
	if status, said := b.do("POST", "/api/v1/browser-sessions", map[string]string{"email": pgtest.StaffEmail, "password": pgtest.Password}); status != http.StatusCreated {
		t.Errorf("%d %s", status, said)
	}
}
