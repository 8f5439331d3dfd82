-- +goose Up
-- One person whom staff know by several contacts. Contacts that are merged keep their rows, threads and addresses: they are one
-- person because a row says so, and taking them apart ends that. What asks for a person asks for all of them: opt-outs,
-- holds, requests and erasures.

-- merged_into makes a forest: its root is whom staff see, and person, of each that is not alone, is the root's id.
ALTER TABLE sb.contact ADD person uuid, ADD merged_into uuid, ADD merged_at timestamptz, ADD merged_by uuid,
  ADD CONSTRAINT contact_merged CHECK (num_nonnulls(merged_into, merged_at, merged_by) IN (0, 3));
CREATE INDEX contact_person ON sb.contact (person) WHERE person IS NOT NULL;

-- same_person gives the contacts that are one person with any of these, and these.
-- +goose StatementBegin
CREATE FUNCTION sb.same_person(p_contacts uuid[]) RETURNS uuid[]
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT COALESCE(array_agg(i), '{}') FROM (
    SELECT unnest(p_contacts) UNION SELECT o.id FROM sb.contact c JOIN sb.contact o ON o.person = c.person WHERE c.id = ANY (p_contacts)) s (i)
$$;
-- +goose StatementEnd

-- thread_hashes gives the keyed hashes of all addresses of the person whose thread it is.
-- +goose StatementBegin
CREATE FUNCTION sb.thread_hashes(p_conversation uuid) RETURNS SETOF bytea
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.address_hash FROM sb.contact_address a
  WHERE a.contact_id = ANY (sb.same_person(ARRAY(SELECT v.contact_id FROM sb.conversation v WHERE v.id = p_conversation AND v.contact_id IS NOT NULL)))
$$;
-- +goose StatementEnd

-- hold_person has a hold on one of a person's contacts hold all of them. It is never taken back before the hold ends: taking
-- contacts apart lets nothing go that was held.
-- +goose StatementBegin
CREATE FUNCTION sb.hold_person() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO sb.hold_contact (hold, contact_id)
    SELECT NEW.hold, o.id FROM sb.contact c JOIN sb.contact o ON o.person = c.person WHERE c.id = NEW.contact_id ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER hold_person AFTER INSERT ON sb.hold_contact FOR EACH ROW EXECUTE FUNCTION sb.hold_person();

-- regroup puts a person right of whom contacts have gone, or were taken apart: who was merged into one that is no more is
-- merged into the root, and who is left alone is a person of their own.
-- +goose StatementBegin
CREATE FUNCTION sb.regroup(p_person uuid) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_left uuid[] := ARRAY(SELECT c.id FROM sb.contact c WHERE c.person = p_person ORDER BY c.id FOR UPDATE);
  v_root uuid;
BEGIN
  SELECT c.id INTO v_root FROM sb.contact c WHERE c.id = ANY (v_left)
    ORDER BY c.merged_into IS NOT NULL, c.merged_into = ANY (v_left), c.merged_at, c.id LIMIT 1;
  UPDATE sb.contact SET merged_into = NULL, merged_at = NULL, merged_by = NULL WHERE id = v_root AND merged_into IS NOT NULL;
  UPDATE sb.contact SET merged_into = v_root WHERE id = ANY (v_left) AND id <> v_root AND merged_into <> ALL (v_left);
  UPDATE sb.contact SET person = CASE WHEN cardinality(v_left) > 1 THEN v_root END
    WHERE id = ANY (v_left) AND person IS DISTINCT FROM CASE WHEN cardinality(v_left) > 1 THEN v_root END;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.contact_gone() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM sb.regroup(g.person) FROM (SELECT DISTINCT person FROM gone WHERE person IS NOT NULL) g;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER contact_gone AFTER DELETE ON sb.contact REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION sb.contact_gone();

-- merge_contacts has staff say that p_contact is p_into: both persons become one, whom staff see as p_into's. False: they are one
-- already. Fails with SB301 when one of them is not there or has expired.
-- +goose StatementBegin
CREATE FUNCTION sb.merge_contacts(p_contact uuid, p_into uuid, p_by uuid) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_from uuid;
  v_root uuid;
  v_all  uuid[];
