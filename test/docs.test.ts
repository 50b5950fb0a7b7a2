import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { load } from "js-yaml";
import { afterAll, describe, expect, it } from "vitest";
import { createProgram } from "../src/cli/program.ts";
import { taskNames } from "../src/playbook/task-files.ts";
import type { Environment } from "../src/run/options.ts";
import { earlierRun, fleetRun } from "./support/fleet.ts";
import { codeBlocks, PAGES, proseOf, read, repository } from "./support/pages.ts";

/** Where a link of a page leads in this repository: a path from its top, and the heading, empty where none is named. */
interface Link {
  target: string;
  file: string;
  anchor: string;
}

/** The links of a page that do not leave the repository. */
function linksOf(page: string): Link[] {
  const prose = proseOf(read(page)).replace(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^()\s]+)\)|(?:href|src)="([^"]+)"/g)]
    .map(([, inMarkdown, inHtml]) => inMarkdown ?? inHtml ?? "")
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = "", anchor = ""] = target.split("#");
      return { target, file: path === "" ? page : normalize(join(dirname(page), path)), anchor };
    });
}

/** The anchors that GitHub gives to the headings of a page, and those that it sets itself. */
function anchorsOf(page: string): string[] {
  const text = proseOf(read(page));
  const seen = new Map<string, number>();
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-");
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return before === 0 ? slug : `${slug}-${before}`;
  });
  return [...headings, ...[...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = ""]) => id)];
}

