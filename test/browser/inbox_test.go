//go:build browser

// Package browser_test opens the pages that an instance serves in a real browser.
package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/api"
	"github.com/switchboard-operator/switchboard/internal/instance/web"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestTheInbox has conversations read and answered.
func TestTheInbox(t *testing.T) { play(t, "inbox.mjs") }

// TestStaffAmongThemselves has accounts managed, second factors used, and conversations handed on.
func TestStaffAmongThemselves(t *testing.T) { play(t, "staff.mjs") }

// play serves the page over a real database, and has a script use it. What happens elsewhere meanwhile, a
// guest's message for one, it asks for by posting a step to /step/.
func play(t *testing.T, script string) {
	d := pgtest.New(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, contract.FileHashKeyPrefix+"1"), bytes.Repeat([]byte{1}, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Limits(t, map[string]int32{contract.CategoryMessages: 30})
	server := api.New(d.Serve(t), slog.New(slog.DiscardHandler), dir)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		server.Run(ctx)
	}()
	pages := http.NewServeMux()
	pages.Handle("GET "+web.InboxPath, web.Inbox())
	pages.Handle("/", server)
	instance := httptest.NewUnstartedServer(pages)
	instance.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes: the browser does not know the certificate
	instance.StartTLS()
	steps := httptest.NewServer(steps(t, d))
	t.Cleanup(func() {
		stop()
		<-ran
		instance.Close()
		steps.Close()
	})
	output, err := filepath.Abs("../output/browser")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(map[string]string{
		"origin": instance.URL, "steps": steps.URL, "email": pgtest.StaffEmail, "password": pgtest.Password, "output": output,
	})
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", script)
	node.Env = append(os.Environ(), "SETTINGS="+string(settings))
	out, err := node.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("the browser's test failed: %v", err)
	}
}

// theOperatorTakes tells the privacy desk what the operator would: an erasure was deferred, an access is carried out.
func theOperatorTakes(ctx context.Context, admin *pgxpool.Pool) error {
	_, err := admin.Exec(ctx, `WITH f AS (SELECT f.*, 'desk-' || replace(f.id::text, '-', '') AS object FROM sb.filed_requests(20) f)
		SELECT sb.desk_tell(gen_random_uuid()::text, jsonb_build_object(
			'requests', (SELECT told -> 'requests' FROM sb.desk) || jsonb_agg(CASE type WHEN 'Complaint' THEN jsonb_build_object('name', object, 'type', type, 'receivedAt', received_at, 'phase', 'Open') WHEN 'Erasure'
				THEN jsonb_build_object('name', object, 'type', type, 'receivedAt', received_at, 'phase', 'Deferred', 'answeredAt', now(), 'message', 'rows are kept',
					'done', jsonb_build_array(jsonb_build_object('category', 'Messages', 'rows', 9)), 'refused', jsonb_build_array(jsonb_build_object('category', 'Messages', 'rows', 2, 'hold', 'court-12')))
				ELSE jsonb_build_object('name', object, 'type', type, 'receivedAt', received_at, 'phase', 'Running') END),
			'holds', jsonb_build_array(jsonb_build_object('name', 'court-12', 'reason', 'court order <b>12 O 345/26</b>', 'since', now(), 'inForce', true, 'contacts', 1, 'messages', 2))),
			jsonb_agg(jsonb_build_object('id', id, 'name', object))) FROM f`)
	return err
}

