import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { Disclosures } from "./disclosures";
import { Form, Text, useAttempts, useTurns } from "./form";
import { type News, useNews } from "./news";
import { Testimonials } from "./testimonials";
import { at, day, fill, words } from "./words";

const dayLong = 24 * 3600 * 1000;

export interface Guest { id: string; name: string }

interface Props { about: Guest | null; forget(): void; refused(error: unknown): void }

/** Privacy is where privacy officers file what persons ask for by law, and follow it. */
export function Privacy({ about, forget, refused, news }: Props & { news: News }) {
  const [list, setList] = useState<api.PrivacyRequests | null>(null);
  const [holds, setHolds] = useState<api.Hold[]>([]);
  const { told, attempt } = useAttempts(refused);
  const turn = useTurns();
  const read = async () => {
    const newest = turn();
    const [requests, kept] = await Promise.all([api.privacyRequests(), api.holds()]);
    if (!newest()) return;
    setList(requests);
    setHolds(kept);
  };
  useEffect(() => void attempt(read), []);
  // What the operator tells is news that is about no conversation.
  useNews(news, (changed) => {
    if (changed === null || list === null) void attempt(read);
  });
  return (
    <article class="panel">
      <h2>{words.privacy.title}</h2>
      <p>{words.privacy.hint}</p>
      <p role="alert">{told}</p>
      <ul class="rows" aria-busy={list === null} aria-label={words.privacy.title}>
        {list?.requests.map((r) => <Request key={r.id ?? r.name} request={r} answered={() => void attempt(read)} refused={refused} />)}
      </ul>
      {list?.requests.length === 0 && <p>{words.privacy.none}</p>}
      {list && <small>{list.toldAt ? fill(words.privacy.toldAt, { time: at(list.toldAt) }) : words.privacy.untold}</small>}
      <h3>{words.privacy.file}</h3>
      <File about={about} forget={forget} filed={() => void attempt(read)} refused={refused} />
      <h3>{words.privacy.holds}</h3>
      <ul class="rows" aria-label={words.privacy.holds}>{holds.map((h) => <Held key={h.name} hold={h} />)}</ul>
      {holds.length === 0 && <p>{words.privacy.noHolds}</p>}
      <Testimonials news={news} refused={refused} />
      <Disclosures refused={refused} />
    </article>
  );
}

/** What a request's clock says; the first answer stops it. */
function clock(r: api.PrivacyRequest) {
  if (r.answeredAt) return fill(words.privacy.answered, { time: at(r.answeredAt) });
  if (r.completedAt) return fill(words.privacy.answered, { time: at(r.completedAt) });
  if (r.state === "Refused" || r.state === "Gone") return "";
  const left = Date.parse(r.dueAt) - Date.now();
  const days = Math.floor(Math.abs(left) / dayLong);
  const how = left < 0 ? words.privacy.late : days === 0 ? words.privacy.today : words.privacy.left;
  return `${fill(words.privacy.due, { time: at(r.dueAt) })} · ${fill(how, { days })}`;
}

const urgent = (r: api.PrivacyRequest) => !r.answeredAt && !r.completedAt && Date.parse(r.dueAt) - Date.now() < 7 * dayLong;

function Request({ request: r, answered, refused }: { request: api.PrivacyRequest; answered(): void; refused(error: unknown): void }) {
  const open = r.state !== "Completed" && r.state !== "Refused" && r.state !== "Gone";
  return (
    <li class="request">
      <strong>{words.privacy.types[r.type]}</strong>
      <span class={`state ${r.state}`}>{words.privacy.states[r.state] ?? r.state}</span>
      <span class={open && urgent(r) ? "stop" : ""}>{clock(r)}</span>
      <small>{fill(words.privacy.receivedAt, { time: at(r.receivedAt) })}{r.name && <> · <code>{r.name}</code></>}</small>
      {r.message && <small class="wide">{r.message}</small>}
      {r.done.length > 0 && <small class="wide">{fill(words.privacy.done, { rows: r.done.map((c) => `${c.category} ${c.rows}`).join(", ") })}</small>}
      {r.refused.map((f) => <small class="wide" key={f.hold + f.category}>{fill(words.privacy.kept, { hold: f.hold, rows: `${f.category} ${f.rows}` })}</small>)}
      {r.archiveUntil && <small class="wide">{fill(words.privacy.archive, { time: at(r.archiveUntil) })}</small>}
      {r.escalation && <small class="wide" dir="auto">{fill(words.privacy.escalatedTo, { body: r.escalation })}</small>}
      {r.type === "Complaint" && r.id && r.state === "Open" && !r.answeredAt && <Answer id={r.id} answered={answered} refused={refused} />}
    </li>
  );
}

