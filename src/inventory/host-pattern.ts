import { isIP } from "node:net";
import { resolve } from "node:path";
import { didYouMean, errorOf, InputError, type Place, type Problem } from "../lib/errors.ts";
import { behindMark, markRefused, readTextFile } from "../lib/text-file.ts";
import { globMatcher } from "./glob.ts";
import type { Inventory } from "./inventory.ts";

/** The terms of a `--limit`, its files already read. */
export interface Limit {
  readonly terms: readonly string[];
}

/** Ansible's own machine. Every inventory has it, so a pattern that excludes it has no typo. */
const OWN_MACHINE = ["!localhost", "!127.0.0.1", "!::1"];
const LIMIT_PLACE: Place = { file: "--limit" };

/** What a pattern selects, and which of its terms match nothing. */
export interface PatternMatch {
  hosts: string[];
  unmatched: Problem[];
}

/**
 * The names of the hosts that `pattern` selects: in the order of its terms, and within a group in the inventory's. A `limit`
 * keeps only hosts that it selects too, and does not change the order.
 *
 * @param place of the pattern, for messages
 * @throws InputError when a term matches nothing (a typo in an exclusion would run on the excluded host), or is not understood.
 */
export function selectHosts(
  inventory: Inventory,
  pattern: string | readonly string[],
  { limit, place }: { limit?: Limit | undefined; place?: Place | undefined } = {},
): string[] {
  const { hosts, unmatched } = matchHosts(inventory, pattern, place);
  if (unmatched.length > 0) throw new InputError(unmatched);
  if (limit === undefined) return hosts;
  const limited = new Set(limitedHosts(inventory, limit));
  return hosts.filter((host) => limited.has(host));
}

/**
 * As `selectHosts`, for callers that must distinguish a play that matches nothing from one with a typo.
 *
 * @throws InputError when a term is not understood.
 */
export function matchHosts(
  inventory: Inventory,
  pattern: string | readonly string[],
  place?: Place,
): PatternMatch {
  const terms = [pattern].flat().flatMap((part) => splitPattern(part, place));
  if (terms.length === 0) {
    throw new InputError({ place, message: "expected a host pattern such as all or redis, found nothing" });
  }
  return evaluate(inventory, terms, place);
}

/**
 * Reads a `--limit`, whose terms may be `@file` with one term a line.
 *
 * @throws InputError when it is empty, which Ansible takes for every host.
 */
export async function readLimit(text: string, cwd: string): Promise<Limit> {
  const terms: string[] = [];
  for (const term of splitPattern(text, LIMIT_PLACE)) {
    if (term.startsWith("@")) terms.push(...(await readLimitFile(term.slice(1), cwd)));
    else terms.push(term);
  }
  if (terms.length === 0) {
    throw new InputError({ place: LIMIT_PLACE, message: "is empty: it selects no host" });
  }
  return { terms };
}

async function readLimitFile(file: string, cwd: string): Promise<string[]> {
  const text = await readTextFile(resolve(cwd, file), file, { keepsMark: true });
  if (behindMark(text) !== undefined)
    throw markRefused(file, "which Ansible takes for a part of its first name");
  const terms = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (terms.length === 0) throw new InputError({ place: { file }, message: "is empty: it selects no host" });
  return terms;
}

/**
 * The hosts that a limit selects.
 *
 * @throws InputError when a term matches nothing, or nothing is left.
 */
export function limitedHosts(inventory: Inventory, limit: Limit): string[] {
  const { hosts, unmatched } = evaluate(inventory, limit.terms, LIMIT_PLACE);
  if (unmatched.length > 0) throw new InputError(unmatched);
  if (hosts.length === 0) throw new InputError({ place: LIMIT_PLACE, message: "leaves no host" });
  return hosts;
}

/**
 * If there is a comma anywhere, only commas separate terms. Otherwise `:` and spaces do too, except within an IPv6 address, a
 * name with a port, or brackets.
 */
function splitPattern(pattern: string, place: Place | undefined): string[] {
  if (pattern.includes(",")) {
    return pattern
      .split(",")
      .map((term) => term.trim())
      .filter((term) => term !== "");
  }
  if (isIP(pattern) === 6 || /^[^:[\]]+:[0-9]+$/.test(pattern)) return [pattern];
  if (!bracketsClose(pattern)) {
    throw new InputError({ place, key: pattern, message: "a bracket is not closed or not opened" });
  }
  return pattern.match(/(?:[^\s:[\]]|\[[^\]]*\])+/g) ?? [];
}

