-- +goose Up
-- What comes neither from a guest's message nor from staff: an opt-out by an unsubscribe link, and what other systems of the
-- client's tell.

-- link_consent opts out whoever an unsubscribe link is for, on p_channel, * being all: the guest p_contact, whoever bears one of
-- p_hashes now, and p_hashes themselves, so that it counts after the guest was erased. p_hashes are under the version
-- p_key_version of the key. It tells whether anything has changed, which nobody is told.
-- +goose StatementBegin
CREATE FUNCTION sb.link_consent(p_channel text, p_contact uuid, p_hashes bytea[], p_key_version integer) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_address record;
  v_changed boolean := false;
BEGIN
  -- An erasure that is under way is waited for; a merge of contacts too.
  PERFORM FROM sb.contact c WHERE c.id = p_contact OR c.id IN (SELECT a.contact_id FROM sb.contact_address a WHERE a.address_hash = ANY (p_hashes))
    ORDER BY c.id FOR UPDATE;
  FOR v_address IN
    SELECT s.* FROM sb.suppressible(p_contact) s
    UNION SELECT s.* FROM (SELECT DISTINCT a.contact_id FROM sb.contact_address a WHERE a.address_hash = ANY (p_hashes)) b, sb.suppressible(b.contact_id) s
    UNION SELECT h, p_key_version FROM unnest(p_hashes) h
  LOOP
    IF NOT EXISTS (SELECT FROM sb.suppression s WHERE s.channel = '*' AND s.address_hash = v_address.address_hash AND NOT s.requested)
       AND sb.suppress(p_channel, v_address.address_hash, v_address.key_version) THEN
      INSERT INTO sb.consent_log (channel, address_hash, key_version, change, source)
        VALUES (p_channel, v_address.address_hash, v_address.key_version, 'stop', 'link');
      v_changed := true;
    END IF;
  END LOOP;
  RETURN v_changed;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.link_consent(text, uuid, bytea[], integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.link_consent(text, uuid, bytea[], integer) TO sb_serve;

-- Other systems of the client's, by whose tokens they come in (internal/instance/integration). A token is no secret here: of
-- its 256 random bits the database holds the SHA-256. None is exported, and a restore ends all of them.
CREATE TABLE sb.integration (
  id           uuid PRIMARY KEY,
  name         text  NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  token_hash   bytea NOT NULL UNIQUE,
  scopes       text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['events:write', 'optouts:write', 'contacts:read', 'conversations:read']),
  created_by   uuid  NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz NOT NULL CHECK (expires_at <= created_at + interval '366 days'),
  last_used_at timestamptz,
  revoked_at   timestamptz
);
GRANT SELECT, INSERT, UPDATE (last_used_at, revoked_at) ON sb.integration TO sb_serve;

-- integration_event stores what a system told of a guest, and gives 'stored'; 'seen' when an event of that key was told before,
-- whether or not it is still there: one that was erased does not come back by being sent again; 'expired' when it is past
-- its limit already. p_seen are keyed hashes of the key, p_kind to p_hashes the guest's first address and what else it is
-- known as, as sb.contact_of takes them. A guest who is not known is made. One who is known is not seen now: the limit of a
-- contact counts from what the guest does, not from what other systems tell.
-- +goose StatementBegin
CREATE FUNCTION sb.integration_event(p_id uuid, p_seen bytea[], p_source text, p_kind text, p_at timestamptz, p_data jsonb,
  p_kinds text[], p_addresses text[], p_hashes bytea[], p_key_version integer, p_new uuid) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_at      timestamptz := least(p_at, now()); -- an age mark in the future would outlive the limit
  v_contact uuid;
BEGIN
  IF v_at <= sb.cutoff('IntegrationData') THEN
    RETURN 'expired';
  END IF;
  IF NOT sb.first_seen('', p_seen) THEN -- no channel has that name
    RETURN 'seen';
  END IF;
  PERFORM FROM sb.integration_data d WHERE d.id = p_id; -- that the key was seen may be forgotten before the event is
  IF FOUND THEN
    RETURN 'seen';
  END IF;
  -- The lock waits for an erasure that is under way; the row is then not found.
  SELECT c.id INTO v_contact FROM sb.contact_address a JOIN sb.contact c ON c.id = a.contact_id
    WHERE a.kind = ANY (p_kinds) AND a.address_hash = ANY (p_hashes) AND c.last_seen_at > sb.cutoff('Contacts')
    ORDER BY c.last_seen_at DESC LIMIT 1 FOR UPDATE OF c;
  IF NOT FOUND THEN
    v_contact := sb.contact_of(p_kinds, p_addresses, p_hashes, p_key_version, p_new);
  END IF;
  INSERT INTO sb.integration_data (id, at, source, kind, contact_id, data) VALUES (p_id, v_at, p_source, p_kind, v_contact, p_data);
  RETURN 'stored';
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.integration_event(uuid, bytea[], text, text, timestamptz, jsonb, text[], text[], bytea[], integer, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.integration_event(uuid, bytea[], text, text, timestamptz, jsonb, text[], text[], bytea[], integer, uuid) TO sb_serve;

-- What did not arrive, or may not have: staff look at it, and send it once more.
CREATE INDEX message_undelivered ON sb.message (at DESC, id DESC) WHERE direction = 'out' AND status IN ('failed', 'unknown');

-- +goose Down
DROP INDEX sb.message_undelivered;
DROP FUNCTION sb.integration_event;
DROP TABLE sb.integration;
DROP FUNCTION sb.link_consent;
