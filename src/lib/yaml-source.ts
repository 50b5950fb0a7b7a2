import { EVENT_ID, type Event, SCALAR_STYLE } from "js-yaml";
import type { Place } from "./errors.ts";

/** Turns offsets into lines and columns. */
export class Lines {
  readonly #file: string;
  readonly #fromVault: boolean;
  readonly #starts: number[] = [0];

  constructor(source: string, file: string, fromVault = false) {
    this.#file = file;
    this.#fromVault = fromVault;
    for (const match of source.matchAll(/\r\n?|\n/g)) this.#starts.push(match.index + match[0].length);
  }

  place(offset: number): Place {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    const place = { file: this.#file, line: low + 1, column: offset - (this.#starts[low] ?? 0) + 1 };
    return this.#fromVault ? { ...place, fromVault: true } : place;
  }
}

export type CollectionEvent = Extract<Event, { type: typeof EVENT_ID.MAPPING | typeof EVENT_ID.SEQUENCE }>;
export type ScalarEvent = Extract<Event, { type: typeof EVENT_ID.SCALAR }>;

/** Where an event's text starts, quotes included; undefined where nothing is written. */
export function offsetOf(event: Event): number | undefined {
  switch (event.type) {
    case EVENT_ID.ALIAS:
      return event.anchorStart - 1;
    case EVENT_ID.SCALAR: {
      if (event.tagStart >= 0) return event.tagStart;
      if (event.anchorStart >= 0) return event.anchorStart - 1;
      if (event.valueStart < 0) return undefined;
      const isQuoted =
        event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
      return isQuoted ? event.valueStart - 1 : event.valueStart;
    }
    case EVENT_ID.SEQUENCE:
    case EVENT_ID.MAPPING:
      if (event.tagStart >= 0) return event.tagStart;
      return event.anchorStart >= 0 ? event.anchorStart - 1 : event.start;
    default:
      return undefined;
  }
}

/** js-yaml's reason, and for the usual slips what to do about it. */
export function explain(reason: string, source: string, offset: number): string {
  const lineStart = Math.max(source.lastIndexOf("\n", offset - 1), source.lastIndexOf("\r", offset - 1)) + 1;
  const line = source.slice(lineStart).split(/[\r\n]/, 1)[0] ?? "";
  const found = source.charAt(offset);
  if (reason.startsWith("null byte")) return "found a NUL character";
  if (/[:-] +\{\{/.test(line)) return 'a value that starts with "{{" must be quoted: "{{ … }}"';
  if ("@`%".includes(found) && found !== "") return `a value that starts with "${found}" must be quoted`;
  if (reason === "deficient indentation") return `${reason}: indent the lines inside [ … ], { … } or quotes`;
  if (found === "[") return `${reason}; in { … } a name with brackets must be quoted`;
  if (reason.startsWith("bad indentation") && /: .*: /.test(line)) {
    return `${reason}; a value that holds ": " must be quoted`;
  }
  return reason;
}
