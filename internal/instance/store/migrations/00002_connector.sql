-- +goose Up
-- What `instance connect` may do. Its role has no right on any table of sb: it calls the functions below, which belong
-- to sb_owner and scope everything to the channel whose connector the session's login is. Whoever steals the role of
-- one channel can write to that channel's guests; they can read no thread, and nothing of another channel.

-- current_channel names the channel of the session's login role, sb_connector_front_desk_v1 being that of front-desk.
-- session_user does not change in SECURITY DEFINER functions, and only a superuser can set it. NULL for other roles.
CREATE FUNCTION sb.current_channel() RETURNS text
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  RETURN replace(substring(session_user::text FROM '^sb_connector_([a-z0-9_]+)_v[1-9][0-9]*$'), '_', '-');

-- opt_out says whether the guest of a conversation, by whatever address they are known, may be written to, on its channel or tenant-wide: none; requested, when
-- somebody asked for it in words of their own and staff have not decided; or optedOut.
-- +goose StatementBegin
CREATE FUNCTION sb.opt_out(p_conversation uuid) RETURNS text
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT CASE bool_and(s.requested) WHEN true THEN 'requested' WHEN false THEN 'optedOut' ELSE 'none' END
    FROM sb.conversation v
    CROSS JOIN sb.thread_hashes(v.id) h
    JOIN sb.suppression s ON s.address_hash = h AND s.channel IN ('*', v.channel)
    WHERE v.id = p_conversation);
END
$$;
-- +goose StatementEnd

-- suppress opts an address out on a channel, or everywhere; false when it was already. What was requested is then decided.
-- +goose StatementBegin
CREATE FUNCTION sb.suppress(p_channel text, p_hash bytea, p_key_version integer) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Not now(), which is when the transaction began: begin_attempt tells by it what was stored before.
  INSERT INTO sb.suppression AS s (channel, address_hash, key_version, since) VALUES (p_channel, p_hash, p_key_version, clock_timestamp())
    ON CONFLICT (channel, address_hash) DO UPDATE SET since = excluded.since, requested = false WHERE s.requested;
  RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- suppress_request notes that an address asked in words of its own; false when that is known, or it has opted out.
-- +goose StatementBegin
CREATE FUNCTION sb.suppress_request(p_hash bytea, p_key_version integer) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Who asks again is not written to by a reply that waits since between.
  UPDATE sb.suppression SET since = clock_timestamp() WHERE channel = '*' AND address_hash = p_hash AND requested;
  IF FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO sb.suppression (channel, address_hash, key_version, since, requested) VALUES ('*', p_hash, p_key_version, clock_timestamp(), true)
    ON CONFLICT DO NOTHING;
  RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- rehash brings a guest's rows from hashes under older keys to the one under the current key, p_hashes[1].
-- +goose StatementBegin
CREATE FUNCTION sb.rehash(p_kind text, p_hashes bytea[], p_key_version integer) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE sb.contact_address SET address_hash = p_hashes[1], key_version = p_key_version
    WHERE kind = p_kind AND address_hash = (
      SELECT o.address_hash FROM sb.contact_address o WHERE o.kind = p_kind AND o.address_hash = ANY (p_hashes[2:]) LIMIT 1)
    AND NOT EXISTS (SELECT FROM sb.contact_address c WHERE c.kind = p_kind AND c.address_hash = p_hashes[1]);
  WITH old AS (DELETE FROM sb.suppression WHERE address_hash = ANY (p_hashes[2:]) RETURNING channel, since, requested)
  INSERT INTO sb.suppression AS s (channel, address_hash, key_version, since, requested)
    SELECT channel, p_hashes[1], p_key_version, min(since), bool_and(requested) FROM old GROUP BY channel
    ON CONFLICT (channel, address_hash) DO UPDATE SET requested = false WHERE s.requested AND NOT excluded.requested;
END
$$;
-- +goose StatementEnd

-- marked gives those of a guest's hashes by which the consent log knows an opt-out or a request. A suppression moves to the current
-- key (sb.rehash), and the log does not: what ends it must be told by the older hashes too, or a restore would bring it back.
-- +goose StatementBegin
CREATE FUNCTION sb.marked(p_hashes bytea[]) RETURNS TABLE (address_hash bytea, key_version integer)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT DISTINCT l.address_hash, l.key_version FROM sb.consent_log l WHERE l.address_hash = ANY (p_hashes) AND l.change IN ('stop', 'request')
$$;
-- +goose StatementEnd

