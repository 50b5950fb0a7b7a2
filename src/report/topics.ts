import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { packageDirectory } from "../lib/package.ts";
import type { Terminal } from "./colours.ts";
import { hanging, pad } from "./layout.ts";
import { titleOf } from "./page-text.ts";

const DOCS = join(packageDirectory, "docs");

/**
 * The topics of `redkeep help`, each a page of the documentation: by its file's name, or as `about-NAME` where that is the
 * name of a command, whose own help comes first.
 */
export function topics(commands: readonly string[]): { name: string; file: string }[] {
  return readdirSync(DOCS)
    .filter((file) => file.endsWith(".md"))
    .map((file) => {
      const page = basename(file, ".md");
      return { name: commands.includes(page) ? `about-${page}` : page, file: join(DOCS, file) };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The topics with a line for each: what comes behind the help of the program. */
export function topicsText(commands: readonly string[], { width }: Terminal): string {
  const all = topics(commands);
  const longest = Math.max(...all.map(({ name }) => name.length));
  const lines = all.flatMap(({ name, file }) =>
    hanging(`  ${pad(name, longest)}  `, titleOf(readFileSync(file, "utf8")), width),
  );
  return ["Topics (redkeep help TOPIC):", ...lines, ""].join("\n");
}
