// The staff API, as openapi.yaml describes it. The session is a cookie that no script reads.

export type Role = "agent" | "supervisor" | "privacyOfficer" | "auditor";

export const roles: Role[] = ["agent", "supervisor", "privacyOfficer", "auditor"];

export interface Staff { id: string; email: string; name: string; role: Role; secondFactor: "none" | "on" | "needed" }

/** Whose role lets them answer guests. */
export const answers = (staff: Staff) => staff.role === "agent" || staff.role === "supervisor";

export interface Conversation {
  id: string;
  channel: string;
  contact: { id: string; name: string } | null;
  lastMessageAt: string | null;
  lastMessage: { direction: "in" | "out"; status: string; preview: string | null } | null;
  optOut: "none" | "requested" | "optedOut";
  reply: { freeText: boolean; freeTextUntil: string | null; templates: boolean; files: "none" | "alone" | "withWords" };
  assignee: { id: string; name: string } | null;
}

export interface Attachment { id: string; name: string; state: "stored" | "pending" | "refused"; mediaType: string | null; size: number | null }

export interface Message {
  id: string;
  at: string;
  direction: "in" | "out" | "note";
  origin: "guest" | "staff" | "confirmation" | "import" | "automated";
  status: string;
  errorCode: string | null;
  body: string | null;
  /** What an automated message waits for: the tenant's window, by the guest's clock; until is null while it never opens. */
  waits: { until: string | null; timeZone: string; localTime: string | null } | null;
  expiresAt: string | null;
  author: string | null;
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

/** How many rows a page of a list has, and how many conversations are read by their ids. */
export const pageRows = 50;
export const maxNamed = 50;

/** How long nothing new is read after something was, in milliseconds: as long as that took leaves a busy server time for others. */
export const restAfter = (took: number) => Math.max(took, 20);

export interface Template { name: string; language: string; parameters: string[] }

/** What the server answered in place of what was asked for; detail says what to do. */
export class Problem extends Error {
  /** mostBytes is how large a file may be, of one that was refused for its size. */
  constructor(readonly status: number, readonly type: string, detail: string, readonly mostBytes?: number) {
    super(detail);
  }
}

/** A read that hangs is given up, in milliseconds: what it would have shown anew may have expired. */
const patience = 15_000;

async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<unknown> {
  if (method === "GET") signal = AbortSignal.any([AbortSignal.timeout(patience), ...(signal ? [signal] : [])]);
  const form = body instanceof FormData; // whose type the browser writes
  const response = await fetch("/api/v1" + path, {
    method,
    credentials: "same-origin",
    cache: "no-store",
    headers: body === undefined || form ? headers : { "Content-Type": "application/json", ...headers },
    body: body === undefined ? null : form ? body : JSON.stringify(body),
    signal: signal ?? null,
  });
  if (response.status === 204) return undefined;
  const answer = (await response.json()) as { type?: string; detail?: string; maxBytes?: number };
  if (!response.ok) throw new Problem(response.status, answer.type ?? "", answer.detail ?? response.statusText, answer.maxBytes);
  return answer;
}

export const me = () => ask("GET", "/me") as Promise<Staff>;

/** code is of the second factor; empty for none. */
export const signIn = async (email: string, password: string, code: string) =>
  ((await ask("POST", "/browser-sessions", code ? { email, password, code } : { email, password })) as { staff: Staff }).staff;

export interface Ways { password: boolean; provider: { name: string } | null }

/** How staff sign in here. */
export const signInWays = () => ask("GET", "/sign-in") as Promise<Ways>;

/** Where the browser goes to sign in by the provider. */
export const beginProvider = async () => ((await ask("POST", "/sign-in/provider")) as { url: string }).url;

export const signInCode = async (code: string) => ((await ask("POST", "/sign-in/code", { code })) as { staff: Staff }).staff;

export const signOut = () => ask("DELETE", "/sessions/current");

/** mine, when it is not empty, narrows to those of whom it is, or of nobody. */
export async function conversations(q: string, mine: string, cursor: string | null, signal?: AbortSignal): Promise<Page<Conversation>> {
  const query = new URLSearchParams({ limit: String(pageRows) });
  if (q) query.set("q", q);
  if (mine) query.set("assignee", mine);
  if (cursor) query.set("cursor", cursor);
  const list = (await ask("GET", `/conversations?${query}`, undefined, {}, signal)) as { conversations: Conversation[]; nextCursor: string | null };
  return { rows: list.conversations, next: list.nextCursor };
}

/** Those of some that the list has, in its order. */
export async function conversationsOf(ids: string[], mine: string, signal: AbortSignal): Promise<Conversation[]> {
  const query = new URLSearchParams({ limit: String(maxNamed), ids: ids.join(",") });
  if (mine) query.set("assignee", mine);
  return ((await ask("GET", `/conversations?${query}`, undefined, {}, signal)) as { conversations: Conversation[] }).conversations;
}

export const conversation = (id: string) => ask("GET", `/conversations/${id}`) as Promise<Conversation>;

/** The newest first. */
export async function messages(id: string, cursor: string | null): Promise<Page<Message>> {
  const query = new URLSearchParams({ limit: String(pageRows) });
  if (cursor) query.set("cursor", cursor);
  const list = (await ask("GET", `/conversations/${id}/messages?${query}`)) as { messages: Message[]; nextCursor: string | null };
  return { rows: list.messages, next: list.nextCursor };
}

export interface Reply { body?: string; template?: Template; despiteOptOutRequest?: boolean }

/** key makes asking again harmless: the same one is sent once. */
export function send(id: string, reply: Reply, file: File | null, key: string) {
  let body: Reply | FormData = reply;
  if (file) {
    body = new FormData();
    body.append("message", JSON.stringify(reply));
    body.append("file", file);
  }
  return ask("POST", `/conversations/${id}/messages`, body, { "Idempotency-Key": key }) as Promise<Message>;
}

export const decide = (id: string, decision: { decision: "confirm" } | { decision: "dismiss"; reason: "misunderstood" | "withdrawn" }) =>
  ask("POST", `/conversations/${id}/opt-out-request`, decision) as Promise<Conversation>;

/** Where a file is to be saved from: it is never shown in the page. */
export const attachmentURL = (id: string) => `/api/v1/attachments/${encodeURIComponent(id)}`;

export const assign = (id: string, staff: string | null) => ask("PUT", `/conversations/${id}/assignee`, { staff }) as Promise<Conversation>;

export const note = (id: string, body: string) => ask("POST", `/conversations/${id}/notes`, { body }) as Promise<Message>;

export interface Colleague { id: string; name: string; role: Role }

export const colleagues = async () => ((await ask("GET", "/colleagues")) as { colleagues: Colleague[] }).colleagues;

export interface CannedReply { id: string; title: string; body: string }

export const cannedReplies = async () => ((await ask("GET", "/canned-replies")) as { cannedReplies: CannedReply[] }).cannedReplies;

export const storeCannedReply = (id: string | null, reply: { title: string; body: string }) =>
  id ? ask("PUT", `/canned-replies/${id}`, reply) : ask("POST", "/canned-replies", reply);

export const removeCannedReply = (id: string) => ask("DELETE", `/canned-replies/${id}`);

export interface Account extends Staff { lastActiveAt: string; disabledAt: string | null; linkedAt: string | null }

export const accounts = async () => ((await ask("GET", "/staff")) as { accounts: Account[] }).accounts;

export const changeAccount = (id: string, change: { role?: Role; active?: boolean }) => ask("PATCH", `/staff/${id}`, change) as Promise<Account>;

export interface Invitation { id: string; account: string | null; email: string; role: Role; expiresAt: string }

export const invitations = async () => ((await ask("GET", "/invitations")) as { invitations: Invitation[] }).invitations;

export const invite = (invited: { email: string; name: string; role: Role }) => ask("POST", "/invitations", invited) as Promise<{ link: string }>;

export const inviteAgain = (id: string) => ask("POST", `/staff/${id}/invitations`, {}) as Promise<{ link: string }>;

export const withdraw = (id: string) => ask("DELETE", `/invitations/${id}`);

export const accept = (token: string, name: string, password: string) => ask("POST", "/accepted-invitations", { token, name, password }) as Promise<Staff>;

export const changePassword = (present: string, next: string) => ask("PUT", "/me/password", { present, next });

export interface Factor { secret: string; url: string; qr: { size: number; path: string } }

export const beginFactor = () => ask("POST", "/me/second-factor") as Promise<Factor>;

export const confirmFactor = async (code: string) => ((await ask("PUT", "/me/second-factor", { code })) as { recoveryCodes: string[] }).recoveryCodes;

export const removeFactor = (code: string) => ask("POST", "/me/second-factor/removals", { code });

export const resetFactor = (id: string) => ask("DELETE", `/staff/${id}/second-factor`);

export const unlink = (id: string) => ask("DELETE", `/staff/${id}/identity`);

export const settings = () => ask("GET", "/settings") as Promise<{ requireSecondFactor: boolean }>;

export const changeSettings = (change: { requireSecondFactor: boolean }) => ask("PATCH", "/settings", change) as Promise<{ requireSecondFactor: boolean }>;

export const counts = async () => ((await ask("GET", "/counts")) as { counts: { kind: string; rows: number }[] }).counts;

export type RequestType = "Erasure" | "Access" | "Rectification" | "OptOut" | "Objection" | "Underage" | "Complaint";

export const requestTypes: RequestType[] = ["Erasure", "Access", "Rectification", "OptOut", "Objection", "Underage", "Complaint"];

/** Kinds of addresses by which a person is named. */
export const kinds = ["phone", "email", "whatsapp", "messenger", "telegram", "webchat"];

/** Ways to make sure who asks. */
export const verifications = ["fromAddress", "booking", "document", "inPerson", "notNeeded"];

export interface PrivacyRequest {
  id: string | null;
  name: string | null;
  type: RequestType;
  state: string;
  receivedAt: string;
  dueAt: string;
  answeredAt: string | null;
  completedAt: string | null;
  message: string | null;
  done: { category: string; rows: number }[];
  refused: { category: string; rows: number; hold: string }[];
  archiveUntil: string | null;
  escalation: string | null;
}

export interface PrivacyRequests { toldAt: string | null; requests: PrivacyRequest[] }

/** The most urgent first. */
export const privacyRequests = () => ask("GET", "/privacy/requests") as Promise<PrivacyRequests>;

export interface NewPrivacyRequest {
  type: RequestType;
  receivedAt: string;
  verified: string;
  dueDays?: number;
  archiveKey?: string;
  contact?: string;
  addresses?: { kind: string; address: string }[];
  newName?: string;
  newPhone?: string;
}

export const filePrivacyRequest = (request: NewPrivacyRequest) => ask("POST", "/privacy/requests", request) as Promise<PrivacyRequest>;

export interface Contact {
  id: string;
  name: string;
  addresses: { kind: string; address: string; contact: string }[];
  mergedInto: string | null;
  merged: { id: string; name: string; mergedAt: string }[];
}
export const contact = (id: string) => ask("GET", `/contacts/${id}`) as Promise<Contact>;
/** merge says that another contact is the same person, and gives the person. */
export const merge = (id: string, other: string) => ask("POST", `/contacts/${id}/merges`, { contact: other }) as Promise<Contact>;
export const split = (id: string) => ask("POST", `/contacts/${id}/splits`, {}) as Promise<Contact>;
export interface Look { at: string; name: string | null; email: string | null; method: string; route: string; status: number }
/** looks are who read about a guest, or changed something, the newest first. */
export const looks = async (contact: string) => ((await ask("GET", `/contacts/${contact}/looks`)) as { rows: Look[] }).rows;
export const reportUnderage = (contact: string) => ask("POST", `/contacts/${contact}/underage-reports`) as Promise<PrivacyRequest>;

export const answerComplaint = (id: string, answer: { answeredAt: string; escalation?: string }) => ask("POST", `/privacy/requests/${id}/answers`, answer);

export interface RequestCount { type: RequestType; clock: "open" | "dueSoon" | "pastDue" | "ended"; requests: number }

export const requestCounts = async () => ((await ask("GET", "/privacy/request-counts")) as { counts: RequestCount[] }).counts;

export interface Hold { name: string; reason: string; since: string; until: string | null; inForce: boolean; contacts: number | null; messages: number | null; heldBack: number | null }

export const holds = async () => ((await ask("GET", "/privacy/holds")) as { holds: Hold[] }).holds;

export interface NewDisclosure { askedAt: string; askedBy: string; ground: string; outcome: string; given: string; persons: number; noticed: boolean; notNoticed?: string; corrects?: string }

export interface Disclosure { id: string; askedAt: string; askedBy: string; ground: string; outcome: string; given: string; persons: number; noticed: boolean; notNoticed: string | null; corrects: string | null }

/** The newest first. */
export async function disclosures(cursor: string | null): Promise<Page<Disclosure>> {
  const query = new URLSearchParams({ limit: "20" });
  if (cursor) query.set("cursor", cursor);
  const list = (await ask("GET", `/privacy/disclosures?${query}`)) as { disclosures: Disclosure[]; nextCursor: string | null };
  return { rows: list.disclosures, next: list.nextCursor };
}

export const recordDisclosure = (disclosure: NewDisclosure) => ask("POST", "/privacy/disclosures", disclosure) as Promise<Disclosure>;

export const ways = ["message", "writing", "phone", "inPerson"];

/** Of one that was withdrawn, words, namedAs, shown and consent are null. */
export interface Testimonial {
  id: string; words: string | null; namedAs: string | null; shown: string | null; consent: string | null; language: string;
  consentedAt: string; given: string; withdrawnAt: string | null; withdrawnHow: string | null; doubtedAt: string | null;
}

export interface NewTestimonial { words: string; namedAs?: string; shown: string; consent: string; language: string; given: string; consentedAt?: string; message?: string }

/** The newest first. */
export async function testimonials(cursor: string | null): Promise<Page<Testimonial>> {
  const query = new URLSearchParams({ limit: "20" });
  if (cursor) query.set("cursor", cursor);
  const list = (await ask("GET", `/privacy/testimonials?${query}`)) as { testimonials: Testimonial[]; nextCursor: string | null };
  return { rows: list.testimonials, next: list.nextCursor };
}

export const testimonialsOf = async (contact: string) => ((await ask("GET", `/contacts/${contact}/testimonials`)) as { testimonials: Testimonial[] }).testimonials;

export const recordTestimonial = (contact: string, testimonial: NewTestimonial) => ask("POST", `/contacts/${contact}/testimonials`, testimonial);

export const withdrawTestimonial = (id: string, how: string) => ask("POST", `/privacy/testimonials/${id}/withdrawals`, { how });

export const confirmTestimonial = (id: string) => ask("POST", `/privacy/testimonials/${id}/confirmations`);

export interface Receipt { sequence: number; policy: string; digest: string; recordedAt: string }

export async function evidence(before: string | null): Promise<Page<Receipt>> {
  const list = (await ask("GET", `/evidence?limit=50${before ? `&before=${before}` : ""}`)) as { receipts: Receipt[]; before: number | null };
  return { rows: list.receipts, next: list.before === null ? null : String(list.before) };
}
