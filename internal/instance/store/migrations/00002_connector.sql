-- +goose Up
-- What a connector may do, and nothing beside it. Its role has no right on any table: it calls the functions below,
-- which belong to sb_owner and take the channel from the role that logged in, never from an argument. The owner is
-- exempt from row security, so every function that reads compares with sb.cutoff itself.

-- current_channel is the channel of the connector that logged in: sb_connector_front_desk_v2 is front-desk.
CREATE FUNCTION sb.current_channel() RETURNS text
  LANGUAGE sql STABLE SET search_path = pg_catalog
  RETURN replace(substring(session_user FROM '^sb_connector_([a-z0-9_]+)_v[1-9][0-9]*$'), '_', '-');

-- is_suppressed says whether an address must not be written to on a channel.
CREATE FUNCTION sb.is_suppressed(p_channel text, p_hash bytea) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
AS $$ SELECT EXISTS (SELECT FROM sb.suppression WHERE channel IN ('*', p_channel) AND address_hash = p_hash) $$;

-- suppressed says whether the guest of a conversation must not be written to, by any of their addresses.
CREATE FUNCTION sb.suppressed(p_conversation uuid) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
AS $$
  SELECT EXISTS (
    SELECT FROM sb.conversation c
    JOIN sb.contact_address a USING (contact_id)
    JOIN sb.suppression s ON s.address_hash = a.address_hash AND s.channel IN ('*', c.channel)
    WHERE c.id = p_conversation)
$$;

-- guest finds the live contact of an address, or makes one, and marks it as seen now. A contact past its limit does
-- not come back to life: a new one takes its address over.
-- +goose StatementBegin
CREATE FUNCTION sb.guest(p_kind text, p_address text, p_hash bytea, p_key_version integer) RETURNS uuid
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $$
DECLARE
  v_contact uuid;
BEGIN
  LOOP
    UPDATE sb.contact c SET last_seen_at = now() FROM sb.contact_address a
      WHERE a.kind = p_kind AND a.address_hash = p_hash AND c.id = a.contact_id
        AND c.last_seen_at > sb.cutoff('Contacts')
      RETURNING c.id INTO v_contact;
    IF FOUND THEN
      RETURN v_contact;
    END IF;
    v_contact := gen_random_uuid();
    INSERT INTO sb.contact (id) VALUES (v_contact);
    INSERT INTO sb.contact_address AS a (kind, address_hash, key_version, address, contact_id)
      VALUES (p_kind, p_hash, p_key_version, p_address, v_contact)
      ON CONFLICT (kind, address_hash) DO UPDATE SET contact_id = excluded.contact_id, address = excluded.address
      WHERE (SELECT last_seen_at <= sb.cutoff('Contacts') FROM sb.contact WHERE id = a.contact_id);
    IF FOUND THEN
      RETURN v_contact;
    END IF;
    DELETE FROM sb.contact WHERE id = v_contact; -- another connector was faster: take the contact that it made
  END LOOP;
END
$$;
-- +goose StatementEnd

-- receive stores one inbound message with all that follows from it, once: stored is false for a message whose
-- provider id was seen before. p_word is stop, start, help or NULL. Where an answer is due, a confirmation is queued as
-- message p_answer_id and answered_at is its time; nothing is due when nothing changed, or when the provider has
-- answered already. All of it is the caller's transaction, which adds the job that sends the answer.
-- +goose StatementBegin
CREATE FUNCTION sb.receive(
  p_id uuid, p_seen bytea, p_provider_id text, p_address text, p_hash bytea, p_key_version integer, p_body text,
  p_word text, p_provider_answered boolean, p_answer_id uuid, p_answer text,
  OUT stored boolean, OUT answered_at timestamptz)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $$
DECLARE
  v_channel      text := sb.current_channel();
  v_conversation uuid;
  v_due          boolean := false;
BEGIN
  INSERT INTO sb.seen (channel, id_hash) VALUES (v_channel, p_seen) ON CONFLICT DO NOTHING;
  stored := FOUND;
  IF NOT stored THEN
    RETURN;
  END IF;
  INSERT INTO sb.conversation AS c (id, channel, contact_id)
    VALUES (gen_random_uuid(), v_channel, sb.guest('phone', p_address, p_hash, p_key_version))
    ON CONFLICT (channel, contact_id) DO UPDATE SET last_message_at = now()
    RETURNING c.id INTO v_conversation;
  INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status, provider_id)
    VALUES (p_id, now(), v_conversation, v_channel, 'in', 'guest', 'received', p_provider_id);
  INSERT INTO sb.message_body (id, at, channel, body) VALUES (p_id, now(), v_channel, p_body);
  CASE p_word
  WHEN 'stop' THEN
    INSERT INTO sb.suppression (channel, address_hash, key_version) VALUES ('*', p_hash, p_key_version) ON CONFLICT DO NOTHING;
    v_due := FOUND;
  WHEN 'start' THEN
    DELETE FROM sb.suppression WHERE address_hash = p_hash AND channel IN ('*', v_channel);
    v_due := FOUND;
  WHEN 'help' THEN
    v_due := NOT sb.is_suppressed(v_channel, p_hash);
  ELSE
  END CASE;
  IF v_due AND p_word IN ('stop', 'start') THEN
    INSERT INTO sb.consent_log (channel, address_hash, key_version, change, source)
      VALUES (v_channel, p_hash, p_key_version, p_word, CASE WHEN p_provider_answered THEN 'provider' ELSE 'guest' END);
  END IF;
  IF v_due AND NOT p_provider_answered THEN
    answered_at := now();
    INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
      VALUES (p_answer_id, answered_at, v_conversation, v_channel, 'out', 'confirmation', 'queued');
    INSERT INTO sb.message_body (id, at, channel, body) VALUES (p_answer_id, answered_at, v_channel, p_answer);
  END IF;
