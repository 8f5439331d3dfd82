-- +goose Up
-- What `instance subject` may do: carry out what a person asked for, and nothing beside it. Its role, sb_subject, has no right
-- on any table that carries words or addresses; it calls the functions below, which name the person by keyed hashes. Whoever
-- steals the role can read and delete what the tenant has of people whose addresses and hash key they know.

-- What a request has found, done and been refused, written down by the functions that did it: the receipt is held to it.
CREATE TABLE sb.request_count (
  request  text   NOT NULL,
  verdict  text   NOT NULL CHECK (verdict IN ('found', 'done', 'refused')),
  category text   NOT NULL,
  hold     text   NOT NULL DEFAULT '',
  rows     bigint NOT NULL,
  PRIMARY KEY (request, verdict, category, hold)
);

-- The archive of an Access request: ciphertext, that whoever knows the token fetches once.
CREATE TABLE sb.archive (
  id         uuid PRIMARY KEY,
  token_hash bytea NOT NULL,             -- SHA-256 of a random token
  content    oid    NOT NULL,
  size       bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL DEFAULT now() + interval '7 days'
);

-- subject_bearers gives the contacts who bear one of the addresses, p_kinds[i] with p_hashes[i]; expired ones too.
-- subject_contacts gives those that are the same person besides.
-- +goose StatementBegin
CREATE FUNCTION sb.subject_bearers(p_kinds text[], p_hashes bytea[]) RETURNS uuid[]
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT COALESCE(array_agg(DISTINCT a.contact_id), '{}')
  FROM unnest(p_kinds, p_hashes) AS n (kind, hash) JOIN sb.contact_address a ON a.kind = n.kind AND a.address_hash = n.hash
$$;
CREATE FUNCTION sb.subject_contacts(p_kinds text[], p_hashes bytea[]) RETURNS uuid[]
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN sb.same_person(sb.subject_bearers(p_kinds, p_hashes));
END
$$;
-- +goose StatementEnd

-- subject_rows gives, as SQL over a row t of a category, whether it belongs to the contacts $1 and their threads $2.
CREATE FUNCTION sb.subject_rows(p_category text) RETURNS text
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
  RETURN CASE p_category
    WHEN 'Messages' THEN '(t.at, t.id) IN (SELECT m.at, m.id FROM sb.message m WHERE m.conversation_id = ANY ($2))'
    WHEN 'MessageMetadata' THEN 't.conversation_id = ANY ($2)'
    WHEN 'Attachments' THEN 't.conversation_id = ANY ($2)'
    WHEN 'AccessLogs' THEN 't.object_id = ANY ($1 || $2)'
    WHEN 'Contacts' THEN 't.id = ANY ($1)'
    ELSE 't.contact_id = ANY ($1)' END;

-- subject_categories lists the categories that hold data of guests, in the order in which they are erased: what names the
-- person last.
CREATE FUNCTION sb.subject_categories() RETURNS text[]
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
  RETURN ARRAY['Attachments', 'Messages', 'MessageMetadata', 'WebChatSessions', 'IntegrationData', 'Testimonials', 'AccessLogs', 'Contacts'];

-- subject_find locks the person's contacts and threads until the transaction ends, counts what there is of them, and begins
-- the request's account. Nobody stores anything for a contact who is locked.
-- +goose StatementBegin
CREATE FUNCTION sb.subject_find(p_request text, p_kinds text[], p_hashes bytea[], OUT contacts uuid[], OUT threads uuid[])
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_category text;
  v_count    bigint;
  v_locked   uuid[];
BEGIN
  DELETE FROM sb.request_count WHERE request = p_request;
  PERFORM FROM sb.rules FOR SHARE; -- holds stay as they are until this ends
  LOOP -- a merge may have ended while this waited
    v_locked := sb.subject_contacts(p_kinds, p_hashes);
    PERFORM FROM sb.contact c WHERE c.id = ANY (v_locked) ORDER BY c.id FOR UPDATE;
    contacts := sb.subject_contacts(p_kinds, p_hashes);
    EXIT WHEN contacts <@ v_locked;
  END LOOP;
  PERFORM FROM sb.conversation v WHERE v.contact_id = ANY (contacts) ORDER BY v.id FOR UPDATE;
  SELECT COALESCE(array_agg(v.id), '{}') INTO threads FROM sb.conversation v WHERE v.contact_id = ANY (contacts);
  FOREACH v_category IN ARRAY sb.subject_categories() LOOP
    EXECUTE format('SELECT count(*) FROM sb.%I t WHERE %s', (sb.retention_table(v_category)).name, sb.subject_rows(v_category))
      INTO v_count USING contacts, threads;
    PERFORM sb.subject_note(p_request, 'found', v_category, v_count);
  END LOOP;
