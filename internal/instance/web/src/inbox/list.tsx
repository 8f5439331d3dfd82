import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "./api";
import type { News } from "./inbox";
import { briefly, words } from "./words";

const nameOf = (v: api.Conversation) => (v.contact ? v.contact.name || words.unknownGuest : words.expiredGuest);

export { nameOf };

/** List shows conversations, the newest first, or those that a search finds. */
export function List({ me, news, chosen, choose, refused }: { me: api.Staff; news: News; chosen: string | null; choose(id: string): void; refused(error: unknown): void }) {
  const [typed, setTyped] = useState("");
  const [whose, setWhose] = useState(""); // an id, "none", or everybody's
  const [page, setPage] = useState<api.Page<api.Conversation> | null>(null);
  const [failed, setFailed] = useState(false);
  const asked = useRef<AbortController | null>(null);
  const searched = useRef(""); // what the list was found by
  const reading = useRef<string | null>(null); // what the list is being found by
  const stale = useRef(false); // something is new since
  const [again, setAgain] = useState(0);
  const resting = useRef<number | undefined>(undefined);
  const read = async (cursor: string | null) => {
    if (cursor && reading.current !== null) stale.current = true; // what it breaks off is read afterwards
    asked.current?.abort(); // an answer to what was typed before must not overtake
    const asking = new AbortController();
    asked.current = asking;
    reading.current = whose + typed;
    const began = performance.now();
    try {
      const list = (from: string | null) => api.conversations(typed.trim(), whose, from, asking.signal);
      const searches = /[\p{L}\p{N}]/u.test(typed) || typed === "";
      const found = !searches ? { rows: [], next: null } : cursor ? await list(cursor) : await api.anew(list, searched.current === whose + typed ? page?.rows.length ?? 0 : 0);
      searched.current = whose + typed;
      setPage((before) => (cursor && before ? { rows: [...before.rows, ...found.rows], next: found.next } : found));
      setFailed(false);
    } catch (error) {
      if (asking.signal.aborted) return;
      setFailed(true);
      refused(error);
    } finally {
      // What is new meanwhile is read next. A pause as long as the answer took leaves a busy server time for others.
      if (asked.current === asking) resting.current = window.setTimeout(() => { reading.current = null; if (stale.current) setAgain((n) => n + 1); }, performance.now() - began);
    }
  };
  useEffect(() => {
    // To ask anew with each message would have none answered while many come.
    stale.current = reading.current === whose + typed;
    if (stale.current) return;
    window.clearTimeout(resting.current);
    void read(null);
  }, [typed, whose, news, again]);
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
        {page?.rows.map((v) => (
          <li key={v.id}>
            <button aria-current={v.id === chosen} onClick={() => choose(v.id)}>
              <strong>{nameOf(v)}</strong>
              {v.lastMessageAt && <time dateTime={v.lastMessageAt}>{briefly(v.lastMessageAt)}</time>}
              <span class="preview">{v.lastMessage ? v.lastMessage.preview ?? words.expiredWords : ""}</span>
              <small>{v.channel}</small>
              {v.assignee && <small class="assignee">{v.assignee.name}</small>}
              {v.optOut !== "none" && <small class="optout">{v.optOut === "optedOut" ? words.status.suppressed : "STOP?"}</small>}
            </button>
          </li>
        ))}
      </ul>
      {page?.next && <button class="more" onClick={() => void read(page.next)}>{words.more}</button>}
    </nav>
  );
}
