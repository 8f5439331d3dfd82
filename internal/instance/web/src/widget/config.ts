import { choose } from "./words";

/** What the site's script tag says. */
export interface Config {
  /** Where the chat is: https://HOSTNAME/webhooks/CHANNEL/chat, without a slash at its end. */
  base: string;
  /** The guest's id on the site, and the site's signature of it; both empty for a guest who is not signed in. */
  user: string;
  hash: string;
  language: string;
  /** Whether anything may be kept in the browser. */
  storage: boolean;
}

/** configOf reads a script tag. By itself it names the chat: it lies beside it. */
export function configOf(script: HTMLScriptElement): Config {
  const { chat, lang, userId = "", userHash = "", storage } = script.dataset;
  return {
    base: (chat ?? new URL(".", script.src).href).replace(/\/+$/, ""),
    user: userId,
    hash: userHash,
    language: choose([lang, document.documentElement.lang, ...navigator.languages]),
    storage: storage !== "none",
  };
}
