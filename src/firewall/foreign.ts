import type { FirewallFact } from "../facts/firewall.ts";
import { isLoopback } from "../lib/network.ts";
import { includesPort } from "./evaluate.ts";
import { parseNft } from "./nft/tables.ts";

/** Raw texts from a host. An empty one tells nothing. */
export type ForeignTexts = Pick<
  FirewallFact,
  `${"kernel" | "legacy" | "nat"}${4 | 6}` | "foreign" | "dockerPorts" | "nftables"
>;

/** Something beside ufw's rules that decides about incoming packets. */
interface Finding {
  /** A sentence for people. */
  text: string;
  /** The ports whose packets go elsewhere before a rule for the host itself sees them, as `includesPort` reads them. */
  forwards?: string;
}

/** A port that Docker forwards to a container. */
export interface PublishedPort {
  container: string;
  /** The host's address; "0.0.0.0" and "::" for all. */
  address: string;
  /** The host's port, or a range "7000-7005". */
  port: string;
  containerPort: string;
  protocol: string;
}

/**
 * What else decides about incoming packets, in sentences: other firewalls, rules ahead of ufw's and behind them, ports that
 * Docker or others forward past it. For the report only; nothing of it is changed.
 */
export function foreignFirewalls(texts: ForeignTexts): string[] {
  return [...new Set(findings(texts).map(({ text }) => text))];
}

/** The findings that send one of these ports to another machine, or that bring another port's packets to one of them. */
export function forwarders(texts: ForeignTexts, ports: readonly number[]): string[] {
  const isForwarded = ({ forwards }: Finding): boolean =>
    forwards !== undefined && ports.some((port) => includesPort(forwards, port));
  return [...new Set(findings(texts).flatMap((found) => (isForwarded(found) ? [found.text] : [])))];
}

function findings(texts: ForeignTexts): Finding[] {
  const published = parsePublishedPorts(texts.dockerPorts);
  return [
    ...texts.foreign.split("\n").flatMap((line) => unitFindings(line.trim())),
    ...inputFindings(texts.kernel4, "IPv4"),
    ...inputFindings(texts.kernel6, "IPv6"),
    ...inputFindings(texts.legacy4, "IPv4").map(asLegacy),
    ...inputFindings(texts.legacy6, "IPv6").map(asLegacy),
    ...beforeFindings(`${texts.kernel4}\n${texts.kernel6}`),
    ...nftFindings(texts.nftables),
    ...publishedFindings(published),
    ...natFindings(`${texts.nat4}\n${texts.nat6}`, published),
  ];
}

/**
 * The ports that containers publish. Docker rewrites such packets before the INPUT chain, so ufw never sees them
 * (moby/moby#22054); only one bound to loopback stays on the host.
 */
export function parsePublishedPorts(text: string): PublishedPort[] {
  return text.split("\n").flatMap((line) => {
    const [container = "", ...ports] = line.trim().split(/[\s,]+/);
    return ports.flatMap((port) => {
      const match = /^(.+):(\d+(?:-\d+)?)->(\d+(?:-\d+)?)\/(tcp|udp|sctp)$/.exec(port);
      const [, host = "", hostPort = "", containerPort = "", protocol = ""] = match ?? [];
      // Docker 20 prints IPv6 without brackets (":::6379"), later ones with.
      const address = host.replace(/^\[|\]$/g, "");
      return match === null ? [] : [{ container, address, port: hostPort, containerPort, protocol }];
    });
  });
}

function unitFindings(line: string): Finding[] {
  if (line === "firewalld" || line === "running") {
    return [
      { text: "firewalld is active: it writes its own rules beside ufw's, and each may undo the other's" },
    ];
  }
  if (line === "nftables") {
    return [{ text: "nftables.service is active: loading its ruleset again may flush ufw's rules" }];
  }
  if (/^(before|after)6?\.init$/.test(line)) {
    return [{ text: `/etc/ufw/${line} runs whenever ufw starts, and may add rules that nobody can foresee` }];
  }
  return [];
}

/** Tools whose chains in INPUT people know by name. ufw's own chains, and those that only deny packets, are left out. */
const KNOWN_CHAINS: readonly (readonly [RegExp, string | undefined])[] = [
  [/^ufw6?-/, undefined],
  [/^(f2b-|fail2ban-|sshguard)/, undefined],
  [/^cali-/, "Calico"],
  [/^CILIUM_/, "Cilium"],
  [/^KUBE-/, "Kubernetes"],
  [/^(LOCALINPUT|INVALID|LOGDROPIN)$/, "CSF"],
  [/^(ts-input)$/, "Tailscale"],
  [/^(LIBVIRT_INP)$/, "libvirt"],
];

