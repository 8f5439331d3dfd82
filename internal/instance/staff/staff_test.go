package staff_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestHashesAreArgon2idAndSalted(t *testing.T) {
	first, err := staff.HashPassword(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	second, err := staff.HashPassword(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first, "$argon2id$v=19$m=7168,t=5,p=1$") || first == second {
		t.Errorf("hashes %s and %s", first, second)
	}
	for _, password := range []string{"", "elevenchars", strings.Repeat("x", staff.MaxPassword+1)} {
		if _, err := staff.HashPassword(t.Context(), password); err == nil || !strings.Contains(err.Error(), "choose one of") {
			t.Errorf("a password of %d bytes: %v", len(password), err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for { // either way of the select may win; one is an error that says what was waited for
		if _, err := staff.HashPassword(ended, "correct horse battery"); err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			break
		}
	}
}

func TestSigningIn(t *testing.T) {
	db := pgtest.New(t).Serve(t)
	tests := map[string]struct {
		email, password string
		want            error
	}{
		"right":                  {pgtest.StaffEmail, pgtest.Password, nil},
		"wrong password":         {pgtest.StaffEmail, pgtest.Password + "x", staff.ErrWrong},
		"part of the password":   {pgtest.StaffEmail, pgtest.Password[:len(pgtest.Password)-1], staff.ErrWrong},
		"no password":            {pgtest.StaffEmail, "", staff.ErrWrong},
		"endless password":       {pgtest.StaffEmail, strings.Repeat("x", 1<<20), staff.ErrWrong},
		"unknown account":        {"nobody@hotel.example", pgtest.Password, staff.ErrWrong},
		"SQL for an account":     {"' OR true; --", pgtest.Password, staff.ErrWrong},
		"pattern for an account": {"%", pgtest.Password, staff.ErrWrong},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			session, err := staff.SignIn(t.Context(), db, nil, test.email, test.password, "")
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err != nil {
				if session.Token != "" {
					t.Error("a token in spite of the error")
				}
				return
			}
			member, err := staff.OfToken(t.Context(), db, session.Token)
			if err != nil || member.Email != pgtest.StaffEmail {
				t.Errorf("the token is of %+v, %v", member, err)
			}
		})
	}
}

// TestAnUnknownAccountTakesAsLong compares the fastest of several, taken in turns, since a machine may be busy with something else for a
// while: without a hash an unknown account would be told within a hundredth of the time, at its fastest and at its slowest.
func TestAnUnknownAccountTakesAsLong(t *testing.T) {
	db := pgtest.New(t).Serve(t)
	fastest := map[string]time.Duration{pgtest.StaffEmail: time.Hour, "nobody@hotel.example": time.Hour}
	for round := range 20 {
		for email, least := range fastest {
			begin := time.Now()
			if _, err := staff.SignIn(t.Context(), db, nil, email, "a wrong password", ""); !errors.Is(err, staff.ErrWrong) {
				t.Fatal(err)
			}
			fastest[email] = min(least, time.Since(begin))
		}
		known, unknown := fastest[pgtest.StaffEmail], fastest["nobody@hotel.example"]
		if round >= 4 && unknown >= known/2 && known >= unknown/2 {
			return
		}
	}
	t.Errorf("at their fastest: %v", fastest)
}

func TestADamagedHashIsAnErrorAndNotASignIn(t *testing.T) {
	d := pgtest.New(t)
	for _, hash := range []string{"", "plain", "$2a$10$abc", "$argon2id$v=19$m=7168,t=5,p=1$AAAA$AAAA", "$argon2id$v=1$m=1,t=1,p=1$AAAA$AAAA"} {
		if _, err := d.Admin(t).Exec(t.Context(), "UPDATE sb.staff SET password_hash = $1", hash); err != nil {
			t.Fatal(err)
		}
		_, err := staff.SignIn(t.Context(), d.Serve(t), nil, pgtest.StaffEmail, pgtest.Password, "")
		if err == nil || errors.Is(err, staff.ErrWrong) || !strings.Contains(err.Error(), "set the password again") {
			t.Errorf("hash %q: %v", hash, err)
		}
	}
}

// TestAnAccountThatExpiredIsNobodys: its password and its session are of no more use, and
// signing in does not bring it back.
func TestAnAccountThatExpiredIsNobodys(t *testing.T) {
	d := pgtest.New(t)
	d.Limits(t, map[string]int32{contract.CategoryStaffAccounts: 10})
	serve := d.Serve(t)
	session, err := staff.SignIn(t.Context(), serve, nil, pgtest.StaffEmail, pgtest.Password, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Admin(t).Exec(t.Context(), "UPDATE sb.staff SET last_active_at = now() - interval '10 days'"); err != nil {
		t.Fatal(err)
	}
	if _, err := staff.OfToken(t.Context(), serve, session.Token); !errors.Is(err, staff.ErrNoSession) {
		t.Errorf("its session: %v", err)
	}
	if _, err := staff.SignIn(t.Context(), serve, nil, pgtest.StaffEmail, pgtest.Password, ""); !errors.Is(err, staff.ErrWrong) {
		t.Errorf("its password: %v", err)
	}
}
