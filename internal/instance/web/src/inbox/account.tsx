import { useState } from "preact/hooks";
import * as api from "./api";
import { SetUpFactor } from "./factor";
import { Form, Text } from "./form";
import { words } from "./words";

/** Account is one's own: password and second factor. */
export function Account({ staff, changed, refused }: { staff: api.Staff; changed(staff: api.Staff): void; refused(error: unknown): void }) {
  const [told, setTold] = useState("");
  const factor = (secondFactor: api.Staff["secondFactor"]) => changed({ ...staff, secondFactor });
  const change = async (of: (name: string) => string) => {
    setTold("");
    await api.changePassword(of("present"), of("next"));
    setTold(words.passwordChanged);
  };
  return (
    <article class="panel">
      <h2>{words.account}</h2>
      <p>{staff.email}, {words.roles[staff.role]}</p>
      <h3>{words.changePassword}</h3>
      <Form submit={change} refused={refused} label={words.changePassword}>
        <Text label={words.presentPassword} name="present" type="password" autocomplete="current-password" required maxLength={1024} />
        <Text label={words.newPassword} name="next" type="password" autocomplete="new-password" required minLength={12} maxLength={1024} />
      </Form>
      <p role="status">{told}</p>
      <h3>{words.secondFactor}</h3>
      {staff.secondFactor === "on" ? (
        <Form submit={async (of) => { await api.removeFactor(of("code")); factor("none"); }} refused={refused} label={words.removeFactor}>
          <Text label={words.code} name="code" required minLength={6} maxLength={32} autocomplete="one-time-code" />
        </Form>
      ) : <SetUpFactor done={() => factor("on")} refused={refused} />}
    </article>
  );
}
