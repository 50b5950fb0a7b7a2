import { isLoopback } from "../network.ts";

/** Raw texts from a host; an empty one says nothing. */
export interface ForeignTexts {
  /** `iptables-save -t filter` and `ip6tables-save -t filter`. */
  kernel4: string;
  kernel6: string;
  /** Names of active firewall units, one a line: "firewalld", "nftables". */
  foreign: string;
  /** `docker ps --format '{{.Names}} {{.Ports}}'`. */
  dockerPorts: string;
  /** `nft list ruleset`, where it was asked for. */
  nftables?: string | undefined;
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
 * What else decides about incoming packets, in sentences: other firewalls, rules ahead of ufw's, ports that Docker
 * publishes past it. For the report only; nothing of it is changed.
 */
export function foreignFirewalls(texts: ForeignTexts): string[] {
  return [
    ...texts.foreign.split("\n").flatMap((unit) => unitSentence(unit.trim())),
    ...inputSentences(texts.kernel4, "IPv4"),
    ...inputSentences(texts.kernel6, "IPv6"),
    ...beforeSentences(`${texts.kernel4}\n${texts.kernel6}`),
    ...nftSentences(texts.nftables ?? ""),
    ...publishedSentences(parsePublishedPorts(texts.dockerPorts)),
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

function unitSentence(unit: string): string[] {
  if (unit === "firewalld" || unit === "running") {
    return ["firewalld is active: it writes its own rules beside ufw's, and each may undo the other's"];
  }
  if (unit === "nftables") {
    return ["nftables.service is active: loading its ruleset again may flush ufw's rules"];
  }
  return [];
}

/** Tools whose chains in INPUT people know by name; fail2ban's and sshguard's only turn packets away. */
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

function inputSentences(save: string, family: string): string[] {
  const rules = save.split("\n").filter((line) => line.startsWith("-A INPUT "));
  const firstOfUfw = rules.findIndex((rule) => /-j ufw6?-/.test(rule));
  const sentences = rules.flatMap((rule, i) => {
    const target = / -[jg] (\S+)/.exec(rule)?.[1] ?? "";
    const [pattern, tool] = KNOWN_CHAINS.find(([known]) => known.test(target)) ?? [];
    // ufw comes first with its own accept of loopback; others add the same line.
    if ((pattern !== undefined && tool === undefined) || rule === "-A INPUT -i lo -j ACCEPT") return [];
    if (tool !== undefined) return [`${tool} has rules of its own for incoming ${family} packets`];
    const where = firstOfUfw < 0 ? "" : i < firstOfUfw ? " ahead of ufw" : " behind ufw";
    return [`the kernel has an ${family} rule${where} that ufw does not know: ${rule}`];
  });
  return [...new Set(sentences)];
}

/** What the operator lets in by /etc/ufw/before.rules: as shipped, that is loopback, answers, ICMP and a few of udp. */
function beforeSentences(save: string): string[] {
  return save
    .split("\n")
    .filter((line) => /^-A ufw6?-before-input .*-j ACCEPT$/.test(line))
    .filter((line) => !/ -i lo | --ctstate RELATED,ESTABLISHED | -p (udp|icmp|ipv6-icmp) /.test(line))
    .map((line) => `before.rules lets packets in ahead of ufw's rules: ${line}`);
}

/** Base chains on incoming packets, but for those that iptables itself keeps in nftables. */
function nftSentences(ruleset: string): string[] {
  const sentences: string[] = [];
  let table = "";
  for (const line of ruleset.split("\n")) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    const policy = /^\s*type filter hook input priority [^;]+;(?: policy (\w+);)?/.exec(line)?.[1];
    const isInput = policy !== undefined || /^\s*type filter hook input /.test(line);
    const isIptables = /^ip6? (filter|nat|mangle|raw|security)$/.test(table);
    if (!isInput || isIptables || /^\S+ f2b-table$/.test(table)) continue;
    sentences.push(
      table.endsWith(" firewalld")
        ? "firewalld's rules are in the kernel beside ufw's"
        : `nftables table ${table} filters incoming packets beside ufw (policy ${policy ?? "accept"})`,
    );
  }
  return [...new Set(sentences)];
}

/** One sentence for each published port, whichever addresses it is published on. */
function publishedSentences(ports: readonly PublishedPort[]): string[] {
  const exposed = ports.filter(({ address }) => !isLoopback(address));
  const sentences = exposed.map(
    ({ container, port, containerPort, protocol }) =>
      `Docker publishes port ${port}/${protocol} (${containerPort} of container ${container}) past ufw; ` +
      "publish it on 127.0.0.1, or filter it in DOCKER-USER",
  );
  return [...new Set(sentences)];
}
