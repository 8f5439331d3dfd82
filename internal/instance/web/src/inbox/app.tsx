import { useEffect, useState } from "preact/hooks";
import { Accept, invitation } from "./accept";
import * as api from "./api";
import { SetUpFactor } from "./factor";
import { Inbox } from "./inbox";
import { Oversight } from "./oversight";
import { Code, returned, whyNot } from "./provider";
import { SignIn } from "./signin";
import { words } from "./words";

/** App shows whoever is signed in what is for their role. */
export function App() {
  const [staff, setStaff] = useState<api.Staff | null | undefined>(undefined); // undefined: not known yet
  const [why, setWhy] = useState(returned);
  const [notice, setNotice] = useState(why && whyNot(why));
  const [token, setToken] = useState(invitation);
  useEffect(() => {
    api.me().then(setStaff, (error: unknown) => {
      setStaff(null);
      if (!(error instanceof api.Problem && error.status === 401)) setNotice(words.failed);
    });
  }, []);
  if (token) return <Accept token={token} done={(why) => { setToken(""); setNotice(why); }} />;
  if (staff === undefined) return <main aria-busy="true" />;
  if (staff === null) {
    if (why === "code") return <Code signedIn={setStaff} back={() => { setWhy(""); setNotice(""); }} />;
    return <SignIn notice={notice} signedIn={setStaff} />;
  }
  const leave = (because: string) => {
    setWhy("");
    setNotice(because); // and with the state, everything that was read goes from the page
    setStaff(null);
  };
  const props = { staff, changed: setStaff, ended: () => leave(words.ended), signOut: () => void api.signOut().finally(() => leave("")) };
  if (staff.secondFactor === "needed") {
    return (
      <main class="signin">
        <h1>{words.secondFactor}</h1>
        <p>{words.factorNeeded}</p>
        <SetUpFactor done={() => setStaff({ ...staff, secondFactor: "on" })} refused={(error) => { if (error instanceof api.Problem && error.status === 401) leave(words.ended); }} />
        <button class="plain" onClick={props.signOut}>{words.signOut}</button>
      </main>
    );
  }
  return staff.role === "auditor" ? <Oversight {...props} /> : <Inbox {...props} />;
}