-- address_kind names the kind of the addresses that a channel writes to.
CREATE FUNCTION sb.address_kind(p_channel text) RETURNS text
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  RETURN (SELECT CASE c.type WHEN 'WhatsApp' THEN 'whatsapp' WHEN 'Telegram' THEN 'telegram' WHEN 'Messenger' THEN 'messenger' WHEN 'WebChat' THEN 'webchat' ELSE 'phone' END FROM sb.channel c WHERE c.name = p_channel);

-- bind_addresses has a contact bear addresses, but those that another live contact bears. p_hashes has one for each.
-- +goose StatementBegin
CREATE FUNCTION sb.bind_addresses(p_contact uuid, p_kinds text[], p_addresses text[], p_hashes bytea[], p_key_version integer) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO sb.contact_address AS a (kind, address_hash, key_version, address, contact_id)
    SELECT n.kind, n.hash, p_key_version, n.address, p_contact FROM unnest(p_kinds, p_addresses, p_hashes) AS n (kind, address, hash)
    ON CONFLICT (kind, address_hash) DO UPDATE SET contact_id = excluded.contact_id, address = excluded.address
    WHERE a.contact_id <> excluded.contact_id
      AND (SELECT c.last_seen_at <= sb.cutoff('Contacts') FROM sb.contact c WHERE c.id = a.contact_id)
$$;
-- +goose StatementEnd

-- contact_of gives the live contact who bears one of a guest's addresses, seen now; it bears all of them from then on. One that
-- has expired must not come back to life: a new one is made and takes the addresses over. p_hashes are under every key: those
-- of the first address, the current key's first, then those of the second.
-- +goose StatementBegin
CREATE FUNCTION sb.contact_of(p_kinds text[], p_addresses text[], p_hashes bytea[], p_key_version integer, p_new uuid) RETURNS uuid
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_keys    integer := cardinality(p_hashes) / cardinality(p_kinds);
  v_cutoff  timestamptz := sb.cutoff('Contacts');
  v_hashes  bytea[]; -- under the current key
  v_bearer  record;
  v_contact uuid;
  v_live    boolean;
BEGIN
  FOR i IN 1 .. cardinality(p_kinds) LOOP
    v_hashes[i] := p_hashes[(i - 1) * v_keys + 1];
    IF v_keys > 1 THEN
      PERFORM sb.rehash(p_kinds[i], p_hashes[(i - 1) * v_keys + 1 : i * v_keys], p_key_version);
    END IF;
  END LOOP;
  LOOP
    v_contact := NULL;
    v_live := false;
    FOR i IN 1 .. cardinality(p_kinds) LOOP
      -- The lock waits for a retention run that is deleting the contact; the row is then not found.
      SELECT c.id, c.last_seen_at > v_cutoff AS live INTO v_bearer FROM sb.contact_address a JOIN sb.contact c ON c.id = a.contact_id
        WHERE a.kind = p_kinds[i] AND a.address_hash = v_hashes[i] FOR UPDATE OF c;
      IF FOUND AND (v_bearer.live OR v_contact IS NULL) THEN
        v_contact := v_bearer.id;
        v_live := v_bearer.live;
      END IF;
      EXIT WHEN v_live;
    END LOOP;
    IF v_live THEN
      UPDATE sb.contact SET last_seen_at = clock_timestamp() WHERE id = v_contact;
      IF cardinality(p_kinds) > 1 THEN
        PERFORM sb.bind_addresses(v_contact, p_kinds, p_addresses, v_hashes, p_key_version);
      END IF;
      RETURN v_contact;
    END IF;
    IF v_contact IS NOT NULL THEN
      INSERT INTO sb.contact (id) VALUES (p_new);
      UPDATE sb.contact_address a SET contact_id = p_new, address = n.address FROM unnest(p_kinds, p_addresses, v_hashes) AS n (kind, address, hash)
        WHERE a.kind = n.kind AND a.address_hash = n.hash AND a.contact_id = v_contact;
      IF FOUND THEN
        PERFORM sb.bind_addresses(p_new, p_kinds, p_addresses, v_hashes, p_key_version);
        RETURN p_new;
      END IF;
      -- While this one waited for the lock, another channel had a new contact take the address over.
      DELETE FROM sb.contact WHERE id = p_new;
      CONTINUE;
    END IF;
    INSERT INTO sb.contact (id) VALUES (p_new);
    INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id)
      VALUES (p_kinds[1], v_hashes[1], p_key_version, p_addresses[1], p_new) ON CONFLICT DO NOTHING;
    IF FOUND THEN
      IF cardinality(p_kinds) > 1 THEN
        PERFORM sb.bind_addresses(p_new, p_kinds, p_addresses, v_hashes, p_key_version);
      END IF;
      RETURN p_new;
    END IF;
    -- Another channel met the same guest at the same moment.
    DELETE FROM sb.contact WHERE id = p_new;
  END LOOP;
