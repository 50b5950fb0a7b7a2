import { type Family, normalizeSubnet } from "../lib/network.ts";
import type { DefaultPolicy } from "./evaluate.ts";
import { allFields, type UfwEntry } from "./ufw-rules.ts";

/** What the kernel really filters. */
export interface KernelFirewall {
  /** Whether incoming packets go through ufw's rules: what `ufw status` calls active. */
  active: boolean;
  /** What happens to packets that no rule matches; undefined where the text is no `iptables-save`. */
  defaultIncoming: DefaultPolicy | undefined;
  /** ufw's user rules for incoming packets, in order; each is one line of the kernel, so `allow 53` is two. */
  entries: readonly UfwEntry[];
}

/**
 * Reads ufw's part of `iptables-save -t filter` (family 4) or `ip6tables-save -t filter` (family 6). ufw's files say
 * what will be loaded; only this says what holds now. Lines that ufw would not have loaded become unknown entries.
 */
export function parseKernelRules(save: string, family: Family): KernelFirewall {
  const prefix = family === 4 ? "ufw" : "ufw6";
  const lines = save.split("\n");
  const has = (line: string) => lines.includes(line);
  const policy = lines.find((line) => line.startsWith(":INPUT "))?.split(" ")[1];
  const active =
    has(`-A INPUT -j ${prefix}-before-input`) && has(`-A ${prefix}-before-input -j ${prefix}-user-input`);
  const rejects = lines.some((line) => line.startsWith(`-A ${prefix}-reject-input -j REJECT`));
  return {
    active,
    defaultIncoming:
      policy === "ACCEPT" ? "allow" : policy === "DROP" ? (rejects ? "reject" : "deny") : undefined,
    entries: lines
      .filter((line) => line.startsWith(`-A ${prefix}-user-input `))
      .flatMap((line) => parseLine(line, family, prefix)),
  };
}

/**
 * What /etc/ufw/before.rules (family 4) or before6.rules (family 6) say about new tcp connections from elsewhere, in order,
 * as entries ahead of ufw's own. As shipped, that is nothing.
 */
export function parseBeforeRules(text: string, family: Family): UfwEntry[] {
  const prefix = family === 4 ? "ufw" : "ufw6";
  return text
    .split("\n")
    .map((line) => line.trim().replace(/ -m (?:conntrack --ct|state --)state NEW\b/, ""))
    .filter((line) => line.startsWith(`-A ${prefix}-before-input `) && !NEVER_NEW_TCP.test(line))
    .flatMap((line) => parseLine(line, family, prefix));
}

/** Loopback, packets of known or broken connections, other protocols, chains that only log or keep strays out. */
const NEVER_NEW_TCP =
  / -i lo | --(?:ct)?state (?:RELATED|ESTABLISHED|INVALID)| -p (?:udp|icmp|icmpv6|ipv6-icmp)\b| --rt-type | -[jg] (?:ufw-not-local|LOG|ufw6?-logging-)/;

function parseLine(line: string, family: Family, prefix: string): UfwEntry[] {
  const unknown: UfwEntry = { kind: "unknown", family, reason: "a line that ufw did not load", raw: line };
  const words = line.match(/"(?:[^"\\]|\\.)*"|\S+/g)?.slice(2) ?? [];
  const options = new Map<string, string>();
  let isRateLimit = false;
  for (let i = 0; i < words.length; i++) {
    const option = words[i] ?? "";
    if (option === "--set" || option === "--update" || option === "--rsource") isRateLimit = true;
    else if (!OPTIONS.has(option) || (option !== "-m" && options.has(option))) return [unknown];
    else options.set(option, words[++i] ?? "");
  }
  const target = options.get("-j");
  // The steps on the way to a decision: counting for `limit`, logging.
  if (isRateLimit && (target === undefined || target === `${prefix}-user-limit`)) return [];
  if (target === `${prefix}-user-logging-input`) return [];

  const actions = new Map([
    ["ACCEPT", "allow"],
    ["DROP", "deny"],
    ["REJECT", "reject"],
    [`${prefix}-user-limit-accept`, "limit"],
  ] as const);
  const action = actions.get(target as "ACCEPT");
  const [source, destination] = [options.get("-s"), options.get("-d")];
  const isReadable = [source, destination].every(
    (text) => text === undefined || normalizeSubnet(text) !== undefined,
  );
  if (action === undefined || isRateLimit || options.has("--ctstate") || !isReadable) return [unknown];
  const rule = allFields({
    family,
    action,
    protocol: options.get("-p") ?? "any",
    destinationPorts: options.get("--dport") ?? options.get("--dports") ?? "any",
    sourcePorts: options.get("--sport") ?? options.get("--sports") ?? "any",
    interfaceIn: options.get("-i") ?? "",
    ...(source === undefined ? {} : { source }),
    ...(destination === undefined ? {} : { destination }),
  });
  return [{ kind: "rule", ...rule, raw: line }];
}

/** What the lines of ufw's rules are made of, each followed by one value. */
const OPTIONS = new Set([
  ...["-s", "-d", "-i", "-p", "-m", "-j", "--dport", "--dports", "--sport", "--sports", "--comment"],
  ...["--reject-with", "--ctstate", "--seconds", "--hitcount", "--name", "--mask"],
]);
