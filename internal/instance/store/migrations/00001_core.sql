-- +goose Up
-- The tables of a tenant. Owned by sb_owner, who can't log in.
--
-- Rows that carry words or addresses: contact, contact_address, message_body, staff, access_log.
-- Everything else carries ids, counts, times and keyed hashes.
-- message (metadata) and message_body (content) are two tables with the same monthly partitions, because their
-- limits differ; nothing has a foreign key into a partition, so that DROP waits for nobody.
-- Ages are measured by the database's clock, in days of 24 hours.

CREATE SCHEMA sb;

-- One row, which every deleting transaction holds a share lock on and `instance migrate` changes whenever limits or holds
-- do: no deletion ever goes by rules that were replaced while it was under way.
CREATE TABLE sb.rules (
  singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  changed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO sb.rules DEFAULT VALUES;

-- The limits in force: replaced by `instance migrate` whenever a policy changes. Of several, the shortest counts.
-- Those of a dry run are known, and bound nothing.
CREATE TABLE sb.retention_limit (
  policy      text    NOT NULL,
  category    text    NOT NULL CHECK (category IN ('Messages', 'MessageMetadata', 'Attachments', 'Contacts', 'StaffAccounts',
                                                   'AccessLogs', 'WebChatSessions', 'IntegrationData', 'Testimonials')),
  retain_days integer NOT NULL CHECK (retain_days BETWEEN 1 AND 36500),
  action      text    NOT NULL DEFAULT 'Delete' CHECK (action IN ('Delete', 'Anonymize')),
  enforced    boolean NOT NULL DEFAULT true,
  generation  bigint  NOT NULL,
  digest      text    NOT NULL,
  PRIMARY KEY (policy, category)
);

-- cutoff is the instant at or before which rows of a category are expired; -infinity when nothing bounds it.
-- Content and files never outlive the metadata of their message: a limit of MessageMetadata bounds Messages and
-- Attachments too. Expiry is computed here and nowhere else.
-- +goose StatementBegin
CREATE FUNCTION sb.cutoff(p_category text) RETURNS timestamptz
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT COALESCE(now() - make_interval(secs => min(retain_days)::double precision * 86400), '-infinity')
  FROM sb.retention_limit
  WHERE enforced AND (category = p_category OR (p_category IN ('Messages', 'Attachments') AND category = 'MessageMetadata'))
$$;
-- +goose StatementEnd

CREATE TABLE sb.channel (
  name       text PRIMARY KEY,
  type       text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- A guest. last_seen_at is the age mark of category Contacts.
CREATE TABLE sb.contact (
  id           uuid PRIMARY KEY,
  name         text NOT NULL DEFAULT '' CHECK (length(name) <= 200),
  created_at   timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX contact_last_seen ON sb.contact (last_seen_at);

-- One guest has many addresses; kind is one of contract.Kinds. The hash is HMAC-SHA-256 with the tenant's key.
CREATE TABLE sb.contact_address (
  kind         text    NOT NULL,
  address_hash bytea   NOT NULL,
  key_version  integer NOT NULL,
  address      text    NOT NULL CHECK (length(address) <= 256),
  contact_id   uuid    NOT NULL REFERENCES sb.contact (id) ON DELETE CASCADE,
  PRIMARY KEY (kind, address_hash)
);
CREATE INDEX contact_address_contact ON sb.contact_address (contact_id);

-- One thread per channel and guest. It outlives its guest while metadata of it is kept.
CREATE TABLE sb.conversation (
  id              uuid PRIMARY KEY,
  channel         text NOT NULL,
  contact_id      uuid REFERENCES sb.contact (id) ON DELETE SET NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  last_message_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (channel, contact_id)
);
CREATE INDEX conversation_contact ON sb.conversation (contact_id);
CREATE INDEX conversation_newest ON sb.conversation (last_message_at DESC, id DESC);

-- Metadata of a message; at is the age mark of MessageMetadata.
CREATE TABLE sb.message (
  id              uuid NOT NULL,
  at              timestamptz NOT NULL,
  conversation_id uuid NOT NULL,
  channel         text NOT NULL,
  direction       text NOT NULL CHECK (direction IN ('in', 'out')),
  -- staff: a reply; confirmation: the one answer to STOP, START or HELP, sent whatever is suppressed.
  origin          text NOT NULL CHECK (origin IN ('guest', 'staff', 'confirmation', 'import')),
  staff_id        uuid,
  -- in: received. out: queued → sending → accepted → sent → delivered → read; or failed, suppressed, unknown.
  status          text NOT NULL,
  status_at       timestamptz NOT NULL DEFAULT now(),
  attempted_at    timestamptz,          -- when a send whose outcome may be unknown began
  provider_id     text,
  error_code      text,
  PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE INDEX message_thread ON sb.message (conversation_id, at DESC, id DESC);
CREATE INDEX message_provider ON sb.message (channel, provider_id) WHERE provider_id IS NOT NULL;

-- Content of a message; at is the age mark of Messages. Conversation and channel are repeated from the metadata, so that
-- a hold can be looked up without it.
CREATE TABLE sb.message_body (
  id              uuid NOT NULL,
  at              timestamptz NOT NULL,
  conversation_id uuid NOT NULL,
  channel         text NOT NULL,
  body            text NOT NULL CHECK (length(body) <= 65536),
  -- The template of a provider's that the words were sent by, with what stands in its gaps; NULL for free text.
  template        jsonb CHECK (length(template::text) <= 65536),
  PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

-- How many messages there were: what Anonymize keeps of them. Counts of a day are complete, and may be read, once the
-- whole day has expired; groups under five are removed then (sb.message_statistics).
CREATE TABLE sb.message_count (
  day       date   NOT NULL,
  channel   text   NOT NULL,
  direction text   NOT NULL,
  messages  bigint NOT NULL CHECK (messages > 0),
  PRIMARY KEY (day, channel, direction)
);

-- A file, once, however many messages it came with. Its bytes are a large object of the database, or an object of the
-- tenant's store, which has them encrypted to a key that is nowhere but here: without the row nobody reads them any more.
CREATE TABLE sb.file (
  id         uuid PRIMARY KEY,
  sha256     bytea  NOT NULL UNIQUE,
  size       bigint NOT NULL CHECK (size BETWEEN 0 AND 104857600),
  media_type text   NOT NULL CHECK (length(media_type) <= 255),
  content    oid,
  object     text COLLATE "C" UNIQUE CHECK (object ~ '^files/[0-9a-f-]{36}$'),
  object_key text,                       -- an age identity
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (CASE WHEN content IS NULL THEN num_nonnulls(object, object_key) = 2 ELSE num_nonnulls(object, object_key) = 0 END)
);

-- Objects whose file is gone, and of which the store has not confirmed yet that they are too. The transaction that deletes
-- a file writes its object down here; who has seen to it that it is removed strikes it off.
CREATE TABLE sb.file_removal (
  object  text COLLATE "C" PRIMARY KEY,
  request text,                          -- whose erasure it was; NULL when it was nobody's
  since   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX file_removal_request ON sb.file_removal (request) WHERE request IS NOT NULL;

-- A file that came or went with a message; at, the message's, is the age mark of Attachments. The file goes with its
-- last attachment. pending: the connector is to fetch source, as the provider calls it, and draft, a large object, is what it
-- has of it so far. refused: the file will not come; reason says why, in one word.
CREATE TABLE sb.attachment (
  id              uuid PRIMARY KEY,
  at              timestamptz NOT NULL,
  message_id      uuid NOT NULL,
  conversation_id uuid NOT NULL,
  channel         text NOT NULL,
  name            text NOT NULL DEFAULT '' CHECK (length(name) <= 255),
  state           text NOT NULL DEFAULT 'stored' CHECK (state IN ('stored', 'pending', 'refused')),
  reason          text CHECK (reason ~ '^[a-z-]{1,32}$'),
  source          text CHECK (length(source) <= 2048),
  draft           oid,
  file_id         uuid REFERENCES sb.file (id),
  CHECK (CASE state WHEN 'stored' THEN file_id IS NOT NULL AND num_nonnulls(reason, source, draft) = 0
                    WHEN 'pending' THEN source IS NOT NULL AND num_nonnulls(file_id, reason) = 0
                    ELSE reason IS NOT NULL AND num_nonnulls(file_id, source, draft) = 0 END)
);
CREATE INDEX attachment_message ON sb.attachment (message_id);
CREATE INDEX attachment_at ON sb.attachment (at);
CREATE INDEX attachment_thread ON sb.attachment (conversation_id);
CREATE INDEX attachment_file ON sb.attachment (file_id);

-- What was fetched of a file goes with its attachment, however that goes.
-- +goose StatementBegin
CREATE FUNCTION sb.attachment_draft() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM lo_unlink(OLD.draft);
  RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.attachment_draft() FROM PUBLIC;
CREATE TRIGGER attachment_draft AFTER DELETE ON sb.attachment FOR EACH ROW WHEN (OLD.draft IS NOT NULL) EXECUTE FUNCTION sb.attachment_draft();

-- add_file keeps a file, once, and gives its id. The bytes belong to the owner, as only so its functions can remove them.
-- +goose StatementBegin
CREATE FUNCTION sb.add_file(p_media_type text, p_content bytea) RETURNS uuid
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_id uuid;
BEGIN
  LOOP
    SELECT id INTO v_id FROM sb.file WHERE sha256 = sha256(p_content) FOR KEY SHARE; -- it can't go while this is stored
    EXIT WHEN FOUND;
    INSERT INTO sb.file (id, sha256, size, media_type, content)
      VALUES (gen_random_uuid(), sha256(p_content), length(p_content), p_media_type, lo_from_bytea(0, p_content))
      ON CONFLICT (sha256) DO NOTHING RETURNING id INTO v_id;
    EXIT WHEN FOUND;
  END LOOP;
  RETURN v_id;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.add_file(text, bytea) FROM PUBLIC;

-- A guest's web chat; last_active_at is the age mark of WebChatSessions.
CREATE TABLE sb.web_chat_session (
  id              uuid PRIMARY KEY,
  channel         text NOT NULL,
  contact_id      uuid REFERENCES sb.contact (id) ON DELETE SET NULL,
  started_at      timestamptz NOT NULL DEFAULT now(),
  last_active_at  timestamptz NOT NULL DEFAULT now(),
  ip              inet,
  user_agent      text CHECK (length(user_agent) <= 1024)
);
CREATE INDEX web_chat_session_active ON sb.web_chat_session (last_active_at);
CREATE INDEX web_chat_session_contact ON sb.web_chat_session (contact_id);

-- What other systems of the client told of a guest; at is the age mark of IntegrationData.
CREATE TABLE sb.integration_data (
  id         uuid PRIMARY KEY,
  at         timestamptz NOT NULL DEFAULT now(),
  source     text  NOT NULL CHECK (length(source) <= 64),
  kind       text  NOT NULL CHECK (length(kind) <= 64),
  contact_id uuid REFERENCES sb.contact (id) ON DELETE SET NULL,
  data       jsonb NOT NULL
);
CREATE INDEX integration_data_at ON sb.integration_data (at);
CREATE INDEX integration_data_contact ON sb.integration_data (contact_id);

-- What a guest said for publication, and to which wording they consented; at is the age mark of Testimonials.
CREATE TABLE sb.testimonial (
  id           uuid PRIMARY KEY,
  at           timestamptz NOT NULL DEFAULT now(),
  contact_id   uuid REFERENCES sb.contact (id) ON DELETE SET NULL,
  words        text NOT NULL CHECK (length(words) <= 65536),
  consent      text NOT NULL CHECK (length(consent) <= 65536),
  consented_at timestamptz NOT NULL
);
CREATE INDEX testimonial_at ON sb.testimonial (at);
CREATE INDEX testimonial_contact ON sb.testimonial (contact_id);

-- Who looked at what, from where; at is the age mark of AccessLogs.
CREATE TABLE sb.access_log (
  id         bigint GENERATED ALWAYS AS IDENTITY,
  at         timestamptz NOT NULL DEFAULT now(),
  staff_id   uuid,
  method     text NOT NULL,
  route      text NOT NULL,             -- the pattern, never the path's values
  object_id  uuid,                      -- the conversation, contact or message looked at
  status     integer NOT NULL,
  ip         inet,
  user_agent text,
  referrer   text,
  PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

-- Provider ids seen, as keyed hashes: a replay is recognised after its message is gone. By month, so that they go by DROP
-- too; that an id stands here once is seen to by sb.first_seen.
CREATE TABLE sb.seen (
  channel text  NOT NULL,
  id_hash bytea NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (seen_at);
CREATE INDEX seen_id ON sb.seen (channel, id_hash);

-- Who must not be written to. channel '*' is the whole tenant. Survives erasure: it holds a keyed hash alone. requested:
-- somebody asked in words of their own; nothing is sent but what a member of staff sends all the same, until staff confirm
-- the opt-out or dismiss it.
CREATE TABLE sb.suppression (
  channel      text NOT NULL,
  address_hash bytea NOT NULL,
  key_version  integer NOT NULL,
  since        timestamptz NOT NULL DEFAULT now(),
  requested    boolean NOT NULL DEFAULT false,
  PRIMARY KEY (channel, address_hash)
);

-- Restores of this database, once they are being replayed (00006_restore.sql). What follows one is another epoch.
CREATE TABLE sb.restore (
  epoch       integer PRIMARY KEY CHECK (epoch > 0),
  sequence    bigint  NOT NULL,          -- the receipt that tells of it
  began_at    timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz                -- NULL while the database is in quarantine
);

CREATE FUNCTION sb.epoch() RETURNS integer
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  RETURN COALESCE((SELECT max(epoch) FROM sb.restore), 0);

-- Every change of consent; append-only: nobody is granted UPDATE or DELETE. (epoch, xid, id) orders them as they are told to
-- the operator, who keeps them outside of the database; xid is 0 for those that came back from there.
CREATE TABLE sb.consent_log (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  epoch        integer NOT NULL DEFAULT sb.epoch(),
  xid          xid8    NOT NULL DEFAULT pg_current_xact_id(),
  at           timestamptz NOT NULL DEFAULT now(),
  channel      text NOT NULL,
  address_hash bytea NOT NULL,
  key_version  integer NOT NULL,
  change       text NOT NULL CHECK (change IN ('stop', 'start', 'request', 'dismiss')),
  -- link: whoever opened an unsubscribe link; api: another system of the client's.
  source       text NOT NULL CHECK (source IN ('guest', 'provider', 'staff', 'api', 'request', 'link')),
  -- Why staff dismissed a request: one of few words, for this row outlives the person's data.
  reason       text NOT NULL DEFAULT '' CHECK (reason IN ('', 'misunderstood', 'withdrawn')),
  CHECK ((change = 'dismiss') = (reason <> ''))
);
CREATE INDEX consent_log_told ON sb.consent_log (epoch, xid, id);
CREATE INDEX consent_log_address ON sb.consent_log (address_hash);

CREATE TABLE sb.staff (
  id             uuid PRIMARY KEY,
  email          text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) <= 254),
  name           text NOT NULL DEFAULT '',
  mobile         text NOT NULL DEFAULT '',
  password_hash  text NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT now(),
  last_active_at timestamptz NOT NULL DEFAULT now(),
  disabled_at    timestamptz
);

CREATE TABLE sb.staff_session (
  token_hash bytea PRIMARY KEY,          -- SHA-256 of a 256-bit random token
  staff_id   uuid NOT NULL REFERENCES sb.staff (id) ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz
);

-- A reply's Idempotency-Key, hashed: the same key answers with the same message.
CREATE TABLE sb.reply_key (
  key_hash   bytea PRIMARY KEY,
  message_id uuid NOT NULL,
  at         timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- What must be kept, whatever policies and requests say: replaced by `instance migrate` whenever a LegalHold changes. A row
-- is held when it agrees with all that a hold names and the hold has not expired.
CREATE TABLE sb.hold (
  name            text PRIMARY KEY,
  by_subject      boolean NOT NULL,      -- the contacts of sb.hold_contact
  conversation_id uuid,
  channel         text,
  from_at         timestamptz,           -- age marks at or after it
  to_at           timestamptz,           -- age marks before it
  expires_at      timestamptz
);

-- The addresses of a hold's person, as keyed hashes under every version of the key.
CREATE TABLE sb.hold_alias (
  hold         text  NOT NULL REFERENCES sb.hold (name) ON DELETE CASCADE,
  kind         text  NOT NULL,
  address_hash bytea NOT NULL,
  PRIMARY KEY (hold, kind, address_hash)
);
CREATE INDEX hold_alias_address ON sb.hold_alias (kind, address_hash);

-- The contacts who bore one of those addresses at any time since the hold is in force: an expired contact who is held
-- stays held when the address moves on to a new one.
CREATE TABLE sb.hold_contact (
  hold       text NOT NULL REFERENCES sb.hold (name) ON DELETE CASCADE,
  contact_id uuid NOT NULL REFERENCES sb.contact (id) ON DELETE CASCADE,
  PRIMARY KEY (hold, contact_id)
);
CREATE INDEX hold_contact_contact ON sb.hold_contact (contact_id);

-- +goose StatementBegin
CREATE FUNCTION sb.hold_bearer() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO sb.hold_contact (hold, contact_id)
    SELECT x.hold, NEW.contact_id FROM sb.hold_alias x WHERE x.kind = NEW.kind AND x.address_hash = NEW.address_hash
    ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER hold_bearer AFTER INSERT OR UPDATE ON sb.contact_address FOR EACH ROW EXECUTE FUNCTION sb.hold_bearer();

-- holds_of names the holds on something that belongs to a conversation, by its channel and age mark. It sets nothing, so
-- that the planner can take it apart; functions of the owner alone call it.
-- +goose StatementBegin
CREATE FUNCTION sb.holds_of(p_conversation uuid, p_channel text, p_at timestamptz) RETURNS SETOF text LANGUAGE sql STABLE
AS $$
  SELECT h.name FROM sb.hold h
  WHERE (h.expires_at IS NULL OR h.expires_at > now())
    AND (h.channel IS NULL OR h.channel = p_channel)
    AND (h.from_at IS NULL OR h.from_at <= p_at) AND (h.to_at IS NULL OR h.to_at > p_at)
    AND (h.conversation_id IS NULL OR h.conversation_id = p_conversation)
    AND (NOT h.by_subject OR EXISTS (SELECT FROM sb.conversation v JOIN sb.hold_contact b ON b.contact_id = v.contact_id
                                     WHERE v.id = p_conversation AND b.hold = h.name))
$$;
-- +goose StatementEnd

-- holds_of_contact names the holds on a guest: those that name the guest, or hold something in a thread of theirs. With
-- p_at, only holds whose range has that age mark; NULL is any.
-- +goose StatementBegin
CREATE FUNCTION sb.holds_of_contact(p_contact uuid, p_at timestamptz) RETURNS SETOF text LANGUAGE sql STABLE
AS $$
  SELECT h.name FROM sb.hold h
  WHERE (h.expires_at IS NULL OR h.expires_at > now())
    AND (NOT h.by_subject OR EXISTS (SELECT FROM sb.hold_contact b WHERE b.hold = h.name AND b.contact_id = p_contact))
    AND (p_at IS NULL OR ((h.from_at IS NULL OR h.from_at <= p_at) AND (h.to_at IS NULL OR h.to_at > p_at)))
    AND (h.by_subject AND h.conversation_id IS NULL AND h.channel IS NULL OR EXISTS (
      SELECT FROM sb.conversation v
      WHERE v.contact_id = p_contact AND (h.conversation_id IS NULL OR h.conversation_id = v.id) AND (h.channel IS NULL OR h.channel = v.channel)
        AND (h.from_at IS NULL AND h.to_at IS NULL OR EXISTS (
          SELECT FROM sb.message m WHERE m.conversation_id = v.id
            AND (h.from_at IS NULL OR m.at >= h.from_at) AND (h.to_at IS NULL OR m.at < h.to_at)))))
$$;
-- +goose StatementEnd

-- Receipts of retention runs: append-only and hash-chained (internal/evidence). body is the exact bytes that
-- the digest covers.
CREATE TABLE sb.receipt (
  sequence    bigint PRIMARY KEY CHECK (sequence > 0),
  policy      text   NOT NULL,
  body        text   NOT NULL,
  previous    text   NOT NULL,
  digest      text   NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);

-- receipt_lock keeps other receipts off until the caller's transaction ends: between reading the chain's head and sealing
-- on it, nobody else may.
-- +goose StatementBegin
CREATE FUNCTION sb.receipt_lock() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  LOCK TABLE sb.receipt IN SHARE ROW EXCLUSIVE MODE;
END
$$;
-- +goose StatementEnd

-- receipt_digest is evidence.Digest.
CREATE FUNCTION sb.receipt_digest(p_previous text, p_body text) RETURNS text
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
  RETURN encode(sha256(convert_to('switchboard/receipt/v1', 'UTF8') || '\x00'::bytea || decode(p_previous, 'hex') || convert_to(p_body, 'UTF8')), 'hex');

-- receipt_append appends a receipt that follows the newest one and whose digest is that of its bytes.
-- +goose StatementBegin
CREATE FUNCTION sb.receipt_append(p_policy text, p_sequence bigint, p_body text, p_previous text, p_digest text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_sequence bigint;
  v_previous text;
BEGIN
  PERFORM sb.receipt_lock();
  SELECT sequence, digest INTO v_sequence, v_previous FROM sb.receipt ORDER BY sequence DESC LIMIT 1;
  IF p_sequence <> COALESCE(v_sequence, 0) + 1 OR p_previous <> COALESCE(v_previous, repeat('0', 64)) THEN
    RAISE EXCEPTION 'receipt % does not follow receipt %', p_sequence, COALESCE(v_sequence, 0) USING ERRCODE = 'SB004';
  END IF;
  IF p_digest <> sb.receipt_digest(p_previous, p_body) THEN
    RAISE EXCEPTION 'the digest of receipt % is not that of its bytes', p_sequence USING ERRCODE = 'SB004';
  END IF;
  INSERT INTO sb.receipt (sequence, policy, body, previous, digest) VALUES (p_sequence, p_policy, p_body, p_previous, p_digest);
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.receipt_digest(text, text), sb.receipt_lock(), sb.receipt_append(text, bigint, text, text, text) FROM PUBLIC;

-- ensure_partition makes the monthly partitions (UTC) of the partitioned tables that hold p_at.
-- There is no default partition: rows in one would never age out.
-- +goose StatementBegin
CREATE FUNCTION sb.ensure_partition(p_at timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
  first timestamptz := date_trunc('month', p_at);
  t     text;
  part  text;
BEGIN
  FOREACH t IN ARRAY ARRAY['message', 'message_body', 'access_log', 'seen'] LOOP
    part := format('%s_%s', t, to_char(first, 'YYYY_MM'));
    IF to_regclass('sb.' || part) IS NULL THEN
      PERFORM pg_advisory_xact_lock(hashtext('sb.ensure_partition'));
      EXECUTE format('CREATE TABLE IF NOT EXISTS sb.%I PARTITION OF sb.%I FOR VALUES FROM (%L) TO (%L)',
        part, t, first, first + interval '1 month');
    END IF;
  END LOOP;
END
$$;
-- +goose StatementEnd

-- first_seen marks an id as seen, in the caller's transaction, and tells whether it was not before. p_hashes are its keyed
-- hashes under every version of the key, the current one first. Who asks for an id that is just being stored waits here
-- until that is durable or undone. An id can be of any month, so that nothing is gained, and most of the time lost, by planning
-- each look-up anew.
-- +goose StatementBegin
CREATE FUNCTION sb.first_seen(p_channel text, p_hashes bytea[]) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(p_channel || encode(p_hashes[1], 'hex'), 0));
  PERFORM FROM sb.seen WHERE channel = p_channel AND id_hash = ANY (p_hashes);
  IF FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO sb.seen (channel, id_hash) VALUES (p_channel, p_hashes[1]);
  RETURN true;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.first_seen(text, bytea[]) FROM PUBLIC;

-- Expired rows are unreadable to everyone but the role that removes them. The owner's own functions are exempt
-- (row security is not forced on the owner) and must compare with sb.cutoff themselves.
ALTER TABLE sb.message      ENABLE ROW LEVEL SECURITY;
ALTER TABLE sb.message_body ENABLE ROW LEVEL SECURITY;
ALTER TABLE sb.contact      ENABLE ROW LEVEL SECURITY;
ALTER TABLE sb.access_log   ENABLE ROW LEVEL SECURITY;
ALTER TABLE sb.contact_address ENABLE ROW LEVEL SECURITY;
CREATE POLICY live ON sb.message      USING (at > (SELECT sb.cutoff('MessageMetadata'))) WITH CHECK (true);
CREATE POLICY live ON sb.message_body USING (at > (SELECT sb.cutoff('Messages')))        WITH CHECK (true);
CREATE POLICY live ON sb.access_log   USING (at > (SELECT sb.cutoff('AccessLogs')))      WITH CHECK (true);
CREATE POLICY live ON sb.contact      USING (last_seen_at > (SELECT sb.cutoff('Contacts'))) WITH CHECK (true);
ALTER TABLE sb.attachment       ENABLE ROW LEVEL SECURITY;
ALTER TABLE sb.web_chat_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE sb.integration_data ENABLE ROW LEVEL SECURITY;
ALTER TABLE sb.testimonial      ENABLE ROW LEVEL SECURITY;
ALTER TABLE sb.staff            ENABLE ROW LEVEL SECURITY;
CREATE POLICY live ON sb.attachment       USING (at > (SELECT sb.cutoff('Attachments')))                 WITH CHECK (true);
CREATE POLICY live ON sb.web_chat_session USING (last_active_at > (SELECT sb.cutoff('WebChatSessions'))) WITH CHECK (true);
CREATE POLICY live ON sb.integration_data USING (at > (SELECT sb.cutoff('IntegrationData')))             WITH CHECK (true);
CREATE POLICY live ON sb.testimonial      USING (at > (SELECT sb.cutoff('Testimonials')))                WITH CHECK (true);
CREATE POLICY live ON sb.staff            USING (last_active_at > (SELECT sb.cutoff('StaffAccounts')))          WITH CHECK (true);
CREATE POLICY live ON sb.contact_address
  USING (EXISTS (SELECT FROM sb.contact c WHERE c.id = contact_id)) WITH CHECK (true);

-- +goose Down
DROP SCHEMA sb CASCADE;
