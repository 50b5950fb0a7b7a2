import { dump } from "js-yaml";
import type { PlainParams } from "./plain.ts";

export interface AdoptedHost {
  host: string;
  tasks: ReadonlyMap<string, { name: string; params: PlainParams }>;
  /** Checks that fail with these tasks. */
  failures: readonly { control: string; observed: string }[];
  /** Tasks that would have changed the host, each with the reason, in one line. */
  leftOut: readonly { task: string; reason: string }[];
}

/** For how long a failure that was there before is accepted. */
const WAIVED_DAYS = 90;

/**
 * A playbook under which nothing changes, the variables of hosts that differ, and the waivers for what fails. By path.
 *
 * @param all whether these are all hosts of the inventory
 */
export function adoptedFiles(hosts: readonly AdoptedHost[], all: boolean, today: Date): Map<string, string> {
  const order = [...new Set(hosts.flatMap(({ tasks }) => [...tasks.keys()]))];
  const variables = new Map<string, Record<string, unknown>>(hosts.map(({ host }) => [host, {}]));
  const tasks = order.map((task) => {
    const having = hosts.filter(({ tasks }) => tasks.has(task));
    const kinds = new Set(having.map(({ tasks }) => JSON.stringify(tasks.get(task)?.params)));
    const [first] = having;
    const name = first?.tasks.get(task)?.name ?? task;
    const variable = `adopted_${task.replaceAll("-", "_")}`;
    const everywhere = having.length === hosts.length;
    if (kinds.size > 1 || !everywhere)
      for (const { host, tasks } of hosts) {
        const own = variables.get(host);
        if (own !== undefined) own[variable] = tasks.get(task)?.params ?? false;
      }
    return {
      name,
      [task]: kinds.size > 1 ? `<%= ${variable} %>` : first?.tasks.get(task)?.params,
      ...(everywhere ? {} : { when: `${variable} !== false` }),
    };
  });
  const play = {
    name: "Keep what was adopted",
    hosts: all ? "all" : hosts.map(({ host }) => host),
    become: true,
    tasks,
  };
  const missing = hosts.flatMap(({ host, leftOut }) =>
    leftOut.map(({ task, reason }) => `#   ${host}: ${task}: ${reason}\n`),
  );
  const header = [
    "# Written by redkeep adopt: what these hosts have. Change it to what they should have.\n",
    ...(missing.length > 0 ? ["# Left out, since it would have changed something:\n", ...missing] : []),
  ].join("");
  const files = new Map([["playbook.yml", `${header}${yaml([play])}`]]);
  for (const [host, own] of variables)
    if (Object.keys(own).length > 0) files.set(`host_vars/${host}.yml`, yaml(own));
  files.set(
    "waivers.yml",
    `# Failures that were there when the hosts were adopted. Mend them, and take them out.\n${yaml(waiversFor(hosts, today))}`,
  );
  return files;
}

function waiversFor(hosts: readonly AdoptedHost[], today: Date) {
  const expires = new Date(today.getTime() + WAIVED_DAYS * 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
  const waived = new Map<string, { control: string; reason: string; hosts: Set<string> }>();
  for (const { host, failures } of hosts) {
    for (const { control, observed } of failures.toSorted((a, b) => (a.control < b.control ? -1 : 1))) {
      const reason = `so when it was adopted: ${observed.slice(0, 300)}`;
      // One waiver covers a control on a host, whatever else fails there by it.
      if ([...waived.values()].some((one) => one.control === control && one.hosts.has(host))) continue;
      const key = JSON.stringify([control, reason]);
      const waiver = waived.get(key) ?? { control, reason, hosts: new Set<string>() };
      waiver.hosts.add(host);
      waived.set(key, waiver);
    }
  }
  return [...waived.values()].map(({ control, reason, hosts }) => ({
    control,
    hosts: [...hosts].join(","),
    reason,
    owner: "adopt",
    expires,
  }));
}

function yaml(value: unknown): string {
  return dump(value, { lineWidth: 120 });
}
