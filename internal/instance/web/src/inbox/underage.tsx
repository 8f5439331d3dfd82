import { useState } from "preact/hooks";
import * as api from "./api";
import { useAttempts } from "./form";
import { words } from "./words";

/** Underage reports that a guest is under 16: in two steps, since it can't be taken back. */
export function Underage({ contact, refused }: { contact: string; refused(error: unknown): void }) {
  const [reported, setReported] = useState(false);
  const { told, attempt } = useAttempts(refused);
  return (
    <details class="noting">
      <summary>{words.underage.report}</summary>
      {reported ? <p role="status">{words.underage.reported}</p> : (
        <p class="stop">
          {words.underage.hint}
          <br />
          <button onClick={() => void attempt(async () => { await api.reportUnderage(contact); setReported(true); })}>{words.underage.confirm}</button>
        </p>
      )}
      <p role="alert">{told}</p>
    </details>
  );
}
