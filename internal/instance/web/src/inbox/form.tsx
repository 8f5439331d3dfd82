import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import * as api from "./api";
import { words } from "./words";

interface Props {
  /** What the button says. */
  label: string;
  /** of gives what was typed; what is thrown is told. */
  submit(of: (name: string) => string): Promise<unknown>;
  refused?(error: unknown): void;
  children: ComponentChildren;
}

/** Form sends what its fields hold, once at a time, and is empty when that went well. */
export function Form({ label, submit, refused, children }: Props) {
  const [told, setTold] = useState("");
  const [busy, setBusy] = useState(false);
  const send = async (event: Event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const data = new FormData(form);
    setBusy(true);
    setTold("");
    try {
      await submit((name) => String(data.get(name) ?? ""));
      form.reset();
    } catch (error) {
      setTold(error instanceof api.Problem ? error.message : words.failed);
      refused?.(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="form" onSubmit={(event) => void send(event)}>
      {children}
      <p role="alert">{told}</p>
      <button disabled={busy}>{label}</button>
    </form>
  );
}

interface Field { label: string; name: string; type?: string; autocomplete?: string; required?: boolean; minLength?: number; maxLength?: number; pattern?: string; inputMode?: "numeric" }

/** Text is a field of a Form, with its label. */
export const Text = ({ label, ...field }: Field) => <label>{label}<input {...(field as JSX.IntrinsicElements["input"])} /></label>;

/** useTurns begins a question; what it gives says whether that is the newest still. An older answer must not be shown in place of a newer one. */
export function useTurns() {
  const newest = useRef(0);
  return () => {
    const mine = ++newest.current;
    return () => mine === newest.current;
  };
}

/** useAttempts tells what went wrong with what a button did. */
export function useAttempts(refused: (error: unknown) => void) {
  const [told, setTold] = useState("");
  const attempt = async (what: () => Promise<unknown>) => {
    setTold("");
    try {
      await what();
    } catch (error) {
      setTold(error instanceof api.Problem ? error.message : words.failed);
      refused(error);
    }
  };
  return { told, attempt };
}
