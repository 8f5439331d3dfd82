-- +goose Up
-- Messenger tells that all that was sent before an instant was delivered, or read, instead of naming each message.

-- record_watermark moves what this channel sent to a guest before an instant on to a status, forward only as
-- sb.record_status. p_hashes are those of the guest's addresses. A message counts from when its sending began: what was
-- queued before the instant and sent after it is not meant.
-- +goose StatementBegin
CREATE FUNCTION sb.record_watermark(p_hashes bytea[], p_status text, p_until timestamptz) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE sb.message m SET status = p_status, status_at = clock_timestamp()
  FROM sb.contact_address a JOIN sb.conversation v USING (contact_id)
  WHERE a.address_hash = ANY (p_hashes) AND v.channel = sb.current_channel()
    AND m.conversation_id = v.id AND m.direction = 'out' AND m.provider_id IS NOT NULL
    AND m.at <= p_until AND m.attempted_at <= p_until
    AND m.status IN ('accepted', 'sent', 'delivered') AND sb.status_rank(p_status) > sb.status_rank(m.status)
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.record_watermark(bytea[], text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.record_watermark(bytea[], text, timestamptz) TO sb_connector;

-- +goose Down
DROP FUNCTION sb.record_watermark;
