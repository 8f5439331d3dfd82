-- +goose Up
-- What each of the staff may do, and who says so.

-- The server asks for the role with every request. auditor: counts and evidence, and nothing that says who anybody is.
ALTER TABLE sb.staff ADD role text NOT NULL DEFAULT 'agent' CHECK (role IN ('agent', 'supervisor', 'privacyOfficer', 'auditor'));
GRANT SELECT (role) ON sb.staff TO sb_export;

-- staff_supervisors lists who can sign in and manage the others. Accounts that came by an archive have no password at first: the
-- hash of it that sb.adopt_rows stores is nobody's.
-- +goose StatementBegin
CREATE FUNCTION sb.staff_supervisors() RETURNS SETOF uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT id FROM sb.staff WHERE role = 'supervisor' AND disabled_at IS NULL AND last_active_at > sb.cutoff('StaffAccounts')
    AND password_hash NOT LIKE '$argon2id$v=19$m=7168,t=5,p=1$c3dpdGNoYm9hcmQtbm8tMQ$%'
$$;
-- +goose StatementEnd

-- Until now everybody might do everything. Of those who can sign in, the one who was there first is the supervisor; the others are agents,
-- until that one says otherwise. Where nobody can sign in, `instance migrate` makes the first account again.
UPDATE sb.staff SET role = 'supervisor' WHERE id = (
  SELECT s.id FROM sb.staff s WHERE s.disabled_at IS NULL AND s.last_active_at > sb.cutoff('StaffAccounts')
    AND s.password_hash NOT LIKE '$argon2id$v=19$m=7168,t=5,p=1$c3dpdGNoYm9hcmQtbm8tMQ$%'
  ORDER BY s.created_at, s.id LIMIT 1);

-- An invitation lets whoever has its token choose the password of an account, once: a new one, or that of staff_id. The database
-- holds the SHA-256 of the token's secret half. It names a person, and goes when it ends, or as accounts do.
CREATE TABLE sb.staff_invitation (
  id         uuid PRIMARY KEY,
  token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
  staff_id   uuid REFERENCES sb.staff (id) ON DELETE CASCADE,
  email      text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) <= 254),
  name       text NOT NULL DEFAULT '',
  role       text NOT NULL CHECK (role IN ('agent', 'supervisor', 'privacyOfficer', 'auditor')),
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid NOT NULL,
  expires_at timestamptz NOT NULL CHECK (expires_at <= created_at + interval '14 days')
);
CREATE INDEX staff_invitation_account ON sb.staff_invitation (staff_id);
ALTER TABLE sb.staff_invitation ENABLE ROW LEVEL SECURITY;
CREATE POLICY live ON sb.staff_invitation
  USING (expires_at > now() AND created_at > (SELECT sb.cutoff('StaffAccounts'))) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON sb.staff_invitation TO sb_serve;

-- Those that have ended go with the next one that is made, and with every run of retention.
-- +goose StatementBegin
CREATE FUNCTION sb.staff_sweep() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM sb.staff_invitation WHERE expires_at <= now() OR created_at <= sb.cutoff('StaffAccounts');
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER staff_sweep AFTER INSERT OR UPDATE ON sb.retention_run FOR EACH STATEMENT EXECUTE FUNCTION sb.staff_sweep();
CREATE TRIGGER staff_sweep BEFORE INSERT ON sb.staff_invitation FOR EACH STATEMENT EXECUTE FUNCTION sb.staff_sweep();

-- staff_accept uses an invitation up, and gives its account: made as p_account, or with another password and without sessions. NULL: it has
-- ended, or was used.
-- +goose StatementBegin
CREATE FUNCTION sb.staff_accept(p_id uuid, p_account uuid, p_name text, p_password_hash text) RETURNS uuid
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_invited sb.staff_invitation;
BEGIN
  DELETE FROM sb.staff_invitation WHERE id = p_id AND expires_at > now() AND created_at > sb.cutoff('StaffAccounts') RETURNING * INTO v_invited;
  IF NOT FOUND THEN
    RETURN NULL;
  ELSIF v_invited.staff_id IS NULL THEN
    INSERT INTO sb.staff (id, email, name, role, password_hash)
      VALUES (p_account, v_invited.email, CASE p_name WHEN '' THEN v_invited.name ELSE p_name END, v_invited.role, p_password_hash);
    RETURN p_account;
  END IF;
  UPDATE sb.staff SET password_hash = p_password_hash, last_active_at = now(), name = CASE p_name WHEN '' THEN name ELSE p_name END
    WHERE id = v_invited.staff_id AND disabled_at IS NULL AND last_active_at > sb.cutoff('StaffAccounts');
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  DELETE FROM sb.staff_session WHERE staff_id = v_invited.staff_id;
  RETURN v_invited.staff_id;
END
$$;
-- +goose StatementEnd

