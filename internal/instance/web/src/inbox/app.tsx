import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { Inbox } from "./inbox";
import { SignIn } from "./signin";
import { words } from "./words";

/** App shows the inbox to whoever is signed in. */
export function App() {
  const [staff, setStaff] = useState<api.Staff | null | undefined>(undefined); // undefined: not known yet
  const [notice, setNotice] = useState("");
  useEffect(() => {
    api.me().then(setStaff, (error: unknown) => {
      setStaff(null);
      if (!(error instanceof api.Problem && error.status === 401)) setNotice(words.failed);
    });
  }, []);
  if (staff === undefined) return <main aria-busy="true" />;
  if (staff === null) {
    return <SignIn notice={notice} signedIn={setStaff} />;
  }
  const leave = (why: string) => {
    setNotice(why); // and with the state, everything that was read goes from the page
    setStaff(null);
  };
  return <Inbox staff={staff} ended={() => leave(words.ended)} signOut={() => void api.signOut().finally(() => leave(""))} />;
}
