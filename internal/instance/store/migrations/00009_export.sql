-- +goose Up
-- How a tenant is taken out as a file, and brought in elsewhere.
--
-- sb_export reads: what has not expired, by the policies that bind everyone, and beside it what has expired and is held. It
-- writes that it was asked, into the access log, and nothing else. Passwords, sessions, queues, archives and half-done runs it can't read.
--
-- sb_adopt reads no row and has no right on any table. It calls the functions below, which write into a database that
-- holds nothing yet, in the transaction that began with adopt_begin, and never again after that: whoever steals the role of
-- a tenant that lives can do nothing by it.

-- export_holds names the holds on a row, by what they go by: thread, channel and age mark of what belongs to a thread, the
-- guest and age mark of the rest (a contact's is NULL), the object that was looked at.
-- +goose StatementBegin
CREATE FUNCTION sb.export_holds(p_category text, p_id uuid, p_channel text, p_at timestamptz) RETURNS text[]
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN CASE
    WHEN p_category IN ('Messages', 'MessageMetadata', 'Attachments') THEN ARRAY(SELECT h FROM sb.holds_of(p_id, p_channel, p_at) h ORDER BY 1)
    WHEN p_category = 'AccessLogs' THEN ARRAY(SELECT h FROM sb.holds_of_access(p_id, p_at) h ORDER BY 1)
    ELSE ARRAY(SELECT h FROM sb.holds_of_contact(p_id, p_at) h ORDER BY 1)
  END;
END
$$;
-- +goose StatementEnd

-- What has expired is asked for its holds, and nothing else: most rows cost a comparison.
CREATE POLICY held ON sb.message TO sb_export USING (
  at <= (SELECT sb.cutoff('MessageMetadata')) AND cardinality(sb.export_holds('MessageMetadata', conversation_id, channel, at)) > 0);
CREATE POLICY held ON sb.message_body TO sb_export USING (
  at <= (SELECT sb.cutoff('Messages')) AND cardinality(sb.export_holds('Messages', conversation_id, channel, at)) > 0);
CREATE POLICY held ON sb.attachment TO sb_export USING (
  at <= (SELECT sb.cutoff('Attachments')) AND cardinality(sb.export_holds('Attachments', conversation_id, channel, at)) > 0);
CREATE POLICY held ON sb.contact TO sb_export USING (
  last_seen_at <= (SELECT sb.cutoff('Contacts')) AND cardinality(sb.export_holds('Contacts', id, NULL, NULL)) > 0);
CREATE POLICY held ON sb.access_log TO sb_export USING (
  at <= (SELECT sb.cutoff('AccessLogs')) AND cardinality(sb.export_holds('AccessLogs', object_id, NULL, at)) > 0);
CREATE POLICY held ON sb.web_chat_session TO sb_export USING (
  last_active_at <= (SELECT sb.cutoff('WebChatSessions')) AND cardinality(sb.export_holds('WebChatSessions', contact_id, NULL, last_active_at)) > 0);
CREATE POLICY held ON sb.integration_data TO sb_export USING (
  at <= (SELECT sb.cutoff('IntegrationData')) AND cardinality(sb.export_holds('IntegrationData', contact_id, NULL, at)) > 0);
CREATE POLICY held ON sb.testimonial TO sb_export USING (
  at <= (SELECT sb.cutoff('Testimonials')) AND cardinality(sb.export_holds('Testimonials', contact_id, NULL, at)) > 0);

-- These had no reader but the owner's own functions, whom policies do not bind.
ALTER TABLE sb.file          ENABLE ROW LEVEL SECURITY;
ALTER TABLE sb.message_count ENABLE ROW LEVEL SECURITY;
ALTER TABLE sb.seen          ENABLE ROW LEVEL SECURITY;
-- A file is as old as its attachments.
CREATE POLICY attached ON sb.file TO sb_export USING (EXISTS (SELECT FROM sb.attachment a WHERE a.file_id = file.id));
-- Groups under five of a day that is over are about to go (sb.retention_seal).
CREATE POLICY stays ON sb.message_count TO sb_export USING (
  messages >= 5 OR ((day + 1)::timestamp AT TIME ZONE 'UTC') > (SELECT sb.cutoff('MessageMetadata')));

-- export_seen is how far back ids of providers go: as sb.retention_open bounds them.
-- +goose StatementBegin
CREATE FUNCTION sb.export_seen() RETURNS timestamptz
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT COALESCE(now() - make_interval(secs => greatest(max(retain_days), 30)::double precision * 86400), '-infinity')
  FROM sb.retention_limit WHERE enforced AND category IN ('Messages', 'MessageMetadata')
$$;
-- +goose StatementEnd
CREATE POLICY live ON sb.seen TO sb_export USING (seen_at > (SELECT sb.export_seen()));

-- export_file gives a piece of a file that the caller can see an attachment of.
-- +goose StatementBegin
CREATE FUNCTION sb.export_file(p_file uuid, p_offset bigint, p_length integer) RETURNS bytea
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT lo_get(f.content, p_offset, p_length) FROM sb.file f
  WHERE f.id = p_file AND EXISTS (
    SELECT FROM sb.attachment a WHERE a.file_id = f.id
      AND (a.at > sb.cutoff('Attachments') OR cardinality(sb.export_holds('Attachments', a.conversation_id, a.channel, a.at)) > 0))
$$;
-- +goose StatementEnd

-- export_begin leaves a line in the access log: an export is the largest look at a tenant that there is.
-- +goose StatementBegin
CREATE FUNCTION sb.export_begin() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM sb.ensure_partition(now());
  INSERT INTO sb.access_log (method, route, status) VALUES ('AUDIT', 'instance export', 200);
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.export_begin(), sb.export_holds(text, uuid, text, timestamptz), sb.export_seen(), sb.export_file(uuid, bigint, integer) FROM PUBLIC;
GRANT USAGE ON SCHEMA sb, migration TO sb_export;
GRANT SELECT ON migration.version TO sb_export;
GRANT SELECT ON sb.retention_limit, sb.channel, sb.contact, sb.contact_address, sb.conversation, sb.message, sb.message_body, sb.message_count,
  sb.attachment, sb.web_chat_session, sb.integration_data, sb.testimonial, sb.access_log, sb.seen, sb.suppression, sb.consent_log,
  sb.hold, sb.hold_alias, sb.hold_contact, sb.receipt TO sb_export;
GRANT SELECT (id, sha256, size, media_type, created_at) ON sb.file TO sb_export;
GRANT SELECT (id, email, name, mobile, created_at, last_active_at, disabled_at) ON sb.staff TO sb_export;
GRANT EXECUTE ON FUNCTION sb.export_begin(), sb.cutoff(text), sb.export_holds(text, uuid, text, timestamptz), sb.export_seen(), sb.export_file(uuid, bigint, integer),
  sb.behind(integer, bigint, text, xid8, bigint) TO sb_export;

-- That this tenant was brought in from elsewhere, once. xid is the transaction's that did it.
CREATE TABLE sb.adoption (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  xid       xid8        NOT NULL DEFAULT pg_current_xact_id(),
  began_at  timestamptz NOT NULL DEFAULT now(),
  sequence  bigint               -- of the receipt that tells of it
);

-- adopt_tables lists what an archive fills, with the age mark and category of those that expire. Of a row r, exprs says what
-- becomes of a column that is not taken as it is.
-- +goose StatementBegin
CREATE FUNCTION sb.adopt_tables() RETURNS TABLE (name text, category text, mark text, columns text[], exprs jsonb, needs text)
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
  VALUES
    ('hold_alias', NULL::text, NULL::text, ARRAY['hold', 'kind', 'address_hash'], '{}'::jsonb,
      'EXISTS (SELECT FROM sb.hold h WHERE h.name = r.hold)'),
    ('contact', 'Contacts', 'last_seen_at', ARRAY['id', 'name', 'created_at', 'last_seen_at', 'time_zone', 'person', 'merged_into', 'merged_at', 'merged_by',
        'notice_version', 'notice_at', 'notice_message', 'notice_before'], '{}', 'true'),
    ('contact_address', NULL, NULL, ARRAY['kind', 'address_hash', 'key_version', 'address', 'contact_id'], '{}',
      'EXISTS (SELECT FROM sb.contact c WHERE c.id = r.contact_id)'),
    ('hold_contact', NULL, NULL, ARRAY['hold', 'contact_id'], '{}',
      'EXISTS (SELECT FROM sb.contact c WHERE c.id = r.contact_id) AND EXISTS (SELECT FROM sb.hold h WHERE h.name = r.hold)'),
    ('conversation', NULL, NULL, ARRAY['id', 'channel', 'contact_id', 'created_at', 'last_message_at', 'last_seq', 'staff_seen_seq'],
      '{"contact_id": "(SELECT c.id FROM sb.contact c WHERE c.id = r.contact_id)"}', 'true'),
    -- What was on its way out may have been sent since: staff see it as unknown, and decide.
    ('message', 'MessageMetadata', 'at', ARRAY['id', 'at', 'conversation_id', 'channel', 'direction', 'origin', 'staff_id', 'status', 'status_at',
        'attempted_at', 'provider_id', 'error_code', 'thread_seq', 'not_before', 'time_zone'],
      '{"status": "CASE WHEN r.direction = ''out'' AND r.status IN (''queued'', ''sending'') THEN ''unknown'' ELSE r.status END",
        "error_code": "CASE WHEN r.direction = ''out'' AND r.status IN (''queued'', ''sending'') THEN ''adopted'' ELSE r.error_code END"}', 'true'),
    ('message_body', 'Messages', 'at', ARRAY['id', 'at', 'conversation_id', 'channel', 'body', 'template'], '{}', 'true'),
    ('message_count', NULL, NULL, ARRAY['day', 'channel', 'direction', 'messages'], '{}', 'true'),
    ('file', NULL, NULL, ARRAY['id', 'sha256', 'size', 'media_type', 'content', 'created_at'], '{"content": "lo_create(0)"}', 'true'),
    -- What was still to be fetched stays where it was: nobody here has been asked to fetch it.
    ('attachment', 'Attachments', 'at', ARRAY['id', 'at', 'message_id', 'conversation_id', 'channel', 'name', 'state', 'reason', 'file_id'],
      '{"state": "CASE WHEN r.state = ''pending'' THEN ''refused'' ELSE COALESCE(r.state, ''stored'') END",
        "reason": "CASE WHEN r.state = ''pending'' THEN ''adopted'' ELSE r.reason END"}', 'true'),
    ('web_chat_session', 'WebChatSessions', 'last_active_at', ARRAY['id', 'channel', 'contact_id', 'started_at', 'last_active_at', 'expires_at', 'ip', 'user_agent'],
      '{"contact_id": "(SELECT c.id FROM sb.contact c WHERE c.id = r.contact_id)"}', 'true'),
    ('integration_data', 'IntegrationData', 'at', ARRAY['id', 'at', 'source', 'kind', 'contact_id', 'data'],
      '{"contact_id": "(SELECT c.id FROM sb.contact c WHERE c.id = r.contact_id)"}', 'true'),
    ('testimonial', 'Testimonials', 'at', ARRAY['id', 'at', 'contact_id', 'words', 'consent', 'consented_at', 'named_as', 'shown', 'language', 'given',
        'message_id', 'recorded_at', 'recorded_by', 'withdrawn_at', 'withdrawn_by', 'withdrawn_how', 'consent_digest', 'doubted_at', 'kept', 'bearers'],
      '{"contact_id": "(SELECT c.id FROM sb.contact c WHERE c.id = r.contact_id)"}', 'true'),
    ('access_log', 'AccessLogs', 'at', ARRAY['id', 'at', 'staff_id', 'method', 'route', 'object_id', 'status', 'ip', 'user_agent', 'referrer'], '{}', 'true'),
    ('seen', NULL, 'seen_at', ARRAY['channel', 'id_hash', 'seen_at'], '{}', 'r.seen_at > sb.export_seen()'),
    ('suppression', NULL, NULL, ARRAY['channel', 'address_hash', 'key_version', 'since', 'requested'], '{}', 'true'),
    -- As those that came back from the operator: of no transaction of this database.
    ('consent_log', NULL, NULL, ARRAY['id', 'epoch', 'xid', 'at', 'channel', 'address_hash', 'key_version', 'change', 'source', 'reason'],
      '{"epoch": "0", "xid": "''0''::xid8"}', 'true'),
    -- Nobody signs in by a password of the former place; an account of the same address keeps the one of this
    -- place, and what it may do here: somebody is left who manages the others.
    ('staff', 'StaffAccounts', 'last_active_at', ARRAY['id', 'email', 'name', 'mobile', 'password_hash', 'role', 'created_at', 'last_active_at', 'disabled_at'],
      '{"password_hash": "COALESCE($2::jsonb -> r.email ->> ''password_hash'', ''$argon2id$v=19$m=7168,t=5,p=1$c3dpdGNoYm9hcmQtbm8tMQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'')",
        "role": "COALESCE($2::jsonb -> r.email ->> ''role'', r.role, ''agent'')",
        "disabled_at": "CASE WHEN $2::jsonb ? r.email THEN ($2::jsonb -> r.email ->> ''disabled_at'')::timestamptz ELSE r.disabled_at END"}', 'true'),
    ('canned_reply', NULL, NULL, ARRAY['id', 'title', 'body', 'changed_at'], '{}', 'true'),
    ('receipt', NULL, NULL, ARRAY['sequence', 'policy', 'body', 'previous', 'digest', 'recorded_at'], '{}', 'true')
$$;
-- +goose StatementEnd

-- adopt_begin begins an adoption: it keeps all others from writing until it ends, and fails with SB301, naming a table, when
-- the database holds anything of a tenant already. The first staff account and what looked at it are nothing.
-- +goose StatementBegin
CREATE FUNCTION sb.adopt_begin() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_table text;
  v_found boolean;
BEGIN
  PERFORM FROM sb.rules FOR SHARE; -- limits and holds stay as they are
  LOCK TABLE sb.contact, sb.contact_address, sb.conversation, sb.message, sb.message_body, sb.file, sb.attachment, sb.web_chat_session,
    sb.integration_data, sb.testimonial, sb.seen, sb.suppression, sb.consent_log, sb.staff, sb.receipt, sb.adoption IN SHARE ROW EXCLUSIVE MODE;
  FOREACH v_table IN ARRAY ARRAY['adoption', 'receipt', 'contact', 'conversation', 'message', 'message_body', 'message_count', 'file', 'attachment',
    'web_chat_session', 'integration_data', 'testimonial', 'seen', 'suppression', 'consent_log', 'canned_reply', 'restore'] LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM sb.%I)', v_table) INTO v_found;
    IF v_found THEN
      RAISE EXCEPTION '%', v_table USING ERRCODE = 'SB301';
    END IF;
  END LOOP;
  INSERT INTO sb.adoption DEFAULT VALUES;
