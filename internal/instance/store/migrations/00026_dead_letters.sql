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

REVOKE ALL ON FUNCTION sb.webhook_dead(timestamptz, uuid, integer), sb.webhook_retry(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.webhook_dead(timestamptz, uuid, integer), sb.webhook_retry(uuid) TO sb_serve;

-- +goose Down
DROP FUNCTION sb.webhook_retry, sb.webhook_dead;
ALTER TABLE sb.webhook_event DROP retried_at;
