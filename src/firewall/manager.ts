import { contains, family as familyOf, normalizeSubnet } from "../lib/network.ts";
import { parseKernelRules } from "./kernel-rules.ts";
import { parseNft } from "./nft/tables.ts";
import { type Seen, strangersPassage } from "./reachability.ts";
import { verdictOf } from "./walk/passage.ts";

/** Who writes the rules of a host's kernel that turn packets away. */
export interface Manager {
  /** As the subject of a sentence, with what it does: "firewalld is active (zone public)". */
  text: string;
  /** How the operator lets networks reach ports there: a shell command, or the place of a rule. */
  opening: (networks: readonly string[], ports: readonly number[]) => string;
}

/** The facts that this needs. `interface` is the one that clients come in by, where it is known. */
export type Managed = Seen & { firewall: { kernel4: string; kernel6: string; dockerPorts: string } };

/**
 * Names whoever manages the rules: firewalld, ufw where it is on, nftables.service, netfilter-persistent, or rules that belong to no
 * service that is known here. Undefined where the host turns nobody away: from the host, nobody sees what filters in front of it,
 * such as a cloud's security group.
 */
export function managerOf(seen: Managed, cameIn?: string): Manager | undefined {
  const units = new Set(seen.firewall.foreign.split("\n").map((line) => line.trim()));
  if (units.has("firewalld")) return firewalld(seen, cameIn);
  // A ufw that was switched off leaves its chains in the kernel, empty.
  if (parseKernelRules(seen.firewall.kernel4, 4).active) return UFW;
  if (!turnsAway(seen)) return undefined;
  if (units.has("nftables")) return nftables(seen);
  if (units.has("netfilter-persistent")) {
    const text =
      "the rules of netfilter-persistent (iptables-persistent) turn away what none of them lets in";
    return { text, opening: (networks, ports) => `${iptables(networks, ports)}; netfilter-persistent save` };
  }
  // iptables' accept does not overrule another table's drop: the rule belongs where the drop is.
  const [chain] = inputChains(seen).filter(({ isIptables, drops }) => drops && !isIptables);
  return {
    text: "the kernel drops what no rule lets in, and that is not ufw's doing",
    opening: (networks, ports) => {
      const commands =
        chain === undefined
          ? iptables(networks, ports)
          : nftRules(networks, ports)
              .map((rule) => `nft insert rule ${chain.name} ${rule}`)
              .join("; ");
      return `${commands}; and write it wherever these rules are loaded from at boot`;
    },
  };
}

/** Chains of nft that packets to the host go through, by names that a command may have. */
function inputChains({ firewall }: Managed): { name: string; drops: boolean; isIptables: boolean }[] {
  return (parseNft(firewall.nftables)?.tables ?? []).flatMap(({ family, name, chains }) =>
    chains
      .filter(({ json }) => json.type === "filter" && json.hook === "input")
      .map((chain) => ({
        name: `${family} ${name} ${chain.name}`,
        drops: chain.json.policy === "drop",
        // What iptables-nft itself writes.
        isIptables: family !== "inet" && name === "filter" && chain.name === "INPUT",
      }))
      .filter(({ name: text }) => /^(?:inet|ip|ip6)(?: [A-Za-z0-9_-]{1,40}){2}$/.test(text)),
  );
}

/** `ip saddr { 10.0.0.0/8 } tcp dport { 6380 } accept`, one for each family. */
function nftRules(networks: readonly string[], ports: readonly number[]): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const own = networks.filter((network) => familyOf(network) === family);
    const source = `${family === 4 ? "ip" : "ip6"} saddr { ${own.join(", ")} }`;
    return own.length === 0 ? [] : [`${source} tcp dport { ${ports.join(", ")} } accept`];
  });
}

const UFW: Manager = {
  text: "ufw is active",
  opening: (networks, ports) =>
    networks
      .flatMap((network) => ports.map((port) => `ufw allow from ${network} to any port ${port} proto tcp`))
      .join("; "),
};

/** No service uses this port, and nobody opens it by name: rules that turn it away turn away whatever no rule lets in. */
const UNUSED_PORT = 1;

function turnsAway(seen: Managed): boolean {
  const { kernel4, kernel6 } = seen.firewall;
  if (/^:INPUT DROP /m.test(`${kernel4}\n${kernel6}`)) return true;
  return verdictOf(strangersPassage(seen, 4, UNUSED_PORT, [])) === "closed";
}

/** A zone of firewalld, and whose packets go to it: those from a network or by an interface, or all that are left. */
interface Dispatch {
  zone: string;
  source: string | undefined;
  interface: string | undefined;
}

