-- +goose Up
-- What `instance retain` may do, and nothing beside it. Its role, sb_retain, has no right on any table that carries
-- words or addresses: it calls the functions below, which belong to sb_owner, compute every cutoff from the limits in
-- force, and check expiry again in the statement that deletes. Whoever steals the role can delete what has expired,
-- and read counts and times; they can read no message and delete none that is still to be kept.
--
-- VACUUM. DELETE marks rows, VACUUM removes them, and before PostgreSQL 17 only a table's owner may run it. Making
-- sb_retain a member of sb_owner for that would undo all of the above, so autovacuum does it: tables that lose rows to
-- batches have their thresholds set to zero, whereupon autovacuum takes them at its next round (autovacuum_naptime,
-- one minute by default). The run claims no VACUUM, for it has seen none. A dropped partition needs none.

ALTER TABLE sb.contact         SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);
ALTER TABLE sb.contact_address SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);
ALTER TABLE sb.seen            SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE sb.reply_key       SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX seen_at ON sb.seen (seen_at);
CREATE INDEX reply_key_created ON sb.reply_key (created_at);
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

-- What the run has deleted so far, raised in each deleting transaction. kind is a category, or one of the tables that
-- follow a category: Conversations, ProviderIDs, ReplyKeys. cutoff is -infinity for a kind that nothing bounds.
CREATE TABLE sb.retention_progress (
  policy  text        NOT NULL REFERENCES sb.retention_run (policy) ON DELETE CASCADE,
  kind    text        NOT NULL,
  ruled   boolean     NOT NULL,         -- a category that the receipt reports, with a cutoff of its own
  cutoff  timestamptz NOT NULL,
  deleted bigint      NOT NULL DEFAULT 0,
  PRIMARY KEY (policy, kind)
);

-- retention_partitions lists the partitions of a table with their bounds, oldest first.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_partitions(p_table text) RETURNS TABLE (part regclass, lower timestamptz, upper timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
  SELECT c.oid::regclass, (b.bound)[1]::timestamptz, (b.bound)[2]::timestamptz
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  CROSS JOIN LATERAL (SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), $r$FROM \('(.*)'\) TO \('(.*)'\)$r$) AS bound) b
  WHERE i.inhparent = ('sb.' || quote_ident(p_table))::regclass
  ORDER BY 2
$$;
-- +goose StatementEnd

-- retention_table names the partitioned table of a category, NULL for other kinds.
CREATE FUNCTION sb.retention_table(p_kind text) RETURNS text
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
  RETURN CASE p_kind WHEN 'Messages' THEN 'message_body' WHEN 'MessageMetadata' THEN 'message'
                     WHEN 'AccessLogs' THEN 'access_log' END;

