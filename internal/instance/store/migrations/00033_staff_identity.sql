-- +goose Up
-- Whom a provider of OpenID Connect knows as whom of the staff. See docs/design/0023.

-- An account is linked to one person of one provider, as that knows this client: subject is an identifier that it gives to nobody else,
-- whatever becomes of the e-mail address. It goes with its account.
CREATE TABLE sb.staff_identity (
  staff_id  uuid PRIMARY KEY REFERENCES sb.staff (id) ON DELETE CASCADE,
  issuer    text NOT NULL CHECK (length(issuer) <= 256),
  client_id text NOT NULL CHECK (length(client_id) <= 256),
  subject   text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
  linked_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (issuer, client_id, subject)
);
ALTER TABLE sb.staff_identity ENABLE ROW LEVEL SECURITY;
CREATE POLICY live ON sb.staff_identity USING (EXISTS (SELECT FROM sb.staff s WHERE s.id = staff_id AND s.last_active_at > (SELECT sb.cutoff('StaffAccounts'))));
GRANT SELECT (staff_id, linked_at), DELETE ON sb.staff_identity TO sb_serve;

-- staff_identify gives the account of whom a provider has signed in, with a verified address: the one that is linked to them; else the
-- one of the address, or that of an open invitation to it, made as p_account, which is linked to them from now on. A link by another
-- provider, or another client of it, ends with that. No account is made of anything else. refusal, else NULL: unknown, there is neither
-- account nor invitation; closed, the account is; taken, the account of the address is linked to somebody else.
-- +goose StatementBegin
CREATE FUNCTION sb.staff_identify(p_issuer text, p_client text, p_subject text, p_email text, p_account uuid, OUT account uuid, OUT refusal text)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_closed  boolean;
  v_invited sb.staff_invitation;
BEGIN
  PERFORM pg_advisory_xact_lock(31, 1); -- two sign-ins of one person at once wait for each other
  SELECT s.id, s.disabled_at IS NOT NULL INTO account, v_closed FROM sb.staff_identity i JOIN sb.staff s ON s.id = i.staff_id
    WHERE i.issuer = p_issuer AND i.client_id = p_client AND i.subject = p_subject AND s.last_active_at > sb.cutoff('StaffAccounts');
  IF NOT FOUND THEN
    SELECT s.id, s.disabled_at IS NOT NULL INTO account, v_closed FROM sb.staff s
      WHERE s.email = p_email AND s.last_active_at > sb.cutoff('StaffAccounts') FOR UPDATE;
    IF FOUND AND NOT v_closed THEN
      IF EXISTS (SELECT FROM sb.staff_identity i WHERE i.staff_id = account AND i.issuer = p_issuer AND i.client_id = p_client) THEN
        account := NULL;
        refusal := 'taken';
        RETURN;
      END IF;
    ELSIF NOT FOUND THEN
      DELETE FROM sb.staff_invitation v WHERE v.email = p_email AND v.staff_id IS NULL AND v.expires_at > now() AND v.created_at > sb.cutoff('StaffAccounts')
        RETURNING * INTO v_invited;
      IF NOT FOUND THEN
        refusal := 'unknown';
        RETURN;
      END IF;
      -- The hash of a password that nobody has.
      INSERT INTO sb.staff (id, email, name, role, password_hash) VALUES (p_account, v_invited.email, v_invited.name, v_invited.role,
        '$argon2id$v=19$m=7168,t=5,p=1$c3dpdGNoYm9hcmQtbm8tMg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA');
      account := p_account;
    END IF;
    IF NOT COALESCE(v_closed, false) THEN
      -- That of a provider before, and that of an account which has expired and waits to be deleted.
      DELETE FROM sb.staff_identity i WHERE i.staff_id = account OR i.issuer = p_issuer AND i.client_id = p_client AND i.subject = p_subject;
      INSERT INTO sb.staff_identity (staff_id, issuer, client_id, subject) VALUES (account, p_issuer, p_client, p_subject);
    END IF;
  END IF;
  IF v_closed THEN
    account := NULL;
    refusal := 'closed';
  END IF;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sb.staff_identify(text, text, text, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.staff_identify(text, text, text, text, uuid) TO sb_serve;

-- +goose Down
DROP FUNCTION sb.staff_identify;
DROP TABLE sb.staff_identity;