END
$$;
-- +goose StatementEnd

-- adopting makes sure that the caller's transaction is the adoption.
-- +goose StatementBegin
CREATE FUNCTION sb.adopting() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM FROM sb.adoption WHERE xid = pg_current_xact_id() AND sequence IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no adoption is under way in this transaction' USING ERRCODE = 'SB303';
  END IF;
END
$$;
-- +goose StatementEnd

-- adopt_holds names those of the archive's holds, as rows of sb.hold, that have not ended and are not in force here as they
-- were: what they keep would go with the next migration. The addresses of those that are were hashed by keys that the
-- archive's have replaced since: they go, and the archive's follow. Were they left, the next migration would find addresses
-- that are named no more, and let go the guests who bore one of them before.
-- +goose StatementBegin
CREATE FUNCTION sb.adopt_holds(p_rows jsonb[]) RETURNS SETOF text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM sb.adopting();
  DELETE FROM sb.hold_alias x USING unnest(p_rows) l WHERE x.hold = l ->> 'name';
  RETURN QUERY SELECT r.name FROM unnest(p_rows) l, jsonb_populate_record(NULL::sb.hold, l) r
    WHERE (r.expires_at IS NULL OR r.expires_at > now()) AND NOT EXISTS (
      SELECT FROM sb.hold h WHERE h.name = r.name AND (h.by_subject, h.conversation_id, h.channel, h.from_at, h.to_at, h.expires_at)
        IS NOT DISTINCT FROM (r.by_subject, r.conversation_id, r.channel, r.from_at, r.to_at, r.expires_at))
    ORDER BY 1;
