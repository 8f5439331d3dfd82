-- +goose Up
-- Web chats: a guest's browser speaks to the connector itself, without a provider.
--
-- A guest is known by a session's random token, of which the database holds the SHA-256. Every function below that gives
-- something back wants it: whoever steals the role of a connector and has no token still reads no thread. Only with the key for
-- hashes beside it could they open a session of a user whose id they know, as the connector does that vouches for users.
-- What a thread shows is numbered in the order in which it commits; by such a number a browser goes on after it was away.
-- Notifications say where to look and never what there is: whoever listens learns ids, and must ask as everybody else.

-- token_hash: NULL once the guest, an erasure or an import has ended the session. expires_at, which nothing moves, may come
-- before the limit of WebChatSessions or after it.
ALTER TABLE sb.web_chat_session ADD token_hash bytea UNIQUE CHECK (length(token_hash) = 32), ADD expires_at timestamptz;
-- The place of a message in its thread; NULL on other channels, and for what is not released to the guest yet.
ALTER TABLE sb.message ADD thread_seq bigint;
CREATE INDEX message_thread_seq ON sb.message (conversation_id, thread_seq) WHERE thread_seq IS NOT NULL;
-- The last place given, and up to which staff have seen what the guest wrote.
ALTER TABLE sb.conversation ADD last_seq bigint NOT NULL DEFAULT 0, ADD staff_seen_seq bigint NOT NULL DEFAULT 0;

-- Whoever takes the tenant elsewhere takes no keys to it along.
REVOKE SELECT ON sb.web_chat_session FROM sb_export;
GRANT SELECT (id, channel, contact_id, started_at, last_active_at, expires_at, ip, user_agent) ON sb.web_chat_session TO sb_export;

-- web_chat_topic is where the connectors of a channel listen.
CREATE FUNCTION sb.web_chat_topic(p_channel text) RETURNS text
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
  RETURN 'sb_web_chat_' || p_channel;

-- web_chat_tell has the connectors of a channel look again: 'm' and a contact's id for its thread, 't' and the same for staff
-- who are typing, 'e' for sessions that have ended.
CREATE FUNCTION sb.web_chat_tell(p_channel text, p_what text, p_contact uuid) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT pg_notify(sb.web_chat_topic(p_channel), p_what || COALESCE(p_contact::text, ''))
$$;

-- Sessions that end while they could be used are told, whoever ends them: the guest, an erasure, or a run of retention.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_ended() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM sb.web_chat_tell(OLD.channel, 'e', NULL);
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER web_chat_ended AFTER DELETE OR UPDATE OF token_hash, contact_id ON sb.web_chat_session FOR EACH ROW
  WHEN (OLD.token_hash IS NOT NULL AND OLD.expires_at > now()) EXECUTE FUNCTION sb.web_chat_ended();

