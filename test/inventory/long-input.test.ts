import { expect, it } from "vitest";
import { parseCfg } from "../../src/inventory/ansible-cfg.ts";
import { looksLikeIni, parseIni } from "../../src/inventory/ini.ts";
import { InventoryBuilder } from "../../src/inventory/inventory-builder.ts";
import { mayBePython } from "../../src/inventory/jinja-values.ts";
import { parseSshArguments } from "../../src/inventory/ssh-arguments.ts";
import { didYouMean, InputError } from "../../src/lib/errors.ts";
import { parseEnvelope } from "../../src/vault/envelope.ts";

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
