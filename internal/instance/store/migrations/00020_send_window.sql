-- +goose Up
-- When guests are written to by what no person has just written: messages of origin automated, which other systems of the
-- client's send. What staff write goes at once.

-- The tenant's window, in the recipient's time zone: no row is no bound. Replaced by `instance migrate`. days are those of ISO
-- 8601, 1 being Monday, on which a window opens; none of them: nothing automated is sent.
CREATE TABLE sb.send_window (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  opens     time      NOT NULL,
  closes    time      NOT NULL,          -- at or before opens: on the day after
  days      integer[] NOT NULL CHECK (days <@ ARRAY[1, 2, 3, 4, 5, 6, 7]),
  time_zone text      NOT NULL           -- of guests of whom nobody knows a better one
);

ALTER TABLE sb.contact ADD time_zone text CHECK (length(time_zone) <= 64);
-- not_before is when the window opens that an automated message waits for, or waited for last; time_zone is what its
-- guest's number tells, NULL where that is not one zone.
ALTER TABLE sb.message ADD not_before timestamptz, ADD time_zone text CHECK (length(time_zone) <= 64);
ALTER TABLE sb.message DROP CONSTRAINT message_origin_check, ADD CONSTRAINT message_origin_check
  CHECK (origin IN ('guest', 'staff', 'confirmation', 'import', 'automated'));
ALTER TABLE sb.integration DROP CONSTRAINT integration_scopes_check, ADD CONSTRAINT integration_scopes_check
  CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['events:write', 'optouts:write', 'contacts:read', 'conversations:read', 'messages:write']);

-- known_zone gives a time zone's name back, and NULL for what is none here: no zone of the IANA database, or of a newer one
-- than this server has. Names with digits are left out: PostgreSQL takes them for rules, not for names.
-- +goose StatementBegin
CREATE FUNCTION sb.known_zone(p_name text) RETURNS text
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM now() AT TIME ZONE p_name;
  RETURN CASE WHEN p_name ~ '^(UTC|[A-Z][A-Za-z_-]+(/[A-Z][A-Za-z_-]+){1,2})$' THEN p_name END;
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN NULL;
END
$$;
-- +goose StatementEnd

-- within says whether the wall clock of a zone shows a time of the window at an instant.
-- +goose StatementBegin
CREATE FUNCTION sb.within(p_window sb.send_window, p_zone text, p_at timestamptz) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN p_window.opens < p_window.closes
    THEN l::time >= p_window.opens AND l::time < p_window.closes AND extract(isodow FROM l) = ANY (p_window.days)
    ELSE l::time >= p_window.opens AND extract(isodow FROM l) = ANY (p_window.days)
      OR l::time < p_window.closes AND extract(isodow FROM l - interval '1 day') = ANY (p_window.days) END
  FROM (SELECT p_at AT TIME ZONE p_zone) c (l)
$$;
-- +goose StatementEnd

-- window_opening gives the instant from p_from on at which the window is open: p_from itself, or when it opens next; infinity
-- when it never does. A window that would open in an hour that clocks skip opens right after it, which PostgreSQL's own
-- conversion puts later; that is looked for where clocks change. One that has closed stays closed though clocks are put back.
-- +goose StatementBegin
CREATE FUNCTION sb.window_opening(p_window sb.send_window, p_zone text, p_from timestamptz) RETURNS timestamptz
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN sb.within(p_window, p_zone, p_from) THEN p_from ELSE COALESCE((
    SELECT min(n.opens) FROM generate_series(0, 15) d,
      LATERAL (SELECT ((p_from AT TIME ZONE p_zone)::date + d + p_window.opens) AT TIME ZONE p_zone) o (opens),
      generate_series(0, CASE WHEN (o.opens - interval '3 hours') AT TIME ZONE p_zone + interval '3 hours' <> o.opens AT TIME ZONE p_zone THEN 120 ELSE 0 END) g,
      LATERAL (SELECT o.opens - make_interval(mins => g)) n (opens)
    WHERE n.opens > p_from AND sb.within(p_window, p_zone, n.opens)), 'infinity') END
$$;
-- +goose StatementEnd

