import { type Event, getScalarValue, parseEvents, SCALAR_STYLE, YAMLException } from "js-yaml";
import { InputError } from "./errors.ts";
import { explain, type Lines, type ScalarEvent } from "./yaml-source.ts";

/** How much text may be parsed again for lines that js-yaml finds too far left: a second of work. */
const MOST_PARSED_AGAIN = 2 ** 24;

const OFFSETS = [
  "start",
  "valueStart",
  "valueEnd",
  "anchorStart",
  "anchorEnd",
  "tagStart",
  "tagEnd",
] as const;

/**
 * js-yaml's events of a text. Inside `[ … ]`, `{ … }` and quotes Ansible's parser minds neither where a line begins nor tabs, js-yaml
 * does: for such a line the text is parsed again with spaces before it, and the events get the offsets of the text as it stands.
 *
 * @throws InputError for a syntax error.
 */
export function readEvents(source: string, lines: Lines): Event[] {
  const lenient = new LenientText(source);
  for (let parsed = 0; ; ) {
    try {
      return parseEvents(lenient.text, {}).map((event) => lenient.inSource(event));
    } catch (error) {
      if (!(error instanceof YAMLException)) throw error;
      const offset = error.mark?.position ?? 0;
      parsed += lenient.text.length;
      const isTooFarLeft = error.reason === "deficient indentation" && parsed <= MOST_PARSED_AGAIN;
      if (isTooFarLeft && lenient.allow(offset)) continue;
      const place = lines.place(lenient.offsetInSource(offset));
      throw new InputError({ place, message: explain(error.reason, lenient.text, offset) });
    }
  }
}

/** A scalar's text. js-yaml ends a block with a line break also where the file ends without one. */
export function scalarText(source: string, event: ScalarEvent): string {
  const text = getScalarValue(source, event);
  const isBlock = event.style === SCALAR_STYLE.LITERAL_BLOCK || event.style === SCALAR_STYLE.FOLDED_BLOCK;
  const endsOpen = isBlock && event.valueEnd === source.length && !/[\r\n]$/.test(source);
  return endsOpen && text.endsWith("\n") ? text.slice(0, -1) : text;
}

/** A text that gets spaces before those of its lines that need them. */
class LenientText {
  text: string;
  /** Where the spaces stand in the text as it was. */
  readonly #inserted: number[] = [];
  /** How many they are: more than what the deepest block could ask for. */
  #width = 0;
  #lastLine = -1;

  constructor(source: string) {
    this.text = source;
  }

  /** Changes the line at `offset` so that js-yaml takes it; false where that was tried already, and where the document ends. */
  allow(offset: number): boolean {
    const { text } = this;
    const start = Math.max(text.lastIndexOf("\n", offset - 1), text.lastIndexOf("\r", offset - 1)) + 1;
    if (start === this.#lastLine || /^(?:---|\.\.\.)(?:\s|$)/.test(text.slice(start, start + 4)))
      return false;
    this.#lastLine = start;
    const [line = ""] = /^.*/.exec(text.slice(start)) ?? [];
    const rest = text.slice(start + line.length);
    const blanks = /^\s*/.exec(line)?.[0] ?? "";
    if (start + blanks.length < offset) {
      // The line begins where it may: it is a tab in it that js-yaml does not take.
      this.text = text.slice(0, start) + blanks + line.slice(blanks.length).replaceAll("\t", " ") + rest;
      return true;
    }
    this.#width ||= 1 + deepestBlock(text);
    this.#inserted.push(this.offsetInSource(start));
    this.text = text.slice(0, start) + " ".repeat(this.#width) + line + rest;
    return true;
  }

  /** The event with the offsets that it has in the text as it was. */
  inSource(event: Event): Event {
    if (this.#inserted.length === 0) return event;
    const moved: Event & Partial<Record<(typeof OFFSETS)[number], number>> = { ...event };
    for (const key of OFFSETS) {
      const offset = moved[key];
      if (offset !== undefined && offset >= 0) moved[key] = this.offsetInSource(offset);
    }
    return moved;
  }

  offsetInSource(offset: number): number {
    let before = 0;
    let after = this.#inserted.length;
    while (before < after) {
      const middle = (before + after) >> 1;
      if ((this.#inserted[middle] ?? 0) + middle * this.#width < offset) before = middle + 1;
      else after = middle;
    }
    const last = this.#inserted[before - 1];
    return last === undefined ? offset : Math.max(last, offset - before * this.#width);
  }
}

/** How far to the right a block can begin: after blanks, `- `, `? `, `: `, anchors and tags. */
function deepestBlock(text: string): number {
  let deepest = 0;
  for (const line of text.split(/[\r\n]/))
    deepest = Math.max(deepest, /^(?: |[-?:] |[&!]\S* )*/.exec(line)?.[0].length ?? 0);
  return deepest;
}
