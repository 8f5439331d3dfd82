-- +goose Up
-- Events that other systems were not told of, for staff to see and to have told once more; and what START of one address lifts
-- for a person of several.

-- retried_at: staff had it sent once more, which begins the three days anew. The ten days since it happened go on.
ALTER TABLE sb.webhook_event ADD retried_at timestamptz;

-- webhook_dead gives a page of what was given up, the newest first: those whose guest, and message, can be read still.
-- +goose StatementBegin
CREATE FUNCTION sb.webhook_dead(p_before timestamptz, p_id uuid, p_limit integer) RETURNS TABLE (id uuid, webhook text, kind text, at timestamptz,
  dead_at timestamptz, attempts integer, contact_id uuid, conversation_id uuid, message_id uuid, detail jsonb, ended boolean)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT e.id, e.webhook, e.kind, e.at, e.dead_at, e.attempts, e.contact_id, m.conversation_id, e.message_id, e.detail, w.ended_at IS NOT NULL
  FROM sb.webhook_event e
  JOIN sb.webhook w ON w.name = e.webhook
  JOIN sb.contact c ON c.id = e.contact_id AND c.last_seen_at > sb.cutoff('Contacts')
  LEFT JOIN sb.message m ON m.at = e.message_at AND m.id = e.message_id AND m.at > sb.cutoff('MessageMetadata')
  WHERE e.dead_at IS NOT NULL AND (e.at, e.id) < (p_before, p_id) AND (e.message_id IS NULL OR m.id IS NOT NULL)
  ORDER BY e.at DESC, e.id DESC LIMIT p_limit
$$;
-- +goose StatementEnd

-- webhook_retry has an event that was given up sent once more: sent, ended when the receiver wants nothing, or NULL when there is
-- no such event, or what it tells of has expired. Asked again, it changes nothing.
-- +goose StatementBegin
CREATE FUNCTION sb.webhook_retry(p_id uuid) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_event sb.webhook_event;
BEGIN
  SELECT e.* INTO v_event FROM sb.webhook_event e WHERE e.id = p_id AND (e.dead_at IS NOT NULL OR e.retried_at IS NOT NULL) FOR UPDATE;
  IF NOT FOUND OR sb.webhook_payload(v_event) IS NULL THEN
    RETURN NULL;
  END IF;
  IF EXISTS (SELECT FROM sb.webhook w WHERE w.name = v_event.webhook AND w.ended_at IS NOT NULL) THEN
    RETURN 'ended';
  END IF;
  UPDATE sb.webhook_event SET dead_at = NULL, retried_at = now(), next_at = clock_timestamp(), attempts = 0 WHERE id = p_id AND dead_at IS NOT NULL;
  RETURN 'sent';
END
$$;
-- +goose StatementEnd

-- webhook_sweep as in 00017, but that the three days count from the last time that staff had it sent.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.webhook_sweep() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM sb.webhook_event WHERE ctid = ANY (ARRAY(
    SELECT e.ctid FROM sb.webhook_event e
    WHERE e.message_at <= sb.cutoff('MessageMetadata') OR e.dead_at < now() - interval '7 days' OR e.at < now() - interval '10 days'
    FOR UPDATE SKIP LOCKED));
  UPDATE sb.webhook_event SET dead_at = now() WHERE ctid = ANY (ARRAY(
    SELECT e.ctid FROM sb.webhook_event e WHERE e.dead_at IS NULL AND COALESCE(e.retried_at, e.at) < now() - interval '3 days' FOR UPDATE SKIP LOCKED));
END
$$;
-- +goose StatementEnd

-- webhook_settle as in 00017, with the same three days.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.webhook_settle(p_id uuid, p_outcome text, p_problem text, p_wait interval) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_webhook text;
BEGIN
  SELECT webhook INTO v_webhook FROM sb.webhook_event WHERE id = p_id;
  CASE p_outcome
  WHEN 'taken' THEN
    DELETE FROM sb.webhook_event WHERE id = p_id;
    UPDATE sb.webhook SET problem = NULL, failing_since = NULL WHERE name = v_webhook AND problem IS NOT NULL;
  WHEN 'failed' THEN
    UPDATE sb.webhook_event SET attempts = attempts + 1, next_at = clock_timestamp() + least(greatest(p_wait, '0'), interval '12 hours'),
      dead_at = CASE WHEN COALESCE(retried_at, at) < now() - interval '3 days' THEN now() END WHERE id = p_id;
    UPDATE sb.webhook SET problem = p_problem, failing_since = COALESCE(failing_since, now()) WHERE name = v_webhook;
  WHEN 'ended' THEN
    UPDATE sb.webhook SET ended_at = now(), problem = p_problem, failing_since = COALESCE(failing_since, now()) WHERE name = v_webhook;
    UPDATE sb.webhook_event SET dead_at = now() WHERE webhook = v_webhook AND dead_at IS NULL;
  END CASE;