END
$$;
-- +goose StatementEnd

-- store_message writes a message's metadata and content.
-- +goose StatementBegin
CREATE FUNCTION sb.store_message(p_id uuid, p_at timestamptz, p_conversation uuid, p_channel text, p_direction text,
  p_origin text, p_status text, p_provider_id text, p_body text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status, provider_id)
    VALUES (p_id, p_at, p_conversation, p_channel, p_direction, p_origin, p_status, p_provider_id);
  INSERT INTO sb.message_body (id, at, conversation_id, channel, body) VALUES (p_id, p_at, p_conversation, p_channel, p_body);
END
$$;
-- +goose StatementEnd

-- heed applies what a guest's message asks for, and stores what confirms it. It gives the time of the confirmation
-- p_confirmation; NULL when none was stored. Parameters as of sb.receive, which says when there is one.
-- +goose StatementBegin
CREATE FUNCTION sb.heed(p_conversation uuid, p_channel text, p_hashes bytea[], p_key_version integer, p_command text, p_answer text,
  p_confirmation uuid) RETURNS timestamptz
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_changed boolean := false;
  v_confirm boolean;
  v_at      timestamptz;
BEGIN
  CASE p_command
  WHEN 'stop' THEN
    v_changed := sb.suppress('*', p_hashes[1], p_key_version);
  WHEN 'request' THEN
    v_changed := sb.suppress_request(p_hashes[1], p_key_version);
  WHEN 'start' THEN
    WITH gone AS (
      DELETE FROM sb.suppression s WHERE s.channel IN ('*', p_channel) AND s.address_hash = ANY (p_hashes) RETURNING s.address_hash, s.key_version
    )
    INSERT INTO sb.consent_log (channel, address_hash, key_version, change, source)
      SELECT p_channel, u.address_hash, u.key_version, 'start', 'guest'
      FROM (SELECT address_hash, key_version FROM gone UNION SELECT m.address_hash, m.key_version FROM sb.marked(p_hashes) m WHERE EXISTS (SELECT FROM gone)) u;
    v_changed := FOUND;
  WHEN 'help', '' THEN
    NULL;
  END CASE;
  v_confirm := CASE p_command WHEN 'help' THEN sb.opt_out(p_conversation) <> 'optedOut' ELSE v_changed END;
  IF v_changed AND p_command <> 'start' THEN
    INSERT INTO sb.consent_log (channel, address_hash, key_version, change, source)
      VALUES (p_channel, p_hashes[1], p_key_version, p_command, 'guest');
  END IF;
  IF v_confirm AND p_answer IS NOT NULL THEN
    v_at := clock_timestamp();
    PERFORM sb.store_message(p_confirmation, v_at, p_conversation, p_channel, 'out', 'confirmation', 'queued', NULL, p_answer);
  END IF;
  RETURN v_at;
END
$$;
-- +goose StatementEnd

