import { ar } from "./words.ar";
import { de } from "./words.de";
import { en, type Words } from "./words.en";
import { es } from "./words.es";

export type { Words };

const all: Record<string, Words> = { ar, de, en, es };

/** choose gives the first of some languages that there are words in, English without one. */
export function choose(wanted: readonly (string | null | undefined)[]): string {
  return wanted.map((l) => l?.slice(0, 2).toLowerCase() ?? "").find((l) => Object.hasOwn(all, l)) ?? "en";
}

export const wordsOf = (language: string): Words => all[language] ?? en;

export const directionOf = (language: string) => (language === "ar" ? "rtl" : "ltr");

/** fill puts values into the gaps of a text, as in "{count} new". */
export const fill = (text: string, values: Record<string, string | number>) =>
  text.replace(/\{(\w+)\}/g, (gap, name: string) => String(values[name] ?? gap));
