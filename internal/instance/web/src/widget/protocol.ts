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

export type Frame =
  | { type: "welcome"; welcomeText?: string; privacyNoticeURL: string; noticeVersion?: number; maxMessageLength: number; reset: boolean }
  | { type: "message"; cursor: string; id: string; at: string; from: "guest" | "staff" | "system"; clientId?: string; text: string }
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
