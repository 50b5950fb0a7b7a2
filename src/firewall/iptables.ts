import { type Family, family as familyOf, rangeOf } from "../lib/network.ts";
import { type Match, type Numbers, numbers } from "./packets.ts";
import type { BaseChain, Effect, Gap, Rule, Ruleset, Verdict } from "./ruleset.ts";

/** Where the kernel calls each table's built-in chains (`include/uapi/linux/netfilter_ipv4.h`). */
const HOOKS = { PREROUTING: "prerouting", INPUT: "input", FORWARD: "forward" } as const;
const PRIORITIES = new Map([
  ["raw", -300],
  ["mangle", -150],
  ["nat", -100],
  ["filter", 0],
  ["security", 50],
]);
/** Source NAT comes last, when all else is decided. */
const NAT_INPUT_PRIORITY = 100;

/** A table of `iptables-save`: its chains with their rules as they are printed. */
interface Table {
  name: string;
  /** Undefined where a chain is no built-in one. */
  policies: Map<string, string | undefined>;
  lines: Map<string, string[]>;
}

/** Replaces a rule where somebody knows better than iptables what it says. */
export type Correct = (table: string, chain: string, index: number, rule: Rule) => Rule;

/**
 * All tables of `iptables-save` (family 4) or `ip6tables-save` (family 6). Rules are read when a packet gets to their chain:
 * hosts of containers have them by the thousand.
 */
export function readIptables(
  save: string,
  family: Family,
  correct: Correct = (_table, _chain, _index, rule) => rule,
): Ruleset {
  const { tables, gaps } = tablesOf(save, family);
  const chains = tables.flatMap(({ name: table, policies, lines }): BaseChain[] => {
    const priority = PRIORITIES.get(table);
    const read = new Map<string, readonly Rule[]>();
    const chain = (name: string): readonly Rule[] | undefined => {
      if (!policies.has(name)) return undefined;
      const known =
        read.get(name) ??
        (lines.get(name) ?? []).map((line, i) =>
          correct(table, name, i, readRule(line, family, { name: table, policies })),
        );
      read.set(name, known);
      return known;
    };
    return [...policies].flatMap(([name, policy]): BaseChain[] => {
      const hook = HOOKS[name as keyof typeof HOOKS];
      if (policy === undefined || hook === undefined || priority === undefined) return [];
      return [
        {
          name: table === "filter" ? name : `${table} ${name}`,
          hook,
          priority: table === "nat" && hook === "input" ? NAT_INPUT_PRIORITY : priority,
          kind: table === "nat" ? "nat" : "filter",
          policy: policy === "DROP" ? "drop" : "accept",
          get rules() {
            return chain(name) ?? [];
          },
          chain,
        },
      ];
    });
  });
  return { chains, gaps };
}

/** How many rules each chain of each table has, as `TABLE CHAIN`. */
export function countRules(save: string, family: Family): Map<string, number> {
  return new Map(
    tablesOf(save, family).tables.flatMap(({ name, policies, lines }) =>
      [...policies.keys()].map((chain) => [`${name} ${chain}`, lines.get(chain)?.length ?? 0] as const),
    ),
  );
}

function tablesOf(save: string, family: Family): { tables: Table[]; gaps: Gap[] } {
  const [tables, gaps]: [Table[], Gap[]] = [[], []];
  let table: Table | undefined;
  for (const line of save.split("\n")) {
    if (line.startsWith("*")) {
      table = { name: line.slice(1).trim(), policies: new Map(), lines: new Map() };
      tables.push(table);
    } else if (line === "COMMIT") {
      table = undefined;
    } else if (line.startsWith(":")) {
      const [name = "", policy] = line.slice(1).split(" ");
      table?.policies.set(name, policy === "-" ? undefined : policy);
    } else if (line.startsWith("-A ")) {
      const name = line.split(" ", 2)[1] ?? "";
      const lines = table?.lines.get(name);
      if (lines === undefined) table?.lines.set(name, [line]);
      else lines.push(line);
    } else if (line.startsWith("# Table ")) {
      // "# Table `filter' is incompatible, use 'nft' tool."
      gaps.push({
        text: `iptables cannot read a table of the kernel for IPv${family}: ${line.slice(2)}`,
        isWithin: false,
      });
    }
  }
  if (table !== undefined)
    gaps.push({ text: `the kernel has more rules for IPv${family} than are looked at`, isWithin: true });
  return { tables, gaps };
}

interface Option {
  negated: boolean;
  values: string[];
}
type Options = ReadonlyMap<string, Option>;

