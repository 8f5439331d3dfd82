import * as api from "./api";
import { Form } from "./form";
import { words } from "./words";

/** Note takes what colleagues are to know; it is sent to nobody. */
export function Note({ id, changed, refused }: { id: string; changed(): void; refused(error: unknown): void }) {
  return (
    <details class="noting">
      <summary>{words.writeNote}</summary>
      <Form submit={async (of) => { await api.note(id, of("body")); changed(); }} refused={refused} label={words.keepNote}>
        <label>{words.noteHint}<textarea name="body" required maxLength={4000} rows={3} dir="auto" /></label>
      </Form>
    </details>
  );
}
