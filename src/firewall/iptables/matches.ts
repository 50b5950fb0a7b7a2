import { type Family, family as familyOf, rangeOf } from "../../lib/network.ts";
import { FLAGS, negate, subnetNumbers, tcpFlags } from "../match.ts";
import { type Match, type Numbers, numbers } from "../packets.ts";

export interface Option {
  negated: boolean;
  values: string[];
}
export type Options = ReadonlyMap<string, Option>;

export const BARE = new Set(["-f"]);
/** Options whose one value may be any text, even one that looks like an option. */
const FREE_TEXT = new Set([
  "--comment",
  "--string",
  "--hex-string",
  "--name",
  "--log-prefix",
  "--nflog-prefix",
]);

/** Takes `[!] --option value…` up to what begins another match or the target. */
export function takeOptions(
  words: readonly string[],
  from: number,
  into: Map<string, Option>,
  hasEnd = true,
): number {
  let at = from;
  while (at < words.length) {
    const negated = words[at] === "!" && (words[at + 1] ?? "").startsWith("--");
    const word = words[negated ? at + 1 : at] ?? "";
    if (hasEnd && !word.startsWith("--")) break;
    at += negated ? 2 : 1;
    const values: string[] = [];
    if (FREE_TEXT.has(word)) values.push(words[at++] ?? "");
    else
      while (at < words.length && !/^(?:--?[a-zA-Z]|!$)/.test(words[at] ?? ""))
        values.push(words[at++] ?? "");
    into.set(word, { negated, values });
  }
  return at;
}

/** An option that belongs to no match module, such as `-s`. */
export function basic(option: string, value: string, negated: boolean, family: Family): Match {
  switch (option) {
    case "-p":
      if (/^(?:all|0)$/.test(value)) return { kind: negated ? "never" : "always" };
      if (!/^[a-z0-9-]+$/.test(value)) return { kind: "unknown" };
      return { kind: /^(?:tcp|6)$/.test(value) !== negated ? "always" : "never" };
    case "-s":
    case "-d":
      return ofNumbers(option === "-s" ? "source" : "destination", subnetNumbers(value, family), negated);
    case "-i":
    case "-o":
      return {
        kind: "interface",
        field: option === "-i" ? "in" : "out",
        names: [namePattern(value)],
        negated,
      };
    case "-f":
      // The first packet of a connection is none of the later parts of a longer one.
      return { kind: "rare", text: "a fragment", negated };
    // Without `-m tcp`, as people write it.
    case "--sport":
    case "--dport":
      return ofNumbers(option === "--sport" ? "sourcePort" : "port", portNumbers(value), negated);
    default:
      return { kind: "unknown" };
  }
}

/** "eth+" is every interface whose name begins with "eth". */
const namePattern = (text: string) =>
  text.endsWith("+") ? { name: text.slice(0, -1), isStart: true } : { name: text, isStart: false };

const ofNumbers = (
  field: "source" | "destination" | "sourcePort" | "port",
  values: Numbers | undefined,
  negated = false,
): Match => (values === undefined ? { kind: "unknown" } : { kind: "numbers", field, values, negated });

/** "80,443,6000:7000". */
function portNumbers(text = ""): Numbers | undefined {
  const parts = text.split(",").map((part) => /^(\d{1,5})(?::(\d{1,5}))?$/.exec(part));
  if (parts.some((part) => part === null)) return undefined;
  return numbers(parts.map((part) => [BigInt(part?.[1] ?? 0), BigInt(part?.[2] ?? part?.[1] ?? 0)] as const));
}

function rangeNumbers(text = "", family: Family): Numbers | undefined {
  const [from = "", to = ""] = text.split("-");
  if (familyOf(from) !== family || familyOf(to) !== family) return undefined;
  return [[rangeOf(from).first, rangeOf(to).first]];
}

/** What the options of a match module ask for; undefined where one of them is not known. */
type Module = (options: Options, family: Family) => Match[] | undefined;

/** Each option asks something by itself, and all have to hold. */
const each =
  (read: Record<string, (option: Option, family: Family) => Match | undefined>): Module =>
  (options, family) => {
    const matches = [...options].map(([name, option]) => read[name]?.(option, family));
    return matches.every((match) => match !== undefined) ? matches : undefined;
  };

const ports =
  (field: "sourcePort" | "port") =>
  ({ values, negated }: Option): Match =>
    ofNumbers(field, portNumbers(values[0]), negated);
const ignored: Module = () => [];
const one =
  (match: Match): Module =>
  () => [match];
