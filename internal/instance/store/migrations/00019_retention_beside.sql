-- +goose Up
-- A run may work on two connections at a time: both keep its row, and count into it one after the other. What is asked for
-- each batch is asked once for all kinds.

-- retention_in_force is as before, but that transactions of one run don't wait for each other. Whoever seals the run waits for all
-- of them; and so does who changes the rules, whom those that begin meanwhile let pass: locks of rows would not.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.retention_in_force(p_policy text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM FROM sb.retention_run WHERE policy = p_policy FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'policy % has no open run', p_policy USING ERRCODE = 'SB003';
  END IF;
  LOCK TABLE sb.rules IN SHARE MODE; -- what follows sees what was committed while this waited
  PERFORM FROM sb.retention_limit l JOIN sb.retention_run r USING (policy, digest) WHERE l.policy = p_policy AND l.enforced;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'policy % changed while its run was under way', p_policy USING ERRCODE = 'SB001';
  END IF;
END
$$;
-- +goose StatementEnd

-- retention_drop drops what is expired as a whole of some months, and counts it by kind; but a month's rows of a kind of which
-- any is held, which go in batches. Rows are counted under a lock that lets readers in and writers not. DROP needs a lock on the
-- parent too, which others queue up behind: it is awaited for a moment only, and taken when all is counted. The locks are taken
-- in the order in which a message that comes in takes them. Of two at a time, the counters let one after the other go on to its
-- DROP: nobody who writes ever has both before them. They are raised in the order in which batches beside it raise them.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.retention_drop(p_policy text, p_months timestamptz[]) RETURNS TABLE (kind text, dropped bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_part   record;
  v_holds  text;
  v_held   boolean;
  v_count  bigint;
  v_wait   text := current_setting('lock_timeout');
  v_doomed text[] := '{}';
  v_counts jsonb := '{}';
BEGIN
  PERFORM sb.retention_in_force(p_policy);
  PERFORM set_config('lock_timeout', '200ms', true);
  FOR v_part IN
    SELECT p.kind, p.anonymize, q.part::text AS name FROM sb.retention_progress p
    CROSS JOIN sb.retention_table(p.kind) t CROSS JOIN LATERAL sb.retention_partitions(t.name) q
    WHERE p.policy = p_policy AND t.partitioned AND q.upper <= p.cutoff AND q.lower = ANY (p_months)
    ORDER BY array_position(ARRAY['ProviderIDs', 'MessageMetadata', 'Messages'], p.kind), q.lower
  LOOP
    EXECUTE format('LOCK TABLE %s IN SHARE MODE', v_part.name);
    v_holds := sb.retention_holds(v_part.kind);
    IF v_holds IS NOT NULL THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM %s t WHERE EXISTS (SELECT FROM %s))', v_part.name, v_holds) INTO v_held;
      CONTINUE WHEN v_held;
    END IF;
    EXECUTE format('SELECT count(*) FROM %s', v_part.name) INTO v_count;
    IF v_part.anonymize THEN
      EXECUTE sb.retention_anonymize(v_part.name);
    END IF;
    v_doomed := v_doomed || v_part.name;
    v_counts := v_counts || jsonb_build_object(v_part.kind, COALESCE((v_counts ->> v_part.kind)::bigint, 0) + v_count);
  END LOOP;
  IF v_doomed <> '{}' THEN
    PERFORM set_config('lock_timeout', v_wait, true);
    FOR kind, dropped IN SELECT key, value::bigint FROM jsonb_each_text(v_counts)
      ORDER BY array_position(ARRAY['Messages', 'MessageMetadata', 'ProviderIDs'], key) LOOP
      PERFORM sb.retention_count(p_policy, kind, dropped);
      RETURN NEXT;
    END LOOP;
    PERFORM set_config('lock_timeout', '200ms', true);
    EXECUTE 'DROP TABLE ' || array_to_string(v_doomed, ', ');
  END IF;
END
$$;
-- +goose StatementEnd

-- retention_end gives the last of the first p_limit expired rows of a month after a place, in the order in which they lie there, and
-- how many those are. Another way to them than that order would make more of them.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_end(p_part text, p_mark text, p_cutoff timestamptz, p_place tid, p_limit bigint, OUT place tid, OUT looked bigint)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  SET enable_seqscan = off SET enable_indexscan = off SET enable_bitmapscan = off SET max_parallel_workers_per_gather = 0
AS $$
BEGIN
  EXECUTE format('SELECT max(c), count(*) FROM (SELECT ctid AS c FROM %s WHERE %I <= $1 AND ctid > $2 LIMIT $3) f', p_part, p_mark)
    INTO place, looked USING p_cutoff, p_place, p_limit;
END
$$;
-- +goose StatementEnd

-- retention_batch deletes expired rows of a kind that no hold keeps, and counts them. It looks at p_limit expired rows at most; those
-- of a month in the order in which they lie there, from a place on that the call before gave; NULL is the beginning. Rows that
-- others have locked are left to who begins again. looked below p_limit: nothing is left behind the place. Unless p_whole, months
-- that are expired as a whole are left alone: somebody drops them.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_batch(p_policy text, p_kind text, p_limit bigint, p_whole boolean,
  INOUT month timestamptz, INOUT place tid, OUT deleted bigint, OUT looked bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_progress sb.retention_progress;
  v_table    record;
  v_holds    text;
  v_free     text;
  v_part     record;
  v_range    text;
  v_sure     text;
  v_careful  text;
  v_end      tid;
  v_some     bigint;
  v_files    uuid[];
  v_wait     text := current_setting('lock_timeout');
BEGIN
  SELECT * INTO STRICT v_progress FROM sb.retention_progress WHERE policy = p_policy AND kind = p_kind;
  SELECT * INTO v_table FROM sb.retention_table(p_kind);
  v_holds := sb.retention_holds(p_kind);
  v_free := COALESCE(' AND NOT EXISTS (SELECT FROM ' || v_holds || ')', '');
  -- Where others are likely to have rows locked, the inner query locks what it finds, and leaves theirs; the outer deletes those
  -- very rows if they are expired still.
  IF v_table.name IS NOT NULL THEN
    v_careful := format('DELETE FROM %%1$s t WHERE %1$I <= $1 AND ctid = ANY (ARRAY(SELECT ctid FROM %%1$s t WHERE %1$I <= $1%2$s%%2$s FOR UPDATE SKIP LOCKED))',
      v_table.mark, v_free);
  END IF;
  deleted := 0;
  CASE
  WHEN v_table.partitioned THEN
    v_range := ' AND t.ctid > $2 AND t.ctid <= $3';
    v_sure := format('DELETE FROM %%s t WHERE %I <= $1%s%s', v_table.mark, v_range, v_free);
    IF v_progress.anonymize THEN
      v_sure := sb.retention_anonymized(v_sure);
      v_careful := sb.retention_anonymized(v_careful);
    END IF;
    looked := 0;
    FOR v_part IN
      SELECT q.part::text AS name, q.lower FROM sb.retention_partitions(v_table.name) q
      WHERE q.lower <= v_progress.cutoff AND (p_whole OR q.upper > v_progress.cutoff) AND (month IS NULL OR q.lower >= month)
    LOOP
      IF v_part.lower IS DISTINCT FROM month THEN
        month := v_part.lower;
        place := '(0,0)';
      END IF;
      SELECT e.place, e.looked INTO v_end, v_some FROM sb.retention_end(v_part.name, v_table.mark, v_progress.cutoff, place, p_limit - looked) e;
      CONTINUE WHEN v_end IS NULL;
      looked := looked + v_some;
      -- Hardly ever does anybody have rows of then locked: first as if nobody had, and where that has to wait, without theirs.
      BEGIN
        PERFORM set_config('lock_timeout', '50ms', true);
        EXECUTE format(v_sure, v_part.name) USING v_progress.cutoff, place, v_end;
        GET DIAGNOSTICS v_some = ROW_COUNT;
        PERFORM set_config('lock_timeout', v_wait, true);
      EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        EXECUTE format(v_careful, v_part.name, v_range) USING v_progress.cutoff, place, v_end;
        GET DIAGNOSTICS v_some = ROW_COUNT;
      END;
      place := v_end;
      IF v_some > 0 THEN
        deleted := deleted + v_some;
        PERFORM FROM pg_class WHERE oid = v_part.name::regclass AND reloptions @> ARRAY['autovacuum_vacuum_threshold=0'];
        IF NOT FOUND THEN
          EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0)', v_part.name);
        END IF;
      END IF;
      EXIT WHEN looked >= p_limit;
    END LOOP;
  WHEN v_table.name IS NOT NULL THEN
    v_careful := format(v_careful, 'sb.' || v_table.name, format(' ORDER BY %I LIMIT $2', v_table.mark));
    IF p_kind = 'Attachments' THEN
      EXECUTE 'WITH gone AS (' || v_careful || ' RETURNING file_id) SELECT count(*), array_agg(DISTINCT file_id) FROM gone'
        INTO deleted, v_files USING v_progress.cutoff, p_limit;
      PERFORM sb.retention_count(p_policy, 'Files', sb.remove_files(v_files));
    ELSE
      EXECUTE v_careful USING v_progress.cutoff, p_limit;
      GET DIAGNOSTICS deleted = ROW_COUNT;
    END IF;
  WHEN p_kind = 'Conversations' THEN
    -- A thread without guest and without metadata says nothing about anyone. The day keeps off a message that is being
    -- stored at this moment. Most days there is none: then no month is opened to look for its metadata.
    PERFORM FROM sb.conversation WHERE contact_id IS NULL AND last_message_at <= now() - interval '24 hours' LIMIT 1;
    IF FOUND THEN
      WITH doomed AS (SELECT c.id FROM sb.conversation c
                      WHERE c.contact_id IS NULL AND c.last_message_at <= now() - interval '24 hours'
                        AND NOT EXISTS (SELECT FROM sb.message m WHERE m.conversation_id = c.id)
                      LIMIT p_limit FOR UPDATE OF c SKIP LOCKED)
      DELETE FROM sb.conversation c USING doomed d WHERE c.id = d.id;
      GET DIAGNOSTICS deleted = ROW_COUNT;
    END IF;
  WHEN p_kind = 'Files' THEN
    -- Those whose last attachment went in another way, with an erasure or never came to be. The hour keeps off a file
    -- whose attachment is being stored at this moment.
    SELECT sb.remove_files(array_agg(id)), count(*) INTO deleted, looked FROM (
      SELECT f.id FROM sb.file f WHERE f.created_at <= now() - interval '1 hour'
        AND NOT EXISTS (SELECT FROM sb.attachment a WHERE a.file_id = f.id) LIMIT p_limit) doomed;
  WHEN p_kind = 'ReplyKeys' THEN
    DELETE FROM sb.reply_key WHERE created_at <= v_progress.cutoff AND ctid = ANY (ARRAY(
      SELECT ctid FROM sb.reply_key WHERE created_at <= v_progress.cutoff ORDER BY created_at LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS deleted = ROW_COUNT;
  END CASE;
  looked := COALESCE(looked, deleted);
  deleted := sb.retention_count(p_policy, p_kind, deleted);
END
$$;
-- +goose StatementEnd

-- retention_anonymized gives a statement that deletes messages and adds them to the counts that stay. It yields a row for each.
CREATE FUNCTION sb.retention_anonymized(p_delete text) RETURNS text
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
  RETURN 'WITH gone AS (' || p_delete || ' RETURNING at, channel, direction), counted AS (' || sb.retention_anonymize('gone') || ') SELECT FROM gone';

-- retention_delete deletes expired rows of one of p_kinds after the other, p_limit at most, and counts them. It tells of each kind that
-- it came to how many went, and whether others have it locked; and of the last one, where to go on if there may be more.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_delete(p_policy text, p_kinds text[], p_limit integer, p_whole boolean, p_month timestamptz, p_place tid)
  RETURNS TABLE (kind text, deleted bigint, blocked boolean, more boolean, month timestamptz, place tid)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_left   bigint := p_limit;
  v_looked bigint;
BEGIN
  PERFORM sb.retention_in_force(p_policy);
  month := p_month;
  place := p_place;
  FOREACH kind IN ARRAY p_kinds LOOP
    blocked := false;
    BEGIN
      SELECT b.deleted, b.looked, b.month, b.place INTO deleted, v_looked, month, place
        FROM sb.retention_batch(p_policy, kind, v_left, p_whole, month, place) b;
    EXCEPTION WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
      deleted := 0;
      v_looked := 0;
      blocked := true;
    END;
    v_left := v_left - v_looked;
    more := v_left <= 0;
    IF NOT more THEN
      month := NULL;
      place := NULL;
    END IF;
    RETURN NEXT;
    EXIT WHEN more;
  END LOOP;
END
$$;
-- +goose StatementEnd

-- retention_survey counts what a run would find: expired rows, how many of them are held, and all rows. The planner's estimates
-- stand for what need not be counted: of expired rows when nothing is held, and of the month of the cutoff its share.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sb.retention_survey(p_policy text, p_kind text, p_count_expired boolean, p_count_total boolean,
  OUT expired bigint, OUT held bigint, OUT total bigint)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_table  record;
  v_part   record;
  v_holds  text := sb.retention_holds(p_kind);
  v_cutoff timestamptz;
  v_count  bigint;
BEGIN
  SELECT cutoff INTO STRICT v_cutoff FROM sb.retention_progress WHERE policy = p_policy AND kind = p_kind AND ruled;
  SELECT * INTO v_table FROM sb.retention_table(p_kind);
  IF p_count_expired OR v_holds IS NOT NULL OR NOT v_table.partitioned THEN
    EXECUTE format('SELECT count(*), count(*) FILTER (WHERE %s) FROM sb.%I t WHERE %I <= $1',
      COALESCE('EXISTS (SELECT FROM ' || v_holds || ')', 'false'), v_table.name, v_table.mark) INTO expired, held USING v_cutoff;
  ELSE
    expired := 0;
    held := 0;
    FOR v_part IN
      SELECT q.part, CASE WHEN c.reltuples >= 0 THEN
          (c.reltuples * least(extract(epoch FROM v_cutoff - q.lower) / extract(epoch FROM q.upper - q.lower), 1))::bigint END AS estimate
      FROM sb.retention_partitions(v_table.name) q JOIN pg_class c ON c.oid = q.part WHERE q.lower <= v_cutoff
    LOOP
      IF v_part.estimate IS NULL THEN
        EXECUTE format('SELECT count(*) FROM %s WHERE %I <= $1', v_part.part, v_table.mark) INTO v_count USING v_cutoff;
      END IF;
      expired := expired + COALESCE(v_part.estimate, v_count);
    END LOOP;
  END IF;
  IF NOT p_count_total THEN
    SELECT CASE WHEN min(c.reltuples) >= 0 THEN sum(c.reltuples)::bigint END INTO total
      FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
      WHERE CASE WHEN v_table.partitioned THEN i.inhparent ELSE c.oid END = ('sb.' || quote_ident(v_table.name))::regclass;
  END IF;
  IF total IS NULL THEN
    EXECUTE format('SELECT count(*) FROM sb.%I', v_table.name) INTO total;
  END IF;
END
$$;
-- +goose StatementEnd

DROP FUNCTION sb.retention_batch(text, text, integer);
REVOKE ALL ON FUNCTION sb.retention_batch(text, text, bigint, boolean, timestamptz, tid), sb.retention_anonymized(text),
  sb.retention_end(text, text, timestamptz, tid, bigint),
  sb.retention_delete(text, text[], integer, boolean, timestamptz, tid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.retention_delete(text, text[], integer, boolean, timestamptz, tid) TO sb_retain;

-- +goose Down
-- The functions that were replaced under their names do what they did.
CREATE FUNCTION sb.retention_batch(p_policy text, p_kind text, p_limit integer) RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT sb.retention_in_force(p_policy); SELECT deleted FROM sb.retention_batch(p_policy, p_kind, p_limit, true, NULL, NULL) $$;
REVOKE ALL ON FUNCTION sb.retention_batch(text, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.retention_batch(text, text, integer) TO sb_retain;
DROP FUNCTION sb.retention_delete;
