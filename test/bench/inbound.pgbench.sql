-- What one inbound message makes durable, in one transaction and with bound parameters: the reference that
-- webhooks per second stand beside. Every run writes for a new guest, as the load generator does.
\set a random(1, 9000000000000)
\set b random(1, 9000000000000)
BEGIN;
INSERT INTO sb.seen (channel, id_hash) VALUES ('front-desk', decode(md5(:a || 'm' || :b) || md5(:b || 'm' || :a), 'hex'));
INSERT INTO sb.contact (id) VALUES (md5(:a || 'c' || :b)::uuid)
  ON CONFLICT (id) DO UPDATE SET last_seen_at = excluded.last_seen_at;
INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id)
  VALUES ('phone', decode(md5(:a || 'p' || :b) || md5(:b || 'p' || :a), 'hex'), 1, '+4915' || :a, md5(:a || 'c' || :b)::uuid)
  ON CONFLICT (kind, address_hash) DO UPDATE SET contact_id = excluded.contact_id;
INSERT INTO sb.conversation (id, channel, contact_id) VALUES (md5(:a || 'v' || :b)::uuid, 'front-desk', md5(:a || 'c' || :b)::uuid)
  ON CONFLICT (channel, contact_id) DO UPDATE SET last_message_at = excluded.last_message_at;
INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status, provider_id)
  VALUES (md5(:a || 'm' || :b)::uuid, now(), md5(:a || 'v' || :b)::uuid, 'front-desk', 'in', 'guest', 'received', 'SM' || md5(:a || 's' || :b));
INSERT INTO sb.message_body (id, at, conversation_id, channel, body)
  VALUES (md5(:a || 'm' || :b)::uuid, now(), md5(:a || 'v' || :b)::uuid, 'front-desk', 'When does the pool open tomorrow? Room four is asking, thank you.');
COMMIT;