-- A second factor: the secret of RFC 6238, sealed by a key that is not in the database; the last step whose code was used; SHA-256 of the recovery
-- codes that are left. It counts once it is confirmed, and goes with its account.
CREATE TABLE sb.staff_factor (
  staff_id     uuid PRIMARY KEY REFERENCES sb.staff (id) ON DELETE CASCADE,
  secret       bytea   NOT NULL,
  key_version  integer NOT NULL,
  last_step    bigint  NOT NULL DEFAULT 0,
  recovery     bytea[] NOT NULL DEFAULT '{}',
  confirmed_at timestamptz
);
GRANT SELECT, INSERT, UPDATE, DELETE ON sb.staff_factor TO sb_serve;

-- What the supervisors have settled for all.
CREATE TABLE sb.staff_setting (
  singleton      boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  require_factor boolean NOT NULL DEFAULT false
);
INSERT INTO sb.staff_setting DEFAULT VALUES;
GRANT SELECT, UPDATE (require_factor) ON sb.staff_setting TO sb_serve;
CREATE TRIGGER staff_tell AFTER UPDATE ON sb.staff_setting FOR EACH STATEMENT EXECUTE FUNCTION sb.staff_tell('s');

-- staff_change gives an account another name or role, or closes or opens it; NULL leaves what is. Whoever may do something else from now on
-- signs in again. False: there is no such account. Fails with SB501 when nobody would be left to manage the others: two at
-- once wait for each other.
-- +goose StatementBegin
CREATE FUNCTION sb.staff_change(p_id uuid, p_name text, p_role text, p_active boolean) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_role text;
BEGIN
  PERFORM pg_advisory_xact_lock(22, 1);
  SELECT s.role INTO v_role FROM sb.staff s WHERE s.id = p_id AND s.last_active_at > sb.cutoff('StaffAccounts') FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE sb.staff SET name = COALESCE(p_name, name), role = COALESCE(p_role, role),
      disabled_at = CASE WHEN p_active THEN NULL WHEN NOT p_active THEN COALESCE(disabled_at, now()) ELSE disabled_at END
    WHERE id = p_id;
  IF NOT EXISTS (SELECT FROM sb.staff_supervisors()) THEN
    RAISE EXCEPTION 'nobody would be left to manage the accounts' USING ERRCODE = 'SB501';
  END IF;
  IF p_role <> v_role OR NOT p_active THEN
    DELETE FROM sb.staff_session WHERE staff_id = p_id;
    -- Nor does anybody come in by what was opened before.
    DELETE FROM sb.staff_invitation WHERE staff_id = p_id OR created_by = p_id;
  END IF;
  IF NOT p_active OR p_role NOT IN ('agent', 'supervisor') THEN
    UPDATE sb.conversation SET assignee = NULL WHERE assignee = p_id;
    PERFORM pg_notify('sb_staff', 'o'); -- lists may show something else
  END IF;
  RETURN true;
END
$$;
-- +goose StatementEnd

-- counts is how much there is that has not expired: what an auditor is told.
-- +goose StatementBegin
CREATE FUNCTION sb.counts() RETURNS TABLE (kind text, rows bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 'Messages', count(*) FROM sb.message_body WHERE at > (SELECT sb.cutoff('Messages'))
  UNION ALL SELECT 'MessageMetadata', count(*) FROM sb.message WHERE at > (SELECT sb.cutoff('MessageMetadata'))
  UNION ALL SELECT 'Attachments', count(*) FROM sb.attachment WHERE at > (SELECT sb.cutoff('Attachments'))
  UNION ALL SELECT 'Contacts', count(*) FROM sb.contact WHERE last_seen_at > (SELECT sb.cutoff('Contacts'))
  UNION ALL SELECT 'StaffAccounts', count(*) FROM sb.staff WHERE last_active_at > (SELECT sb.cutoff('StaffAccounts'))
  UNION ALL SELECT 'AccessLogs', count(*) FROM sb.access_log WHERE at > (SELECT sb.cutoff('AccessLogs'))
  UNION ALL SELECT 'WebChatSessions', count(*) FROM sb.web_chat_session WHERE last_active_at > (SELECT sb.cutoff('WebChatSessions'))
  UNION ALL SELECT 'IntegrationData', count(*) FROM sb.integration_data WHERE at > (SELECT sb.cutoff('IntegrationData'))
  UNION ALL SELECT 'Testimonials', count(*) FROM sb.testimonial WHERE at > (SELECT sb.cutoff('Testimonials'))
  UNION ALL SELECT 'Suppressions', count(*) FROM sb.suppression
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.staff_supervisors(), sb.staff_sweep(), sb.staff_accept(uuid, uuid, text, text), sb.staff_change(uuid, text, text, boolean), sb.counts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.staff_accept(uuid, uuid, text, text), sb.staff_change(uuid, text, text, boolean), sb.counts() TO sb_serve;

-- +goose Down
DROP TRIGGER staff_sweep ON sb.retention_run;
DROP TABLE sb.staff_setting, sb.staff_factor, sb.staff_invitation;
DROP FUNCTION sb.counts, sb.staff_change, sb.staff_accept, sb.staff_sweep, sb.staff_supervisors;
ALTER TABLE sb.staff DROP role;