describe("the pages", () => {
  it.each(PAGES)("have links that resolve: %s", (page) => {
    for (const { target, file, anchor } of linksOf(page)) {
      expect(existsSync(join(repository, file)), `${page} links to ${target}`).toBe(true);
      if (anchor !== "") expect(anchorsOf(file), `${page} links to ${target}`).toContain(anchor);
    }
  });

  it("say in README how many tasks there are", () => {
    const words = "no one two three four five six seven eight nine ten eleven twelve".split(" ");
    const { length } = taskNames();
    const counts = new RegExp(String.raw`\b(\d+|${words.join("|")}) tasks\b`, "g");
    const said = [...read("README.md").matchAll(counts)].map(([, number]) => number);
    expect(said).not.toEqual([]);
    expect(said.filter((number) => number !== String(length) && number !== words[length])).toEqual([]);
  });

  it("are all found from README in at most two clicks", () => {
    const reached = new Set(["README.md"]);
    for (const _click of [1, 2]) {
      for (const page of [...reached]) {
        for (const { file } of linksOf(page)) if (PAGES.includes(file)) reached.add(file);
      }
    }
    expect([...reached].toSorted()).toEqual([...PAGES].toSorted());
  });

  it.each(PAGES)("name scripts and files that are there: %s", (page) => {
    const text = read(page);
    const { scripts } = JSON.parse(read("package.json"));
    for (const [, script = ""] of text.matchAll(/npm run ([a-z:]+)/g))
      expect(scripts).toHaveProperty([script]);
    for (const [, path = ""] of text.matchAll(
      /`((?:src|lab|measure|docs|recipes|schema|test|templates|playbooks|inventory)\/[\w./-]*)/g,
    )) {
      // What somebody will write, or a run makes in the user's own folder.
      if (
        path.includes("NAME") ||
        path.startsWith("inventory/.redkeep") ||
        /^inventory\/(?:hosts\.yml|known_hosts)$/.test(path)
      )
        continue;
      expect(existsSync(join(repository, path)), `${page} names ${path}`).toBe(true);
    }
  });

  it("begin with a heading and a sentence, and have no mark of a merge", () => {
    for (const page of PAGES) expect(read(page), page).not.toMatch(/^(?:<{7}|={7}|>{7})(?: |$)/m);
    for (const page of PAGES) expect(read(page), page).toMatch(/^# .+\n\n(?:[A-Z]|redkeep )/);
  });
});

it("README has at most 200 lines", () => {
  expect(read("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(200);
});

/** The commands of a line of shell, each as its words; quotes, comments and redirections are gone. */
function commandsOf(line: string): string[][] {
  const commands: string[][] = [[]];
  for (const [token] of line.matchAll(/\s+#.*|&&|\|\||[|;&]|(?:"[^"]*"|'[^']*'|[^\s"'|;&])+/g)) {
    if (/^\s+#/.test(token)) break;
    if (/^[|;&]+$/.test(token)) commands.push([]);
    else commands.at(-1)?.push(token.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
  }
  return commands.map((words) => {
    const redirected = words.findIndex((word) => /^\d?[<>]/.test(word));
    return redirected < 0 ? words : words.slice(0, redirected);
  });
}

/** What a page shows of redkeep: the words behind its name, as they are typed. */
function callsOf(page: string): string[][] {
  return codeBlocks(read(page))
    .flatMap(({ language, text }) => {
      const lines = text.replaceAll("\\\n", " ").split("\n");
      return language === "sh"
        ? lines
        : lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
    })
    .flatMap(commandsOf)
    .flatMap((words) => {
      const [first = "", ...typed] = words.filter((word) => !/^(?:\w+=.*|do|then)$/.test(word));
      if (first === "redkeep") return [typed];
      if (first !== "npx") return [];
      if (typed[0] === "redkeep") return [typed.slice(1)];
      return typed[0] === "node" && typed[1]?.endsWith("src/cli.ts") ? [typed.slice(2)] : [];
    });
}

/** What the prose of a page says of a command: `redkeep rollback --to original`, perhaps without what it needs besides. */
function mentionsOf(page: string): string[][] {
  return [...proseOf(read(page)).matchAll(/`redkeep ([a-z][^`]*)`/g)].map(([, call = ""]) =>
    call.split(/\s+/),
  );
}

/** @throws where redkeep would refuse these words. None of its commands is run. */
function parse([name = "", ...words]: readonly string[], isWhole: boolean): void {
  const silent = { write: () => true };
  const environment = { stdout: silent, stderr: silent } as unknown as Environment;
  const command = createProgram(environment, () => {}).commands.find((found) => found.name() === name);
  if (command === undefined) throw new Error(`redkeep has no command ${name}`);
  const { operands, unknown } = command.parseOptions(words);
  if (unknown.length > 0) throw new Error(`redkeep ${name} does not know ${unknown.join(" ")}`);
  const places = command.registeredArguments;
  const least = places.filter(({ required }) => required).length;
  const most = places.some(({ variadic }) => variadic) ? Number.POSITIVE_INFINITY : places.length;
  if ((isWhole && operands.length < least) || operands.length > most)
    throw new Error(`redkeep ${name} takes ${least} to ${most} arguments, not ${operands.join(" ")}`);
  for (const option of isWhole ? command.options : []) {
    if (option.mandatory && command.getOptionValue(option.attributeName()) === undefined)
      throw new Error(`redkeep ${name} needs ${option.long}`);
  }
}

describe("a command line to type", () => {
  const calls = PAGES.flatMap((page) =>
    callsOf(page).map((words) => ({ page, line: words.join(" "), words })),
  );

  it("is found on the pages that show some", () => {
    const pages = new Set(calls.map(({ page }) => page));
    expect([...pages]).toEqual(
      expect.arrayContaining(["README.md", "docs/stories.md", "docs/secrets.md", "docs/records.md"]),
    );
  });

  it.each(calls)("is one that redkeep takes: $page: redkeep $line", ({ words }) => parse(words, true));

  it.each(PAGES)("is one that redkeep takes, where prose mentions it: %s", (page) => {
    for (const words of mentionsOf(page)) parse(words, false);
  });
});

describe("a block of code", () => {
  const blocks = PAGES.flatMap((page) => codeBlocks(read(page)).map((block) => ({ page, ...block })));
  const written = (...languages: string[]) =>
    blocks
      .filter(({ language }) => languages.includes(language))
      .map((block) => ({ ...block, first: block.text.split("\n")[0] }));

  it("says its language by a word that is known", () => {
    expect(new Set(blocks.map(({ language }) => language))).toEqual(
      new Set(["", "sh", "console", "yaml", "json", "diff"]),
    );
  });

  it.each(written("sh"))("is shell that parses: $page: $first", ({ text }) => {
    const { status, stderr } = spawnSync("sh", ["-n"], { input: text, encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  it.each(written("yaml"))("is YAML that parses: $page: $first", ({ text }) => {
    expect(load(text)).toBeTypeOf("object");
  });

  it.each(written("json"))("is JSON that parses: $page: $first", ({ text }) => {
    expect(JSON.parse(text)).toBeTypeOf("object");
  });
});

/** What redkeep does without a host. The others are played by test/integration/stories.test.ts, or parsed above. */
const HOSTLESS = ["init", "inventory", "controls", "lint", "report", "diff"];

describe("a command that reaches no host", () => {
  const folder = mkdtempSync(join(tmpdir(), "redkeep-docs-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  // What the pages' commands are given: two nights of a fleet, one of them as a shard too, and a file full of traps.
  const [earlier, later] = [earlierRun(), fleetRun()];
  const files = {
    "before.json": earlier,
    "yesterday.json": earlier,
    "after.json": later,
    "today.json": later,
    "run.json": later,
    "shard-1.json": { ...later, shard: { index: 1, count: 1 } },
  };
  for (const [file, record] of Object.entries(files))
    writeFileSync(join(folder, file), JSON.stringify(record));
  writeFileSync(
    join(folder, "redis.conf"),
    "bind 127.0.0.1 -::1\nmaxmemory 512mb\nrequirepass kept-since-2019-and-long\nappendonly yes # never\naclfile /etc/redis/users.acl\nmaxmemory-policy noeviction\n",
  );

  const calls = PAGES.filter((page) => page !== "docs/stories.md").flatMap((page) =>
    callsOf(page)
      .filter(([name = ""]) => HOSTLESS.includes(name))
      .map((words) => ({ page, line: words.join(" "), words })),
  );

  /** As docs/commands.md has them: a finding or something worse is 6; what the merged run could not check is 3. */
  const exitCodeOf = ([name = "", ...words]: readonly string[]): number =>
    name === "lint" || name === "diff" ? 6 : words.includes("--exit-code") ? 3 : 0;

  const redkeep = (words: readonly string[]) =>
    spawnSync(process.execPath, [join(repository, "src/cli.ts"), ...words], {
      cwd: folder,
      encoding: "utf8",
    });

  it("prints what docs/lint.md shows of lint", () => {
    const shown = codeBlocks(read("docs/lint.md")).find(({ language }) => language === "console")?.text;
    expect(`$ redkeep lint redis.conf\n${redkeep(["lint", "redis.conf"]).stdout}`).toBe(shown);
  });

  it.each(calls)("runs and ends as the page says: $page: redkeep $line", ({ words }) => {
    rmSync(join(folder, "fleet"), { recursive: true, force: true });
    const typed = words.map((word) => word.replace("*", "1"));
    const { status, stderr } = redkeep(typed);
    expect({ status, stderr }).toEqual({ status: exitCodeOf(words), stderr: "" });
  });
});
