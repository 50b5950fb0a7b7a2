import { endpoint } from "./names.ts";
import type { ResolvedConnection } from "./ssh-config.ts";

/** What tells one sshd from another: its address and port, and the jump hosts before it. */
type Way = Pick<ResolvedConnection, "jumps" | "address" | "port">;

/** Makes what all connections to one sshd share, once for each sshd. */
export function onePerSshd<T>(make: () => T): (target: Way) => T {
  const made = new Map<string, T>();
  return ({ jumps, address, port }) => {
    const key = JSON.stringify([jumps.map(endpoint), address, port]);
    const found = made.get(key) ?? make();
    made.set(key, found);
    return found;
  };
}
