import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { Form, Text, useAttempts, useTurns } from "./form";
import { type News, useNews } from "./news";
import { at, fill, language, words } from "./words";

const w = words.testimonials;

/** Testimonials lists what guests let the tenant show, and what they withdrew. */
export function Testimonials({ news, refused }: { news: News; refused(error: unknown): void }) {
  const [page, setPage] = useState<api.Page<api.Testimonial>>({ rows: [], next: null });
  const { told, attempt } = useAttempts(refused);
  const turn = useTurns();
  const read = (cursor: string | null) => attempt(async () => {
    const newest = turn();
    const found = cursor ? await api.testimonials(cursor) : await api.anew(api.testimonials, page.rows.length);
    if (newest()) setPage((shown) => ({ rows: cursor ? [...shown.rows, ...found.rows] : found.rows, next: found.next }));
  });
  useEffect(() => void read(null), []);
  useNews(news, (changed) => {
    if (changed === null) void read(null);
  });
  return (
    <>
      <h3>{w.title}</h3>
      <p>{w.hint}</p>
      <p role="alert">{told}</p>
      <ul class="rows" aria-label={w.title}>{page.rows.map((t) => <Item key={t.id} testimonial={t} confirms changed={() => void read(null)} refused={refused} />)}</ul>
      {page.rows.length === 0 && <p>{w.none}</p>}
      {page.next && <button class="more" onClick={() => void read(page.next)}>{words.more}</button>}
    </>
  );
}

interface Props { contact: string; records: boolean; messages: api.Message[]; refused(error: unknown): void }

/** GuestTestimonials are those of one guest; records: whoever looks may record one. Asked for when it is opened. */
export function GuestTestimonials({ contact, records, messages, refused }: Props) {
  const [all, setAll] = useState<api.Testimonial[]>([]);
  const [given, setGiven] = useState("message");
  const [adds, setAdds] = useState(false); // once the form was opened: while nobody records any, nothing of it follows the thread
  const { told, attempt } = useAttempts(refused);
  const read = () => attempt(async () => setAll(await api.testimonialsOf(contact)));
  const theirs = messages.filter((m) => m.direction === "in" && m.body !== null);
  const record = async (of: (name: string) => string) => {
    await api.recordTestimonial(contact, {
      words: of("words"), shown: of("shown"), consent: of("consent"), language: of("language").trim(), given,
      ...(of("namedAs") && { namedAs: of("namedAs") }),
      ...(given === "message" ? { message: of("message") } : { consentedAt: new Date(of("consentedAt")).toISOString() }),
    });
    setGiven("message");
    await read();
  };
  return (
    <details class="noting" onToggle={(e) => e.currentTarget.open && void read()}>
      <summary>{w.title}</summary>
      <p role="alert">{told}</p>
      <ul class="rows" aria-label={w.title}>{all.map((t) => <Item key={t.id} testimonial={t} confirms={records} changed={() => void read()} refused={refused} />)}</ul>
      {all.length === 0 && <p>{w.none}</p>}
      {records && (
        <details onToggle={() => setAdds(true)}>
          <summary>{w.add}</summary>
          <Form submit={record} refused={refused} label={w.record}>
            <p>{w.recordHint}</p>
            <label>{w.words}<textarea name="words" required maxLength={4000} rows={3} dir="auto" /></label>
            <Text label={w.namedAs} name="namedAs" maxLength={200} autocomplete="off" />
            <Text label={w.shown} name="shown" required maxLength={200} />
            <label>{w.consent}<textarea name="consent" required maxLength={4000} rows={3} dir="auto" /></label>
            <label>{w.language}<input name="language" required defaultValue={language} pattern="[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}" maxLength={35} autocomplete="off" /></label>
            <label>{w.given}
              <select name="given" value={given} onChange={(event) => setGiven(event.currentTarget.value)}>{api.ways.map((id) => <option key={id} value={id}>{w.ways[id]}</option>)}</select>
            </label>
            {given === "message" ? (
              <label>{w.message}
                <select name="message" required>{adds && theirs.map((m) => <option key={m.id} value={m.id}>{at(m.at)}: {m.body?.slice(0, 80)}</option>)}</select>
              </label>
            ) : <label>{w.consentedAt}<input name="consentedAt" type="datetime-local" required /></label>}
          </Form>
        </details>
      )}
    </details>
  );
}

function Item({ testimonial: t, confirms, changed, refused }: { testimonial: api.Testimonial; confirms: boolean; changed(): void; refused(error: unknown): void }) {
  const { told, attempt } = useAttempts(refused);
  const withdraw = async (of: (name: string) => string) => {
    await api.withdrawTestimonial(t.id, of("how"));
    changed();
  };
  const agreed = fill(w.since, { time: at(t.consentedAt), way: w.ways[t.given] ?? t.given });
  if (t.withdrawnAt) {
    return (
      <li>
        <strong>{fill(w.withdrawn, { time: at(t.withdrawnAt), way: w.ways[t.withdrawnHow ?? ""] ?? "" })}</strong>
        <small>{agreed}</small>
      </li>
    );
  }
  return (
    <li>
      <span class="words wide" dir="auto">{t.words}</span>
      <strong dir="auto">{t.namedAs ?? w.unnamed}</strong>
      <span dir="auto">{fill(w.shownAt, { place: t.shown ?? "" })}</span>
      <small>{agreed}</small>
      <details class="wide">
        <summary>{w.askedSo}</summary>
        <p class="words" lang={t.language} dir="auto">{t.consent}</p>
      </details>
      {t.doubtedAt && (
        <p class="stop wide">{w.doubted}{confirms && <> <button onClick={() => void attempt(async () => { await api.confirmTestimonial(t.id); changed(); })}>{w.confirm}</button></>}</p>
      )}
      <details class="wide">
        <summary>{w.withdraw}</summary>
        <Form submit={withdraw} refused={refused} label={w.withdrawNow}>
          <p>{w.withdrawHint}</p>
          <label>{w.how}<select name="how">{api.ways.map((id) => <option key={id} value={id}>{w.ways[id]}</option>)}</select></label>
        </Form>
      </details>
      <p role="alert">{told}</p>
    </li>
  );
}