END
$$;
-- +goose StatementEnd

-- adopt_rows stores rows of a table, as `instance export` wrote them, but those that have expired by the limits of this place and
-- that no hold keeps; it gives the number of those that it stored. held, in a row, are the holds that were on it.
-- +goose StatementBegin
CREATE FUNCTION sb.adopt_rows(p_table text, p_rows jsonb[]) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
  v_table record;
  v_month timestamptz;
  v_late  boolean;
  v_live  text := 'true';
  v_known jsonb;  -- accounts of this place, by e-mail address
  v_count bigint;
BEGIN
  PERFORM sb.adopting();
  SELECT * INTO STRICT v_table FROM sb.adopt_tables() t WHERE t.name = p_table;
  IF v_table.category IS NOT NULL THEN
    v_live := format('(r.%I > (SELECT sb.cutoff(%L)) OR EXISTS (SELECT FROM sb.hold h WHERE (h.expires_at IS NULL OR h.expires_at > now()) AND l -> ''held'' ? h.name))',
      v_table.mark, v_table.category);
  END IF;
  IF v_table.mark IS NOT NULL THEN
    -- An age mark in the future would keep a row beyond its limit.
    EXECUTE format('SELECT COALESCE(bool_or((l ->> %L)::timestamptz > now() + interval ''1 day''), false) FROM unnest($1) l', v_table.mark) INTO v_late USING p_rows;
    IF v_late THEN
      RAISE EXCEPTION 'a row of % bears a time in the future', p_table USING ERRCODE = 'SB304';
    END IF;
  END IF;
  IF p_table IN ('message', 'message_body', 'access_log', 'seen') THEN
    FOR v_month IN EXECUTE format('SELECT DISTINCT date_trunc(''month'', r.%1$I) FROM unnest($1) l, jsonb_populate_record(NULL::sb.%2$I, l) r WHERE %3$s AND %4$s',
      v_table.mark, p_table, v_live, v_table.needs) USING p_rows LOOP
      PERFORM sb.ensure_partition(v_month);
    END LOOP;
  ELSIF p_table = 'staff' THEN
    WITH gone AS (DELETE FROM sb.staff s USING unnest(p_rows) l
      WHERE s.email = l ->> 'email' AND (l ->> 'last_active_at')::timestamptz > sb.cutoff('StaffAccounts') RETURNING s.*)
    SELECT jsonb_object_agg(email, to_jsonb(gone)) INTO v_known FROM gone;
  END IF;
  EXECUTE format('INSERT INTO sb.%1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %3$s FROM unnest($1) l, jsonb_populate_record(NULL::sb.%1$I, l) r WHERE %4$s AND %5$s %6$s',
    p_table,
    (SELECT string_agg(quote_ident(c), ', ' ORDER BY n) FROM unnest(v_table.columns) WITH ORDINALITY u (c, n)),
    (SELECT string_agg(COALESCE(v_table.exprs ->> c, 'r.' || quote_ident(c)), ', ' ORDER BY n) FROM unnest(v_table.columns) WITH ORDINALITY u (c, n)),
    v_live, v_table.needs,
    CASE WHEN p_table IN ('hold_alias', 'hold_contact') THEN 'ON CONFLICT DO NOTHING' ELSE '' END) USING p_rows, v_known;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END
