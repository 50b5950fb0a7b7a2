import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { CONFIRM_WINDOW } from "../src/apply/compile.ts";
import { createProgram, GUARDS } from "../src/commands/main.ts";
import type { Environment } from "../src/commands/options.ts";
import { loadInventory } from "../src/inventory/load-inventory.ts";
import { loadTask, taskNames } from "../src/playbook/task-files.ts";
import { PRESETS } from "../src/redis/acl-presets.ts";
import { HOST_STATUSES, OUTCOMES, TASK_STATUSES } from "../src/report/statuses.ts";

const repository = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(repository, path), "utf8");
const readme = read("README.md");
const program = createProgram(process as unknown as Environment, () => {});

/** The text under a heading, up to the next one of the same or a higher level. */
function section(heading: string): string {
  const level = heading.indexOf(" ");
  const [, after] = readme.split(`\n${heading}\n`);
  if (after === undefined) throw new Error(`README.md has no heading "${heading}"`);
  return after.split(new RegExp(`\n#{1,${level}} `))[0] ?? "";
}

/** The first cells of a section's tables, without the back quotes. */
function firstCells(text: string): string[] {
  return [...text.matchAll(/^\| `([^`]+)`/gm)].map(([, name = ""]) => name);
}

/** The row of a table that begins with this name. */
function row(text: string, name: string): string {
  const found = text.split("\n").find((line) => line.startsWith(`| \`${name}\``));
  if (found === undefined) throw new Error(`README.md has no row for "${name}"`);
  return found;
}

interface Parameter {
  name: string;
  /** Texts that the row has to show in back quotes. */
  defaults: string[];
}

interface JsonSchema {
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  default?: unknown;
}

/** A task's parameters as its schema has them, those inside of lists as `users[].name`. */
function parametersOf({ properties = {} }: JsonSchema, prefix = ""): Parameter[] {
  return Object.entries(properties).flatMap(([name, schema]) => [
    { name: `${prefix}${name}`, defaults: scalarsOf(schema.default) },
    ...parametersOf(schema.items ?? {}, `${prefix}${name}[].`),
  ]);
}

function scalarsOf(value: unknown): string[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap(scalarsOf);
  if (typeof value !== "object" || value === null) return [String(value)];
  const entries = Object.entries(value);
  return entries.every(([, setting]) => typeof setting === "boolean")
    ? entries.map(([key, setting]) => `${key}: ${setting}`)
    : entries.flatMap(([key, setting]) => [key, ...scalarsOf(setting)]);
}

describe("the reference of tasks", () => {
  it("has every task, and no other", () => {
    const tasks = [...section("## The playbook and its tasks").matchAll(/^### `(.+)`$/gm)].map(
      ([, name]) => name,
    );
    expect(tasks.toSorted()).toEqual(taskNames().toSorted());
  });

  it.each(taskNames())("has every parameter of %s with its default, and no other", async (task) => {
    const { params } = await loadTask(task);
    const schema = z.toJSONSchema(params, { io: "input", unrepresentable: "any" }) as JsonSchema;
    // What weakens has a NAME_until too, by one rule for all.
    const parameters = parametersOf(schema).filter(({ name }) => !name.endsWith("_until"));
    const text = section(`### \`${task}\``);
    const [reference = ""] = text.split("| Preset |");
    expect(firstCells(reference).toSorted()).toEqual(parameters.map(({ name }) => name).toSorted());
    for (const { name, defaults } of parameters) {
      for (const value of defaults) expect(row(reference, name)).toContain(`\`${value}\``);
    }
  });

  it("has every preset", () => {
    const [, presets = ""] = section("### `acl`").split("| Preset |");
    expect(firstCells(presets)).toEqual([...PRESETS]);
  });
});

describe("commands and options", () => {
  const text = section("## Commands and options");

  it("has every command", () => {
    const [commands = ""] = text.split("\nOptions of");
    const shown = [...commands.matchAll(/^\| `redkeep (\w+)/gm)].map(([, name]) => name);
    expect(shown).toEqual(program.commands.map((command) => command.name()));
  });

  it.each(["plan", "apply", "verify"])("has every option of %s, its short form and its default", (name) => {
    const command = program.commands.find((found) => found.name() === name);
    for (const { short, long, defaultValue } of command?.options ?? []) {
      const shown = text.split("\n").find((line) => line.startsWith("| ") && line.includes(`\`${long}\``));
      expect(shown, `${long}`).toBeDefined();
      if (short !== undefined) expect(shown).toContain(`\`${short}\``);
      if (defaultValue !== undefined) expect(shown).toContain(`| ${String(defaultValue)} |`);
    }
  });

  it("names the options of the other commands", () => {
    for (const name of ["inventory", "init"]) {
      const command = program.commands.find((found) => found.name() === name);
      for (const { long } of command?.options ?? []) expect(text).toContain(`\`${long}\``);
    }
    for (const { short, long } of program.options) {
      expect(text).toContain(long ?? "");
      expect(text).toContain(short ?? "");
    }
  });

  it("shows no option that is none", () => {
    const known = new Set(program.commands.flatMap((command) => command.options.map(({ long }) => long)));
    for (const [, option] of text.matchAll(/^\|.*?`(--[a-z-]+)`/gm)) expect(known).toContain(option);
  });
});

