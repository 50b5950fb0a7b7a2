import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pageText } from "../../src/report/page-text.ts";
import { redkeep } from "../support/cli.ts";
import { read, repository } from "../support/pages.ts";

const help = (...args: string[]) => redkeep(["help", ...args], { cwd: "/" });
const pages = readdirSync(join(repository, "docs"))
  .filter((file) => file.endsWith(".md"))
  .map((file) => file.replace(/\.md$/, ""));
const COMMANDS = ["apply", "controls", "inventory", "lint", "verify"];
const topicOf = (page: string) => (COMMANDS.includes(page) ? `about-${page}` : page);

describe("redkeep help", () => {
  it("lists all commands, and each page of the documentation in a line", async () => {
    const { exitCode, stdout } = await help();
    expect(exitCode).toBe(0);
    expect(stdout).toContain("  eject [playbook]");
    const [, topics = ""] = stdout.split("Topics (redkeep help TOPIC):\n");
    const listed = topics.trim().split("\n");
    expect(listed.map((line) => line.trim().split(" ")[0])).toEqual(pages.map(topicOf).toSorted());
    expect(topics).toMatch(/^ {2}about-apply +How apply works$/m);
  });

  it.each(pages)("prints the page %s, all of its words and none of its signs", async (page) => {
    const { exitCode, stdout, stderr } = await help(topicOf(page));
    expect([exitCode, stderr]).toEqual([0, ""]);
    const text = read(`docs/${page}.md`);
    expect(stdout.startsWith(text.slice(2, text.indexOf("\n")))).toBe(true);
    for (const line of stdout.split("\n")) {
      if (!line.startsWith("    ")) expect(line).not.toMatch(/\]\(|^#+ |^\||\*\*/);
    }
    const wordsOf = (shown: string) => new Set(shown.match(/[\p{L}\d]{4,}/gu));
    const links = /\]\((?!https?:)[^)]*\)|<!--.*?-->|<\/?(?:details|summary)>/g;
    const missing = [...wordsOf(text.replace(/^```\w+$/gm, "").replace(links, ""))].filter(
      (word) => !wordsOf(stdout).has(word),
    );
    expect(missing).toEqual([]);
  });

  it("explains a command as --help does", async () => {
    expect(await help("apply")).toEqual(await redkeep(["apply", "--help"], { cwd: "/" }));
  });

  it("refuses a topic that there is not, and suggests the nearest one", async () => {
    const { exitCode, stderr } = await help("gards");
    expect(exitCode).toBe(1);
    expect(stderr).toContain('there is no topic or command "gards". Did you mean "guards"?');
  });

  it.each([
    ["vault", '"vault". It has a part in redkeep help secrets. redkeep help lists them'],
    ["exit-codes", '"exit-codes". It has a part in redkeep help commands. redkeep help lists them'],
    ["tls", "redkeep help playbook"],
  ])("names the page that has a part on it: %s", async (topic, told) => {
    const { exitCode, stderr } = await help(topic);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(told);
  });
});

describe("a page at a terminal", () => {
  const shown = (markdown: string, width = 60, unicode = true) =>
    pageText(markdown, { interactive: true, colour: false, unicode, width });

  it("wraps its text, and leaves code as it is", () => {
    const code = `x=${"1".repeat(80)}`;
    const text = `# Title\n\n${"word ".repeat(20).trim()}\ngoes on\n151. times\n\n\`\`\`sh\n${code}\n\`\`\`\n`;
    expect(shown(text)).toBe(
      `Title\n-----\n\n${"word ".repeat(12).trim()}\n${"word ".repeat(8).trim()} goes on 151. times\n\n    ${code}\n`,
    );
  });

  it("shows a table side by side where it fits, and row by row where it does not", () => {
    const table = "| Option | | Meaning |\n|---|---|---|\n| `-i` | a\\|b | an inventory |\n";
    expect(shown(table)).toBe("Option       Meaning\n`-i`    a|b  an inventory\n");
    expect(shown(table.replaceAll("an inventory", "an inventory ".repeat(6).trim()), 40)).toBe(
      "Option:\n`-i`\n    a|b\n    Meaning: an inventory an inventory\n    an inventory an inventory an\n    inventory an inventory\n",
    );
  });

  it("keeps what goes on in the next line in its item of a list", () => {
    expect(shown("- one\n  more\n- two\n\nText **bold** [link](page.md).\n")).toBe(
      "- one more\n- two\n\nText bold link.\n",
    );
  });

  it("spells its signs in ASCII where the terminal has no more", () => {
    expect(shown("a → b…\n", 60, false)).toBe("a -> b...\n");
  });
});
