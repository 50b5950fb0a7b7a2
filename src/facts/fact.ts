import { type Seen, seen } from "./origin.ts";
import type { ProbeInput } from "./probe-input.ts";

/** Frames that root's own programs fill: their titles. */
export const SEEN_TITLES = [
  "os",
  "machine",
  "memory",
  "tools",
  "addresses",
  "listeners",
  "sshd",
  "peer",
  "systemd",
  "units",
  "sentinels",
  "unit",
  "properties",
  "argv",
  "client",
  "programs",
  "groups",
  "lines",
  "accounts",
  "servers",
  "others",
  "others-unclear",
  "sudo-rules",
  "unreadable",
  "endpoint",
  "sockets",
  "binary-version",
  "same-program",
  "data-directory",
  "log-file",
  "data-files",
  "data-files-cut",
  "paths",
  "digests",
  "data-writable",
  "places",
  "keys",
  "ufw-before",
  "kernel4",
  "kernel6",
  "legacy4",
  "legacy6",
  "only-legacy4",
  "only-legacy6",
  "nft",
  "nft-text",
  "interfaces",
  "foreign",
  "docker-ports",
  "docker-silent",
  "swaps",
  "package",
  "mended",
  "program",
  "open-secrets",
  "open-secrets-end",
  "pending",
  "last",
  "shown",
  "traces",
  "kept",
] as const;

export type SeenTitle = (typeof SEEN_TITLES)[number];

/** Files that are transferred byte for byte: the first word of each one's title. `FILES` in test/support/facts.ts has them too. */
export type FileTitle =
  | "config"
  | "acl-file"
  | "pem"
  | "drop-in"
  | "ufw-conf"
  | "ufw-defaults"
  | "ufw-rules4"
  | "ufw-rules6"
  | "last-files"
  | "last-modes"
  | "last-directories"
  | "recover-unit"
  | "kept-env"
  | "backup";

/** Output of the server, or of whoever answers in its place: the first words of titles. */
export const SAID_TITLES = [
  "login",
  "login-error",
  "redis",
  "plain-ping",
  "socket-ping",
  "with-certificate",
  "without-certificate",
  "served",
  "pem-of-key",
  "old-protocol",
  "sentinel-conf",
  "sentinel-reply",
  "sentinel-watched",
  "other-replies",
] as const;

/** The titles that redkeep gives to its questions within one session with Redis. */
export const ANSWER_TITLES = [
  "info",
  "running",
  "acl-list",
  "clients",
  "denials",
  "command",
  "dry-run",
  "key",
  "category",
  "matrix-users",
  "matrix",
  "core-end",
  "session-end",
] as const;

export type SaidTitle = Exclude<(typeof SAID_TITLES)[number], "redis"> | (typeof ANSWER_TITLES)[number];

/** A title of one word, or of a word with what it is about. */
type Titled<T extends string> = T | `${T} ${string}`;

class Texts<T extends string> {
  readonly #texts: ReadonlyMap<string, string>;

  constructor(texts: ReadonlyMap<string, string> = new Map()) {
    this.#texts = texts;
  }

  /** The text, or undefined where the host did not print it: unknown is not the same as empty. */
  text(title: Titled<T>): string | undefined {
    return this.#texts.get(title);
  }

  lines(title: Titled<T>): string[] {
    return (this.text(title) ?? "").split("\n").filter((line) => line.trim() !== "");
  }

  all(): Iterable<[title: string, text: string]> {
    return this.#texts;
  }

  /** `[rest of the title, text]` of every text whose title starts with `word` and a blank. */
  *startingWith(word: T): Iterable<[rest: string, text: string]> {
    for (const [title, text] of this.#texts) {
      if (title.startsWith(`${word} `)) yield [title.slice(word.length + 1), text];
    }
  }
}

/** What root observed itself. The server's output cannot set, end or replace any of it. */
export class SeenTexts extends Texts<SeenTitle | FileTitle> {
  /** The titles of requested files that did not arrive whole, or are not regular files. */
  readonly unread: ReadonlySet<string>;
  #fileLines: ReadonlyMap<string, readonly string[]> | undefined;

  constructor(texts?: ReadonlyMap<string, string>, unread: ReadonlySet<string> = new Set()) {
    super(texts);
    this.unread = unread;
  }

  /** A text of one line that root may act on. */
  word(title: SeenTitle): Seen {
    return seen((this.text(title) ?? "").replace(/\n$/, ""));
  }

  /** Lines of a small file that the host was asked for, without empty ones; empty where it has no such file. */
  fileLines(path: string): string[] {
    this.#fileLines ??= byPath(this.lines("lines"));
    return [...(this.#fileLines.get(path) ?? [])];
  }
}

/** Colons that a path may have, and one behind it: grep prints `PATH:LINE`. */
const MOST_COLONS = 4;

/** Lines of files by every path that they may be of. */
function byPath(lines: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of lines) {
    let at = line.indexOf(":");
    for (let colons = 0; at >= 0 && colons < MOST_COLONS; colons++) {
      const path = line.slice(0, at);
      const known = found.get(path);
      if (known === undefined) found.set(path, [line.slice(at + 1)]);
      else known.push(line.slice(at + 1));
      at = line.indexOf(":", at + 1);
    }
  }
  return found;
}

/** The server's output, verbatim, in a name space of its own. */
export class SaidTexts extends Texts<SaidTitle> {
  /** Titles of questions whose answers were longer than the bound, or broke off. */
  readonly cut: ReadonlySet<string>;

  constructor(texts?: ReadonlyMap<string, string>, cut: ReadonlySet<string> = new Set()) {
    super(texts);
    this.cut = cut;
  }
}

/** A probe's answer, taken apart. */
export interface Answer {
  seen: SeenTexts;
  said: SaidTexts;
}

/**
 * One thing to observe: a piece of POSIX sh that prints frames, and a parser of them. The pieces are joined into one
 * script in a fixed order and share its variables; `service` runs first and sets UNIT, BIN, CONF, CLI and PID.
 */
export interface Fact<T> {
  script: (input: ProbeInput) => string;
  parse: (answer: Answer, input: ProbeInput) => T;
}

/** The text before the separator and the text after it. Without a separator, all of it counts as before. */
export function splitOnce(line: string, separator: string): [string, string] {
  const at = line.indexOf(separator);
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + separator.length)];
}
