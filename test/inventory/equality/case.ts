import type { Files } from "../inventory-on-disk.ts";

/** An inventory as its files, the first of which is what `-i` names unless `sources` says otherwise. */
export interface Case {
  files: Files;
  sources?: readonly string[];
  /** Files that may be executed though they do not begin with `#!`. */
  executable?: readonly string[];
  /** Files that may not be executed though they begin with `#!`. */
  plain?: readonly string[];
  /** Symbolic links: where each stands and what it names. */
  links?: Readonly<Record<string, string>>;
}

/** Cases of one file each, of that name. */
export function filesNamed(name: string, texts: Readonly<Record<string, string>>): Record<string, Case> {
  return Object.fromEntries(
    Object.entries(texts).map(([title, text]) => [title, { files: { [name]: text } }]),
  );
}