describe("commands to type", () => {
  const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = ""]) => block).join("");
  const lines = blocks
    .split("\n")
    .flatMap((line) => line.replace(/ #.*/, "").split("&&"))
    .map((line) => line.trim())
    .filter(Boolean);
  const own = lines
    .map((line) => line.replace(/^npx node src\/cli\.ts/, "redkeep"))
    .filter((line) => line.startsWith("redkeep "));

  it.each(own)("%s", (line) => {
    const [, name, ...words] = line.split(/\s+/);
    const command = program.commands.find((found) => found.name() === name);
    expect(command).toBeDefined();
    const { operands, unknown } = command?.parseOptions(words) ?? { operands: [], unknown: ["all"] };
    expect(unknown).toEqual([]);
    const places = command?.registeredArguments ?? [];
    const isEnough = places.some(({ variadic }) => variadic) || operands.length <= places.length;
    expect(isEnough, `${operands.length} arguments`).toBe(true);
  });

  it("names scripts of package.json and files that are there", () => {
    const { scripts } = JSON.parse(read("package.json"));
    for (const [, script = ""] of readme.matchAll(/npm run ([a-z:]+)/g))
      expect(scripts).toHaveProperty(script);
    for (const [, path = ""] of readme.matchAll(
      /(?:`|\]\()((?:src|lab|test|templates|playbooks|inventory)\/[\w./-]*)/g,
    )) {
      // What a run makes, in the user's own folder.
      if (path.startsWith("inventory/.redkeep") || path === "inventory/hosts.yml") continue;
      expect(existsSync(join(repository, path)), path).toBe(true);
    }
  });

  it("links to headings that are there", () => {
    const anchors = [...readme.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, "")
        .replaceAll(" ", "-"),
    );
    for (const [, anchor = ""] of readme.matchAll(/\]\(#([^)]+)\)/g)) expect(anchors).toContain(anchor);
  });
});

describe("guards and exit codes", () => {
  it("has every guard, and no other", () => {
    expect(firstCells(section("## Guards"))).toEqual(GUARDS.toSorted());
  });

  it("knows every guard that the code refuses by", () => {
    const files = readdirSync(join(repository, "src"), { recursive: true, encoding: "utf8" });
    const named = files
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) => [...read(join("src", file)).matchAll(/\bguards?: \[?"([a-z0-9-]+)"/g)])
      .map(([, guard]) => guard);
    expect([...new Set(named)].toSorted()).toEqual(GUARDS.toSorted());
  });

  it("has every exit code in the order in which they apply", () => {
    const [, decided = ""] = read("src/report/summary.ts").split("function exitCodeOf");
    const inCode = [...new Set([...decided.matchAll(/return (\d+);/g)].map(([, code = ""]) => code))];
    const shown = firstCells(section("## Exit codes"));
    expect(shown.toSorted()).toEqual([...inCode, "1"].toSorted());
    expect(shown.filter((code) => code !== "1")).toEqual(inCode);
  });

  it("has every status and outcome of the run record", () => {
    for (const [values, name] of [
      [HOST_STATUSES, "host `status`"],
      [TASK_STATUSES, "task `status`"],
      [OUTCOMES, "check `outcome`"],
    ] as const) {
      const shown = section("## The run record")
        .split("\n")
        .find((line) => line.startsWith(`| ${name}`));
      for (const value of values) expect(shown).toContain(`\`${value}\``);
    }
  });

  it("says how long a host waits for its confirmation", () => {
    expect(section("## How apply works")).toContain(`after ${CONFIRM_WINDOW} seconds`);
  });
});

describe("inventory/example.yml", () => {
  it("is three hosts in one group, each with an address for its clients", async () => {
    expect(section("## The inventory")).toContain("(inventory/example.yml) is three hosts in one\ngroup");
    const { hosts, groups } = await loadInventory({ sources: ["inventory/example.yml"], cwd: repository });
    expect(hosts.size).toBe(3);
    expect([...groups.keys()].filter((name) => name !== "all" && name !== "ungrouped")).toEqual(["redis"]);
  });
});
