-- +goose Up
-- What `instance retain` may do, and nothing beside it. Its role, sb_retain, has no right on any table that carries
-- words or addresses: it calls the functions below, which belong to sb_owner, compute every cutoff from the limits in
-- force, and check expiry again in the statement that deletes. Whoever steals the role can delete what has expired,
-- and read counts and times; they can read no message and delete none that is still to be kept.
--
-- VACUUM. DELETE marks rows, VACUUM removes them, and before PostgreSQL 17 only a table's owner may run it. Making
-- sb_retain a member of sb_owner for that would undo all of the above, so autovacuum does it: tables that lose rows to
-- batches have their thresholds set to zero, whereupon autovacuum takes them at its next round (autovacuum_naptime,
-- one minute by default). A run tells when it last saw one, and claims none of its own. A dropped partition needs none.

ALTER TABLE sb.contact         SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);
ALTER TABLE sb.contact_address SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);
ALTER TABLE sb.attachment       SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);
ALTER TABLE sb.web_chat_session SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);
ALTER TABLE sb.integration_data SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);
ALTER TABLE sb.testimonial      SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);
ALTER TABLE sb.staff            SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);
ALTER TABLE sb.reply_key       SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX reply_key_created ON sb.reply_key (created_at);
CREATE INDEX receipt_policy ON sb.receipt (policy, sequence DESC);
CREATE INDEX conversation_guestless ON sb.conversation (last_message_at) WHERE contact_id IS NULL;

-- A run that has begun and is not sealed yet; at most one per policy. It outlives a killed run, and the next one goes
-- on from it. resumed counts the runs that ended before they could seal.
CREATE TABLE sb.retention_run (
  policy     text PRIMARY KEY,
  generation bigint      NOT NULL,
  digest     text        NOT NULL,
  began_at   timestamptz NOT NULL,      -- the first attempt
  started_at timestamptz NOT NULL,      -- the present attempt: cutoffs are counted back from it
  resumed    integer     NOT NULL DEFAULT 0
);

-- What the run has deleted so far, raised in each deleting transaction, and what it read back last. kind is a category, or
-- one of the tables that follow a category: Conversations, Files, ProviderIDs, ReplyKeys. cutoff is -infinity for a kind
-- that nothing bounds. overdue of Files are objects that the store has not confirmed to be removed; NULL for none.
CREATE TABLE sb.retention_progress (
  policy    text        NOT NULL REFERENCES sb.retention_run (policy) ON DELETE CASCADE,
  kind      text        NOT NULL,
  ruled     boolean     NOT NULL,         -- a category that the receipt reports, with a cutoff of its own
  anonymize boolean     NOT NULL DEFAULT false,
  cutoff    timestamptz NOT NULL,
  deleted   bigint      NOT NULL DEFAULT 0,
  held      bigint,                       -- of the read-back; all three NULL when there was none
  overdue   bigint,
  oldest    timestamptz,
  PRIMARY KEY (policy, kind)
);

-- The expired rows that each hold keeps, by the read-back.
CREATE TABLE sb.retention_kept (
  policy text   NOT NULL,
  kind   text   NOT NULL,
  hold   text   NOT NULL,
  kept   bigint NOT NULL,
  PRIMARY KEY (policy, kind, hold),
  FOREIGN KEY (policy, kind) REFERENCES sb.retention_progress (policy, kind) ON DELETE CASCADE
);

-- What runs were about to do: the digest is that of body (contract.Plan). executed_at: a run of the policy has deleted since.
CREATE TABLE sb.retention_plan (
  policy      text NOT NULL,
  digest      text NOT NULL,
  body        text NOT NULL CHECK (length(body) <= 65536),
  planned_at  timestamptz NOT NULL DEFAULT now(),
  executed_at timestamptz,
  PRIMARY KEY (policy, digest)
);

