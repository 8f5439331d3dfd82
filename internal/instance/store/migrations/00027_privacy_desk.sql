-- +goose Up
-- What privacy officers file, and what they are told of it (docs/design/0019). The operator fetches what was filed and makes an
-- object of the cluster of it; here, there is no right to anything in the cluster.

-- subject has a person's addresses, until the operator has put them into a Secret; name is that of the object. What has ended says
-- who filed what kind of request and when, and nobody whom it was about: it goes as the lines of the access log do.
CREATE TABLE sb.filed_request (
  id          uuid PRIMARY KEY,
  type        text        NOT NULL CHECK (type IN ('Erasure', 'Access', 'Rectification', 'OptOut', 'Objection', 'Underage', 'Complaint')),
  received_at timestamptz NOT NULL,
  filed_at    timestamptz NOT NULL DEFAULT now(),
  filed_by    uuid REFERENCES sb.staff (id) ON DELETE SET NULL,
  verified    text        NOT NULL CHECK (verified IN ('fromAddress', 'booking', 'document', 'inPerson', 'notNeeded')),
  due_days    integer     NOT NULL CHECK (due_days BETWEEN 1 AND 90),
  reported    boolean     NOT NULL, -- by anybody of the staff, and not by an officer
  archive_key text,
  subject     jsonb,
  taken_at    timestamptz,
  name        text UNIQUE,
  refused     text CHECK (length(refused) <= 512),
  answered_at timestamptz, -- of a Complaint, by people
  escalation  text CHECK (length(escalation) BETWEEN 1 AND 200), -- whom the answer names to turn to
  ended_at    timestamptz,
  CHECK (taken_at IS NULL OR subject IS NULL),
  CHECK (answered_at IS NULL OR type = 'Complaint')
);
CREATE INDEX filed_request_waiting ON sb.filed_request (filed_at) WHERE taken_at IS NULL;
CREATE INDEX filed_request_account ON sb.filed_request (filed_by);
ALTER TABLE sb.filed_request ENABLE ROW LEVEL SECURITY;
CREATE POLICY live ON sb.filed_request USING (ended_at IS NULL OR ended_at > (SELECT sb.cutoff('AccessLogs'))) WITH CHECK (true);
-- Never the addresses: only the operator is given them, by filed_requests.
GRANT UPDATE (answered_at, escalation) ON sb.filed_request TO sb_serve;
GRANT SELECT (id, type, received_at, filed_at, filed_by, verified, due_days, taken_at, name, refused, answered_at, escalation, ended_at) ON sb.filed_request TO sb_serve;

-- One row: what the operator told last. It names objects, counts and times, and nobody.
CREATE TABLE sb.desk (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  digest    text  NOT NULL DEFAULT '',
  told      jsonb NOT NULL DEFAULT '{"requests": [], "holds": [], "cut": false}',
  told_at   timestamptz
);
INSERT INTO sb.desk DEFAULT VALUES;
GRANT SELECT (told, told_at) ON sb.desk TO sb_serve;

