import * as api from "./api";
import { Form, Text } from "./form";
import { Provider, useWays } from "./provider";
import { fill, words } from "./words";

/** invitation takes the token out of the address, so that it stays in no history. */
export function invitation(): string {
  const token = new URLSearchParams(location.hash.slice(1)).get("invitation") ?? "";
  if (token) history.replaceState(null, "", location.pathname);
  return token;
}

/** Accept has whoever was invited choose a password. */
export function Accept({ token, done }: { token: string; done(why: string): void }) {
  const ways = useWays();
  const submit = async (of: (name: string) => string) => {
    const staff = await api.accept(token, of("name"), of("password"));
    done(fill(words.accepted, { email: staff.email }));
  };
  return (
    <main class="signin">
      <h1>{words.invited}</h1>
      {ways?.provider && <p>{fill(words.acceptWith, { name: ways.provider.name })}</p>}
      {ways?.provider && <Provider name={ways.provider.name} />}
      {ways?.password && <Form submit={submit} label={words.choosePassword}>
        <Text label={words.name} name="name" maxLength={200} autocomplete="name" />
        <Text label={words.newPassword} name="password" type="password" autocomplete="new-password" required minLength={12} maxLength={1024} />
      </Form>}
      <button class="plain" onClick={() => done("")}>{words.signIn}</button>
    </main>
  );
}