/** Answer notes that people have answered a complaint. */
function Answer({ id, answered, refused }: { id: string; answered(): void; refused(error: unknown): void }) {
  const send = async (of: (name: string) => string) => {
    // Noon of that day, or now, as nobody answers ahead of time.
    const noon = new Date(`${of("answeredAt")}T12:00`);
    await api.answerComplaint(id, { answeredAt: new Date(Math.min(noon.getTime(), Date.now())).toISOString(), ...(of("escalation") && { escalation: of("escalation") }) });
    answered();
  };
  return (
    <details class="wide">
      <summary>{words.privacy.answer}</summary>
      <Form submit={send} refused={refused} label={words.privacy.noteAnswer}>
        <label>{words.privacy.answeredOn}<input name="answeredAt" type="date" required max={day(new Date())} /></label>
        <Text label={words.privacy.escalation} name="escalation" maxLength={200} />
      </Form>
    </details>
  );
}

function Held({ hold: h }: { hold: api.Hold }) {
  return (
    <li>
      <strong>{h.name}</strong>
      <span>{h.reason}</span>
      <small>
        {fill(words.privacy.since, { time: at(h.since) })}{h.until && ` · ${fill(words.endsAt, { time: at(h.until) })}`} · {h.inForce ? words.privacy.inForce : words.privacy.notInForce}
        {h.contacts !== null && ` · ${fill(words.privacy.matched, { contacts: h.contacts, messages: h.messages ?? 0 })}`}
        {h.heldBack !== null && ` · ${fill(words.privacy.heldBack, { rows: h.heldBack })}`}
      </small>
    </li>
  );
}

/** File takes a request. What was typed leaves the page with it. */
function File({ about, forget, filed, refused }: Props & { filed(): void }) {
  const [type, setType] = useState<api.RequestType>("Erasure");
  const send = async (of: (name: string) => string) => {
    const addresses = about ? [] : api.kinds.flatMap((kind) => of(kind).split("\n").map((a) => a.trim()).filter((a) => a).map((address) => ({ kind, address })));
    await api.filePrivacyRequest({
      type,
      receivedAt: new Date(`${of("received")}T00:00`).toISOString(), // the beginning of that day: no clock runs longer by that
      verified: of("verified"),
      ...(of("dueDays") && { dueDays: Number(of("dueDays")) }),
      ...(type === "Access" && { archiveKey: of("archiveKey").trim() }),
      ...(type === "Rectification" && of("newName") && { newName: of("newName") }),
      ...(type === "Rectification" && of("newPhone") && { newPhone: of("newPhone") }),
      ...(type === "Complaint" ? {} : about ? { contact: about.id } : { addresses }),
    });
    forget();
    filed();
  };
  return (
    <Form submit={send} refused={refused} label={words.privacy.submit}>
      <label>{words.privacy.type}
        <select value={type} onChange={(event) => setType(event.currentTarget.value as api.RequestType)}>
          {api.requestTypes.map((t) => <option key={t} value={t}>{words.privacy.types[t]}</option>)}
        </select>
      </label>
      {type !== "Complaint" && (about ? (
        <p class="about">{fill(words.privacy.about, { name: about.name })} <button type="button" class="plain" onClick={forget}>{words.privacy.somebodyElse}</button></p>
      ) : (
        <fieldset>
          <legend>{words.privacy.who}</legend>
          {api.kinds.map((kind) => <label key={kind}>{words.privacy.kinds[kind]}<textarea name={kind} rows={1} maxLength={4096} dir="ltr" autocomplete="off" spellcheck={false} /></label>)}
        </fieldset>
      ))}
      {type === "Access" && <Text label={words.privacy.archiveKey} name="archiveKey" required minLength={62} maxLength={62} pattern="age1[02-9ac-hj-np-z]{58}" autocomplete="off" />}
      {type === "Rectification" && <Text label={words.privacy.newName} name="newName" maxLength={200} autocomplete="off" />}
      {type === "Rectification" && <Text label={words.privacy.newPhone} name="newPhone" maxLength={20} autocomplete="off" />}
      <label>{words.privacy.received}<input name="received" type="date" required max={day(new Date())} /></label>
      <label>{words.privacy.verified}
        <select name="verified">{api.verifications.map((v) => <option key={v} value={v}>{words.privacy.verifications[v]}</option>)}</select>
      </label>
      <Text label={fill(words.privacy.dueDays, { days: type === "Underage" ? 1 : 45 })} name="dueDays" pattern="[1-9][0-9]?" inputMode="numeric" />
    </Form>
  );
}

/** RequestCounts is for those too who are not to know what about. */
export function RequestCounts({ refused }: { refused(error: unknown): void }) {
  const [counts, setCounts] = useState<api.RequestCount[]>([]);
  const { told, attempt } = useAttempts(refused);
  useEffect(() => void attempt(async () => setCounts(await api.requestCounts())), []);
  return (
    <>
      <h2>{words.privacy.title}</h2>
      <p role="alert">{told}</p>
      <dl>{counts.map((c) => <div key={c.type + c.clock}><dt>{words.privacy.types[c.type]}: {words.privacy.clocks[c.clock]}</dt><dd>{c.requests}</dd></div>)}</dl>
      {counts.length === 0 && <p>{words.privacy.none}</p>}
    </>
  );
}
