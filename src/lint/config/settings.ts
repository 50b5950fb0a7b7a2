import { isLoopback } from "../../lib/network.ts";
import type { ConfigDocument } from "../../redis/config-document.ts";
import type { Directive } from "../../redis/config-reader.ts";
import type { ServerVersion } from "../../redis/versions.ts";

/** A redis.conf with what it includes, and how its lines stand in the files. */
export interface ConfigToLint {
  document: ConfigDocument;
  /** Where to speak of what is not there. */
  start: { file: string; line: number };
  /** A line as it stands. */
  textOf: (directive: Directive) => string;
  version: ServerVersion | undefined;
}

/** Values as they count, with the line that they come from. */
export class Settings {
  readonly document: ConfigDocument;
  readonly start: { file: string; line: number };
  readonly version: ServerVersion | undefined;
  /** False for a piece that another file includes: what it lacks may stand there. */
  readonly isWhole: boolean;

  constructor({ document, start, version }: ConfigToLint) {
    this.document = document;
    this.start = start;
    this.version = version;
    this.isWhole = ["bind", "port", "dir", "daemonize", "supervised", "pidfile", "tls-port"].some(
      (name) => document.all(name).length > 0,
    );
  }

  /** The line that counts, or the file's first where there is none. */
  place(name: string): { file: string; line: number } {
    return this.document.all(name).at(-1) ?? this.start;
  }

  has(name: string): boolean {
    return this.document.all(name).length > 0;
  }

  /** Lower case; the default where there is no line. */
  word(name: string, byDefault = ""): string {
    return this.document.get(name)?.[0]?.toLowerCase() ?? byDefault;
  }

  text(name: string): string {
    return this.document.get(name)?.[0] ?? "";
  }

  get addresses(): readonly string[] {
    return this.document.get("bind") ?? ["*"];
  }

  get isLocal(): boolean {
    return this.addresses.every((address) => isLoopback(address.replace(/^-/, "")));
  }

  get plainPort(): string {
    return this.word("port", "6379");
  }

  get hasTls(): boolean {
    return this.word("tls-port", "0") !== "0";
  }
}
