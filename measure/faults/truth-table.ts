/**
 * What src/firewall/evaluate.ts says of a rule list, against what the kernel does with it: a lab host with ufw's rules, and
 * real connections from addresses inside and outside the networks that the rules are about.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type DefaultPolicy, evaluate } from "../../src/firewall/evaluate.ts";
import { parseKernelRules } from "../../src/firewall/kernel-rules.ts";
import { makeRule, type UfwAction, type UfwRule } from "../../src/firewall/ufw-rules.ts";
import type { Family } from "../../src/lib/network.ts";
import { type LabHost, startHost, startNetwork } from "../../test/integration/support/lab.ts";
import { onHost } from "../../test/integration/support/observe.ts";
import { fraction } from "./case.ts";

const connect = readFileSync(join(import.meta.dirname, "connect.py"), "utf8");

/** The lists of a whole table. */
export const LISTS = 60;
const PORTS = [22, 7379, 7380, 9000];
/** The host's own address in each of the networks that peers come from. */
const NETWORKS = {
  4: {
    host: ["10.77.1.1", "10.77.2.1", "192.0.2.1"],
    peers: ["10.77.1.9", "10.77.1.200", "10.77.2.9", "192.0.2.7"],
  },
  6: { host: ["fd77:1::1", "fd77:2::1"], peers: ["fd77:1::9", "fd77:1::c8", "fd77:2::9"] },
} as const;
const SUBNETS = {
  4: [
    "0.0.0.0/0",
    "0.0.0.0/0",
    "10.77.1.0/24",
    "10.77.0.0/16",
    "10.77.1.9",
    "10.77.1.128/25",
    "192.0.2.0/24",
    "192.0.2.7",
  ],
  6: ["::/0", "::/0", "fd77:1::/64", "fd77::/16", "fd77:1::9", "fd77:2::/64"],
} as const;
/** Longer than a dropped connection is waited for where none is expected to come about; patient where one is. */
const [BRIEFLY, PATIENTLY] = [1, 15];

export interface TruthTable {
  lists: number;
  /** Pairs of a peer and a port, each with one real connection. */
  connections: number;
  /** Where prediction and kernel differ, in sentences. */
  differences: string[];
}

/** Lists come from a seed: the same in every run. */
export async function runTruthTable(
  lists: number,
  log: (line: string) => void = () => {},
): Promise<TruthTable> {
  await using network = await startNetwork({ ipv6: true });
  await using host = await startHost({ network });
  await using peer = await startHost({ network });
  await addAddresses(host, (family) => NETWORKS[family].host);
  await addAddresses(peer, (family) => NETWORKS[family].peers);
  await onHost(
    host,
    `systemd-run -q --unit=listen python3 -c '${LISTEN}'
     until [ "$(ss -Hltn | grep -cE ':(${PORTS.join("|")}) ')" -ge ${PORTS.length} ]; do systemctl -q is-active listen || exit 1; done
     sed -i 's/^LOGLEVEL=.*/LOGLEVEL=off/' /etc/ufw/ufw.conf`,
  );
  const table: TruthTable = { lists: 0, connections: 0, differences: [] };
  let loaded: DefaultPolicy | undefined;
  for (const policy of ["deny", "reject", "allow"] as const) {
    for (let seed = 1; seed <= lists; seed++) {
      if (policyOf(seed) !== policy) continue;
      if (loaded !== policy) await onHost(host, `ufw default ${policy} incoming; ufw --force enable`);
      loaded = policy;
      const rules = { 4: rulesOf(4, seed), 6: rulesOf(6, seed) };
      await load(host, rules);
      await compareList(host, peer, rules, policy, table);
      table.lists++;
      log(`${table.lists} of ${lists} lists, ${table.connections} connections`);
    }
  }
  return table;
}

const LISTEN = `
import socket, time
held = []
for port in (${PORTS.filter((port) => port !== 22).join(", ")}):
    held.append(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1000, reuse_port=True))
while True: time.sleep(60)
`;

async function addAddresses(host: LabHost, of: (family: Family) => readonly string[]): Promise<void> {
  const words = ([4, 6] as const).flatMap((family) =>
    of(family).map((address) => `ip addr replace ${address}/${family === 4 ? 24 : "64 nodad"} dev eth0`),
  );
  await onHost(host, words.join("\n"));
}

/** mulberry32 would do; a hash of what is asked and how often does as well. */
function picker(seed: number): <T>(choices: readonly T[]) => T {
  let asked = 0;
  return (choices) => choices[Math.floor(fraction(`${seed} ${asked++}`) * choices.length)] as never;
}

const policyOf = (seed: number): DefaultPolicy => picker(seed)(["deny", "deny", "reject", "allow"] as const);

