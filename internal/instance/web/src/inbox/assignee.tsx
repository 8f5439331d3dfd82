import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { useAttempts } from "./form";
import { words } from "./words";

interface Props { conversation: api.Conversation; me: api.Staff; changed(v: api.Conversation): void; refused(error: unknown): void }

/** Assignee says who sees to a conversation, and hands it on. */
export function Assignee({ conversation: v, me, changed, refused }: Props) {
  const [colleagues, setColleagues] = useState<api.Colleague[]>([]);
  const { told, attempt } = useAttempts(refused);
  useEffect(() => void attempt(async () => setColleagues((await api.colleagues()).filter((c) => c.role !== "privacyOfficer"))), [v.assignee?.id]);
  const hand = (to: string) => void attempt(async () => changed(await api.assign(v.id, to || null)));
  return (
    <span class="assign">
      <label>
        {words.assignee}
        <select value={v.assignee?.id ?? ""} onChange={(event) => hand(event.currentTarget.value)}>
          <option value="">{words.nobody}</option>
          {v.assignee && !colleagues.some((c) => c.id === v.assignee?.id) && <option value={v.assignee.id}>{v.assignee.name}</option>}
          {colleagues.map((c) => <option key={c.id} value={c.id}>{c.id === me.id ? words.me : c.name}</option>)}
        </select>
      </label>
      <span role="alert">{told}</span>
    </span>
  );
}