$$;
-- +goose StatementEnd

-- adopt_file adds a piece to the bytes of a file whose row was adopted.
-- +goose StatementBegin
CREATE FUNCTION sb.adopt_file(p_file uuid, p_offset bigint, p_piece bytea) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_content oid;
BEGIN
  PERFORM sb.adopting();
  SELECT content INTO v_content FROM sb.file WHERE id = p_file AND p_offset + length(p_piece) <= size;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no file % of that size', p_file USING ERRCODE = 'SB304';
  END IF;
  PERFORM lo_put(v_content, p_offset, p_piece);
END
$$;
-- +goose StatementEnd

-- adopt_whole says whether a file's bytes, whose size and SHA-256 are given, are those that its row tells of.
-- +goose StatementBegin
CREATE FUNCTION sb.adopt_whole(p_file uuid, p_size bigint, p_sha256 bytea) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM sb.file WHERE id = p_file AND size = p_size AND sha256 = p_sha256)
$$;
-- +goose StatementEnd

-- adopt_seal ends an adoption with its receipt, which follows the newest of those that were brought along. Files whose
-- attachments have all expired on the way go. It gives how many messages became unknown.
-- +goose StatementBegin
CREATE FUNCTION sb.adopt_seal(p_sequence bigint, p_body text, p_previous text, p_digest text) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_body jsonb := p_body::jsonb;
BEGIN
  PERFORM sb.adopting();
  IF v_body ->> 'kind' IS DISTINCT FROM 'adopted' OR (v_body ->> 'sequence')::bigint IS DISTINCT FROM p_sequence THEN
    RAISE EXCEPTION 'receipt % does not tell of an adoption', p_sequence USING ERRCODE = 'SB004';
  END IF;
  PERFORM sb.receipt_append('', p_sequence, p_body, p_previous, p_digest);
  UPDATE sb.adoption SET sequence = p_sequence;
  PERFORM sb.remove_files(ARRAY(SELECT f.id FROM sb.file f WHERE NOT EXISTS (SELECT FROM sb.attachment a WHERE a.file_id = f.id)));
  PERFORM setval(pg_get_serial_sequence('sb.consent_log', 'id'), max(id)) FROM sb.consent_log HAVING max(id) IS NOT NULL;
  PERFORM setval(pg_get_serial_sequence('sb.access_log', 'id'), max(id)) FROM sb.access_log HAVING max(id) IS NOT NULL;
  RETURN (SELECT count(*) FROM sb.message WHERE error_code = 'adopted');
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.adopt_tables(), sb.adopt_begin(), sb.adopting(), sb.adopt_holds(jsonb[]), sb.adopt_rows(text, jsonb[]),
  sb.adopt_file(uuid, bigint, bytea), sb.adopt_whole(uuid, bigint, bytea), sb.adopt_seal(bigint, text, text, text) FROM PUBLIC;
