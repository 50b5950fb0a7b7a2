import type { FirewallFact } from "../facts/firewall.ts";
import type { HostFact } from "../facts/host.ts";
import { type Family, normalizeSubnet } from "../lib/network.ts";
import { readIptables } from "./iptables.ts";
import { parseNft } from "./nft/tables.ts";
import { readNft, type Shown } from "./nftables.ts";
import type { Match, Numbers } from "./packets.ts";
import type { Gap, Rule, Ruleset } from "./ruleset.ts";
import type { Host, Passage } from "./walk/passage.ts";
import { sourcesOf, strangersTo } from "./walk/senders.ts";
import { TOO_MANY, walk } from "./walk.ts";

/** The facts of a host that its rules are read from. */
export interface Seen {
  firewall: Pick<FirewallFact, "tables" | "nftables" | "nftText" | "hasNft" | "interfaces" | "foreign">;
  host: Pick<HostFact, "addresses" | "uid" | "tools">;
}

/** Whoever comes over a family from outside these networks, to a port. */
export function strangersPassage(
  seen: Seen,
  family: Family,
  port: number,
  allowed: readonly string[],
): Passage {
  return passage(seen, family, port, strangersTo(family, allowed));
}

/** Whoever comes from these networks, to a port; those of the other family are left out. */
export function networksPassage(
  seen: Seen,
  family: Family,
  port: number,
  networks: readonly string[],
): Passage {
  return passage(seen, family, port, sourcesOf(family, networks));
}

function passage(seen: Seen, family: Family, port: number, sources: Numbers): Passage {
  const isPort = Number.isInteger(port) && port > 0 && port <= 65_535;
  if (!isPort) return { openings: [], doubts: [{ chain: "", text: `${port} is no port` }], letIn: [] };
  const rules = readFirewall(seen)[family];
  if (rules.isTooMuch) return { openings: [], doubts: [{ chain: "", text: TOO_MANY }], letIn: [] };
  const found = walk(rules.rulesets, rules.host, { family, sources, port });
  // Where one walk took seconds, each port and network would take them again.
  rules.isTooMuch = found.doubts.some(({ text }) => text === TOO_MANY);
  return found;
}

type Rules = Record<Family, { rulesets: readonly Ruleset[]; host: Host; isTooMuch: boolean }>;
const known = new WeakMap<Seen["firewall"], Rules>();

/** Reads a host's rules once, since they are walked for each port and each network. */
export function readFirewall(seen: Seen): Rules {
  const rules = known.get(seen.firewall) ?? { 4: readFamily(seen, 4), 6: readFamily(seen, 6) };
  known.set(seen.firewall, rules);
  return rules;
}

function readFamily({ firewall, host }: Seen, family: Family): Rules[Family] {
  const { save, legacy, isLegacy } = firewall.tables[family];
  const parsed = firewall.hasNft ? parseNft(firewall.nftables, firewall.nftText) : undefined;
  const nft = parsed === undefined ? undefined : readNft(parsed, isLegacy ? "" : save, family);
  const iptables = readIptables(save, family, (table, chain, index, rule) =>
    corrected(rule, nft?.byTable.get(`${table} ${chain}`)?.[index]),
  );
  // A host may say anything.
  const addresses = host.addresses.filter(
    ({ address, prefix }) => normalizeSubnet(`${address}/${prefix}`) !== undefined,
  );
  const names = [...new Set(addresses.map(({ interface: name }) => name))];
  const interfaces = (firewall.interfaces.length > 0 ? firewall.interfaces : names).filter(
    (name) => name !== "lo",
  );
  const gaps = gapsOf({ firewall, host }, parsed !== undefined);
  // Without interfaces nothing could come in, which would look like an answer: report a gap instead.
  if (interfaces.length === 0)
    gaps.push({ text: "the host names no interface that anybody could come in by", isWithin: true });
  return {
    rulesets: [
      { chains: [], gaps },
      iptables,
      readIptables(legacy, family),
      ...(nft === undefined ? [] : [nft]),
    ],
    host: { addresses, interfaces },
    isTooMuch: false,
  };
}

/** What keeps the host from saying all of its rules. */
function gapsOf({ firewall, host }: Seen, isRead: boolean): Gap[] {
  const all = (text: string): Gap[] => [{ text, isWithin: true }];
  if (host.uid !== 0) return all("root alone may read the kernel's rules");
  if (firewall.hasNft && !isRead)
    return all("nft does not print its rules, or prints more than redkeep looks at");
  if (firewall.hasNft) return [];
  if (!host.tools.has("iptables")) return all("the host has neither iptables nor nft to print its rules");
  const active = firewall.foreign.split("\n").find((line) => /^(?:firewalld|nftables)$/.test(line.trim()));
  if (active === undefined) return [];
  return [{ text: `${active} is active, and the host has no nft to print its rules`, isWithin: false }];
}

/**
 * A rule of iptables by what nft says of it. Where nft has put rules into iptables' tables, iptables prints only what it
 * understands of them (`ip saddr @set tcp dport 6380 accept` without the source), and nft does the same with iptables' ("xt").
 */
function corrected(rule: Rule, seen: Shown | undefined): Rule {
  if (seen === undefined || !seen.isWhole) return rule;
  return shape(seen.rule) === shape(rule) ? rule : { ...seen.rule, chain: rule.chain };
}

/** What a rule says, in whatever order it asks. */
function shape({ matches, effects, verdict, afterwards }: Rule): string {
  const text = (value: unknown) =>
    JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? `${inner}` : inner));
  return text([matches.map((match: Match) => text(match)).toSorted(), effects, verdict, afterwards]);
}
