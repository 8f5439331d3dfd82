import { useState } from "preact/hooks";
import * as api from "./api";
import { words } from "./words";

export function SignIn({ notice, signedIn }: { notice: string; signedIn(staff: api.Staff): void }) {
  const [told, setTold] = useState(notice);
  const [busy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    try {
      signedIn(await api.signIn(String(form.get("email")), String(form.get("password"))));
    } catch (error) {
      setTold(error instanceof api.Problem ? error.message : words.failed);
      setBusy(false);
    }
  };
  return (
    <main class="signin">
      <h1>{words.title}</h1>
      <form onSubmit={(event) => void submit(event as unknown as SubmitEvent)}>
        <label>
          {words.email}
          <input name="email" type="email" autocomplete="username" required maxLength={254} />
        </label>
        <label>
          {words.password}
          <input name="password" type="password" autocomplete="current-password" required maxLength={1024} />
        </label>
        <p role="alert">{told}</p>
        <button disabled={busy}>{words.signIn}</button>
      </form>
    </main>
  );
}
