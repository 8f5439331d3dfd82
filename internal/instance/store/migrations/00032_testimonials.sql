-- +goose Up
-- Testimonials with their consent (docs/design/0024). What is to be shown stands here for as long as the consent does, and not
-- without it; what is left of one that was withdrawn are times, codes and ids.

-- at is when consent was given. named_as NULL: nobody is named. shown is where. language is that of the wording, consent. given and
-- withdrawn_how say in which way. recorded_by and withdrawn_by are staff, whose accounts may be gone. consent_digest, SHA-256, says which
-- wording it was once that is gone. doubted_at: a restore brought it back, and it may have been withdrawn since the backup. kept is
-- what the law has kept of one that was withdrawn: no role of ours reads it but an export of the tenant. bearers are the keyed hashes
-- of the guest's addresses once the contact has expired: by them an erasure finds it still.
ALTER TABLE sb.testimonial
  ALTER words DROP NOT NULL,
  ALTER consent DROP NOT NULL,
  ADD named_as       text,
  ADD shown          text,
  ADD language       text NOT NULL CHECK (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$'),
  ADD given          text NOT NULL CHECK (given IN ('message', 'writing', 'phone', 'inPerson')),
  ADD message_id     uuid,
  ADD recorded_at    timestamptz NOT NULL DEFAULT now(),
  ADD recorded_by    uuid,
  ADD withdrawn_at   timestamptz,
  ADD withdrawn_by   uuid,
  ADD withdrawn_how  text CHECK (withdrawn_how IN ('message', 'writing', 'phone', 'inPerson', 'request')),
  ADD consent_digest bytea CHECK (length(consent_digest) = 32),
  ADD doubted_at     timestamptz,
  ADD kept           jsonb,
  ADD bearers        bytea[] NOT NULL DEFAULT '{}',
  ADD CONSTRAINT testimonial_evidence CHECK ((given = 'message') = (message_id IS NOT NULL)),
  ADD CONSTRAINT testimonial_consent CHECK (CASE WHEN withdrawn_at IS NULL
    THEN num_nulls(words, shown, consent) = 0 AND num_nonnulls(withdrawn_by, withdrawn_how, consent_digest, kept) = 0
      AND words ~ '\S' AND length(words) <= 4000 AND consent ~ '\S' AND length(consent) <= 4000
      AND length(shown) BETWEEN 1 AND 200 AND (named_as IS NULL OR length(named_as) BETWEEN 1 AND 200)
    ELSE num_nonnulls(words, named_as, shown, consent, doubted_at) = 0 AND num_nulls(withdrawn_how, consent_digest) = 0 END);
CREATE INDEX testimonial_kept ON sb.testimonial (id) WHERE kept IS NOT NULL;
GRANT SELECT (id, at, contact_id, words, consent, consented_at, named_as, shown, language, given, message_id, recorded_at, recorded_by,
  withdrawn_at, withdrawn_by, withdrawn_how, consent_digest, doubted_at) ON sb.testimonial TO sb_serve;

-- testimonial_record keeps a testimonial with its consent, and gives when that was given: when evidence is a message of the guest's,
-- its time. Fails with SB601 when there is no such guest, SB602 when there is no such message from them, SB603 when the
-- consent is older than the limit, and by a constraint where anything of it is missing.
-- +goose StatementBegin
CREATE FUNCTION sb.testimonial_record(p_id uuid, p_contact uuid, p_words text, p_named_as text, p_shown text, p_consent text, p_language text,
  p_given text, p_message uuid, p_at timestamptz, p_by uuid) RETURNS timestamptz
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_at timestamptz := least(p_at, now()); -- an age mark in the future would outlive the limit
BEGIN
  PERFORM FROM sb.contact c WHERE c.id = p_contact AND c.last_seen_at > sb.cutoff('Contacts') FOR UPDATE; -- an erasure is waited for
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no such guest' USING ERRCODE = 'SB601';
  END IF;
  IF p_message IS NOT NULL THEN
    SELECT m.at INTO v_at FROM sb.conversation v JOIN sb.message m ON m.conversation_id = v.id
      WHERE v.contact_id = ANY (sb.same_person(ARRAY[p_contact])) AND m.id = p_message AND m.direction = 'in' AND m.at > sb.cutoff('MessageMetadata');
    IF NOT FOUND THEN
      RAISE EXCEPTION 'there is no such message from the guest' USING ERRCODE = 'SB602';
    END IF;
  END IF;
  IF v_at <= sb.cutoff('Testimonials') THEN
    RAISE EXCEPTION 'the consent is older than the limit' USING ERRCODE = 'SB603';
  END IF;
  INSERT INTO sb.testimonial (id, at, contact_id, words, named_as, shown, consent, language, consented_at, given, message_id, recorded_by)
    VALUES (p_id, v_at, p_contact, p_words, p_named_as, p_shown, p_consent, p_language, v_at, p_given, p_message, p_by);
  RETURN v_at;
END
$$;

-- testimonial_end takes all that was to be shown away from testimonials whose consent has ended, but for what a hold keeps, and has
-- other systems told. The age mark stays: what is left goes when all of it would have gone.
CREATE FUNCTION sb.testimonial_end(p_ids uuid[], p_by uuid, p_how text) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH ended AS (
    UPDATE sb.testimonial t SET withdrawn_at = now(), withdrawn_by = p_by, withdrawn_how = p_how, doubted_at = NULL,
      consent_digest = sha256(convert_to(t.consent, 'UTF8')),
      kept = CASE WHEN EXISTS (SELECT FROM sb.holds_of_contact(t.contact_id, t.at))
        THEN jsonb_build_object('words', t.words, 'named_as', t.named_as, 'shown', t.shown, 'consent', t.consent) END,
      words = NULL, named_as = NULL, shown = NULL, consent = NULL
    WHERE t.id = ANY (p_ids) AND t.withdrawn_at IS NULL RETURNING t.id, t.contact_id
  )
  INSERT INTO sb.webhook_event (webhook, kind, contact_id, detail)
    SELECT w.name, 'testimonial.withdrawn', e.contact_id, jsonb_build_object('testimonialId', e.id)
    FROM ended e JOIN sb.webhook w ON w.ended_at IS NULL AND 'testimonial.withdrawn' = ANY (w.events)
    WHERE e.contact_id IS NOT NULL AND sb.webhook_teller()
$$;

-- testimonial_withdraw has staff say that a guest has withdrawn their consent; NULL when there is no such testimonial. Again changes
-- nothing.
CREATE FUNCTION sb.testimonial_withdraw(p_id uuid, p_by uuid, p_how text) RETURNS timestamptz
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM FROM sb.rules FOR SHARE; -- holds stay as they are until this ends
  PERFORM FROM sb.testimonial t WHERE t.id = p_id AND t.at > sb.cutoff('Testimonials') FOR UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  PERFORM sb.testimonial_end(ARRAY[p_id], p_by, p_how);
  RETURN (SELECT t.withdrawn_at FROM sb.testimonial t WHERE t.id = p_id);
END
$$;

-- testimonial_confirm has staff say that the consent to one that a restore brought back stands; false when there is none that stands.
CREATE FUNCTION sb.testimonial_confirm(p_id uuid) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE sb.testimonial SET doubted_at = NULL WHERE id = p_id AND withdrawn_at IS NULL AND at > sb.cutoff('Testimonials');
  RETURN FOUND;
END
$$;

-- What a hold kept of one that was withdrawn goes when retention runs after it.
CREATE FUNCTION sb.testimonial_sweep() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE sb.testimonial t SET kept = NULL WHERE t.kept IS NOT NULL AND NOT EXISTS (SELECT FROM sb.holds_of_contact(t.contact_id, t.at));
  RETURN NULL;
END
$$;

-- A testimonial may outlive its guest's contact. It is told then by the hashes of all addresses that the guest was known by.
CREATE FUNCTION sb.testimonial_orphan() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE sb.testimonial t SET bearers = ARRAY(SELECT a.address_hash FROM sb.contact_address a WHERE a.contact_id = ANY (sb.same_person(ARRAY[OLD.id])) ORDER BY 1)
    WHERE t.contact_id = OLD.id;
  RETURN OLD;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER testimonial_sweep AFTER INSERT OR UPDATE ON sb.retention_run FOR EACH STATEMENT EXECUTE FUNCTION sb.testimonial_sweep();
CREATE TRIGGER testimonial_orphan BEFORE DELETE ON sb.contact FOR EACH ROW EXECUTE FUNCTION sb.testimonial_orphan();
-- Pages look again.
CREATE TRIGGER staff_tell AFTER INSERT OR UPDATE ON sb.testimonial FOR EACH ROW EXECUTE FUNCTION sb.staff_tell('o');

ALTER TABLE sb.webhook_event DROP CONSTRAINT webhook_event_kind_check,
  ADD CONSTRAINT webhook_event_kind_check CHECK (kind IN ('message.received', 'message.status', 'optout.changed', 'testimonial.withdrawn'));

ALTER TABLE sb.integration DROP CONSTRAINT integration_scopes_check,
  ADD CONSTRAINT integration_scopes_check CHECK (cardinality(scopes) > 0
    AND scopes <@ ARRAY['events:write', 'optouts:write', 'contacts:read', 'conversations:read', 'messages:write', 'testimonials:read']);

REVOKE ALL ON FUNCTION sb.testimonial_record(uuid, uuid, text, text, text, text, text, text, uuid, timestamptz, uuid), sb.testimonial_end(uuid[], uuid, text),
  sb.testimonial_withdraw(uuid, uuid, text), sb.testimonial_confirm(uuid), sb.testimonial_sweep(), sb.testimonial_orphan() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.testimonial_record(uuid, uuid, text, text, text, text, text, text, uuid, timestamptz, uuid),
  sb.testimonial_withdraw(uuid, uuid, text), sb.testimonial_confirm(uuid) TO sb_serve;

-- subject_contacts as in 00005, with the ids of testimonials that have outlived the person's contact: no contact has the same.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.subject_contacts(p_kinds text[], p_hashes bytea[]) RETURNS uuid[]
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN sb.same_person(sb.subject_bearers(p_kinds, p_hashes)) || ARRAY(SELECT t.id FROM sb.testimonial t WHERE t.bearers && p_hashes ORDER BY 1);
END
$$;
-- +goose StatementEnd

-- subject_rows as in 00005, with those.
CREATE OR REPLACE FUNCTION sb.subject_rows(p_category text) RETURNS text
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
  RETURN CASE p_category
    WHEN 'Messages' THEN '(t.at, t.id) IN (SELECT m.at, m.id FROM sb.message m WHERE m.conversation_id = ANY ($2))'
    WHEN 'MessageMetadata' THEN 't.conversation_id = ANY ($2)'
    WHEN 'Attachments' THEN 't.conversation_id = ANY ($2)'
    WHEN 'AccessLogs' THEN 't.object_id = ANY ($1 || $2)'
    WHEN 'Testimonials' THEN '(t.contact_id = ANY ($1) OR t.id = ANY ($1))'
    WHEN 'Contacts' THEN 't.id = ANY ($1)'
    ELSE 't.contact_id = ANY ($1)' END;

-- subject_erase as in 00005, and it ends the consent to what a hold keeps.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.subject_erase(p_request text, p_kinds text[], p_hashes bytea[]) RETURNS void
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
  -- A testimonial that a hold keeps is shown to nobody.
  PERFORM sb.testimonial_end(ARRAY(SELECT t.id FROM sb.testimonial t WHERE t.contact_id = ANY (v_found.contacts) OR t.id = ANY (v_found.contacts)), NULL, 'request');
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

-- subject_export as in 00005, without the words that a hold keeps of a testimonial that was withdrawn.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.subject_export(p_kinds text[], p_hashes bytea[], p_category text) RETURNS SETOF jsonb
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
  WHEN 'Testimonials' THEN
    RETURN QUERY SELECT to_jsonb(t) - ARRAY['kept', 'bearers'] || jsonb_build_object('consent_digest', encode(t.consent_digest, 'hex'), 'kept', t.kept IS NOT NULL)
      FROM sb.testimonial t WHERE (t.contact_id = ANY (v_contacts) OR t.id = ANY (v_contacts)) AND t.at > sb.cutoff('Testimonials') ORDER BY t.at;
  ELSE
    SELECT * INTO v_table FROM sb.retention_table(p_category);
    RETURN QUERY EXECUTE format('SELECT to_jsonb(t) - ''token_hash'' FROM sb.%1$I t WHERE %2$s AND t.%3$I > (SELECT sb.cutoff(%4$L)) ORDER BY t.%3$I',
        v_table.name, sb.subject_rows(p_category), v_table.mark, p_category)
      USING v_contacts, v_threads;
  END CASE;
END
$$;
-- +goose StatementEnd

-- restore_settle as in 00006, and consent to testimonials is doubted.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.restore_settle(OUT sessions bigint, OUT archives bigint, OUT unknown bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_queue text;
BEGIN
  UPDATE sb.staff_session SET revoked_at = now() WHERE revoked_at IS NULL;
  GET DIAGNOSTICS sessions = ROW_COUNT;
  -- One of them may have been revoked since.
  UPDATE sb.integration SET revoked_at = now() WHERE revoked_at IS NULL;
  -- One of them may have been withdrawn since.
  UPDATE sb.testimonial SET doubted_at = now() WHERE withdrawn_at IS NULL AND doubted_at IS NULL;
  WITH gone AS (DELETE FROM sb.archive RETURNING content) SELECT count(lo_unlink(content)) INTO archives FROM gone;
  UPDATE sb.message SET status = 'unknown', error_code = 'restored', status_at = clock_timestamp()
    WHERE direction = 'out' AND status IN ('queued', 'sending');
  GET DIAGNOSTICS unknown = ROW_COUNT;
  FOR v_queue IN SELECT nspname FROM pg_namespace WHERE nspname LIKE 'queue\_%' LOOP
    EXECUTE format('DELETE FROM %I.river_job WHERE finalized_at IS NULL', v_queue);
  END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER staff_tell ON sb.testimonial;
DROP TRIGGER testimonial_orphan ON sb.contact;
DROP TRIGGER testimonial_sweep ON sb.retention_run;
DROP FUNCTION sb.testimonial_orphan, sb.testimonial_sweep, sb.testimonial_confirm, sb.testimonial_withdraw, sb.testimonial_end, sb.testimonial_record;
DROP INDEX sb.testimonial_kept;
ALTER TABLE sb.testimonial DROP CONSTRAINT testimonial_consent, DROP CONSTRAINT testimonial_evidence, DROP named_as, DROP shown, DROP language, DROP given, DROP message_id,
  DROP recorded_at, DROP recorded_by, DROP withdrawn_at, DROP withdrawn_by, DROP withdrawn_how, DROP consent_digest, DROP doubted_at, DROP kept, DROP bearers;