-- receive stores one inbound message and applies what it asks for, all in the caller's transaction.
--   p_seen     keyed hashes of the provider's id, under the current key first
--   p_kinds, p_addresses, p_hashes   the guest's addresses, as sb.contact_of takes them; by the first an opt-out is kept
--   p_command  stop, start, help, request for a wish to stop in words of the guest's own, or '' for a message like any other
--   p_answer   what confirms the command; NULL when the provider has answered already
-- stored is false for a message seen before, which changes nothing. confirmation_at is set when the message
-- p_confirmation was stored beside it: the caller queues it in the same transaction.
-- A confirmation follows a change only: a second STOP has none, and a request has none. HELP is silent while the guest is
-- opted out.
-- Fails with SB101 when the session is no connector's, or its channel is not there any more.
-- +goose StatementBegin
CREATE FUNCTION sb.receive(p_provider_id text, p_seen bytea[], p_kinds text[], p_addresses text[], p_hashes bytea[], p_key_version integer,
  p_body text, p_command text, p_answer text, p_message uuid, p_contact uuid, p_conversation uuid, p_confirmation uuid,
  OUT stored boolean, OUT confirmation_at timestamptz)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_channel      text := sb.current_channel();
  v_contact      uuid;
  v_conversation uuid;
BEGIN
  PERFORM FROM sb.channel WHERE name = v_channel;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'role % is not the connector of a channel', session_user USING ERRCODE = 'SB101';
  END IF;
  stored := false;
  IF NOT sb.first_seen(v_channel, p_seen) THEN
    RETURN;
  END IF;
  v_contact := sb.contact_of(p_kinds, p_addresses, p_hashes, p_key_version, p_contact);
  INSERT INTO sb.conversation AS v (id, channel, contact_id) VALUES (p_conversation, v_channel, v_contact)
    ON CONFLICT (channel, contact_id) DO UPDATE SET last_message_at = greatest(v.last_message_at, clock_timestamp())
    RETURNING id INTO v_conversation;
  PERFORM sb.store_message(p_message, clock_timestamp(), v_conversation, v_channel, 'in', 'guest', 'received', p_provider_id, p_body);
  stored := true;

  confirmation_at := sb.heed(v_conversation, v_channel, p_hashes, p_key_version, p_command, p_answer, p_confirmation);
END
$$;
-- +goose StatementEnd

-- ensure_this_month makes the partitions of this month and the next, when nothing has migrated the tenant for a year.
-- +goose StatementBegin
CREATE FUNCTION sb.ensure_this_month() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
BEGIN
  PERFORM sb.ensure_partition(now());
  PERFORM sb.ensure_partition(date_trunc('month', now()) + interval '1 month');
END
$$;
-- +goose StatementEnd

