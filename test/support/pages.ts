import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const repository = join(import.meta.dirname, "../..");

/** The text of a file, by its path from the top of the repository. */
export const read = (path: string): string => readFileSync(join(repository, path), "utf8");

/** What people read, by paths from the top of the repository: all but what lies beside the code that it is about. */
export const PAGES: readonly string[] = [
  ...["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"],
  ...readdirSync(join(repository, "docs"))
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file}`),
  "measure/README.md",
];

/** The text under a heading of a page, up to the next one of the same or a higher level. */
export function section(page: string, heading: string): string {
  const level = heading.indexOf(" ");
  const [, after] = read(page).split(`\n${heading}\n`);
  if (after === undefined) throw new Error(`${page} has no heading "${heading}"`);
  return after.split(new RegExp(`\n#{1,${level}} `))[0] ?? "";
}

export interface CodeBlock {
  /** What stands behind the opening fence: `sh`, `console`, `yaml` or nothing. */
  language: string;
  text: string;
}

const FENCED = /^```(\w*)\n([\s\S]*?)^```$/gm;

export function codeBlocks(text: string): CodeBlock[] {
  return [...text.matchAll(FENCED)].map(([, language = "", block = ""]) => ({ language, text: block }));
}

/** A page without its code blocks: what is in them is no link, no heading and no table. */
export function proseOf(text: string): string {
  return text.replace(FENCED, "");
}
