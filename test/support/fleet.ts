import type { AccessRecord, CheckRecord, HostRecord, RunRecord } from "../../src/record/record.ts";
import { CONTROLS } from "../../src/verify/catalogue.ts";
import {
  changeRecord,
  checkRecord,
  errorRecord,
  hostNames,
  hostRecord,
  runRecord,
  taskRecord,
} from "./records.ts";

const CATALOGUE = Object.entries(CONTROLS);

/** A check of every control of the catalogue; those that `failing` picks by their place fail. */
export function allChecks(host: string, failing: (index: number) => boolean = () => false): CheckRecord[] {
  return CATALOGUE.map(([control, { title, severity }], index) =>
    checkRecord(control, {
      title,
      severity,
      outcome: failing(index) ? "fail" : "pass",
      expected: `${title}`,
      observed: failing(index) ? `otherwise on ${host}` : "as wanted",
      source: `source ${index}`,
    }),
  );
}

const access = (dangerous: boolean): AccessRecord => ({
  method: "ACL DRYRUN",
  commands: [
    { command: "FLUSHALL", dangerous: true },
    { command: "CONFIG SET", dangerous: true },
    { command: "GET", dangerous: false },
    { command: "SET", dangerous: false },
  ],
  users: [
    { user: "default", enabled: false, nopass: false, allowed: [false, false, false, false] },
    { user: "app", enabled: true, nopass: false, allowed: [dangerous, false, true, true] },
    { user: "admin", enabled: true, nopass: false, allowed: [true, true, true, null] },
  ],
});

/** Another check in the place of those of the same control. */
function withCheck(
  checks: readonly CheckRecord[],
  control: string,
  parts: Partial<CheckRecord>,
): CheckRecord[] {
  return checks.map((check) => (check.control === control ? { ...check, ...parts } : check));
}

/**
 * A verify of `count` hosts, as a fleet is: most are hard, some share a weakness, one was not reached, one has a waived
 * failure, one a restart that waits.
 */
export function fleetRun(count = 12): RunRecord {
  const hosts = hostNames(count).map((host, index): HostRecord => {
    const record = hostRecord(host, {
      checks: allChecks(host),
      place: { file: "inventory/production.yml", line: index + 5 },
      server: {
        product: "Redis",
        version: "7.0.15",
        system: "Debian GNU/Linux 12 (bookworm)",
        role: "master",
      },
      access: access(index === 1),
    });
    if (index === 0) return unreachable(record);
    if (index === 1) return { ...record, checks: allChecks(host, (place) => place % 5 === 0) };
    if (index === 2) {
      return {
        ...record,
        checks: withCheck(record.checks, "RK-NET-02", {
          outcome: "fail",
          observed:
            "running no, though the file says as wanted: changed on the running server, or the file was never loaded",
          setting: { name: "protected-mode", wanted: "yes", file: "yes", running: "no", pending: true },
        }),
      };
    }
    if (index === 3) {
      return {
        ...record,
        checks: withCheck(record.checks, "RK-TLS-04", {
          outcome: "skip",
          observed: "tls-auth-clients no",
          waiver: {
            reason: "the old importer has no certificate",
            owner: "ana@example.net",
            expires: "2026-12-31",
          },
        }),
      };
    }
    if (index === 4)
      return {
        ...record,
        checks: withCheck(record.checks, "RK-ACL-01", {
          outcome: "unknown",
          blockedBy: "login",
          observed: "no login to Redis",
        }),
      };
    return index % 7 === 5
      ? {
          ...record,
          checks: withCheck(record.checks, "RK-SYS-03", { outcome: "fail", observed: "/etc/redis 0777" }),
        }
      : record;
  });
  return {
    ...runRecord("verify", hosts),
    waivers: [
      {
        control: "RK-SYS-02",
        hosts: "redis-03",
        reason: "kernel without it",
        owner: "ben",
        expires: "2026-11-01",
        state: "expired",
      },
      {
        control: "RK-TLS-04",
        hosts: "redis-04",
        reason: "the old importer has no certificate",
        owner: "ana@example.net",
        expires: "2026-12-31",
        state: "active",
      },
    ],
  };
}

function unreachable(record: HostRecord): HostRecord {
  const { server, access, ...rest } = record;
  return {
    ...rest,
    status: "unreachable",
    checks: [],
    error: errorRecord({
      where: "connect",
      found: "connection refused by 192.0.2.1:22",
      state: "nothing was changed on this host",
      remedy: "",
    }),
  };
}

/** The run before `fleetRun`: RK-NET-02 held on the third host, RK-PER-01 failed on the last, and a change was made. */
export function earlierRun(count = 12): RunRecord {
  const run = fleetRun(count);
  const hosts = run.hosts.map((host, index) => {
    const checks =
      index === 2
        ? allChecks(host.host)
        : index === count - 1
          ? withCheck(host.checks, "RK-PER-01", { outcome: "fail", observed: "last save failed" })
          : host.checks;
    const change = changeRecord("redis.conf:bind", "127.0.0.1 -::1", { before: "0.0.0.0", restart: true });
    const task = {
      ...taskRecord("bind", "Listen only where it was declared", [change]),
      status: "changed" as const,
    };
    return {
      ...host,
      checks,
      tasks: [task],
      status: host.error === null ? ("changed" as const) : host.status,
      restart: { needed: true, unavailableMs: 210 },
    };
  });
  return { ...run, ...runRecord("apply", hosts), startedAt: "2026-11-23T06:30:12.000Z" };
}

/** Text that would run, load or restyle something where it got into a page as markup. */
export const HOSTILE = `"><script>alert(1)</script><img src=x onerror=alert(1)>'</style><a href="javascript:alert(1)">`;

/** A run in which every text that a host, an inventory or a waiver can choose is `text`. */
export function hostileRun(text: string): RunRecord {
  const checks = (["fail", "unknown", "pass", "skip"] as const).map((outcome) =>
    checkRecord(`RK-X-${text}`, {
      outcome,
      title: text,
      expected: text,
      observed: text,
      source: text,
      setting: { name: text, wanted: text, file: text, running: null, pending: true },
      ...(outcome === "skip" ? { waiver: { reason: text, owner: text, expires: text } } : {}),
    }),
  );
  const change = changeRecord(text, text, { before: text });
  const hosts = ["a", "b"].map(
    (name, index): HostRecord => ({
      ...hostRecord(`${name}${text}`, {
        status: index === 0 ? "changed" : "failed",
        checks,
        tasks: [{ ...taskRecord(text, text, [change]), reason: text }],
        impact: [{ kind: text, detail: text }],
        error: index === 0 ? null : errorRecord({ where: text, found: text, state: text, remedy: text }),
        place: { file: text, line: 1 },
        server: { product: text, version: text, system: text, role: text },
        access: {
          method: text,
          commands: [{ command: text, dangerous: true }],
          users: [{ user: text, enabled: true, nopass: true, allowed: [true] }],
        },
      }),
    }),
  );
  return {
    ...runRecord("apply", hosts),
    version: text,
    waivers: [{ control: text, hosts: text, reason: text, owner: text, expires: text, state: "expired" }],
  };
}