-- outbound gives a message of this channel that is to be sent. No row: it is another channel's, or the message, its
-- content or its guest has expired.
-- +goose StatementBegin
CREATE FUNCTION sb.outbound(p_id uuid, p_at timestamptz) RETURNS TABLE (status text, provider_id text,
  attempted_at timestamptz, last_attempt interval, age interval, address text, body text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT m.status, m.provider_id, m.attempted_at, clock_timestamp() - m.status_at, clock_timestamp() - m.at, a.address, b.body
  FROM sb.message m
  JOIN sb.message_body b ON b.at = p_at AND b.id = p_id
  JOIN sb.conversation v ON v.id = m.conversation_id
  JOIN sb.contact c ON c.id = v.contact_id
  JOIN sb.contact_address a ON a.contact_id = c.id AND a.kind = sb.address_kind(m.channel)
  WHERE m.at = p_at AND m.id = p_id AND m.channel = sb.current_channel() AND m.direction = 'out'
    AND m.at > sb.cutoff('Messages') AND c.last_seen_at > sb.cutoff('Contacts')
  ORDER BY a.address_hash LIMIT 1
$$;
-- +goose StatementEnd

-- begin_attempt is called right before every send, and durable before it. It answers send; or suppressed, when the
-- guest has opted out; or settled, when the message has an outcome already. A confirmation is sent all the same, and so is
-- what a member of staff wrote knowing that the guest had asked for an end in words of their own. What is older than the
-- opting out, or than the asking, is not sent: nobody knew then.
-- p_hashes are those of the addresses that the guest is known by to the provider; others that the guest bears count too.
-- attempted_at keeps the first attempt whose outcome is unknown, for that is how far back the provider must be asked.
-- +goose StatementBegin
CREATE FUNCTION sb.begin_attempt(p_id uuid, p_at timestamptz, p_hashes bytea[]) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_message sb.message;
BEGIN
  SELECT * INTO v_message FROM sb.message
    WHERE at = p_at AND id = p_id AND channel = sb.current_channel() AND direction = 'out' FOR UPDATE;
  IF NOT FOUND OR v_message.provider_id IS NOT NULL OR v_message.status NOT IN ('queued', 'sending') THEN
    RETURN 'settled';
  END IF;
  IF EXISTS (
    SELECT FROM sb.suppression s WHERE s.channel IN ('*', v_message.channel)
      AND (s.address_hash = ANY (p_hashes) OR s.address_hash IN (
        SELECT a.address_hash FROM sb.conversation v JOIN sb.contact_address a USING (contact_id) WHERE v.id = v_message.conversation_id))
      AND (s.since > v_message.at OR v_message.origin <> 'confirmation' AND NOT (v_message.origin = 'staff' AND s.requested))
  ) THEN
    UPDATE sb.message SET status = 'suppressed', status_at = clock_timestamp() WHERE at = p_at AND id = p_id;
    RETURN 'suppressed';
  END IF;
  UPDATE sb.message SET status = 'sending', status_at = clock_timestamp(), attempted_at = COALESCE(attempted_at, clock_timestamp())
    WHERE at = p_at AND id = p_id;
  RETURN 'send';
END
$$;
-- +goose StatementEnd

-- record_not_sent takes an attempt back that the provider has refused to take for now: nothing is unknown.
-- +goose StatementBegin
CREATE FUNCTION sb.record_not_sent(p_id uuid, p_at timestamptz) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE sb.message SET status = 'queued', status_at = clock_timestamp(), attempted_at = NULL
  WHERE at = p_at AND id = p_id AND channel = sb.current_channel() AND status = 'sending' AND provider_id IS NULL
$$;
-- +goose StatementEnd

-- record_expired ends a message that can't be sent any more because its text or its guest has expired.
-- +goose StatementBegin
CREATE FUNCTION sb.record_expired(p_id uuid, p_at timestamptz) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE sb.message SET status = CASE WHEN attempted_at IS NULL THEN 'failed' ELSE 'unknown' END, error_code = 'expired',
    status_at = clock_timestamp()
  WHERE at = p_at AND id = p_id AND channel = sb.current_channel() AND direction = 'out' AND status IN ('queued', 'sending')
$$;
-- +goose StatementEnd

-- status_rank orders the statuses of a message on its way; those that end it elsewhere have none.
CREATE FUNCTION sb.status_rank(p_status text) RETURNS integer
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
  RETURN CASE p_status WHEN 'queued' THEN 0 WHEN 'sending' THEN 1 WHEN 'unknown' THEN 2 WHEN 'accepted' THEN 3
                       WHEN 'sent' THEN 4 WHEN 'delivered' THEN 5 WHEN 'read' THEN 6 END;

-- record_status binds a message to its provider's id and moves its status, forward only: a status that is not ahead of
-- the present one changes nothing, failed and suppressed are final, and failed does not replace delivered or read.
-- p_id may be NULL: the message is then found by p_provider_id. False: there is no such message on this channel, it is
-- bound to another id, or that id to another message. p_blocked: the provider refuses this guest, who has opted out there; that is kept.
-- +goose StatementBegin
CREATE FUNCTION sb.record_status(p_id uuid, p_at timestamptz, p_provider_id text, p_status text, p_error_code text,
  p_blocked boolean DEFAULT false) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_message sb.message;
BEGIN
  IF p_id IS NULL THEN
    SELECT * INTO v_message FROM sb.message
      WHERE channel = sb.current_channel() AND provider_id = p_provider_id AND direction = 'out' LIMIT 1 FOR UPDATE;
  ELSE
    SELECT * INTO v_message FROM sb.message
      WHERE at = p_at AND id = p_id AND channel = sb.current_channel() AND direction = 'out' FOR UPDATE;
  END IF;
  IF NOT FOUND OR v_message.provider_id <> p_provider_id THEN
    RETURN false;
  END IF;
  IF v_message.provider_id IS NULL AND p_provider_id IS NOT NULL THEN
    -- One id, one message. A unique index can't say so across partitions.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_provider_id, 0));
    PERFORM FROM sb.message WHERE channel = v_message.channel AND provider_id = p_provider_id;
    IF FOUND THEN
      RETURN false;
    END IF;
    UPDATE sb.message SET provider_id = p_provider_id WHERE at = v_message.at AND id = v_message.id;
  END IF;
  IF v_message.status NOT IN ('failed', 'suppressed')
     AND (CASE p_status WHEN 'failed' THEN v_message.status NOT IN ('delivered', 'read')
                        ELSE sb.status_rank(p_status) > sb.status_rank(v_message.status) END) THEN
    UPDATE sb.message SET status = p_status, status_at = clock_timestamp(), error_code = p_error_code
      WHERE at = v_message.at AND id = v_message.id;
  END IF;
  IF p_blocked THEN
    WITH guest AS MATERIALIZED (
      SELECT a.address_hash, a.key_version FROM sb.conversation v JOIN sb.contact_address a USING (contact_id)
      WHERE v.id = v_message.conversation_id AND a.kind = sb.address_kind(v_message.channel)
        AND NOT EXISTS (SELECT FROM sb.suppression s WHERE s.channel = '*' AND s.address_hash = a.address_hash AND NOT s.requested)
    )
    INSERT INTO sb.consent_log (channel, address_hash, key_version, change, source)
      SELECT v_message.channel, address_hash, key_version, 'stop', 'provider' FROM guest
      WHERE sb.suppress(v_message.channel, address_hash, key_version);
  END IF;
  RETURN true;
END
$$;
-- +goose StatementEnd

-- bound gives those of the provider's ids that belong to a message of this channel already.
-- +goose StatementBegin
CREATE FUNCTION sb.bound(p_provider_ids text[]) RETURNS SETOF text
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT provider_id FROM sb.message WHERE channel = sb.current_channel() AND provider_id = ANY (p_provider_ids)
$$;
-- +goose StatementEnd

-- Functions are anyone's to call unless that is taken away.
REVOKE ALL ON FUNCTION sb.current_channel(), sb.opt_out(uuid), sb.suppress(text, bytea, integer), sb.suppress_request(bytea, integer), sb.rehash(text, bytea[], integer), sb.marked(bytea[]),
  sb.address_kind(text), sb.bind_addresses(uuid, text[], text[], bytea[], integer), sb.contact_of(text[], text[], bytea[], integer, uuid),
  sb.store_message(uuid, timestamptz, uuid, text, text, text, text, text, text),
  sb.heed(uuid, text, bytea[], integer, text, text, uuid),
  sb.receive(text, bytea[], text[], text[], bytea[], integer, text, text, text, uuid, uuid, uuid, uuid),
  sb.ensure_this_month(), sb.outbound(uuid, timestamptz), sb.begin_attempt(uuid, timestamptz, bytea[]),
  sb.record_not_sent(uuid, timestamptz), sb.record_expired(uuid, timestamptz), sb.status_rank(text),
  sb.record_status(uuid, timestamptz, text, text, text, boolean), sb.bound(text[]) FROM PUBLIC;

GRANT USAGE ON SCHEMA sb TO sb_connector;
GRANT EXECUTE ON FUNCTION
  sb.receive(text, bytea[], text[], text[], bytea[], integer, text, text, text, uuid, uuid, uuid, uuid),
  sb.ensure_this_month(), sb.outbound(uuid, timestamptz), sb.begin_attempt(uuid, timestamptz, bytea[]),
  sb.record_not_sent(uuid, timestamptz), sb.record_expired(uuid, timestamptz), sb.record_status(uuid, timestamptz, text, text, text, boolean),
  sb.bound(text[]) TO sb_connector;
GRANT EXECUTE ON FUNCTION sb.opt_out(uuid), sb.address_kind(text) TO sb_serve;

-- +goose Down
DROP FUNCTION sb.bound, sb.record_status, sb.status_rank, sb.record_expired, sb.record_not_sent, sb.begin_attempt, sb.outbound,
  sb.ensure_this_month, sb.receive, sb.heed, sb.store_message, sb.contact_of, sb.bind_addresses, sb.address_kind, sb.marked, sb.rehash, sb.suppress_request, sb.suppress,
  sb.opt_out, sb.current_channel;
REVOKE USAGE ON SCHEMA sb FROM sb_connector;
