/**
 * Hosts around which something goes wrong while they are changed: disks that fill up at each step, Redis that is killed,
 * clocks that jump, a slow machine far away, a jump host that dies. Each has to end as before or as planned.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import type { RunRecord } from "../../../src/record/record.ts";
import type { HostStatus } from "../../../src/record/statuses.ts";
import { type LabHost, startHost, startNetwork } from "../../../test/integration/support/lab.ts";
import { filesOf, onHost, redisProcess } from "../../../test/integration/support/observe.ts";
import { openProject, type Project } from "../../../test/integration/support/project.ts";
import { startController, strikeAt } from "../case.ts";
import type { Figure } from "../figure.ts";
import { canLogIn, compare, keysOf, observe, prepareHost, untilAtRest } from "../host.ts";

const KEYS = 10_000;
/** Hosts at a time. */
const HOSTS = 2;

interface Case {
  /** Of the catalogue. */
  row: string;
  name: string;
  /** Returns what is wrong, a line each. */
  run(): Promise<string[]>;
}

interface Trouble {
  aof?: boolean;
  /** On the host, before apply. */
  prepare?: string;
  /** As soon as a line is in the transaction's journal. */
  strike?: { at: string; command: string };
  /** On the machine, before apply. */
  outside?: (host: LabHost) => Promise<void>;
  /** On the host, before it is looked at. */
  mend?: string;
  /** What redkeep has to say. Default: whatever is true. */
  ends?: HostStatus;
}

function trouble(row: string, name: string, given: Trouble): Case {
  const { aof = false, prepare = "true", strike, outside, mend = "true", ends } = given;
  const run = async (): Promise<string[]> => {
    await using host = await prepareHost({ keys: KEYS, aof });
    using project = openProject({ "redis-01": host });
    await onHost(host, prepare);
    await outside?.(host);
    const before = await observe(host);
    const controller = startController(project);
    const struck = strike === undefined ? true : await strikeAt(host, strike.at, strike.command);
    await controller.ended;
    await onHost(host, mend);
    const residue = await untilAtRest(host, performance.now());
    const told = toldBy(project);
    const { state, differences } = await compare(host, project, before);
    const keys = await keysOf(host, project, KEYS);
    return [
      ...(struck ? [] : [`"${strike?.at}" was not in the journal`]),
      ...(state === "mixed" ? [`neither old nor new: ${differences.slice(0, 5).join("; ")}`] : []),
      ...(told === undefined || (told === "changed") === (state === "new")
        ? []
        : [`redkeep said ${told}, the host is ${state}`]),
      ...(ends === undefined || told === ends
        ? []
        : [`redkeep said ${told}: ${controller.output().slice(-600)}`]),
      ...(keys === KEYS ? [] : [`${KEYS - keys} keys lost`]),
      ...(residue === "" ? [] : [`left behind: ${residue.replaceAll("\n", "; ")}`]),
      ...((await canLogIn(host)) ? [] : ["no SSH login"]),
    ];
  };
  return { row, name, run };
}

function toldBy(project: Project): HostStatus | undefined {
  try {
    return (JSON.parse(readFileSync(project.path("run.json"), "utf8")) as RunRecord).hosts[0]?.status;
  } catch {
    return undefined;
  }
}

const STEPS = [
  "backup",
  "armed",
  "file /etc/redis/redis.conf",
  "restart redis-server.service",
  "firewall enable",
  "check",
  "applied",
];

/** File systems of their own, of which each is filled at each step. */
const DISKS: Readonly<Record<string, string>> = {
  "/var/lib/redkeep":
    "mkdir -m 700 /var/lib/redkeep; mount -t tmpfs -o size=12m,mode=700 tmpfs /var/lib/redkeep",
  "/etc/redis": `cp -a /etc/redis /root/redis; mount -t tmpfs -o size=12m,mode=750,uid=redis,gid=redis tmpfs /etc/redis
    cp -a /root/redis/. /etc/redis`,
  "/var/lib/redis": `systemctl stop redis-server; cp -a /var/lib/redis /root/data
    mount -t tmpfs -o size=40m,mode=750,uid=redis,gid=redis tmpfs /var/lib/redis
    cp -a /root/data/. /var/lib/redis; systemctl start redis-server`,
};

const fullDisks = Object.entries(DISKS).flatMap(([disk, prepare]) =>
  STEPS.map((at) =>
    trouble("B2", `${disk} full at "${at}"`, {
      prepare,
      strike: { at, command: `cat /dev/zero >${disk}/filler 2>/dev/null; true` },
      mend: `rm ${disk}/filler`,
    }),
  ),
);

/** All that asks for the time by `date` is a day away from then on. */
const CLOCK = `echo 0 day >/run/skew; mv /usr/bin/date /usr/bin/date.real
  printf '#!/bin/sh\\nexec /usr/bin/date.real -d "$(cat /run/skew)" "$@"\\n' >/usr/bin/date; chmod 755 /usr/bin/date`;

