-- +goose Up
-- Who sees to a conversation, what staff tell each other of it, and what they often write.

-- Goes with the account, and when it is closed (sb.staff_change).
ALTER TABLE sb.conversation ADD assignee uuid REFERENCES sb.staff (id) ON DELETE SET NULL;
CREATE INDEX conversation_assignee ON sb.conversation (assignee) WHERE assignee IS NOT NULL;
GRANT UPDATE (assignee) ON sb.conversation TO sb_serve;

-- A note is a message to nobody: what is true of messages, limits, holds, erasures, archives and exports, is true of it. Whatever sends, or
-- shows a guest or another system something, asks for direction 'in' or 'out'; a note has no place in a web chat and no job.
ALTER TABLE sb.message DROP CONSTRAINT message_direction_check,
  ADD CONSTRAINT message_direction_check CHECK (direction IN ('in', 'out', 'note')),
  ADD CONSTRAINT message_note_check CHECK (direction <> 'note' OR origin = 'staff' AND status = 'noted' AND num_nonnulls(thread_seq, provider_id, attempted_at) = 0);

-- Words of the client's own, about nobody: no limit.
CREATE TABLE sb.canned_reply (
  id         uuid PRIMARY KEY,
  title      text NOT NULL UNIQUE CHECK (length(title) BETWEEN 1 AND 80),
  body       text NOT NULL CHECK (length(body) BETWEEN 1 AND 1600),
  changed_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON sb.canned_reply TO sb_serve;
GRANT SELECT ON sb.canned_reply TO sb_export;

-- +goose Down
DROP TABLE sb.canned_reply;
ALTER TABLE sb.message DROP CONSTRAINT message_note_check, DROP CONSTRAINT message_direction_check,
  ADD CONSTRAINT message_direction_check CHECK (direction IN ('in', 'out'));
ALTER TABLE sb.conversation DROP assignee;
