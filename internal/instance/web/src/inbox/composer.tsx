import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { Attach, maxCaption, sizeOf } from "./attach";
import { at, fill, words } from "./words";

interface Props { conversation: api.Conversation; changed(): void; refused(error: unknown): void }

/** Composer says what may be sent now, and sends it. */
export function Composer({ conversation: v, changed, refused }: Props) {
  const [said, setTold] = useState("");
  const [busy, setBusy] = useState(false);
  const [key, setKey] = useState(() => crypto.randomUUID()); // a reply that is sent again bears the same
  const attempt = async (what: () => Promise<unknown>) => {
    setBusy(true);
    setTold("");
    try {
      await what();
      setKey(crypto.randomUUID());
      changed();
      return true;
    } catch (error) {
      setTold(error instanceof api.Problem ? told(error, v) : words.failed);
      refused(error);
      return false;
    } finally {
      setBusy(false);
    }
  };
  const send = (reply: api.Reply, file: File | null = null) => attempt(() => api.send(v.id, reply, file, key));
  if (v.optOut === "optedOut") return <p class="notice stop">{words.optedOut}</p>;
  if (!v.contact) return <p class="notice">{words.noReply}</p>;
  return (
    <div class="composer">
      {v.optOut === "requested" && <Request id={v.id} busy={busy} attempt={attempt} />}
      {v.reply.freeTextUntil && <p class="notice">{fill(words.freeUntil, { time: at(v.reply.freeTextUntil) })}</p>}
      {!v.reply.freeText && <p class="notice">{v.reply.templates ? words.templatesOnly : words.closed}</p>}
      {v.reply.freeText && <FreeText requested={v.optOut === "requested"} files={v.reply.files} busy={busy} send={send} anew={() => setTold("")} />}
      {!v.reply.freeText && v.reply.templates && <ByTemplate busy={busy} send={send} />}
      <p role="alert">{said}</p>
    </div>
  );
}

/** told says in the reader's language why a reply was not taken, where they can do something about it. */
function told(why: api.Problem, v: api.Conversation) {
  if (why.mostBytes) return fill(words.fileTooLarge, { size: sizeOf(why.mostBytes) });
  if (why.type.endsWith(":file-refused")) return words.fileTypeRefused;
  if (why.type.endsWith(":window-closed")) return v.reply.templates ? words.templatesOnly : words.closed;
  return why.message;
}

function Request({ id, busy, attempt }: { id: string; busy: boolean; attempt(what: () => Promise<unknown>): Promise<boolean> }) {
  const dismiss = (reason: "misunderstood" | "withdrawn") => void attempt(() => api.decide(id, { decision: "dismiss", reason }));
  return (
    <div class="notice stop">
      <p>{words.requested}</p>
      <button disabled={busy} onClick={() => void attempt(() => api.decide(id, { decision: "confirm" }))}>{words.confirmOptOut}</button>
      <button disabled={busy} onClick={() => dismiss("misunderstood")}>{words.misunderstood}</button>
      <button disabled={busy} onClick={() => dismiss("withdrawn")}>{words.withdrawn}</button>
    </div>
  );
}

interface Sending { busy: boolean; send(reply: api.Reply, file?: File | null): Promise<boolean> }

function FreeText({ requested, files, busy, send, anew }: Sending & { requested: boolean; files: api.Conversation["reply"]["files"]; anew(): void }) {
  const [body, setBody] = useState("");
  const [file, setFile] = useState<File | null>(null);
  const most = file ? maxCaption : 1600;
  const wrong = !file ? "" : files === "alone" && body ? words.fileAlone : [...body].length > most ? fill(words.captionTooLong, { count: most }) : "";
  const [despite, setDespite] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (await send(despite ? { body, despiteOptOutRequest: true } : { body }, file)) {
      setBody("");
      setFile(null);
      setDespite(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Canned chosen={(text) => setBody(body ? `${body}\n${text}` : text)} />
      <textarea aria-label={words.reply} required={!file} maxLength={1600} rows={3} dir="auto" value={body} onInput={(event) => setBody(event.currentTarget.value)} />
      <Attach files={files} file={file} chosen={(given) => { setFile(given); anew(); }} />
      <p role="alert">{wrong}</p>
      {requested && (
        <label class="check">
          <input type="checkbox" required checked={despite} onChange={(event) => setDespite(event.currentTarget.checked)} />
          {words.sendDespite}
        </label>
      )}
      <button disabled={busy || wrong !== ""}>{busy ? words.sending : words.send}</button>
    </form>
  );
}

function ByTemplate({ busy, send }: Sending) {
  const submit = async (event: Event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const text = (name: string) => String(new FormData(form).get(name) ?? "").trim();
    const parameters = text("parameters").split("\n").map((line) => line.trim()).filter(Boolean);
    if (await send({ template: { name: text("name"), language: text("language"), parameters } })) form.reset();
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <label>{words.template}<input name="name" required pattern="[a-z0-9_]+" maxLength={512} /></label>
      <label>{words.templateLanguage}<input name="language" required pattern="[a-z]{2,3}(_[A-Z]{2})?" /></label>
      <label>{words.parameters}<textarea name="parameters" rows={2} /></label>
      <button disabled={busy}>{busy ? words.sending : words.send}</button>
    </form>
  );
}

/** Canned puts what staff often write into the field, where it can be changed. */
function Canned({ chosen }: { chosen(text: string): void }) {
  const [all, setAll] = useState<api.CannedReply[]>([]);
  useEffect(() => {
    api.cannedReplies().then(setAll, () => setAll([])); // what can't be read is not needed
  }, []);
  if (all.length === 0) return null;
  return (
    <select aria-label={words.insertCanned} value="" onChange={(event) => {
      const reply = all.find((r) => r.id === event.currentTarget.value);
      event.currentTarget.value = "";
      if (reply) chosen(reply.body);
    }}>
      <option value="">{words.insertCanned}</option>
      {all.map((r) => <option key={r.id} value={r.id}>{r.title}</option>)}
    </select>
  );
}
