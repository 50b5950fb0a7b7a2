import { expect, it } from "vitest";
import { parseCfg } from "../../src/inventory/ansible-cfg.ts";
import { looksLikeIni, parseIni } from "../../src/inventory/ini.ts";
import { InventoryBuilder } from "../../src/inventory/inventory-builder.ts";
import { mayBePython } from "../../src/inventory/jinja-values.ts";
import { inventoryList } from "../../src/inventory/listing.ts";
import { loadInventory } from "../../src/inventory/load-inventory.ts";
import { parseSshArguments } from "../../src/inventory/ssh-arguments.ts";
import { didYouMean, InputError } from "../../src/lib/errors.ts";
import { parseEnvelope } from "../../src/vault/envelope.ts";
import { directoryWith, refusal } from "./inventory-on-disk.ts";

/** Texts as long as a file may be. Where the time grew with the square of the length, each would take minutes to hours. */
const LONG = 1_000_000;
const BLANKS = " ".repeat(LONG);
const PLACE = { file: "hosts" };

const fail = (message: string) => new InputError({ message });

/** Which part refuses it does not matter here. */
function tried(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
  }
}

it.each([
  ["a line of an INI inventory", () => parseIni(`[a:vars]\nname=a${BLANKS}b`, PLACE)],
  ["a file that may be INI", () => looksLikeIni(`a${BLANKS}b`)],
  ["a line of an ansible.cfg", () => parseCfg(`[defaults]\na${BLANKS}b`, "ansible.cfg")],
  ["a text that may be Python's", () => mayBePython(`['${"\\'".repeat(LONG / 2)}]`)],
  [
    "the ssh options of a host",
    () => parseSshArguments(`-o 'ProxyCommand=ssh ${"-o A=b ".repeat(LONG / 7)}'`, fail),
  ],
  ["an encrypted text", () => parseEnvelope(`$ANSIBLE_VAULT;1.1;AES256\n${BLANKS}x`)],
])("%s is read in no time, however long it is", (_, work) => {
  const begun = process.cpuUsage();
  tried(work);
  expect(process.cpuUsage(begun).user / 1000).toBeLessThan(2_000);
});

it("ten thousand groups in a chain are read in no time, and listed too", async () => {
  const chain = Array.from({ length: 10_000 }, (_, at) => `[g${at + 1}:children]\ng${at}\n`);
  const cwd = await directoryWith({ hosts: `[g0]\nredis-01\nredis-02\n${chain.join("")}` });
  const begun = process.cpuUsage();
  const inventory = await loadInventory({ sources: ["hosts"], cwd });
  const listed = inventoryList(inventory, ["redis-01"]);
  const { user } = process.cpuUsage(begun);
  expect(inventory.groups.get("g10000")?.allHosts).toEqual(["redis-01", "redis-02"]);
  expect(listed).toContain('"g9999"');
  expect(user / 1e6).toBeLessThan(3);
});

it("of thousands of wrong hosts, the first are told and how many there are", async () => {
  const cwd = await directoryWith({ hosts: Array.from({ length: 5_000 }, (_, at) => `h@${at}\n`).join("") });
  const lines = (await refusal(loadInventory({ sources: ["hosts"], cwd }))).split("\n");
  expect(lines).toHaveLength(21);
  expect(lines.at(-1)).toBe("and 4980 more");
});

it("slips among many names cost no more time than a second or two", () => {
  const names = Array.from({ length: 5_000 }, (_, index) => `redis-${index}.example.com`);
  const begun = process.cpuUsage();
  for (const name of names) didYouMean(`x${name}`, names);
  expect(process.cpuUsage(begun).user / 1000).toBeLessThan(8_000);
});

it("more hosts than memory has room for are refused", () => {
  const builder = new InventoryBuilder(PLACE);
  const addAll = () => {
    for (let index = 0; ; index++) builder.addHost(`h${index}`, undefined, builder.ungrouped, PLACE);
  };
  expect(addAll).toThrow("hosts  the inventory has more than 500000 hosts");
});

it.each([
  ["['a', \"b\"]", true],
  ["['it\\'s']", true],
  ["[maybe 'a']", false],
  ["['a]", false],
])("%s is taken for a list of Python's: %s", (text, expected) => {
  expect(mayBePython(text)).toBe(expected);
});