END
$$;
-- +goose StatementEnd

-- subject_note adds to a request's account. Zero is not noted.
-- +goose StatementBegin
CREATE FUNCTION sb.subject_note(p_request text, p_verdict text, p_category text, p_rows bigint) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO sb.request_count AS c (request, verdict, category, rows) SELECT p_request, p_verdict, p_category, p_rows WHERE p_rows > 0
    ON CONFLICT (request, verdict, category, hold) DO UPDATE SET rows = c.rows + excluded.rows;
$$;
-- +goose StatementEnd

-- subject_erase deletes all that there is of a person but what a hold keeps. A contact or thread on which something held
-- hangs stays with it. Suppressions and the consent log stay: they hold keyed hashes alone.
-- +goose StatementBegin
CREATE FUNCTION sb.subject_erase(p_request text, p_kinds text[], p_hashes bytea[]) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_found    record;
  v_category text;
  v_table    text;
  v_mine     text;
  v_holds    text;
  v_count    bigint;
  v_gone     text := 'WITH gone AS (%s) SELECT count(*), array_agg(DISTINCT file) FILTER (WHERE file IS NOT NULL) FROM gone';
  v_delete   text;
  v_some     uuid[];
  v_files    uuid[] := '{}';
BEGIN
  SELECT * INTO v_found FROM sb.subject_find(p_request, p_kinds, p_hashes);
  -- A web chat that a hold keeps is over all the same.
  UPDATE sb.web_chat_session SET token_hash = NULL WHERE contact_id = ANY (v_found.contacts);
  FOREACH v_category IN ARRAY sb.subject_categories() LOOP
    v_table := (sb.retention_table(v_category)).name;
    v_mine := sb.subject_rows(v_category);
    v_holds := sb.retention_holds(v_category);
    IF v_category = 'Contacts' THEN
      DELETE FROM sb.conversation v WHERE v.id = ANY (v_found.threads)
        AND NOT EXISTS (SELECT FROM sb.message m WHERE m.conversation_id = v.id)
        AND NOT EXISTS (SELECT FROM sb.attachment a WHERE a.conversation_id = v.id)
        AND NOT EXISTS (SELECT FROM sb.holds_of_contact(v.contact_id, NULL));
    END IF;
    -- The files are those of the rows that were deleted, as they were by then: one may have come while this waited for its row.
    v_delete := format('DELETE FROM sb.%I t WHERE %s %%s RETURNING %s AS file', v_table, v_mine,
      CASE v_category WHEN 'Attachments' THEN 't.file_id' ELSE 'NULL::uuid' END);
    IF v_holds IS NULL THEN
      EXECUTE format(v_gone, format(v_delete, '')) INTO v_count, v_some USING v_found.contacts, v_found.threads;
    ELSE
      -- Of several holds on a row, the first by name is told.
      EXECUTE format('INSERT INTO sb.request_count (request, verdict, category, hold, rows) SELECT $3, ''refused'', $4, q.hold, count(*) '
        'FROM (SELECT (SELECT min(h) FROM %s h) AS hold FROM sb.%I t WHERE %s) q WHERE q.hold IS NOT NULL GROUP BY q.hold',
        v_holds, v_table, v_mine) USING v_found.contacts, v_found.threads, p_request, v_category;
      EXECUTE format(v_gone, format(v_delete, 'AND NOT EXISTS (SELECT FROM ' || v_holds || ')')) INTO v_count, v_some USING v_found.contacts, v_found.threads;
    END IF;
    v_files := v_files || v_some;
    PERFORM sb.subject_note(p_request, 'done', v_category, v_count);
  END LOOP;
  PERFORM sb.remove_files(v_files, p_request);
END
$$;
-- +goose StatementEnd

-- subject_suppress sees to it that an address of the person is not written to on any channel, and neither are the others that staff
-- know the person by. p_hashes are under every version of the key, the current one first: who is still known by an older one is
-- brought to that.
-- +goose StatementBegin
CREATE FUNCTION sb.subject_suppress(p_request text, p_kind text, p_hashes bytea[], p_key_version integer) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_address record;
  v_count   bigint := 0;