END
$$;
-- +goose StatementEnd

-- outbound gives what is to be sent; no row when the message is not this channel's or has expired. address is NULL
-- when the guest is gone, body when the content is.
-- +goose StatementBegin
CREATE FUNCTION sb.outbound(p_id uuid, p_at timestamptz)
  RETURNS TABLE (status text, address text, body text, suppressed boolean, attempted_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
AS $$
  SELECT m.status, g.address, b.body,
         m.origin <> 'confirmation' AND sb.suppressed(m.conversation_id), m.attempted_at
  FROM sb.message m
  LEFT JOIN sb.message_body b ON b.at = m.at AND b.id = m.id AND b.at > sb.cutoff('Messages')
  LEFT JOIN LATERAL (
    SELECT a.address FROM sb.conversation c JOIN sb.contact k ON k.id = c.contact_id
    JOIN sb.contact_address a ON a.contact_id = k.id
    WHERE c.id = m.conversation_id AND a.kind = 'phone' AND k.last_seen_at > sb.cutoff('Contacts')
    ORDER BY a.address_hash LIMIT 1) g ON true
  WHERE m.at = p_at AND m.id = p_id AND m.channel = sb.current_channel() AND m.direction = 'out'
    AND m.at > sb.cutoff('MessageMetadata')
$$;
-- +goose StatementEnd

-- status_rank orders the statuses of an outbound message: one never goes back. failed stands below delivered, since a
-- carrier that delivered after all knows better.
CREATE FUNCTION sb.status_rank(p_status text) RETURNS integer
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog
  RETURN array_position(ARRAY['queued', 'sending', 'unknown', 'accepted', 'sent', 'suppressed', 'failed', 'delivered', 'read'], p_status);

-- attempt notes, before anything goes out, that a send begins whose outcome may stay unknown. false: there is nothing
-- to send any more.
CREATE FUNCTION sb.attempt(p_id uuid, p_at timestamptz) RETURNS boolean
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
AS $$
  WITH begun AS (
    UPDATE sb.message SET status = 'sending', status_at = now(), attempted_at = clock_timestamp()
    WHERE at = p_at AND id = p_id AND channel = sb.current_channel() AND direction = 'out' AND provider_id IS NULL
      AND sb.status_rank(status) <= sb.status_rank('unknown')
    RETURNING 1)
  SELECT EXISTS (SELECT FROM begun)
$$;

-- release takes an attempt back that certainly sent nothing.
CREATE FUNCTION sb.release(p_id uuid, p_at timestamptz) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
AS $$
  UPDATE sb.message SET status = 'queued', status_at = now(), attempted_at = NULL
  WHERE at = p_at AND id = p_id AND channel = sb.current_channel() AND status = 'sending' AND provider_id IS NULL
$$;

-- settle moves a message's status forward, and binds the provider's id to it. Whatever would move it back, or belongs
-- to another id, changes nothing and gives false.
CREATE FUNCTION sb.settle(p_id uuid, p_at timestamptz, p_status text, p_provider_id text, p_error_code text) RETURNS boolean
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
AS $$
  WITH moved AS (
    UPDATE sb.message SET status = p_status, status_at = now(),
      provider_id = COALESCE(provider_id, p_provider_id), error_code = COALESCE(p_error_code, error_code)
    WHERE at = p_at AND id = p_id AND channel = sb.current_channel() AND direction = 'out'
      AND (provider_id IS NULL OR p_provider_id IS NULL OR provider_id = p_provider_id)
      AND sb.status_rank(p_status) > sb.status_rank(status)
      AND at > sb.cutoff('MessageMetadata')
    RETURNING 1)
  SELECT EXISTS (SELECT FROM moved)
$$;

-- claimed gives those of the provider's ids that messages of this channel bear already.
CREATE FUNCTION sb.claimed(p_provider_ids text[]) RETURNS SETOF text
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
AS $$
  SELECT provider_id FROM sb.message
  WHERE channel = sb.current_channel() AND provider_id = ANY (p_provider_ids)
$$;

REVOKE ALL ON FUNCTION sb.is_suppressed(text, bytea), sb.suppressed(uuid), sb.guest(text, text, bytea, integer),
  sb.receive(uuid, bytea, text, text, bytea, integer, text, text, boolean, uuid, text), sb.outbound(uuid, timestamptz),
  sb.attempt(uuid, timestamptz), sb.release(uuid, timestamptz), sb.settle(uuid, timestamptz, text, text, text),
  sb.claimed(text[]) FROM PUBLIC;
GRANT USAGE ON SCHEMA sb TO sb_connector;
GRANT EXECUTE ON FUNCTION sb.current_channel(), sb.ensure_partition(timestamptz),
  sb.receive(uuid, bytea, text, text, bytea, integer, text, text, boolean, uuid, text), sb.outbound(uuid, timestamptz),
  sb.attempt(uuid, timestamptz), sb.release(uuid, timestamptz), sb.settle(uuid, timestamptz, text, text, text),
  sb.claimed(text[]) TO sb_connector;
GRANT USAGE ON SCHEMA sb TO sb_serve;
GRANT EXECUTE ON FUNCTION sb.suppressed(uuid) TO sb_serve;

-- +goose Down
DROP FUNCTION sb.claimed, sb.settle, sb.release, sb.attempt, sb.status_rank, sb.outbound, sb.receive, sb.guest,
  sb.suppressed, sb.is_suppressed, sb.current_channel;