/** A line as iptables-save prints it. What is not known to the letter becomes an unknown match or an unknown verdict. */
function readRule(text: string, family: Family, table: Pick<Table, "name" | "policies">): Rule {
  const words = text.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  const matches: Match[] = [];
  let at = 2;
  let target: string | undefined;
  let isGoto = false;
  while (at < words.length) {
    const negated = words[at] === "!";
    if (negated) at++;
    const word = words[at++] ?? "";
    if (word === "-j" || word === "-g") {
      isGoto = word === "-g";
      target = words[at++] ?? "";
      break;
    }
    if (word === "-m") {
      const module = words[at++] ?? "";
      const options = new Map<string, Option>();
      at = takeOptions(words, at, options);
      matches.push(...(MODULES.get(module)?.(options, family) ?? [{ kind: "unknown" as const }]));
    } else {
      const value = BARE.has(word) ? "" : (words[at++] ?? "");
      matches.push(basic(word, value, negated, family));
    }
  }
  const options = new Map<string, Option>();
  takeOptions(words, at, options, false);
  const isReadable = words.slice(2).filter((word) => word === "-j" || word === "-g").length <= 1;
  const { effects = [], verdict } = isReadable
    ? readTarget(target, isGoto, options, table)
    : { verdict: { kind: "unknown" as const } };
  return {
    chain: words[1] ?? "",
    text,
    matches: matches.filter(({ kind }) => kind !== "always"),
    effects,
    verdict,
  };
}

const BARE = new Set(["-f"]);
/** Their one value may be any text, one that looks like an option as well. */
const FREE_TEXT = new Set([
  "--comment",
  "--string",
  "--hex-string",
  "--name",
  "--log-prefix",
  "--nflog-prefix",
]);

/** Takes `[!] --option value…` up to what begins another match or the target. */
function takeOptions(
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

function basic(option: string, value: string, negated: boolean, family: Family): Match {
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

/** Undefined for a mask that is no prefix, and for an address of the other family. */
export function subnetNumbers(text: string, family: Family): Numbers | undefined {
  if (family === 4) return subnet4(text);
  if (familyOf(text) !== family) return undefined;
  const { first, last } = rangeOf(text);
  return [[first, last]];
}

/** By itself: what the rules of containers name are IPv4 networks by the ten thousand. */
function subnet4(text: string): Numbers | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text);
  if (match === null) return undefined;
  const [a = 256, b = 256, c = 256, d = 256, prefix = 33] = match.slice(1).map((part) => Number(part ?? 32));
  if (Math.max(a, b, c, d) > 255 || prefix > 32) return undefined;
  const size = 2 ** (32 - prefix);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const first = BigInt(address - (address % size));
  return [[first, first + BigInt(size) - 1n]];
}

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

/** What the options of a match module ask for; undefined where one is not known. */
type Module = (options: Options, family: Family) => Match[] | undefined;

/** Each option by itself, all of them to hold. */
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
/** Its options, and a value of each, are what makes it the same trait in two rules. */
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

/** The kernel's own list, in no other order: `--tcp-flags MASK SET` asks that of the flags in MASK those in SET are on. */
const FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
/** A packet that opens a connection has SYN, and none of these: Linux answers no other. The rest is as the sender likes. */
const NEVER_ON = ["FIN", "RST", "ACK"];

/** Of a packet that opens a connection. `mask` and `on` are names of flags. */
export function tcpFlags(mask: readonly string[], on: readonly string[]): Match {
  if (![...mask, ...on].every((flag) => FLAGS.includes(flag))) return { kind: "unknown" };
  const isOff = mask.includes("SYN") && !on.includes("SYN");
  if (isOff || on.some((flag) => NEVER_ON.includes(flag) || !mask.includes(flag))) return { kind: "never" };
  const free = mask.filter((flag) => flag !== "SYN" && !NEVER_ON.includes(flag));
  if (free.length === 0) return { kind: "always" };
  return { kind: "trait", text: `tcp flags ${[...free].sort().join()} ${[...on].sort().join()}` };
}

function flagList(text = ""): string[] {
  if (text === "NONE") return [];
  // iptables leaves ECE and CWR out of what it calls all.
  return text === "ALL" ? FLAGS.slice(0, 6) : text.split(",");
}