/** Two rules ask for the same trait where options and values are the same. */
const trait =
  (name: string): Module =>
  (options) => [{ kind: "trait", text: `${name} ${JSON.stringify([...options])}` }];

const states = ({ values, negated }: Option): Match => ({
  kind: "state",
  states: (values[0] ?? "").split(","),
  negated,
});

const marks =
  (field: "mark" | "connectionMark") =>
  ({ values, negated }: Option): Match | undefined => {
    const [value, mask = 0xffffffff] = (values[0] ?? "").split("/").map(Number);
    if (value === undefined || !Number.isInteger(value) || !Number.isInteger(mask)) return undefined;
    return { kind: "mark", field, value, mask, negated };
  };

function flagList(text = ""): string[] {
  if (text === "NONE") return [];
  // iptables leaves ECE and CWR out of what it calls all.
  return text === "ALL" ? FLAGS.slice(0, 6) : text.split(",");
}

/** Types of the address that a packet for this host has, and of those that its sender may have. */
const addressTypes =
  (end: "destination" | "source") =>
  ({ values, negated }: Option): Match | undefined => {
    const types = (values[0] ?? "").split(",");
    // No sender has one of these, and a destination that is the host's is no unicast address to the kernel.
    const impossible = ["BROADCAST", "MULTICAST", "ANYCAST", "BLACKHOLE", "PROHIBIT"];
    if (end === "source") {
      const isNobody = types.every((type) => type === "LOCAL" || impossible.includes(type));
      return isNobody ? { kind: negated ? "always" : "never" } : undefined;
    }
    if (types.includes("LOCAL")) {
      return types.every((type) => type === "LOCAL" || impossible.includes(type))
        ? { kind: "local", negated }
        : undefined;
    }
    if (types.every((type) => impossible.includes(type))) return { kind: negated ? "always" : "never" };
    return types.join() === "UNICAST" ? { kind: "local", negated: !negated } : undefined;
  };

export const MODULES = new Map<string, Module>([
  ["comment", ignored],
  [
    "tcp",
    each({
      "--sport": ports("sourcePort"),
      "--dport": ports("port"),
      "--tcp-flags": ({ values: [mask, on], negated }) =>
        negate(tcpFlags(flagList(mask), flagList(on)), negated),
    }),
  ],
  [
    "multiport",
    each({
      "--sports": ports("sourcePort"),
      "--dports": ports("port"),
      "--ports": ({ values, negated }) =>
        negated
          ? undefined
          : {
              kind: "either",
              matches: (["port", "sourcePort"] as const).map((field) =>
                ofNumbers(field, portNumbers(values[0])),
              ),
            },
    }),
  ],
  [
    "iprange",
    each({
      "--src-range": ({ values, negated }, family) =>
        ofNumbers("source", rangeNumbers(values[0], family), negated),
      "--dst-range": ({ values, negated }, family) =>
        ofNumbers("destination", rangeNumbers(values[0], family), negated),
    }),
  ],
  ["conntrack", each({ "--ctstate": states })],
  ["state", each({ "--state": states })],
  ["addrtype", each({ "--src-type": addressTypes("source"), "--dst-type": addressTypes("destination") })],
  [
    "pkttype",
    // TCP answers what was sent to this host alone.
    each({
      "--pkt-type": ({ values, negated }) => ({
        kind: (values[0] === "unicast") !== negated ? "always" : "never",
      }),
    }),
  ],
  ["mark", each({ "--mark": marks("mark") })],
  ["connmark", each({ "--mark": marks("connectionMark") })],
  ["limit", one({ kind: "chance" })],
  ["hashlimit", one({ kind: "chance" })],
  ["connlimit", one({ kind: "chance" })],
  ["recent", recent],
  ...["time", "string", "length", "ttl", "hl", "mac", "dscp", "tos", "ecn"].map(
    (name) => [name, trait(name)] as const,
  ),
  ["rt", one({ kind: "rare", text: "a routing header", negated: false })],
  ["frag", one({ kind: "rare", text: "a fragment", negated: false })],
  [
    "rpfilter",
    (options) => [
      { kind: "rare", text: "a source that answers do not go to", negated: !options.has("--invert") },
    ],
  ],
]);

/** A source that has not come before is on no list with two entries or more. ufw makes its `limit` of this. */
function recent(options: Options): Match[] | undefined {
  const has = (name: string) => options.get(name)?.negated === false;
  if (has("--set")) return [];
  const count = Number(options.get("--hitcount")?.values[0] ?? 0);
  if ((has("--update") || has("--rcheck")) && count >= 2)
    return [{ kind: "rare", text: "a source that comes often", negated: false }];
  return undefined;
}
