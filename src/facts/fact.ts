import type { ProbeInput } from "./probe-input.ts";

/** The framed output of a probe: the text of each section by its title, which may hold blanks (`config /etc/x`). */
export class Sections {
  readonly #texts: ReadonlyMap<string, string>;

  constructor(texts: ReadonlyMap<string, string>) {
    this.#texts = texts;
  }

  /** The section's text, or undefined where the host did not print it: unknown is not the same as empty. */
  text(title: string): string | undefined {
    return this.#texts.get(title);
  }

  lines(title: string): string[] {
    return (this.text(title) ?? "").split("\n").filter((line) => line.trim() !== "");
  }

  /** Lines of a small file that the host was asked for, without empty ones; empty where it has no such file. */
  fileLines(path: string): string[] {
    return this.lines("lines").flatMap((line) =>
      line.startsWith(`${path}:`) ? [line.slice(path.length + 1)] : [],
    );
  }

  /** `[rest of the title, text]` of every section whose title starts with `word` and a blank. */
  *startingWith(word: string): Iterable<[rest: string, text: string]> {
    for (const [title, text] of this.#texts) {
      if (title.startsWith(`${word} `)) yield [title.slice(word.length + 1), text];
    }
  }
}

/**
 * One thing to observe: a piece of POSIX sh that prints sections, and a parser of them. The pieces are joined into one
 * script in a fixed order and share its variables; `service` runs first and sets UNIT, BIN, CONF, CLI and PID.
 */
export interface Fact<T> {
  script: (input: ProbeInput) => string;
  parse: (sections: Sections, input: ProbeInput) => T;
}

/** What stands before the separator and behind it; all of a text without one stands before. */
export function splitOnce(line: string, separator: string): [string, string] {
  const at = line.indexOf(separator);
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + separator.length)];
}
