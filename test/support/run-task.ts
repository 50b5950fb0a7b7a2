import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { HostFacts } from "../../src/facts/probe.ts";
import type { Secret } from "../../src/lib/secret.ts";
import { changesOf, type HostPlan } from "../../src/plan/plan.ts";
import type { HostTasks } from "../../src/playbook/host-tasks.ts";
import { loadTask, taskNames } from "../../src/playbook/task-files.ts";
import { templateRenderer } from "../../src/playbook/templates.ts";
import { isServer, type Server, serverOf } from "../../src/redis/server.ts";
import { checksFor } from "../../src/run/findings.ts";
import { planFor } from "../../src/run/plan-for.ts";
import type { HostSecrets } from "../../src/run/secrets.ts";
import type { PasswordOrigin } from "../../src/state/controller.ts";
import type { Check } from "../../src/verify/controls.ts";
import { defaultTasks } from "./default-playbook.ts";
import { FACTS, PASSWORDS, privateNetwork } from "./facts.ts";

const repository = resolve(import.meta.dirname, "../..");
const definitions = new Map(
  await Promise.all(taskNames().map(async (name) => [name, await loadTask(name)] as const)),
);
const render = templateRenderer(join(repository, "playbooks"));

export interface Options {
  /** Guards that are overridden, as `--accept` does. */
  accepted?: readonly string[];
  /** Passwords of the controller's state; default: those of the recorded hosts. */
  passwords?: ReadonlyMap<string, Secret>;
  /** PEM; default: the CA of the recorded hosts. Null: apply will make one. */
  ca?: string | null;
  certificate?: HostSecrets["certificate"];
  rotate?: readonly string[];
  /** Passwords that are not this server's own, by their hashes. */
  origins?: ReadonlyMap<string, PasswordOrigin>;
  /** Default: those of the default playbook for the host's own network. */
  tasks?: HostTasks;
}

/** The plan for one task alone. Parameters are checked and completed as in a playbook. */
export function planTask(name: string, params: unknown, facts: HostFacts, options: Options = {}): HostPlan {
  return planFor(observation(facts, oneTask(name, params), options), planOptions(options), drawName);
}

/** The checks of one task alone. */
export function verifyTask(name: string, params: unknown, facts: HostFacts, options: Options = {}): Check[] {
  return checksFor(observation(facts, oneTask(name, params), options), render);
}

/** The plan of the default playbook, for an application in the recorded host's own network. */
export async function planAll(facts: HostFacts, options: Options = {}): Promise<HostPlan> {
  return planFor(
    observation(facts, options.tasks ?? (await tasksFor(facts)), options),
    planOptions(options),
    drawName,
  );
}

/** The checks of the default playbook. */
export async function verifyAll(
  facts: HostFacts,
  options: Options = {},
): Promise<(Check & { task: string })[]> {
  return checksFor(observation(facts, options.tasks ?? (await tasksFor(facts)), options), render);
}

/** The default playbook on a host, as `auditedChecks` takes it. */
export async function auditObservation(facts: HostFacts) {
  return [observation(facts, await tasksFor(facts), {}), render] as const;
}

/** `create redis.conf:port: null → 0`, a line for each change. */
export function changeLines(plan: HostPlan): string[] {
  return changesOf(plan).map(
    ({ action, address, before, after }) => `${action} ${address}: ${before} → ${after}`,
  );
}

/** Addresses of the changes, in order. */
export function addresses(plan: HostPlan): string[] {
  return changesOf(plan).map(({ address }) => address);
}

/** Names of the guards that refuse; what no `--accept` overrides reads `-`. */
export function guards(plan: HostPlan): string[] {
  return plan.refusals.map(({ guard }) => guard ?? "-");
}

/** `CONTROL outcome: observed` of the checks that did not pass. */
export function findings(checks: readonly Check[]): string[] {
  return checks
    .filter(({ outcome }) => outcome !== "pass")
    .map(({ control, outcome, observed }) => `${control} ${outcome}: ${observed}`);
}

/** The text that a plan would write to a file. */
export function written(plan: HostPlan, path: string): string {
  const content = plan.actions.files.find((file) => file.path === path)?.content;
  if (content === undefined || !("text" in content)) throw new Error(`${path} is not written`);
  return content.text;
}

/** The server of recorded facts; throws where there is none. */
export function server(facts: HostFacts): Server {
  const found = serverOf(facts);
  if (!isServer(found)) throw new Error(found.problem);
  return found;
}

function tasksFor(facts: HostFacts): Promise<HostTasks> {
  const { private_ip, app_subnet } = privateNetwork(facts);
  return defaultTasks([`private_ip=${private_ip}`, `app_subnet=${app_subnet}`]);
}

function oneTask(name: string, params: unknown): HostTasks {
  const definition = definitions.get(name);
  if (definition === undefined) throw new Error(`there is no task ${name}`);
  const placeOf = () => ({ file: "playbook.yml" });
  const task = { task: name, name, definition, params: definition.params.parse(params), placeOf };
  return { tasks: [task], skipped: [], needsFacts: false };
}

function observation(facts: HostFacts, tasks: HostTasks, options: Options) {
  return { facts, server: server(facts), tasks, secrets: controller(options), login: undefined };
}

function planOptions({ accepted = [] }: Options) {
  return { accepted: new Set(accepted), render };
}

function controller({
  passwords = PASSWORDS,
  ca,
  certificate,
  rotate = [],
  origins = new Map(),
}: Options): HostSecrets {
  return {
    password: (name) => {
      const value = rotate.includes(name) ? undefined : passwords.get(name);
      return value === undefined ? { missing: "generate" } : { value };
    },
    origin: (_, hash) => origins.get(hash),
    state: { name: ".redkeep", lacking: (files) => [...files] },
    rotate: new Set(rotate),
    caCertificate: ca === undefined ? readFileSync(join(FACTS, "ca.crt"), "utf8") : (ca ?? undefined),
    certificate,
    ca: undefined,
    login: undefined,
    earlier: [],
    shared: undefined,
    server: "redis-01",
    missing: { passwords: [], serverKeys: [], ca: false },
  };
}

function drawName(command: string): string {
  return `${command.toLowerCase()}_drawn`;
}