function inputFindings(save: string, family: string): Finding[] {
  const rules = save.split("\n").filter((line) => line.startsWith("-A INPUT "));
  const firstOfUfw = rules.findIndex((rule) => /-j ufw6?-/.test(rule));
  return rules.flatMap((rule, i): Finding[] => {
    const target = / -[jg] (\S+)/.exec(rule)?.[1] ?? "";
    const [pattern, tool] = KNOWN_CHAINS.find(([known]) => known.test(target)) ?? [];
    // ufw comes first with its own accept of loopback; others add the same line.
    if ((pattern !== undefined && tool === undefined) || rule === "-A INPUT -i lo -j ACCEPT") return [];
    if (tool !== undefined) return [{ text: `${tool} has rules of its own for incoming ${family} packets` }];
    const where = firstOfUfw < 0 ? "" : i < firstOfUfw ? " ahead of ufw" : " behind ufw";
    return [
      {
        text: `the kernel has an ${family} rule${where} that ufw does not know: ${rule}`,
      },
    ];
  });
}

/** ufw may still drop what these tables accept, so they open nothing. */
function asLegacy({ text }: Finding): Finding {
  return { text: `${text} (in the tables of iptables-legacy)` };
}

/** What the operator lets in by /etc/ufw/before.rules: as shipped, that is loopback, answers, ICMP and a few of udp. */
function beforeFindings(save: string): Finding[] {
  return save
    .split("\n")
    .filter((line) => /^-A ufw6?-before-input .*-j ACCEPT$/.test(line))
    .filter((line) => !/ -i lo | --ctstate RELATED,ESTABLISHED | -p (udp|icmp|ipv6-icmp) /.test(line))
    .map((line) => ({ text: `before.rules lets packets in ahead of ufw's rules: ${line}` }));
}

/** nft's base chains for incoming packets, except those that iptables itself keeps in nftables. */
function nftFindings(ruleset: string): Finding[] {
  return (parseNft(ruleset)?.tables ?? []).flatMap(({ family, name, chains }): Finding[] => {
    if ((/^ip6?$/.test(family) && /^(filter|nat|mangle|raw|security)$/.test(name)) || name === "f2b-table")
      return [];
    return chains
      .filter(({ json }) => json.type === "filter" && /^(input|prerouting|ingress)$/.test(String(json.hook)))
      .map(({ json }) => ({
        text:
          name === "firewalld"
            ? "firewalld's rules are in the kernel beside ufw's"
            : `nftables table ${family} ${name} filters incoming packets beside ufw (policy ${json.policy ?? "accept"})`,
      }));
  });
}

/** One finding for each published port, whichever addresses it is published on. */
function publishedFindings(ports: readonly PublishedPort[]): Finding[] {
  return ports
    .filter(({ address }) => !isLoopback(address))
    .flatMap(({ container, port, containerPort, protocol }) => {
      const text =
        `Docker publishes port ${port}/${protocol} (${containerPort} of container ${container}) past ufw; ` +
        "publish it on 127.0.0.1, or filter it in DOCKER-USER";
      // A Redis in a container counts by its own port too: strangers reach it whatever the host's port is called.
      const opened = [port, containerPort].map((range) => range.replace("-", ":")).join(",");
      return [{ text, ...(protocol === "tcp" ? { forwards: opened } : {}) }];
    });
}

/**
 * Rules of the nat table that send incoming packets elsewhere before INPUT: such packets never meet ufw's rules. Those of
 * Docker's published ports are left out where Docker itself was asked; Kubernetes' and Calico's are too many to name.
 */
function natFindings(save: string, published: readonly PublishedPort[]): Finding[] {
  const rules = save.split("\n").filter((line) => line.startsWith("-A "));
  const chainOf = (rule: string) => rule.split(" ")[1] ?? "";
  const targetOf = (rule: string) => / -[jg] (\S+)/.exec(rule)?.[1] ?? "";
  const byChain = Map.groupBy(rules, chainOf);
  const ofDocker = new Set(published.map((known) => `${known.port} ${known.containerPort}`));
  const incoming = new Set(["PREROUTING"]);
  // The loop also reaches what is added to the set meanwhile.
  for (const chain of incoming) {
    for (const rule of byChain.get(chain) ?? []) incoming.add(targetOf(rule));
  }
  return rules
    .filter((rule) => incoming.has(chainOf(rule)) && targetOf(rule) === "DNAT")
    .filter((rule) => !/^(KUBE-|cali-|CNI-)/.test(chainOf(rule)))
    .flatMap((rule) => {
      const [, port] = / --dport (\d+)/.exec(rule) ?? [];
      const [, to = "", toPort] = / --to-destination (\S+?)(?::(\d+))?(?:\s|$)/.exec(rule) ?? [];
      const [, address = ""] = / -d (\S+?)(?:\/32|\/128)?\s/.exec(rule) ?? [];
      if (isLoopback(address)) return [];
      if (ofDocker.has(`${port} ${toPort}`)) return [];
      const protocol = / -p (\S+)/.exec(rule)?.[1] ?? "tcp";
      const ports = [port, toPort].filter((text) => text !== undefined).join(",") || "any";
      const text = `the kernel forwards ${port === undefined ? "packets" : `port ${port}/${protocol}`} to ${to} before ufw sees them: ${rule}`;
      return [{ text, ...(protocol === "tcp" ? { forwards: ports } : {}) }];
    });
}
