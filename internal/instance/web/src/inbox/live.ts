// Hears which conversations have changed. What is new is read by the API, as always.

export interface Heard {
  /** Something in these has changed; null: anything may have. */
  changed(ids: Set<string> | null): void;
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
    const url = new URL("/api/v1/events", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    socket = new WebSocket(url, "switchboard-staff.v1");
    socket.onmessage = (message: MessageEvent<string>) => {
      const event = JSON.parse(message.data) as { type: string; ids?: string[] };
      wait = firstWait;
      heard.connected(true);
      // What was told while there was no socket is looked for once there is one.
      heard.changed(event.type === "conversations" ? new Set(event.ids) : null);
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
