import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { inventoryGraph, inventoryList, jsonOf, printJson } from "../../../src/inventory/listing.ts";
import { loadInventory } from "../../../src/inventory/load-inventory.ts";
import { pythonLiteral } from "../../../src/inventory/python-literal.ts";
import { splitShellWords } from "../../../src/inventory/shell-words.ts";
import { InputError } from "../../../src/lib/errors.ts";
import { refusal } from "../inventory-on-disk.ts";
import { askAnsible, type Run } from "./ask-ansible.ts";
import { Dice, randomIni, randomLine, randomValue } from "./generated.ts";
import { INI } from "./ini-cases.ts";
import { lay } from "./lay.ts";
import { MIXED } from "./mixed-cases.ts";
import { PROGRAMS } from "./program-cases.ts";
import { REFUSALS, type Refusal } from "./refusals.ts";
import { YAML } from "./yaml-cases.ts";

const WRITTEN = { ...INI, ...YAML, ...MIXED, ...PROGRAMS };
const GENERATED = Object.fromEntries(
  Array.from({ length: 150 }, (_, seed) => [
    `generated ${seed}`,
    { files: { hosts: randomIni(new Dice(seed)) } },
  ]),
);

const root = mkdtempSync(join(tmpdir(), "redkeep-equality-"));
afterAll(() => rmSync(root, { recursive: true }));

const laid = Object.entries({ ...WRITTEN, ...GENERATED, ...REFUSALS }).map(([title, one]) => ({
  title,
  ...lay(one, root),
}));
const { inventories } = askAnsible({
  inventories: laid.map(({ title, cwd, sources }) => {
    const given = sources.flatMap((source) => ["-i", source]);
    const graph = title in WRITTEN ? [[...given, "--graph"]] : [];
    return { cwd, arguments: [[...given, "--list"], ...graph] };
  }),
});
const asked = laid.map((one, index) => {
  const [list, graph] = inventories[index] ?? [];
  if (list === undefined) throw new Error(`no answer for ${one.title}`);
  return { ...one, list, graph };
});

describe("inventory --list and --graph print what ansible-inventory prints", () => {
  it.each(asked.filter(({ title }) => title in WRITTEN))("$title", async ({ cwd, sources, list, graph }) => {
    expect(failureOf(list)).toBeUndefined();
    const inventory = await loadInventory({ sources, cwd });
    expect(`${inventoryList(inventory)}\n`).toBe(list.stdout);
    expect(`${inventoryGraph(inventory)}\n`).toBe(graph?.stdout);
  });

  it.each(asked.filter(({ title }) => title in GENERATED))(
    "$title, or both refuse it",
    async ({ cwd, sources, list }) => {
      const failure = failureOf(list);
      if (failure !== undefined) {
        await expect(loadInventory({ sources, cwd }), failure).rejects.toThrow(InputError);
        return;
      }
      const inventory = await loadInventory({ sources, cwd });
      expect(`${inventoryList(inventory)}\n`).toBe(list.stdout);
    },
  );
});

describe("inventory refuses what Ansible reads or passes over, as docs/inventory.md says", () => {
  const docs = readFileSync(join(import.meta.dirname, "../../../docs/inventory.md"), "utf8");

  it.each(asked.filter(({ title }) => title in REFUSALS))("$title", async ({ title, cwd, sources, list }) => {
    const { message, docs: row } = REFUSALS[title] as Refusal;
    expect(docs).toContain(`| ${row} |`);
    // It goes on, or stumbles over its own output.
    expect([0, 250]).toContain(list.status);
    expect(await refusal(loadInventory({ sources, cwd }))).toContain(message);
  });

  it("and every row there has an inventory here", () => {
    const table = docs.split("| Refused |")[1]?.split("\n\n")[0] ?? "";
    const rows = [...table.matchAll(/^\| ([^|]+) \|/gm)].map(([, row]) => row);
    expect(new Set(Object.values(REFUSALS).map(({ docs: row }) => row))).toEqual(new Set(rows));
  });

  it("and the number of inventories that are compared stands there", () => {
    const [written, generated] = [WRITTEN, GENERATED].map((cases) => Object.keys(cases).length);
    expect(docs).toContain(`${written} inventories written for that and ${generated} generated ones`);
  });
});

describe("the value of an INI line", () => {
  const dice = new Dice(13);
  const values = Array.from({ length: 4000 }, () => randomValue(dice));
  const lines = Array.from({ length: 4000 }, () => randomLine(dice));
  const answers = askAnsible({ values, lines });

  it("is what Ansible reads, for thousands that may be Python's", () => {
    const differ = values.flatMap((text, index) => {
      const [ours, theirs] = [listed(text), answers.values[index]];
      // A key twice is refused on purpose; what Ansible cannot print is refused, too.
      return ours === theirs || ours === "twice" ? [] : [{ text, ours, theirs }];
    });
    expect(differ).toEqual([]);
  });

  it("and its words are those of Python's shlex", () => {
    const words = lines.map((line) => splitShellWords(line, { comments: true }) ?? null);
    expect(words).toEqual(answers.lines);
  });
});

/** A value as redkeep lists it, null where it is refused. */
function listed(text: string): string | null {
  const place = { file: "hosts" };
  try {
    const node = pythonLiteral(text, place) ?? { kind: "scalar", type: "text", value: text, place };
    return printJson(jsonOf(node));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return /the key .* twice/.test(error.message) ? "twice" : null;
  }
}

/** What Ansible does not read it only warns of. */
function failureOf({ status, stderr }: Run): string | undefined {
  return status !== 0 ||
    /Failed to parse|Unable to parse|Skipping/.test(stderr.replace(/Unable to parse \S*lost\s+as.*/, ""))
    ? `exit status ${status}: ${stderr}`
    : undefined;
}