-- What was given of guests' data to somebody who asked for it: an authority, a court. A line is added and never changed; one that was
-- wrong is put right by another that names it. No guest is named in it. It is there to account for what was done, for which the limits
-- of what it is about are too short, so it has one of its own: three years.
CREATE TABLE sb.disclosure (
  id          uuid PRIMARY KEY,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  recorded_by uuid REFERENCES sb.staff (id) ON DELETE SET NULL,
  asked_at    timestamptz NOT NULL,
  asked_by    text        NOT NULL CHECK (length(asked_by) BETWEEN 1 AND 200),
  ground      text        NOT NULL CHECK (length(ground) BETWEEN 1 AND 400),
  outcome     text        NOT NULL CHECK (outcome IN ('given', 'partly', 'refused')),
  given       text        NOT NULL CHECK (length(given) BETWEEN 1 AND 1600),
  persons     integer     NOT NULL CHECK (persons >= 0),
  noticed     boolean     NOT NULL,
  not_noticed text        CHECK (length(not_noticed) BETWEEN 1 AND 400),
  corrects    uuid REFERENCES sb.disclosure (id) ON DELETE SET NULL,
  CHECK (noticed = (not_noticed IS NULL))
);
CREATE INDEX disclosure_recorded ON sb.disclosure (recorded_at, id);
CREATE INDEX disclosure_account ON sb.disclosure (recorded_by);
CREATE INDEX disclosure_corrects ON sb.disclosure (corrects);
ALTER TABLE sb.disclosure ENABLE ROW LEVEL SECURITY;
CREATE POLICY live ON sb.disclosure USING (recorded_at > now() - interval '3 years') WITH CHECK (true);
GRANT SELECT ON sb.disclosure TO sb_serve;
GRANT INSERT (id, recorded_by, asked_at, asked_by, ground, outcome, given, persons, noticed, not_noticed, corrects) ON sb.disclosure TO sb_serve;

-- file_request keeps a request for the operator, unless too many wait already, or were filed within a day: then it fails with
-- SB502. With p_reports it is a report: of those so many are taken of each account within a day, p_day of all, and they don't
-- count among what officers file.
-- +goose StatementBegin
CREATE FUNCTION sb.file_request(
  p_id uuid, p_type text, p_received_at timestamptz, p_by uuid, p_verified text, p_due_days integer, p_archive_key text, p_subject jsonb,
  p_waiting integer, p_day integer, p_reports integer
) RETURNS timestamptz
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(27, 1);
  IF (SELECT count(*) FROM sb.filed_request WHERE taken_at IS NULL AND NOT reported) >= p_waiting AND p_reports IS NULL
    OR (SELECT count(*) FROM sb.filed_request WHERE reported = (p_reports IS NOT NULL) AND filed_at > now() - interval '24 hours') >= p_day
    OR (SELECT count(*) FROM sb.filed_request WHERE reported AND filed_by = p_by AND filed_at > now() - interval '24 hours') >= p_reports THEN
    RAISE EXCEPTION 'too many requests were filed' USING ERRCODE = 'SB502';
  END IF;
  INSERT INTO sb.filed_request (id, type, received_at, filed_by, verified, due_days, archive_key, subject, reported)
    VALUES (p_id, p_type, p_received_at, p_by, p_verified, p_due_days, p_archive_key, p_subject, p_reports IS NOT NULL);
  RETURN now();
END
$$;
-- +goose StatementEnd

-- filed_requests gives what waits for the operator: what officers filed before reports, the oldest first.
-- +goose StatementBegin
CREATE FUNCTION sb.filed_requests(p_limit integer) RETURNS TABLE (id uuid, type text, received_at timestamptz, due_days integer, archive_key text, subject jsonb)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT f.id, f.type, f.received_at, f.due_days, f.archive_key, f.subject FROM sb.filed_request f
  WHERE f.taken_at IS NULL ORDER BY f.reported, f.filed_at, f.id LIMIT p_limit
$$;
-- +goose StatementEnd

