-- +goose Up
-- What staff's pages are told of, without a notification in the transaction of each message: transactions that notify commit one
-- after the other, and each waits for the disk by itself, so that an open page made a tenant as slow as its disk's flushes.

-- Conversations with something new, until a server with an open page relays them: ids alone, in no write-ahead log, and gone after
-- a crash, when pages look again anyway.
CREATE UNLOGGED TABLE sb.staff_news (conversation_id uuid NOT NULL);

-- Who gets the second lock shared has no server to leave news for. The first is that of servers of the release before, which
-- relay nothing.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.staff_tell() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_NARGS > 0 THEN
    PERFORM pg_notify('sb_staff', TG_ARGV[0]);
  ELSIF NOT pg_try_advisory_xact_lock_shared(18, 2) THEN
    INSERT INTO sb.staff_news VALUES (NEW.conversation_id);
  ELSIF NOT pg_try_advisory_xact_lock_shared(18, 1) THEN
    PERFORM pg_notify('sb_staff', NEW.conversation_id::text);
  END IF;
  RETURN NULL;
END
$$;

-- staff_attend has news noted down from now on, until the session ends or leaves; false when another session has seen to that.
CREATE FUNCTION sb.staff_attend() RETURNS boolean
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $$
BEGIN
  IF pg_try_advisory_lock(18, 2) THEN
    RETURN true;
  ELSIF EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
      WHERE d.datname = current_database() AND l.locktype = 'advisory' AND (l.classid, l.objid, l.objsubid) = (18, 2, 2) AND l.mode = 'ExclusiveLock' AND l.granted) THEN
    RETURN false;
  END IF;
  PERFORM pg_advisory_lock(18, 2); -- those who have it shared end soon, and no others get it while this waits
  RETURN true;
END
$$;

-- staff_leave takes staff_attend back.
CREATE FUNCTION sb.staff_leave() RETURNS boolean
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  RETURN pg_advisory_unlock(18, 2);

-- staff_relay tells all servers of what is new, each conversation once, and says of how many. Each server with an open page calls it
-- again and again, whether it attends or not: one that attends may be gone without its session's having ended.
CREATE FUNCTION sb.staff_relay() RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH picked AS (
    SELECT n.ctid FROM sb.staff_news n FOR UPDATE SKIP LOCKED
  ), news AS (
    DELETE FROM sb.staff_news n WHERE n.ctid = ANY (ARRAY(SELECT p.ctid FROM picked p)) RETURNING n.conversation_id
  )
  SELECT count(pg_notify('sb_staff', n.conversation_id::text)) FROM (SELECT DISTINCT conversation_id FROM news) n
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.staff_attend(), sb.staff_leave(), sb.staff_relay() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.staff_attend(), sb.staff_leave(), sb.staff_relay() TO sb_serve;

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.staff_tell() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_NARGS > 0 THEN
    PERFORM pg_notify('sb_staff', TG_ARGV[0]);
  ELSIF NOT pg_try_advisory_xact_lock_shared(18, 1) THEN
    PERFORM pg_notify('sb_staff', NEW.conversation_id::text);
  END IF;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
DROP FUNCTION sb.staff_relay, sb.staff_leave, sb.staff_attend;
DROP TABLE sb.staff_news;
