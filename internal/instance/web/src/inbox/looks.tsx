import { useState } from "preact/hooks";
import * as api from "./api";
import { useAttempts } from "./form";
import { at, words } from "./words";

/** Looks shows who read about a guest; asked for when it is opened, as that is in the access log too. */
export function Looks({ contact, refused }: { contact: string; refused(error: unknown): void }) {
  const [looks, setLooks] = useState<api.Look[]>([]);
  const { told, attempt } = useAttempts(refused);
  const opened = (open: boolean) => open && void attempt(async () => setLooks(await api.looks(contact)));
  return (
    <details class="noting" onToggle={(e) => opened(e.currentTarget.open)}>
      <summary>{words.looks.who}</summary>
      <ul class="rows looks">
        {looks.map((l, n) => (
          <li key={n}>
            <strong>{l.name || l.email || words.looks.other}</strong>
            <span>{l.method === "GET" ? words.looks.read : words.looks.changed}</span>
            <time dateTime={l.at}>{at(l.at)}</time>
          </li>
        ))}
      </ul>
      <p role="alert">{told}</p>
    </details>
  );
}
