// The staff API, as openapi.yaml describes it. The session is a cookie that no script reads.

export interface Staff { id: string; email: string; name: string }

export interface Conversation {
  id: string;
  channel: string;
  contact: { id: string; name: string } | null;
  lastMessageAt: string | null;
  lastMessage: { direction: "in" | "out"; status: string; preview: string | null } | null;
  optOut: "none" | "requested" | "optedOut";
  reply: { freeText: boolean; freeTextUntil: string | null; templates: boolean };
}

export interface Attachment { id: string; name: string; state: "stored" | "pending" | "refused"; mediaType: string | null; size: number | null }

export interface Message {
  id: string;
  at: string;
  direction: "in" | "out";
  origin: "guest" | "staff" | "confirmation" | "import";
  status: string;
  errorCode: string | null;
  body: string | null;
  expiresAt: string | null;
  attachments: Attachment[];
}

export interface Page<T> { rows: T[]; next: string | null }

/** anew reads from the start as far as was shown before, so that nobody loses the place where they read. */
export async function anew<T>(read: (cursor: string | null) => Promise<Page<T>>, shown: number): Promise<Page<T>> {
  let page = await read(null);
  while (page.next && page.rows.length < shown) {
    const more = await read(page.next);
    page = { rows: [...page.rows, ...more.rows], next: more.next };
  }
  return page;
}

export interface Template { name: string; language: string; parameters: string[] }

/** What the server answered in place of what was asked for; detail says what to do. */
export class Problem extends Error {
  constructor(readonly status: number, readonly type: string, detail: string) {
    super(detail);
  }
}

async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<unknown> {
  const response = await fetch("/api/v1" + path, {
    method,
    credentials: "same-origin",
    cache: "no-store",
    headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ?? null,
  });
  if (response.status === 204) return undefined;
  const answer = (await response.json()) as { type?: string; detail?: string };
  if (!response.ok) throw new Problem(response.status, answer.type ?? "", answer.detail ?? response.statusText);
  return answer;
}

export const me = () => ask("GET", "/me") as Promise<Staff>;

export const signIn = async (email: string, password: string) =>
  ((await ask("POST", "/browser-sessions", { email, password })) as { staff: Staff }).staff;

export const signOut = () => ask("DELETE", "/sessions/current");

export async function conversations(q: string, cursor: string | null, signal?: AbortSignal): Promise<Page<Conversation>> {
  const query = new URLSearchParams({ limit: "50" });
  if (q) query.set("q", q);
  if (cursor) query.set("cursor", cursor);
  const list = (await ask("GET", `/conversations?${query}`, undefined, {}, signal)) as { conversations: Conversation[]; nextCursor: string | null };
  return { rows: list.conversations, next: list.nextCursor };
}

export const conversation = (id: string) => ask("GET", `/conversations/${id}`) as Promise<Conversation>;

/** The newest first. */
export async function messages(id: string, cursor: string | null): Promise<Page<Message>> {
  const query = new URLSearchParams({ limit: "50" });
  if (cursor) query.set("cursor", cursor);
  const list = (await ask("GET", `/conversations/${id}/messages?${query}`)) as { messages: Message[]; nextCursor: string | null };
  return { rows: list.messages, next: list.nextCursor };
}

export interface Reply { body?: string; template?: Template; despiteOptOutRequest?: boolean }

/** key makes asking again harmless: the same one is sent once. */
export const send = (id: string, reply: Reply, key: string) =>
  ask("POST", `/conversations/${id}/messages`, reply, { "Idempotency-Key": key }) as Promise<Message>;

export const decide = (id: string, decision: { decision: "confirm" } | { decision: "dismiss"; reason: "misunderstood" | "withdrawn" }) =>
  ask("POST", `/conversations/${id}/opt-out-request`, decision) as Promise<Conversation>;

/** Where a file is to be saved from: it is never shown in the page. */
export const attachmentURL = (id: string) => `/api/v1/attachments/${encodeURIComponent(id)}`;
