/** What a browser keeps of a chat. It is nothing until the guest writes. */
export interface Kept {
  user: string;
  token?: string | undefined;
  /** The cursor of the last message that the guest saw. */
  seen?: string | undefined;
  /** The address of the privacy notice that the guest was shown. */
  notice?: string | undefined;
  /** Its newest version whose change was material, as far as it has versions. */
  noticeVersion?: number | undefined;
}

/** What a tab keeps beside that. */
export interface Tab extends Kept {
  open: boolean;
  outbox: { id: string; text: string }[];
}

/**
 * Store keeps a chat: in the tab's storage, so that a reload loses nothing; and in the device's, if the guest said so. A
 * browser that refuses either is one that keeps nothing, and nothing else changes.
 */
export class Store {
  remembered: boolean;
  readonly #key: string;
  readonly #places: { tab: Storage | undefined; device: Storage | undefined };

  constructor(base: string, private readonly user: string, allowed: boolean) {
    this.#key = `switchboard-chat ${base}`;
    this.#places = { tab: allowed ? place("sessionStorage") : undefined, device: allowed ? place("localStorage") : undefined };
    this.remembered = this.#read(this.#places.device) !== undefined;
  }

  /** Whether a reload can go on where the guest was. */
  get keeps() { return this.#places.tab !== undefined; }

  /** Whether the guest can be asked to have the chat remembered. */
  get remembers() { return this.#places.device !== undefined; }

  load(): Partial<Tab> {
    return this.#read(this.#places.tab) ?? this.#read(this.#places.device) ?? {};
  }

  save(tab: Tab) {
    this.#write(this.#places.tab, tab);
    const { open: _, outbox: __, ...kept } = tab;
    if (this.remembered) this.#write(this.#places.device, kept);
    else this.#remove(this.#places.device);
  }

  forget() {
    this.#remove(this.#places.tab);
    this.#remove(this.#places.device);
  }

  /** alone does something while no other tab does that, and gives it the token that the device remembers, if any. */
  async alone(what: (token: string | undefined) => Promise<void>) {
    const does = () => what(this.remembered ? this.#read(this.#places.device)?.token : undefined);
    await (this.remembered && "locks" in navigator ? navigator.locks.request(this.#key, does) : does());
  }

  /** hear tells what another tab has the device remember; undefined when it forgot. */
  hear(heard: (kept: Partial<Kept> | undefined) => void) {
    if (!this.#places.device) return;
    addEventListener("storage", (event) => {
      if (event.key === this.#key && event.storageArea === this.#places.device) heard(this.#read(this.#places.device));
    });
  }

  /** What was kept of another user is nobody's to read here: it goes. */
  #read(where: Storage | undefined): Partial<Tab> | undefined {
    try {
      const kept = JSON.parse(where?.getItem(this.#key) ?? "null") as Partial<Tab> | null;
      if (!kept || kept.user === this.user) return kept ?? undefined;
    } catch { /* it is not ours, or can't be read */ }
    this.#remove(where);
    return undefined;
  }

  #write(where: Storage | undefined, kept: Kept) {
    try {
      where?.setItem(this.#key, JSON.stringify(kept));
    } catch { /* it is full, or refused by now: the page goes on without */ }
  }

  #remove(where: Storage | undefined) {
    try {
      where?.removeItem(this.#key);
    } catch { /* it is refused: nothing is there */ }
  }
}

/** place gives a storage that can be read, and touches nothing in it. */
function place(name: "sessionStorage" | "localStorage"): Storage | undefined {
  try {
    const storage = window[name];
    storage.getItem("");
    return storage;
  } catch {
    return undefined;
  }
}
