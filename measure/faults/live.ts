/** Changes that need no restart, on a hardened host in use: what its clients notice of each. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { LabHost } from "../../test/integration/support/lab.ts";
import { onHost, redisProcess } from "../../test/integration/support/observe.ts";
import { openProject, type Project } from "../../test/integration/support/project.ts";
import { type ClientSpec, Clients, lostWrites, type Noticed } from "./clients.ts";
import { KEYS, keysOf, prepareHost } from "./host.ts";

const harden = readFileSync(join(import.meta.dirname, "../../playbooks/harden.yml"), "utf8");

interface LiveChange {
  title: string;
  /** What the operator edits in the playbook; the edits of earlier changes stay. */
  edit?: [before: string, after: string];
  /** What someone does on the host, which apply puts right. */
  drift?: (host: LabHost, project: Project) => Promise<unknown>;
  args?: string[];
  /** An address that the run has to change. */
  changes: string;
}

/** One for each way by which a change reaches a running server. */
export const LIVE_CHANGES: readonly LiveChange[] = [
  {
    title: "maxmemory",
    edit: ["maxmemory: 512mb", "maxmemory: 600mb"],
    changes: "redis.conf:maxmemory",
  },
  {
    title: "maxclients",
    edit: ["maxclients: 10000", "maxclients: 9000"],
    changes: "redis.conf:maxclients",
  },
  {
    title: "the rules of the clients' own user",
    edit: ["preset: application, keys", 'preset: application, allow: ["+eval"], keys'],
    changes: "users.acl:app",
  },
  {
    title: "a new user",
    edit: [
      "          - { name: metrics,",
      '          - { name: worker, preset: application, keys: ["w:*"], password: { generate: true } }\n          - { name: metrics,',
    ],
    changes: "users.acl:worker",
  },
  { title: "another user's new password", args: ["--rotate", "metrics"], changes: "users.acl:metrics" },
  {
    title: "one more address to listen on, and the certificate that names it",
    edit: ['"-::1", ', '"-::1", "-127.0.0.2", '],
    changes: "redis.conf:bind",
  },
  {
    title: "a plain port beside the one with TLS",
    edit: ["plain_port: 0", "plain_port: 6379"],
    changes: "redis.conf:port",
  },
  {
    title: "a new certificate",
    edit: ["names: []", "names: [db.example.org]"],
    changes: "file:/etc/redis/tls/redkeep-server.crt",
  },
  {
    title: "the ciphers",
    edit: ["ciphers: [ECDHE-ECDSA-AES128-GCM-SHA256, ", "ciphers: ["],
    changes: "redis.conf:tls-ciphers",
  },
  {
    title: "an AOF beside the snapshots",
    edit: ["mode: keep", "mode: rdb+aof"],
    changes: "redis.conf:appendonly",
  },
  { title: "snapshots alone again", edit: ["mode: rdb+aof", "mode: rdb"], changes: "redis.conf:appendonly" },
  {
    title: "one more subnet in the firewall",
    edit: ['allow: ["<%= app_subnet %>"]', 'allow: ["<%= app_subnet %>", 192.0.2.0/24]'],
    changes: "ufw:allow from 192.0.2.0/24",
  },
  {
    title: "what the firewall does with the rest",
    edit: ["default: deny #", "default: reject #"],
    changes: "ufw:default",
  },
  {
    title: "a firewall that someone switched off",
    drift: (host) => onHost(host, "ufw --force disable"),
    changes: "ufw:status",
  },
  {
    title: "the mode of a file",
    drift: (host) => onHost(host, "chmod 644 /etc/redis/users.acl"),
    changes: "file:/etc/redis/users.acl",
  },
  {
    title: "protected-mode",
    drift: (host, project) => project.config(host, "SET protected-mode no"),
    changes: "redis.conf:protected-mode",
  },
  {
    title: "snapshots that someone switched off on the running server",
    drift: (host, project) => project.config(host, "SET save ''"),
    changes: "redis.conf:save",
  },
];

const UNTOUCHED = "/run/untouched.sock";

interface LiveRow {
  title: string;
  requests: number;
  failures: string[];
  drops: number;
  /** The longest of any client during the run. */
  longestGapMs: number;
  /** At the same time, of a client of a second server on the host, which nobody touches: the machine's own share. */
  controlGapMs: number;
  /** The longest of any client during as long a time just before the run. */
  idleGapMs: number;
  /** What went wrong with the run itself. */
  problems: string[];
}

interface LiveResult {
  rows: LiveRow[];
  keysBefore: number;
  keysAfter: number;
  writesAcked: number;
  writesLost: number;
}

