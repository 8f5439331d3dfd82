-- +goose Up
-- What a tenant is billed by: how many messages went each way by each channel in a month, and how much it stores. Counts
-- outlive the messages that they count, so they are of months: those of a day stay only while they may still rise.

-- The last days, which are counted again in case that messages came late; a count never falls, whatever was deleted since.
CREATE TABLE sb.usage_day (
  day       date   NOT NULL,
  channel   text   NOT NULL,
  direction text   NOT NULL CHECK (direction IN ('in', 'out')),
  messages  bigint NOT NULL CHECK (messages > 0),
  PRIMARY KEY (day, channel, direction)
);

-- The days before them; month is its first day.
CREATE TABLE sb.usage_month (
  month     date   NOT NULL CHECK (extract(day FROM month) = 1),
  channel   text   NOT NULL,
  direction text   NOT NULL CHECK (direction IN ('in', 'out')),
  messages  bigint NOT NULL CHECK (messages > 0),
  PRIMARY KEY (month, channel, direction)
);

-- The most that was stored when a day of the month was counted.
CREATE TABLE sb.usage_storage (
  month date   PRIMARY KEY CHECK (extract(day FROM month) = 1),
  bytes bigint NOT NULL CHECK (bytes >= 0)
);

-- One row: days from since on are counted, and again while they may rise; those before until were. What was there before the tenant
-- was, or came by an import, is not billed.
CREATE TABLE sb.usage_counted (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  since     date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
  until     date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date
);
INSERT INTO sb.usage_counted DEFAULT VALUES;

-- count_usage counts the days, by UTC, that have ended since it last did, and gives the day before which all are counted. A
-- message counts that a guest sent or that a provider took; not one that was imported. What was deleted before its day was
-- counted is in no count.
-- +goose StatementBegin
CREATE FUNCTION sb.count_usage() RETURNS date
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_today date := (now() AT TIME ZONE 'UTC')::date;
  v_since date;
  v_until date;
BEGIN
  SELECT c.until INTO v_until FROM sb.usage_counted c;
  IF v_until >= v_today THEN
    RETURN v_until;
  END IF;
  SELECT c.since, c.until INTO v_since, v_until FROM sb.usage_counted c FOR UPDATE; -- of several at once, the first counts
  IF v_until >= v_today THEN
    RETURN v_until;
  END IF;
  INSERT INTO sb.usage_day AS d (day, channel, direction, messages)
    SELECT (m.at AT TIME ZONE 'UTC')::date, m.channel, m.direction, count(*)
    FROM sb.message m
    WHERE m.at >= v_since::timestamp AT TIME ZONE 'UTC' AND m.at < v_today::timestamp AT TIME ZONE 'UTC'
      AND m.origin <> 'import' AND (m.direction = 'in' OR m.direction = 'out' AND m.status IN ('accepted', 'sent', 'delivered', 'read'))
    GROUP BY 1, 2, 3
    ON CONFLICT (day, channel, direction) DO UPDATE SET messages = GREATEST(d.messages, excluded.messages);
  WITH ended AS (
    DELETE FROM sb.usage_day d WHERE d.day < v_today - 3 RETURNING d.*
  )
  INSERT INTO sb.usage_month AS u (month, channel, direction, messages)
    SELECT date_trunc('month', e.day)::date, e.channel, e.direction, sum(e.messages) FROM ended e GROUP BY 1, 2, 3
    ON CONFLICT (month, channel, direction) DO UPDATE SET messages = u.messages + excluded.messages;
  INSERT INTO sb.usage_storage AS s (month, bytes)
    SELECT date_trunc('month', v_today - 1)::date,
      (SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relkind IN ('r', 'm') AND NOT c.relisshared) + COALESCE((SELECT sum(f.size) FROM sb.file f WHERE f.object IS NOT NULL), 0)
    ON CONFLICT (month) DO UPDATE SET bytes = GREATEST(s.bytes, excluded.bytes);
  DELETE FROM sb.usage_month WHERE month < v_today - interval '25 months';
  DELETE FROM sb.usage_storage WHERE month < v_today - interval '25 months';
  UPDATE sb.usage_counted SET since = GREATEST(since, v_today - 3), until = v_today;
  RETURN v_today;
END
$$;
-- +goose StatementEnd

-- usage_of gives what is counted of the months from this one on, the newest first: of each a row for every channel, or one
-- without a channel.
-- +goose StatementBegin
CREATE FUNCTION sb.usage_of(p_from date) RETURNS TABLE (month text, stored bigint, channel text, received bigint, sent bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT to_char(month, 'YYYY-MM'), COALESCE(s.bytes, 0), u.channel,
    COALESCE(sum(u.messages) FILTER (WHERE u.direction = 'in'), 0)::bigint, COALESCE(sum(u.messages) FILTER (WHERE u.direction = 'out'), 0)::bigint
  FROM (
    SELECT m.month, m.channel, m.direction, m.messages FROM sb.usage_month m
    UNION ALL
    SELECT date_trunc('month', d.day)::date, d.channel, d.direction, d.messages FROM sb.usage_day d
  ) u FULL JOIN sb.usage_storage s USING (month)
  WHERE month >= p_from GROUP BY month, s.bytes, u.channel ORDER BY month DESC, u.channel
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.count_usage(), sb.usage_of(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.count_usage(), sb.usage_of(date) TO sb_serve;

-- +goose Down
DROP FUNCTION sb.usage_of, sb.count_usage;
DROP TABLE sb.usage_counted, sb.usage_storage, sb.usage_month, sb.usage_day;