/** Checked first: if a bracket stayed open, the search for pairs would restart at each one. */
function bracketsClose(pattern: string): boolean {
  let isOpen = false;
  for (const char of pattern) {
    if (char === "]" && !isOpen) return false;
    if (char === "[" || char === "]") isOpen = char === "[";
  }
  return !isOpen;
}

function evaluate(inventory: Inventory, terms: readonly string[], place: Place | undefined): PatternMatch {
  const unmatched: Problem[] = [];
  const match = (term: string): readonly string[] => {
    const found = matchTerm(inventory, term.replace(/^[&!]/, ""), place);
    if (typeof found !== "string") return found;
    if (OWN_MACHINE.includes(term)) return [];
    unmatched.push({ place, key: term, message: found });
    return [];
  };
  const plain = terms.filter((term) => !/^[&!]/.test(term));
  const hosts = new Set(plain.length > 0 ? plain.flatMap(match) : [...inventory.hosts.keys()]);
  for (const term of terms.filter((one) => one.startsWith("&"))) {
    const kept = new Set(match(term));
    for (const host of hosts) if (!kept.has(host)) hosts.delete(host);
  }
  for (const term of terms.filter((one) => one.startsWith("!"))) {
    for (const host of match(term)) hosts.delete(host);
  }
  return { hosts: [...hosts], unmatched };
}

/** The hosts of one term, or why it matches nothing. */
function matchTerm(inventory: Inventory, term: string, place: Place | undefined): readonly string[] | string {
  if (inventory.hosts.has(term)) return [term];
  if (term.startsWith("~"))
    return named(inventory, regexMatcher(term, place), true) ?? noMatch(inventory, term);
  const subscript = /^(.+)\[(-?[0-9]+|-?[0-9]*:-?[0-9]*)\]$/.exec(term);
  if (subscript?.[1] === undefined || subscript[2] === undefined) {
    if (/.\[[0-9]+-[0-9]+\]$/.test(term)) {
      return "[x-y] at the end is a subscript that Ansible gave up; write [x:y], or a pattern such as r0? for names";
    }
    return globHosts(inventory, term) ?? noMatch(inventory, term);
  }
  const hosts = globHosts(inventory, subscript[1]);
  if (hosts === undefined)
    return noMatch(inventory, subscript[1], "; [..] at the end of a term is a subscript");
  const chosen = applySubscript(hosts, subscript[2]);
  return chosen.length > 0 ? chosen : `selects none of the ${hosts.length} hosts of ${subscript[1]}`;
}

/** The hosts that a term matches. It is compared with host names only where no group matches, or it is no plain word. */
function globHosts(inventory: Inventory, glob: string): string[] | undefined {
  return named(inventory, globMatcher(glob), /[.?*[]/.test(glob));
}

/** The hosts of the groups that match. Where no group matches, or with `always`, hosts by their names too. Undefined for no match. */
function named(
  inventory: Inventory,
  matches: (name: string) => boolean,
  always: boolean,
): string[] | undefined {
  const groups = [...inventory.groups.values()].filter(({ name }) => matches(name));
  const hosts = new Set(groups.flatMap(({ allHosts }) => allHosts));
  if (groups.length === 0 || always) {
    for (const name of inventory.hosts.keys()) if (matches(name)) hosts.add(name);
  }
  return groups.length === 0 && hosts.size === 0 ? undefined : [...hosts];
}

function noMatch(inventory: Inventory, term: string, note = ""): string {
  const hint = didYouMean(term, [...inventory.groups.keys(), ...inventory.hosts.keys()]);
  const file = term.startsWith("@") ? "; @file is allowed only in --limit, and not after ! or &" : "";
  return `no host or group of the inventory matches "${term}"${note}${file}.${hint}`;
}

function regexMatcher(term: string, place: Place | undefined): (name: string) => boolean {
  try {
    const regex = new RegExp(`^(?:${term.slice(1)})`, "u");
    return (name) => regex.test(name);
  } catch (error) {
    const reason = errorOf(error).message.replace(/^.*: /, "");
    throw new InputError({ place, key: term, message: `is not a regular expression: ${reason}` });
  }
}

/** `0`, `-1`, `0:2` (three hosts), `1:`, `:2`, `-3:-1`: both ends are included, negative ones count from the end. */
function applySubscript(hosts: readonly string[], subscript: string): string[] {
  const fromEnd = (index: number) => (index < 0 ? index + hosts.length : index);
  const [first = "", last] = subscript.split(":");
  if (last === undefined) return hosts.slice(0).filter((_, i) => i === fromEnd(Number(first)));
  const start = first === "" ? 0 : fromEnd(Number(first));
  const end = last === "" ? hosts.length - 1 : fromEnd(Number(last));
  return hosts.filter((_, i) => i >= start && i <= end);
}
