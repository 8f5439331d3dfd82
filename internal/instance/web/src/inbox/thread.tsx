import { Component } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import * as api from "./api";
import { Assignee } from "./assignee";
import { Composer } from "./composer";
import { nameOf } from "./list";
import { Looks } from "./looks";
import { type News, useNews } from "./news";
import { Note } from "./note";
import type { Guest } from "./privacy";
import { kept } from "./rows";
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
  const shown = useRef(page.rows);
  const reading = useRef(false); // or resting after it
  const stale = useRef(false); // something is new since it was begun to be read
  const told = useRef<api.Conversation | undefined>(undefined); // what came with the news
  const closed = useRef(false);
  const show = (now: api.Page<api.Message>) => {
    shown.current = now.rows;
    setPage(now);
  };
  const read = async (cursor: string | null) => {
    const before = shown.current.length;
    try {
      const found = cursor ? api.messages(id, cursor) : api.anew((from) => api.messages(id, from), shown.current.length);
      const known = told.current;
      told.current = undefined;
      const [v, rows] = await Promise.all([known ?? api.conversation(id), found]);
      setConversation(v);
      setFailed(false);
      if (cursor) {
        const known = new Set(shown.current.map((m) => m.id));
        return show({ rows: [...shown.current, ...rows.rows.filter((m) => !known.has(m.id))], next: rows.next });
      }
      // Read anew from the newest on: what has expired since is not kept in the page. Earlier messages that came meanwhile are read with it.
      if (shown.current.length > before) stale.current = true;
      else show({ rows: kept(shown.current, rows.rows), next: rows.next });
    } catch (error) {
      // While the server is away, what was being written stays; what was read does not, as nobody knows whether it has expired.
      if (error instanceof api.Problem && error.status < 500) setConversation(null);
      show({ rows: [], next: null });
      setFailed(true);
      refused(error);
    }
  };
  /** readNew reads one after the other: an answer must not overtake a newer one, nor a guest who writes a lot keep the server busy. */
  const readNew = async () => {
    stale.current = true;
    if (reading.current) return;
    reading.current = true;
    while (stale.current && !closed.current) {
      stale.current = false;
      const began = performance.now();
      await read(null);
      await new Promise((rested) => window.setTimeout(rested, api.restAfter(performance.now() - began)));
    }
    reading.current = false;
  };
  useNews(news, (changed, rows) => {
    if (changed !== null && !changed.has(id)) return;
    told.current = rows?.find((v) => v.id === id);
    void readNew();
  });
  useEffect(() => {
    void readNew();
    return () => {
      closed.current = true;
    };
  }, []);
  // What expires while it is on the screen leaves it. A clock that is ahead asks again a little later.
  useEffect(() => {
    const ends = page.rows.flatMap((m) => (m.expiresAt && m.body !== null ? [Date.parse(m.expiresAt)] : []));
    if (ends.length === 0) return;
    const timer = window.setTimeout(expired, Math.min(Math.max(Math.min(...ends) - Date.now(), soonest), latest));
    return () => window.clearTimeout(timer);
  }, [page]);
  const newest = page.rows[0]?.id;
  useLayoutEffect(() => end.current?.scrollIntoView({ block: "nearest" }), [newest]); // before it is painted, that it is painted once
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
        {api.answers(me) && <Composer conversation={conversation} changed={() => void readNew()} refused={refused} />}
        {conversation.contact && <Same contact={conversation.contact.id} refused={refused} />}
        {conversation.contact && (me.role === "supervisor" || me.role === "privacyOfficer") && <Looks contact={conversation.contact.id} refused={refused} />}
        {conversation.contact && <GuestTestimonials contact={conversation.contact.id} records={me.role === "supervisor" || me.role === "privacyOfficer"} messages={page.rows} refused={refused} />}
        {conversation.contact && <Underage contact={conversation.contact.id} refused={refused} />}
        <Note id={id} changed={() => void readNew()} refused={refused} />
      </div>
    </article>
  );
}

const authors = { guest: words.guest, staff: words.staff, confirmation: words.automatic, import: words.guest, automated: words.automatic };

/** Line is one message, and is drawn anew only when that is another. */
class Line extends Component<{ message: api.Message }> {
  override shouldComponentUpdate(next: { message: api.Message }) {
    return next.message !== this.props.message;
  }

  override render({ message: m }: { message: api.Message }) {
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
}

function File({ attachment: a }: { attachment: api.Attachment }) {
  const name = a.name || words.file;
  if (a.state === "stored") return <p><a href={api.attachmentURL(a.id)} download={name}>{name}</a></p>;
  return <p>{fill(a.state === "pending" ? words.filePending : words.fileRefused, { name })}</p>;
}
