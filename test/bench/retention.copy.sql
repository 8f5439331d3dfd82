-- The same rows in plain tables with the same indexes, and one more on the age, which the monthly partitions have by themselves.
DROP TABLE IF EXISTS public.message_body, public.message, public.seen;
CREATE TABLE public.message_body (LIKE sb.message_body INCLUDING ALL);
CREATE TABLE public.message (LIKE sb.message INCLUDING ALL);
CREATE TABLE public.seen (LIKE sb.seen INCLUDING ALL);
INSERT INTO public.message_body SELECT * FROM sb.message_body;
INSERT INTO public.message SELECT * FROM sb.message;
INSERT INTO public.seen SELECT * FROM sb.seen;
CREATE INDEX ON public.message_body (at);
CREATE INDEX ON public.message (at);
CREATE INDEX ON public.seen (seen_at);
VACUUM ANALYZE;
CHECKPOINT;
