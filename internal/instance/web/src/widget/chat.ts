import type { Config } from "./config";
import { ask, type Attached, CLOSED, download, type Frame, PROTOCOL, Refused, type Settings, TooFast, upload } from "./protocol";
import { Store } from "./store";

export interface Message {
  /** What it is known by from when it is written: the page's own id for what a guest wrote here. */
  key: string;
  cursor: string;
  at: string;
  from: "guest" | "staff" | "system";
  text: string;
  files: Attached[];
}

export interface Pending {
  id: string;
  text: string;
  /** It is stored, and not shown by the thread yet. */
  stored?: boolean;
  /** Why it never will be. */
  refused?: string | undefined;
  /** What goes without words, by a request of its own. It is kept nowhere: a reload forgets it. */
  file?: File;
  /** How much of it is with the connector, from 0 to 1; undefined when it is not on its way. */
  progress?: number | undefined;
  /** It did not get there; the guest may try again. */
  failed?: boolean;
}

/** Whether something is to be sent yet. */
const waits = (p: Pending) => !p.stored && !p.refused && !p.failed && p.progress === undefined;

export type State = "idle" | "connecting" | "online" | "waiting";

const shortest = 1_000; // milliseconds, of the wait before another try
const longest = 60_000;
const afterTooFast = 10_000;
const untilAcknowledged = 15_000;
const typingLasts = 6_000;
const typingEvery = 3_000;
const settled = 300;
const untilCaughtUp = 10_000;

/**
 * Chat is the guest's side of a chat: what is shown, what waits to be sent, and the connection. It asks for nothing until
 * the guest opens the chat, or is in one already.
 */
export class Chat {
  readonly messages: Message[] = [];
  readonly outbox: Pending[] = [];
  readonly store: Store;
  settings: Settings | undefined;
  state: State = "idle";
  /** Why there is no chat, by a code of the protocol. */
  problem: string | undefined;
  ended = false;
  noticeChanged = false;
  staffTyping = false;
  /** The thread is being read anew: what comes is old. */
  catchingUp = false;
  open: boolean;
  changed = () => {};

  #token: string | undefined;
  #seen: string | undefined;
  #notice: string | undefined;
  #noticeVersion: number | undefined;
  #oldUpTo: string | undefined;
  #readUpTo = -1;
  #readCursor: string | undefined;
  #socket: WebSocket | undefined;
  #drop: ((code: number) => void) | undefined;
  #running = false;
  #failures = 0;
  #tooFast = false;
  #wake = () => {};
  #sending: string | undefined;
  #uploading: AbortController | undefined;
  #reported = "";
  #saidTyping = 0;
  #timers: Record<string, ReturnType<typeof setTimeout>> = {};

