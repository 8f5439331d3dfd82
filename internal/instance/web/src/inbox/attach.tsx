import { useEffect, useRef, useState } from "preact/hooks";
import type { Conversation } from "./api";
import { fill, locales, words } from "./words";

/** How many characters may go with a file, and how many bytes one may have on any channel. */
export const maxCaption = 1024;
const maxBytes = 16 * 1024 * 1024;

/** What the server takes. It looks at the bytes, whatever is chosen here. */
const types = "image/*,audio/*,video/*,application/pdf,text/plain,text/vcard,.vcf";

interface Props { files: Conversation["reply"]["files"]; file: File | null; chosen(file: File | null): void }

/** Attach chooses the file that goes with a reply: by its button, by dropping it on the form, or by pasting it there. */
export function Attach({ files, file, chosen }: Props) {
  const [wrong, setWrong] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const none = files === "none";
  const take = (given: File | null | undefined) => {
    if (!given || none) return;
    const why = given.size === 0 ? words.fileEmpty : given.size > maxBytes ? fill(words.fileTooLarge, { size: sizeOf(maxBytes) }) : "";
    setWrong(why);
    chosen(why ? null : given);
  };
  useEffect(() => {
    const form = input.current?.form;
    if (!form) return;
    const over = (event: DragEvent) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); };
    const given = (from: (event: Event) => DataTransfer | null) => (event: Event) => {
      const it = from(event)?.files[0];
      if (!it) return;
      event.preventDefault();
      take(it);
    };
    const dropped = given((event) => (event as DragEvent).dataTransfer);
    const pasted = given((event) => (event as ClipboardEvent).clipboardData);
    form.addEventListener("dragover", over);
    form.addEventListener("drop", dropped);
    form.addEventListener("paste", pasted);
    return () => {
      form.removeEventListener("dragover", over);
      form.removeEventListener("drop", dropped);
      form.removeEventListener("paste", pasted);
    };
  }, [files]);
  const remove = () => {
    chosen(null);
    button.current?.focus(); // the button that was pressed is gone
  };
  return (
    <div class="attach">
      <input ref={input} type="file" hidden accept={types} aria-label={words.attach} onChange={(event) => {
        take(event.currentTarget.files?.[0]);
        event.currentTarget.value = ""; // so that the same one can be chosen again
      }} />
      <button ref={button} type="button" class="plain" disabled={none} aria-describedby={none ? "no-files" : undefined} onClick={() => input.current?.click()}>{words.attach}</button>
      {none && <small id="no-files">{words.noFiles}</small>}
      <span role="status">{file && `${file.name} (${sizeOf(file.size)})`}</span>
      {file && <button type="button" class="plain" aria-label={`${words.remove}: ${file.name}`} onClick={remove}>{words.remove}</button>}
      <p role="alert">{wrong}</p>
    </div>
  );
}

const inUnit = (unit: "kilobyte" | "megabyte") => new Intl.NumberFormat(locales, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 });
const kilobytes = inUnit("kilobyte");
const megabytes = inUnit("megabyte");

/** sizeOf says a number of bytes, rounded down: what is said to be taken is. */
export const sizeOf = (bytes: number) =>
  bytes < 1e6 ? kilobytes.format(Math.max(Math.floor(bytes / 100) / 10, 0.1)) : megabytes.format(Math.floor(bytes / 1e5) / 10);