function negate(match: Match, negated: boolean): Match {
  if (!negated) return match;
  if (match.kind === "always") return { kind: "never" };
  if (match.kind === "never") return { kind: "always" };
  return { kind: "unknown" };
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

const MODULES = new Map<string, Module>([
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

/** Who has not come before is on no list with two entries or more; ufw's `limit` is made of this. */
function recent(options: Options): Match[] | undefined {
  const has = (name: string) => options.get(name)?.negated === false;
  if (has("--set")) return [];
  const count = Number(options.get("--hitcount")?.values[0] ?? 0);
  if ((has("--update") || has("--rcheck")) && count >= 2)
    return [{ kind: "rare", text: "a source that comes often", negated: false }];
  return undefined;
}

type Target = { effects?: Effect[]; verdict?: Verdict | undefined };

/** Targets after which the next rule is asked, and that change nothing a later rule here can see. */
const PASSING = new Set(
  "LOG NFLOG ULOG AUDIT TRACE TCPOPTSTRIP CLASSIFY CHECKSUM SET RATEEST LED IDLETIMER TEE SECMARK CONNSECMARK".split(
    " ",
  ),
);

/** Targets that change what `trait` matches ask for: the packet's header, or its length. */
const UNSETTLING = new Set(["TTL", "HL", "TOS", "DSCP", "ECN", "TCPMSS"]);

function readTarget(
  name: string | undefined,
  isGoto: boolean,
  options: Options,
  { name: table, policies }: Pick<Table, "name" | "policies">,
): Target {
  const value = (option: string) => options.get(option)?.values[0];
  if (name === undefined) return {};
  if (isGoto) return { verdict: { kind: "goto", chain: name } };
  // A chain may have the name of a target that this iptables has not.
  if (policies.has(name)) return { verdict: { kind: "jump", chain: name } };
  if (PASSING.has(name)) return {};
  if (UNSETTLING.has(name)) return { effects: [{ kind: "unsettle" }] };
  switch (name) {
    case "ACCEPT":
      return { verdict: { kind: "accept" } };
    case "DROP":
    case "REJECT":
      return { verdict: { kind: "drop" } };
    case "RETURN":
      return { verdict: { kind: "return" } };
    case "NOTRACK":
      return { effects: [{ kind: "untrack" }] };
    case "CT":
      if (options.has("--notrack")) return { effects: [{ kind: "untrack" }] };
      return {};
    case "MARK":
      return { effects: [setMark("mark", options)] };
    case "CONNMARK":
      return { effects: [connmark(options)] };
    case "MASQUERADE":
    case "SNAT":
      return table === "nat" ? { verdict: { kind: "accept" } } : { verdict: { kind: "unknown" } };
    case "REDIRECT": {
      const port = value("--to-ports");
      if (port !== undefined && !/^\d{1,5}$/.test(port)) return { verdict: { kind: "unknown" } };
      return rewrite("host", port);
    }
    case "DNAT": {
      const [, four, six, bare, port] =
        /^(?:([\d.]+)|\[([0-9a-f:.]+)\]|([0-9a-f:]+))?(?::(\d{1,5}))?$/i.exec(
          value("--to-destination") ?? "",
        ) ?? [];
      const address = four ?? six ?? bare ?? "";
      // IPv6 without brackets has no port: all of it is the address.
      const whole = value("--to-destination") ?? "";
      if (familyOf(whole) === 6) return rewrite(whole, undefined);
      return familyOf(address) === undefined ? { verdict: { kind: "unknown" } } : rewrite(address, port);
    }
    default:
      // Names in capitals may be targets that are not known here. A chain that is not there is found out when it is asked.
      return { verdict: { kind: "jump", chain: name } };
  }
}

const rewrite = (address: string, port: string | undefined): Target => ({
  effects: [{ kind: "rewrite", address, port: port === undefined ? undefined : Number(port) }],
  verdict: { kind: "accept" },
});

/** `--set-xmark VALUE/MASK` is what iptables-save prints of all ways to set a mark. */
function setMark(field: "mark" | "connectionMark", options: Options): Effect {
  const text = options.get("--set-xmark")?.values[0] ?? "";
  const [, value = "", mask = "0xffffffff"] = /^(0x[0-9a-f]+|\d+)(?:\/(0x[0-9a-f]+|\d+))?$/i.exec(text) ?? [];
  if (value === "") return { kind: "mark", field };
  return { kind: "mark", field, keep: ~Number(mask) >>> 0, flip: Number(value) };
}

function connmark(options: Options): Effect {
  if (options.has("--set-xmark")) return setMark("connectionMark", options);
  const isWhole = ["--nfmask", "--ctmask"].every(
    (mask) => Number(options.get(mask)?.values[0] ?? 0xffffffff) === 0xffffffff,
  );
  const isSave = options.has("--save-mark");
  if (!isSave && !options.has("--restore-mark")) return { kind: "mark", field: "connectionMark" };
  if (!isWhole) return { kind: "mark", field: isSave ? "connectionMark" : "mark" };
  return { kind: "copyMark", from: isSave ? "mark" : "connectionMark" };
}
