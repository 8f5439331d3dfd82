import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { Form, Text } from "./form";
import { fill, words } from "./words";

/** returned takes out of the address what became of a sign-in by the provider, as the server has it: empty for none. */
export function returned(): string {
  const why = new URLSearchParams(location.hash.slice(1)).get("sign-in") ?? "";
  if (why) history.replaceState(null, "", location.pathname);
  return why;
}

/** Why the provider did not sign somebody in, and what to do. */
export const whyNot = (why: string) => (Object.hasOwn(words.signInWhy, why) ? words.signInWhy[why] : words.signInWhy.failed) ?? "";

/** useWays asks how staff sign in here: null until that is known. A server that does not say so takes passwords. */
export function useWays(): api.Ways | null {
  const [ways, setWays] = useState<api.Ways | null>(null);
  useEffect(() => void api.signInWays().then(setWays, () => setWays({ password: true, provider: null })), []);
  return ways;
}

/** Provider sends the browser to the client's own directory. */
export function Provider({ name }: { name: string }) {
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const go = async () => {
    setBusy(true);
    setWrong("");
    try {
      location.assign(await api.beginProvider());
    } catch (error) {
      setWrong(error instanceof api.Problem && error.status !== 503 ? error.message : fill(words.providerDown, { name }));
      setBusy(false);
    }
  };
  return (
    <>
      <button disabled={busy} onClick={() => void go()}>{fill(words.signInWith, { name })}</button>
      <p role="alert">{wrong}</p>
    </>
  );
}

/** Code asks whom the provider has signed in for the second factor. */
export function Code({ signedIn, back }: { signedIn(staff: api.Staff): void; back(): void }) {
  return (
    <main class="signin">
      <h1>{words.title}</h1>
      <p>{words.codeAsked}</p>
      <Form submit={async (of) => signedIn(await api.signInCode(of("code")))} label={words.signIn}>
        <Text label={words.code} name="code" required minLength={6} maxLength={32} autocomplete="one-time-code" />
      </Form>
      <button class="plain" onClick={back}>{words.back}</button>
    </main>
  );
}
