-- +goose Up
-- Who among the staff looked at what: asked by `instance access`, which runs beside `instance serve` with its login. The server
-- itself writes the log and has no right to read it but by this question, which is logged too.

-- access_of gives the entries of the log that have not expired, newest first. With hashes of a person's addresses, or with
-- the id of a contact or conversation, those that concern them: the contact, its conversations, and their messages.
-- +goose StatementBegin
CREATE FUNCTION sb.access_of(p_kinds text[], p_hashes bytea[], p_object uuid, p_staff uuid, p_since timestamptz, p_until timestamptz, p_limit integer)
  RETURNS TABLE (at timestamptz, staff_id uuid, email text, method text, route text, object_id uuid, status integer)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_objects uuid[] := sb.subject_contacts(p_kinds, p_hashes) || p_object;
  v_threads uuid[];
BEGIN
  SELECT COALESCE(array_agg(v.id), '{}') INTO v_threads FROM sb.conversation v WHERE v.id = ANY (v_objects) OR v.contact_id = ANY (v_objects);
  INSERT INTO sb.access_log (method, route, object_id, status) VALUES ('AUDIT', 'instance access', p_object, 200);
  RETURN QUERY
    SELECT l.at, l.staff_id, s.email, l.method, l.route, l.object_id, l.status
    FROM sb.access_log l LEFT JOIN sb.staff s ON s.id = l.staff_id
    WHERE l.at > sb.cutoff('AccessLogs') AND l.at >= p_since AND l.at < p_until AND l.at < now()
      AND (p_staff IS NULL OR l.staff_id = p_staff)
      AND (p_object IS NULL AND cardinality(p_hashes) = 0 OR l.object_id = ANY (v_objects || v_threads)
           OR l.object_id IN (SELECT m.id FROM sb.message m WHERE m.conversation_id = ANY (v_threads)))
    ORDER BY l.at DESC, l.id DESC LIMIT p_limit;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.access_of(text[], bytea[], uuid, uuid, timestamptz, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.access_of(text[], bytea[], uuid, uuid, timestamptz, timestamptz, integer) TO sb_serve;

-- +goose Down
DROP FUNCTION sb.access_of;
