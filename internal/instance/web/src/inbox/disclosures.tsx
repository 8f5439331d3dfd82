import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { Form, Text, useAttempts } from "./form";
import { at, day, fill, words } from "./words";

/** Disclosures is the log of what was given to authorities and others who asked. */
export function Disclosures({ refused }: { refused(error: unknown): void }) {
  const [page, setPage] = useState<api.Page<api.Disclosure>>({ rows: [], next: null });
  const [noticed, setNoticed] = useState(true);
  const { told, attempt } = useAttempts(refused);
  const read = async (cursor: string | null) => {
    const found = await api.disclosures(cursor);
    setPage((shown) => ({ rows: cursor ? [...shown.rows, ...found.rows] : found.rows, next: found.next }));
  };
  useEffect(() => void attempt(() => read(null)), []);
  const record = async (of: (name: string) => string) => {
    await api.recordDisclosure({
      askedAt: new Date(`${of("askedAt")}T00:00`).toISOString(),
      askedBy: of("askedBy"), ground: of("ground"), outcome: of("outcome"), given: of("given"), persons: Number(of("persons")), noticed,
      ...(!noticed && { notNoticed: of("notNoticed") }),
      ...(of("corrects") && { corrects: of("corrects") }),
    });
    setNoticed(true);
    await read(null);
  };
  return (
    <>
      <h3>{words.disclosures.title}</h3>
      <p>{words.disclosures.hint}</p>
      <p role="alert">{told}</p>
      <ul class="rows" aria-label={words.disclosures.title}>
        {page.rows.map((d) => (
          <li key={d.id}>
            <strong dir="auto">{d.askedBy}</strong>
            <span>{words.disclosures.outcomes[d.outcome] ?? d.outcome} · {fill(words.disclosures.about, { persons: d.persons })}</span>
            <small>{fill(words.disclosures.askedOn, { time: at(d.askedAt) })}</small>
            <small class="wide" dir="auto">{d.ground}</small>
            <span class="words wide" dir="auto">{d.given}</span>
            <small class="wide" dir="auto">{d.noticed ? words.disclosures.noticed : fill(words.disclosures.notNoticed, { why: d.notNoticed ?? "" })}</small>
            {d.corrects && <small class="wide">{fill(words.disclosures.putsRight, { id: d.corrects.slice(-6) })}</small>}
            <small><code>{d.id.slice(-6)}</code></small>
          </li>
        ))}
      </ul>
      {page.next && <button class="more" onClick={() => void attempt(() => read(page.next))}>{words.more}</button>}
      <details>
        <summary>{words.disclosures.add}</summary>
        <Form submit={record} refused={refused} label={words.disclosures.record}>
          <Text label={words.disclosures.askedBy} name="askedBy" required maxLength={200} />
          <label>{words.disclosures.askedWhen}<input name="askedAt" type="date" required max={day(new Date())} /></label>
          <Text label={words.disclosures.ground} name="ground" required maxLength={400} />
          <label>{words.disclosures.outcome}
            <select name="outcome">{Object.entries(words.disclosures.outcomes).map(([id, word]) => <option key={id} value={id}>{word}</option>)}</select>
          </label>
          <label>{words.disclosures.given}<textarea name="given" required maxLength={1600} rows={3} dir="auto" /></label>
          <Text label={words.disclosures.persons} name="persons" required pattern="[0-9]{1,6}" inputMode="numeric" />
          <label class="check"><input type="checkbox" checked={noticed} onChange={(event) => setNoticed(event.currentTarget.checked)} />{words.disclosures.noticed}</label>
          {!noticed && <Text label={words.disclosures.whyNot} name="notNoticed" required maxLength={400} />}
          <label>{words.disclosures.corrects}
            <select name="corrects"><option value="">{words.disclosures.none}</option>{page.rows.map((d) => <option key={d.id} value={d.id}>{d.id.slice(-6)}: {d.askedBy}</option>)}</select>
          </label>
        </Form>
      </details>
    </>
  );
}
