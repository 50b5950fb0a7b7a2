import { isIP } from "node:net";
import {
  contains,
  isLoopback,
  isWildcard,
  normalizeAddress,
  normalizeSubnet,
  sameAddress,
} from "../lib/network.ts";
import type { Server } from "../redis/server.ts";
import type { TaskParams } from "../tasks/task.ts";
import type { Target } from "./target.ts";
/** What should be found from a place; from "anywhere" nothing is expected but that Redis answers no stranger. */
export type Stance = "allowed" | "denied" | "anywhere";

/** What is known of a host before anybody looks at it from outside. */
export interface Known {
  host: string;
  server: Server;
  /** Parameters of the playbook's selected tasks. */
  tasks: Partial<TaskParams>;
}

const DEFAULT_PORT = 6379;

/** One Redis with its ports as the playbook wants them, and as file and running server have them besides. */
export function targetOf({ host, server, tasks }: Known, address: string): Target {
  const { tls } = tasks;
  const configured = (setting: string, otherwise: string) =>
    [server.running?.get(setting), server.config.get(setting)?.[0] ?? otherwise].map(Number);
  const tlsPort = [tls?.port, ...configured("tls-port", "0")].find(isPort);
  const found = configured("port", String(DEFAULT_PORT)).filter(isPort);
  const wanted = tls === undefined ? found : [tls.plain_port].filter(isPort);
  const plainPorts = new Set([DEFAULT_PORT, ...found, ...wanted]);
  if (tlsPort !== undefined) plainPorts.delete(tlsPort);
  return {
    host,
    address,
    plainPorts: [...plainPorts],
    wantedPlainPorts: [...new Set(wanted)].filter((port) => plainPorts.has(port)),
    tlsPort,
    tls,
  };
}

function isPort(port: number | undefined): port is number {
  return port !== undefined && Number.isInteger(port) && port > 0 && port <= 65535;
}

/**
 * Where others reach a host: as the inventory says, else at the first address that the playbook binds beyond loopback, else
 * where SSH goes. Never what the host says of itself: it would send vantage hosts to machines of its choice. Undefined
 * where that is the host itself alone.
 */
export function addressOf(
  tasks: Known["tasks"],
  { address, sshAddress }: { address: string | undefined; sshAddress: string },
): string | undefined {
  const [bound] = boundAddresses(tasks).filter((text) => !isLoopback(text) && !isWildcard(text));
  const found = address ?? bound ?? sshAddress;
  return isLoopback(found) || found === "localhost" ? undefined : found;
}

function boundAddresses({ bind }: Known["tasks"]): string[] {
  return (bind?.addresses ?? []).map((text) => text.replace(/^-/, "")).filter((text) => text !== "");
}

/**
 * What the playbook lets the controller's own address find at one of the host's addresses. Where it leaves the firewall to
 * others, it promises nothing to who is outside the application's networks: "anywhere".
 *
 * @param peer the controller as the host sees it.
 * @param networks the application's, where no firewall task applies.
 */
export function stanceOf(
  tasks: Known["tasks"],
  {
    peer,
    address,
    networks = [],
  }: { peer: string; address: string; networks?: readonly string[] | undefined },
): Stance {
  const { bind, firewall } = tasks;
  const allow = firewall?.allow ?? networks;
  const isManaged = firewall !== undefined && firewall.backend !== "none";
  const bound = boundAddresses(tasks);
  const isBound = bind === undefined || bound.some((text) => isWildcard(text) || sameAddress(text, address));
  const source = normalizeAddress(peer);
  const isLetIn = allow.some((text) => {
    const subnet = normalizeSubnet(text)?.subnet;
    return subnet !== undefined && source !== undefined && contains(subnet, source);
  });
  if (isBound && isLetIn) return "allowed";
  return isManaged ? "denied" : "anywhere";
}

/** Whether a text is one of these addresses; a DNS name never is. */
export function isAmong(text: string, addresses: readonly { address: string }[]): boolean {
  return isIP(text) !== 0 && addresses.some(({ address }) => sameAddress(address, text));
}
