import type {
  ChangeRecord,
  CheckRecord,
  HostErrorRecord,
  HostRecord,
  RunRecord,
  TaskRecord,
} from "../../src/record/record.ts";
import { exitCodeOf, summarize } from "../../src/record/summary.ts";
import type { TextContext } from "../../src/report/layout.ts";

/** A host on which nothing had to change. */
export function hostRecord(host: string, parts: Partial<HostRecord> = {}): HostRecord {
  return {
    host,
    status: "unchanged",
    connections: 1,
    roundTrips: 1,
    durationMs: 400,
    tasks: [],
    impact: [],
    restart: { needed: false, unavailableMs: 0 },
    checks: [],
    error: null,
    ...parts,
  };
}

export function taskRecord(task: string, name: string, changes: ChangeRecord[] = []): TaskRecord {
  return { task, name, status: changes.length > 0 ? "would-change" : "ok", reason: null, changes };
}

/** A setting that is created, or that replaces `before`. */
export function changeRecord(
  address: string,
  after: string,
  parts: Partial<ChangeRecord> = {},
): ChangeRecord {
  const action = parts.before === undefined || parts.before === null ? "create" : "update";
  return { address, action, before: null, after, restart: false, ...parts };
}

/** A check that passes. */
export function checkRecord(control: string, parts: Partial<CheckRecord> = {}): CheckRecord {
  return {
    control,
    title: "protected mode is on",
    severity: "high",
    outcome: "pass",
    expected: "yes",
    observed: "yes",
    source: "CONFIG GET protected-mode",
    ...parts,
  };
}

export function errorRecord(parts: Partial<HostErrorRecord> = {}): HostErrorRecord {
  return {
    where: "restart redis-server (9 of 14)",
    found: "systemctl exited 1",
    state: "put back as it was found; Redis answers",
    remedy: "free the port and run again",
    guards: [],
    ...parts,
  };
}

/** A whole run with the summary and exit code that its hosts give. */
export function runRecord(
  command: RunRecord["command"],
  hosts: HostRecord[],
  interrupted = false,
  parts: Pick<Partial<RunRecord>, "failOn" | "waivers"> = {},
): RunRecord {
  return {
    schema: "redkeep.run/1",
    version: "0.1.0",
    command,
    startedAt: "2026-11-24T06:30:12.000Z",
    durationMs: 4_200,
    exitCode: exitCodeOf({ hosts, interrupted, failOn: parts.failOn }),
    summary: summarize(hosts),
    hosts,
    ...parts,
  };
}

/** A terminal of 80 columns with UTF-8 and no colours, on stock Debian hosts. */
export function textContext(hosts: readonly HostRecord[], parts: Partial<TextContext> = {}): TextContext {
  return {
    plays: [{ name: "Harden Redis", taskCount: 9 }],
    hostFacts: new Map(hosts.map(({ host }) => [host, { product: "Redis 7.0.15", os: "Debian 12" }])),
    inventoryArgument: "inventory/production.yml",
    verbose: false,
    diff: false,
    width: 80,
    colour: false,
    unicode: true,
    ...parts,
  };
}

export function hostNames(count: number): string[] {
  const digits = Math.max(2, String(count).length);
  return Array.from({ length: count }, (_, index) => `redis-${String(index + 1).padStart(digits, "0")}`);
}
