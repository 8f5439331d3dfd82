-- +goose Up
-- What the client's other systems are told of. An event is written by the transaction that does what it tells of, and read
-- by `instance webhooks`, whose role, sb_webhooks, has no right on any table. An event holds ids: what is sent is read when
-- it is sent, by the limits that hold then, in the transaction that sends it. So an erasure that is done has ended it.

-- The subscriptions of the Tenant, replaced by `instance migrate`. target is a digest of where they lead: another one is
-- another subscription.
CREATE TABLE sb.webhook (
  name         text PRIMARY KEY,
  events       text[]  NOT NULL,
  include_text boolean NOT NULL,
  target       text    NOT NULL,
  ended_at     timestamptz,              -- the receiver answered 410: it wants no more
  problem      text CHECK (problem ~ '^[a-z0-9-]{1,32}$'), -- of the last attempt; NULL when that was taken
  failing_since timestamptz,
  CHECK ((problem IS NULL) = (failing_since IS NULL))
);

-- detail is what happened in words of ours: a status, a change of consent. dead_at: it was given up, and is kept to be seen.
CREATE TABLE sb.webhook_event (
  id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  webhook    text NOT NULL REFERENCES sb.webhook (name) ON DELETE CASCADE,
  kind       text NOT NULL CHECK (kind IN ('message.received', 'message.status', 'optout.changed')),
  at         timestamptz NOT NULL DEFAULT now(),
  contact_id uuid NOT NULL,              -- no reference: what stores a message must not wait for who erases its guest
  message_id uuid,
  message_at timestamptz,
  detail     jsonb NOT NULL,
  attempts   integer NOT NULL DEFAULT 0,
  next_at    timestamptz NOT NULL DEFAULT now(),
  dead_at    timestamptz
);
CREATE INDEX webhook_event_next ON sb.webhook_event (webhook, next_at, id) WHERE dead_at IS NULL;
CREATE INDEX webhook_event_dead ON sb.webhook_event (dead_at) WHERE dead_at IS NOT NULL;
CREATE INDEX webhook_event_contact ON sb.webhook_event (contact_id);
CREATE INDEX webhook_event_message ON sb.webhook_event (message_id) WHERE message_id IS NOT NULL;
ALTER TABLE sb.webhook_event SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- webhook_teller says whether the session's login is one whose work is news. What an import, an archive or a replay brings has
-- happened before.
CREATE FUNCTION sb.webhook_teller() RETURNS boolean
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  RETURN session_user::text ~ '^sb_(serve|subject|connector_[a-z0-9_]+)_v[1-9][0-9]*$';

-- +goose StatementBegin
CREATE FUNCTION sb.webhook_message() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_kind text := CASE TG_OP WHEN 'INSERT' THEN 'message.received' ELSE 'message.status' END;
BEGIN
  IF sb.webhook_teller() THEN
    INSERT INTO sb.webhook_event (webhook, kind, at, contact_id, message_id, message_at, detail)
      SELECT w.name, v_kind, clock_timestamp(), v.contact_id, NEW.id, NEW.at,
        CASE v_kind WHEN 'message.status' THEN jsonb_strip_nulls(jsonb_build_object('status', NEW.status, 'errorCode', NEW.error_code)) ELSE '{}' END
      FROM sb.webhook w JOIN sb.conversation v ON v.id = NEW.conversation_id
      WHERE w.ended_at IS NULL AND v_kind = ANY (w.events) AND v.contact_id IS NOT NULL;
  END IF;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER webhook_received AFTER INSERT ON sb.message FOR EACH ROW WHEN (NEW.origin = 'guest') EXECUTE FUNCTION sb.webhook_message();
CREATE TRIGGER webhook_status AFTER UPDATE OF status ON sb.message FOR EACH ROW
  WHEN (OLD.status <> NEW.status AND NEW.status NOT IN ('queued', 'sending')) EXECUTE FUNCTION sb.webhook_message();