function firewalld(seen: Managed, cameIn: string | undefined): Manager {
  const dispatches = dispatchesOf(seen);
  const zones = [...new Set(dispatches.map(({ zone }) => zone))];
  const named = zones.length === 0 ? "" : ` (${zones.length === 1 ? "zone" : "zones"} ${zones.join(", ")})`;
  return {
    text: `firewalld is active${named}`,
    opening: (networks, ports) => {
      const byZone = Map.groupBy(networks, (network) => zoneOf(dispatches, network, cameIn) ?? "");
      const commands = [...byZone].map(([zone, own]) => {
        const rules = own.flatMap((network) => ports.map((port) => richRule(network, port)));
        const at = zone === "" ? "" : ` --zone=${zone}`;
        return `firewall-cmd --permanent${at} ${rules.map((rule) => `--add-rich-rule='${rule}'`).join(" ")}`;
      });
      return [...commands, "firewall-cmd --reload"].join(" && ");
    },
  };
}

function richRule(network: string, port: number): string {
  return `rule family="ipv${familyOf(network)}" source address="${network}" port port="${port}" protocol="tcp" accept`;
}

/** The first zone that takes a network's packets, in the order of firewalld's own rules. */
function zoneOf(
  dispatches: readonly Dispatch[],
  network: string,
  cameIn: string | undefined,
): string | undefined {
  const takes = ({ source, interface: name }: Dispatch): boolean =>
    (source === undefined || contains(source, network)) && (name === undefined || name === cameIn);
  return dispatches.find(takes)?.zone;
}

/** Names that firewalld gives its zones. Any other name goes into no command. */
const ZONE = /^(?:filter_)?IN_(?!policy_)([A-Za-z0-9][A-Za-z0-9_-]{0,20})$/;
/** firewalld 1 sends packets to zones from `filter_INPUT_ZONES`, 2 from `filter_INPUT_POLICIES`; with iptables, from `INPUT_ZONES`. */
const DISPATCHING = /^(?:filter_)?INPUT_(?:ZONES(?:_SOURCE)?|POLICIES)$/;

function dispatchesOf({ firewall }: Managed): Dispatch[] {
  const table = parseNft(firewall.nftables)?.tables.find(
    ({ family, name }) => family === "inet" && name === "firewalld",
  );
  const byNft = (table?.chains ?? [])
    .filter(({ name }) => DISPATCHING.test(name))
    .flatMap(({ rules }) => rules.flatMap(({ expr }) => nftDispatch(expr) ?? []));
  const lines = `${firewall.kernel4}\n${firewall.kernel6}`.split("\n");
  return [...byNft, ...lines.flatMap((line) => iptablesDispatch(line) ?? [])];
}

/** `iifname "eth0" goto filter_IN_public`, `ip saddr 10.0.0.0/8 goto filter_IN_internal`, `goto filter_IN_public`. */
function nftDispatch(expr: readonly unknown[]): Dispatch | undefined {
  const found: Dispatch = { zone: "", source: undefined, interface: undefined };
  for (const statement of expr) {
    const match = field(statement, "match");
    const target = field(field(statement, "goto") ?? field(statement, "jump"), "target");
    if (typeof target === "string") found.zone = ZONE.exec(target)?.[1] ?? "";
    if (match === undefined) continue;
    const [left, right] = [field(match, "left"), field(match, "right")];
    if (field(match, "op") !== "==") return undefined;
    if (field(field(left, "meta"), "key") === "iifname") found.interface = String(right);
    else if (field(field(left, "payload"), "field") === "saddr") {
      const prefix = field(right, "prefix");
      const text = typeof right === "string" ? right : `${field(prefix, "addr")}/${field(prefix, "len")}`;
      found.source = normalizeSubnet(text)?.subnet;
      // A set of firewalld's. Its members are not worth a look for a hint.
      if (found.source === undefined) return undefined;
    } else return undefined;
  }
  return found.zone === "" ? undefined : found;
}

function iptablesDispatch(line: string): Dispatch | undefined {
  const [, chain = "", rest = "", target = ""] = /^-A (\S+)((?: -[si] \S+)*) -[gj] (\S+)$/.exec(line) ?? [];
  const zone = ZONE.exec(target)?.[1];
  if (!DISPATCHING.test(chain) || zone === undefined) return undefined;
  const source = / -s (\S+)/.exec(rest)?.[1];
  return {
    zone,
    source: source === undefined ? undefined : normalizeSubnet(source)?.subnet,
    interface: / -i (\S+)/.exec(rest)?.[1],
  };
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;

function nftables(seen: Managed): Manager {
  const [chain] = inputChains(seen).map(({ name }) => name);
  const where = chain === undefined ? "its input chain" : `chain ${chain}`;
  return {
    text: `nftables.service is active, and its rules${chain === undefined ? "" : ` (${where})`} turn away what none of them lets in`,
    opening: (networks, ports) =>
      `write into ${where} of /etc/nftables.conf, ahead of what turns away: ${nftRules(networks, ports).join("; ")}; then systemctl reload nftables`,
  };
}

function iptables(networks: readonly string[], ports: readonly number[]): string {
  return networks
    .flatMap((network) =>
      ports.map(
        (port) =>
          `${familyOf(network) === 6 ? "ip6tables" : "iptables"} -I INPUT -s ${network} -p tcp --dport ${port} -j ACCEPT`,
      ),
    )
    .join("; ");
}
