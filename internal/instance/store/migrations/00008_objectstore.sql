-- +goose Up
-- Files whose bytes are objects of the tenant's store. No transaction spans database and store, so the order is the promise:
-- bytes are stored before their row commits, and removed after their row is gone. What is left over between the two is known
-- here (sb.file_removal), or is found by comparing what the store lists with what is named here.

-- find_file gives the id of a file whose digest the caller has, and keeps it from going until the transaction ends.
-- +goose StatementBegin
CREATE FUNCTION sb.find_file(p_sha256 bytea) RETURNS uuid
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT id FROM sb.file WHERE sha256 = p_sha256 FOR KEY SHARE
$$;
-- +goose StatementEnd

-- add_stored_file keeps a file whose bytes were stored, once, and gives its id. kept is false when somebody else was first:
-- then nothing names p_object.
-- +goose StatementBegin
CREATE FUNCTION sb.add_stored_file(p_media_type text, p_sha256 bytea, p_size bigint, p_object text, p_key text, OUT id uuid, OUT kept boolean)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  LOOP
    id := sb.find_file(p_sha256);
    kept := false;
    EXIT WHEN id IS NOT NULL;
    INSERT INTO sb.file AS f (id, sha256, size, media_type, object, object_key)
      VALUES (gen_random_uuid(), p_sha256, p_size, p_media_type, p_object, p_key)
      ON CONFLICT (sha256) DO NOTHING RETURNING f.id INTO id;
    kept := true;
    EXIT WHEN id IS NOT NULL;
  END LOOP;
END
$$;
-- +goose StatementEnd

-- removals_next gives objects to remove, in their order; removals_done strikes off those that are gone, and gives their number.
-- +goose StatementBegin
CREATE FUNCTION sb.removals_next(p_after text, p_limit integer) RETURNS SETOF text
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT object FROM sb.file_removal WHERE object > p_after ORDER BY object LIMIT p_limit
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.removals_done(p_objects text[]) RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH gone AS (DELETE FROM sb.file_removal WHERE object = ANY (p_objects) RETURNING 1) SELECT count(*) FROM gone
$$;
-- +goose StatementEnd

-- removals_pending counts objects that are still to be removed, and says since when the oldest is; of one request, or of all.
-- +goose StatementBegin
CREATE FUNCTION sb.removals_pending(p_request text, OUT files bigint, OUT since timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT count(*), min(r.since) FROM sb.file_removal r WHERE p_request IS NULL OR r.request = p_request
$$;
-- +goose StatementEnd

-- objects_compare takes what the store lists between two keys, p_after not included (p_upto NULL: to the end), and gives the
-- objects that nothing here names, and the number of files of an hour and older whose object is not there. A database that
-- was put back does not know yet what it lacks: until that is replayed, it calls nothing unknown.
-- +goose StatementBegin
CREATE FUNCTION sb.objects_compare(p_after text, p_upto text, p_listed text[], OUT unknown text[], OUT missing bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT
    (SELECT COALESCE(array_agg(l), '{}') FROM unnest(p_listed) l
      WHERE NOT EXISTS (SELECT FROM sb.file f WHERE f.object = l) AND NOT EXISTS (SELECT FROM sb.file_removal r WHERE r.object = l)
        AND NOT EXISTS (SELECT FROM sb.restore WHERE finished_at IS NULL)),
    (SELECT count(*) FROM sb.file f
      WHERE f.object > p_after AND (p_upto IS NULL OR f.object <= p_upto) AND f.object <> ALL (p_listed) AND f.created_at <= now() - interval '1 hour')
$$;
-- +goose StatementEnd

-- removals_add writes down objects that nothing names, to be removed.
-- +goose StatementBegin
CREATE FUNCTION sb.removals_add(p_objects text[]) RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH added AS (INSERT INTO sb.file_removal (object) SELECT o FROM unnest(p_objects) o
    WHERE NOT EXISTS (SELECT FROM sb.file f WHERE f.object = o) ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM added
$$;
-- +goose StatementEnd

-- retention_files reads back how many objects are still to be removed, and keeps it for the seal.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_files(p_policy text) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_pending bigint := (SELECT count(*) FROM sb.file_removal);
BEGIN
  UPDATE sb.retention_progress SET overdue = NULLIF(v_pending, 0) WHERE policy = p_policy AND kind = 'Files';
  RETURN v_pending;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.find_file(bytea), sb.add_stored_file(text, bytea, bigint, text, text), sb.removals_next(text, integer),
  sb.removals_done(text[]), sb.removals_pending(text), sb.objects_compare(text, text, text[]), sb.removals_add(text[]),
  sb.retention_files(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.removals_next(text, integer), sb.removals_done(text[]), sb.removals_pending(text) TO sb_retain, sb_subject;
GRANT EXECUTE ON FUNCTION sb.objects_compare(text, text, text[]), sb.removals_add(text[]), sb.retention_files(text) TO sb_retain;

-- +goose Down
DROP FUNCTION sb.retention_files, sb.removals_add, sb.objects_compare, sb.removals_pending, sb.removals_done, sb.removals_next,
  sb.add_stored_file, sb.find_file;
