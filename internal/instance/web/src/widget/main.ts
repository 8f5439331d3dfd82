import { Chat } from "./chat";
import { configOf } from "./config";
import { show } from "./view";

// Once for a page, whose script tag this is. Whatever goes wrong here stays here.
const script = document.currentScript;
const name = "data-switchboard-chat";

function start(tag: HTMLScriptElement) {
  if (document.querySelector(`[${name}]`)) return;
  const config = configOf(tag);
  const host = document.createElement("div");
  host.setAttribute(name, "");
  show(host, new Chat(config), config.language);
  document.body.append(host);
}

if (script instanceof HTMLScriptElement) {
  if (document.body) start(script);
  else addEventListener("DOMContentLoaded", () => start(script), { once: true });
}