-- web_chat_live gives the session of a token on this channel, with the address by which its guest is known. No row: it has
-- ended, or it or its guest has expired.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_live(p_token_hash bytea) RETURNS TABLE (session uuid, contact uuid, address text, thread uuid, last_seq bigint,
  staff_seen_seq bigint, expires_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT s.id, c.id, a.address, v.id, COALESCE(v.last_seq, 0), COALESCE(v.staff_seen_seq, 0), s.expires_at
  FROM sb.web_chat_session s
  JOIN sb.contact c ON c.id = s.contact_id
  JOIN sb.contact_address a ON a.contact_id = c.id AND a.kind = 'webchat' AND starts_with(a.address, s.channel || ':')
  LEFT JOIN sb.conversation v ON v.contact_id = c.id AND v.channel = s.channel
  WHERE s.token_hash = p_token_hash AND s.channel = sb.current_channel() AND s.expires_at > now()
    AND s.last_active_at > sb.cutoff('WebChatSessions') AND c.last_seen_at > sb.cutoff('Contacts')
$$;
-- +goose StatementEnd

-- web_chat_open begins a session and gives when it ends. The guest is found or made by their address, as sb.contact_of does.
-- Fails with SB101 as sb.receive, and when the channel is no web chat or the address is of another.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_open(p_session uuid, p_token_hash bytea, p_lifetime interval, p_address text, p_hashes bytea[], p_key_version integer,
  p_contact uuid, p_ip inet, p_user_agent text) RETURNS timestamptz
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_channel text := sb.current_channel();
  v_contact uuid;
  v_expires timestamptz;
BEGIN
  PERFORM FROM sb.channel WHERE name = v_channel AND type = 'WebChat' AND starts_with(p_address, v_channel || ':');
  IF NOT FOUND THEN
    RAISE EXCEPTION 'role % is not the connector of a web chat with such guests', session_user USING ERRCODE = 'SB101';
  END IF;
  v_contact := sb.contact_of(ARRAY['webchat'], ARRAY[p_address], p_hashes, p_key_version, p_contact);
  INSERT INTO sb.web_chat_session (id, channel, contact_id, ip, user_agent, token_hash, expires_at)
    VALUES (p_session, v_channel, v_contact, p_ip, p_user_agent, p_token_hash, now() + p_lifetime) RETURNING expires_at INTO v_expires;
  RETURN v_expires;
END
$$;
-- +goose StatementEnd

-- web_chat_begin is called when a browser connects: it gives the session, active now.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_begin(p_token_hash bytea) RETURNS TABLE (session uuid, contact uuid, address text, epoch integer, last_seq bigint,
  staff_seen_seq bigint, expires_at timestamptz)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE sb.web_chat_session s SET last_active_at = clock_timestamp() FROM sb.web_chat_live(p_token_hash) l WHERE s.id = l.session;
  RETURN QUERY SELECT l.session, l.contact, l.address, sb.epoch(), l.last_seq, l.staff_seen_seq, l.expires_at FROM sb.web_chat_live(p_token_hash) l;
END
$$;
-- +goose StatementEnd

-- web_chat_alive gives those of the sessions that have not ended, and how far their threads are. It makes none active.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_alive(p_token_hashes bytea[]) RETURNS TABLE (token_hash bytea, last_seq bigint, staff_seen_seq bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT h, l.last_seq, l.staff_seen_seq FROM unnest(p_token_hashes) h CROSS JOIN LATERAL sb.web_chat_live(h) l
$$;
-- +goose StatementEnd

-- web_chat_receive stores what a guest wrote, as sb.receive does, and gives it its place in the thread. p_seen are keyed hashes
-- of the guest's address with the browser's own id of the message, p_client_id: sent again, it is stored once, and the
-- message that it is already is given; NULL once that has expired.
-- The guest is locked before anything else is: an erasure that was faster has ended the session. Fails with SB401 when it has.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_receive(p_token_hash bytea, p_client_id text, p_seen bytea[], p_address text, p_hashes bytea[], p_key_version integer,
  p_body text, p_command text, p_answer text, p_message uuid, p_contact uuid, p_conversation uuid, p_confirmation uuid,
  OUT stored boolean, OUT confirmation_at timestamptz, OUT message uuid, OUT place bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_session record;
  v_thread  uuid;
BEGIN
  SELECT * INTO v_session FROM sb.web_chat_live(p_token_hash);
  PERFORM FROM sb.contact c WHERE c.id = v_session.contact FOR UPDATE;
  UPDATE sb.web_chat_session s SET last_active_at = clock_timestamp() FROM sb.web_chat_live(p_token_hash) l
    WHERE s.id = l.session AND l.address = p_address;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the session has ended' USING ERRCODE = 'SB401';
  END IF;
  SELECT r.stored, r.confirmation_at INTO stored, confirmation_at FROM sb.receive(p_client_id, p_seen, ARRAY['webchat'], ARRAY[p_address], p_hashes,
    p_key_version, p_body, p_command, p_answer, p_message, p_contact, p_conversation, p_confirmation) r;
  IF stored THEN
    message := p_message;
    UPDATE sb.conversation v SET last_seq = v.last_seq + 1 WHERE v.contact_id = v_session.contact AND v.channel = sb.current_channel()
      RETURNING v.id, v.last_seq INTO STRICT v_thread, place;
    UPDATE sb.message m SET thread_seq = place WHERE m.conversation_id = v_thread AND m.id = p_message AND m.at >= now();
    PERFORM sb.web_chat_tell(sb.current_channel(), 'm', v_session.contact);
  ELSE
    SELECT m.id, m.thread_seq INTO message, place FROM sb.message m
      WHERE m.channel = sb.current_channel() AND m.provider_id = p_client_id AND m.conversation_id = v_session.thread AND m.direction = 'in'
        AND m.at > sb.cutoff('MessageMetadata');
  END IF;
END
$$;
-- +goose StatementEnd

-- web_chat_release puts an answer into its thread, where the guest's browser finds it now or when it comes back. It bears an id
-- from then on, in the same transaction: what bears none was never released. False: there is nothing to release.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_release(p_id uuid, p_at timestamptz) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_thread  uuid;
  v_contact uuid;
  v_place   bigint;
BEGIN
  SELECT m.conversation_id INTO v_thread FROM sb.message m
    WHERE m.at = p_at AND m.id = p_id AND m.channel = sb.current_channel() AND m.direction = 'out';
  UPDATE sb.conversation v SET last_seq = v.last_seq + 1 WHERE v.id = v_thread RETURNING v.contact_id, v.last_seq INTO v_contact, v_place;
  UPDATE sb.message m SET thread_seq = v_place, provider_id = 'm.' || m.id, status = 'accepted', status_at = clock_timestamp()
    WHERE m.at = p_at AND m.id = p_id AND m.conversation_id = v_thread AND m.status = 'sending' AND m.provider_id IS NULL AND v_place IS NOT NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM sb.web_chat_tell(sb.current_channel(), 'm', v_contact);
  RETURN true;
END
$$;
-- +goose StatementEnd

-- web_chat_read gives what a session's thread holds after a place, in order, as far as it has not expired. What waits for the
-- guest is not shown when the guest has opted out since, or somebody asked for it: as in sb.begin_attempt, of which this is
-- the same question at the moment when it is really sent.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_read(p_token_hash bytea, p_hashes bytea[], p_after bigint, p_limit integer)
  RETURNS TABLE (place bigint, id uuid, at timestamptz, direction text, origin text, client_id text, body text)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_session record;
BEGIN
  SELECT * INTO v_session FROM sb.web_chat_live(p_token_hash);
  IF NOT FOUND THEN
    RETURN;
  END IF;
  UPDATE sb.message m SET status = 'suppressed', status_at = clock_timestamp()
    WHERE m.conversation_id = v_session.thread AND m.thread_seq IS NOT NULL AND m.direction = 'out' AND m.status = 'accepted' AND EXISTS (
      SELECT FROM sb.suppression s WHERE s.channel IN ('*', m.channel)
        AND (s.address_hash = ANY (p_hashes) OR s.address_hash IN (SELECT sb.thread_hashes(v_session.thread)))
        AND (s.since > m.at OR m.origin <> 'confirmation' AND NOT (m.origin = 'staff' AND s.requested)));
  RETURN QUERY SELECT m.thread_seq, m.id, m.at, m.direction, m.origin, CASE m.direction WHEN 'in' THEN m.provider_id END, b.body
    FROM sb.message m JOIN sb.message_body b ON b.at = m.at AND b.id = m.id
    WHERE m.conversation_id = v_session.thread AND m.thread_seq > p_after AND m.at > sb.cutoff('Messages')
      AND (m.direction = 'in' OR m.status IN ('accepted', 'sent', 'delivered', 'read'))
    ORDER BY m.thread_seq LIMIT p_limit;
END
$$;
-- +goose StatementEnd

-- web_chat_receipt moves what a session's thread holds up to a place on: sent, when it was written to the guest's browser,
-- delivered or read, when the browser says so. Forward only, as sb.record_status.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_receipt(p_token_hash bytea, p_status text, p_upto bigint) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE sb.message m SET status = p_status, status_at = clock_timestamp() FROM sb.web_chat_live(p_token_hash) l
  WHERE m.conversation_id = l.thread AND m.thread_seq <= p_upto AND m.direction = 'out' AND m.status IN ('accepted', 'sent', 'delivered')
    AND p_status IN ('sent', 'delivered', 'read') AND sb.status_rank(p_status) > sb.status_rank(m.status)
$$;
-- +goose StatementEnd

-- web_chat_end ends a session because its guest wants that. The row stays until its limit.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_end(p_token_hash bytea) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE sb.web_chat_session SET token_hash = NULL WHERE token_hash = p_token_hash AND channel = sb.current_channel()
$$;
-- +goose StatementEnd

-- web_chat_seen notes that staff have seen a thread up to a message, and has the guest's browser told. Other channels have no
-- places, so that nothing is noted there.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_seen(p_conversation uuid, p_id uuid, p_at timestamptz) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH seen AS (
    UPDATE sb.conversation v SET staff_seen_seq = m.thread_seq FROM sb.message m
    WHERE v.id = p_conversation AND m.conversation_id = v.id AND m.id = p_id AND m.at = p_at AND m.at > sb.cutoff('MessageMetadata')
      AND m.thread_seq > v.staff_seen_seq
    RETURNING v.channel, v.contact_id
  )
  SELECT sb.web_chat_tell(channel, 'm', contact_id) FROM seen WHERE contact_id IS NOT NULL
$$;
-- +goose StatementEnd

-- web_chat_typing has a guest's browser told that staff are typing, and stores nothing. False: the thread is no web chat, or its
-- guest has opted out.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_typing(p_conversation uuid) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM sb.web_chat_tell(v.channel, 't', v.contact_id) FROM sb.conversation v JOIN sb.channel c ON c.name = v.channel AND c.type = 'WebChat'
    JOIN sb.contact g ON g.id = v.contact_id AND g.last_seen_at > sb.cutoff('Contacts')
    WHERE v.id = p_conversation AND sb.opt_out(v.id) <> 'optedOut';
  RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- Functions are anyone's to call unless that is taken away.
REVOKE ALL ON FUNCTION sb.web_chat_topic(text), sb.web_chat_tell(text, text, uuid), sb.web_chat_ended(), sb.web_chat_live(bytea),
  sb.web_chat_open(uuid, bytea, interval, text, bytea[], integer, uuid, inet, text), sb.web_chat_begin(bytea), sb.web_chat_alive(bytea[]),
  sb.web_chat_receive(bytea, text, bytea[], text, bytea[], integer, text, text, text, uuid, uuid, uuid, uuid), sb.web_chat_release(uuid, timestamptz),
  sb.web_chat_read(bytea, bytea[], bigint, integer), sb.web_chat_receipt(bytea, text, bigint), sb.web_chat_end(bytea),
  sb.web_chat_seen(uuid, uuid, timestamptz), sb.web_chat_typing(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.web_chat_open(uuid, bytea, interval, text, bytea[], integer, uuid, inet, text), sb.web_chat_begin(bytea), sb.web_chat_alive(bytea[]),
  sb.web_chat_receive(bytea, text, bytea[], text, bytea[], integer, text, text, text, uuid, uuid, uuid, uuid), sb.web_chat_release(uuid, timestamptz),
  sb.web_chat_read(bytea, bytea[], bigint, integer), sb.web_chat_receipt(bytea, text, bigint), sb.web_chat_end(bytea) TO sb_connector;
GRANT EXECUTE ON FUNCTION sb.web_chat_seen(uuid, uuid, timestamptz), sb.web_chat_typing(uuid) TO sb_serve;

-- +goose Down
DROP TRIGGER web_chat_ended ON sb.web_chat_session;
DROP FUNCTION sb.web_chat_typing, sb.web_chat_seen, sb.web_chat_end, sb.web_chat_receipt, sb.web_chat_read, sb.web_chat_release, sb.web_chat_receive,
  sb.web_chat_alive, sb.web_chat_begin, sb.web_chat_open, sb.web_chat_live, sb.web_chat_ended, sb.web_chat_tell, sb.web_chat_topic;
ALTER TABLE sb.conversation DROP staff_seen_seq, DROP last_seq;
ALTER TABLE sb.message DROP thread_seq;
ALTER TABLE sb.web_chat_session DROP expires_at, DROP token_hash;
GRANT SELECT ON sb.web_chat_session TO sb_export;
