import { Component } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "./api";
import { type Changed, type News, and, nothing, useNews } from "./news";
import { kept, patched } from "./rows";
import { briefly, words } from "./words";

const nameOf = (v: api.Conversation) => (v.contact ? v.contact.name || words.unknownGuest : words.expiredGuest);

export { nameOf };

/** List shows conversations, the newest first, or those that a search finds. */
export function List({ me, news, chosen, choose, refused }: { me: api.Staff; news: News; chosen: string | null; choose(id: string): void; refused(error: unknown): void }) {
  const [typed, setTyped] = useState("");
  const [whose, setWhose] = useState(""); // an id, "none", or everybody's
  const [page, setPage] = useState<api.Page<api.Conversation> | null>(null);
  const [failed, setFailed] = useState(false);
  const shown = useRef(page);
  const pages = useRef(1); // as far as whoever looks has gone
  const asked = useRef<AbortController | null>(null); // until something else may be asked
  const asks = useRef<Changed>(nothing); // what is being read anew
  const stale = useRef<Changed>(nothing); // what is to be
  const reading = useRef(false);
  const came = useRef<Changed>(nothing); // with the news, while something was being read
  const lost = useRef(false); // what could not be read is not known any more: all is read next
  const resting = useRef<number | undefined>(undefined);
  const show = (now: api.Page<api.Conversation>) => setPage((shown.current = now));
  const readAll = async (signal: AbortSignal) => {
    const list = (from: string | null) => api.conversations(typed.trim(), whose, from, signal);
    const searches = /[\p{L}\p{N}]/u.test(typed) || typed === "";
    const found = searches ? await api.anew(list, (pages.current - 1) * api.pageRows + 1) : { rows: [], next: null };
    show({ rows: kept(shown.current?.rows ?? [], found.rows), next: found.next });
    lost.current = false;
  };
  /** patch shows some rows as they are now; false: all is to be read. */
  const patch = (ids: ReadonlySet<string>, found: api.Conversation[]) => {
    const before = shown.current;
    // What a search finds is read as a whole, and so is a list that has grown by more than anybody asked for.
    if (before === null || typed !== "" || before.rows.length > (pages.current + 1) * api.pageRows) return false;
    const rows = patched(before.rows, ids, found, before.next === null);
    if (rows !== null) show({ rows, next: before.next });
    return rows !== null;
  };
  const readSome = async (ids: ReadonlySet<string>, signal: AbortSignal) => {
    if (typed !== "" || ids.size > api.maxNamed) return readAll(signal);
    let found: api.Conversation[];
    try {
      found = await api.conversationsOf([...ids], whose, signal);
    } catch (error) {
      if (error instanceof api.Problem && error.status === 400) return readAll(signal); // a server of the release before knows no ids
      throw error;
    }
    if (!patch(ids, found)) await readAll(signal);
  };
  const readMore = async (from: string, signal: AbortSignal) => {
    const more = await api.conversations(typed.trim(), whose, from, signal);
    pages.current++;
    const known = new Set(more.rows.map((v) => v.id));
    show({ rows: [...(shown.current?.rows ?? []).filter((v) => !known.has(v.id)), ...more.rows], next: more.next });
  };
  /** read breaks off what was asked before: an answer must not overtake a newer one. */
  const read = async (what: (signal: AbortSignal) => Promise<void>, changed: Changed) => {
    window.clearTimeout(resting.current);
    asked.current?.abort();
    if (changed !== null) stale.current = and(stale.current, asks.current);
    const asking = new AbortController();
    asked.current = asking;
    asks.current = changed;
    reading.current = true;
    const began = performance.now();
    try {
      await what(asking.signal);
      setFailed(false);
    } catch (error) {
      if (asking.signal.aborted) return;
      lost.current = true;
      setFailed(true);
      refused(error);
    }
    if (asking.signal.aborted) return;
    asks.current = nothing;
    reading.current = false;
    // The answer may be older than these, or newer: nobody tells of what was erased meanwhile. They are read.
    stale.current = and(stale.current, came.current);
    came.current = nothing;
    resting.current = window.setTimeout(() => {
      asked.current = null;
      next.current();
    }, api.restAfter(performance.now() - began));
  };
  /** showNew shows what came with the news, or has it read where that does not do. */
  const showNew = (ids: ReadonlySet<string>, rows: api.Conversation[]) => {
    const found = whose === "" ? rows : rows.filter((v) => (v.assignee?.id ?? "none") === whose);
    if (lost.current || stale.current === null || !patch(ids, found)) stale.current = and(stale.current, ids);
  };
  /** readNew reads what is new, unless something is being read: to ask with each message would have none answered while many come. */
  const readNew = () => {
    if (asked.current !== null || stale.current?.size === 0) return;
    const changed = lost.current ? null : stale.current;
    stale.current = nothing;
    void read(changed === null ? readAll : (signal) => readSome(changed, signal), changed);
  };
  const next = useRef(readNew);
  next.current = readNew;
  useNews(news, (changed, rows) => {
    if (changed === null || !rows) stale.current = and(stale.current, changed);
    else if (reading.current) came.current = and(came.current, changed);
    else showNew(changed, rows);
    readNew();
  });
  useEffect(() => {
    pages.current = 1;
    stale.current = nothing;
    came.current = nothing;
    void read(readAll, null);
  }, [typed, whose]);
  useEffect(() => () => {
    window.clearTimeout(resting.current);
    asked.current?.abort();
  }, []);
  const today = new Date().toDateString();
  return (
    <nav aria-label={words.conversations}>
      <input type="search" aria-label={words.search} placeholder={words.search} maxLength={100} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
      {api.answers(me) && (
        <select aria-label={words.whose} value={whose} onChange={(event) => setWhose(event.currentTarget.value)}>
          <option value="">{words.everybodys}</option>
          <option value={me.id}>{words.mine}</option>
          <option value="none">{words.nobodys}</option>
        </select>
      )}
      <p role="status">{failed ? words.failed : page?.rows.length === 0 ? words.nothingFound : ""}</p>
      <ul aria-busy={page === null}>
        {page?.rows.map((v) => <Row key={v.id} conversation={v} chosen={v.id === chosen} today={today} choose={choose} />)}
      </ul>
      {page?.next && <button class="more" onClick={() => void read((signal) => readMore(page.next ?? "", signal), nothing)}>{words.more}</button>}
    </nav>
  );
}

interface Shown { conversation: api.Conversation; chosen: boolean; today: string; choose(id: string): void }

/** Row is one conversation's, and is drawn anew only when that, or the day, is another. */
class Row extends Component<Shown> {
  override shouldComponentUpdate(next: Shown) {
    return next.conversation !== this.props.conversation || next.chosen !== this.props.chosen || next.today !== this.props.today;
  }

  override render({ conversation: v, chosen, choose }: Shown) {
    return (
      <li>
        <button aria-current={chosen} onClick={() => choose(v.id)}>
          <strong>{nameOf(v)}</strong>
          {v.lastMessageAt && <time dateTime={v.lastMessageAt}>{briefly(v.lastMessageAt)}</time>}
          <span class="preview">{v.lastMessage ? v.lastMessage.preview ?? words.expiredWords : ""}</span>
          <small>{v.channel}</small>
          {v.assignee && <small class="assignee">{v.assignee.name}</small>}
          {v.optOut !== "none" && <small class="optout">{v.optOut === "optedOut" ? words.status.suppressed : "STOP?"}</small>}
        </button>
      </li>
    );
  }
}
