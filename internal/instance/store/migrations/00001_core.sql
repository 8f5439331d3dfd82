-- +goose Up
-- The tables of a tenant. Owned by sb_owner, who can't log in.
--
-- Rows that carry words or addresses: contact, contact_address, message_body, staff, access_log.
-- Everything else carries ids, counts, times and keyed hashes.
-- message (metadata) and message_body (content) are two tables with the same monthly partitions, because their
-- limits differ; nothing has a foreign key into a partition, so that DROP waits for nobody.
-- Ages are measured by the database's clock, in days of 24 hours.

CREATE SCHEMA sb;

-- The limits in force: replaced by `instance migrate` whenever a policy changes. Of several, the shortest counts.
CREATE TABLE sb.retention_limit (
  policy      text    NOT NULL,
  category    text    NOT NULL CHECK (category IN ('Messages', 'MessageMetadata', 'Contacts', 'AccessLogs')),
  retain_days integer NOT NULL CHECK (retain_days > 0),
  generation  bigint  NOT NULL,
  digest      text    NOT NULL,
  PRIMARY KEY (policy, category)
);

-- cutoff is the instant at or before which rows of a category are expired; -infinity when nothing bounds it.
-- Content never outlives its metadata: a limit of MessageMetadata bounds Messages too.
-- Expiry is computed here and nowhere else.
-- +goose StatementBegin
CREATE FUNCTION sb.cutoff(p_category text) RETURNS timestamptz
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
AS $$
  SELECT COALESCE(now() - make_interval(secs => min(retain_days)::double precision * 86400), '-infinity')
  FROM sb.retention_limit
  WHERE category = p_category OR (p_category = 'Messages' AND category = 'MessageMetadata')
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

-- One guest has many addresses; kind is phone for now. The hash is HMAC-SHA-256 with the tenant's key.
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

-- Content of a message; at is the age mark of Messages.
CREATE TABLE sb.message_body (
  id      uuid NOT NULL,
  at      timestamptz NOT NULL,
  channel text NOT NULL,
  body    text NOT NULL CHECK (length(body) <= 65536),
  PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

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

-- Provider ids seen, as keyed hashes: a replay is recognised after its partition is gone.
CREATE TABLE sb.seen (
  channel text  NOT NULL,
  id_hash bytea NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (channel, id_hash)
);

-- Who must not be written to. channel '*' is the whole tenant. Survives erasure: it holds a keyed hash alone.
CREATE TABLE sb.suppression (
  channel      text NOT NULL,
  address_hash bytea NOT NULL,
  key_version  integer NOT NULL,
  since        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (channel, address_hash)
);

-- Every change of consent; append-only: nobody is granted UPDATE or DELETE.
CREATE TABLE sb.consent_log (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at           timestamptz NOT NULL DEFAULT now(),
  channel      text NOT NULL,
  address_hash bytea NOT NULL,
  key_version  integer NOT NULL,
  change       text NOT NULL CHECK (change IN ('stop', 'start')),
  source       text NOT NULL CHECK (source IN ('guest', 'provider', 'staff', 'api'))
);

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

-- ensure_partition makes the monthly partitions (UTC) of the three partitioned tables that hold p_at.
-- There is no default partition: rows in one would never age out.
-- +goose StatementBegin
CREATE FUNCTION sb.ensure_partition(p_at timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET timezone = 'UTC'
AS $$
DECLARE
  first timestamptz := date_trunc('month', p_at);
  t     text;
  part  text;
BEGIN
  FOREACH t IN ARRAY ARRAY['message', 'message_body', 'access_log'] LOOP
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
CREATE POLICY live ON sb.contact_address
  USING (EXISTS (SELECT FROM sb.contact c WHERE c.id = contact_id)) WITH CHECK (true);

-- +goose Down
DROP SCHEMA sb CASCADE;