-- filed_answers gives complaints that were answered, of which the operator has not told so yet.
-- +goose StatementBegin
CREATE FUNCTION sb.filed_answers(p_limit integer) RETURNS TABLE (id uuid, at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT f.id, f.answered_at FROM sb.filed_request f
  WHERE f.name IS NOT NULL AND f.answered_at IS NOT NULL AND f.ended_at IS NULL ORDER BY f.answered_at, f.id LIMIT p_limit
$$;
-- +goose StatementEnd

-- desk_state says of how many requests the operator is to be asked: those that wait, that are answered without its knowing, and
-- whose object was gone when it told last, a minute after they were taken; and what it told last.
-- +goose StatementBegin
CREATE FUNCTION sb.desk_state() RETURNS TABLE (filed bigint, digest text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT (
    SELECT count(*) FROM sb.filed_request f WHERE f.taken_at IS NULL OR f.name IS NOT NULL AND f.ended_at IS NULL AND (
      f.answered_at IS NOT NULL
      OR f.taken_at < now() - interval '1 minute' AND NOT (d.told ->> 'cut')::boolean
        AND NOT d.told -> 'requests' @> jsonb_build_array(jsonb_build_object('name', f.name))
    )
  ), d.digest FROM sb.desk d
$$;
-- +goose StatementEnd

-- desk_tell takes what the operator tells: p_told has requests and holds, p_taken what became of filed requests, as
-- {"id", "name", "refused"}. The addresses of what was taken go with that. Nothing is written where nothing changes.
-- +goose StatementBegin
CREATE FUNCTION sb.desk_tell(p_digest text, p_told jsonb, p_taken jsonb) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE sb.filed_request f
    SET taken_at = now(), subject = NULL, archive_key = NULL, name = t.name, refused = t.refused, ended_at = CASE WHEN t.name IS NULL THEN now() END
    FROM jsonb_to_recordset(p_taken) AS t (id uuid, name text, refused text)
    WHERE f.id = t.id AND f.taken_at IS NULL;
  UPDATE sb.desk SET digest = p_digest, told = p_told, told_at = now() WHERE digest <> p_digest;
  -- One whose object is gone has ended too, unless it was made just now and the operator's cache does not know it, or not all
  -- were told. It has not, when it is told of again.
  WITH now_ended AS (
    SELECT f.id, CASE
      WHEN t.name IS NOT NULL THEN t."completedAt"
      WHEN (p_told ->> 'cut')::boolean THEN f.ended_at
      WHEN f.taken_at < now() - interval '1 minute' THEN COALESCE(f.ended_at, now())
    END AS at
    FROM sb.filed_request f LEFT JOIN jsonb_to_recordset(p_told -> 'requests') AS t (name text, "completedAt" timestamptz) ON t.name = f.name
    WHERE f.name IS NOT NULL
  )
  UPDATE sb.filed_request f SET ended_at = e.at FROM now_ended e WHERE f.id = e.id AND (f.ended_at IS NULL) <> (e.at IS NULL);
END
$$;
-- +goose StatementEnd

-- What has ended goes when retention runs, as the access log of its time does; disclosures go by their own limit.
-- +goose StatementBegin
CREATE FUNCTION sb.desk_sweep() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM sb.filed_request WHERE ended_at <= sb.cutoff('AccessLogs');
  DELETE FROM sb.disclosure WHERE recorded_at <= now() - interval '3 years';
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER desk_sweep AFTER INSERT OR UPDATE ON sb.retention_run FOR EACH STATEMENT EXECUTE FUNCTION sb.desk_sweep();

-- Pages look again.
CREATE TRIGGER staff_tell AFTER UPDATE ON sb.desk FOR EACH ROW EXECUTE FUNCTION sb.staff_tell('o');
CREATE TRIGGER staff_tell AFTER INSERT OR UPDATE ON sb.filed_request FOR EACH ROW EXECUTE FUNCTION sb.staff_tell('o');

REVOKE ALL ON FUNCTION sb.file_request(uuid, text, timestamptz, uuid, text, integer, text, jsonb, integer, integer, integer), sb.filed_requests(integer), sb.filed_answers(integer),
  sb.desk_state(), sb.desk_tell(text, jsonb, jsonb), sb.desk_sweep() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sb.file_request(uuid, text, timestamptz, uuid, text, integer, text, jsonb, integer, integer, integer), sb.filed_requests(integer), sb.filed_answers(integer),
  sb.desk_state(), sb.desk_tell(text, jsonb, jsonb) TO sb_serve;

-- +goose Down
DROP TRIGGER desk_sweep ON sb.retention_run;
DROP FUNCTION sb.desk_sweep, sb.desk_tell, sb.desk_state, sb.filed_answers, sb.filed_requests, sb.file_request;
DROP TABLE sb.disclosure, sb.desk, sb.filed_request;