GRANT USAGE ON SCHEMA sb, migration TO sb_adopt;
GRANT SELECT ON migration.version TO sb_adopt;
GRANT EXECUTE ON FUNCTION sb.adopt_begin(), sb.adopt_holds(jsonb[]), sb.adopt_rows(text, jsonb[]), sb.adopt_file(uuid, bigint, bytea),
  sb.adopt_whole(uuid, bigint, bytea), sb.adopt_seal(bigint, text, text, text), sb.cutoff(text),
  sb.behind(integer, bigint, text, xid8, bigint) TO sb_adopt;

-- +goose Down
DROP FUNCTION sb.adopt_seal, sb.adopt_whole, sb.adopt_file, sb.adopt_rows, sb.adopt_holds, sb.adopting, sb.adopt_begin, sb.adopt_tables;
DROP TABLE sb.adoption;
DROP POLICY live ON sb.seen;
DROP POLICY stays ON sb.message_count;
DROP POLICY attached ON sb.file;
ALTER TABLE sb.file          DISABLE ROW LEVEL SECURITY;
ALTER TABLE sb.message_count DISABLE ROW LEVEL SECURITY;
ALTER TABLE sb.seen          DISABLE ROW LEVEL SECURITY;
DROP POLICY held ON sb.testimonial;
DROP POLICY held ON sb.integration_data;
DROP POLICY held ON sb.web_chat_session;
DROP POLICY held ON sb.access_log;
DROP POLICY held ON sb.contact;
DROP POLICY held ON sb.attachment;
DROP POLICY held ON sb.message_body;
DROP POLICY held ON sb.message;
DROP FUNCTION sb.export_begin, sb.export_file, sb.export_seen, sb.export_holds;
REVOKE ALL ON ALL TABLES IN SCHEMA sb FROM sb_export;
REVOKE ALL ON migration.version FROM sb_export, sb_adopt;
REVOKE USAGE ON SCHEMA sb, migration FROM sb_export, sb_adopt;
REVOKE EXECUTE ON FUNCTION sb.cutoff(text), sb.behind(integer, bigint, text, xid8, bigint) FROM sb_export, sb_adopt;
