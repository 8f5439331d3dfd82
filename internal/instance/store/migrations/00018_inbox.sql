-- +goose Up
-- What the staff's page needs: to hear that something is new, and to find a guest while their name is being typed.

-- staff_tell has the servers of the staff's page look again: a conversation's id for its thread, 'o' for opt-outs, 's' for
-- sessions. Notifications say where to look and never what there is: whoever listens learns ids, and must ask as everybody else.
-- Transactions that notify commit one after the other, so messages are told of only while a page is open: its server then holds
-- an advisory lock. Who gets that lock shared has nobody to tell, and a server gets it when all who did have ended.
-- +goose StatementBegin
CREATE FUNCTION sb.staff_tell() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_NARGS > 0 THEN
    PERFORM pg_notify('sb_staff', TG_ARGV[0]);
  ELSIF NOT pg_try_advisory_xact_lock_shared(18, 1) THEN
    PERFORM pg_notify('sb_staff', NEW.conversation_id::text);
  END IF;
  RETURN NULL;
END
$$;

-- staff_watch has messages told of from now on, until the session ends or gives the lock back; false when another server has seen
-- to that.
CREATE FUNCTION sb.staff_watch() RETURNS boolean
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $$
BEGIN
  IF pg_try_advisory_lock(18, 1) THEN
    RETURN true;
  ELSIF EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
      WHERE d.datname = current_database() AND l.locktype = 'advisory' AND (l.classid, l.objid, l.objsubid) = (18, 1, 2) AND l.mode = 'ExclusiveLock' AND l.granted) THEN
    RETURN false;
  END IF;
  PERFORM pg_advisory_lock(18, 1); -- those who have it shared end soon, and no others get it while this waits
  RETURN true;
END
$$;

-- staff_unwatch gives the lock back.
CREATE FUNCTION sb.staff_unwatch() RETURNS boolean
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  RETURN pg_advisory_unlock(18, 1);
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.staff_tell(), sb.staff_watch(), sb.staff_unwatch() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.staff_watch(), sb.staff_unwatch() TO sb_serve;

-- What was brought in from elsewhere is not news.
CREATE TRIGGER staff_tell_stored AFTER INSERT ON sb.message FOR EACH ROW
  WHEN (NEW.origin <> 'import' AND NEW.at > now() - interval '1 hour') EXECUTE FUNCTION sb.staff_tell();
CREATE TRIGGER staff_tell_moved AFTER UPDATE OF status ON sb.message FOR EACH ROW
  WHEN (NEW.status <> OLD.status) EXECUTE FUNCTION sb.staff_tell();
CREATE TRIGGER staff_tell AFTER INSERT OR UPDATE OR DELETE ON sb.suppression FOR EACH STATEMENT EXECUTE FUNCTION sb.staff_tell('o');
CREATE TRIGGER staff_tell AFTER UPDATE OF revoked_at OR DELETE ON sb.staff_session FOR EACH STATEMENT EXECUTE FUNCTION sb.staff_tell('s');
CREATE TRIGGER staff_tell AFTER UPDATE OF disabled_at OR DELETE ON sb.staff FOR EACH STATEMENT EXECUTE FUNCTION sb.staff_tell('s');

CREATE INDEX contact_words ON sb.contact USING gin (to_tsvector('simple', name)) WITH (gin_pending_list_limit = 256);
CREATE INDEX contact_address_end ON sb.contact_address (reverse(address) COLLATE "C");

-- search_conversations gives, the newest first, the threads after a place of their list whose guest's name has words that begin
-- so, as in 'ad':* & 'lov':*, or one of whose addresses ends in these digits; NULL for either is none. It runs as the owner:
-- row security would have each guest looked at before an index may be asked. What has expired is not found.
-- +goose StatementBegin
CREATE FUNCTION sb.search_conversations(p_words text, p_digits text, p_channel text, p_at timestamptz, p_id uuid, p_limit integer) RETURNS TABLE (id uuid)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan SET enable_seqscan = off
AS $$
DECLARE
  v_live timestamptz := sb.cutoff('Contacts');
  v_few  uuid[];
BEGIN
  -- The index gives the guests of words that few names have; for words of many the list is walked, where some are met soon.
  v_few := ARRAY(SELECT c.id FROM sb.contact c WHERE to_tsvector('simple', c.name) @@ to_tsquery('simple', p_words) AND c.last_seen_at > v_live LIMIT 2001);
  IF cardinality(v_few) <= 2000 THEN
    v_few := v_few || ARRAY(SELECT c.id FROM sb.contact_address a JOIN sb.contact c ON c.id = a.contact_id
      WHERE reverse(a.address) COLLATE "C" >= reverse(p_digits) AND reverse(a.address) COLLATE "C" < reverse(p_digits) || ':' AND c.last_seen_at > v_live);
    RETURN QUERY
      SELECT v.id FROM sb.conversation v
      WHERE v.contact_id = ANY (v_few) AND (v.last_message_at, v.id) < (p_at, p_id) AND (p_channel IS NULL OR v.channel = p_channel)
      ORDER BY v.last_message_at DESC, v.id DESC LIMIT p_limit;
    RETURN;
  END IF;
  RETURN QUERY
    SELECT f.id FROM (
      (SELECT v.id, v.last_message_at FROM sb.conversation v JOIN sb.contact c ON c.id = v.contact_id
        WHERE to_tsvector('simple', c.name) @@ to_tsquery('simple', p_words) AND c.last_seen_at > v_live
          AND (v.last_message_at, v.id) < (p_at, p_id) AND (p_channel IS NULL OR v.channel = p_channel)
        ORDER BY v.last_message_at DESC, v.id DESC LIMIT p_limit)
      UNION
      (SELECT v.id, v.last_message_at FROM sb.contact_address a JOIN sb.contact c ON c.id = a.contact_id JOIN sb.conversation v ON v.contact_id = c.id
        WHERE reverse(a.address) COLLATE "C" >= reverse(p_digits) AND reverse(a.address) COLLATE "C" < reverse(p_digits) || ':' AND c.last_seen_at > v_live
          AND (v.last_message_at, v.id) < (p_at, p_id) AND (p_channel IS NULL OR v.channel = p_channel)
        GROUP BY v.id ORDER BY v.last_message_at DESC, v.id DESC LIMIT p_limit)
    ) f ORDER BY f.last_message_at DESC, f.id DESC LIMIT p_limit;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.search_conversations(text, text, text, timestamptz, uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.search_conversations(text, text, text, timestamptz, uuid, integer) TO sb_serve;

-- +goose Down
DROP FUNCTION sb.search_conversations;
DROP INDEX sb.contact_address_end;
DROP INDEX sb.contact_words;
DROP TRIGGER staff_tell ON sb.staff;
DROP TRIGGER staff_tell ON sb.staff_session;
DROP TRIGGER staff_tell ON sb.suppression;
DROP TRIGGER staff_tell_moved ON sb.message;
DROP TRIGGER staff_tell_stored ON sb.message;
DROP FUNCTION sb.staff_unwatch, sb.staff_watch, sb.staff_tell;
