-- +goose Up
-- What staff decide about who is written to: what a guest told them by phone, and what a guest's own words meant. `instance
-- serve` calls these functions; it has no right to write suppressions or the consent log.

-- suppressible gives the keyed hashes by which a guest is opted out: one for each number, which WhatsApp may know too, of all contacts
-- that are the same person.
-- +goose StatementBegin
CREATE FUNCTION sb.suppressible(p_contact uuid) RETURNS TABLE (address_hash bytea, key_version integer)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_all uuid[] := sb.same_person(ARRAY[p_contact]);
BEGIN
  RETURN QUERY SELECT a.address_hash, a.key_version FROM sb.contact_address a
    WHERE a.contact_id = ANY (v_all) AND NOT (a.kind = 'whatsapp' AND EXISTS (
      SELECT FROM sb.contact_address p WHERE p.contact_id = ANY (v_all) AND p.kind = 'phone' AND p.address = '+' || a.address))
    ORDER BY a.kind, a.address_hash;
END
$$;
-- +goose StatementEnd

-- staff_consent opts somebody out (p_change stop, on p_channel, * being all) or in (start, on all): the guest p_contact, or
-- NULL, and an address, or NULL. p_hashes are the address's under every key, the current one first, and p_also those under
-- which the same number, or the guest's other addresses, may be known besides. p_source is as sb.consent_log has it.
-- changed is false when it was so before. A change is confirmed to a guest on the channel that was used last: channel and
-- confirmation_at are set when the message p_confirmation was stored, which the caller queues in the same transaction.
-- p_answer NULL: nothing is to be confirmed. Fails with SB301 when the guest has expired.
-- +goose StatementBegin
CREATE FUNCTION sb.staff_consent(p_change text, p_channel text, p_contact uuid, p_kind text, p_hashes bytea[], p_also bytea[],
  p_key_version integer, p_answer text, p_confirmation uuid, p_source text DEFAULT 'staff', OUT changed boolean, OUT channel text, OUT confirmation_at timestamptz)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_address record;
  v_all     bytea[] := p_hashes || p_also;
  v_thread  uuid;
BEGIN
  -- What a guest or a link has changed is told by whoever has seen it; and no other system opts anybody in.
  IF p_source NOT IN ('staff', 'api') OR p_source = 'api' AND p_change <> 'stop' THEN
    RAISE EXCEPTION 'nobody changes consent so' USING ERRCODE = '42501';
  END IF;
  changed := false;
  IF cardinality(p_hashes) > 1 THEN
    PERFORM sb.rehash(p_kind, p_hashes, p_key_version);
  END IF;
  IF p_contact IS NOT NULL THEN
    PERFORM FROM sb.contact c WHERE c.id = p_contact AND c.last_seen_at > sb.cutoff('Contacts') FOR UPDATE; -- an erasure is waited for
    IF NOT FOUND THEN
      RAISE EXCEPTION 'there is no such contact' USING ERRCODE = 'SB301';
    END IF;
    v_all := v_all || ARRAY(SELECT a.address_hash FROM sb.contact_address a WHERE a.contact_id = ANY (sb.same_person(ARRAY[p_contact])));
  END IF;

  CASE p_change
  WHEN 'stop' THEN
    FOR v_address IN SELECT * FROM sb.suppressible(p_contact) UNION SELECT p_hashes[1], p_key_version WHERE p_hashes IS NOT NULL LOOP
      -- Who opted out of all channels has opted out of this one.
      IF NOT EXISTS (SELECT FROM sb.suppression s WHERE s.channel = '*' AND s.address_hash = v_address.address_hash AND NOT s.requested)
         AND sb.suppress(p_channel, v_address.address_hash, v_address.key_version) THEN
        INSERT INTO sb.consent_log (channel, address_hash, key_version, change, source)
          VALUES (p_channel, v_address.address_hash, v_address.key_version, 'stop', p_source);
        changed := true;
      END IF;
    END LOOP;
  WHEN 'start' THEN
    WITH gone AS (DELETE FROM sb.suppression s WHERE s.address_hash = ANY (v_all) RETURNING s.address_hash, s.key_version)
    INSERT INTO sb.consent_log (channel, address_hash, key_version, change, source)
      SELECT '*', u.address_hash, u.key_version, 'start', p_source
      FROM (SELECT g.address_hash, g.key_version FROM gone g UNION SELECT m.address_hash, m.key_version FROM sb.marked(v_all) m WHERE EXISTS (SELECT FROM gone)) u;
    changed := FOUND;
  END CASE;

  IF changed AND p_answer IS NOT NULL THEN
    SELECT v.id, v.channel INTO v_thread, channel FROM sb.conversation v JOIN sb.channel c ON c.name = v.channel
      WHERE v.contact_id = p_contact AND (p_channel = '*' OR v.channel = p_channel)
        AND EXISTS (SELECT FROM sb.contact_address a WHERE a.contact_id = p_contact AND a.kind = sb.address_kind(v.channel))
      ORDER BY v.last_message_at DESC, v.id DESC LIMIT 1;
    IF FOUND THEN
      confirmation_at := clock_timestamp();
      PERFORM sb.store_message(p_confirmation, confirmation_at, v_thread, channel, 'out', 'confirmation', 'queued', NULL, p_answer);
    END IF;
  END IF;
END
$$;
-- +goose StatementEnd

-- decide_request ends what the guest of a conversation asked for in words of their own: p_decision confirm opts the guest out;
-- dismiss, for p_reason, lets messages go on. It returns what sb.opt_out said before; only requested is changed. A request
-- that is confirmed is told to the guest while it is fresh: later, one more message is not what was asked for. p_also are the
-- keyed hashes of the guest's addresses under every key.
-- +goose StatementBegin
CREATE FUNCTION sb.decide_request(p_conversation uuid, p_decision text, p_reason text, p_answer text, p_confirmation uuid, p_also bytea[] DEFAULT '{}',
  OUT before text, OUT channel text, OUT confirmation_at timestamptz)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_contact uuid;
  v_asked   timestamptz;
BEGIN
  SELECT c.id INTO v_contact FROM sb.conversation v JOIN sb.contact c ON c.id = v.contact_id
    WHERE v.id = p_conversation AND c.last_seen_at > sb.cutoff('Contacts') FOR UPDATE OF c;
  before := CASE WHEN FOUND THEN sb.opt_out(p_conversation) ELSE 'none' END;
  IF before <> 'requested' THEN
    RETURN;
  END IF;
  CASE p_decision
  WHEN 'confirm' THEN
    SELECT max(s.since) INTO v_asked FROM sb.suppression s JOIN sb.contact_address a USING (address_hash)
      WHERE a.contact_id = ANY (sb.same_person(ARRAY[v_contact])) AND s.requested;
    SELECT c.channel, c.confirmation_at INTO channel, confirmation_at
      FROM sb.staff_consent('stop', '*', v_contact, NULL, NULL, NULL, NULL,
        CASE WHEN v_asked > clock_timestamp() - interval '5 minutes' THEN p_answer END, p_confirmation) c;
  WHEN 'dismiss' THEN
    WITH gone AS (
      DELETE FROM sb.suppression s USING sb.contact_address a
      WHERE a.contact_id = ANY (sb.same_person(ARRAY[v_contact])) AND s.address_hash = a.address_hash AND s.requested RETURNING s.address_hash, s.key_version
    )
    INSERT INTO sb.consent_log (channel, address_hash, key_version, change, source, reason)
      SELECT '*', u.address_hash, u.key_version, 'dismiss', 'staff', p_reason
      FROM (SELECT g.address_hash, g.key_version FROM gone g UNION SELECT m.address_hash, m.key_version FROM sb.marked(p_also) m WHERE EXISTS (SELECT FROM gone)) u;
  END CASE;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.suppressible(uuid), sb.staff_consent(text, text, uuid, text, bytea[], bytea[], integer, text, uuid, text),
  sb.decide_request(uuid, text, text, text, uuid, bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.staff_consent(text, text, uuid, text, bytea[], bytea[], integer, text, uuid, text),
  sb.decide_request(uuid, text, text, text, uuid, bytea[]) TO sb_serve;

-- +goose Down
DROP FUNCTION sb.decide_request, sb.staff_consent, sb.suppressible;
