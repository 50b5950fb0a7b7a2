import { endpoint } from "./names.ts";
import type { ResolvedConnection } from "./ssh-config.ts";

/** What tells one sshd from another: its address and port, and the jump hosts before it. */
type Route = Pick<ResolvedConnection, "jumps" | "address" | "port">;

/** Makes what all connections to one sshd share, once for each sshd. */
export function onePerSshd<T>(make: () => T): (target: Route) => T {
  const made = new Map<string, T>();
  return ({ jumps, address, port }) => {
    const key = JSON.stringify([jumps.map(endpoint), address, port]);
    const found = made.get(key) ?? make();
    made.set(key, found);
    return found;
  };
}