-- A guest of several addresses changes their consent once. An address that no guest bears tells nothing that another system
-- could know somebody by.
-- +goose StatementBegin
CREATE FUNCTION sb.webhook_consent() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF sb.webhook_teller() THEN
    INSERT INTO sb.webhook_event (webhook, kind, contact_id, detail)
      SELECT w.name, 'optout.changed', a.contact_id, d.detail
      FROM sb.webhook w
      CROSS JOIN (SELECT DISTINCT contact_id FROM sb.contact_address WHERE address_hash = NEW.address_hash) a
      CROSS JOIN (SELECT jsonb_build_object('change', NEW.change, 'channel', NEW.channel, 'source', NEW.source) AS detail) d
      WHERE w.ended_at IS NULL AND 'optout.changed' = ANY (w.events)
        AND NOT EXISTS (SELECT FROM sb.webhook_event x WHERE x.contact_id = a.contact_id AND x.webhook = w.name AND x.at = now() AND x.detail = d.detail);
  END IF;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER webhook_consent AFTER INSERT ON sb.consent_log FOR EACH ROW EXECUTE FUNCTION sb.webhook_consent();

-- What is told of goes with what it tells of. One that is being sent is waited for.
-- +goose StatementBegin
CREATE FUNCTION sb.webhook_forget() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_TABLE_NAME = 'contact' THEN
    DELETE FROM sb.webhook_event WHERE contact_id IN (SELECT id FROM gone);
  ELSE
    DELETE FROM sb.webhook_event WHERE message_id IN (SELECT id FROM gone);
  END IF;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER webhook_forget AFTER DELETE ON sb.contact REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION sb.webhook_forget();
CREATE TRIGGER webhook_forget AFTER DELETE ON sb.message REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION sb.webhook_forget();

-- webhook_sweep removes what is past a limit, also while nothing is sent: events of messages that have expired, and what was
-- given up a week ago. What was not taken for three days is given up.
-- +goose StatementBegin
CREATE FUNCTION sb.webhook_sweep() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM sb.webhook_event WHERE ctid = ANY (ARRAY(
    SELECT e.ctid FROM sb.webhook_event e
    WHERE e.message_at <= sb.cutoff('MessageMetadata') OR e.dead_at < now() - interval '7 days' OR e.at < now() - interval '10 days'
    FOR UPDATE SKIP LOCKED));
  UPDATE sb.webhook_event SET dead_at = now() WHERE ctid = ANY (ARRAY(
    SELECT e.ctid FROM sb.webhook_event e WHERE e.dead_at IS NULL AND e.at < now() - interval '3 days' FOR UPDATE SKIP LOCKED));
END
$$;
CREATE FUNCTION sb.webhook_swept() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM sb.webhook_sweep();
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER webhook_sweep AFTER INSERT OR UPDATE ON sb.retention_run FOR EACH STATEMENT EXECUTE FUNCTION sb.webhook_swept();

-- webhook_payload is what an event says now; NULL when what it tells of is not there any more, has expired, or its guest has.
-- The words of a message go along where the subscription says so, and have not expired.
-- +goose StatementBegin
CREATE FUNCTION sb.webhook_payload(p_event sb.webhook_event) RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
  SELECT jsonb_build_object('type', p_event.kind, 'timestamp', to_jsonb(p_event.at),
    'data', jsonb_strip_nulls(jsonb_build_object('contactId', c.id) || p_event.detail || CASE WHEN p_event.message_id IS NULL THEN '{}' ELSE
      jsonb_build_object('messageId', m.id, 'conversationId', m.conversation_id, 'channel', m.channel, 'at', m.at,
        'text', left(b.body, 4096), 'textCut', CASE WHEN length(b.body) > 4096 THEN true END) END))::text
  FROM sb.webhook w
  JOIN sb.contact c ON c.id = p_event.contact_id AND c.last_seen_at > sb.cutoff('Contacts')
  LEFT JOIN sb.message m ON m.at = p_event.message_at AND m.id = p_event.message_id AND m.at > sb.cutoff('MessageMetadata')
  LEFT JOIN sb.message_body b ON w.include_text AND p_event.kind = 'message.received'
    AND b.at = p_event.message_at AND b.id = p_event.message_id AND b.at > sb.cutoff('Messages')
  WHERE w.name = p_event.webhook AND (p_event.message_id IS NULL OR m.id IS NOT NULL)
$$;
-- +goose StatementEnd