END
$$;
-- +goose StatementEnd

-- START of one address of a person of several lifts what that address has said, and lets its own thread be written to whatever
-- the others said before: their stop stays for their own threads. A stop of any of them that comes after it holds for all again.

-- Changes of one transaction follow each other.
ALTER TABLE sb.consent_log ALTER at SET DEFAULT clock_timestamp();

-- thread_stops gives the suppressions that hold for a thread: those of its own address, and those of the person's other addresses that
-- no START of its own has overruled. (The log does not move to a new key, sb.rehash: a guest who writes first after a rotation
-- may have to send START again. It errs on the silent side.)
-- +goose StatementBegin
CREATE FUNCTION sb.thread_stops(p_conversation uuid) RETURNS TABLE (address_hash bytea, since timestamptz, requested boolean, own boolean)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT s.address_hash, s.since, s.requested, s.address_hash = ANY (o.hashes)
  FROM sb.conversation v
  CROSS JOIN LATERAL (SELECT ARRAY(SELECT a.address_hash FROM sb.contact_address a
    WHERE a.contact_id = v.contact_id AND a.kind = sb.address_kind(v.channel)) AS hashes) o
  CROSS JOIN sb.thread_hashes(v.id) h
  JOIN sb.suppression s ON s.address_hash = h AND s.channel IN ('*', v.channel)
  WHERE v.id = p_conversation AND (s.address_hash = ANY (o.hashes) OR NOT EXISTS (
    SELECT FROM sb.consent_log l WHERE l.address_hash = ANY (o.hashes) AND l.change = 'start' AND l.at > s.since))
$$;
-- +goose StatementEnd

-- overruled says whether another address of the same person has said START since an address stopped.
-- +goose StatementBegin
CREATE FUNCTION sb.overruled(p_hash bytea, p_since timestamptz) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (
    SELECT FROM sb.contact_address o JOIN sb.consent_log l ON l.address_hash = o.address_hash AND l.change = 'start' AND l.at > p_since
    WHERE o.address_hash <> p_hash
      AND o.contact_id = ANY (sb.same_person(ARRAY(SELECT a.contact_id FROM sb.contact_address a WHERE a.address_hash = p_hash))))
$$;
-- +goose StatementEnd

-- opt_out as in 00002, by thread_stops.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.opt_out(p_conversation uuid) RETURNS text
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT CASE bool_and(s.requested) WHEN true THEN 'requested' WHEN false THEN 'optedOut' ELSE 'none' END FROM sb.thread_stops(p_conversation) s);
END
$$;
-- +goose StatementEnd

-- suppress as in 00002, and whoever stops again after another address of theirs has said START has stopped anew.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.suppress(p_channel text, p_hash bytea, p_key_version integer) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Not now(), which is when the transaction began: begin_attempt tells by it what was stored before.
  INSERT INTO sb.suppression AS s (channel, address_hash, key_version, since) VALUES (p_channel, p_hash, p_key_version, clock_timestamp())
    ON CONFLICT (channel, address_hash) DO UPDATE SET since = excluded.since, requested = false WHERE s.requested OR sb.overruled(s.address_hash, s.since);
  RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- suppress_request as in 00002, with the same.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.suppress_request(p_hash bytea, p_key_version integer) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_before sb.suppression;
BEGIN
  SELECT * INTO v_before FROM sb.suppression WHERE channel = '*' AND address_hash = p_hash AND requested FOR UPDATE;
  IF FOUND THEN
    -- Who asks again is not written to by a reply that waits since between.
    UPDATE sb.suppression SET since = clock_timestamp() WHERE channel = '*' AND address_hash = p_hash;
    RETURN sb.overruled(p_hash, v_before.since);
  END IF;
  INSERT INTO sb.suppression (channel, address_hash, key_version, since, requested) VALUES ('*', p_hash, p_key_version, clock_timestamp(), true)
    ON CONFLICT DO NOTHING;
  RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- heed as in 00002, and START is a change when it lets its own thread be written to against what another address said.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.heed(p_conversation uuid, p_channel text, p_hashes bytea[], p_key_version integer, p_command text, p_answer text,
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
    ), own AS (
      SELECT a.address_hash, a.key_version FROM sb.conversation v JOIN sb.contact_address a ON a.contact_id = v.contact_id AND a.kind = sb.address_kind(v.channel)
      WHERE v.id = p_conversation AND a.address_hash = ANY (p_hashes) AND EXISTS (SELECT FROM sb.thread_stops(v.id) s WHERE NOT s.own AND s.address_hash <> ALL (p_hashes))
    )
    INSERT INTO sb.consent_log (channel, address_hash, key_version, change, source)
      SELECT p_channel, u.address_hash, u.key_version, 'start', 'guest'
      FROM (SELECT address_hash, key_version FROM gone UNION SELECT address_hash, key_version FROM own
        UNION SELECT m.address_hash, m.key_version FROM sb.marked(p_hashes) m WHERE EXISTS (SELECT FROM gone)) u;
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

