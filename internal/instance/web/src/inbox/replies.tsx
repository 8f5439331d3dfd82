import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { Form, Text, useAttempts } from "./form";
import { words } from "./words";

/** Replies is where supervisors write what all often write. */
export function Replies({ refused }: { refused(error: unknown): void }) {
  const [all, setAll] = useState<api.CannedReply[] | null>(null);
  const { told, attempt } = useAttempts(refused);
  const read = async () => setAll(await api.cannedReplies());
  useEffect(() => void attempt(read), []);
  const store = (id: string | null) => async (of: (name: string) => string) => {
    await api.storeCannedReply(id, { title: of("title"), body: of("body") });
    await read();
  };
  return (
    <article class="panel">
      <h2>{words.cannedReplies}</h2>
      <p>{words.cannedHint}</p>
      <p role="alert">{told}</p>
      <ul class="rows" aria-busy={all === null}>
        {all?.map((r) => (
          <li key={r.id}>
            <strong>{r.title}</strong>
            <span class="words" dir="auto">{r.body}</span>
            <button aria-label={`${words.remove}: ${r.title}`} onClick={() => void attempt(async () => { await api.removeCannedReply(r.id); await read(); })}>{words.remove}</button>
          </li>
        ))}
      </ul>
      <h3>{words.addCanned}</h3>
      <Form submit={store(null)} refused={refused} label={words.addCanned}>
        <Text label={words.titleOf} name="title" required maxLength={80} />
        <label>{words.reply}<textarea name="body" required maxLength={1600} rows={3} dir="auto" /></label>
      </Form>
    </article>
  );
}
