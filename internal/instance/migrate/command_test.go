package migrate_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// pod is the environment of a migration Job.
type pod struct{ roles, staff, message string }

func newPod(t *testing.T) pod {
	t.Helper()
	p := pod{t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "termination-log")}
	for _, l := range pgtest.Input().Logins {
		write(t, filepath.Join(p.roles, l.Role, contract.FilePassword), l.Password+"\n")
	}
	write(t, filepath.Join(p.staff, contract.FileEmail), "Reception@Hotel.example\n")
	write(t, filepath.Join(p.staff, contract.FilePassword), pgtest.Password)
	setup, err := json.Marshal(pgtest.Input().Setup)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(contract.EnvSetup, string(setup))
	t.Setenv(migrate.EnvRolesDir, p.roles)
	t.Setenv(migrate.EnvStaffDir, p.staff)
	t.Setenv(contract.EnvTerminationLog, p.message)
	return p
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p pod) result(t *testing.T) contract.Result {
	t.Helper()
	b, err := os.ReadFile(p.message)
	if err != nil {
		t.Fatal(err)
	}
	result, err := contract.DecodeResult(string(b))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestTheCommandTellsItsResult(t *testing.T) {
	d := pgtest.StartOwn(t).Empty(t)
	d.Setenv(t, contract.AdminRole)
	p := newPod(t)
	if err := migrate.Command(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	if got := p.result(t); got.Migration == nil || got.Migration.SchemaVersion < 4 || got.Error != "" {
		t.Errorf("result %+v", got)
	}
	if email := texts(t, d.Admin(t), "SELECT email FROM sb.staff"); email != "reception@hotel.example" {
		t.Errorf("the first account is %s", email)
	}
}

// An operator of the release after asks for what this one does not know: what it says may be lacked is left out and told, and all else
// is brought about.
func TestWhatMayBeLackedIsLeftOutAndTold(t *testing.T) {
	d := pgtest.StartOwn(t).Empty(t)
	d.Setenv(t, contract.AdminRole)
	p := newPod(t)
	t.Setenv(contract.EnvSetup, strings.Replace(os.Getenv(contract.EnvSetup), "{", `{"rooms":{"floors":3},"sendWindow":{"opens":"08:00","closes":"20:00","days":[1],"timeZone":"UTC"},`, 1))
	if err := migrate.Command(t.Context(), quiet); err == nil || !strings.Contains(err.Error(), `unknown field "rooms"`) {
		t.Fatalf("what may not be lacked: %v", err)
	}
	t.Setenv(contract.EnvMayLack, "sendWindow,rooms,mealPlans")
	if err := migrate.Command(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	if got := p.result(t); got.Migration == nil || strings.Join(got.Migration.Lacks, " ") != "mealPlans rooms" {
		t.Errorf("result %+v", got)
	}
	if got := texts(t, d.Admin(t), "SELECT opens::text FROM sb.send_window"); got != "08:00:00" {
		t.Errorf("the window opens at %s", got)
	}
	// What keeps or deletes is known whatever the operator says.
	t.Setenv(contract.EnvMayLack, "retention,holds,channels")
	t.Setenv(contract.EnvSetup, `{"channels":[],"retention":[{"policy":"p","rules":[],"room":1}]}`)
	if err := migrate.Command(t.Context(), quiet); err == nil || !strings.Contains(err.Error(), `unknown field "room"`) {
		t.Errorf("a rule that is not understood: %v", err)
	}
}

func TestWhatIsWrongIsToldInTheResult(t *testing.T) {
	d := pgtest.StartOwn(t).Empty(t)
	tests := map[string]struct {
		spoil func(t *testing.T, p pod)
		says  string
	}{
		"no setup":                 {func(t *testing.T, _ pod) { t.Setenv(contract.EnvSetup, "") }, contract.EnvSetup + " is not set"},
		"setup is no JSON":         {func(t *testing.T, _ pod) { t.Setenv(contract.EnvSetup, "channels: []") }, "reading " + contract.EnvSetup},
		"setup with another field": {func(t *testing.T, _ pod) { t.Setenv(contract.EnvSetup, `{"chanels":[]}`) }, "chanels"},
		"bad channel name": {func(t *testing.T, _ pod) {
			t.Setenv(contract.EnvSetup, `{"channels":[{"name":"Front_Desk","type":"TwilioSMS"}]}`)
		}, "lower-case"},
		"long channel name": {func(t *testing.T, _ pod) {
			t.Setenv(contract.EnvSetup, `{"channels":[{"name":"`+strings.Repeat("a", 46)+`","type":"TwilioSMS"}]}`)
		}, "too long for a database role"},
		"unknown channel type": {func(t *testing.T, _ pod) { t.Setenv(contract.EnvSetup, `{"channels":[{"name":"a","type":"Fax"}]}`) }, "use one of TwilioSMS, WhatsApp"},
		"channel twice": {func(t *testing.T, _ pod) {
			t.Setenv(contract.EnvSetup, `{"channels":[{"name":"a","type":"TwilioSMS"},{"name":"a","type":"TwilioSMS"}]}`)
		}, "listed twice"},
		"zero days":              {func(t *testing.T, _ pod) { setPolicy(t, policy("p", 0)) }, "must be from 1 to 36500"},
		"digest of other rules":  {func(t *testing.T, _ pod) { p := policy("p", 2); p.Rules[0].RetainDays = 3; setPolicy(t, p) }, "digest"},
		"no roles":               {func(t *testing.T, p pod) { t.Setenv(migrate.EnvRolesDir, p.roles+"/none") }, "mount a directory for each role"},
		"role of no component":   {func(t *testing.T, p pod) { write(t, p.roles+"/sb_admin_v1/password", pgtest.Password) }, "belongs to no component"},
		"role of a superuser":    {func(t *testing.T, p pod) { write(t, p.roles+"/postgres/password", pgtest.Password) }, "belongs to no component"},
		"weak password":          {func(t *testing.T, p pod) { write(t, p.roles+"/sb_serve_v1/password", "short") }, "16 to 256"},
		"no staff":               {func(t *testing.T, p pod) { t.Setenv(migrate.EnvStaffDir, p.staff+"/none") }, "mount the Secret staff-bootstrap"},
		"bad e-mail":             {func(t *testing.T, p pod) { write(t, p.staff+"/email", "reception") }, "name@host.example"},
		"weak staff password":    {func(t *testing.T, p pod) { write(t, p.staff+"/password", "short") }, "12 to 1024"},
		"no database":            {func(t *testing.T, _ pod) { t.Setenv("PGHOST", "") }, "PGHOST is not set"},
		"no TLS":                 {func(t *testing.T, _ pod) { t.Setenv("PGSSLMODE", "disable") }, "only verify-full"},
		"no credentials":         {func(t *testing.T, p pod) { t.Setenv(store.EnvDatabaseDir, p.roles) }, "mount the role's Secret"},
		"server of another name": {func(t *testing.T, _ pod) { t.Setenv("PGHOST", "127.0.0.2") }, "connecting to the database"},
		"less than a superuser":  {func(t *testing.T, _ pod) { d.Setenv(t, "sb_nobody_v1") }, "connecting to the database"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d.Setenv(t, contract.AdminRole)
			p := newPod(t)
			test.spoil(t, p)
			err := migrate.Command(t.Context(), quiet)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("want an error that says %q, got %v", test.says, err)
			}
			if got := p.result(t); !strings.Contains(got.Error, test.says) || got.Migration != nil || strings.Contains(got.Error, pgtest.Password) {
				t.Errorf("result %+v", got)
			}
		})
	}
}

func setPolicy(t *testing.T, p contract.Retention) {
	t.Helper()
	with := pgtest.Input().Setup
	with.Retention = []contract.Retention{p}
	setup, err := json.Marshal(with)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(contract.EnvSetup, string(setup))
}
