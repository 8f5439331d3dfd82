-- +goose Up
-- What `instance serve` and `instance import`, which runs beside it, may do. They read live rows alone (row security), never
-- delete, and can't write receipts; of consent they can only add a line.

GRANT USAGE ON SCHEMA sb TO sb_serve;
GRANT SELECT ON sb.retention_limit, sb.channel, sb.suppression, sb.consent_log TO sb_serve;
GRANT INSERT ON sb.consent_log TO sb_serve;

-- last_seen_at and last_message_at are moved on by replies and imports.
GRANT SELECT, INSERT, UPDATE (name, last_seen_at)      ON sb.contact      TO sb_serve;
GRANT SELECT, INSERT, UPDATE (contact_id, key_version) ON sb.contact_address TO sb_serve;
GRANT SELECT, INSERT, UPDATE (last_message_at)         ON sb.conversation TO sb_serve;
GRANT SELECT, INSERT ON sb.message, sb.message_body    TO sb_serve;
GRANT SELECT, INSERT ON sb.seen, sb.reply_key          TO sb_serve;
GRANT INSERT ON sb.access_log TO sb_serve;

GRANT SELECT, UPDATE (name, mobile, password_hash, last_active_at) ON sb.staff TO sb_serve;
GRANT SELECT, INSERT, UPDATE (revoked_at), DELETE ON sb.staff_session TO sb_serve; -- expired sessions go at once

-- Functions are open to all by default. These two run as the owner.
REVOKE EXECUTE ON FUNCTION sb.cutoff(text), sb.ensure_partition(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.cutoff(text)                  TO sb_serve, sb_retain, sb_connector;
GRANT EXECUTE ON FUNCTION sb.ensure_partition(timestamptz) TO sb_serve, sb_retain;

-- +goose Down
REVOKE ALL ON ALL TABLES IN SCHEMA sb FROM sb_serve;
REVOKE USAGE ON SCHEMA sb FROM sb_serve;
GRANT EXECUTE ON FUNCTION sb.cutoff(text), sb.ensure_partition(timestamptz) TO PUBLIC;
