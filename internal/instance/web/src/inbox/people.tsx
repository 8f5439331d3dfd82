import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { Form, Text, useAttempts } from "./form";
import { at, fill, words } from "./words";

interface All { accounts: api.Account[]; invitations: api.Invitation[]; settings: { requireSecondFactor: boolean } }

/** People is where supervisors invite, and say what each may do. */
export function People({ refused }: { refused(error: unknown): void }) {
  const [all, setAll] = useState<All | null>(null);
  const [link, setLink] = useState("");
  const { told, attempt } = useAttempts(refused);
  const read = async () => {
    const [accounts, invitations, settings] = await Promise.all([api.accounts(), api.invitations(), api.settings()]);
    setAll({ accounts, invitations, settings });
  };
  useEffect(() => void attempt(read), []);
  const then = (what: () => Promise<unknown>) => void attempt(async () => {
    try {
      await what();
    } finally {
      await read(); // a select that was refused shows again what is
    }
  });
  const invite = async (of: (name: string) => string) => {
    setLink((await api.invite({ email: of("email"), name: of("name"), role: of("role") as api.Role })).link);
    await read();
  };
  return (
    <article class="panel">
      <h2>{words.people}</h2>
      <p role="alert">{told}</p>
      <ul class="rows" aria-busy={all === null}>
        {all?.accounts.map((a) => <Person key={a.id} account={a} then={then} shown={setLink} />)}
      </ul>
      <h3>{words.invite}</h3>
      <Form submit={invite} refused={refused} label={words.makeLink}>
        <Text label={words.email} name="email" type="email" required maxLength={254} />
        <Text label={words.name} name="name" maxLength={200} />
        <label>{words.role}<select name="role">{api.roles.map((r) => <option key={r} value={r}>{words.roles[r]}</option>)}</select></label>
      </Form>
      <div role="status">{link && <p class="link">{words.handOver} <code>{new URL(link, location.href).href}</code></p>}</div>
      <ul class="rows">
        {all?.invitations.map((i) => (
          <li key={i.id}>
            <span>{i.email} · {words.roles[i.role]} · {fill(words.endsAt, { time: at(i.expiresAt) })}</span>
            <button onClick={() => then(() => api.withdraw(i.id))} aria-label={`${words.withdraw}: ${i.email}`}>{words.withdraw}</button>
          </li>
        ))}
      </ul>
      <h3>{words.secondFactor}</h3>
      {all && (
        <label class="check">
          <input type="checkbox" checked={all.settings.requireSecondFactor} onChange={(event) => { const on = event.currentTarget.checked; then(() => api.changeSettings({ requireSecondFactor: on })); }} />
          {words.requireFactor}
        </label>
      )}
    </article>
  );
}

function Person({ account: a, then, shown }: { account: api.Account; then(what: () => Promise<unknown>): void; shown(link: string): void }) {
  const name = a.name || a.email;
  return (
    <li>
      <strong>{name}</strong>
      <span>{a.email} · {fill(words.lastActive, { time: at(a.lastActiveAt) })}{a.disabledAt && ` · ${words.closedAccount}`}</span>
      <select aria-label={`${words.role}: ${name}`} value={a.role} onChange={(event) => { const role = event.currentTarget.value as api.Role; then(() => api.changeAccount(a.id, { role })); }}>
        {api.roles.map((r) => <option key={r} value={r}>{words.roles[r]}</option>)}
      </select>
      <button onClick={() => then(() => api.changeAccount(a.id, { active: a.disabledAt !== null }))} aria-label={`${a.disabledAt ? words.open : words.close}: ${name}`}>{a.disabledAt ? words.open : words.close}</button>
      {!a.disabledAt && <button onClick={() => then(async () => shown((await api.inviteAgain(a.id)).link))} aria-label={`${words.newLink}: ${name}`}>{words.newLink}</button>}
      {a.secondFactor === "on" && <button onClick={() => then(() => api.resetFactor(a.id))} aria-label={`${words.resetFactor}: ${name}`}>{words.resetFactor}</button>}
      {a.linkedAt && <button onClick={() => then(() => api.unlink(a.id))} aria-label={`${words.unlink}: ${name}`}>{words.unlink}</button>}
    </li>
  );
}