// A certificate that was made today is not valid yesterday: such a host goes back.
const jumps = (["+1 day", "-1 day"] as const).map((skew) =>
  trouble("B8", `the clock jumps by ${skew} during the restart`, {
    prepare: CLOCK,
    strike: { at: "restart redis-server.service", command: `echo ${skew} >/run/skew` },
    mend: "mv /usr/bin/date.real /usr/bin/date",
    ends: skew === "+1 day" ? "changed" : "rolled-back",
  }),
);

const kills = ["validated", "armed", "restart redis-server.service", "check"].map((at) =>
  trouble("B11", `Redis killed at "${at}"`, {
    aof: true,
    strike: { at, command: "kill -9 $(systemctl show -p MainPID --value redis-server)" },
  }),
);

const slow = trouble("B10", "a host with a fifth of one processor", {
  outside: async (host) => {
    await promisify(execFile)("docker", ["update", "--cpus", "0.2", host.id]);
  },
  ends: "changed",
});

const walled = trouble("B14", "a wall around the new certificates", {
  prepare: `printf '[Service]\\nInaccessiblePaths=-/etc/redis/tls\\n' >/etc/systemd/system/redis-server.service.d/site.conf
    systemctl daemon-reload`,
  ends: "rolled-back",
});

const reboot: Case = {
  row: "C7",
  name: "a reboot of a hardened host",
  async run() {
    await using host = await prepareHost({ keys: KEYS });
    using project = openProject({ "redis-01": host });
    const applied = await project.run("apply", "--yes");
    const address = host.ip;
    await host.restart();
    project.writeInventory();
    const verified = await project.run("verify");
    const listening = await onHost(host, "ss -Hltn | grep -c ':6380 '");
    return [
      ...(applied.status === 0 ? [] : [applied.stdout]),
      ...(host.ip === address ? [] : [`the lab gave it another address: ${host.ip}`]),
      ...(verified.status === 0 ? [] : [verified.stdout]),
      ...(Number(listening) > 0 ? [] : ["nothing listens on 6380"]),
    ];
  },
};

const bastion: Case = {
  row: "A12",
  name: "a jump host that dies while a host behind it is changed",
  async run() {
    await using network = await startNetwork();
    await using jump = await startHost({ network, alias: "jump" });
    await using first = await startHost({ network, alias: "first" });
    await using second = await startHost({ network, alias: "second" });
    const behind = (alias: string) => ({ ansible_host: alias, ansible_port: 22 });
    using project = openProject({ first, second }, {}, { first: behind("first"), second: behind("second") });
    project.write("known_hosts", `${jump.hostKeyLine}\nfirst ${first.hostKey}\nsecond ${second.hostKey}\n`);
    const inventory = readFileSync(project.path("inventory.yml"), "utf8");
    project.write(
      "inventory.yml",
      inventory.replace(
        "-o UserKnownHostsFile",
        `-J root@${jump.address}:${jump.sshPort} -o UserKnownHostsFile`,
      ),
    );
    const before = await observe(first);
    const untouched = [await filesOf(second), await redisProcess(second)];
    const controller = startController(project);
    const struck = await strikeAt(first, "armed", "true");
    await jump.kill();
    const residue = await untilAtRest(first, performance.now());
    await controller.ended;
    const { state, differences } = await compare(first, project, before);
    const record = JSON.parse(readFileSync(project.path("run.json"), "utf8")) as RunRecord;
    const told = record.hosts.map(({ status }) => status).join(", ");
    return [
      ...(struck ? [] : [`not armed: ${controller.output().slice(-600)}`]),
      ...(state === "old" ? [] : [`${state}: ${differences.slice(0, 5).join("; ")}`]),
      ...(residue === "" ? [] : [`left behind: ${residue}`]),
      ...(told === "unknown, not-started" || told === "unknown, unreachable" || told === "unknown, failed"
        ? []
        : [`redkeep said ${told}`]),
      ...([await filesOf(second), await redisProcess(second)].join() === untouched.join()
        ? []
        : ["the second host was touched"]),
    ];
  },
};

const CASES: readonly Case[] = [bastion, reboot, ...jumps, ...kills, slow, walled, ...fullDisks];

export const figure: Figure = {
  name: "environment",
  title:
    "Disks that fill up, clocks that jump, a dead jump host, a killed Redis: a host is as before or as planned",
  target: `${CASES.length} of ${CASES.length}`,
  async run({ count = CASES.length, log }) {
    const queue = CASES.slice(0, count);
    const problems: string[] = [];
    let passed = 0;
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const { row, name, run } = next;
        const found = await run().catch((error: unknown) => [`not run: ${(error as Error).message}`]);
        if (found.length === 0) passed++;
        problems.push(...found.map((problem) => `${row}, ${name}: ${problem}`));
        log(`${row}, ${name}: ${found.length === 0 ? "passed" : found.join("; ")}`);
      }
    };
    await Promise.all(Array.from({ length: HOSTS }, work));
    return { measured: `${passed} of ${count}`, ok: passed === count && problems.length === 0, problems };
  },
};
