import type { HostFacts } from "../facts/probe.ts";
import type { AclUser } from "../redis/acl-user.ts";
import type { Server } from "../redis/server.ts";
import type { Access } from "./access.ts";
import type { HostPlan } from "./plan.ts";

/** What a plan is compared with to find who would notice: the connected clients, and the commands run since the start. */
export interface Audience {
  plan: HostPlan;
  facts: HostFacts;
  server: Server;
  /** Users as the server has them, and as it will have them. */
  before: ReadonlyMap<string, AclUser>;
  after: ReadonlyMap<string, AclUser>;
  access: Access;
}

/** Users of the playbook that the clients of a removed user can use instead; none of them may do everything. */
export function heirsOf({ plan, after, access }: Audience): AclUser[] {
  return plan.after.listed.flatMap((name) => {
    const user = after.get(name);
    return user?.enabled === true && !access.isUnbounded(user) ? [user] : [];
  });
}

/**
 * The value of a setting, now and once the plan is carried out: what the file says counts from a restart on. Undefined where
 * neither server nor file has it.
 */
export function settingOf(
  { plan, server }: Pick<Audience, "plan" | "server">,
  name: string,
): { before: string | undefined; after: string | undefined } {
  const inFile = server.config.get(name)?.join(" ");
  const before = server.running?.get(name) ?? inFile;
  const live = plan.actions.liveSettings.find(([setting]) => setting === name)?.[1];
  return {
    before,
    after: plan.actions.restart ? (plan.after.config.get(name)?.join(" ") ?? before) : (live ?? before),
  };
}

export function namesOf(users: readonly AclUser[]): string {
  const names = users.map(({ name }) => name);
  return names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

export function times(number: number): string {
  return number === 1 ? "once" : `${number} times`;
}

/** ` 3 days ago`; empty where the server does not say. */
export function sinceStart({ redis }: HostFacts): string {
  const seconds = Number(redis.info.get("uptime_in_seconds") ?? Number.NaN);
  if (Number.isNaN(seconds)) return "";
  const [unit, size] = (
    [
      ["day", 86_400],
      ["hour", 3_600],
      ["minute", 60],
    ] as const
  ).find(([, size]) => seconds >= 2 * size) ?? ["second", 1];
  return ` ${count(Math.floor(seconds / size), unit)} ago`;
}
