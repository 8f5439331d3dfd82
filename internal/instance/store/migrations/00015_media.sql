-- +goose Up
-- Files that come and go with messages. A connector notes what a message bears in the transaction that stores it, and fetches it
-- later: in pieces, each a transaction of its own, so that neither the whole file is in memory nor a transaction open for as
-- long as a provider likes. All of that hangs on the attachment: when it expires or is erased, what was fetched goes with it.

-- media_expect notes the files of a message that the caller's transaction has just stored, and gives the ids of those noted:
-- none when the message was seen before. p_sources are what the provider calls them.
-- +goose StatementBegin
CREATE FUNCTION sb.media_expect(p_message uuid, p_ids uuid[], p_sources text[], p_names text[]) RETURNS SETOF uuid
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, name, state, source)
    SELECT u.id, m.at, m.id, m.conversation_id, m.channel, u.name, 'pending', u.source
    FROM sb.message m, unnest(p_ids, p_sources, p_names) u (id, source, name)
    WHERE m.at >= now() - interval '1 minute' AND m.id = p_message AND m.channel = sb.current_channel() AND m.direction = 'in'
      AND cardinality(p_ids) <= 30
    RETURNING id
$$;
-- +goose StatementEnd

-- media_pending gives what is to be fetched for an attachment of this channel, and how old its message is. No row: there is
-- nothing to fetch, or it has expired.
-- +goose StatementBegin
CREATE FUNCTION sb.media_pending(p_id uuid) RETURNS TABLE (source text, age interval)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.source, clock_timestamp() - a.at FROM sb.attachment a
  WHERE a.id = p_id AND a.channel = sb.current_channel() AND a.state = 'pending' AND a.at > sb.cutoff('Attachments')
$$;
-- +goose StatementEnd

-- media_piece keeps a piece of what is being fetched; the one at 0 begins anew. False: nobody waits for it any more.
-- +goose StatementBegin
CREATE FUNCTION sb.media_piece(p_id uuid, p_offset bigint, p_piece bytea) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_draft oid;
BEGIN
  SELECT a.draft INTO v_draft FROM sb.attachment a
    WHERE a.id = p_id AND a.channel = sb.current_channel() AND a.state = 'pending' AND a.at > sb.cutoff('Attachments') FOR UPDATE;
  IF NOT FOUND OR p_offset < 0 OR p_offset + length(p_piece) > 104857600 OR p_offset > 0 AND v_draft IS NULL THEN
    RETURN false;
  END IF;
  IF p_offset = 0 THEN
    PERFORM lo_unlink(v_draft) WHERE v_draft IS NOT NULL;
    v_draft := lo_create(0);
    UPDATE sb.attachment SET draft = v_draft WHERE id = p_id;
  END IF;
  PERFORM lo_put(v_draft, p_offset, p_piece);
  RETURN true;
END
$$;
-- +goose StatementEnd

-- media_keep ends a fetch. The bytes are the pieces that were kept (p_object NULL), which must be those that size and digest
-- tell of, or an object of the tenant's store. It answers kept; known, when there was such a file already, and nothing names
-- p_object; or gone, when nobody waits for it any more. Fails with SB401 when the pieces are other bytes.
-- +goose StatementBegin
CREATE FUNCTION sb.media_keep(p_id uuid, p_media_type text, p_sha256 bytea, p_size bigint, p_object text, p_key text) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_draft oid;
  v_bytes bytea;
  v_file  uuid;
  v_kept  boolean;
