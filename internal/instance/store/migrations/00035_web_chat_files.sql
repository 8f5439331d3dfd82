-- +goose Up
-- Files in web chats. A guest's browser sends one to the connector, which notes it and keeps it as that of any provider
-- (00015_media.sql). What a thread shows is given to who bears its session's token, as its words are (00014_web_chat.sql).

-- web_chat_shown gives the attachments that a session's thread shows: those of messages that the guest may read, as far as
-- they have not expired.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_shown(p_token_hash bytea) RETURNS SETOF sb.attachment
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.* FROM sb.web_chat_live(p_token_hash) l JOIN sb.attachment a ON a.conversation_id = l.thread JOIN sb.message m ON m.at = a.at AND m.id = a.message_id
  WHERE a.at > sb.cutoff('Attachments') AND m.at > sb.cutoff('Messages') AND m.thread_seq IS NOT NULL
    AND (m.direction = 'in' OR m.status IN ('accepted', 'sent', 'delivered', 'read'))
$$;
-- +goose StatementEnd

-- What follows asks for the cutoff itself too, as every function that gives what expires is held to.
-- web_chat_files tells of the files of messages, web_chat_file of one that is there, with what opens it when it is an object;
-- web_chat_file_piece gives a piece of it when it is not.
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_files(p_token_hash bytea, p_messages uuid[])
  RETURNS TABLE (message_id uuid, id uuid, name text, state text, media_type text, size bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.message_id, a.id, a.name, a.state, f.media_type, f.size FROM sb.web_chat_shown(p_token_hash) a LEFT JOIN sb.file f ON f.id = a.file_id
  WHERE a.message_id = ANY (p_messages) AND a.at > sb.cutoff('Attachments') ORDER BY a.id
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_file(p_token_hash bytea, p_id uuid) RETURNS TABLE (name text, media_type text, size bigint, object text, object_key text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.name, f.media_type, f.size, f.object, f.object_key FROM sb.web_chat_shown(p_token_hash) a JOIN sb.file f ON f.id = a.file_id
  WHERE a.id = p_id AND a.at > sb.cutoff('Attachments')
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.web_chat_file_piece(p_token_hash bytea, p_id uuid, p_offset bigint, p_length integer) RETURNS bytea
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT lo_get(f.content, p_offset, p_length) FROM sb.web_chat_shown(p_token_hash) a JOIN sb.file f ON f.id = a.file_id
  WHERE a.id = p_id AND a.at > sb.cutoff('Attachments')
$$;
-- +goose StatementEnd

-- Staff's pages are told when a file has come, on every channel: until then they show that it is waited for.
CREATE TRIGGER staff_tell AFTER UPDATE OF state ON sb.attachment FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION sb.staff_tell();

REVOKE ALL ON FUNCTION sb.web_chat_shown(bytea), sb.web_chat_files(bytea, uuid[]), sb.web_chat_file(bytea, uuid),
  sb.web_chat_file_piece(bytea, uuid, bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.web_chat_files(bytea, uuid[]), sb.web_chat_file(bytea, uuid), sb.web_chat_file_piece(bytea, uuid, bigint, integer) TO sb_connector;

-- +goose Down
DROP TRIGGER staff_tell ON sb.attachment;
DROP FUNCTION sb.web_chat_file_piece, sb.web_chat_file, sb.web_chat_files, sb.web_chat_shown;