/** Allows, denials, broad rules above and below narrow ones, ranges, interfaces, destinations. */
function rulesOf(family: Family, seed: number): UfwRule[] {
  const pick = picker(seed * 10 + family);
  const count = pick([1, 2, 3, 4, 5, 6]);
  const rules = Array.from({ length: count }, () => {
    const ports = pick(["22", "7379", "7380", "any", "7379,7380", "6000:9000", "22,9000"]);
    const protocol = /[,:]/.test(ports) ? "tcp" : pick(["tcp", "tcp", "any", "udp"]);
    return makeRule({
      family,
      action: pick<UfwAction>(["allow", "allow", "deny", "reject", "limit"]),
      protocol,
      destinationPorts: ports,
      source: pick(SUBNETS[family]),
      interfaceIn: pick(["", "", "", "", "eth0", "eth+", "eth9", "lo"]),
      ...(pick([1, 2, 3, 4, 5]) === 1 ? { destination: pick(NETWORKS[family].host) } : {}),
      ...(pick([1, 2, 3, 4, 5, 6]) === 1 && protocol !== "any" ? { sourcePorts: "1024:65535" } : {}),
    });
  });
  return rules;
}

/** As redkeep does it: the file, and each family in one step. What `limit` has counted is forgotten. */
async function load(host: LabHost, rules: Record<Family, UfwRule[]>): Promise<void> {
  for (const family of [4, 6] as const) {
    const text = rules[family].map(({ raw }) => raw).join("");
    const name = family === 4 ? "user.rules" : "user6.rules";
    await onHost(
      host,
      `cd /etc/ufw && cat >/run/rules && sed -i -e '/^### RULES ###/,/^### END RULES ###/{/^###/!d}' -e '/^### tuple/d' ${name} &&
       sed -i '/^### RULES ###/r /run/rules' ${name} && ${family === 4 ? "iptables" : "ip6tables"}-restore -w 10 -n <${name}
       if [ -e /proc/net/xt_recent/DEFAULT ]; then echo / >/proc/net/xt_recent/DEFAULT; fi`,
      text,
    );
  }
}

async function compareList(
  host: LabHost,
  peer: LabHost,
  rules: Record<Family, UfwRule[]>,
  policy: DefaultPolicy,
  table: TruthTable,
): Promise<void> {
  const kernel = {
    4: parseKernelRules(await onHost(host, "iptables-save -t filter"), 4).entries,
    6: parseKernelRules(await onHost(host, "ip6tables-save -t filter"), 6).entries,
  };
  const attempts = ([4, 6] as const).flatMap((family) =>
    NETWORKS[family].peers.flatMap((source) =>
      PORTS.map((destinationPort) => {
        const destination = NETWORKS[family].host.find((address) => sameNetwork(address, source)) ?? "";
        const packet = {
          protocol: "tcp",
          source,
          destination,
          destinationPort,
          interface: "eth0",
          sourcePort: 50_000,
        } as const;
        return { family, packet, predicted: evaluate(rules[family], policy, packet).verdict };
      }),
    ),
  );
  const isIn = (verdict: string): boolean => verdict === "allow" || verdict === "limit";
  const seen: string[] = JSON.parse(
    await onHost(
      peer,
      `python3 -c '${connect}'`,
      JSON.stringify(
        attempts.map(({ packet: { source, destination, destinationPort }, predicted }) => [
          ...[source, destination, destinationPort],
          isIn(predicted) ? PATIENTLY : BRIEFLY,
        ]),
      ),
    ),
  );
  for (const [i, { family, packet, predicted }] of attempts.entries()) {
    table.connections++;
    // The kernel limits how often it says no: a reject may be silent.
    const fits: Record<typeof predicted, string[]> = {
      allow: ["in"],
      limit: ["in"],
      deny: ["silent"],
      reject: ["refused", "silent"],
      unknown: [],
    };
    const words = `${packet.source} to port ${packet.destinationPort}`;
    const among = `among ${rules[family].map(({ raw }) => raw.trim().split("\n")[0]).join("; ")}; default ${policy}`;
    if (!fits[predicted].includes(seen[i] ?? ""))
      table.differences.push(`${words}: ${predicted} predicted, ${seen[i]} seen, ${among}`);
    const read = evaluate(kernel[family], policy, packet).verdict;
    if (isIn(read) !== isIn(predicted))
      table.differences.push(`${words}: ${read} by the kernel's rules, ${predicted} by the file's, ${among}`);
  }
}

function sameNetwork(one: string, other: string): boolean {
  const prefix = (address: string) => address.replace(/[^.:]*$/, "");
  return prefix(one) === prefix(other);
}
