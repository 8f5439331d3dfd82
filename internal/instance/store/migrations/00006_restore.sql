-- +goose Up
-- How a database that was put back in time is recognised, and brought up to what has happened since. Whoever knows what it
-- held before, by an anchor from outside of it, asks sb.behind: every connection of `instance` does, and is given up when
-- the answer is yes. `instance replay` then carries out again what the operator's ledger tells of, in one transaction with a
-- receipt that takes the place after the last one that is known. Its role, sb_replay, has no right on any table that carries
-- words or addresses: erasures and opt-outs name people by keyed hashes.

-- lacks says whether something is missing that the anchor tells of: the receipt p_sequence with p_digest, or the change of
-- consent at (p_epoch, p_xid, p_id). Zeroes tell of nothing. An anchor of an epoch before is out of date: what it tells of
-- was replayed.
-- +goose StatementBegin
CREATE FUNCTION sb.lacks(p_epoch integer, p_sequence bigint, p_digest text, p_xid xid8, p_id bigint) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT p_epoch > sb.epoch() OR p_epoch = sb.epoch() AND (
    p_sequence > 0 AND NOT EXISTS (SELECT FROM sb.receipt WHERE sequence = p_sequence AND digest = p_digest)
    OR p_id > 0 AND NOT EXISTS (SELECT FROM sb.consent_log WHERE id = p_id AND xid = p_xid))
$$;
-- +goose StatementEnd

-- behind says whether the database must not be used: it lacks something, or is being replayed. Retention runs are part of
-- that, and are let in to it.
-- +goose StatementBegin
CREATE FUNCTION sb.behind(p_epoch integer, p_sequence bigint, p_digest text, p_xid xid8, p_id bigint) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT sb.lacks(p_epoch, p_sequence, p_digest, p_xid, p_id)
    OR session_user::text NOT LIKE 'sb\_retain\_v%' AND EXISTS (SELECT FROM sb.restore WHERE finished_at IS NULL)
$$;
-- +goose StatementEnd

-- consents_after gives the changes of consent after a position, in their order. Those of transactions that began after one
-- that is still under way wait for it, so that none is passed by.
-- +goose StatementBegin
CREATE FUNCTION sb.consents_after(p_epoch integer, p_xid xid8, p_id bigint, p_limit integer) RETURNS SETOF sb.consent_log
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM sb.consent_log
  WHERE xid > '0'::xid8 AND xid < pg_snapshot_xmin(pg_current_snapshot()) AND (epoch, xid, id) > (p_epoch, p_xid, p_id)
  ORDER BY epoch, xid, id LIMIT p_limit
$$;
-- +goose StatementEnd

-- consent_newest gives the newest change of consent that was not brought back.
-- +goose StatementBegin
CREATE FUNCTION sb.consent_newest() RETURNS SETOF sb.consent_log
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM sb.consent_log WHERE xid > '0'::xid8 ORDER BY epoch DESC, xid DESC, id DESC LIMIT 1
$$;
-- +goose StatementEnd

-- restore_consent repeats a change of consent. What a guest said, or asked for by a request, counts everywhere, all else for the
-- channel that is told, as it was at first.
-- +goose StatementBegin
CREATE FUNCTION sb.restore_consent(p_at timestamptz, p_channel text, p_hash bytea, p_key_version integer, p_change text, p_source text, p_reason text)
  RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  CASE p_change
  WHEN 'stop' THEN
    INSERT INTO sb.suppression AS s (channel, address_hash, key_version, since)
      VALUES (CASE WHEN p_source IN ('guest', 'request') THEN '*' ELSE p_channel END, p_hash, p_key_version, p_at)
      ON CONFLICT (channel, address_hash) DO UPDATE SET since = excluded.since, requested = false WHERE s.requested;
  WHEN 'request' THEN
    INSERT INTO sb.suppression (channel, address_hash, key_version, since, requested) VALUES ('*', p_hash, p_key_version, p_at, true)
      ON CONFLICT DO NOTHING;
  WHEN 'dismiss' THEN
    DELETE FROM sb.suppression WHERE requested AND address_hash = p_hash;
  WHEN 'start' THEN
    DELETE FROM sb.suppression WHERE (p_channel = '*' OR channel IN ('*', p_channel)) AND address_hash = p_hash;
  END CASE;
  INSERT INTO sb.consent_log (at, xid, channel, address_hash, key_version, change, source, reason)
    VALUES (p_at, '0', p_channel, p_hash, p_key_version, p_change, p_source, p_reason);
END
$$;
-- +goose StatementEnd