// steps does what happens in the database outside of the page.
func steps(t *testing.T, d *pgtest.Database) http.Handler {
	admin := d.Admin(t)
	statements := map[string][]string{
		"guests": {
			"SELECT sb.ensure_partition(now())",
			"INSERT INTO sb.channel (name, type) VALUES ('whatsapp', 'WhatsApp')",
			"INSERT INTO sb.contact (id, name) SELECT md5('c' || i)::uuid, name FROM unnest(ARRAY['Ada Lovelace', 'Grace Hopper', '<img src=x onerror=window.pwned=1>']) WITH ORDINALITY n (name, i)",
			"INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) SELECT 'phone', sha256(i::text::bytea), 1, '+493090182' || i, md5('c' || i)::uuid FROM generate_series(1, 3) i",
			"INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) VALUES ('whatsapp', sha256('w'), 1, '4930901822', md5('c2')::uuid)",
			"INSERT INTO sb.conversation (id, channel, contact_id, last_message_at) SELECT md5('v' || i)::uuid, CASE i WHEN 2 THEN 'whatsapp' ELSE 'front-desk' END, md5('c' || i)::uuid, now() - i * interval '1 minute' FROM generate_series(1, 3) i",
		},
		"expiring": { // by the limit of 30 days
			"SELECT sb.ensure_partition(now() - interval '30 days')",
			`WITH m AS (INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
				VALUES (gen_random_uuid(), now() - interval '30 days' + interval '10 seconds', md5('v3')::uuid, 'front-desk', 'in', 'guest', 'received') RETURNING *)
				INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT id, at, conversation_id, channel, 'Words of a month ago' FROM m`,
		},
		"long": {
			`WITH m AS (INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
				SELECT md5('m' || i)::uuid, now() - i * interval '1 second', md5('v2')::uuid, 'whatsapp', 'in', 'guest', 'received' FROM generate_series(1, 70) i RETURNING *)
				INSERT INTO sb.message_body (id, at, conversation_id, channel, body)
				SELECT m.id, m.at, m.conversation_id, m.channel, 'Line ' || i FROM m JOIN generate_series(1, 70) i ON m.id = md5('m' || i)::uuid`,
		},
		"optout":  {"INSERT INTO sb.suppression (channel, address_hash, key_version) VALUES ('*', sha256('1'), 1)"},
		"doubt":   {"UPDATE sb.testimonial SET doubted_at = now()"}, // as a restore does
		"deliver": {"UPDATE sb.message SET status = 'delivered' WHERE direction = 'out'"},
		"revoke":  {"UPDATE sb.staff_session SET revoked_at = now()"},
	}
	connector := d.Connector(t, pgtest.Channel)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if kind := query.Get("kind"); kind != "" { // of channel the front desk's is from now on
			if _, err := admin.Exec(r.Context(), "UPDATE sb.channel SET type = $1 WHERE name = $2", kind, pgtest.Channel); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
			return
		}
		if words := query.Get("goes"); words != "" { // the file of a reply, as the connector is given it for the provider
			var id uuid.UUID
			var at time.Time
			err := admin.QueryRow(r.Context(), "SELECT id, at FROM sb.message_body WHERE body = $1", words).Scan(&id, &at)
			var content []byte
			if err == nil {
				err = connector.QueryRow(r.Context(), "SELECT sb.outbound_piece($1, $2, id, 0, size::integer) FROM sb.outbound_files($1, $2)", id, at).Scan(&content)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_, _ = w.Write(content)
			return
		}
		if query.Get("desk") != "" {
			if err := theOperatorTakes(r.Context(), admin); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
			return
		}
		todo, known := statements[query.Get("step")]
		if !known {
			guest, err := strconv.Atoi(query.Get("guest"))
			if err != nil {
				http.Error(w, "no such step", http.StatusNotFound)
				return
			}
			_, err = admin.Exec(r.Context(), `WITH m AS (INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
					VALUES (gen_random_uuid(), now(), md5('v' || $1::int)::uuid, 'front-desk', 'in', 'guest', 'received') RETURNING *),
				v AS (UPDATE sb.conversation SET last_message_at = now() WHERE id = md5('v' || $1::int)::uuid)
				INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT id, at, conversation_id, channel, $2 FROM m`, guest, query.Get("body"))
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
			return
		}
		for _, s := range todo {
			if _, err := admin.Exec(r.Context(), s); err != nil {
				http.Error(w, s+": "+err.Error(), http.StatusInternalServerError)
				return
			}
		}
	})
}
