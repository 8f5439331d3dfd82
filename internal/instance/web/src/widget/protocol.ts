// What a page and a connector say to each other: docs/webchat-protocol.md.

export const PROTOCOL = "switchboard.chat.v1";

/** What a guest may know before there is a session. */
export interface Settings {
  welcomeText?: string;
  privacyNoticeURL: string;
  noticeVersion?: number;
  maxMessageLength: number;
  identity: "None" | "Optional" | "Enforced";
}

/** A file of a message. */
export interface Attached { id: string; name: string; state: "pending" | "stored" | "refused"; size?: number }

export type Frame =
  | { type: "welcome"; welcomeText?: string; privacyNoticeURL: string; noticeVersion?: number; maxMessageLength: number; reset: boolean; upTo?: string }
  | { type: "message"; cursor: string; id: string; at: string; from: "guest" | "staff" | "system"; clientId?: string; text: string; files?: Attached[] }
  | { type: "ack"; id: string; message: string | null }
  | { type: "receipt"; status: string; cursor: string }
  | { type: "typing" }
  | { type: "error"; code: string; id?: string; detail: string };

/** The socket's end, by its code. */
export const CLOSED = { unsupported: 1003, tooBig: 1009, malformed: 4400, ended: 4401, tooMany: 4409, tooFast: 4429 };

/** Refused is an answer that asking again does not change. */
export class Refused extends Error {
  constructor(readonly code: string) { super(code); }
}

/** TooFast is an answer that wants to be waited for. */
export class TooFast extends Error {}

const patience = 15_000; // milliseconds
const patienceForFiles = 150_000;

/** How large a file may be, in bytes. */
export const maxFile = 16 * 1024 * 1024;

/** ask asks the connector, without cookies. It fails with Refused, or with another error if asking again may help. */
export async function ask<T>(address: string, body?: object): Promise<T> {
  const response = await fetch(address, {
    credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store", signal: AbortSignal.timeout(patience),
    ...(body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
  });
  if (response.ok) return await response.json() as T;
  if (response.status === 429) throw new TooFast();
  const { code } = await response.json().catch(() => ({ code: "" })) as { code: string };
  throw response.status < 500 ? new Refused(code) : new Error(code);
}

/** refusal is what an answer that is none means. Of a session that has ended, and of what passes, asking again may help. */
const refusal = (status: number, code: string) => (status < 500 && status !== 401 && status !== 429 ? new Refused(code) : new Error(code));

/** nameOf gives the end of a file's name, in whole characters. */
const nameOf = (file: File) => [...file.name].slice(-100).filter((c) => !/^[\ud800-\udfff]$/.test(c)).join("");

/**
 * upload sends a file as the message of an id, until the signal breaks it off. It gives the connector's id of it; null when it was stored
 * before and has expired.
 */
export function upload(address: string, token: string, id: string, file: File, progress: (share: number) => void, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how far it is
    request.open("POST", address);
    request.timeout = patienceForFiles;
    request.responseType = "json";
    for (const [name, value] of [["Authorization", `Bearer ${token}`], ["Content-Type", "application/octet-stream"], ["Message-Id", id], ["File-Name", encodeURIComponent(nameOf(file))]]) request.setRequestHeader(name!, value!);
    request.upload.onprogress = (event) => progress(event.loaded / event.total);
    request.onload = () => {
      const answer = request.response as { code?: string; message?: string | null } | null;
      if (request.status === 201) resolve(answer?.message ?? null);
      else reject(refusal(request.status, answer?.code ?? ""));
    };
    request.onerror = request.ontimeout = request.onabort = () => reject(new Error("no connection"));
    signal.onabort = () => request.abort();
    request.send(file);
  });
}

/** Unfetched is a file that was not given; gone when it never will be. */
export class Unfetched extends Error {
  readonly gone: boolean;
  constructor(status: number) {
    super("not given");
    this.gone = status === 404 || status === 401;
  }
}

/** download gives a file of the thread, as bytes that no browser runs. */
export async function download(address: string, token: string): Promise<Blob> {
  const response = await fetch(address, {
    credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store", headers: { Authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(patienceForFiles),
  });
  if (!response.ok) throw new Unfetched(response.status);
  return new Blob([await response.arrayBuffer()], { type: "application/octet-stream" });
}
