import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Account } from "./account";
import * as api from "./api";
import { List } from "./list";
import { listen } from "./live";
import { News } from "./news";
import { Evidence } from "./oversight";
import { People } from "./people";
import { type Guest, Privacy } from "./privacy";
import { Replies } from "./replies";
import { Thread } from "./thread";
import { words } from "./words";

type Panel = "privacy" | "people" | "replies" | "evidence" | "account";

const panels: Record<api.Role, Panel[]> = {
  agent: ["account"], supervisor: ["people", "replies", "evidence", "account"], privacyOfficer: ["privacy", "evidence", "account"], auditor: [],
};

interface Props { staff: api.Staff; changed(staff: api.Staff): void; ended(): void; signOut(): void }

export function Inbox({ staff, changed, ended, signOut }: Props) {
  const [panel, setPanel] = useState<Panel | null>(null);
  const news = useMemo(() => new News(), []);
  const [connected, setConnected] = useState(true);
  const [chosen, setChosen] = useState<string | null>(null);
  const [about, setAbout] = useState<Guest | null>(null); // whom a request is filed for
  const leave = useRef(ended);
  leave.current = ended;
  useEffect(() => listen({ changed: (ids, rows) => news.tell(ids, rows), connected: setConnected, ended: () => leave.current() }), []);
  // What is shown expires whether or not anything is new.
  useEffect(() => {
    const every = window.setInterval(() => news.tell(null), 60_000);
    return () => window.clearInterval(every);
  }, []);
  /** Whatever fails for want of a session ends it here too. */
  const refused = (error: unknown) => {
    if (error instanceof api.Problem && error.status === 401) leave.current();
  };
  return (
    <div class={chosen || panel ? "inbox reading" : "inbox"}>
      <header>
        <h1>{words.title}</h1>
        <span>{staff.name || staff.email}</span>
        {panels[staff.role].map((p) => <button key={p} aria-pressed={panel === p} onClick={() => setPanel(panel === p ? null : p)}>{words.panels[p]}</button>)}
        <button onClick={signOut}>{words.signOut}</button>
      </header>
      <p class="offline" role="status">{connected ? "" : words.offline}</p>
      <List me={staff} news={news} chosen={chosen} choose={(id) => { setPanel(null); setChosen(id); }} refused={refused} />
      <main>
        {panel === "privacy" && <Privacy news={news} about={about} forget={() => setAbout(null)} refused={refused} />}
        {panel === "people" && <People refused={refused} />}
        {panel === "replies" && <Replies refused={refused} />}
        {panel === "evidence" && <Evidence refused={refused} />}
        {panel === "account" && <Account staff={staff} changed={changed} refused={refused} />}
        {panel ? null : chosen ? <Thread key={chosen} id={chosen} me={staff} news={news} refused={refused} expired={() => news.tell(null)} back={() => setChosen(null)} file={(guest) => { setAbout(guest); setPanel("privacy"); }} /> : <p class="none">{words.choose}</p>}
      </main>
    </div>
  );
}