  constructor(private readonly config: Config) {
    this.store = new Store(config.base, config.user, config.storage);
    const kept = this.store.load();
    this.#token = kept.token;
    this.#seen = kept.seen;
    this.#notice = kept.notice;
    this.#noticeVersion = kept.noticeVersion;
    this.open = kept.open === true;
    if (Array.isArray(kept.outbox)) this.outbox.push(...kept.outbox.map(({ id, text }) => ({ id, text }))); // else a page's own toJSON spoilt it
    this.store.hear((other) => this.#otherTab(other));
    addEventListener("online", () => this.#wake());
    addEventListener("offline", () => this.#drop?.(0));
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.#wake();
      this.look();
    });
    if (this.open || this.#wantsSession()) void this.#run();
  }

  /** How many messages of staff the guest has not seen. */
  get unread() {
    const seen = this.messages.findIndex((m) => m.cursor === this.#seen);
    return this.messages.slice(seen + 1).filter((m) => m.from !== "guest").length;
  }

  /** Whether staff have seen the message at an index. */
  isRead(index: number) { return index <= this.#readUpTo; }

  show(open: boolean) {
    this.open = open;
    if (this.#token) this.#keep();
    if (open) void this.#run();
    this.look();
    this.changed();
  }

  /** look notes that the guest sees what is shown, if they do. */
  look() {
    const last = this.messages.at(-1);
    if (!last) return;
    if (this.open && !document.hidden && this.#seen !== last.cursor) {
      this.#seen = last.cursor;
      this.#keep();
      this.changed();
    }
    this.#report();
  }

  /** send takes what the guest wrote; it is sent when it can be, once. */
  send(text: string) {
    this.#put({ id: crypto.randomUUID(), text });
  }

  /** attach takes a file; it is sent when its turn comes. */
  attach(file: File) {
    this.#put({ id: crypto.randomUUID(), text: "", file });
  }

  /** retry sends a file again that did not get there; one that is not waited for any more as another message. */
  retry(pending: Pending) {
    this.#remove(pending.id);
    const { id, text, file } = pending;
    if (file) this.#put({ id: pending.refused ? crypto.randomUUID() : id, text, file });
  }

  /** fetch gives a file of the thread. */
  fetch(file: Attached) {
    return download(`${this.config.base}/files/${file.id}`, this.#token ?? "");
  }

  #put(pending: Pending) {
    this.outbox.push(pending);
    this.ended = false;
    this.#keep();
    this.changed();
    this.#wake();
    void this.#run();
    this.#flush();
  }

  typing() {
    if (this.state !== "online" || Date.now() - this.#saidTyping < typingEvery) return;
    this.#saidTyping = Date.now();
    this.#say({ type: "typing" });
  }

  /** end ends the session on every device, and forgets it here. */
  end() {
    this.#say({ type: "end" });
    this.outbox.length = 0;
    this.#uploading?.abort();
    this.#over();
    this.#drop?.(CLOSED.ended);
  }

  remember(yes: boolean) {
    this.store.remembered = yes;
    if (this.#token || !yes) this.#keep();
    this.changed();
  }

  /** Whether there is a chat that can be ended. */
  get begun() { return this.#token !== undefined; }

  #wantsSession() {
    return this.#token !== undefined || this.outbox.some(waits) || (this.config.user !== "" && this.open && !this.ended);
  }

  #wantsMore() { return (this.open && !this.settings) || this.#wantsSession(); }

  #keep() {
    if (!this.#token && !this.outbox.length) return this.store.forget();
    this.store.save({
      user: this.config.user, token: this.#token, seen: this.#seen, notice: this.#notice, noticeVersion: this.#noticeVersion, open: this.open,
      outbox: this.outbox.filter((p) => waits(p) && !p.file).map(({ id, text }) => ({ id, text })),
    });
  }

  /** run keeps a connection for as long as there is a reason for one. */
  async #run() {
    if (this.#running || this.problem) return;
    this.#running = true;
    for (;;) {
      this.#become("connecting");
      try {
        this.settings ??= await ask<Settings>(`${this.config.base}/settings`);
        if (!this.config.user && this.settings.identity === "Enforced") throw new Refused("identity-required");
        if (!this.#wantsSession()) break;
        await this.#converse(this.#token ?? await this.#session());
      } catch (error) {
        if (error instanceof Refused) {
          this.problem = error.code || "unusable";
          break;
        }
        this.#tooFast = error instanceof TooFast;
      }
      if (!this.#wantsMore()) break;
      this.#become("waiting");
      await this.#pause();
    }
    this.#running = false;
    this.#become("idle");
  }

  #become(state: State) {
    this.state = state;
    this.changed();
  }

  /** session opens one. Tabs that share it ask one after another, so that there is one. */
  async #session(): Promise<string> {
    const { base, user, hash } = this.config;
    await this.store.alone(async (shared) => {
      this.#begin(shared ?? (await ask<{ token: string }>(`${base}/sessions`, user ? { userId: user, userHash: hash } : {})).token);
    });
    return this.#token!;
  }

  #begin(token: string) {
    this.#clear();
    this.#token = token;
    this.ended = false;
    this.#keep();
  }

  /** converse speaks by one socket until it is closed, or must be given up. */
  #converse(token: string) {
    return new Promise<void>((resolve, reject) => {
      const socket = new WebSocket(`${this.config.base.replace(/^http/, "ws")}/socket`, PROTOCOL);
      const drop = (code: number) => {
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
        this.#socket = this.#drop = this.#sending = undefined;
        this.#reported = "";
        this.#set("typing");
        this.#set("acknowledged");
        this.#set("welcomed");
        this.staffTyping = false;
        switch (code) {
          case CLOSED.unsupported: case CLOSED.tooBig: case CLOSED.malformed:
            return reject(new Refused("unusable"));
          case CLOSED.ended:
            if (this.#token === token) this.#over();
            break;
          case CLOSED.tooFast: case CLOSED.tooMany:
            return reject(new TooFast());
        }
        resolve();
      };
      this.#socket = socket;
      this.#drop = drop;
      this.#set("welcomed", untilAcknowledged, () => drop(0));
      socket.onopen = () => this.#say({ type: "hello", token, cursor: this.messages.at(-1)?.cursor ?? "" });
      socket.onmessage = (event) => this.#take(JSON.parse(event.data as string) as Frame);
      socket.onclose = (event) => drop(event.code);
    });
  }

  /** pause waits before another try, longer each time and never as long as others do. */
  async #pause() {
    if (this.#tooFast) await new Promise((r) => { setTimeout(r, afterTooFast); });
    this.#tooFast = false;
    const wait = Math.min(longest, shortest * 2 ** this.#failures++) * (0.5 + Math.random());
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#set("pause", wait, resolve);
    });
    this.#set("pause");
    this.#wake = () => {};
  }

  #say(frame: object) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #take(frame: Frame) {
    switch (frame.type) {
      case "welcome":
        this.#welcomed(frame);
        break;
      case "message":
        this.#shown(frame);
        break;
      case "ack":
        this.#acknowledged(frame.id, frame.message === null);
        break;
      case "receipt":
        if (frame.status === "read") this.#readCursor = frame.cursor;
        this.#markRead();
        break;
      case "typing":
        this.staffTyping = true;
        this.#set("typing", typingLasts, () => {
          this.staffTyping = false;
          this.changed();
        });
        break;
      case "error":
        this.#failed(frame.code, frame.id);
    }
    this.changed();
  }

  #welcomed(frame: Frame & { type: "welcome" }) {
    this.#set("welcomed");
    this.#failures = 0;
    if (frame.reset) this.#clear();
    const { welcomeText, privacyNoticeURL, noticeVersion = 0, maxMessageLength } = frame;
    this.settings = { ...this.settings!, ...(welcomeText !== undefined && { welcomeText }), privacyNoticeURL, maxMessageLength };
    this.noticeChanged ||= this.#notice !== undefined && (this.#notice !== privacyNoticeURL || noticeVersion > (this.#noticeVersion ?? noticeVersion));
    this.#notice = privacyNoticeURL;
    this.#noticeVersion = noticeVersion;
    this.#oldUpTo = frame.upTo;
    this.#keep();
    this.#catchUp();
    this.#become("online");
    this.#flush();
  }

  /** catchUp says that old messages come: until the last of them has, and none came for a while. It may have expired, and not come. */
  #catchUp() {
    this.catchingUp = true;
    this.#set("catchingUp", this.#oldUpTo ? untilCaughtUp : settled, () => {
      this.catchingUp = false;
      this.changed();
    });
  }

  #shown(frame: Frame & { type: "message" }) {
    const { cursor, at, from, text, clientId, id, files = [] } = frame;
    if (cursor === this.#oldUpTo) this.#oldUpTo = undefined;
    if (this.catchingUp) this.#catchUp();
    this.messages.push({ key: clientId || id, cursor, at, from, text, files });
    if (clientId && !this.outbox.some((p) => p.id === clientId && p.file && !p.stored)) { // else its file is on its way still
      this.#settle(clientId);
      this.#remove(clientId);
    }
    if (from === "staff") this.staffTyping = false;
    if (this.#readCursor === cursor) this.#markRead();
    this.look();
    this.#set("report", settled, () => this.#report());
  }

  #acknowledged(id: string, gone: boolean) {
    const pending = this.outbox.find((p) => p.id === id);
    if (pending) pending.stored = true;
    if (gone) this.#remove(id);
    this.#settle(id);
  }

  #failed(code: string, id: string | undefined) {
    if (!id || code === "too-fast") return; // the socket closes, and it is sent again later
    if (code === "unavailable") {
      this.#sending = undefined;
      this.#set("acknowledged", shortest * 3 * (0.5 + Math.random()), () => this.#flush());
      return;
    }
    const pending = this.outbox.find((p) => p.id === id);
    if (pending) pending.refused = code;
    this.#settle(id);
  }

  /** settle goes on with the next message, once this one needs no more sending. */
  #settle(id: string) {
    this.#keep();
    if (this.#sending !== id) return;
    this.#sending = undefined;
    this.#set("acknowledged");
    this.#flush();
  }

  #remove(id: string) {
    const i = this.outbox.findIndex((p) => p.id === id);
    if (i >= 0) this.outbox.splice(i, 1);
    this.#keep();
  }

  /** flush sends what waits, one by one and in order. A connection that does not acknowledge is no connection. */
  #flush() {
    const next = this.outbox.find(waits);
    if (this.state !== "online" || this.#sending || !next) return;
    this.#sending = next.id;
    if (next.file) return void this.#upload(next, next.file);
    this.#say({ type: "message", id: next.id, text: next.text });
    this.#set("acknowledged", untilAcknowledged, () => this.#drop?.(0));
  }

  /** upload sends a file. Its connection is its own: the socket's end is not its. */
  async #upload(p: Pending, file: File) {
    const progress = (share: number) => {
      p.progress = share;
      this.changed();
    };
    progress(0);
    this.#uploading = new AbortController();
    try {
      const message = await upload(`${this.config.base}/files`, this.#token!, p.id, file, progress, this.#uploading.signal);
      p.stored = true;
      if (message === null || this.messages.some((m) => m.key === p.id)) this.#remove(p.id);
    } catch (error) {
      if (error instanceof Refused) p.refused = error.code;
      else p.failed = true;
    }
    p.progress = undefined;
    this.#settle(p.id);
    this.changed();
  }

  /** report tells how far the page, or the guest, has got. */
  #report() {
    const last = this.messages.at(-1);
    if (this.state !== "online" || !last) return;
    const status = this.#seen === last.cursor ? "read" : "delivered";
    if (this.#reported === `${status} ${last.cursor}`) return;
    this.#reported = `${status} ${last.cursor}`;
    this.#say({ type: "receipt", status, cursor: last.cursor });
  }

  #markRead() {
    this.#readUpTo = Math.max(this.#readUpTo, this.messages.findIndex((m) => m.cursor === this.#readCursor));
  }

  /** clear forgets the thread, which comes again or is another's. */
  #clear() {
    this.messages.length = 0;
    this.#readUpTo = -1;
    this.#readCursor = undefined;
  }

  /** over forgets a session that has ended. What was not sent goes by the next. */
  #over() {
    this.#clear();
    for (const p of this.outbox.filter((p) => p.stored)) this.#remove(p.id);
    this.#token = this.#seen = this.#notice = this.#noticeVersion = undefined;
    this.ended = true;
    this.noticeChanged = false;
    this.#keep();
    this.changed();
  }

  /** Another tab has the device remember a chat, or forget it. */
  #otherTab(kept: { token?: string | undefined } | undefined) {
    this.store.remembered = kept !== undefined;
    if (kept?.token && !this.#token && !this.#running) {
      this.#begin(kept.token);
      void this.#run();
    }
    this.changed();
  }

  /** set sets one of the timers anew; without a time it stops it. */
  #set(name: string, after?: number, what?: () => void) {
    clearTimeout(this.#timers[name]);
    if (after !== undefined && what) this.#timers[name] = setTimeout(what, after);
  }
}
