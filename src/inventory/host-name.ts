import { isIP } from "node:net";
import { InputError, type Place } from "../lib/errors.ts";

/** How many hosts one key such as `r[1:9999][a:f]` may stand for. */
const MAX_HOSTS = 100_000;
/** As in DNS. A longer name could not be a file name in host_vars either. */
const MAX_NAME = 253;
const ASCII_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/**
 * The hosts that a key of `hosts:` stands for, with the port that it may end in: `web`, `web:2222`, `r[01:20]`,
 * `r[a:f].example.com:22`, `2001:db8::1`, `[2001:db8::1]:22`.
 *
 * @throws InputError when it is not a name, port or range that redkeep accepts.
 */
export function parseHostKey(key: string, place: Place): { names: string[]; port: number | undefined } {
  const { host, port } = splitPort(key, place);
  const names = expandRanges(host, place);
  for (const name of names) checkHostName(name, key, place);
  return { names, port };
}

/**
 * Refuses names that cannot be selected, or that would read a file outside host_vars or reach a program as an option.
 *
 * @throws InputError
 */
export function checkHostName(name: string, key: string, place: Place): void {
  if (name === "all")
    throw refusal(key, place, '"all" is the group of every host, a host cannot have that name');
  if (isIP(name) === 6 && !name.includes("%")) return;
  if (name.length > MAX_NAME) {
    throw refusal(key, place, `a host name has at most ${MAX_NAME} characters, this one has ${name.length}`);
  }
  if (name.split(/[._-]/).some(mixesAlphabets)) {
    throw refusal(
      key,
      place,
      "mixes letters of different alphabets that look alike: it could pose as another host",
    );
  }
  if (/^[\p{L}\p{N}_][\p{L}\p{N}_.-]*$/u.test(name)) return;
  if (/\{[{%#]/.test(name)) {
    throw refusal(
      key,
      place,
      "a host name cannot be a Jinja template: redkeep renders values of variables, and no names",
    );
  }
  const [, user, host] = /^([^@]+)@([^@]+)$/.exec(name) ?? [];
  if (user !== undefined && host !== undefined) {
    throw refusal(key, place, `has the user in its name: write ${host} and set ansible_user to ${user}`);
  }
  if (/^[^:]*:[^:]*$/.test(name)) {
    throw refusal(key, place, "expected a port number (1 to 65535) after the colon");
  }
  throw refusal(
    key,
    place,
    "a host name has only letters, digits, . _ and -, or is an IPv6 address, and starts with no . or -",
  );
}

/** Letters beside Latin ones that only look like them: `redis` with a Cyrillic `e`. */
function mixesAlphabets(word: string): boolean {
  return (
    /\p{Script=Latin}/u.test(word) && /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}]/u.test(word)
  );
}

function splitPort(key: string, place: Place): { host: string; port: number | undefined } {
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::([0-9]+))?$/.exec(key);
  if (bracketed?.[1] !== undefined && isIP(bracketed[1]) === 6) {
    if (bracketed[2] === undefined) {
      throw refusal(key, place, "write an IPv6 address without brackets, or with its port as [address]:port");
    }
    return { host: bracketed[1], port: portNumber(bracketed[2], key, place) };
  }
  const suffix = /^((?:[^:[\]]|\[[^\]]*\])*):([0-9]+)$/.exec(key);
  if (suffix?.[1] === undefined || suffix[2] === undefined) return { host: key, port: undefined };
  // Where the part before the colon is no host name to Ansible, the port silently becomes part of the name.
  if (/[._-]$/.test(suffix[1])) {
    throw refusal(key, place, "a host name before a port cannot end in . _ or -");
  }
  return { host: suffix[1], port: portNumber(suffix[2], key, place) };
}

function portNumber(digits: string, key: string, place: Place): number {
  const port = Number(digits);
  if (port < 1 || port > 65535) {
    throw refusal(key, place, `expected a port number (1 to 65535), found ${digits.slice(0, 20)}`);
  }
  return port;
}

/** All names of a pattern with any number of `[begin:end:step]`; the rightmost range varies fastest. */
function expandRanges(pattern: string, place: Place): string[] {
  let names = [""];
  let rest = pattern;
  for (;;) {
    const open = rest.indexOf("[");
    if (open < 0) return names.map((name) => name + rest);
    const close = rest.indexOf("]", open);
    if (close < 0) throw refusal(pattern, place, 'the range has no closing "]"');
    const head = rest.slice(0, open);
    const range = rest.slice(open, close + 1);
    const values = rangeValues(range, pattern, place);
    if (names.length * values.length > MAX_HOSTS) {
      throw refusal(pattern, place, `stands for more than ${MAX_HOSTS} hosts`);
    }
    names = names.flatMap((name) => values.map((value) => name + head + value));
    rest = rest.slice(close + 1);
  }
}

/** `[01:03]` → 01 02 03. */
function rangeValues(range: string, pattern: string, place: Place): string[] {
  const bounds = range.slice(1, -1).split(":");
  const [begin = "", end = "", step = "1"] = bounds;
  const hint = /^\[[0-9]+-[0-9]+\]$/.test(range) ? `; write ${range.replace("-", ":")}` : "";
  if (bounds.length < 2 || bounds.length > 3) {
    throw refusal(pattern, place, `${range}: a range is [begin:end] or [begin:end:step]${hint}`);
  }
  if (end === "") throw refusal(pattern, place, `${range}: a range must have an end`);
  if (!/^[0-9]{1,9}$/.test(step) || Number(step) === 0) {
    throw refusal(pattern, place, `${range}: expected a step of 1 or more, found "${step}"`);
  }
  if (/^[a-z]$/i.test(begin) && /^[a-z]$/i.test(end)) {
    const first = ASCII_LETTERS.indexOf(begin);
    const last = ASCII_LETTERS.indexOf(end);
    if (first > last)
      throw refusal(pattern, place, `${range}: begin comes after end (the order is a to z, A to Z)`);
    return [...ASCII_LETTERS.slice(first, last + 1)].filter((_, i) => i % Number(step) === 0);
  }
  if (!/^[0-9]{0,9}$/.test(begin) || !/^[0-9]{1,9}$/.test(end)) {
    throw refusal(pattern, place, `${range}: expected two numbers or two letters`);
  }
  const width = begin.length > 1 && begin.startsWith("0") ? begin.length : 0;
  if (width > 0 && width !== end.length) {
    throw refusal(pattern, place, `${range}: begin and end must have the same number of digits`);
  }
  if (Number(begin) > Number(end)) throw refusal(pattern, place, `${range}: begin is greater than end`);
  const count = Math.floor((Number(end) - Number(begin)) / Number(step)) + 1;
  if (count > MAX_HOSTS) throw refusal(pattern, place, `stands for more than ${MAX_HOSTS} hosts`);
  return Array.from({ length: count }, (_, i) =>
    String(Number(begin) + i * Number(step)).padStart(width, "0"),
  );
}

function refusal(key: string, place: Place, message: string): InputError {
  return new InputError({ place, key: JSON.stringify(key.slice(0, 200)), message });
}