-- restore_account gives what was noted of a request that is carried out again, and forgets it: its receipt is the replay's.
-- +goose StatementBegin
CREATE FUNCTION sb.restore_account(p_request text) RETURNS TABLE (verdict text, category text, rows bigint)
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM sb.request_count c WHERE c.request = p_request RETURNING c.verdict, c.category, c.rows
$$;
-- +goose StatementEnd

-- restore_settle ends what must not go on from where it was: sessions of staff, tokens of other systems, archives that may have been fetched, and
-- messages on their way out, which may have been sent since; staff see them as unknown and decide.
-- +goose StatementBegin
CREATE FUNCTION sb.restore_settle(OUT sessions bigint, OUT archives bigint, OUT unknown bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_queue text;
BEGIN
  UPDATE sb.staff_session SET revoked_at = now() WHERE revoked_at IS NULL;
  GET DIAGNOSTICS sessions = ROW_COUNT;
  -- One of them may have been revoked since.
  UPDATE sb.integration SET revoked_at = now() WHERE revoked_at IS NULL;
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

-- restore_seal appends the receipt of a replay and opens the new epoch, in the transaction that replayed. The receipt follows
-- the last one that is known, which this database may lack. With no policy in force the quarantine ends here.
-- +goose StatementBegin
CREATE FUNCTION sb.restore_seal(p_epoch integer, p_sequence bigint, p_body text, p_previous text, p_digest text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_body jsonb := p_body::jsonb;
BEGIN
  PERFORM sb.receipt_lock();
  IF p_epoch <= sb.epoch() OR v_body ->> 'kind' IS DISTINCT FROM 'restore' OR (v_body ->> 'sequence')::bigint IS DISTINCT FROM p_sequence
    OR EXISTS (SELECT FROM sb.receipt WHERE sequence >= p_sequence)
    OR EXISTS (SELECT FROM sb.receipt WHERE sequence = p_sequence - 1 AND digest <> p_previous)
    OR p_digest <> sb.receipt_digest(p_previous, p_body)
  THEN
    RAISE EXCEPTION 'receipt % does not follow what is known', p_sequence USING ERRCODE = 'SB004';
  END IF;
  INSERT INTO sb.receipt (sequence, policy, body, previous, digest) VALUES (p_sequence, '', p_body, p_previous, p_digest);
  INSERT INTO sb.restore (epoch, sequence, finished_at)
    SELECT p_epoch, p_sequence, CASE WHEN NOT EXISTS (SELECT FROM sb.retention_limit) THEN now() END;
  -- What an opt-out that was carried out again has logged is no news either: told as such, it would undo a later START at
  -- the next replay.
  UPDATE sb.consent_log SET xid = '0' WHERE xid = pg_current_xact_id();
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.consent_newest(), sb.epoch(), sb.lacks(integer, bigint, text, xid8, bigint), sb.behind(integer, bigint, text, xid8, bigint),
  sb.consents_after(integer, xid8, bigint, integer), sb.restore_consent(timestamptz, text, bytea, integer, text, text, text),
  sb.restore_account(text), sb.restore_settle(), sb.restore_seal(integer, bigint, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.behind(integer, bigint, text, xid8, bigint) TO sb_serve, sb_connector, sb_retain, sb_subject, sb_replay, sb_backup;
GRANT EXECUTE ON FUNCTION sb.epoch(), sb.lacks(integer, bigint, text, xid8, bigint), sb.consents_after(integer, xid8, bigint, integer),
  sb.consent_newest() TO sb_serve;

-- `instance backup` copies the server by replication; of its rows it reads which receipts will be in the copy.
GRANT USAGE ON SCHEMA sb TO sb_backup;
GRANT SELECT ON sb.receipt TO sb_backup;

GRANT USAGE ON SCHEMA sb TO sb_replay;
GRANT SELECT ON sb.receipt, sb.restore TO sb_replay;
GRANT EXECUTE ON FUNCTION sb.epoch(), sb.lacks(integer, bigint, text, xid8, bigint), sb.receipt_lock(),
  sb.subject_erase(text, text[], bytea[]), sb.subject_suppress(text, text, bytea[], integer),
  sb.restore_consent(timestamptz, text, bytea, integer, text, text, text), sb.restore_account(text),
  sb.restore_settle(), sb.restore_seal(integer, bigint, text, text, text) TO sb_replay;

-- +goose Down
DROP FUNCTION sb.restore_seal, sb.restore_settle, sb.restore_account, sb.restore_consent, sb.consent_newest, sb.consents_after, sb.behind, sb.lacks;
REVOKE ALL ON ALL TABLES IN SCHEMA sb FROM sb_replay;
REVOKE USAGE ON SCHEMA sb FROM sb_replay;
REVOKE SELECT ON sb.receipt FROM sb_backup;
REVOKE USAGE ON SCHEMA sb FROM sb_backup;
