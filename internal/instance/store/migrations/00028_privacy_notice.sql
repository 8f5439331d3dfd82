-- +goose Up
-- Who was told of which version of the tenant's privacy notice (docs/design/0022).

-- The notice: no row, no notice. Replaced by `instance migrate`, and with it the counts, which serve makes once an hour.
CREATE TABLE sb.privacy_notice (
  singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  url        text    NOT NULL CHECK (length(url) <= 200),
  version    integer NOT NULL CHECK (version > 0),
  material   integer NOT NULL CHECK (material BETWEEN 1 AND version),
  language   text    NOT NULL,
  counted_at timestamptz,
  told       jsonb   NOT NULL DEFAULT '[]', -- as [{"version", "guests"}], the newest first
  to_tell    bigint                         -- NULL for a group that is too small to tell of
);

-- The newest version that a message to this guest linked, the message, and the version that was known before. They go with the guest.
ALTER TABLE sb.contact ADD notice_version integer, ADD notice_at timestamptz, ADD notice_message uuid, ADD notice_before integer,
  ADD CONSTRAINT contact_notice CHECK (num_nonnulls(notice_version, notice_at, notice_message) IN (0, 3));

-- notice_known gives the newest version that a guest was told of, NULL for none. A mark does not count whose message failed or was
-- suppressed, nor while that waits for the tenant's window, when another text may be first.
CREATE FUNCTION sb.notice_known(c sb.contact) RETURNS integer
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  RETURN CASE WHEN c.notice_message IS NOT NULL AND EXISTS (SELECT FROM sb.message m WHERE m.at = c.notice_at AND m.id = c.notice_message
      AND (m.status IN ('failed', 'suppressed') OR m.status = 'queued' AND m.not_before > now()))
    THEN c.notice_before ELSE c.notice_version END;

-- notice_due gives the notice, when the person whose thread it is was not told of it since its newest material change: again says
-- that they were told of an older version. Whoever tells the same person waits until this transaction ends.
-- +goose StatementBegin
CREATE FUNCTION sb.notice_due(p_conversation uuid) RETURNS TABLE (url text, version integer, language text, again boolean, kind text, address text)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_notice sb.privacy_notice;
  v_known integer;
  v_person uuid[] := sb.same_person(ARRAY(SELECT v.contact_id FROM sb.conversation v WHERE v.id = p_conversation AND v.contact_id IS NOT NULL));
BEGIN
  SELECT * INTO v_notice FROM sb.privacy_notice;
  IF NOT FOUND OR (SELECT max(sb.notice_known(c)) FROM sb.contact c WHERE c.id = ANY (v_person)) >= v_notice.material THEN
    RETURN;
  END IF;
  PERFORM FROM sb.contact c WHERE c.id = ANY (v_person) ORDER BY c.id FOR NO KEY UPDATE;
  SELECT max(sb.notice_known(c)) INTO v_known FROM sb.contact c WHERE c.id = ANY (v_person);
  IF v_known >= v_notice.material THEN
    RETURN; -- somebody else was faster
  END IF;
  RETURN QUERY
    SELECT v_notice.url, v_notice.version, v_notice.language, v_known IS NOT NULL, a.kind, a.address
    FROM sb.conversation v JOIN sb.contact c ON c.id = v.contact_id AND c.last_seen_at > (SELECT sb.cutoff('Contacts'))
      JOIN sb.contact_address a ON a.contact_id = v.contact_id AND a.kind = sb.address_kind(v.channel)
    WHERE v.id = p_conversation ORDER BY a.address_hash LIMIT 1;
END
$$;
-- +goose StatementEnd

-- notice_told marks that a message of this thread links a version.
-- +goose StatementBegin
CREATE FUNCTION sb.notice_told(p_conversation uuid, p_version integer, p_message uuid, p_at timestamptz) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE sb.contact c SET notice_before = sb.notice_known(c), notice_version = p_version, notice_at = p_at, notice_message = p_message
  FROM sb.conversation v WHERE v.id = p_conversation AND c.id = v.contact_id
$$;
-- +goose StatementEnd

-- notice_count counts persons who were told, by the newest version, and those with a thread who are still to be told. Groups of less
-- than p_group are left out; p_versions bounds how many versions are told of. notice_counts says whether it is time for it, once an
-- hour, and for one of several at once: also after a count that failed or took too long.
-- +goose StatementBegin
CREATE FUNCTION sb.notice_counts() RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE sb.privacy_notice SET counted_at = now() WHERE counted_at IS NULL OR counted_at <= now() - interval '1 hour';
  RETURN FOUND;
END
$$;

CREATE FUNCTION sb.notice_count(p_group integer, p_versions integer) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH notice AS (
    SELECT n.material FROM sb.privacy_notice n
  ), person AS (
    SELECT max(CASE WHEN m.status IN ('failed', 'suppressed') OR m.status = 'queued' AND m.not_before > now() THEN c.notice_before ELSE c.notice_version END) AS newest, -- as sb.notice_known, for many
      bool_or(EXISTS (SELECT FROM sb.conversation v WHERE v.contact_id = c.id)) AS thread
    FROM sb.contact c LEFT JOIN sb.message m ON m.at = c.notice_at AND m.id = c.notice_message
    WHERE c.last_seen_at > (SELECT sb.cutoff('Contacts')) GROUP BY COALESCE(c.person, c.id)
  ), told AS (
    SELECT p.newest, count(*) AS guests FROM person p WHERE p.newest IS NOT NULL GROUP BY 1 HAVING count(*) >= p_group ORDER BY 1 DESC LIMIT p_versions
  ), to_tell AS (
    SELECT count(*) AS guests FROM person p, notice n WHERE p.thread AND COALESCE(p.newest, 0) < n.material
  )
  UPDATE sb.privacy_notice SET
    told = (SELECT COALESCE(jsonb_agg(jsonb_build_object('version', t.newest, 'guests', t.guests) ORDER BY t.newest DESC), '[]') FROM told t),
    to_tell = (SELECT t.guests FROM to_tell t WHERE t.guests = 0 OR t.guests >= p_group)
$$;

-- notice_state gives the notice's version, and what was counted last.
CREATE FUNCTION sb.notice_state() RETURNS TABLE (version integer, told jsonb, to_tell bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT n.version, n.told, n.to_tell FROM sb.privacy_notice n
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sb.notice_due(uuid), sb.notice_told(uuid, integer, uuid, timestamptz), sb.notice_known(sb.contact), sb.notice_counts(), sb.notice_count(integer, integer), sb.notice_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.notice_due(uuid), sb.notice_told(uuid, integer, uuid, timestamptz), sb.notice_counts(), sb.notice_count(integer, integer), sb.notice_state() TO sb_serve;

-- +goose Down
DROP FUNCTION sb.notice_state, sb.notice_count, sb.notice_counts, sb.notice_told, sb.notice_due, sb.notice_known;
ALTER TABLE sb.contact DROP notice_before, DROP notice_message, DROP notice_at, DROP notice_version;
DROP TABLE sb.privacy_notice;
