const SHOWN = 6;

/** `a, b and c`; of long lists the first few and how many more. */
export function listOf(names: readonly string[], last = "and"): string {
  const shown = names.length > SHOWN + 1 ? names.slice(0, SHOWN) : names.slice(0, -1);
  const rest = names.length > SHOWN + 1 ? `${names.length - SHOWN} more` : (names.at(-1) ?? "");
  return shown.length === 0 ? rest : `${shown.join(", ")} ${last} ${rest}`;
}

/** The first of many, and how many more there are. */
export function firstOf(names: readonly string[], shown: number, separator = ", "): string {
  const rest = names.length - shown;
  return `${names.slice(0, shown).join(separator)}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** `1 change`, `34 changes`, `1 000 hosts`. */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${grouped(count)}${NO_BREAK}${count === 1 ? noun : nouns}`;
}

/** Keeps a number and its unit on one line; `finish` prints it as a blank. */
export const NO_BREAK = "\u00a0";

/** `10 214`: thousands apart, in the way that no country reads as a decimal. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, NO_BREAK);
}

/** `0.28 s`, `3.1 s`, `42 s`, `4 min 5 s`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 0.995) return `${seconds.toFixed(2)}${NO_BREAK}s`;
  if (seconds < 9.95) return `${seconds.toFixed(1)}${NO_BREAK}s`;
  if (seconds < 59.5) return `${Math.round(seconds)}${NO_BREAK}s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** One duration for several hosts: `0.28 s`, or `0.21 s to 0.40 s` where they differ. */
export function durations(all: readonly number[]): string {
  const shortest = duration(all.reduce((a, b) => Math.min(a, b)));
  const longest = duration(all.reduce((a, b) => Math.max(a, b)));
  return shortest === longest ? longest : `${shortest} to ${longest}`;
}

/** `0:04`, `12:31`, `1:02:03`: a clock that counts up. */
export function elapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** The longest list of names that is written out; from the next one on, it is counted too. */
const FEW = 4;

/**
 * Hosts in few words: `redis-01, redis-02`, or `redis-001 … redis-200 (200 hosts)`. Neighbours by number
 * become a range, and whoever is left out is counted. A host that comes several times, once for each of its checks say, is one.
 */
export function hostList(names: readonly string[]): string {
  const hosts = [...new Set(names)];
  if (hosts.length <= FEW) return hosts.join(", ");
  const ranges = rangesOf(hosts);
  const shown = ranges.slice(0, ranges.length > FEW ? FEW - 1 : FEW);
  const rest = hosts.length - shown.reduce((count, range) => count + range.length, 0);
  const words = shown.map((range) => (range.length > 2 ? `${range[0]} … ${range.at(-1)}` : range.join(", ")));
  if (rest > 0) words.push(`${grouped(rest)}${NO_BREAK}more`);
  return `${words.join(", ")} (${plural(hosts.length, "host")})`;
}

/** `hosts` cut into runs that count up by one: names that differ in one number, the same throughout a run. */
function rangesOf(hosts: readonly string[]): string[][] {
  const ranges: string[][] = [];
  let previous: string[] = [];
  let counting: number | undefined;
  for (const host of hosts) {
    const parts = host.split(/(\d+)/);
    const step = stepBetween(previous, parts);
    const range = ranges.at(-1);
    if (range !== undefined && step !== undefined && (range.length === 1 || step === counting)) {
      range.push(host);
      counting = step;
    } else ranges.push([host]);
    previous = parts;
  }
  return ranges;
}

/** Which part of a name is one higher in `next`, where nothing else differs. Numbers stand at the odd places. */
function stepBetween(previous: readonly string[], next: readonly string[]): number | undefined {
  if (previous.length !== next.length) return undefined;
  const differing = next.flatMap((part, index) => (part === previous[index] ? [] : [index]));
  const index = differing[0];
  if (differing.length !== 1 || index === undefined || index % 2 === 0) return undefined;
  const [from, to] = [previous[index] ?? "", next[index] ?? ""];
  const padded = from.length !== to.length && from.startsWith("0");
  return Number(to) === Number(from) + 1 && !padded ? index : undefined;
}