BEGIN
  PERFORM FROM sb.rules FOR SHARE; -- holds stay as they are until this ends
  -- Erasures are waited for, and other merges.
  PERFORM FROM sb.contact c WHERE c.id = ANY (sb.same_person(ARRAY[p_contact, p_into])) ORDER BY c.id FOR UPDATE;
  IF (SELECT count(*) FROM sb.contact c WHERE c.id IN (p_contact, p_into) AND c.last_seen_at > sb.cutoff('Contacts'))
    < (CASE WHEN p_contact = p_into THEN 1 ELSE 2 END) THEN
    RAISE EXCEPTION 'there is no such contact' USING ERRCODE = 'SB301';
  END IF;
  SELECT COALESCE(c.person, c.id) INTO v_from FROM sb.contact c WHERE c.id = p_contact;
  SELECT COALESCE(c.person, c.id) INTO v_root FROM sb.contact c WHERE c.id = p_into;
  IF v_from = v_root THEN
    RETURN false;
  END IF;
  v_all := sb.same_person(ARRAY[p_contact, p_into]);
  UPDATE sb.contact SET merged_into = v_root, merged_at = now(), merged_by = p_by WHERE id = v_from;
  UPDATE sb.contact SET person = v_root WHERE id = ANY (v_all);
  INSERT INTO sb.hold_contact (hold, contact_id) SELECT DISTINCT b.hold, m FROM sb.hold_contact b, unnest(v_all) m WHERE b.contact_id = ANY (v_all)
    ON CONFLICT DO NOTHING;
  RETURN true;
END
$$;
-- +goose StatementEnd

-- split_contact takes a contact apart from the one that it was merged into, with those that were merged into it before. False: it
-- was merged into none. Fails with SB301 when it is not there or has expired.
-- +goose StatementBegin
CREATE FUNCTION sb.split_contact(p_contact uuid) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_contact sb.contact;
  v_mine    uuid[];
BEGIN
  PERFORM FROM sb.contact c WHERE c.id = ANY (sb.same_person(ARRAY[p_contact])) ORDER BY c.id FOR UPDATE;
  SELECT c.* INTO v_contact FROM sb.contact c WHERE c.id = p_contact AND c.last_seen_at > sb.cutoff('Contacts');
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no such contact' USING ERRCODE = 'SB301';
  END IF;
  IF v_contact.merged_into IS NULL THEN
    RETURN false;
  END IF;
  WITH RECURSIVE mine (id) AS (
    VALUES (p_contact) UNION SELECT c.id FROM mine m JOIN sb.contact c ON c.merged_into = m.id WHERE c.person = v_contact.person
  )
  SELECT array_agg(id) INTO v_mine FROM mine;
  UPDATE sb.contact SET merged_into = NULL, merged_at = NULL, merged_by = NULL WHERE id = p_contact;
  UPDATE sb.contact SET person = p_contact WHERE id = ANY (v_mine);
  PERFORM sb.regroup(p_contact);
  PERFORM sb.regroup(v_contact.person);
  RETURN true;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.same_person(uuid[]), sb.thread_hashes(uuid), sb.hold_person(), sb.regroup(uuid), sb.contact_gone(),
  sb.merge_contacts(uuid, uuid, uuid), sb.split_contact(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.merge_contacts(uuid, uuid, uuid), sb.split_contact(uuid) TO sb_serve;

-- +goose Down
DROP FUNCTION sb.split_contact, sb.merge_contacts;
DROP TRIGGER contact_gone ON sb.contact;
DROP TRIGGER hold_person ON sb.hold_contact;
DROP FUNCTION sb.contact_gone, sb.regroup, sb.hold_person, sb.thread_hashes, sb.same_person;
ALTER TABLE sb.contact DROP merged_by, DROP merged_at, DROP merged_into, DROP person;