BEGIN
  IF cardinality(p_hashes) > 1 THEN
    PERFORM sb.rehash(p_kind, p_hashes, p_key_version);
  END IF;
  FOR v_address IN
    SELECT p_hashes[1] AS hash, p_key_version AS version
    UNION SELECT s.address_hash, s.key_version FROM sb.contact_address a JOIN sb.contact c ON c.id = a.contact_id, sb.suppressible(c.id) s
      WHERE a.kind = p_kind AND a.address_hash = p_hashes[1] AND c.person IS NOT NULL
  LOOP
    IF sb.suppress('*', v_address.hash, v_address.version) THEN
      INSERT INTO sb.consent_log (channel, address_hash, key_version, change, source) VALUES ('*', v_address.hash, v_address.version, 'stop', 'request');
      v_count := v_count + 1;
    END IF;
  END LOOP;
  PERFORM sb.subject_note(p_request, 'done', 'Suppressions', v_count);
END
$$;
-- +goose StatementEnd

-- subject_rectify puts name or phone number right; NULL leaves them. p_hash is the new number's under the current key, p_all
-- those under every version. Fails with SB201 when the number belongs to another guest.
-- +goose StatementBegin
CREATE FUNCTION sb.subject_rectify(p_request text, p_kinds text[], p_hashes bytea[], p_name text, p_phone text, p_hash bytea, p_all bytea[],
  p_key_version integer) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_found   record;
  v_bearers uuid[];
  v_count   bigint := 0;
BEGIN
  SELECT * INTO v_found FROM sb.subject_find(p_request, p_kinds, p_hashes);
  v_bearers := sb.subject_bearers(p_kinds, p_hashes); -- the same person's other numbers are not what was wrong
  IF p_phone IS NOT NULL AND cardinality(v_bearers) > 0 THEN
    PERFORM FROM sb.contact_address WHERE kind = 'phone' AND address_hash = ANY (p_all) AND contact_id <> ALL (v_bearers);
    IF FOUND THEN
      RAISE EXCEPTION 'the new number belongs to another guest' USING ERRCODE = 'SB201';
    END IF;
    DELETE FROM sb.contact_address WHERE kind = 'phone' AND contact_id = ANY (v_bearers);
    INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) VALUES ('phone', p_hash, p_key_version, p_phone, v_bearers[1]);
    v_count := cardinality(v_bearers);
  END IF;
  IF p_name IS NOT NULL THEN
    UPDATE sb.contact SET name = p_name WHERE id = ANY (v_found.contacts);
    GET DIAGNOSTICS v_count = ROW_COUNT;
  END IF;
  PERFORM sb.subject_note(p_request, 'done', 'Contacts', v_count);
END
$$;
-- +goose StatementEnd

-- subject_export gives the rows of one category that have not expired as JSON, oldest first; of Suppressions and ConsentLog, by the hashes
-- and those of the person's other addresses alone.
-- +goose StatementBegin
CREATE FUNCTION sb.subject_export(p_kinds text[], p_hashes bytea[], p_category text) RETURNS SETOF jsonb
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_contacts uuid[] := sb.subject_contacts(p_kinds, p_hashes);
  v_threads  uuid[] := ARRAY(SELECT id FROM sb.conversation WHERE contact_id = ANY (v_contacts));
  v_hashes   bytea[] := p_hashes || ARRAY(SELECT a.address_hash FROM sb.contact_address a WHERE a.contact_id = ANY (v_contacts));
  v_table    record;
