-- {messages} messages of the last {days} days, each of a guest of its own: contact, thread, metadata, content and provider id.
SELECT sb.ensure_partition(now() - make_interval(days => d)) FROM generate_series(0, {days} + 31, 27) d;
CREATE TEMP TABLE history AS
  SELECT gen_random_uuid() AS contact, gen_random_uuid() AS thread, gen_random_uuid() AS message, now() - make_interval(secs => i * {days} * 86400.0 / {messages}) AS at
  FROM generate_series(0, {messages} - 1) i;
INSERT INTO sb.contact (id, last_seen_at) SELECT contact, at FROM history;
INSERT INTO sb.conversation (id, channel, contact_id, created_at, last_message_at) SELECT thread, 'front-desk', contact, at, at FROM history;
INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status, provider_id)
  SELECT message, at, thread, 'front-desk', 'in', 'guest', 'received', 'SM' || md5(message::text) FROM history;
INSERT INTO sb.message_body (id, at, conversation_id, channel, body)
  SELECT message, at, thread, 'front-desk', 'When does the pool open tomorrow? Room four is asking, thank you.' FROM history;
INSERT INTO sb.seen (channel, id_hash, seen_at) SELECT 'front-desk', sha256(message::text::bytea), at FROM history;
