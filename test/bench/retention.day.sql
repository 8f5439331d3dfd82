-- One day more, that has just expired: {rows} messages older than {days} days.
CREATE TEMP TABLE history AS
  SELECT gen_random_uuid() AS message, gen_random_uuid() AS thread, now() - make_interval(days => {days}, secs => i * 86400.0 / {rows}) AS at
  FROM generate_series(1, {rows}) i;
INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status, provider_id)
  SELECT message, at, thread, 'front-desk', 'in', 'guest', 'received', 'SM' || md5(message::text) FROM history;
INSERT INTO sb.message_body (id, at, conversation_id, channel, body)
  SELECT message, at, thread, 'front-desk', 'When does the pool open tomorrow? Room four is asking, thank you.' FROM history;
INSERT INTO sb.seen (channel, id_hash, seen_at) SELECT 'front-desk', sha256(message::text::bytea), at FROM history;