BEGIN
  CASE p_category
  WHEN 'Suppressions' THEN
    RETURN QUERY SELECT jsonb_build_object('channel', s.channel, 'since', s.since, 'requested', s.requested) FROM sb.suppression s WHERE s.address_hash = ANY (v_hashes) ORDER BY s.since;
  WHEN 'ConsentLog' THEN
    RETURN QUERY SELECT jsonb_build_object('at', l.at, 'channel', l.channel, 'change', l.change, 'source', l.source, 'reason', l.reason)
      FROM sb.consent_log l WHERE l.address_hash = ANY (v_hashes) ORDER BY l.at;
  WHEN 'Contacts' THEN
    RETURN QUERY SELECT to_jsonb(c) || jsonb_build_object('addresses', (SELECT jsonb_agg(jsonb_build_object('kind', a.kind, 'address', a.address))
      FROM sb.contact_address a WHERE a.contact_id = c.id)) FROM sb.contact c WHERE c.id = ANY (v_contacts) AND c.last_seen_at > sb.cutoff('Contacts') ORDER BY c.created_at;
  WHEN 'Attachments' THEN
    -- Those without a file say why there is none.
    RETURN QUERY SELECT to_jsonb(t) - ARRAY['source', 'draft'] || jsonb_build_object('media_type', f.media_type, 'size', f.size, 'file', 'files/' || f.id)
      FROM sb.attachment t LEFT JOIN sb.file f ON f.id = t.file_id WHERE t.conversation_id = ANY (v_threads) AND t.at > (SELECT sb.cutoff('Attachments')) ORDER BY t.at;
  ELSE
    SELECT * INTO v_table FROM sb.retention_table(p_category);
    RETURN QUERY EXECUTE format('SELECT to_jsonb(t) - ''token_hash'' FROM sb.%1$I t WHERE %2$s AND t.%3$I > (SELECT sb.cutoff(%4$L)) ORDER BY t.%3$I',
        v_table.name, sb.subject_rows(p_category), v_table.mark, p_category)
      USING v_contacts, v_threads;
  END CASE;
END
$$;
-- +goose StatementEnd

