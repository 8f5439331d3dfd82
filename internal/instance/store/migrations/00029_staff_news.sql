-- +goose Up
-- What staff's pages are told of, without a notification in the transaction of each message: transactions that notify commit one
-- after the other, and each waits for the disk by itself, so that an open page made a tenant as slow as its disk's flushes.

-- Conversations with something new, for some milliseconds: ids alone, in no write-ahead log, and gone after a crash, when pages
-- look again anyway.
CREATE UNLOGGED TABLE sb.staff_news (conversation_id uuid NOT NULL);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.staff_tell() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_NARGS > 0 THEN
    PERFORM pg_notify('sb_staff', TG_ARGV[0]);
  ELSIF NOT pg_try_advisory_xact_lock_shared(18, 1) THEN
    INSERT INTO sb.staff_news VALUES (NEW.conversation_id);
  END IF;
  RETURN NULL;
END
$$;

-- staff_relay tells all servers of what is new, each conversation once. The server that watches calls it again and again.
CREATE FUNCTION sb.staff_relay() RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH news AS (DELETE FROM sb.staff_news RETURNING conversation_id)
  SELECT count(pg_notify('sb_staff', n.conversation_id::text)) FROM (SELECT DISTINCT conversation_id FROM news) n
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.staff_relay() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.staff_relay() TO sb_serve;

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
DROP FUNCTION sb.staff_relay;
DROP TABLE sb.staff_news;
