-- +goose Up
-- What is asked with each read, in functions whose plans are kept; they say what they said. One of language SQL that has rights of its
-- own is planned anew with each call: 50 times for one list of the staff's page, and over all partitions of the messages for a thread.

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.same_person(p_contacts uuid[]) RETURNS uuid[]
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT COALESCE(array_agg(i), '{}') FROM (
    SELECT unnest(p_contacts) UNION SELECT o.id FROM sb.contact c JOIN sb.contact o ON o.person = c.person WHERE c.id = ANY (p_contacts)) s (i));
END
$$;

CREATE OR REPLACE FUNCTION sb.thread_hashes(p_conversation uuid) RETURNS SETOF bytea
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
    SELECT a.address_hash FROM sb.contact_address a
    WHERE a.contact_id = ANY (sb.same_person(ARRAY(SELECT v.contact_id FROM sb.conversation v WHERE v.id = p_conversation AND v.contact_id IS NOT NULL)));
END
$$;

CREATE OR REPLACE FUNCTION sb.thread_stops(p_conversation uuid) RETURNS TABLE (address_hash bytea, since timestamptz, requested boolean, own boolean)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
    SELECT s.address_hash, s.since, s.requested, s.address_hash = ANY (o.hashes)
    FROM sb.conversation v
    CROSS JOIN LATERAL (SELECT ARRAY(SELECT a.address_hash FROM sb.contact_address a
      WHERE a.contact_id = v.contact_id AND a.kind = sb.address_kind(v.channel)) AS hashes) o
    CROSS JOIN sb.thread_hashes(v.id) h
    JOIN sb.suppression s ON s.address_hash = h AND s.channel IN ('*', v.channel)
    WHERE v.id = p_conversation AND (s.address_hash = ANY (o.hashes) OR NOT EXISTS (
      SELECT FROM sb.consent_log l WHERE l.address_hash = ANY (o.hashes) AND l.change = 'start' AND l.at > s.since));
END
$$;

CREATE OR REPLACE FUNCTION sb.web_chat_seen(p_conversation uuid, p_id uuid, p_at timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_channel text;
  v_contact uuid;
BEGIN
  UPDATE sb.conversation v SET staff_seen_seq = m.thread_seq FROM sb.message m
    WHERE v.id = p_conversation AND m.conversation_id = v.id AND m.id = p_id AND m.at = p_at AND m.at > sb.cutoff('MessageMetadata')
      AND m.thread_seq > v.staff_seen_seq
    RETURNING v.channel, v.contact_id INTO v_channel, v_contact;
  IF v_contact IS NOT NULL THEN
    PERFORM sb.web_chat_tell(v_channel, 'm', v_contact);
  END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.web_chat_seen(p_conversation uuid, p_id uuid, p_at timestamptz) RETURNS void
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

CREATE OR REPLACE FUNCTION sb.thread_stops(p_conversation uuid) RETURNS TABLE (address_hash bytea, since timestamptz, requested boolean, own boolean)
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

CREATE OR REPLACE FUNCTION sb.thread_hashes(p_conversation uuid) RETURNS SETOF bytea
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.address_hash FROM sb.contact_address a
  WHERE a.contact_id = ANY (sb.same_person(ARRAY(SELECT v.contact_id FROM sb.conversation v WHERE v.id = p_conversation AND v.contact_id IS NOT NULL)))
$$;

CREATE OR REPLACE FUNCTION sb.same_person(p_contacts uuid[]) RETURNS uuid[]
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT COALESCE(array_agg(i), '{}') FROM (
    SELECT unnest(p_contacts) UNION SELECT o.id FROM sb.contact c JOIN sb.contact o ON o.person = c.person WHERE c.id = ANY (p_contacts)) s (i)
$$;
-- +goose StatementEnd