-- webhook_take gives what is to be sent next, and keeps it from others until the caller's transaction ends. No row: nothing is due.
-- +goose StatementBegin
CREATE FUNCTION sb.webhook_take(p_webhook text) RETURNS TABLE (id uuid, attempts integer, payload text)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_event sb.webhook_event;
BEGIN
  LOOP
    SELECT e.* INTO v_event FROM sb.webhook_event e JOIN sb.webhook w ON w.name = e.webhook AND w.ended_at IS NULL
      WHERE e.webhook = p_webhook AND e.dead_at IS NULL AND e.next_at <= clock_timestamp()
      ORDER BY e.next_at, e.id LIMIT 1 FOR UPDATE OF e SKIP LOCKED;
    IF NOT FOUND THEN
      RETURN;
    END IF;
    payload := sb.webhook_payload(v_event);
    IF payload IS NOT NULL THEN
      id := v_event.id;
      attempts := v_event.attempts;
      RETURN NEXT;
      RETURN;
    END IF;
    DELETE FROM sb.webhook_event e WHERE e.id = v_event.id;
  END LOOP;
END
$$;
-- +goose StatementEnd

-- webhook_settle says what came of it: taken; failed, to be tried again after p_wait, or given up after three days; or ended,
-- when the receiver wants no more: what waits is then given up.
-- +goose StatementBegin
CREATE FUNCTION sb.webhook_settle(p_id uuid, p_outcome text, p_problem text, p_wait interval) RETURNS void
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
      dead_at = CASE WHEN at < now() - interval '3 days' THEN now() END WHERE id = p_id;
    UPDATE sb.webhook SET problem = p_problem, failing_since = COALESCE(failing_since, now()) WHERE name = v_webhook;
  WHEN 'ended' THEN
    UPDATE sb.webhook SET ended_at = now(), problem = p_problem, failing_since = COALESCE(failing_since, now()) WHERE name = v_webhook;
    UPDATE sb.webhook_event SET dead_at = now() WHERE webhook = v_webhook AND dead_at IS NULL;
  END CASE;
END
$$;
-- +goose StatementEnd

-- webhook_state tells how the subscriptions fare. It names nobody.
-- +goose StatementBegin
CREATE FUNCTION sb.webhook_state() RETURNS TABLE (name text, waiting bigint, dead bigint, problem text, failing_since timestamptz, ended boolean)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT w.name, count(e.id) FILTER (WHERE e.dead_at IS NULL), count(e.id) FILTER (WHERE e.dead_at IS NOT NULL), w.problem, w.failing_since, w.ended_at IS NOT NULL
  FROM sb.webhook w LEFT JOIN sb.webhook_event e ON e.webhook = w.name GROUP BY w.name ORDER BY w.name
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.webhook_teller(), sb.webhook_message(), sb.webhook_consent(), sb.webhook_forget(), sb.webhook_sweep(), sb.webhook_swept(),
  sb.webhook_payload(sb.webhook_event), sb.webhook_take(text), sb.webhook_settle(uuid, text, text, interval), sb.webhook_state() FROM PUBLIC;
GRANT USAGE ON SCHEMA sb TO sb_webhooks;
GRANT EXECUTE ON FUNCTION sb.behind(integer, bigint, text, xid8, bigint) TO sb_webhooks;
GRANT EXECUTE ON FUNCTION sb.webhook_sweep(), sb.webhook_take(text), sb.webhook_settle(uuid, text, text, interval) TO sb_webhooks;
GRANT EXECUTE ON FUNCTION sb.webhook_state() TO sb_serve;

-- +goose Down
DROP TRIGGER webhook_received ON sb.message;
DROP TRIGGER webhook_status ON sb.message;
DROP TRIGGER webhook_forget ON sb.message;
DROP TRIGGER webhook_forget ON sb.contact;
DROP TRIGGER webhook_consent ON sb.consent_log;
DROP TRIGGER webhook_sweep ON sb.retention_run;
DROP FUNCTION sb.webhook_state, sb.webhook_settle, sb.webhook_take, sb.webhook_payload, sb.webhook_swept, sb.webhook_sweep, sb.webhook_forget, sb.webhook_consent,
  sb.webhook_message, sb.webhook_teller;
DROP TABLE sb.webhook_event, sb.webhook;
REVOKE EXECUTE ON FUNCTION sb.behind(integer, bigint, text, xid8, bigint) FROM sb_webhooks;
REVOKE USAGE ON SCHEMA sb FROM sb_webhooks;
