import type { HostFacts } from "../facts/probe.ts";
import type { Impact } from "../report/record.ts";
import { changesOf, type HostPlan } from "./plan.ts";

/** Who is connected now, or ran something since the start, that the plan takes away. */
export function impactOf(plan: HostPlan, facts: HostFacts): Impact[] {
  const changes = changesOf(plan);
  const impact: Impact[] = [];
  const closesDefault = changes.some(({ address }) => address === "users.acl:default");
  if (closesDefault) {
    const clients = new Map<string, number>();
    for (const { address, user, name, library, flags, command } of facts.redis.clients) {
      // Our own session, replicas and primaries are told elsewhere.
      if (user !== "default" || !flags.includes("N") || isOurs(command)) continue;
      const who = [address.replace(/:\d+$/, ""), [name, library].filter(Boolean).join(", ")]
        .filter(Boolean)
        .join("  ");
      clients.set(who, (clients.get(who) ?? 0) + 1);
    }
    for (const [who, count] of clients) {
      impact.push({
        kind: "client-refused",
        detail: `${who}: ${count} connection(s) as user default, which goes off. Give it a user of the playbook.`,
      });
    }
  }
  for (const { address, after } of changes) {
    const command = /^redis\.conf:rename-command (\S+)/.exec(address)?.[1];
    const calls = command === undefined ? 0 : callsOf(facts, command);
    if (command !== undefined && calls > 0) {
      impact.push({
        kind: "command-denied",
        detail: `${command} ran ${calls} times since Redis started: ${after} from now on.`,
      });
    }
  }
  return impact;
}

/** Our own session is the one that asks for the list; before 7.0 its command has no subcommand. */
function isOurs(command: string): boolean {
  return command === "client" || command.startsWith("client|list");
}

/** `config` and its subcommands, `config|get`. */
function callsOf({ redis }: HostFacts, command: string): number {
  const name = command.toLowerCase();
  let calls = 0;
  for (const [key, count] of redis.commandCalls) {
    // The probe itself asks CONFIG GET once in each run.
    if (key === name || key.startsWith(`${name}|`)) calls += count;
  }
  return name === "config" ? 0 : calls;
}