-- restore_consent as in 00006, and a stop or request that was said anew counts from then.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.restore_consent(p_at timestamptz, p_channel text, p_hash bytea, p_key_version integer, p_change text, p_source text, p_reason text)
  RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  CASE p_change
  WHEN 'stop' THEN
    INSERT INTO sb.suppression AS s (channel, address_hash, key_version, since)
      VALUES (CASE WHEN p_source IN ('guest', 'request') THEN '*' ELSE p_channel END, p_hash, p_key_version, p_at)
      ON CONFLICT (channel, address_hash) DO UPDATE SET since = greatest(s.since, excluded.since), requested = false;
  WHEN 'request' THEN
    INSERT INTO sb.suppression AS s (channel, address_hash, key_version, since, requested) VALUES ('*', p_hash, p_key_version, p_at, true)
      ON CONFLICT (channel, address_hash) DO UPDATE SET since = greatest(s.since, excluded.since) WHERE s.requested;
  WHEN 'dismiss' THEN
    DELETE FROM sb.suppression WHERE requested AND address_hash = p_hash;
  WHEN 'start' THEN
    DELETE FROM sb.suppression WHERE (p_channel = '*' OR channel IN ('*', p_channel)) AND address_hash = p_hash;
  END CASE;
  INSERT INTO sb.consent_log (at, xid, channel, address_hash, key_version, change, source, reason)
    VALUES (p_at, '0', p_channel, p_hash, p_key_version, p_change, p_source, p_reason);
END
$$;
-- +goose StatementEnd

-- begin_attempt as in 00020, by thread_stops.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.begin_attempt(p_id uuid, p_at timestamptz, p_hashes bytea[]) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_message sb.message;
  v_now     timestamptz;
  v_opens   timestamptz;
BEGIN
  SELECT * INTO v_message FROM sb.message
    WHERE at = p_at AND id = p_id AND channel = sb.current_channel() AND direction = 'out' FOR UPDATE;
  IF NOT FOUND OR v_message.provider_id IS NOT NULL OR v_message.status NOT IN ('queued', 'sending') THEN
    RETURN 'settled';
  END IF;
  IF EXISTS (
    SELECT FROM (SELECT s.since, s.requested FROM sb.suppression s WHERE s.channel IN ('*', v_message.channel) AND s.address_hash = ANY (p_hashes)
      UNION ALL SELECT s.since, s.requested FROM sb.thread_stops(v_message.conversation_id) s) s
      WHERE (s.since > v_message.at OR v_message.origin <> 'confirmation' AND NOT (v_message.origin = 'staff' AND s.requested))
  ) THEN
    UPDATE sb.message SET status = 'suppressed', status_at = clock_timestamp() WHERE at = p_at AND id = p_id;
    RETURN 'suppressed';
  END IF;
  IF v_message.origin = 'automated' THEN
    v_now := clock_timestamp();
    SELECT o.opens INTO v_opens FROM sb.automated_opening(v_message.conversation_id, v_message.time_zone, v_now) o;
    IF v_opens > v_now OR v_message.not_before > v_now THEN
      UPDATE sb.message SET not_before = v_opens WHERE at = p_at AND id = p_id; -- the window may have changed since
    END IF;
    IF v_opens > v_now THEN
      RETURN 'wait';
    END IF;
  END IF;
  UPDATE sb.message SET status = 'sending', status_at = clock_timestamp(), attempted_at = COALESCE(attempted_at, clock_timestamp())
    WHERE at = p_at AND id = p_id;
  RETURN 'send';
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.webhook_dead(timestamptz, uuid, integer), sb.webhook_retry(uuid), sb.thread_stops(uuid), sb.overruled(bytea, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.webhook_dead(timestamptz, uuid, integer), sb.webhook_retry(uuid) TO sb_serve;

-- +goose Down
ALTER TABLE sb.consent_log ALTER at SET DEFAULT now();
DROP FUNCTION sb.overruled, sb.thread_stops, sb.webhook_retry, sb.webhook_dead;
ALTER TABLE sb.webhook_event DROP retried_at;