-- automated_opening gives when an automated message may go to the guest of a conversation, from p_from on, and the zone that
-- counts: the guest's own, else the one that the number tells, else the tenant's. Without a window it may go at p_from.
-- +goose StatementBegin
CREATE FUNCTION sb.automated_opening(p_conversation uuid, p_zone text, p_from timestamptz, OUT opens timestamptz, OUT zone text)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_window sb.send_window;
BEGIN
  SELECT * INTO v_window FROM sb.send_window;
  IF NOT FOUND THEN
    opens := p_from;
    RETURN;
  END IF;
  SELECT COALESCE(c.time_zone, p_zone, v_window.time_zone) INTO zone FROM sb.conversation v
    LEFT JOIN sb.contact c ON c.id = v.contact_id AND c.last_seen_at > sb.cutoff('Contacts') WHERE v.id = p_conversation;
  zone := COALESCE(zone, v_window.time_zone);
  opens := sb.window_opening(v_window, zone, p_from);
END
$$;
-- +goose StatementEnd

-- waits tells staff what an automated message waits for: the instant, the zone and the wall clock there; until is NULL when
-- the window never opens.
-- +goose StatementBegin
CREATE FUNCTION sb.waits(p_conversation uuid, p_zone text, p_until timestamptz) RETURNS jsonb
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object('until', CASE WHEN isfinite(p_until) THEN to_char(p_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END,
    'timeZone', o.zone, 'localTime', CASE WHEN isfinite(p_until) THEN to_char(p_until AT TIME ZONE o.zone, 'HH24:MI') END)
  FROM sb.automated_opening(p_conversation, p_zone, now()) o WHERE o.zone IS NOT NULL
$$;
-- +goose StatementEnd

-- outbound as in 00002, but that the age of what waited for a window counts from its opening.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.outbound(p_id uuid, p_at timestamptz) RETURNS TABLE (status text, provider_id text,
  attempted_at timestamptz, last_attempt interval, age interval, address text, body text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT m.status, m.provider_id, m.attempted_at, clock_timestamp() - m.status_at,
    CASE WHEN m.not_before = 'infinity' THEN interval '0' ELSE clock_timestamp() - greatest(m.at, m.not_before) END, a.address, b.body
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

-- begin_attempt as in 00002, and besides wait: an automated message waits for its window, however long it has tried already.
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
    SELECT FROM sb.suppression s WHERE s.channel IN ('*', v_message.channel)
      AND (s.address_hash = ANY (p_hashes) OR s.address_hash IN (SELECT sb.thread_hashes(v_message.conversation_id)))
      AND (s.since > v_message.at OR v_message.origin <> 'confirmation' AND NOT (v_message.origin = 'staff' AND s.requested))
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

-- outbound_wait gives how long a message that begin_attempt had wait waits still; an hour when its window never opens.
-- +goose StatementBegin
CREATE FUNCTION sb.outbound_wait(p_id uuid, p_at timestamptz) RETURNS interval
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN isfinite(m.not_before) THEN m.not_before - clock_timestamp() ELSE interval '1 hour' END FROM sb.message m
  WHERE m.at = p_at AND m.id = p_id AND m.channel = sb.current_channel() AND m.direction = 'out'
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.known_zone(text), sb.within(sb.send_window, text, timestamptz), sb.window_opening(sb.send_window, text, timestamptz),
  sb.automated_opening(uuid, text, timestamptz), sb.waits(uuid, text, timestamptz), sb.outbound_wait(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.outbound_wait(uuid, timestamptz) TO sb_connector;
GRANT EXECUTE ON FUNCTION sb.known_zone(text), sb.automated_opening(uuid, text, timestamptz), sb.waits(uuid, text, timestamptz) TO sb_serve;
GRANT UPDATE (time_zone) ON sb.contact TO sb_serve;

-- +goose Down
REVOKE UPDATE (time_zone) ON sb.contact FROM sb_serve;
DROP FUNCTION sb.outbound_wait, sb.waits, sb.automated_opening, sb.window_opening, sb.within, sb.known_zone;
ALTER TABLE sb.message DROP time_zone, DROP not_before;
ALTER TABLE sb.contact DROP time_zone;
DROP TABLE sb.send_window;
