import type { HostFacts } from "../facts/probe.ts";
import type { Client } from "../facts/redis.ts";
import { OWN_CLIENT_NAME } from "../facts/redis-script.ts";
import { isLoopback } from "../lib/network.ts";

/** Clients of others: neither redkeep's probes nor the link to this server's own primary. */
export function clientsOf({ redis }: HostFacts): Client[] {
  return redis.clients.filter((client) => !client.flags.includes("M") && !isOurs(client));
}

/** By name, or as a probe that has not said its name yet: all of them come from the host itself. */
function isOurs(client: Client): boolean {
  const { name, command } = client;
  const isUnnamed = name === "" && /^(acl(\|whoami)?|client(\|list)?)$/.test(command);
  return addressOf(client).isLocal && (name === OWN_CLIENT_NAME || isUnnamed);
}

/** Where a client comes from: an address without its port, or "the Unix socket". */
export function addressOf({ address }: Pick<Client, "address">): {
  source: string;
  isLocal: boolean;
  isSocket: boolean;
} {
  if (address.startsWith("/")) return { source: "the Unix socket", isLocal: true, isSocket: true };
  const source = hostAndPort(address).host;
  return { source, isLocal: isLoopback(source), isSocket: false };
}

/** `10.0.0.5:6379`, `[::1]:6379` */
export function hostAndPort(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(":");
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
}
