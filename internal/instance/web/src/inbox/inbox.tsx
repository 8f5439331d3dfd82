import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "./api";
import { List } from "./list";
import { listen } from "./live";
import { Thread } from "./thread";
import { words } from "./words";

/** News is what has changed since; each is another object. ids null: anything may have. */
export interface News { ids: Set<string> | null }

export function Inbox({ staff, ended, signOut }: { staff: api.Staff; ended(): void; signOut(): void }) {
  const [news, setNews] = useState<News>({ ids: null });
  const [connected, setConnected] = useState(true);
  const [chosen, setChosen] = useState<string | null>(null);
  const leave = useRef(ended);
  leave.current = ended;
  useEffect(() => listen({ changed: (ids) => setNews({ ids }), connected: setConnected, ended: () => leave.current() }), []);
  // What is shown expires whether or not anything is new.
  useEffect(() => {
    const every = window.setInterval(() => setNews({ ids: null }), 60_000);
    return () => window.clearInterval(every);
  }, []);
  /** Whatever fails for want of a session ends it here too. */
  const refused = (error: unknown) => {
    if (error instanceof api.Problem && error.status === 401) leave.current();
  };
  return (
    <div class={chosen ? "inbox reading" : "inbox"}>
      <header>
        <h1>{words.title}</h1>
        <span>{staff.name || staff.email}</span>
        <button onClick={signOut}>{words.signOut}</button>
      </header>
      <p class="offline" role="status">{connected ? "" : words.offline}</p>
      <List news={news} chosen={chosen} choose={setChosen} refused={refused} />
      <main>
        {chosen ? <Thread key={chosen} id={chosen} news={news} refused={refused} expired={() => setNews({ ids: null })} back={() => setChosen(null)} /> : <p class="none">{words.choose}</p>}
      </main>
    </div>
  );
}
