-- What a careful hand writes: batches of 5,000 by address of row, each a transaction, then VACUUM. It prints how many rows went,
-- and the seconds that DELETE and VACUUM took, by the server's clock.
CREATE TEMP TABLE took (deleted bigint NOT NULL, began timestamptz NOT NULL, deleted_at timestamptz);
INSERT INTO took VALUES (0, clock_timestamp());
DO $$
DECLARE
  t record;
  n bigint;
BEGIN
  FOR t IN SELECT * FROM (VALUES ('message_body', 'at'), ('message', 'at'), ('seen', 'seen_at')) v (name, mark) LOOP
    LOOP
      EXECUTE format('DELETE FROM public.%1$I WHERE ctid = ANY (ARRAY(SELECT ctid FROM public.%1$I WHERE %2$I <= $1 ORDER BY %2$I LIMIT 5000))', t.name, t.mark)
        USING now() - interval '{hours} hours';
      GET DIAGNOSTICS n = ROW_COUNT;
      UPDATE took SET deleted = deleted + n;
      COMMIT;
      EXIT WHEN n < 5000;
    END LOOP;
  END LOOP;
END
$$;
UPDATE took SET deleted_at = clock_timestamp();
VACUUM public.message_body;
VACUUM public.message;
VACUUM public.seen;
SELECT deleted, extract(epoch FROM deleted_at - began), extract(epoch FROM clock_timestamp() - deleted_at) FROM took;
