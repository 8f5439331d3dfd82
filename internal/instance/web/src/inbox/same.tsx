import { useState } from "preact/hooks";
import * as api from "./api";
import { useAttempts } from "./form";
import { nameOf } from "./list";
import { at, fill, words } from "./words";

/** Same shows by which addresses a guest is known, and says that another contact is the same person, or is not after all. */
export function Same({ contact, refused }: { contact: string; refused(error: unknown): void }) {
  const [person, setPerson] = useState<api.Contact | null>(null);
  const [typed, setTyped] = useState("");
  const [found, setFound] = useState<api.Conversation[]>([]);
  const { told, attempt } = useAttempts(refused);
  const opened = (open: boolean) => open && void attempt(async () => setPerson(await api.contact(contact)));
  const search = () => attempt(async () => setFound((await api.conversations(typed.trim(), "", null)).rows));
  const merge = (other: string) => attempt(async () => {
    setPerson(await api.merge(contact, other));
    setFound([]);
    setTyped("");
  });
  const split = (other: string) => attempt(async () => {
    await api.split(other);
    setPerson(await api.contact(contact));
  });
  const known = new Set([contact, ...(person?.mergedInto ? [person.mergedInto] : []), ...(person?.merged ?? []).map((m) => m.id)]);
  const others = found.filter((v, n) => v.contact && !known.has(v.contact.id) && found.findIndex((w) => w.contact?.id === v.contact?.id) === n);
  return (
    <details class="noting" onToggle={(e) => opened(e.currentTarget.open)}>
      <summary>{words.same.known}</summary>
      <ul class="rows">
        {person?.addresses.map((a) => <li key={a.kind + a.address}><strong dir="ltr">{a.address}</strong><span>{a.kind}</span></li>)}
        {person?.merged.map((m) => (
          <li key={m.id}>
            <strong>{m.name || words.unknownGuest}</strong>
            <span>{fill(words.same.since, { time: at(m.mergedAt) })}</span>
            <button class="plain" onClick={() => void split(m.id)}>{words.same.apart}</button>
          </li>
        ))}
      </ul>
      <form class="same" onSubmit={(e) => { e.preventDefault(); void search(); }}>
        <label>{words.same.other}<input type="search" maxLength={100} value={typed} onInput={(e) => setTyped(e.currentTarget.value)} /></label>
        <button disabled={!/[\p{L}\p{N}]/u.test(typed)}>{words.same.search}</button>
      </form>
      <ul class="rows">
        {others.map((v) => (
          <li key={v.id}>
            <strong>{nameOf(v)}</strong>
            <span>{v.channel}</span>
            <button class="plain" onClick={() => v.contact && void merge(v.contact.id)}>{words.same.merge}</button>
          </li>
        ))}
      </ul>
      <p role="alert">{told}</p>
    </details>
  );
}
