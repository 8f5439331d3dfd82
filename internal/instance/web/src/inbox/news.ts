// What has changed, as the page's parts hear of it. No part is drawn anew because something is new elsewhere.
import { useEffect, useRef } from "preact/hooks";
import type { Conversation } from "./api";

/** Conversations; null: anything may have changed. */
export type Changed = ReadonlySet<string> | null;

export const nothing: Changed = new Set<string>();

/** Both of them. */
export const and = (a: Changed, b: Changed): Changed => (a === null || b === null ? null : new Set([...a, ...b]));

/** rows are those of the changed conversations that the list has; undefined: nobody has said. */
export type Hear = (changed: Changed, rows?: Conversation[]) => void;

export class News {
  private readonly heard = new Set<Hear>();

  tell(changed: Changed, rows?: Conversation[]) {
    for (const hear of this.heard) hear(changed, rows);
  }

  /** listen has hear told until what it returns is called. */
  listen(hear: Hear): () => void {
    this.heard.add(hear);
    return () => void this.heard.delete(hear);
  }
}

/** useNews has the newest hear told of all that is new while its part is shown. */
export function useNews(news: News, hear: Hear) {
  const newest = useRef(hear);
  newest.current = hear;
  useEffect(() => news.listen((changed, rows) => newest.current(changed, rows)), [news]);
}