BEGIN
  SELECT a.draft INTO v_draft FROM sb.attachment a
    WHERE a.id = p_id AND a.channel = sb.current_channel() AND a.state = 'pending' AND a.at > sb.cutoff('Attachments') FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'gone';
  END IF;
  IF p_object IS NOT NULL THEN
    SELECT f.id, f.kept INTO v_file, v_kept FROM sb.add_stored_file(p_media_type, p_sha256, p_size, p_object, p_key) f;
  ELSE
    v_bytes := lo_get(v_draft);
    IF v_bytes IS NULL OR length(v_bytes) <> p_size OR sha256(v_bytes) <> p_sha256 THEN
      RAISE EXCEPTION 'attachment % is not what was fetched', p_id USING ERRCODE = 'SB401';
    END IF;
    LOOP
      v_file := sb.find_file(p_sha256);
      v_kept := false;
      EXIT WHEN v_file IS NOT NULL;
      INSERT INTO sb.file (id, sha256, size, media_type, content) VALUES (gen_random_uuid(), p_sha256, p_size, p_media_type, v_draft)
        ON CONFLICT (sha256) DO NOTHING RETURNING id INTO v_file;
      v_kept := true;
      EXIT WHEN v_file IS NOT NULL;
    END LOOP;
  END IF;
  IF v_draft IS NOT NULL AND (p_object IS NOT NULL OR NOT v_kept) THEN
    PERFORM lo_unlink(v_draft);
  END IF;
  UPDATE sb.attachment SET state = 'stored', file_id = v_file, source = NULL, draft = NULL WHERE id = p_id;
  RETURN CASE WHEN v_kept THEN 'kept' ELSE 'known' END;
END
$$;
-- +goose StatementEnd

