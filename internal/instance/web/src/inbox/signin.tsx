import { useState } from "preact/hooks";
import * as api from "./api";
import { Form, Text } from "./form";
import { Provider, useWays } from "./provider";
import { words } from "./words";

const codeNeeded = "urn:switchboard:problem:code-needed";

export function SignIn({ notice, signedIn }: { notice: string; signedIn(staff: api.Staff): void }) {
  // Held until the code is there, and no longer.
  const [known, setKnown] = useState<{ email: string; password: string } | null>(null);
  const ways = useWays();
  const first = async (of: (name: string) => string) => {
    const who = { email: of("email"), password: of("password") };
    try {
      signedIn(await api.signIn(who.email, who.password, ""));
    } catch (error) {
      if (!(error instanceof api.Problem && error.type === codeNeeded)) throw error;
      setKnown(who);
    }
  };
  if (known) {
    return (
      <main class="signin">
        <h1>{words.title}</h1>
        <p>{words.codeAsked}</p>
        <Form key="code" submit={async (of) => signedIn(await api.signIn(known.email, known.password, of("code")))} label={words.signIn}>
          <Text label={words.code} name="code" required minLength={6} maxLength={32} autocomplete="one-time-code" />
        </Form>
        <button class="plain" onClick={() => setKnown(null)}>{words.back}</button>
      </main>
    );
  }
  return (
    <main class="signin" aria-busy={ways === null}>
      <h1>{words.title}</h1>
      <p role="status">{notice}</p>
      {ways?.provider && <Provider name={ways.provider.name} />}
      {ways?.password && (
        <Form key="password" submit={first} label={words.signIn}>
          <Text label={words.email} name="email" type="email" autocomplete="username" required maxLength={254} />
          <Text label={words.password} name="password" type="password" autocomplete="current-password" required maxLength={1024} />
        </Form>
      )}
    </main>
  );
}
