-- +goose Up
-- What the connector of an SMPP channel notes beside messages. SMPP gives an inbound message no id, splits long ones, and tells
-- what became of each part of an outbound one. These rows hold ids, numbers and keyed hashes: the words of a part stand in
-- sb.message_body from the moment that it arrives, under its limits, holds and requests.

-- Messages of guests of which nobody knows yet whether the message centre has heard that they were taken: it sends them again
-- when it has not. fingerprint is the keyed hash of all that was sent.
CREATE TABLE sb.smpp_unconfirmed (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  channel     text NOT NULL,
  fingerprint bytea NOT NULL,
  session     uuid NOT NULL,
  at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX smpp_unconfirmed_fingerprint ON sb.smpp_unconfirmed (channel, fingerprint);

-- A long message of a guest whose parts are awaited: how many characters of its text each part has; NULL: not here yet, for which
-- the text has the mark of sb.smpp_join. key_hash is the keyed hash of sender, receiver and reference.
CREATE TABLE sb.smpp_long (
  channel    text NOT NULL,
  key_hash   bytea NOT NULL,
  message_id uuid NOT NULL,
  message_at timestamptz NOT NULL,
  lengths    integer[] NOT NULL,
  PRIMARY KEY (channel, key_hash)
);

-- The parts as which a message to a guest was submitted. id_hash is the keyed hash of the id that the message centre gave,
-- NULL while that is not known. reference is the user_message_reference that it bore.
CREATE TABLE sb.smpp_part (
  channel    text NOT NULL,
  message_id uuid NOT NULL,
  message_at timestamptz NOT NULL,
  part       integer NOT NULL CHECK (part BETWEEN 1 AND 255),
  parts      integer NOT NULL CHECK (parts BETWEEN 1 AND 255),
  reference  integer NOT NULL,
  id_hash    bytea,
  status     text NOT NULL DEFAULT 'sending' CHECK (status IN ('sending', 'accepted', 'sent', 'delivered', 'failed')),
  begun_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (message_id, part)
);
CREATE INDEX smpp_part_id ON sb.smpp_part (channel, id_hash) WHERE id_hash IS NOT NULL;
CREATE INDEX smpp_part_begun ON sb.smpp_part (begun_at);

-- smpp_join gives the text of a long message with one more part in it, and where the text ends; '[…]' stands for a part that is not here.
-- NULL when it begins a message: none is awaited, the part is here already, or what is here has expired or was deleted.
-- +goose StatementBegin
CREATE FUNCTION sb.smpp_join(p_key bytea, p_part integer, p_parts integer, p_text text, OUT body text, OUT complete boolean)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_long sb.smpp_long;
  v_from integer := 1;
BEGIN
  complete := p_parts = 1;
  SELECT l.* INTO v_long FROM sb.smpp_long l WHERE l.channel = sb.current_channel() AND l.key_hash = p_key
    AND cardinality(l.lengths) = p_parts AND l.lengths[p_part] IS NULL AND l.message_at > now() - interval '1 day';
  IF FOUND THEN
    SELECT b.body INTO body FROM sb.message_body b WHERE b.at = v_long.message_at AND b.id = v_long.message_id AND b.at > sb.cutoff('Messages');
  END IF;
  IF body IS NULL THEN
    RETURN;
  END IF;
  FOR i IN 1 .. p_part - 1 LOOP
    v_from := v_from + COALESCE(v_long.lengths[i], 3);
  END LOOP;
  body := overlay(body PLACING p_text FROM v_from FOR 3);
  v_long.lengths[p_part] := length(p_text);
  complete := array_position(v_long.lengths, NULL) IS NULL;
END
$$;
-- +goose StatementEnd

-- smpp_receive is sb.receive for a message, or a part of one, that a message centre brought.
--   p_session  the bind that brought it; p_bound when that began
--   p_fingerprints under every key, the current one first; NULL: it is stored, whether or not it was before
--   p_doubtful the same bind may bring it a second time, as it was told that the first was not taken
--   p_key, p_part, p_parts   of a part: p_key NULL for a message of one
--   p_body     of a part of a message that goes on: the part's text alone
-- stored is false for what an earlier bind brought, and did not confirm, in the ten minutes in which a message centre sends it
-- again. unconfirmed is what sb.smpp_confirm takes. A wish for no more messages is never taken for a repetition.
-- +goose StatementBegin
CREATE FUNCTION sb.smpp_receive(p_session uuid, p_bound timestamptz, p_fingerprints bytea[], p_doubtful boolean, p_key bytea, p_part integer, p_parts integer,
  p_provider_id text, p_seen bytea[], p_kinds text[], p_addresses text[], p_hashes bytea[], p_key_version integer,
  p_body text, p_command text, p_answer text, p_message uuid, p_contact uuid, p_conversation uuid, p_confirmation uuid,
  OUT stored boolean, OUT confirmation_at timestamptz, OUT unconfirmed bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_channel text := sb.current_channel();
  v_body    text;
  v_long    sb.smpp_long;
  v_thread  uuid;
BEGIN
  IF p_command NOT IN ('stop', 'request') THEN
    UPDATE sb.smpp_unconfirmed SET session = p_session, at = clock_timestamp() WHERE id = (
      SELECT u.id FROM sb.smpp_unconfirmed u WHERE u.channel = v_channel AND u.fingerprint = ANY (p_fingerprints)
        AND (u.session <> p_session AND p_bound > clock_timestamp() - interval '10 minutes' OR p_doubtful)
        ORDER BY u.id LIMIT 1)
      RETURNING id INTO unconfirmed;
    IF FOUND THEN
      stored := false;
      RETURN;
    END IF;
  END IF;
  IF p_key IS NOT NULL THEN
    SELECT j.body INTO v_body FROM sb.smpp_join(p_key, p_part, p_parts, p_body) j;
  END IF;
  IF v_body IS NOT NULL THEN
    UPDATE sb.smpp_long SET lengths[p_part] = length(p_body) WHERE channel = v_channel AND key_hash = p_key RETURNING * INTO v_long;
    UPDATE sb.message_body SET body = v_body WHERE at = v_long.message_at AND id = v_long.message_id RETURNING conversation_id INTO v_thread;
    confirmation_at := sb.heed(v_thread, v_channel, p_hashes, p_key_version, p_command, p_answer, p_confirmation);
    IF array_position(v_long.lengths, NULL) IS NULL THEN
      DELETE FROM sb.smpp_long WHERE channel = v_channel AND key_hash = p_key;
    END IF;
    stored := true;
  ELSE
    v_body := CASE WHEN p_key IS NULL THEN p_body ELSE repeat('[…]', p_part - 1) || p_body || repeat('[…]', p_parts - p_part) END;
    SELECT r.stored, r.confirmation_at INTO stored, confirmation_at FROM sb.receive(p_provider_id, p_seen, p_kinds, p_addresses, p_hashes,
      p_key_version, v_body, p_command, p_answer, p_message, p_contact, p_conversation, p_confirmation) r;
    IF stored AND p_key IS NOT NULL THEN
      INSERT INTO sb.smpp_long (channel, key_hash, message_id, message_at, lengths)
        SELECT v_channel, p_key, p_message, m.at, array_agg(CASE i WHEN p_part THEN length(p_body) END ORDER BY i)
        FROM sb.message m, generate_series(1, p_parts) i WHERE m.id = p_message AND m.at > now() - interval '1 hour' GROUP BY m.at
        ON CONFLICT (channel, key_hash) DO UPDATE SET message_id = excluded.message_id, message_at = excluded.message_at, lengths = excluded.lengths;
    END IF;
  END IF;
  INSERT INTO sb.smpp_unconfirmed (channel, fingerprint, session) VALUES (v_channel, p_fingerprints[1], p_session) RETURNING id INTO unconfirmed;
END
$$;
-- +goose StatementEnd

-- smpp_confirm: the message centre knows that these were taken.
-- +goose StatementBegin
CREATE FUNCTION sb.smpp_confirm(p_ids bigint[]) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM sb.smpp_unconfirmed WHERE id = ANY (p_ids) AND channel = sb.current_channel();
$$;
-- +goose StatementEnd

-- smpp_purge removes what a bind that has lasted for ten minutes does not need any more, and what is older than eight days, which
-- is longer than message centres try. The parts of messages that are gone go with them.
-- +goose StatementBegin
CREATE FUNCTION sb.smpp_purge(p_session uuid, p_bound timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM sb.smpp_unconfirmed WHERE channel = sb.current_channel()
    AND (session <> p_session AND p_bound < clock_timestamp() - interval '10 minutes' OR at < now() - interval '8 days');
  DELETE FROM sb.smpp_long WHERE channel = sb.current_channel() AND message_at < now() - interval '1 day';
  DELETE FROM sb.smpp_part p WHERE channel = sb.current_channel() AND (begun_at < now() - interval '8 days'
    OR message_at <= sb.cutoff('MessageMetadata') OR NOT EXISTS (SELECT FROM sb.message m WHERE m.at = p.message_at AND m.id = p.message_id));
END
$$;
-- +goose StatementEnd

-- smpp_parts tells which parts of a message were begun, and which of them were taken.
-- +goose StatementBegin
CREATE FUNCTION sb.smpp_parts(p_id uuid, p_at timestamptz) RETURNS TABLE (part integer, parts integer, reference integer, taken boolean)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT p.part, p.parts, p.reference, p.status <> 'sending' FROM sb.smpp_part p
    WHERE p.message_id = p_id AND p.message_at = p_at AND p.channel = sb.current_channel() ORDER BY p.part;
$$;
-- +goose StatementEnd

-- smpp_begin notes that a part is about to be submitted, durable before it is; smpp_end what came of it: the keyed hash of its id, or
-- NULL when it was certainly not taken.
-- +goose StatementBegin
CREATE FUNCTION sb.smpp_begin(p_id uuid, p_at timestamptz, p_part integer, p_parts integer, p_reference integer) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM FROM sb.message WHERE at = p_at AND id = p_id AND channel = sb.current_channel() AND direction = 'out';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the message is not there' USING ERRCODE = 'SB101';
  END IF;
  INSERT INTO sb.smpp_part (channel, message_id, message_at, part, parts, reference)
    VALUES (sb.current_channel(), p_id, p_at, p_part, p_parts, p_reference)
    ON CONFLICT (message_id, part) DO UPDATE SET parts = excluded.parts, reference = excluded.reference, begun_at = clock_timestamp();
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION sb.smpp_end(p_id uuid, p_at timestamptz, p_part integer, p_id_hash bytea) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF p_id_hash IS NULL THEN
    DELETE FROM sb.smpp_part WHERE message_id = p_id AND message_at = p_at AND part = p_part AND channel = sb.current_channel() AND status = 'sending';
  ELSE
    UPDATE sb.smpp_part SET id_hash = p_id_hash, status = CASE status WHEN 'sending' THEN 'accepted' ELSE status END
      WHERE message_id = p_id AND message_at = p_at AND part = p_part AND channel = sb.current_channel();
  END IF;
END
$$;
-- +goose StatementEnd

-- smpp_receipt moves a message on by the receipt of one of its parts, forward only: the message is as far as the part that is
-- least far, and failed when one has. False: no part of a message to that guest has that id.
--   p_exact, p_other  keyed hashes of the id as it came, and of what it is when one side counts in hexadecimal and the other in decimal
--   p_guest           keyed hashes of the guest's addresses; NULL when the receipt names none
--   p_reference       the user_message_reference that came back; NULL when none did. It settles a part of which the id is not known.
-- +goose StatementBegin
CREATE FUNCTION sb.smpp_receipt(p_exact bytea[], p_other bytea[], p_guest bytea[], p_reference integer, p_status text, p_error_code text) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_part   sb.smpp_part;
  v_status text;
BEGIN
  -- Message centres begin to count anew: of several with one id, the guest's newest is meant.
  SELECT p.* INTO v_part FROM sb.smpp_part p JOIN sb.message m ON m.at = p.message_at AND m.id = p.message_id
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM sb.conversation v JOIN sb.contact_address a USING (contact_id)
      WHERE v.id = m.conversation_id AND a.address_hash = ANY (p_guest)) AS guests) g
    WHERE p.channel = sb.current_channel()
      AND (p.id_hash = ANY (p_exact) AND (g.guests OR p_guest IS NULL) OR p.id_hash = ANY (p_other) AND g.guests)
    ORDER BY p.id_hash = ANY (p_exact) DESC, p.begun_at DESC LIMIT 1;
  IF NOT FOUND AND p_reference IS NOT NULL THEN
    SELECT p.* INTO v_part FROM sb.smpp_part p JOIN sb.message m ON m.at = p.message_at AND m.id = p.message_id
      JOIN sb.conversation v ON v.id = m.conversation_id JOIN sb.contact_address a USING (contact_id)
      WHERE p.channel = sb.current_channel() AND p.id_hash IS NULL AND p.reference = p_reference AND a.address_hash = ANY (p_guest)
      ORDER BY p.begun_at DESC LIMIT 1;
    IF FOUND THEN
      UPDATE sb.smpp_part SET id_hash = p_exact[1], status = 'accepted' WHERE message_id = v_part.message_id AND part = v_part.part;
    END IF;
  END IF;
  IF v_part.message_id IS NULL THEN
    RETURN false;
  END IF;
  -- Receipts of two parts at once must see each other.
  PERFORM FROM sb.message WHERE at = v_part.message_at AND id = v_part.message_id FOR UPDATE;
  UPDATE sb.smpp_part SET status = p_status WHERE message_id = v_part.message_id AND part = v_part.part
    AND array_position(ARRAY['sending', 'accepted', 'sent', 'failed', 'delivered'], p_status)
      > array_position(ARRAY['sending', 'accepted', 'sent', 'failed', 'delivered'], status);
  SELECT CASE WHEN bool_or(status = 'failed') THEN 'failed' WHEN count(*) < v_part.parts THEN NULL WHEN bool_and(status = 'delivered') THEN 'delivered'
              WHEN bool_and(status IN ('sent', 'delivered')) THEN 'sent' WHEN bool_and(status <> 'sending') THEN 'accepted' END
    INTO v_status FROM sb.smpp_part WHERE message_id = v_part.message_id;
  IF v_status IS NOT NULL THEN
    PERFORM sb.record_status(v_part.message_id, v_part.message_at, NULL, v_status, p_error_code);
  END IF;
  RETURN true;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.smpp_join(bytea, integer, integer, text),
  sb.smpp_receive(uuid, timestamptz, bytea[], boolean, bytea, integer, integer, text, bytea[], text[], text[], bytea[], integer, text, text, text, uuid, uuid, uuid, uuid),
  sb.smpp_confirm(bigint[]), sb.smpp_purge(uuid, timestamptz), sb.smpp_parts(uuid, timestamptz),
  sb.smpp_begin(uuid, timestamptz, integer, integer, integer), sb.smpp_end(uuid, timestamptz, integer, bytea),
  sb.smpp_receipt(bytea[], bytea[], bytea[], integer, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.smpp_join(bytea, integer, integer, text),
  sb.smpp_receive(uuid, timestamptz, bytea[], boolean, bytea, integer, integer, text, bytea[], text[], text[], bytea[], integer, text, text, text, uuid, uuid, uuid, uuid),
  sb.smpp_confirm(bigint[]), sb.smpp_purge(uuid, timestamptz), sb.smpp_parts(uuid, timestamptz),
  sb.smpp_begin(uuid, timestamptz, integer, integer, integer), sb.smpp_end(uuid, timestamptz, integer, bytea),
  sb.smpp_receipt(bytea[], bytea[], bytea[], integer, text, text) TO sb_connector;

-- +goose Down
DROP FUNCTION sb.smpp_receipt, sb.smpp_end, sb.smpp_begin, sb.smpp_parts, sb.smpp_purge, sb.smpp_confirm, sb.smpp_receive, sb.smpp_join;
DROP TABLE sb.smpp_part, sb.smpp_long, sb.smpp_unconfirmed;
