-- +goose Up
-- What `instance serve` and `instance import`, which runs beside it, may do. They read live rows alone (row security), delete
-- nothing but sessions that ended, and write neither receipts nor consent.

GRANT USAGE ON SCHEMA sb TO sb_serve;
GRANT SELECT ON sb.retention_limit, sb.channel, sb.contact_address TO sb_serve;
GRANT SELECT, UPDATE (name)            ON sb.contact      TO sb_serve;
GRANT SELECT, UPDATE (last_message_at) ON sb.conversation TO sb_serve;
GRANT SELECT, INSERT ON sb.message, sb.message_body, sb.reply_key TO sb_serve;
GRANT EXECUTE ON FUNCTION sb.first_seen(text, bytea[]) TO sb_serve;
GRANT INSERT ON sb.access_log TO sb_serve;

GRANT SELECT, UPDATE (name, mobile, password_hash, last_active_at) ON sb.staff TO sb_serve;
GRANT SELECT, INSERT, UPDATE (revoked_at), DELETE ON sb.staff_session TO sb_serve;

-- import_thread gives the conversation of an address that wrote or was written to at p_at, on a channel; guest, address and
-- conversation are made when there are none. It runs as the owner, because it must see guests that have expired: such a one
-- does not come back to life, a new one is made and the address moved to it. Guests made since p_started, by the same
-- import, are still one: their lines come in any order of age.
-- +goose StatementBegin
CREATE FUNCTION sb.import_thread(p_channel text, p_hash bytea, p_key_version integer, p_address text, p_name text,
    p_at timestamptz, p_started timestamptz) RETURNS uuid
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  guest  uuid;
  thread uuid;
BEGIN
  LOOP
    UPDATE sb.contact c SET last_seen_at = GREATEST(c.last_seen_at, p_at), name = CASE WHEN c.name = '' THEN p_name ELSE c.name END
      FROM sb.contact_address a
      WHERE a.kind = 'phone' AND a.address_hash = p_hash AND c.id = a.contact_id
        AND (c.last_seen_at > sb.cutoff('Contacts') OR c.created_at >= p_started OR p_at <= sb.cutoff('Contacts'))
      RETURNING c.id INTO guest;
    EXIT WHEN FOUND;
    guest := gen_random_uuid();
    INSERT INTO sb.contact (id, name, last_seen_at) VALUES (guest, p_name, p_at);
    INSERT INTO sb.contact_address AS a (kind, address_hash, key_version, address, contact_id)
      VALUES ('phone', p_hash, p_key_version, p_address, guest)
      ON CONFLICT (kind, address_hash) DO UPDATE SET contact_id = EXCLUDED.contact_id, address = EXCLUDED.address
      WHERE (SELECT last_seen_at <= sb.cutoff('Contacts') FROM sb.contact WHERE id = a.contact_id);
    EXIT WHEN FOUND;
    DELETE FROM sb.contact WHERE id = guest; -- a connector was faster: take the guest that it made
  END LOOP;
  INSERT INTO sb.conversation (id, channel, contact_id, created_at, last_message_at) VALUES (gen_random_uuid(), p_channel, guest, p_at, p_at)
    ON CONFLICT (channel, contact_id) DO UPDATE SET last_message_at = GREATEST(sb.conversation.last_message_at, p_at)
    RETURNING id INTO thread;
  RETURN thread;
END
$$;
-- +goose StatementEnd

-- Functions are open to all by default. These run as the owner.
REVOKE EXECUTE ON FUNCTION sb.cutoff(text), sb.ensure_partition(timestamptz),
  sb.import_thread(text, bytea, integer, text, text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.cutoff(text)                  TO sb_serve, sb_retain, sb_connector;
GRANT EXECUTE ON FUNCTION sb.ensure_partition(timestamptz) TO sb_serve, sb_retain;
GRANT EXECUTE ON FUNCTION sb.import_thread(text, bytea, integer, text, text, timestamptz, timestamptz) TO sb_serve;

-- +goose Down
DROP FUNCTION sb.import_thread(text, bytea, integer, text, text, timestamptz, timestamptz);
REVOKE ALL ON ALL TABLES IN SCHEMA sb FROM sb_serve;
REVOKE USAGE ON SCHEMA sb FROM sb_serve;
GRANT EXECUTE ON FUNCTION sb.cutoff(text), sb.ensure_partition(timestamptz) TO PUBLIC;