/** @param changes in this order, on one host. */
export async function runLiveChanges(
  changes: readonly LiveChange[],
  { keys = KEYS, log = () => {} }: { keys?: number; log?: (line: string) => void } = {},
): Promise<LiveResult> {
  await using host = await prepareHost({ keys });
  using project = openProject({ "redis-01": host });
  const first = await project.run("apply", "--yes");
  if (first.status !== 0) throw new Error(first.stdout);
  await onHost(
    host,
    `systemd-run -q --unit=untouched redis-server --port 0 --unixsocket ${UNTOUCHED} --save '' --dir /run
     until [ -S ${UNTOUCHED} ]; do sleep 0.1; done`,
  );
  const pem = (name: string): string => readFileSync(project.path(`.redkeep/pki/${name}`), "utf8");
  const settings = {
    password: project.appPassword,
    tls: { ca: pem("ca.crt"), cert: pem("clients/app.crt"), key: pem("clients/app.key") },
  };
  const socket: ClientSpec["to"] = ["/run/redis/redis.sock"];
  const tls: ClientSpec["to"] = [[host.ip, 6380, true]];
  await using inside = await Clients.start(host, {
    ...settings,
    clients: [
      { name: "socket", to: socket, everyMs: 10 },
      { name: "socket-anew", to: socket, everyMs: 10, anew: true },
      { name: "untouched", to: [UNTOUCHED], everyMs: 10 },
    ],
  });
  // From beyond the firewall.
  await using beside = await Clients.start("beside", {
    ...settings,
    clients: [
      { name: "tls-1", to: tls, everyMs: 10 },
      { name: "tls-2", to: tls, everyMs: 10 },
      { name: "tls-anew", to: tls, everyMs: 25, anew: true },
    ],
  });
  const acknowledged = new Map<string, number[]>();
  const notice = async () => {
    const { untouched, ...ours } = { ...(await inside.noticed()), ...(await beside.noticed()) };
    for (const [name, { acknowledged: numbers }] of Object.entries(ours))
      acknowledged.set(name, [...(acknowledged.get(name) ?? []), ...numbers]);
    return { all: Object.values(ours), untouched: untouched?.longestGapMs ?? 0 };
  };
  const rows: LiveRow[] = [];
  let playbook = harden;
  let duration = 3000;
  for (const { title, edit, drift, args = [], changes: expected } of changes) {
    const problems: string[] = [];
    if (edit !== undefined) {
      if (!playbook.includes(edit[0])) throw new Error(`the playbook has no ${edit[0]}`);
      playbook = playbook.replace(...edit);
    }
    await drift?.(host, project);
    const process = await redisProcess(host);
    await notice();
    await setTimeout(duration);
    const { all: idle } = await notice();
    const start = performance.now();
    const run = await project.run("apply", "--yes", project.write("playbooks/harden.yml", playbook), ...args);
    duration = performance.now() - start;
    const { all: during, untouched } = await notice();
    if (run.status !== 0) problems.push(run.stdout);
    const changed = run.host("redis-01").tasks.flatMap((task) => task.changes.map(({ address }) => address));
    if (!changed.some((address) => address.startsWith(expected)))
      problems.push(`changed ${changed.join(", ")} and not ${expected}`);
    if ((await redisProcess(host)) !== process) problems.push("Redis was restarted");
    const gap = (seen: Noticed[]) => Math.round(Math.max(...seen.map(({ longestGapMs }) => longestGapMs)));
    const row: LiveRow = {
      title,
      requests: during.reduce((sum, { replies, failures }) => sum + replies + failures.length, 0),
      failures: during.flatMap(({ failures }) => failures),
      drops: during.reduce((sum, { drops }) => sum + drops, 0),
      longestGapMs: gap(during),
      controlGapMs: Math.round(untouched),
      idleGapMs: gap(idle),
      problems,
    };
    rows.push(row);
    log(
      `${title}: ${row.requests} requests, ${row.failures.length} failed, ${row.drops} dropped, longest gap ${row.longestGapMs} ms (of a server that nobody touches ${row.controlGapMs} ms, idle ${row.idleGapMs} ms)${problems.map((problem) => `\n  ${problem}`).join("")}`,
    );
  }
  await notice();
  let [writesAcked, writesLost] = [0, 0];
  for (const [name, numbers] of acknowledged) {
    writesAcked += numbers.length;
    writesLost += await lostWrites(host, project, name, numbers);
  }
  return { rows, keysBefore: keys, keysAfter: await keysOf(host, project, keys), writesAcked, writesLost };
}
