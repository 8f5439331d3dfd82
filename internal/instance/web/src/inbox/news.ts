// What has changed, as the page's parts hear of it. No part is drawn anew because something is new elsewhere.
import { useEffect, useRef } from "preact/hooks";

/** Conversations; null: anything may have changed. */
export type Changed = ReadonlySet<string> | null;

export const nothing: Changed = new Set<string>();

/** Both of them. */
export const and = (a: Changed, b: Changed): Changed => (a === null || b === null ? null : new Set([...a, ...b]));

export class News {
  private readonly heard = new Set<(changed: Changed) => void>();

  tell(changed: Changed) {
    for (const hear of this.heard) hear(changed);
  }

  /** listen has hear told until what it returns is called. */
  listen(hear: (changed: Changed) => void): () => void {
    this.heard.add(hear);
    return () => void this.heard.delete(hear);
  }
}

/** useNews has the newest hear told of all that is new while its part is shown. */
export function useNews(news: News, hear: (changed: Changed) => void) {
  const newest = useRef(hear);
  newest.current = hear;
  useEffect(() => news.listen((changed) => newest.current(changed)), [news]);
}
