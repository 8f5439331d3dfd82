import { useState } from "preact/hooks";
import * as api from "./api";
import { Form, Text, useAttempts } from "./form";
import { words } from "./words";

interface Props { done(): void; refused(error: unknown): void }

/** SetUpFactor shows a secret once, wants a code of it, and shows recovery codes once. */
export function SetUpFactor({ done, refused }: Props) {
  const [factor, setFactor] = useState<api.Factor | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const { told, attempt } = useAttempts(refused);
  if (codes) {
    return (
      <section>
        <p>{words.recoveryCodes}</p>
        <ul class="codes">{codes.map((code) => <li key={code}><code>{code}</code></li>)}</ul>
        <button onClick={done}>{words.kept}</button>
      </section>
    );
  }
  if (!factor) {
    return (
      <section>
        <button onClick={() => void attempt(async () => setFactor(await api.beginFactor()))}>{words.setUp}</button>
        <p role="alert">{told}</p>
      </section>
    );
  }
  const box = `0 0 ${factor.qr.size} ${factor.qr.size}`;
  return (
    <section>
      <p>{words.scan}</p>
      <svg class="qr" role="img" aria-label={words.qr} viewBox={box} shape-rendering="crispEdges"><path fill="#fff" d={`M0 0h${factor.qr.size}v${factor.qr.size}H0z`} /><path d={factor.qr.path} /></svg>
      <p><code class="secret">{factor.secret}</code></p>
      <Form submit={async (of) => setCodes(await api.confirmFactor(of("code")))} refused={refused} label={words.confirm}>
        <Text label={words.code} name="code" required pattern="[0-9 ]{6,7}" inputMode="numeric" autocomplete="one-time-code" maxLength={7} />
      </Form>
    </section>
  );
}
