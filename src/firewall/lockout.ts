import {
  family as familyOf,
  isLoopback,
  normalizeAddress,
  rangeOf,
  splitZone,
  subtract,
} from "../lib/network.ts";
import { concernsPort, evaluate, isAllowed, openings } from "./evaluate.ts";
import type { FirewallState, WantedFirewall } from "./plan.ts";
import { describeEntry, isAnywhere, type UfwEntry } from "./ufw-rules.ts";

export const sshPorts = ({ ssh }: WantedFirewall): Set<number> => new Set([ssh.peer.port, ...ssh.ports]);

/** A new login of the live session's peer, as a packet. */
export function peerPacket({ ssh: { peer } }: WantedFirewall) {
  const { address, zone } = splitZone(peer.address);
  const source = normalizeAddress(address) ?? "";
  const destination = normalizeAddress(splitZone(peer.destination ?? "").address);
  return {
    protocol: "tcp" as const,
    source,
    destination,
    destinationPort: peer.port,
    interface: peer.interface ?? zone,
  };
}

/** Why the peer of the live session could not log in again, as a sentence; undefined where it could. */
export function findLockout(
  state: FirewallState,
  wanted: WantedFirewall,
  entries: readonly UfwEntry[],
): string | undefined {
  const packet = peerPacket(wanted);
  if (familyOf(packet.source) === 6 && !state.ipv6Enabled && !isLoopback(packet.source)) {
    return `the SSH session comes from ${packet.source}, and ufw has IPV6=no: it would drop all IPv6`;
  }
  if (isAllowed([...state.ahead, ...entries], wanted.default, packet)) return undefined;
  const text = `${packet.source} could not log in again on port ${packet.destinationPort}`;
  const blocker = state.ahead.find((entry) => !isAllowed([entry], "allow", packet));
  if (blocker === undefined) return text;
  return `${text}: /etc/ufw/before${blocker.family === 4 ? "" : "6"}.rules has "${describeEntry(blocker)}"`;
}

/** Whether SSH, open to everybody while ufw is off, would let nobody but the live peer in once it is on. */
export function leavesOnlyPeer(
  state: FirewallState,
  wanted: WantedFirewall,
  entries: readonly UfwEntry[],
): boolean {
  const { source, destination, destinationPort } = peerPacket(wanted);
  if (state.active || isLoopback(source)) return false;
  const way = { protocol: "tcp" as const, destination, destinationPort, sourcePort: EPHEMERAL_PORT };
  // What others meet who come the same way: rules for that way count for them, rules for other ways do not.
  const met = entries.flatMap((entry): UfwEntry[] => {
    if (!concernsPort(entry, destinationPort)) return [];
    if (entry.kind === "unknown") return [entry];
    if (`${entry.interfaceIn}${entry.sourcePorts}` === "any" && isAnywhere(entry.destination)) return [entry];
    const packet = { ...way, source: anyOf(entry.source), interface: wanted.ssh.peer.nextTo };
    const anywhere = { ...entry, source: entry.family === 4 ? "0.0.0.0/0" : "::/0" };
    if (evaluate([{ ...anywhere, action: "allow" }], "deny", packet).verdict !== "allow") return [];
    return [{ ...entry, interfaceIn: "", destination: anywhere.source, sourcePorts: "any" }];
  });
  const others = openings(met, wanted.default, destinationPort)
    .filter(({ family }) => family === familyOf(source))
    .flatMap(({ sources }) => subtract(sources, [rangeOf(source)]));
  return others.length === 0;
}

/** An address that clients may come from. */
const EPHEMERAL_PORT = 50_000;

const anyOf = (subnet: string): string => subnet.replace(/\/.*/, "");
