import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { GUARDS } from "../src/cli/guards.ts";
import { createProgram } from "../src/cli/program.ts";
import { loadInventory } from "../src/inventory/load-inventory.ts";
import { loadTask, taskNames } from "../src/playbook/task-files.ts";
import { HOST_STATUSES, OUTCOMES, TASK_STATUSES } from "../src/record/statuses.ts";
import { PRESETS } from "../src/redis/acl-presets.ts";
import type { Environment } from "../src/run/options.ts";
import { CONFIRM_WINDOW } from "../src/transaction/program.ts";
import { read, repository, section } from "./support/pages.ts";

const program = createProgram(process as unknown as Environment, () => {});

/** The first cells of a section's tables, without the back quotes. */
function firstCells(text: string): string[] {
  return [...text.matchAll(/^\| `([^`]+)`/gm)].map(([, name = ""]) => name);
}

/** The row of a table that begins with this name. */
function row(text: string, name: string): string {
  const found = text.split("\n").find((line) => line.startsWith(`| \`${name}\``));
  if (found === undefined) throw new Error(`there is no row for "${name}"`);
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

describe("docs/playbook.md", () => {
  it("has every task, and no other", () => {
    const tasks = [...section("docs/playbook.md", "## The tasks").matchAll(/^### `(.+)`$/gm)].map(
      ([, name]) => name,
    );
    expect(tasks.toSorted()).toEqual(taskNames().toSorted());
  });

  it.each(taskNames())("has every parameter of %s with its default, and no other", async (task) => {
    const { params } = await loadTask(task);
    const schema = z.toJSONSchema(params, { io: "input", unrepresentable: "any" }) as JsonSchema;
    // What weakens has a NAME_until too, by one rule for all.
    const parameters = parametersOf(schema).filter(({ name }) => !name.endsWith("_until"));
    const text = section("docs/playbook.md", `### \`${task}\``);
    const [reference = ""] = text.split("| Preset |");
    expect(firstCells(reference).toSorted()).toEqual(parameters.map(({ name }) => name).toSorted());
    for (const { name, defaults } of parameters) {
      for (const value of defaults) expect(row(reference, name)).toContain(`\`${value}\``);
    }
  });

  it("has every preset", () => {
    const [, presets = ""] = section("docs/playbook.md", "### `acl`").split("| Preset |");
    expect(firstCells(presets)).toEqual([...PRESETS]);
  });
});

/** Those that log in to hosts share a table of options; what adopt has of it stands above. */
const CHANGING_OR_LOOKING = ["plan", "apply", "verify", "rollback", "eject"];
const ON_HOSTS = [...CHANGING_OR_LOOKING, "adopt"];

describe("docs/commands.md", () => {
  const hostOptions = section("docs/commands.md", "## Options of commands that log in to hosts");
  const otherOptions = section("docs/commands.md", "## Options of the other commands");
  const names = program.commands.map((command) => command.name());

  it("has every command, and no other", () => {
    const commands = section("docs/commands.md", "## Commands");
    const shown = [...commands.matchAll(/^\| `redkeep (\w+)/gm)].map(([, name]) => name);
    expect(shown).toEqual(names);
  });

  it("has no command that the table of README lacks", () => {
    const shown = [...section("README.md", "## Commands").matchAll(/`redkeep (\w+)`/g)].map(
      ([, name]) => name,
    );
    expect(shown.toSorted()).toEqual(names.toSorted());
  });

  it.each(ON_HOSTS)("has every option of %s, its short form and its default", (name) => {
    const command = program.commands.find((found) => found.name() === name);
    for (const { short, long, defaultValue } of command?.options ?? []) {
      const shown = hostOptions.split("\n").find((line) => optionOf(line) === long);
      expect(shown, `${long}`).toBeDefined();
      if (short !== undefined) expect(shown).toContain(`\`${short}\``);
      if (defaultValue !== undefined) expect(shown).toContain(`| ${String(defaultValue)} |`);
    }
  });

  it("names, for each option that not all commands on hosts have, those that have it", () => {
    for (const line of hostOptions.split("\n")) {
      const option = optionOf(line);
      if (option === undefined) continue;
      const having = ON_HOSTS.filter((name) =>
        program.commands
          .find((command) => command.name() === name)
          ?.options.some(({ long }) => long === option),
      );
      const [said] = /\| (?:`\w+`(?:, | and )?)+: /.exec(line) ?? [];
      if (said === undefined) expect(having, option).toEqual(expect.arrayContaining(CHANGING_OR_LOOKING));
      else
        expect(
          [...said.matchAll(/`(\w+)`/g)].map(([, name]) => name),
          option,
        ).toEqual(having);
    }
  });

  it.each(names.filter((name) => !ON_HOSTS.includes(name)))("has every option of %s", (name) => {
    const shown = row(otherOptions, `redkeep ${name}`);
    const options = program.commands.find((command) => command.name() === name)?.options ?? [];
    for (const { short, long, defaultValue } of options) {
      expect(shown).toContain(`\`${long}\``);
      if (short !== undefined) expect(shown).toContain(`\`${short}\``);
      if (defaultValue !== undefined) expect(shown).toContain(`(${String(defaultValue)})`);
    }
    const known = options.flatMap(({ short, long }) => [short, long]);
    for (const [, option] of shown.matchAll(/`(--?[a-z-]+)`/g)) expect(known).toContain(option);
  });

  it("has the options of redkeep itself", () => {
    for (const { short, long } of program.options) {
      expect(otherOptions).toContain(long ?? "");
      expect(otherOptions).toContain(short ?? "");
    }
  });

  it("shows no option that is none", () => {
    const known = new Set(program.commands.flatMap((command) => command.options.map(({ long }) => long)));
    const text = section("docs/commands.md", "## Commands") + hostOptions;
    for (const [, option] of text.matchAll(/^\|.*?`(--[a-z-]+)`/gm)) expect(known).toContain(option);
  });
});

/** The long option that a row of the table of options is about. */
function optionOf(line: string): string | undefined {
  return /^\| (?:`-\w`, )?`(--[a-z-]+)` \|/.exec(line)?.[1];
}

describe("guards, exit codes and statuses", () => {
  it("has every guard, and no other", () => {
    expect(firstCells(read("docs/guards.md"))).toEqual(GUARDS.toSorted());
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
    const [, decided = ""] = read("src/record/summary.ts").split("function exitCodeOf");
    const inCode = [...new Set([...decided.matchAll(/return (\d+);/g)].map(([, code = ""]) => code))];
    const shown = firstCells(section("docs/commands.md", "## Exit codes"));
    expect(shown.toSorted()).toEqual([...inCode, "1"].toSorted());
    expect(shown.filter((code) => code !== "1")).toEqual(inCode);
  });

  it("has every status and outcome of the run record", () => {
    for (const [values, name] of [
      [HOST_STATUSES, "host `status`"],
      [TASK_STATUSES, "task `status`"],
      [OUTCOMES, "check `outcome`"],
    ] as const) {
      const shown = section("docs/records.md", "## The run record")
        .split("\n")
        .find((line) => line.startsWith(`| ${name}`));
      for (const value of values) expect(shown).toContain(`\`${value}\``);
    }
  });

  it("says how long a host waits for its confirmation", () => {
    expect(section("docs/apply.md", "## Step by step")).toContain(`after ${CONFIRM_WINDOW} seconds`);
  });
});

describe("inventory/example.yml", () => {
  it("is three hosts in one group, each with an address for its clients", async () => {
    expect(section("docs/inventory.md", "## What it may look like")).toContain(
      "(../inventory/example.yml) is three hosts in one\ngroup",
    );
    const { hosts, groups } = await loadInventory({ sources: ["inventory/example.yml"], cwd: repository });
    expect(hosts.size).toBe(3);
    expect([...groups.keys()].filter((name) => name !== "all" && name !== "ungrouped")).toEqual(["redis"]);
  });
});
