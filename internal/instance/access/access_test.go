package access_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/access"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const (
	anna = "+4915112345678"
	ben  = "+4915187654321"
)

// TestWhoLookedAtWhat: the tenth story's last line. Anna's contact, thread and a message of it
// were looked at, and Ben's thread.
func TestWhoLookedAtWhat(t *testing.T) {
	d := pgtest.New(t)
	admin, keys := d.Admin(t), newKeys(t)
	d.Limits(t, map[string]int32{contract.CategoryAccessLogs: 10})
	for name, phone := range map[string]string{"anna": anna, "ben": ben} {
		hash, version := keys.Hash(contract.KindPhone, phone)
		exec(t, admin, "INSERT INTO sb.contact (id, name) VALUES (md5($1)::uuid, $1)", name)
		exec(t, admin, "INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) VALUES ('phone', $1, $2, $3, md5($4)::uuid)", hash, version, phone, name)
		exec(t, admin, "INSERT INTO sb.conversation (id, channel, contact_id) VALUES (md5('v' || $1)::uuid, $2, md5($1)::uuid)", name, pgtest.Channel)
		exec(t, admin, `INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
			VALUES (md5('m' || $1)::uuid, now(), md5('v' || $1)::uuid, $2, 'in', 'guest', 'received')`, name, pgtest.Channel)
	}
	looked := func(daysAgo int, object string) {
		exec(t, admin, "SELECT sb.ensure_partition(now() - make_interval(days => $1))", daysAgo)
		exec(t, admin, `INSERT INTO sb.access_log (at, staff_id, method, route, object_id, status)
			SELECT now() - make_interval(days => $1), id, 'GET', '/' || $2, md5($2)::uuid, 200 FROM sb.staff`, daysAgo, object)
	}
	looked(1, "anna")
	looked(2, "vanna")
	looked(3, "manna")
	looked(4, "vben")
	looked(11, "vanna") // expired
	exec(t, admin, "INSERT INTO sb.access_log (at, method, route, status) VALUES (now() - interval '5 days', 'POST', '/sessions', 401)")

	serve := d.Serve(t)
	ask := func(q access.Question) (routes []string) {
		t.Helper()
		q.Limit = max(q.Limit, 1)
		if q.Limit == 1 {
			q.Limit = 100
		}
		all, err := access.Ask(t.Context(), serve, keys, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			if a.Staff != "" && (a.Email == nil || *a.Email != pgtest.StaffEmail) {
				t.Errorf("%+v names nobody", a)
			}
			routes = append(routes, a.Route)
		}
		return routes
	}
	now := time.Now()
	id := func(name string) *uuid.UUID {
		var u uuid.UUID
		if err := admin.QueryRow(t.Context(), "SELECT md5($1)::uuid", name).Scan(&u); err != nil {
			t.Fatal(err)
		}
		return &u
	}
	for sentence, c := range map[string]struct {
		question access.Question
		want     string
	}{
		"a person by phone":         {access.Question{Person: addresses(t, "phone "+anna)}, "/anna /vanna /manna"},
		"a person by WhatsApp id":   {access.Question{Person: addresses(t, "whatsapp "+anna[1:])}, "/anna /vanna /manna"},
		"nobody who is known":       {access.Question{Person: addresses(t, "phone +4915100000000")}, ""},
		"a contact":                 {access.Question{Object: id("anna")}, "/anna /vanna /manna"},
		"a conversation":            {access.Question{Object: id("vben")}, "/vben"},
		"a time":                    {access.Question{Person: addresses(t, "phone "+anna), Since: now.Add(-60 * time.Hour), Until: now.Add(-36 * time.Hour)}, "/vanna"},
		"an account that is no one": {access.Question{Staff: id("nobody")}, ""},
	} {
		got := strings.ReplaceAll(strings.Join(ask(c.question), " "), "instance access ", "") // questions before it
		if got != c.want {
			t.Errorf("%s: %q, want %q", sentence, got, c.want)
		}
	}
	all := ask(access.Question{})
	if asked := slices.Index(all, "/anna"); asked != 7 || all[0] != "instance access" {
		t.Errorf("that it was asked 7 times is not in the log: %v", all)
	}
	if all = all[7:]; strings.Join(all, " ") != "/anna /vanna /manna /vben /sessions" {
		t.Errorf("all is %v", all)
	}
	if _, err := access.Ask(t.Context(), d.Subject(t), keys, access.Question{Limit: 1}); err == nil {
		t.Error("another component may read the access log")
	}
	if _, err := serve.Exec(t.Context(), "SELECT * FROM sb.access_log"); err == nil {
		t.Error("serve may read the access log by itself, without a trace")
	}
}

func newKeys(t *testing.T) *addresshash.Keys {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, contract.FileHashKeyPrefix+"1"), bytes.Repeat([]byte{'a'}, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := addresshash.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func addresses(t *testing.T, lines string) []person.Address {
	t.Helper()
	all, err := person.ReadLines(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func exec(t *testing.T, db *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(context.Background(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
