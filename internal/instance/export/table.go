package export

import "strings"

// query of a table's rows: HOLDS(…) stands for the names of the holds on a row, NULL while
// there is no hold at all. Row-level security leaves out what has expired and is not held;
// guests who are left out so are not referred to.
var queries = map[string]string{
	"retention_limit": "SELECT policy, category, retain_days, action, enforced, generation, digest FROM sb.retention_limit",
	"channel":         "SELECT name, type, created_at FROM sb.channel",
	"hold": `SELECT name, by_subject, conversation_id, channel, from_at, to_at, expires_at FROM sb.hold
		WHERE expires_at IS NULL OR expires_at > now()`,
	"hold_alias": `SELECT x.hold, x.kind, x.address_hash FROM sb.hold_alias x JOIN sb.hold h ON h.name = x.hold
		WHERE h.expires_at IS NULL OR h.expires_at > now()`,
	"contact":         "SELECT t.id, t.name, t.created_at, t.last_seen_at, t.time_zone, t.person, t.merged_into, t.merged_at, t.merged_by, t.notice_version, t.notice_at, t.notice_message, t.notice_before, HOLDS('Contacts', t.id, NULL, NULL) AS held FROM sb.contact t",
	"contact_address": "SELECT kind, address_hash, key_version, address, contact_id FROM sb.contact_address",
	"hold_contact": `SELECT b.hold, b.contact_id FROM sb.hold_contact b JOIN sb.contact c ON c.id = b.contact_id JOIN sb.hold h ON h.name = b.hold
		WHERE h.expires_at IS NULL OR h.expires_at > now()`,
	// One that says nothing about anyone any more is left out.
	"conversation": `SELECT t.id, t.channel, c.id AS contact_id, t.created_at, t.last_message_at, t.last_seq, t.staff_seen_seq
		FROM sb.conversation t LEFT JOIN sb.contact c ON c.id = t.contact_id
		WHERE c.id IS NOT NULL OR EXISTS (SELECT FROM sb.message m WHERE m.conversation_id = t.id)
			OR EXISTS (SELECT FROM sb.attachment a WHERE a.conversation_id = t.id)`,
	"message": `SELECT t.id, t.at, t.conversation_id, t.channel, t.direction, t.origin, t.staff_id, t.status, t.status_at, t.attempted_at,
			t.provider_id, t.error_code, t.thread_seq, t.not_before, t.time_zone, HOLDS('MessageMetadata', t.conversation_id, t.channel, t.at) AS held FROM sb.message t`,
	"message_body": `SELECT t.id, t.at, t.conversation_id, t.channel, t.body, t.template,
			HOLDS('Messages', t.conversation_id, t.channel, t.at) AS held FROM sb.message_body t`,
	"message_count": "SELECT day, channel, direction, messages FROM sb.message_count",
	"file":          "SELECT id, sha256, size, media_type, created_at FROM sb.file",
	"attachment": `SELECT t.id, t.at, t.message_id, t.conversation_id, t.channel, t.name, t.state, t.reason, t.file_id,
			HOLDS('Attachments', t.conversation_id, t.channel, t.at) AS held FROM sb.attachment t`,
	"web_chat_session": `SELECT t.id, t.channel, (SELECT c.id FROM sb.contact c WHERE c.id = t.contact_id) AS contact_id, t.started_at, t.last_active_at,
			t.expires_at, t.ip, t.user_agent, HOLDS('WebChatSessions', t.contact_id, NULL, t.last_active_at) AS held FROM sb.web_chat_session t`,
	"integration_data": `SELECT t.id, t.at, t.source, t.kind, (SELECT c.id FROM sb.contact c WHERE c.id = t.contact_id) AS contact_id, t.data,
			HOLDS('IntegrationData', t.contact_id, NULL, t.at) AS held FROM sb.integration_data t`,
	"testimonial": `SELECT t.id, t.at, (SELECT c.id FROM sb.contact c WHERE c.id = t.contact_id) AS contact_id, t.words, t.consent, t.consented_at,
			t.named_as, t.shown, t.language, t.given, t.message_id, t.recorded_at, t.recorded_by, t.withdrawn_at, t.withdrawn_by, t.withdrawn_how,
			t.consent_digest, t.doubted_at, t.kept, t.bearers, HOLDS('Testimonials', t.contact_id, NULL, t.at) AS held FROM sb.testimonial t`,
	"access_log": `SELECT t.id, t.at, t.staff_id, t.method, t.route, t.object_id, t.status, t.ip, t.user_agent, t.referrer,
			HOLDS('AccessLogs', t.object_id, NULL, t.at) AS held FROM sb.access_log t`,
	"seen":        "SELECT channel, id_hash, seen_at FROM sb.seen",
	"suppression": "SELECT channel, address_hash, key_version, since, requested FROM sb.suppression",
	"consent_log": "SELECT id, epoch, xid, at, channel, address_hash, key_version, change, source, reason FROM sb.consent_log",
	// Passwords stay: docs/design/0007.
	"staff":        "SELECT id, email, name, mobile, role, created_at, last_active_at, disabled_at FROM sb.staff",
	"canned_reply": "SELECT id, title, body, changed_at FROM sb.canned_reply",
	"receipt":      "SELECT sequence, policy, body, previous, digest, recorded_at FROM sb.receipt ORDER BY sequence",
}

// queryOf gives the query of a table's rows as JSON.
func queryOf(table string, holds bool) string {
	q := queries[table]
	if holds {
		q = strings.ReplaceAll(q, "HOLDS(", "sb.export_holds(")
	} else if i := strings.Index(q, "HOLDS("); i >= 0 {
		q = q[:i] + "NULL::text[]" + q[i+strings.Index(q[i:], ")")+1:]
	}
	return "SELECT row_to_json(q)::text FROM (" + q + ") q"
}
