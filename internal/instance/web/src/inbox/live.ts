// Hears which conversations have changed, and what the list has of them now.
import type { Conversation } from "./api";

export interface Heard {
  /** Something in these has changed; null: anything may have. rows are those that the list has, where the server says so. */
  changed(ids: Set<string> | null, rows?: Conversation[]): void;
  connected(is: boolean): void;
  /** The session has ended. */
  ended(): void;
}

const sessionEnded = 4401;
const firstWait = 1000;
const longestWait = 30_000;

/** listen connects, again and again, until what it returns is called. */
export function listen(heard: Heard): () => void {
  let socket: WebSocket | undefined;
  let timer: number | undefined;
  let wait = firstWait;
  let stopped = false;
  const connect = () => {
    const url = new URL("/api/v1/events?rows=true", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    socket = new WebSocket(url, "switchboard-staff.v1");
    socket.onmessage = (message: MessageEvent<string>) => {
      const event = JSON.parse(message.data) as { type: string; ids?: string[]; conversations?: Conversation[] };
      wait = firstWait;
      heard.connected(true);
      // What was told while there was no socket is looked for once there is one.
      if (event.type === "conversations") heard.changed(new Set(event.ids), event.conversations);
      else heard.changed(null);
    };
    socket.onclose = (close) => {
      if (stopped) return;
      heard.connected(false);
      if (close.code === sessionEnded) {
        heard.ended();
        return;
      }
      // A browser is not told why a socket was refused: reading tells, when the session has ended.
      heard.changed(null);
      timer = window.setTimeout(connect, wait * (0.5 + Math.random()));
      wait = Math.min(2 * wait, longestWait);
    };
  };
  connect();
  return () => {
    stopped = true;
    window.clearTimeout(timer);
    socket?.close();
  };
}
