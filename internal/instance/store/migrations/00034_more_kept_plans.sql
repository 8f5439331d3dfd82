-- +goose Up
-- More of what is asked with each message and each read, in functions whose plans are kept; they say what they said. Each call of one
-- of language SQL is parsed and planned anew: the limits of a category are looked up for each table that staff read, and three
-- of these functions were called with each message of a guest.

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.cutoff(p_category text) RETURNS timestamptz
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT COALESCE(now() - make_interval(secs => min(retain_days)::double precision * 86400), '-infinity')
    FROM sb.retention_limit
    WHERE enforced AND (category = p_category OR (p_category IN ('Messages', 'Attachments') AND category = 'MessageMetadata')));
END
$$;

CREATE OR REPLACE FUNCTION sb.current_channel() RETURNS text
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN replace(substring(session_user::text FROM '^sb_connector_([a-z0-9_]+)_v[1-9][0-9]*$'), '_', '-');
END
$$;

CREATE OR REPLACE FUNCTION sb.webhook_teller() RETURNS boolean
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN session_user::text ~ '^sb_(serve|subject|connector_[a-z0-9_]+)_v[1-9][0-9]*$';
END
$$;

CREATE OR REPLACE FUNCTION sb.address_kind(p_channel text) RETURNS text
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT CASE c.type WHEN 'WhatsApp' THEN 'whatsapp' WHEN 'Telegram' THEN 'telegram' WHEN 'Messenger' THEN 'messenger' WHEN 'WebChat' THEN 'webchat' ELSE 'phone' END FROM sb.channel c WHERE c.name = p_channel);
END
$$;

CREATE OR REPLACE FUNCTION sb.staff_relay() RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_told bigint;
BEGIN
  WITH picked AS (
    SELECT n.ctid FROM sb.staff_news n FOR UPDATE SKIP LOCKED
  ), news AS (
    DELETE FROM sb.staff_news n WHERE n.ctid = ANY (ARRAY(SELECT p.ctid FROM picked p)) RETURNING n.conversation_id
  )
  SELECT count(pg_notify('sb_staff', n.conversation_id::text)) INTO v_told FROM (SELECT DISTINCT conversation_id FROM news) n;
  RETURN v_told;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.staff_relay() RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH picked AS (
    SELECT n.ctid FROM sb.staff_news n FOR UPDATE SKIP LOCKED
  ), news AS (
    DELETE FROM sb.staff_news n WHERE n.ctid = ANY (ARRAY(SELECT p.ctid FROM picked p)) RETURNING n.conversation_id
  )
  SELECT count(pg_notify('sb_staff', n.conversation_id::text)) FROM (SELECT DISTINCT conversation_id FROM news) n
$$;

CREATE OR REPLACE FUNCTION sb.address_kind(p_channel text) RETURNS text
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  RETURN (SELECT CASE c.type WHEN 'WhatsApp' THEN 'whatsapp' WHEN 'Telegram' THEN 'telegram' WHEN 'Messenger' THEN 'messenger' WHEN 'WebChat' THEN 'webchat' ELSE 'phone' END FROM sb.channel c WHERE c.name = p_channel);

CREATE OR REPLACE FUNCTION sb.webhook_teller() RETURNS boolean
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  RETURN session_user::text ~ '^sb_(serve|subject|connector_[a-z0-9_]+)_v[1-9][0-9]*$';

CREATE OR REPLACE FUNCTION sb.current_channel() RETURNS text
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  RETURN replace(substring(session_user::text FROM '^sb_connector_([a-z0-9_]+)_v[1-9][0-9]*$'), '_', '-');

CREATE OR REPLACE FUNCTION sb.cutoff(p_category text) RETURNS timestamptz
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT COALESCE(now() - make_interval(secs => min(retain_days)::double precision * 86400), '-infinity')
  FROM sb.retention_limit
  WHERE enforced AND (category = p_category OR (p_category IN ('Messages', 'Attachments') AND category = 'MessageMetadata'))
$$;
-- +goose StatementEnd