-- media_refuse ends a fetch without a file. p_reason is a word.
-- +goose StatementBegin
CREATE FUNCTION sb.media_refuse(p_id uuid, p_reason text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_draft oid;
BEGIN
  SELECT a.draft INTO v_draft FROM sb.attachment a WHERE a.id = p_id AND a.channel = sb.current_channel() AND a.state = 'pending' FOR UPDATE;
  IF FOUND THEN
    PERFORM lo_unlink(v_draft) WHERE v_draft IS NOT NULL;
    UPDATE sb.attachment SET state = 'refused', reason = p_reason, source = NULL, draft = NULL WHERE id = p_id;
  END IF;
END
$$;
-- +goose StatementEnd

-- outbound_files gives the files of a message of this channel that is to be sent, or was, and outbound_piece a piece of one
-- that is in the database. outbound_template gives the template that a message is to be sent by, NULL for none.
-- +goose StatementBegin
CREATE FUNCTION sb.outbound_files(p_id uuid, p_at timestamptz) RETURNS TABLE (id uuid, name text, media_type text, size bigint, object text, object_key text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.id, a.name, f.media_type, f.size, f.object, f.object_key
  FROM sb.message m JOIN sb.attachment a ON a.message_id = m.id AND a.at = m.at JOIN sb.file f ON f.id = a.file_id
  WHERE m.at = p_at AND m.id = p_id AND m.channel = sb.current_channel() AND m.direction = 'out' AND m.status NOT IN ('failed', 'suppressed')
    AND a.at > sb.cutoff('Attachments')
  ORDER BY a.id
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.outbound_piece(p_id uuid, p_at timestamptz, p_attachment uuid, p_offset bigint, p_length integer) RETURNS bytea
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT lo_get(f.content, p_offset, p_length) FROM sb.outbound_files(p_id, p_at) o JOIN sb.attachment a ON a.id = o.id JOIN sb.file f ON f.id = a.file_id
  WHERE o.id = p_attachment
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.outbound_template(p_id uuid, p_at timestamptz) RETURNS jsonb
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT b.template FROM sb.message m JOIN sb.message_body b ON b.at = m.at AND b.id = m.id
  WHERE m.at = p_at AND m.id = p_id AND m.channel = sb.current_channel() AND m.direction = 'out' AND m.at > sb.cutoff('Messages')
$$;
-- +goose StatementEnd

-- What staff see. attachments_of tells of the files of messages; attachment_file of one, with what opens it when it is an
-- object, and attachment_piece gives a piece of it when it is not.
-- +goose StatementBegin
CREATE FUNCTION sb.attachments_of(p_messages uuid[]) RETURNS TABLE (message_id uuid, id uuid, name text, state text, reason text, media_type text, size bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.message_id, a.id, a.name, a.state, a.reason, f.media_type, f.size FROM sb.attachment a LEFT JOIN sb.file f ON f.id = a.file_id
  WHERE a.message_id = ANY (p_messages) AND a.at > sb.cutoff('Attachments') ORDER BY a.id
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.attachment_file(p_id uuid) RETURNS TABLE (conversation_id uuid, name text, media_type text, size bigint, object text, object_key text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.conversation_id, a.name, f.media_type, f.size, f.object, f.object_key FROM sb.attachment a JOIN sb.file f ON f.id = a.file_id
  WHERE a.id = p_id AND a.at > sb.cutoff('Attachments')
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.attachment_piece(p_id uuid, p_offset bigint, p_length integer) RETURNS bytea
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT lo_get(f.content, p_offset, p_length) FROM sb.attachment a JOIN sb.file f ON f.id = a.file_id
  WHERE a.id = p_id AND a.at > sb.cutoff('Attachments')
$$;
-- +goose StatementEnd

-- attach_reply hangs a file on a reply that is still to be sent.
-- +goose StatementBegin
CREATE FUNCTION sb.attach_reply(p_message uuid, p_at timestamptz, p_id uuid, p_name text, p_file uuid) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, name, file_id)
    SELECT p_id, m.at, m.id, m.conversation_id, m.channel, p_name, p_file FROM sb.message m
    WHERE m.at = p_at AND m.id = p_message AND m.direction = 'out' AND m.origin = 'staff' AND m.status = 'queued';
  RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- export_object gives what opens a file that is an object, of an attachment that the caller can see.
-- +goose StatementBegin
CREATE FUNCTION sb.export_object(p_file uuid) RETURNS TABLE (object text, object_key text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT f.object, f.object_key FROM sb.file f
  WHERE f.id = p_file AND f.object IS NOT NULL AND EXISTS (
    SELECT FROM sb.attachment a WHERE a.file_id = f.id
      AND (a.at > sb.cutoff('Attachments') OR cardinality(sb.export_holds('Attachments', a.conversation_id, a.channel, a.at)) > 0))
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.media_expect(uuid, uuid[], text[], text[]), sb.media_pending(uuid), sb.media_piece(uuid, bigint, bytea),
  sb.media_keep(uuid, text, bytea, bigint, text, text), sb.media_refuse(uuid, text), sb.outbound_files(uuid, timestamptz),
  sb.outbound_piece(uuid, timestamptz, uuid, bigint, integer), sb.outbound_template(uuid, timestamptz), sb.attachments_of(uuid[]),
  sb.attachment_file(uuid), sb.attachment_piece(uuid, bigint, integer), sb.attach_reply(uuid, timestamptz, uuid, text, uuid),
  sb.export_object(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.media_expect(uuid, uuid[], text[], text[]), sb.media_pending(uuid), sb.media_piece(uuid, bigint, bytea),
  sb.media_keep(uuid, text, bytea, bigint, text, text), sb.media_refuse(uuid, text), sb.outbound_files(uuid, timestamptz),
  sb.outbound_piece(uuid, timestamptz, uuid, bigint, integer), sb.outbound_template(uuid, timestamptz) TO sb_connector;
GRANT EXECUTE ON FUNCTION sb.attachments_of(uuid[]), sb.attachment_file(uuid), sb.attachment_piece(uuid, bigint, integer),
  sb.attach_reply(uuid, timestamptz, uuid, text, uuid), sb.add_file(text, bytea), sb.find_file(bytea),
  sb.add_stored_file(text, bytea, bigint, text, text) TO sb_serve;
GRANT EXECUTE ON FUNCTION sb.export_object(uuid) TO sb_export;

-- +goose Down
REVOKE EXECUTE ON FUNCTION sb.add_file(text, bytea), sb.find_file(bytea), sb.add_stored_file(text, bytea, bigint, text, text) FROM sb_serve;
DROP FUNCTION sb.export_object, sb.attach_reply, sb.attachment_piece, sb.attachment_file, sb.attachments_of, sb.outbound_template,
  sb.outbound_piece, sb.outbound_files, sb.media_refuse, sb.media_keep, sb.media_piece, sb.media_pending, sb.media_expect;