-- subject_files lists the files of the person's attachments, with what opens those that are objects of the store;
-- subject_file gives a piece of another.
-- +goose StatementBegin
CREATE FUNCTION sb.subject_files(p_kinds text[], p_hashes bytea[]) RETURNS TABLE (id uuid, size bigint, object text, object_key text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT DISTINCT f.id, f.size, f.object, f.object_key FROM sb.file f JOIN sb.attachment a ON a.file_id = f.id JOIN sb.conversation v ON v.id = a.conversation_id
    WHERE v.contact_id = ANY (sb.subject_contacts(p_kinds, p_hashes)) AND a.at > (SELECT sb.cutoff('Attachments')) ORDER BY 1;
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.subject_file(p_kinds text[], p_hashes bytea[], p_file uuid, p_offset bigint, p_length integer) RETURNS bytea
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT lo_get(f.content, p_offset, p_length) FROM sb.file f
  WHERE f.id = p_file AND EXISTS (SELECT FROM sb.subject_files(p_kinds, p_hashes) s WHERE s.id = p_file)
$$;
-- +goose StatementEnd

-- archive_begin makes an empty archive; archive_append adds to its end.
-- +goose StatementBegin
CREATE FUNCTION sb.archive_begin(p_token_hash bytea) RETURNS uuid
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO sb.archive (id, token_hash, content) VALUES (gen_random_uuid(), p_token_hash, lo_create(0)) RETURNING id
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.archive_append(p_id uuid, p_piece bytea) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_archive sb.archive;
BEGIN
  SELECT * INTO STRICT v_archive FROM sb.archive WHERE id = p_id FOR UPDATE;
  PERFORM lo_put(v_archive.content, v_archive.size, p_piece);
  UPDATE sb.archive SET size = size + length(p_piece) WHERE id = p_id;
END
$$;
-- +goose StatementEnd

-- archive_open gives the size of an archive and locks it against a second download; no row for a wrong token, when it has
-- expired, and while it is being downloaded. archive_read gives a piece, archive_remove ends it. All three want the token's hash.
-- +goose StatementBegin
CREATE FUNCTION sb.archive_open(p_id uuid, p_token_hash bytea) RETURNS TABLE (size bigint)
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.size FROM sb.archive a WHERE a.id = p_id AND a.token_hash = p_token_hash AND a.expires_at > now() FOR UPDATE SKIP LOCKED;
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.archive_read(p_id uuid, p_token_hash bytea, p_offset bigint, p_length integer) RETURNS bytea
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT lo_get(a.content, p_offset, p_length) FROM sb.archive a WHERE a.id = p_id AND a.token_hash = p_token_hash AND a.expires_at > now()
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.archive_remove(p_id uuid, p_token_hash bytea) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH gone AS (DELETE FROM sb.archive WHERE id = p_id AND token_hash = p_token_hash RETURNING content) SELECT lo_unlink(content) FROM gone
$$;
-- +goose StatementEnd

-- archive_purge removes the archives that nobody fetched in time.
-- +goose StatementBegin
CREATE FUNCTION sb.archive_purge() RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH gone AS (DELETE FROM sb.archive WHERE expires_at <= now() RETURNING content) SELECT count(lo_unlink(content)) FROM gone
$$;
-- +goose StatementEnd

-- subject_seal appends the receipt of a request, in the transaction that carried it out. It refuses one whose counts are not
-- those that the functions noted.
-- +goose StatementBegin
CREATE FUNCTION sb.subject_seal(p_request text, p_sequence bigint, p_body text, p_previous text, p_digest text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_body jsonb := p_body::jsonb;
  v_told jsonb := p_body::jsonb -> 'request';
BEGIN
  PERFORM sb.receipt_append('', p_sequence, p_body, p_previous, p_digest);
  IF v_body ->> 'kind' IS DISTINCT FROM 'request' OR v_told ->> 'uid' IS DISTINCT FROM p_request
    OR (v_body ->> 'sequence')::bigint IS DISTINCT FROM p_sequence OR EXISTS (
    WITH noted AS (
      SELECT verdict, category, hold, rows FROM sb.request_count WHERE request = p_request
    ), told AS (
      SELECT v, c ->> 'category', COALESCE(c ->> 'hold', ''), (c ->> 'rows')::bigint
        FROM unnest(ARRAY['found', 'done', 'refused']) v, jsonb_array_elements(COALESCE(v_told -> v, '[]')) c
    )
    (TABLE noted EXCEPT ALL TABLE told) UNION ALL (TABLE told EXCEPT ALL TABLE noted)
  ) THEN
    RAISE EXCEPTION 'receipt % does not tell what was done', p_sequence USING ERRCODE = 'SB004';
  END IF;
  DELETE FROM sb.request_count WHERE request = p_request;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.subject_bearers(text[], bytea[]), sb.subject_contacts(text[], bytea[]), sb.subject_rows(text), sb.subject_categories(), sb.subject_find(text, text[], bytea[]),
  sb.subject_note(text, text, text, bigint), sb.subject_erase(text, text[], bytea[]), sb.subject_suppress(text, text, bytea[], integer),
  sb.subject_rectify(text, text[], bytea[], text, text, bytea, bytea[], integer), sb.subject_export(text[], bytea[], text),
  sb.subject_files(text[], bytea[]), sb.subject_file(text[], bytea[], uuid, bigint, integer), sb.archive_begin(bytea), sb.archive_append(uuid, bytea),
  sb.archive_open(uuid, bytea), sb.archive_read(uuid, bytea, bigint, integer), sb.archive_remove(uuid, bytea), sb.archive_purge(),
  sb.subject_seal(text, bigint, text, text, text) FROM PUBLIC;

GRANT USAGE ON SCHEMA sb TO sb_subject;
GRANT SELECT ON sb.request_count, sb.receipt TO sb_subject;
GRANT EXECUTE ON FUNCTION sb.subject_find(text, text[], bytea[]), sb.subject_erase(text, text[], bytea[]),
  sb.subject_suppress(text, text, bytea[], integer), sb.subject_rectify(text, text[], bytea[], text, text, bytea, bytea[], integer),
  sb.subject_note(text, text, text, bigint), sb.subject_export(text[], bytea[], text), sb.subject_files(text[], bytea[]),
  sb.subject_file(text[], bytea[], uuid, bigint, integer), sb.archive_begin(bytea), sb.archive_append(uuid, bytea),
  sb.subject_seal(text, bigint, text, text, text), sb.receipt_lock() TO sb_subject;
GRANT EXECUTE ON FUNCTION sb.archive_open(uuid, bytea), sb.archive_read(uuid, bytea, bigint, integer), sb.archive_remove(uuid, bytea) TO sb_serve;
GRANT EXECUTE ON FUNCTION sb.archive_purge() TO sb_retain;

-- +goose Down
DROP FUNCTION sb.subject_seal, sb.archive_purge, sb.archive_remove, sb.archive_read, sb.archive_open, sb.archive_append, sb.archive_begin,
  sb.subject_file, sb.subject_files, sb.subject_export, sb.subject_rectify, sb.subject_suppress, sb.subject_erase, sb.subject_find,
  sb.subject_note, sb.subject_categories, sb.subject_rows, sb.subject_contacts, sb.subject_bearers;
DROP TABLE sb.archive, sb.request_count;
