import { type Adopted, adoptHost } from "../adopt/adopt-host.ts";
import type { Found, KnownPassword } from "../adopt/candidates.ts";
import type { AdoptedHost } from "../adopt/files.ts";
import { ownPassword } from "../facts/server-login.ts";
import { printable } from "../lib/printable.ts";
import { stopped } from "../record/outcome.ts";
import type { CheckRecord, HostRecord } from "../record/record.ts";
import { paramsOf } from "../tasks/task.ts";
import { toRecord } from "../verify/check-record.ts";
import { auditedChecks } from "./findings.ts";
import { withGroupChecks } from "./group-checks.ts";
import { as, type Host, type Observation, type PlannedHost, recordOf } from "./host.ts";
import { planFor } from "./plan-for.ts";
import type { Run } from "./run.ts";

/**
 * What a playbook can say of each host that was observed, and what then still fails there.
 * @returns also the hosts, each with the reason where it could not be described
 */
export async function describeHosts(
  run: Run,
  observed: readonly Host[],
): Promise<{ adopted: AdoptedHost[]; hosts: Host[] }> {
  const described = new Map<string, Adopted>();
  const checked: Host[] = [];
  for (const host of observed) {
    // A guard that stops the plan does not keep the host from being described.
    if (host.plan !== undefined) {
      const { adopted, checks } = await describe(run, host);
      described.set(host.job.host, adopted);
      const findings = { ...host.findings, checks };
      checked.push({ ...host, findings, outcome: { status: "unchanged", error: null } });
    } else checked.push(withoutChecks(host.outcome.error === null ? as(host, NOT_ROOT) : host));
  }
  const adopted = withGroupChecks(checked)
    .map(recordOf)
    .flatMap((record) => {
      const host = described.get(record.host);
      return host === undefined ? [] : [adoptedHost(record, host)];
    });
  return { adopted, hosts: checked.map(withoutChecks) };
}

const NOT_ROOT = stopped("failed", {
  where: "login",
  found: "redkeep is not root on the host",
  remedy: "set become",
});

function withoutChecks(host: Host): Host {
  return { ...host, findings: { ...host.findings, checks: [] } };
}

/** What a playbook can say of the host, and the checks that verify would make with it. */
async function describe(
  run: Run,
  { job, observation }: PlannedHost,
): Promise<{ adopted: Adopted; checks: CheckRecord[] }> {
  const { facts, server, tasks } = observation;
  const found: Found = { facts, server, passwords: knownPasswords(run, observation) };
  const withTasks = async (chosen: Observation["tasks"]["tasks"]): Promise<Observation> => ({
    ...observation,
    tasks: { ...tasks, tasks: chosen, skipped: [] },
    secrets: await job.secrets(chosen),
  });
  const context = { accepted: new Set<string>(), render: run.render };
  const adopted = await adoptHost(tasks.tasks, found, async (chosen) =>
    planFor(await withTasks([...chosen]), context, () => "••••"),
  );
  const described = await withTasks(adopted.tasks.map(({ task }) => task));
  return { adopted, checks: auditedChecks(described, run.render, run.tags).map(toRecord) };
}

function adoptedHost({ host, checks }: HostRecord, { tasks, leftOut }: Adopted): AdoptedHost {
  return {
    host,
    tasks: new Map(tasks.map(({ task: { task, name }, params }) => [task, { name, params }])),
    failures: checks
      .filter(({ outcome }) => outcome === "fail")
      .map(({ control, observed }) => ({ control, observed: printable(observed, 400) })),
    leftOut: leftOut.map(({ task, reason }) => ({ task, reason: printable(reason, 400) })),
  };
}

/** What the playbook brings for its users, and what redkeep generated for users of these names. */
function knownPasswords(run: Run, { tasks, secrets, facts }: Observation): KnownPassword[] {
  const { acl } = paramsOf(tasks.tasks);
  const listed = (acl?.users ?? []).flatMap(({ name, password: source }): KnownPassword[] => {
    const password = secrets.password(name);
    return "value" in password ? [{ user: name, value: password.value, source }] : [];
  });
  const names = (facts.redis.aclUsers ?? []).map((line) => line.split(" ")[1] ?? "");
  const generated = names.flatMap((user): KnownPassword[] => {
    const key = run.state.serverKey(user)?.key;
    const value = key === undefined ? run.state.password(user) : ownPassword(key, user, secrets.server);
    return value === undefined || listed.some((one) => one.user === user)
      ? []
      : [{ user, value, source: { generate: true } }];
  });
  return [...listed, ...generated];
}
