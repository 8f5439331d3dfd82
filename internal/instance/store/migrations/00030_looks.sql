-- +goose Up
-- access_to gives the newest lines of the access log about a person that have not expired: the contacts that are the same, their
-- conversations and messages. Who asks is logged by the server, as with every read; `instance access` asks sb.access_of.
-- +goose StatementBegin
CREATE FUNCTION sb.access_to(p_contact uuid, p_limit integer)
  RETURNS TABLE (at timestamptz, name text, email text, method text, route text, status integer)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_person uuid[] := sb.same_person(ARRAY[p_contact]);
  v_threads uuid[] := ARRAY(SELECT v.id FROM sb.conversation v WHERE v.contact_id = ANY (v_person));
BEGIN
  RETURN QUERY
    SELECT l.at, s.name, s.email, l.method, l.route, l.status
    FROM sb.access_log l LEFT JOIN sb.staff s ON s.id = l.staff_id
    WHERE l.at > sb.cutoff('AccessLogs') AND (l.object_id = ANY (v_person || v_threads)
      OR l.object_id IN (SELECT m.id FROM sb.message m WHERE m.conversation_id = ANY (v_threads)))
    ORDER BY l.at DESC, l.id DESC LIMIT p_limit;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.access_to(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.access_to(uuid, integer) TO sb_serve;

-- +goose Down
DROP FUNCTION sb.access_to;
