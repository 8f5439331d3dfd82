import type { Chat, Message, Pending } from "./chat";
import { h, icon, say, set } from "./dom";
import styles from "./widget.css?inline";
import { type Attached, maxFile, Unfetched } from "./protocol";
import { directionOf, fill, wordsOf } from "./words";

const icons = {
  chat: "M4 5h16v11H9l-5 4z",
  close: "M6 6l12 12M18 6L6 18",
  about: "M12 11v6M12 7v.5M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18",
  send: "M4 12h15M13 6l6 6l-6 6",
  attach: "M19 11l-7.5 7.5a4 4 0 0 1-6-6L13 5a2.7 2.7 0 0 1 4 4l-7.5 7.5a1.3 1.3 0 0 1-2-2L14 8",
};

/** What the connector takes. It looks at the bytes, whatever is chosen here. */
const types = "image/*,audio/*,video/*,application/pdf,text/plain,text/vcard,.vcf";

/** show puts a chat's button and dialog into a page, and keeps them as the chat is. */
export function show(host: HTMLElement, chat: Chat, language: string) {
  const words = wordsOf(language);
  const locale = navigator.languages.find((l) => l.startsWith(language)) ?? language;
  const time = new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  const narrow = matchMedia("(max-width: 30rem)");
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  let asked = false; // what is stored
  let wrongFile = ""; // why what was chosen is not sent

  const badge = h("span", { class: "badge", "aria-hidden": "true" });
  const launcher = h("button", { type: "button", class: "launcher", "aria-haspopup": "dialog", "aria-controls": "dialog", click: () => turn(!chat.open) }, icon(icons.chat), badge);
  const asking = h("button", { type: "button", "aria-label": words.about, title: words.about, "aria-controls": "about", click: () => { asked = !asked; render(); } }, icon(icons.about));
  const closing = h("button", { type: "button", "aria-label": words.close, title: words.close, click: () => turn(false) }, icon(icons.close));

  const remember = h("input", { type: "checkbox", change: () => chat.remember(remember.checked) });
  const ending = h("button", { type: "button", class: "plain", click: () => { chat.end(); input.focus(); } }, words.end);
  const about = h("div", { id: "about", class: "about" },
    h("p", {}, words.noCookies, " ", chat.store.keeps ? words.kept : words.notKept),
    chat.store.remembers && h("label", {}, remember, words.remember), ending);

  const welcome = h("p", { class: "message system", dir: "auto" });
  const list = h("div", { class: "list" });
  const log = h("div", { class: "log", role: "log", "aria-label": words.messages, tabindex: 0 }, welcome, list);
  const status = h("p", { class: "status", role: "status" });
  const changed = h("p", { class: "changed", role: "status" });
  const problem = h("p", { class: "problem", role: "alert", id: "problem" });
  const input = h("textarea", { rows: 2, "aria-label": words.message, placeholder: words.message, dir: "auto", "aria-describedby": "problem", input: typed, keydown: keyed, paste: pasted });
  const picker = h("input", { type: "file", hidden: true, accept: types, "aria-label": words.attach, change: () => { take(picker.files); picker.value = ""; } });
  const attaching = h("button", { type: "button", class: "attach", "aria-label": words.attach, title: words.attach, click: () => picker.click() }, icon(icons.attach));
  const sending = h("button", { type: "submit", class: "send", "aria-label": words.send, title: words.send }, icon(icons.send));
  const form = h("form", { submit: sent, dragover: (event: DragEvent) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); }, drop: dropped }, input, picker, attaching, sending);
  const privacy = h("a", { target: "_blank", rel: "noopener noreferrer", class: "privacy" }, words.privacy, h("span", { class: "hidden" }, ` (${words.newTab})`));
  const dialog = h("section", { id: "dialog", class: "dialog", role: "dialog", "aria-labelledby": "title", hidden: true, keydown: keyedInDialog },
    h("header", {}, h("h2", { id: "title" }, words.chat), asking, closing), about, log, status, changed, problem, form, privacy);

  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  root.adoptedStyleSheets = [sheet];
  const frame = h("div", { class: "frame", lang: language, dir: directionOf(language) }, dialog, launcher);
  root.append(frame);
  // What a guest types here is no shortcut of the page's.
  for (const event of ["keydown", "keypress", "keyup", "input", "paste", "copy", "cut"]) root.addEventListener(event, (e) => e.stopPropagation());
  narrow.addEventListener("change", render);
  chat.changed = render;
  render();

  /** turn opens the dialog and goes there; or closes it, and goes back. */
  function turn(open: boolean) {
    chat.show(open);
    if (!open) return launcher.focus();
    list.lastElementChild?.scrollIntoView({ block: "nearest" });
    (input.disabled ? closing : input).focus();
  }

  /** take sends the first of files, unless the connector would refuse it anyway. */
  function take(files: FileList | null | undefined) {
    const file = files?.[0];
    if (!file || attaching.disabled) return;
    wrongFile = file.size === 0 ? words.fileEmpty : file.size > maxFile ? fill(words.fileTooLarge, { size: number.format(Math.floor(maxFile / 1e5) / 10) }) : "";
    if (!wrongFile) chat.attach(file);
    render();
    toTheEnd();
  }

  function pasted(event: ClipboardEvent) {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    take(event.clipboardData.files);
  }

  function dropped(event: DragEvent) {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  }

  /** save has the browser save a file of the thread. Nothing is opened. */
  async function save(file: Attached, told: HTMLElement) {
    say(told, "");
    try {
      const address = URL.createObjectURL(await chat.fetch(file));
      h("a", { href: address, download: file.name || file.id }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
    } catch (error) {
      say(told, error instanceof Unfetched && error.gone ? words.fileGone : words.fileLater);
    }
  }

  function typed() {
    wrongFile = "";
    if (input.value.trim()) chat.typing();
    render();
  }

  function keyed(event: KeyboardEvent) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  }

  function sent(event: Event) {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || tooMany() > 0) return;
    input.value = "";
    chat.send(text);
    input.focus();
    toTheEnd();
  }

  /** Esc leaves; Tab stays. */
  function keyedInDialog(event: KeyboardEvent) {
    if (event.key === "Escape" && !event.isComposing) {
      event.preventDefault();
      return turn(false);
    }
    if (event.key !== "Tab") return;
    const stops = [...dialog.querySelectorAll<HTMLElement>("button, a[href], input, textarea, [tabindex]")].filter((e) => e.offsetParent && !e.matches(":disabled"));
    const [first, last] = [stops[0], stops.at(-1)];
    if (root.activeElement !== (event.shiftKey ? first : last)) return;
    event.preventDefault();
    (event.shiftKey ? last : first)?.focus();
  }

  /** tooMany is by how many characters a text is too long. */
  function tooMany() {
    return [...input.value.trim()].length - (chat.settings?.maxMessageLength ?? Infinity);
  }

  function toTheEnd() { log.scrollTop = log.scrollHeight; }

  function render() {
    const { unread } = chat;
    set(launcher, "aria-expanded", String(chat.open));
    set(launcher, "aria-label", chat.open ? words.close : unread ? fill(words.openUnread, { count: unread }) : words.open);
    badge.hidden = chat.open || !unread;
    say(badge, String(unread));
    set(dialog, "aria-modal", narrow.matches ? "true" : undefined);
    dialog.hidden = !chat.open;
    if (!chat.open) return;
    set(asking, "aria-expanded", String(asked));
    about.hidden = !asked;
    remember.checked = chat.store.remembered;
    ending.hidden = !chat.begun || chat.state !== "online";
    const { welcomeText = "", privacyNoticeURL = "" } = chat.settings ?? {};
    welcome.hidden = !welcomeText;
    say(welcome, welcomeText);
    privacy.hidden = !privacyNoticeURL.startsWith("https://"); // a script's address is none
    if (!privacy.hidden) set(privacy, "href", privacyNoticeURL);
    say(changed, chat.noticeChanged ? words.noticeChanged : "");
    renderThread();
    say(status, chat.state === "connecting" && !chat.messages.length ? words.connecting : chat.state === "waiting" ? words.waiting :
      chat.staffTyping ? words.typing : chat.ended ? words.ended : "");
    const over = tooMany();
    say(problem, chat.problem ? (/^identity-(required|wrong)/.test(chat.problem) ? words.signIn : words.unusable) :
      over > 0 ? fill(words.tooLong, { count: chat.settings!.maxMessageLength, over }) : wrongFile);
    set(input, "aria-invalid", over > 0 ? "true" : undefined);
    const lost = chat.problem !== undefined && root.activeElement === input;
    input.disabled = sending.disabled = attaching.disabled = chat.problem !== undefined;
    if (lost) closing.focus();
  }

  /** renderThread adds what is new, in order, takes away what is gone, and keeps the end in sight if it was. */
  function renderThread() {
    const atTheEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    set(log, "aria-live", chat.catchingUp ? "off" : "polite"); // what is old is not read out
    const known = new Map([...list.children].map((e) => [(e as HTMLElement).dataset["key"], e as HTMLElement]));
    let place: Element | null = list.firstElementChild;
    const put = (key: string, make: () => HTMLElement, state: string, files = 0, p?: Pending) => {
      let element = known.get(key);
      if (element && files === element.querySelectorAll(".file").length) known.delete(key);
      else element = make(); // the one that showed a file on its way goes
      if (element === place) place = element.nextElementSibling;
      else list.insertBefore(element, place);
      say(element.querySelector(".state")!, state);
      const [bar, again] = [element.querySelector("progress"), element.querySelector<HTMLElement>(".retry")];
      if (bar) bar.hidden = p?.progress === undefined;
      if (bar) bar.value = p?.progress ?? 0;
      if (again) again.hidden = !p || !(p.failed || p.refused === "gone");
    };
    const lastOwn = chat.messages.findLastIndex((m) => m.from === "guest");
    const stateOf = (p: Pending) => (p.refused ? (p.file && p.refused === "type-not-allowed" ? words.fileType : words.refused) : p.failed ? words.failed : p.stored ? words.sent : words.sending);
    chat.messages.forEach((m, i) => {
      const p = chat.outbox.find((o) => o.id === m.key);
      put(m.key, () => bubble(m), m.from !== "guest" ? "" : p ? stateOf(p) : chat.isRead(i) ? words.seen : i === lastOwn ? words.sent : "", m.files.length, p);
    });
    for (const p of chat.outbox) if (!chat.messages.some((m) => m.key === p.id)) put(p.id, () => bubble(p), stateOf(p), 0, p);
    for (const gone of known.values()) gone.remove();
    if (atTheEnd) toTheEnd();
  }

  function bubble(m: Message | Pending): HTMLElement {
    const from = "from" in m ? m.from : "guest";
    const at = new Date("at" in m ? m.at : Date.now());
    const today = at.toDateString() === new Date().toDateString();
    const key = "key" in m ? m.key : m.id;
    const own = chat.outbox.find((p) => p.id === key)?.file;
    return h("div", { class: `message ${from}`, "data-key": key },
      h("span", { class: "hidden" }, `${{ guest: words.you, staff: words.staff, system: words.automatic }[from]}: `),
      m.text !== "" && h("p", { dir: "auto" }, m.text),
      m.text === "" && "files" in m && !m.files.length && h("p", {}, words.fileGone),
      ...("files" in m ? m.files.map(attached) : []),
      !("files" in m) && own !== undefined && h("p", { dir: "auto" }, own.name),
      own !== undefined && h("progress", { max: 1, "aria-label": `${words.sending} ${own.name}` }),
      own !== undefined && h("button", { type: "button", class: "plain retry", hidden: true, click: () => again(key) }, words.retry),
      h("span", { class: "foot" }, h("time", { datetime: at.toISOString() }, (today ? time : day).format(at)), h("span", { class: "state" })));
  }

  /** again sends a file again, and stays where the guest was. */
  function again(key: string) {
    const pending = chat.outbox.find((p) => p.id === key);
    if (pending) chat.retry(pending);
    input.focus();
  }

  function attached(file: Attached): HTMLElement {
    const told = h("span", { class: "foot", role: "status" });
    const name = file.name || words.file;
    const size = file.size === undefined ? "" : ` (${number.format(Math.max(0.1, Math.ceil(file.size / 1e5) / 10))} MB)`;
    if (file.state === "refused") return h("div", { class: "file" }, h("p", { dir: "auto" }, name, " – ", words.refused));
    return h("div", { class: "file" }, h("button", { type: "button", "aria-label": `${fill(words.save, { name })}${size}`, click: () => void save(file, told) }, h("span", { dir: "auto" }, name), size), told);
  }
}
