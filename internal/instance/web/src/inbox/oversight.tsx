import { useEffect, useRef, useState } from "preact/hooks";
import { Account } from "./account";
import * as api from "./api";
import { useAttempts } from "./form";
import { listen } from "./live";
import { RequestCounts } from "./privacy";
import { at, words } from "./words";

interface Props { staff: api.Staff; changed(staff: api.Staff): void; ended(): void; signOut(): void }

/** Oversight is what an auditor sees: how much there is, and receipts of what was deleted. */
export function Oversight({ staff, changed, ended, signOut }: Props) {
  const [connected, setConnected] = useState(true);
  const [account, setAccount] = useState(false);
  const leave = useRef(ended);
  leave.current = ended;
  // It hears of nothing but the end of the session.
  useEffect(() => listen({ changed: () => {}, connected: setConnected, ended: () => leave.current() }), []);
  const refused = (error: unknown) => {
    if (error instanceof api.Problem && error.status === 401) leave.current();
  };
  return (
    <div class="inbox reading">
      <header>
        <h1>{words.oversight}</h1>
        <span>{staff.name || staff.email}</span>
        <button onClick={() => setAccount(!account)} aria-pressed={account}>{words.account}</button>
        <button onClick={signOut}>{words.signOut}</button>
      </header>
      <p class="offline" role="status">{connected ? "" : words.offline}</p>
      <main class="wide">{account ? <Account staff={staff} changed={changed} refused={refused} /> : <Evidence refused={refused} />}</main>
    </div>
  );
}

/** Evidence is for privacy officers and supervisors too. */
export function Evidence({ refused }: { refused(error: unknown): void }) {
  const [counts, setCounts] = useState<{ kind: string; rows: number }[]>([]);
  const [page, setPage] = useState<api.Page<api.Receipt>>({ rows: [], next: null });
  const { told, attempt } = useAttempts(refused);
  const more = (before: string | null) => attempt(async () => {
    const found = await api.evidence(before);
    setPage((shown) => ({ rows: before ? [...shown.rows, ...found.rows] : found.rows, next: found.next }));
  });
  useEffect(() => {
    void attempt(async () => setCounts(await api.counts()));
    void more(null);
  }, []);
  return (
    <article class="panel">
      <h2>{words.counts}</h2>
      <p role="alert">{told}</p>
      <dl>{counts.map((c) => <div key={c.kind}><dt>{c.kind}</dt><dd>{c.rows}</dd></div>)}</dl>
      <RequestCounts refused={refused} />
      <h2>{words.evidence}</h2>
      <ul class="rows">
        {page.rows.map((r) => <li key={r.sequence}><strong>#{r.sequence} {r.policy}</strong><time dateTime={r.recordedAt}>{at(r.recordedAt)}</time><code>{r.digest}</code></li>)}
      </ul>
      {page.next && <button class="more" onClick={() => void more(page.next)}>{words.more}</button>}
    </article>
  );
}
