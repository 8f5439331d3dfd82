// Lists of rows with ids.

interface Row { id: string }

/** kept has each row that says what it said before be the same object, so that it is not drawn anew. */
export function kept<T extends Row>(before: T[], now: T[]): T[] {
  const known = new Map(before.map((row) => [row.id, row]));
  return now.map((row) => {
    const old = known.get(row.id);
    return old && old !== row && JSON.stringify(old) === JSON.stringify(row) ? old : row;
  });
}

interface Dated extends Row { lastMessageAt: string | null }

/**
 * patched gives a list, the newest first, of which some rows were read again; those that were not found are gone. whole: nothing
 * follows the list's end. null: something has gone to where is not known, and all is to be read.
 */
export function patched<T extends Dated>(before: T[], asked: ReadonlySet<string>, found: T[], whole: boolean): T[] | null {
  const time = (row: T) => (row.lastMessageAt === null ? Infinity : Date.parse(row.lastMessageAt)); // all of it has expired: no place to go by
  const end = Math.min(...before.map(time));
  const rows = before.filter((row) => !asked.has(row.id));
  for (const row of found) {
    const at = time(row);
    if (at === Infinity) return null;
    const place = rows.findIndex((other) => time(other) < at);
    if (place >= 0) rows.splice(place, 0, row);
    else if (whole || at >= end) rows.push(row);
    else if (before.some((other) => other.id === row.id)) return null;
  }
  return kept(before, rows);
}
