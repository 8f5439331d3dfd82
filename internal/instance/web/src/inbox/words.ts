import { de } from "./words.de";
import { en } from "./words.en";
import { es } from "./words.es";

export type Words = typeof en;

const all: Record<string, Words> = { en, de, es };

/** The language of the browser, of those that there are. */
export const language = navigator.languages.map((l) => l.slice(0, 2).toLowerCase()).find((l) => l in all) ?? "en";

export const words: Words = all[language] ?? en;

/** fill puts values into the gaps of a text, as in "until {time}". */
export const fill = (text: string, values: Record<string, string | number>) =>
  text.replace(/\{(\w+)\}/g, (gap, name: string) => String(values[name] ?? gap));

/** Numbers and times are written as the reader is used to. */
export const locales = navigator.languages as string[];

const moment = new Intl.DateTimeFormat(locales, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(locales, { timeStyle: "short" });
const date = new Intl.DateTimeFormat(locales, { dateStyle: "medium" });

export const at = (time: string) => moment.format(new Date(time));

/** A day of the reader's calendar, as fields of dates have it. */
export const day = (of: Date) => `${of.getFullYear()}-${String(of.getMonth() + 1).padStart(2, "0")}-${String(of.getDate()).padStart(2, "0")}`;

/** The time of today, the date of another day. */
export function briefly(time: string) {
  const then = new Date(time);
  return then.toDateString() === new Date().toDateString() ? clock.format(then) : date.format(then);
}