-- retention_hold makes sure, inside a deleting transaction, that the run's rules are still in force, and keeps them so
-- until it ends: `instance migrate` waits for a batch, never the other way round in the middle of one.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_hold(p_policy text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM FROM sb.retention_run WHERE policy = p_policy FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'policy % has no open run', p_policy USING ERRCODE = 'SB003';
  END IF;
  LOOP
    PERFORM FROM sb.retention_limit l JOIN sb.retention_run r USING (policy, digest) WHERE l.policy = p_policy FOR SHARE OF l;
    EXIT WHEN FOUND;
    -- Having waited for `instance migrate`, that statement saw its DELETE and not yet its INSERT: a new one sees both.
    PERFORM FROM sb.retention_limit l JOIN sb.retention_run r USING (policy, digest) WHERE l.policy = p_policy;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'policy % changed while its run was under way', p_policy USING ERRCODE = 'SB001';
    END IF;
  END LOOP;
END
$$;
-- +goose StatementEnd

-- retention_open begins a policy's run, or takes up the one that was interrupted, and fixes the cutoffs by now().
-- Content never outlives its metadata: where MessageMetadata has the shorter limit, it is the limit of Messages too.
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
  PERFORM FROM sb.retention_limit WHERE policy = p_policy FOR SHARE;
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
    WHERE category IN ('Messages', 'MessageMetadata') HAVING count(*) > 0;
  INSERT INTO sb.retention_progress AS p (policy, kind, ruled, cutoff)
    SELECT p_policy, k.kind, k.ruled, COALESCE(now() - make_interval(secs => k.days::double precision * 86400), '-infinity')
    FROM (
      SELECT category AS kind, true AS ruled, retain_days AS days FROM sb.retention_limit
        WHERE policy = p_policy AND category NOT IN ('Messages')
      UNION ALL
      SELECT 'Messages', true, min(retain_days) FROM sb.retention_limit
        WHERE policy = p_policy AND category IN ('Messages', 'MessageMetadata') HAVING count(*) > 0
      UNION ALL VALUES ('Conversations', false, NULL::integer), ('ProviderIDs', false, v_grace), ('ReplyKeys', false, v_grace)
    ) k
    ON CONFLICT (policy, kind) DO UPDATE SET cutoff = excluded.cutoff;
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

-- retention_drop drops the oldest partition of a category whose every row is expired: its upper bound is not past the
-- cutoff. The rows are counted under a lock that lets readers in and writers not. NULL: there is none to drop.
-- The lock on the parent that DROP needs is awaited for a moment only, since others queue up behind it.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_drop(p_policy text, p_kind text) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms'
AS $$
DECLARE
  v_part  regclass;
  v_count bigint;
BEGIN
  PERFORM sb.retention_hold(p_policy);
  SELECT q.part INTO v_part FROM sb.retention_progress p, sb.retention_partitions(sb.retention_table(p_kind)) q
    WHERE p.policy = p_policy AND p.kind = p_kind AND p.ruled AND q.upper <= p.cutoff ORDER BY q.lower LIMIT 1;
  IF v_part IS NULL THEN
    RETURN NULL;
  END IF;
  EXECUTE format('LOCK TABLE %s IN SHARE MODE', v_part);
  EXECUTE format('SELECT count(*) FROM %s', v_part) INTO v_count;
  EXECUTE format('DROP TABLE %s', v_part);
  RETURN sb.retention_count(p_policy, p_kind, v_count);
END
$$;
-- +goose StatementEnd

-- retention_batch deletes at most p_limit expired rows of a kind and counts them. Rows that others hold locked are left
-- to a later call. 0: nothing that could be deleted is left.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_batch(p_policy text, p_kind text, p_limit integer) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_cutoff timestamptz;
  v_part   regclass;
  v_count  bigint := 0;
BEGIN
  -- The inner query of each statement locks expired rows, the outer deletes those very rows if they are expired still.
  PERFORM sb.retention_hold(p_policy);
  SELECT cutoff INTO STRICT v_cutoff FROM sb.retention_progress WHERE policy = p_policy AND kind = p_kind;
  CASE p_kind
  WHEN 'Messages', 'MessageMetadata', 'AccessLogs' THEN
    FOR v_part IN SELECT part FROM sb.retention_partitions(sb.retention_table(p_kind)) WHERE lower <= v_cutoff LOOP
      EXECUTE format('DELETE FROM %1$s WHERE at <= $1 AND ctid = ANY (ARRAY('
        'SELECT ctid FROM %1$s WHERE at <= $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))', v_part)
        USING v_cutoff, p_limit;
      GET DIAGNOSTICS v_count = ROW_COUNT;
      IF v_count > 0 THEN
        PERFORM FROM pg_class WHERE oid = v_part AND reloptions @> ARRAY['autovacuum_vacuum_threshold=0'];
        IF NOT FOUND THEN
          EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0)', v_part);
        END IF;
        EXIT;
      END IF;
    END LOOP;
  WHEN 'Contacts' THEN
    DELETE FROM sb.contact WHERE last_seen_at <= v_cutoff AND ctid = ANY (ARRAY(
      SELECT ctid FROM sb.contact WHERE last_seen_at <= v_cutoff ORDER BY last_seen_at LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_count = ROW_COUNT;
  WHEN 'Conversations' THEN
    -- A thread without guest and without metadata says nothing about anyone. The day keeps off a message that is being
    -- stored at this moment.
    WITH doomed AS (SELECT c.id FROM sb.conversation c
                    WHERE c.contact_id IS NULL AND c.last_message_at <= now() - interval '24 hours'
                      AND NOT EXISTS (SELECT FROM sb.message m WHERE m.conversation_id = c.id)
                    LIMIT p_limit FOR UPDATE OF c SKIP LOCKED)
    DELETE FROM sb.conversation c USING doomed d WHERE c.id = d.id;
    GET DIAGNOSTICS v_count = ROW_COUNT;
  WHEN 'ProviderIDs' THEN
    DELETE FROM sb.seen WHERE seen_at <= v_cutoff AND ctid = ANY (ARRAY(
      SELECT ctid FROM sb.seen WHERE seen_at <= v_cutoff ORDER BY seen_at LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_count = ROW_COUNT;
  WHEN 'ReplyKeys' THEN
    DELETE FROM sb.reply_key WHERE created_at <= v_cutoff AND ctid = ANY (ARRAY(
      SELECT ctid FROM sb.reply_key WHERE created_at <= v_cutoff ORDER BY created_at LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_count = ROW_COUNT;
  END CASE;
  RETURN sb.retention_count(p_policy, p_kind, v_count);
END
$$;
-- +goose StatementEnd

-- retention_left reads back what is left of a category: the oldest age mark (NULL when there is no row) and the number
-- of rows at or before the cutoff.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_left(p_kind text, p_cutoff timestamptz, OUT oldest timestamptz, OUT overdue bigint)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_table text := COALESCE(sb.retention_table(p_kind), CASE p_kind WHEN 'Contacts' THEN 'contact' END);
  v_mark  text := CASE p_kind WHEN 'Contacts' THEN 'last_seen_at' ELSE 'at' END;
BEGIN
  IF v_table IS NULL THEN
    RAISE EXCEPTION 'no category %', p_kind;
  END IF;
  EXECUTE format('SELECT min(%1$I) FROM sb.%2$I', v_mark, v_table) INTO oldest;
  EXECUTE format('SELECT count(*) FROM sb.%2$I WHERE %1$I <= $1', v_mark, v_table) INTO overdue USING p_cutoff;
END
$$;
-- +goose StatementEnd

-- retention_seal appends a receipt and closes the run that it tells of, in the caller's transaction. It refuses a
-- receipt that does not follow the newest one, whose digest is not that of its bytes, or whose counts are not those
-- that the deleting transactions wrote down.
-- +goose StatementBegin
CREATE FUNCTION sb.retention_seal(p_policy text, p_sequence bigint, p_body text, p_previous text, p_digest text)
  RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_sequence bigint;
  v_previous text;
  v_body     jsonb := p_body::jsonb;
BEGIN
  PERFORM FROM sb.retention_run WHERE policy = p_policy FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'policy % has no open run to seal', p_policy USING ERRCODE = 'SB003';
  END IF;
  SELECT sequence, digest INTO v_sequence, v_previous FROM sb.receipt ORDER BY sequence DESC LIMIT 1;
  IF p_sequence <> COALESCE(v_sequence, 0) + 1 OR p_previous <> COALESCE(v_previous, repeat('0', 64)) THEN
    RAISE EXCEPTION 'receipt % does not follow receipt %', p_sequence, COALESCE(v_sequence, 0) USING ERRCODE = 'SB004';
  END IF;
  IF p_digest <> encode(sha256(convert_to('switchboard/receipt/v1', 'UTF8') || '\x00'::bytea
                               || decode(p_previous, 'hex') || convert_to(p_body, 'UTF8')), 'hex') THEN
    RAISE EXCEPTION 'the digest of receipt % is not that of its bytes', p_sequence USING ERRCODE = 'SB004';
  END IF;
  IF (v_body ->> 'sequence')::bigint IS DISTINCT FROM p_sequence OR v_body ->> 'policy' IS DISTINCT FROM p_policy OR EXISTS (
    WITH counted AS (
      SELECT kind, ruled, deleted FROM sb.retention_progress WHERE policy = p_policy AND (ruled OR deleted > 0)
    ), told AS (
      SELECT c ->> 'category', true, (c ->> 'deleted')::bigint FROM jsonb_array_elements(v_body -> 'categories') c
      UNION ALL
      SELECT o ->> 'kind', false, (o ->> 'deleted')::bigint FROM jsonb_array_elements(COALESCE(v_body -> 'followed', '[]')) o
    ) -- ALL: nothing may be told twice either.
    (TABLE counted EXCEPT ALL TABLE told) UNION ALL (TABLE told EXCEPT ALL TABLE counted)
  ) THEN
    RAISE EXCEPTION 'receipt % does not tell what was deleted', p_sequence USING ERRCODE = 'SB004';
  END IF;
  INSERT INTO sb.receipt (sequence, policy, body, previous, digest)
    VALUES (p_sequence, p_policy, p_body, p_previous, p_digest);
  DELETE FROM sb.retention_run WHERE policy = p_policy;
END
$$;
-- +goose StatementEnd

-- Functions are anyone's to call unless that is taken away.
REVOKE ALL ON FUNCTION sb.retention_partitions(text), sb.retention_hold(text), sb.retention_open(text, text),
  sb.retention_count(text, text, bigint), sb.retention_drop(text, text), sb.retention_batch(text, text, integer),
  sb.retention_left(text, timestamptz), sb.retention_seal(text, bigint, text, text, text),
  sb.ensure_partition(timestamptz) FROM PUBLIC;

GRANT USAGE ON SCHEMA sb TO sb_retain;
GRANT SELECT ON sb.retention_limit, sb.retention_run, sb.retention_progress, sb.receipt TO sb_retain;
GRANT EXECUTE ON FUNCTION sb.retention_open(text, text), sb.retention_drop(text, text),
  sb.retention_batch(text, text, integer), sb.retention_left(text, timestamptz),
  sb.retention_seal(text, bigint, text, text, text) TO sb_retain;
GRANT EXECUTE ON FUNCTION sb.ensure_partition(timestamptz) TO sb_retain, sb_serve;
GRANT SELECT ON sb.receipt TO sb_serve;

-- +goose Down
DROP FUNCTION sb.retention_seal, sb.retention_left, sb.retention_batch, sb.retention_drop, sb.retention_count,
  sb.retention_open, sb.retention_hold, sb.retention_table, sb.retention_partitions;
DROP TABLE sb.retention_progress, sb.retention_run;
DROP INDEX sb.seen_at, sb.reply_key_created, sb.conversation_guestless;