-- retention_partitions lists the partitions of a table with their bounds, oldest first.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_partitions(p_table text) RETURNS TABLE (part regclass, lower timestamptz, upper timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
  SELECT c.oid::regclass, split_part(b.bound, '''', 2)::timestamptz, split_part(b.bound, '''', 4)::timestamptz
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound OFFSET 0) b -- FOR VALUES FROM ('lower') TO ('upper')
  WHERE i.inhparent = ('sb.' || quote_ident(p_table))::regclass
  ORDER BY 2
$$;
-- +goose StatementEnd

-- retention_table names the table of a kind and its age mark; all NULL for kinds that have none.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_table(p_kind text, OUT name text, OUT mark text, OUT partitioned boolean)
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t.name, t.mark, t.partitioned FROM (VALUES
    ('Messages', 'message_body', 'at', true), ('MessageMetadata', 'message', 'at', true), ('AccessLogs', 'access_log', 'at', true),
    ('Attachments', 'attachment', 'at', false), ('Contacts', 'contact', 'last_seen_at', false),
    ('StaffAccounts', 'staff', 'last_active_at', false), ('WebChatSessions', 'web_chat_session', 'last_active_at', false),
    ('IntegrationData', 'integration_data', 'at', false), ('Testimonials', 'testimonial', 'at', false),
    ('ProviderIDs', 'seen', 'seen_at', true)
  ) t (kind, name, mark, partitioned) WHERE t.kind = p_kind
$$;
-- +goose StatementEnd

-- holds_of_access names the holds on an entry of the access log: those that name the guest or the thread that was looked at.
-- +goose StatementBegin
CREATE FUNCTION sb.holds_of_access(p_object uuid, p_at timestamptz) RETURNS SETOF text LANGUAGE sql STABLE
AS $$
  SELECT h.name FROM sb.hold h
  WHERE (h.expires_at IS NULL OR h.expires_at > now()) AND h.channel IS NULL
    AND (h.from_at IS NULL OR h.from_at <= p_at) AND (h.to_at IS NULL OR h.to_at > p_at)
    AND CASE WHEN h.conversation_id IS NOT NULL THEN h.conversation_id = p_object
             ELSE h.by_subject AND EXISTS (
               SELECT FROM sb.hold_contact b LEFT JOIN sb.conversation v ON v.contact_id = b.contact_id
               WHERE b.hold = h.name AND p_object IN (b.contact_id, v.id)) END
$$;
-- +goose StatementEnd

-- retention_holds gives, as SQL over a row t of a category, the names of the holds on it; NULL when nothing is held at all,
-- which spares the common run the question. Web chats, integration data and testimonials are held with their guest.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_holds(p_kind text) RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE
    WHEN NOT EXISTS (SELECT FROM sb.hold) THEN NULL
    WHEN p_kind IN ('Messages', 'MessageMetadata', 'Attachments') THEN 'sb.holds_of(t.conversation_id, t.channel, t.at)'
    WHEN p_kind = 'AccessLogs' THEN 'sb.holds_of_access(t.object_id, t.at)'
    WHEN p_kind = 'Contacts' THEN 'sb.holds_of_contact(t.id, NULL)'
    WHEN p_kind = 'WebChatSessions' THEN 'sb.holds_of_contact(t.contact_id, t.last_active_at)'
    WHEN p_kind IN ('IntegrationData', 'Testimonials') THEN 'sb.holds_of_contact(t.contact_id, t.at)'
  END
$$;
-- +goose StatementEnd

-- retention_in_force makes sure, inside a deleting transaction, that the run's rules are still in force and enforced, and
-- keeps rules and holds as they are until it ends: `instance migrate` waits for a batch, never the other way round in the
-- middle of one.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_in_force(p_policy text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM FROM sb.retention_run WHERE policy = p_policy FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'policy % has no open run', p_policy USING ERRCODE = 'SB003';
  END IF;
  PERFORM FROM sb.rules FOR SHARE; -- what follows sees what was committed while this waited
  PERFORM FROM sb.retention_limit l JOIN sb.retention_run r USING (policy, digest) WHERE l.policy = p_policy AND l.enforced;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'policy % changed while its run was under way', p_policy USING ERRCODE = 'SB001';
  END IF;
END
$$;
-- +goose StatementEnd

-- retention_open begins a policy's run, or takes up the one that was interrupted, and fixes the cutoffs by now().
-- Content and files never outlive their metadata: where MessageMetadata has the shorter limit, it is theirs too.
-- Ids seen and reply keys stay as long as the longest limit on messages in force, and 30 days at least, so that a
-- provider's replay and a client's retry are still recognised; where nothing bounds messages, nothing bounds them.
-- Fails with SB001 when the rules of p_digest are not in force, SB002 when a run of other rules is still open.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_open(p_policy text, p_digest text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_generation bigint;
  v_grace      integer;
BEGIN
  PERFORM FROM sb.rules FOR SHARE;
  SELECT max(generation) INTO v_generation FROM sb.retention_limit WHERE policy = p_policy AND digest = p_digest;
  IF v_generation IS NULL THEN
    RAISE EXCEPTION 'these rules of policy % are not in force', p_policy USING ERRCODE = 'SB001';
  END IF;
  INSERT INTO sb.retention_run AS r (policy, generation, digest, began_at, started_at)
    VALUES (p_policy, v_generation, p_digest, now(), now())
    ON CONFLICT (policy) DO UPDATE SET started_at = now(), generation = excluded.generation, resumed = r.resumed + 1
    WHERE r.digest = excluded.digest;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'an older run of policy % is still open', p_policy USING ERRCODE = 'SB002';
  END IF;
  SELECT greatest(max(retain_days), 30) INTO v_grace FROM sb.retention_limit
    WHERE enforced AND category IN ('Messages', 'MessageMetadata') HAVING count(*) > 0;
  INSERT INTO sb.retention_progress AS p (policy, kind, ruled, anonymize, cutoff)
    SELECT p_policy, k.kind, k.ruled, k.anonymize, COALESCE(now() - make_interval(secs => k.days::double precision * 86400), '-infinity')
    FROM (
      SELECT category AS kind, true AS ruled, action = 'Anonymize' AS anonymize, CASE
          WHEN category IN ('Messages', 'Attachments') THEN least(retain_days, (
            SELECT m.retain_days FROM sb.retention_limit m WHERE m.policy = p_policy AND m.category = 'MessageMetadata'))
          ELSE retain_days END AS days
        FROM sb.retention_limit WHERE policy = p_policy
      UNION ALL -- metadata takes content and files with it, named by a rule or not
      SELECT c.category, true, false, m.retain_days FROM sb.retention_limit m, (VALUES ('Messages'), ('Attachments')) c (category)
        WHERE m.policy = p_policy AND m.category = 'MessageMetadata'
          AND NOT EXISTS (SELECT FROM sb.retention_limit l WHERE l.policy = p_policy AND l.category = c.category)
      UNION ALL VALUES ('Conversations', false, false, NULL::integer), ('Files', false, false, NULL),
                       ('ProviderIDs', false, false, v_grace), ('ReplyKeys', false, false, v_grace)
    ) k
    ON CONFLICT (policy, kind) DO UPDATE SET cutoff = excluded.cutoff, held = NULL, overdue = NULL, oldest = NULL;
END
$$;
-- +goose StatementEnd

-- retention_count adds to a run's counter and gives back what was added.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_count(p_policy text, p_kind text, p_deleted bigint) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE sb.retention_progress SET deleted = deleted + p_deleted WHERE policy = p_policy AND kind = p_kind AND p_deleted > 0;
  RETURN p_deleted;
END
$$;
-- +goose StatementEnd

-- retention_anonymize gives, as SQL, what adds expired messages m to the counts that stay.
CREATE FUNCTION sb.retention_anonymize(p_from text) RETURNS text
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
  RETURN 'INSERT INTO sb.message_count AS c (day, channel, direction, messages) '
    'SELECT (m.at AT TIME ZONE ''UTC'')::date, m.channel, m.direction, count(*) FROM ' || p_from || ' m GROUP BY 1, 2, 3 '
    'ON CONFLICT (day, channel, direction) DO UPDATE SET messages = c.messages + excluded.messages';

-- retention_months lists the months, by their first instant, of which something is expired as a whole: its upper bound is not
-- past the cutoff.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_months(p_policy text) RETURNS SETOF timestamptz
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT DISTINCT q.lower FROM sb.retention_progress p CROSS JOIN sb.retention_table(p.kind) t CROSS JOIN LATERAL sb.retention_partitions(t.name) q
  WHERE p.policy = p_policy AND t.partitioned AND q.upper <= p.cutoff
  ORDER BY 1
$$;
-- +goose StatementEnd

-- retention_drop drops what is expired as a whole of some months, and counts it by kind; but a month's rows of a kind of which
-- any is held, which go in batches. Rows are counted under a lock that lets readers in and writers not. DROP needs a lock on the
-- parent too, which others queue up behind: it is awaited for a moment only, and taken when all is counted. The locks are taken
-- in the order in which a message that comes in takes them.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_drop(p_policy text, p_months timestamptz[]) RETURNS TABLE (kind text, dropped bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_part   record;
  v_holds  text;
  v_held   boolean;
  v_count  bigint;
  v_doomed text[] := '{}';
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
    kind := v_part.kind;
    dropped := sb.retention_count(p_policy, kind, v_count);
    RETURN NEXT;
  END LOOP;
  IF v_doomed <> '{}' THEN
    EXECUTE 'DROP TABLE ' || array_to_string(v_doomed, ', ');
  END IF;
END
$$;
-- +goose StatementEnd

-- retention_batch deletes at most p_limit expired rows of a kind that no hold keeps, and counts them. Rows that others have
-- locked are left to a later call. 0: nothing that could be deleted is left.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_batch(p_policy text, p_kind text, p_limit integer) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_progress sb.retention_progress;
  v_table    record;
  v_holds    text;
  v_free     text;
  v_doomed   text;
  v_part     text;
  v_files    uuid[];
  v_count    bigint := 0;
BEGIN
  -- The inner query of each statement locks expired rows, the outer deletes those very rows if they are expired still.
  PERFORM sb.retention_in_force(p_policy);
  SELECT * INTO STRICT v_progress FROM sb.retention_progress WHERE policy = p_policy AND kind = p_kind;
  SELECT * INTO v_table FROM sb.retention_table(p_kind);
  v_holds := sb.retention_holds(p_kind);
  v_free := COALESCE(' AND NOT EXISTS (SELECT FROM ' || v_holds || ')', '');
  IF v_table.name IS NOT NULL THEN
    v_doomed := format('DELETE FROM %%1$s t WHERE %1$I <= $1 AND ctid = ANY (ARRAY('
      'SELECT ctid FROM %%1$s t WHERE %1$I <= $1%2$s ORDER BY %1$I LIMIT $2 FOR UPDATE SKIP LOCKED))', v_table.mark, v_free);
  END IF;
  CASE
  WHEN v_table.partitioned THEN
    FOR v_part IN SELECT part FROM sb.retention_partitions(v_table.name) WHERE lower <= v_progress.cutoff LOOP
      IF v_progress.anonymize THEN
        EXECUTE format('WITH gone AS (' || v_doomed || ' RETURNING at, channel, direction), counted AS ('
          || sb.retention_anonymize('gone') || ') SELECT count(*) FROM gone', v_part) INTO v_count USING v_progress.cutoff, p_limit;
      ELSE
        EXECUTE format(v_doomed, v_part) USING v_progress.cutoff, p_limit;
        GET DIAGNOSTICS v_count = ROW_COUNT;
      END IF;
      IF v_count > 0 THEN
        PERFORM FROM pg_class WHERE oid = v_part::regclass AND reloptions @> ARRAY['autovacuum_vacuum_threshold=0'];
        IF NOT FOUND THEN
          EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0)', v_part);
        END IF;
        EXIT;
      END IF;
    END LOOP;
  WHEN p_kind = 'Attachments' THEN
    EXECUTE format('WITH gone AS (' || v_doomed || ' RETURNING file_id) SELECT count(*), array_agg(DISTINCT file_id) FROM gone', 'sb.attachment')
      INTO v_count, v_files USING v_progress.cutoff, p_limit;
    PERFORM sb.retention_count(p_policy, 'Files', sb.remove_files(v_files));
  WHEN v_table.name IS NOT NULL THEN
    EXECUTE format(v_doomed, 'sb.' || v_table.name) USING v_progress.cutoff, p_limit;
    GET DIAGNOSTICS v_count = ROW_COUNT;
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
      GET DIAGNOSTICS v_count = ROW_COUNT;
    END IF;
  WHEN p_kind = 'Files' THEN
    -- Those whose last attachment went in another way, with an erasure or never came to be. The hour keeps off a file
    -- whose attachment is being stored at this moment.
    SELECT sb.remove_files(array_agg(id)) INTO v_count FROM (
      SELECT f.id FROM sb.file f WHERE f.created_at <= now() - interval '1 hour'
        AND NOT EXISTS (SELECT FROM sb.attachment a WHERE a.file_id = f.id) LIMIT p_limit) doomed;
  WHEN p_kind = 'ReplyKeys' THEN
    DELETE FROM sb.reply_key WHERE created_at <= v_progress.cutoff AND ctid = ANY (ARRAY(
      SELECT ctid FROM sb.reply_key WHERE created_at <= v_progress.cutoff ORDER BY created_at LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_count = ROW_COUNT;
  END CASE;
  RETURN sb.retention_count(p_policy, p_kind, v_count);
END
$$;
-- +goose StatementEnd

-- retention_survey counts what a run would find: expired rows, how many of them are held, and all rows. The planner's estimates
-- stand for what need not be counted: of expired rows, for those of whole months when nothing is held.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_survey(p_policy text, p_kind text, p_count_expired boolean, p_count_total boolean,
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
      SELECT q.part, CASE WHEN q.upper <= v_cutoff AND c.reltuples >= 0 THEN c.reltuples::bigint END AS estimate
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

-- retention_planned writes down what a run is about to do. Of each policy the newest 20 plans are kept.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_planned(p_policy text, p_body text) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_digest text := encode(sha256(convert_to(p_body, 'UTF8')), 'hex');
BEGIN
  PERFORM FROM sb.retention_run WHERE policy = p_policy FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'policy % has no open run', p_policy USING ERRCODE = 'SB003';
  END IF;
  INSERT INTO sb.retention_plan (policy, digest, body) VALUES (p_policy, v_digest, p_body) ON CONFLICT DO NOTHING;
  DELETE FROM sb.retention_plan WHERE policy = p_policy AND digest NOT IN (
    SELECT digest FROM sb.retention_plan WHERE policy = p_policy ORDER BY planned_at DESC LIMIT 20);
  RETURN v_digest;
END
$$;
-- +goose StatementEnd

-- retention_oldest gives the oldest age mark of a category; NULL when there is no row. Months are asked one by one, oldest
-- first: a query over the whole table would open all of them.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_oldest(p_kind text) RETURNS timestamptz
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_table  record;
  v_part   record;
  v_oldest timestamptz;
BEGIN
  SELECT * INTO v_table FROM sb.retention_table(p_kind);
  FOR v_part IN
    SELECT q.part, q.lower FROM sb.retention_partitions(v_table.name) q WHERE v_table.partitioned
    UNION ALL SELECT ('sb.' || quote_ident(v_table.name))::regclass, NULL WHERE NOT v_table.partitioned
    ORDER BY 2
  LOOP
    EXECUTE format('SELECT min(%I) FROM %s', v_table.mark, v_part.part) INTO v_oldest;
    EXIT WHEN v_oldest IS NOT NULL;
  END LOOP;
  RETURN v_oldest;
END
$$;
-- +goose StatementEnd

-- retention_vacuumed tells when the space of a category's rows that batches had deleted was last cleared.
CREATE FUNCTION sb.retention_vacuumed(p_kind text, p_cutoff timestamptz) RETURNS timestamptz
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT min(greatest(pg_stat_get_last_vacuum_time(c.part), pg_stat_get_last_autovacuum_time(c.part)))
  FROM sb.retention_table(p_kind) t CROSS JOIN LATERAL (
    SELECT q.part FROM sb.retention_partitions(t.name) q WHERE q.lower <= p_cutoff AND q.upper > p_cutoff
    UNION ALL SELECT ('sb.' || quote_ident(t.name))::regclass WHERE NOT t.partitioned) c
$$;

-- retention_left reads back what is left of a category after a run, and keeps it for the seal: the oldest age mark, the
-- expired rows that are held, those that are neither held nor gone, and when their space was last cleared.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_left(p_policy text, p_kind text, OUT oldest timestamptz, OUT held bigint, OUT overdue bigint, OUT vacuumed timestamptz)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_table  record;
  v_holds  text := sb.retention_holds(p_kind);
  v_cutoff timestamptz;
BEGIN
  SELECT cutoff INTO STRICT v_cutoff FROM sb.retention_progress WHERE policy = p_policy AND kind = p_kind AND ruled FOR UPDATE;
  SELECT * INTO v_table FROM sb.retention_table(p_kind);
  oldest := sb.retention_oldest(p_kind);
  EXECUTE format('SELECT count(*) FILTER (WHERE NOT h), count(*) FILTER (WHERE h) FROM (SELECT %s AS h FROM sb.%I t WHERE %I <= $1) q',
    COALESCE('EXISTS (SELECT FROM ' || v_holds || ')', 'false'), v_table.name, v_table.mark) INTO overdue, held USING v_cutoff;
  DELETE FROM sb.retention_kept k WHERE k.policy = p_policy AND k.kind = p_kind;
  IF held > 0 THEN
    EXECUTE format('INSERT INTO sb.retention_kept (policy, kind, hold, kept) SELECT $2, $3, h, count(*) '
      'FROM sb.%I t, %s h WHERE t.%I <= $1 GROUP BY h', v_table.name, v_holds, v_table.mark) USING v_cutoff, p_policy, p_kind;
  END IF;
  vacuumed := sb.retention_vacuumed(p_kind, v_cutoff);
  UPDATE sb.retention_progress p SET held = retention_left.held, overdue = retention_left.overdue, oldest = retention_left.oldest
    WHERE p.policy = p_policy AND p.kind = p_kind;
END
$$;
-- +goose StatementEnd

-- retention_seal appends a receipt and closes the run that it tells of, in the caller's transaction. It refuses a
-- receipt that does not follow the newest one, whose digest is not that of its bytes, or whose counts and
-- cutoffs are not those that the deleting transactions and the read-back wrote down.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_seal(p_policy text, p_sequence bigint, p_body text, p_previous text, p_digest text)
  RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_body jsonb := p_body::jsonb;
BEGIN
  PERFORM FROM sb.retention_run WHERE policy = p_policy FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'policy % has no open run to seal', p_policy USING ERRCODE = 'SB003';
  END IF;
  PERFORM sb.receipt_append(p_policy, p_sequence, p_body, p_previous, p_digest);
  IF v_body ->> 'kind' IS DISTINCT FROM 'retention' OR (v_body ->> 'sequence')::bigint IS DISTINCT FROM p_sequence OR v_body ->> 'policy' IS DISTINCT FROM p_policy OR EXISTS (
    WITH counted AS (
      SELECT kind, ruled, deleted, CASE WHEN ruled THEN cutoff END, COALESCE(held, 0), overdue, oldest
        FROM sb.retention_progress WHERE policy = p_policy AND (ruled OR deleted > 0 OR overdue > 0)
      UNION ALL
      SELECT hold, NULL, sum(kept)::bigint, NULL, NULL, NULL, NULL FROM sb.retention_kept WHERE policy = p_policy GROUP BY hold
    ), told AS (
      SELECT c ->> 'category', true, (c ->> 'deleted')::bigint, (c ->> 'cutoff')::timestamptz, (c ->> 'heldBack')::bigint,
          (c ->> 'overdue')::bigint, (c ->> 'oldestLeft')::timestamptz FROM jsonb_array_elements(v_body -> 'categories') c
      UNION ALL
      SELECT o ->> 'kind', false, (o ->> 'deleted')::bigint, NULL, 0, (o ->> 'pending')::bigint, NULL FROM jsonb_array_elements(COALESCE(v_body -> 'followed', '[]')) o
      UNION ALL
      SELECT h ->> 'hold', NULL, (h ->> 'rows')::bigint, NULL, NULL, NULL, NULL FROM jsonb_array_elements(COALESCE(v_body -> 'holds', '[]')) h
    ) -- ALL: nothing may be told twice either.
    (TABLE counted EXCEPT ALL TABLE told) UNION ALL (TABLE told EXCEPT ALL TABLE counted)
  ) THEN
    RAISE EXCEPTION 'receipt % does not tell what was deleted', p_sequence USING ERRCODE = 'SB004';
  END IF;
  IF v_body ->> 'outcome' = 'Enforced' THEN
    UPDATE sb.retention_plan SET executed_at = now() WHERE policy = p_policy AND executed_at IS NULL;
    -- A day is complete once all of it has expired: what is too small to hide a person in goes.
    DELETE FROM sb.message_count c USING sb.retention_progress p
      WHERE p.policy = p_policy AND p.anonymize AND c.messages < 5 AND ((c.day + 1)::timestamp AT TIME ZONE 'UTC') <= p.cutoff;
  END IF;
  DELETE FROM sb.retention_run WHERE policy = p_policy;
  -- A database that was put back is served again once every policy has run.
  UPDATE sb.restore r SET finished_at = now() WHERE finished_at IS NULL AND NOT EXISTS (
    SELECT FROM sb.retention_limit l WHERE NOT EXISTS (SELECT FROM sb.receipt c WHERE c.policy = l.policy AND c.sequence > r.sequence));
END
$$;
-- +goose StatementEnd

-- remove_files removes those of the files that no attachment refers to, and gives their number. Objects of a store can't go in
-- this transaction: they are written down, to go after it. p_request is the uid of the request whose erasure this is.
-- +goose StatementBegin
CREATE FUNCTION sb.remove_files(p_files uuid[], p_request text DEFAULT NULL) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_content oid;
  v_object  text;
  v_count   bigint := 0;
BEGIN
  -- Who is about to refer to one of them holds it: the statement after this one sees whether they did.
  PERFORM FROM sb.file f WHERE f.id = ANY (p_files) ORDER BY f.id FOR UPDATE;
  FOR v_content, v_object IN
    DELETE FROM sb.file f WHERE f.id = ANY (p_files) AND NOT EXISTS (SELECT FROM sb.attachment a WHERE a.file_id = f.id) RETURNING content, object
  LOOP
    IF v_object IS NULL THEN
      PERFORM lo_unlink(v_content);
    ELSE
      INSERT INTO sb.file_removal (object, request) VALUES (v_object, p_request);
    END IF;
    v_count := v_count + 1;
  END LOOP;
  RETURN v_count;
END
$$;
-- +goose StatementEnd

-- What Anonymize has kept: how many messages there were on a day of UTC, of whole days and groups of five and more.
CREATE VIEW sb.message_statistics AS
  SELECT day, channel, direction, messages FROM sb.message_count
  WHERE messages >= 5 AND ((day + 1)::timestamp AT TIME ZONE 'UTC') <= sb.cutoff('MessageMetadata');

-- Functions are anyone's to call unless that is taken away.
REVOKE ALL ON FUNCTION sb.retention_partitions(text), sb.retention_in_force(text), sb.retention_open(text, text),
  sb.retention_count(text, text, bigint), sb.retention_months(text), sb.retention_drop(text, timestamptz[]), sb.retention_batch(text, text, integer),
  sb.retention_survey(text, text, boolean, boolean), sb.retention_planned(text, text), sb.retention_oldest(text),
  sb.retention_vacuumed(text, timestamptz), sb.retention_left(text, text), sb.retention_seal(text, bigint, text, text, text), sb.retention_holds(text), sb.holds_of_access(uuid, timestamptz),
  sb.remove_files(uuid[], text), sb.retention_anonymize(text), sb.retention_table(text), sb.ensure_partition(timestamptz), sb.holds_of(uuid, text, timestamptz),
  sb.holds_of_contact(uuid, timestamptz), sb.hold_bearer() FROM PUBLIC;

-- retention_total counts all rows of a category, for who erases the tenant.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_total(p_category text) RETURNS bigint
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_count bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM sb.%I', (sb.retention_table(p_category)).name) INTO v_count;
  RETURN v_count;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.retention_total(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.retention_total(text) TO sb_retain;

GRANT USAGE ON SCHEMA sb TO sb_retain;
GRANT SELECT ON sb.retention_limit, sb.retention_run, sb.retention_progress, sb.retention_kept, sb.retention_plan, sb.receipt TO sb_retain;
GRANT EXECUTE ON FUNCTION sb.retention_open(text, text), sb.retention_months(text), sb.retention_drop(text, timestamptz[]), sb.retention_batch(text, text, integer),
  sb.retention_survey(text, text, boolean, boolean), sb.retention_planned(text, text), sb.retention_left(text, text),
  sb.retention_seal(text, bigint, text, text, text) TO sb_retain;
GRANT EXECUTE ON FUNCTION sb.ensure_partition(timestamptz) TO sb_retain, sb_serve;
GRANT EXECUTE ON FUNCTION sb.receipt_lock() TO sb_retain;
GRANT SELECT ON sb.receipt, sb.message_statistics TO sb_serve;

-- +goose Down
DROP VIEW sb.message_statistics;
DROP FUNCTION sb.retention_total, sb.remove_files, sb.retention_seal, sb.retention_left, sb.retention_vacuumed, sb.retention_oldest, sb.retention_planned, sb.retention_survey, sb.retention_batch,
  sb.retention_drop, sb.retention_months, sb.retention_anonymize, sb.retention_count, sb.retention_open, sb.retention_in_force, sb.retention_holds,
  sb.holds_of_access, sb.retention_table, sb.retention_partitions;
DROP TABLE sb.retention_plan, sb.retention_kept, sb.retention_progress, sb.retention_run;
DROP INDEX sb.reply_key_created, sb.conversation_guestless, sb.receipt_policy;
