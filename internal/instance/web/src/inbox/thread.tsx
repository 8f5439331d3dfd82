import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "./api";
import { Assignee } from "./assignee";
import { Composer } from "./composer";
import type { News } from "./inbox";
import { nameOf } from "./list";
import { Looks } from "./looks";
import { Note } from "./note";
import type { Guest } from "./privacy";
import { Same } from "./same";
import { GuestTestimonials } from "./testimonials";
import { Underage } from "./underage";
import { at, fill, words } from "./words";

// When a thread is read again because something in it expires, in milliseconds from now.
const soonest = 2000;
const latest = 24 * 3600 * 1000;

/** Thread shows a conversation's messages, and takes replies. */
export function Thread({ id, me, news, refused, expired, back, file }: { id: string; me: api.Staff; news: News; refused(error: unknown): void; expired(): void; back(): void; file(about: Guest): void }) {
  const [conversation, setConversation] = useState<api.Conversation | null>(null);
  const [page, setPage] = useState<api.Page<api.Message>>({ rows: [], next: null });
  const [failed, setFailed] = useState(false);
  const end = useRef<HTMLDivElement>(null);
  const reading = useRef(false); // for something new
  const stale = useRef(true); // something is new since it was read
  const [again, setAgain] = useState(0);
  const read = async (cursor: string | null) => {
    try {
      const found = cursor ? api.messages(id, cursor) : api.anew((from) => api.messages(id, from), page.rows.length);
      const [v, rows] = await Promise.all([api.conversation(id), found]);
      setConversation(v);
      // Read anew from the newest on: what has expired since is not kept in the page.
      setPage((before) => (cursor ? { rows: [...before.rows, ...rows.rows], next: rows.next } : rows));
      setFailed(false);
    } catch (error) {
      // While the server is away, what was being written stays; what was read does not, as nobody knows whether it has expired.
      if (error instanceof api.Problem && error.status < 500) setConversation(null);
      setPage({ rows: [], next: null });
      setFailed(true);
      refused(error);
    }
  };
  useEffect(() => {
    if (news.ids !== null && !news.ids.has(id)) return;
    stale.current = true;
    setAgain((n) => n + 1);
  }, [news]);
  // One after the other: an answer must not overtake a newer one, nor a guest who writes a lot keep the server busy.
  useEffect(() => {
    if (reading.current || !stale.current) return;
    reading.current = true;
    stale.current = false;
    void read(null).finally(() => {
      reading.current = false;
      if (stale.current) setAgain((n) => n + 1);
    });
  }, [again]);
  // What expires while it is on the screen leaves it. A clock that is ahead asks again a little later.
  useEffect(() => {
    const ends = page.rows.flatMap((m) => (m.expiresAt && m.body !== null ? [Date.parse(m.expiresAt)] : []));
    if (ends.length === 0) return;
    const timer = window.setTimeout(expired, Math.min(Math.max(Math.min(...ends) - Date.now(), soonest), latest));
    return () => window.clearTimeout(timer);
  }, [page]);
  const newest = page.rows[0]?.id;
  useEffect(() => end.current?.scrollIntoView({ block: "nearest" }), [newest]);
  if (!conversation) return <p class="none" role="status" aria-busy={!failed}>{failed ? words.failed : ""}</p>;
  return (
    <article class="thread">
      <header>
        <button class="back" onClick={back}>{words.back}</button>
        <h2>{nameOf(conversation)}</h2>
        <small>{conversation.channel}</small>
        {api.answers(me) && <Assignee conversation={conversation} me={me} changed={setConversation} refused={refused} />}
        {me.role === "privacyOfficer" && conversation.contact && <button class="plain" onClick={() => file({ id: conversation.contact?.id ?? "", name: nameOf(conversation) })}>{words.privacy.file}</button>}
      </header>
      <div class="messages" role="log" tabIndex={0} aria-label={nameOf(conversation)}>
        {failed && <p class="none" role="status">{words.failed}</p>}
        {page.next && <button class="more" onClick={() => void read(page.next)}>{words.earlier}</button>}
        {[...page.rows].reverse().map((m) => <Line key={m.id} message={m} />)}
        <div ref={end} />
      </div>
      <div class="below">
        {api.answers(me) && <Composer conversation={conversation} changed={() => void read(null)} refused={refused} />}
        {conversation.contact && <Same contact={conversation.contact.id} refused={refused} />}
        {conversation.contact && (me.role === "supervisor" || me.role === "privacyOfficer") && <Looks contact={conversation.contact.id} refused={refused} />}
        {conversation.contact && <GuestTestimonials contact={conversation.contact.id} records={me.role === "supervisor" || me.role === "privacyOfficer"} messages={page.rows} refused={refused} />}
        {conversation.contact && <Underage contact={conversation.contact.id} refused={refused} />}
        <Note id={id} changed={() => void read(null)} refused={refused} />
      </div>
    </article>
  );
}

const authors = { guest: words.guest, staff: words.staff, confirmation: words.automatic, import: words.guest, automated: words.automatic };

function Line({ message: m }: { message: api.Message }) {
  return (
    <section class={`message ${m.direction}`}>
      <h3>{m.direction === "note" ? fill(words.noteOf, { name: m.author ?? words.staff }) : m.author ?? (m.direction === "out" && m.origin === "import" ? words.staff : authors[m.origin])}</h3>
      <p class="words" dir="auto">{m.body ?? <em>{words.expiredWords}</em>}</p>
      {m.attachments.map((a) => <File key={a.id} attachment={a} />)}
      <footer>
        <time dateTime={m.at}>{at(m.at)}</time>
        {m.direction === "out" && <span class={`status ${m.status}`}>{words.status[m.status] ?? m.status}{m.errorCode && ` (${m.errorCode})`}</span>}
        {m.waits && <span>{m.waits.until ? fill(words.waits, { time: m.waits.localTime ?? at(m.waits.until), zone: m.waits.timeZone }) : words.waitsForever}</span>}
        {m.expiresAt && <span>{fill(words.wordsUntil, { time: at(m.expiresAt) })}</span>}
      </footer>
    </section>
  );
}

function File({ attachment: a }: { attachment: api.Attachment }) {
  const name = a.name || words.file;
  if (a.state === "stored") return <p><a href={api.attachmentURL(a.id)} download={name}>{name}</a></p>;
  return <p>{fill(a.state === "pending" ? words.filePending : words.fileRefused, { name })}</p>;
}
