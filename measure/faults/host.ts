/**
 * What a run with a fault needs of a lab host: a stock one with keys, a client that writes, and a look at everything that
 * redkeep manages, before and after.
 *
 *     await using host = await prepareHost();
 *     using project = openProject({ "redis-01": host });
 *     const before = await observe(host);
 *     const writer = new Writer(host, project.appPassword);
 *     await writer.nextWrite();
 *     …
 *     await untilAtRest(host, performance.now());
 *     await writer.stop();
 *     const { state, differences } = await compare(host, project, before);
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { load } from "js-yaml";
import { CONFIRM_WINDOW } from "../../src/transaction/program.ts";
import { type HostOptions, type LabHost, labKey, startHost } from "../../test/integration/support/lab.ts";
import { asSoonAs, filesOf, fill, onHost, residueOf } from "../../test/integration/support/observe.ts";
import type { Project } from "../../test/integration/support/project.ts";

export const KEYS = 100_000;
/** A host has to be at rest by then, in seconds from the strike, or from `applied` where that came later. */
export const REST_WITHIN = CONFIRM_WINDOW + 10;

interface Preparation extends HostOptions {
  /** How many keys it holds: `app:1` is `value 1`. Default: 100 000. */
  keys?: number;
  /** Redis writes each command to its AOF before it answers. Default: Debian's snapshots. */
  aof?: boolean;
}

/** Debian's Redis as it comes, with keys that are saved. */
export async function prepareHost({
  keys = KEYS,
  aof = false,
  ...options
}: Preparation = {}): Promise<LabHost> {
  const host = await startHost(options);
  // Its own `ready` may not speak of Redis: after a fault it need not come up, at first it does.
  await asSoonAs(host, "redis-cli PING 2>/dev/null | grep -q PONG", "true");
  if (aof) {
    await onHost(
      host,
      `sed -i 's/^appendonly no/appendonly yes/; s/^appendfsync .*/appendfsync always/' /etc/redis/redis.conf
       systemctl restart redis-server`,
    );
  }
  await fill(host, "app", keys);
  await host.redis("SAVE");
  // What a host has from before is not lost with its power.
  if (options.disk) await onHost(host, "sync -f /disk");
  return host;
}

/** Until nothing of redkeep is under way on the host. Returns what was still there when the time was over. */
export async function untilAtRest(host: LabHost, start: number): Promise<string> {
  let residue = await residueOf(host);
  while (residue !== "" && performance.now() - start < 3 * CONFIRM_WINDOW * 1000) {
    const result = await host.sh(
      // The files of transient units: to ask systemd that often would take the processor from the host under test.
      `i=0; set -- /run/systemd/transient/redkeep-*; while [ $i -lt 20 ] && [ -e "$1" ]; do i=$((i + 1)); sleep 0.1; set -- /run/systemd/transient/redkeep-*; done`,
    );
    if (result.status !== 0) throw new Error(result.stderr);
    residue = await residueOf(host);
  }
  return residue;
}

const client = readFileSync(join(import.meta.dirname, "client.py"), "utf8");

/** Writes from inside the host, over the Unix socket; a reboot ends it, and start() goes on with higher numbers. */
export class Writer {
  /** Number and time (ms) of each write that Redis has acknowledged. */
  readonly acknowledged = new Map<number, number>();
  readonly #host: LabHost;
  readonly #password: string;
  #first = 1;
  #lines: Interface;
  #child: ReturnType<typeof spawn> | undefined;
  #ended: Promise<unknown> | undefined;

  constructor(host: LabHost, password: string) {
    this.#host = host;
    this.#password = password;
    this.#lines = this.start();
  }

  start(): Interface {
    const child = spawn("docker", ["exec", "-i", this.#host.id, "python3", "-c", client, `${this.#first}`], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.#first += 1_000_000;
    child.stdin.write(`${this.#password}\n`);
    this.#ended = once(child, "close");
    this.#lines = createInterface({ input: child.stdout }).on("line", (line) => {
      const [number, seconds] = line.split(" ").map(Number);
      if (number !== undefined && seconds !== undefined) this.acknowledged.set(number, seconds * 1000);
    });
    this.#child = child;
    return this.#lines;
  }

  /** Waits until one more write is acknowledged; false where none is within 20 seconds. */
  async nextWrite(): Promise<boolean> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), 20_000);
    try {
      const from = this.acknowledged.size;
      while (this.acknowledged.size === from) await once(this.#lines, "line", { signal: late.signal });
      return true;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    // docker exec forwards no signal: the process inside ends with the pipe it prints to.
    await onHost(this.#host, "pkill -f '^python3 -c .*numbered ke[y]' || true");
    await this.#ended;
    this.#child?.kill();
  }

  longestGap(): number {
    const times = [...this.acknowledged.values()];
    return Math.round(Math.max(0, ...times.slice(1).map((time, index) => time - (times[index] ?? time))));
  }
}

export type Observed = Record<"files" | "config" | "acl" | "kernel" | "ufw" | "unit", string>;

type Ask = (...command: string[]) => Promise<string>;

/**
 * Everything that redkeep manages, as it is now, seen without redkeep.
 * @param ask the way in to Redis. Default: without a login, as on a stock host
 */
export async function observe(
  host: LabHost,
  ask: Ask = (...command) => host.redis(...command),
): Promise<Observed> {
  const files = await filesOf(host);
  const config = await ask("CONFIG", "GET", "*");
  return {
    files: files
      .split("\n")
      // The recovery unit and redkeep's own folder stay; /etc/hosts is Docker's; a rewritten AOF has other names,
      // and one that a power cut stopped leaves Redis' temporary file.
      .filter(
        (line) =>
          !/redkeep-recover\.service|\/var\/lib\/redkeep|\/etc\/hosts\b|\/appendonlydir\/|\/temp-[^/]*\.aof /.test(
            line,
          ),
      )
      .join("\n"),
    config: pairs(config.split("\n")).toSorted().join("\n"),
    acl: (await ask("ACL", "LIST")).split("\n").toSorted().join("\n"),
    kernel: [
      effectiveRules(await onHost(host, "iptables-save")),
      effectiveRules(await onHost(host, "ip6tables-save")),
    ].join("\n"),
    ufw: await onHost(host, "ufw status verbose"),
    unit: await onHost(
      host,
      `systemctl show redis-server -p User,Group,UMask,FragmentPath,DropInPaths,NeedDaemonReload,UnitFileState,ActiveState \\
         -p Restart,TimeoutStartUSec,TimeoutStopUSec,LimitNOFILE,ProtectSystem,ReadWritePaths,CapabilityBoundingSet
       grep 'open files' /proc/$(systemctl show -p MainPID --value redis-server)/limits`,
    ),
  };
}

/** Rules and policies that decide on packets. A disabled ufw leaves jumps into chains of its own that are empty. */
function effectiveRules(saved: string): string {
  // Docker's own name server is in each container of a network with a name, on other ports after each start.
  let rules = saved
    .split("\n")
    .filter((line) => line.startsWith("-A ") && !/ DOCKER_(?:OUTPUT|POSTROUTING)\b/.test(line));
  for (let before = -1; before !== rules.length; ) {
    before = rules.length;
    const filled = new Set(rules.map((rule) => rule.split(" ")[1]));
    rules = rules.filter((rule) => {
      const [, target] = / -j (ufw6?-\S+)$/.exec(rule) ?? [];
      return target === undefined || filled.has(target);
    });
  }
  const policies = saved.split("\n").filter((line) => /^:\S+ (?:DROP|REJECT)/.test(line));
  return [...policies.map((line) => line.replace(/ \[.*/, "")), ...rules].join("\n");
}

const pairs = (lines: string[]): string[] =>
  lines.flatMap((name, index) => (index % 2 === 0 ? [`${name} ${lines[index + 1] ?? ""}`] : []));

export interface Comparison {
  /** `mixed`: neither the host from before nor the planned one. */
  state: "old" | "new" | "mixed";
  /** What is neither old nor new, one line each. */
  differences: string[];
}

/**
 * Old is what was seen before, to the letter. New is what the transaction's list names, file by file, with nothing left to
 * plan and every check passed.
 */
export async function compare(host: LabHost, project: Project, before: Observed): Promise<Comparison> {
  const transaction = await onHost(host, "cat /var/lib/redkeep/txn/*/state 2>/dev/null || true");
  if (transaction !== "committed") {
    let now: Observed;
    try {
      now = await observe(host);
    } catch (error) {
      return { state: "mixed", differences: [transaction, (error as Error).message] };
    }
    const differences = (Object.keys(before) as (keyof Observed)[]).flatMap((name) => {
      const [was, is] = [before[name].split("\n"), now[name].split("\n")];
      return [
        ...was.filter((line) => !is.includes(line)).map((line) => `${name} - ${line}`),
        ...is.filter((line) => !was.includes(line)).map((line) => `${name} + ${line}`),
      ];
    });
    return { state: differences.length === 0 ? "old" : "mixed", differences };
  }
  project.writeInventory();
  const differences = [];
  const changed = await onHost(
    host,
    `cd /var/lib/redkeep/txn/* && while read -r n p o m; do
       now="$(stat -c '%U:%G %a' "$p") $(sha256sum <"$p" | cut -d ' ' -f 1)"
       case $p in /etc/ufw/*) continue;; esac
       [ "$now" = "$(cat "new/$n.signature")" ] || echo "$p $now"
     done <files`,
  );
  if (changed !== "") differences.push(...changed.split("\n"));
  const plan = await project.run("plan");
  if (plan.status !== 0) differences.push(plan.stdout);
  const verified = await project.run("verify");
  if (verified.status !== 0) differences.push(verified.stdout);
  return { state: differences.length === 0 ? "new" : "mixed", differences };
}

/** Over the way in that the host has: without a login, or as the administrator. */
async function evaluate(host: LabHost, project: Project, script: string, argument: number): Promise<string> {
  const reply = await host.redis("EVAL", script, "0", `${argument}`).catch(() => "NOAUTH");
  if (!/^(?:NOAUTH|NOPERM)/.test(reply)) return reply;
  return await project.asAdmin(host, `EVAL ${quote(script)} 0 ${argument}`);
}

/** How many of the preloaded keys hold their value. */
export async function keysOf(host: LabHost, project: Project, keys = KEYS): Promise<number> {
  const script = `local n = 0
    for i = 1, ARGV[1] do if redis.call('GET', 'app:' .. i) == 'value ' .. i then n = n + 1 end end
    return n`;
  return Number(await evaluate(host, project, script, keys));
}

/** Numbers without a key. After a reboot the numbers go on a million later. */
export async function missingWrites(host: LabHost, project: Project, last: number): Promise<number[]> {
  const script = `local missing = {}
    for _, first in ipairs({1, 1000001}) do
      for i = first, math.min(ARGV[1], first + 99999) do
        if redis.call('GET', 'app:write:' .. i) ~= tostring(i) then missing[#missing + 1] = i end
      end
    end
    return table.concat(missing, ' ')`;
  const reply = await evaluate(host, project, script, last);
  return reply.split(" ").filter(Boolean).map(Number);
}

/** @param at another address and port than those that the lab publishes */
export async function canLogIn(
  host: LabHost,
  at: { address: string; port: number } = { address: host.address, port: host.sshPort },
): Promise<boolean> {
  const options = [
    "BatchMode=yes",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "ControlPath=none",
  ];
  const args = [
    ...options.flatMap((option) => ["-o", option]),
    ...["-i", labKey, "-p", `${at.port}`, `root@${at.address}`, "true"],
  ];
  return await new Promise((done) => {
    execFile("ssh", args, { timeout: 20_000 }, (error) => done(error === null));
  });
}

/** Looks for every password and private key of the run in journals, logs and what the controller printed and recorded. */
export async function secretsIn(host: LabHost, project: Project, output: string): Promise<string[]> {
  const { passwords, servers } = load(readFileSync(project.path(".redkeep/secrets.yml"), "utf8")) as {
    passwords: Record<string, string>;
    servers?: Record<string, { key: string }>;
  };
  const own = Object.entries(servers ?? {}).flatMap(([user, { key }]) => [key, project.password(user, host)]);
  const key = readFileSync(project.path(".redkeep/pki/ca.key"), "utf8").split("\n")[1] ?? "";
  const markers = [project.appPassword, ...Object.values(passwords), ...own, key].filter(Boolean);
  const forms = markers.flatMap((marker) => [
    marker,
    Buffer.from(marker).toString("base64").replace(/=+$/, ""),
  ]);
  const found = await onHost(
    host,
    `cat >/tmp/markers
     journalctl --no-pager -o verbose 2>/dev/null | grep -qFf /tmp/markers && echo journal
     grep -rlFf /tmp/markers /var/log /run/log /var/lib/redkeep/txn/*/journal /var/lib/redkeep/txn/*/log 2>/dev/null
     rm /tmp/markers`,
    forms.join("\n"),
  );
  const records = readdirSync(project.dir).filter((name) => name.endsWith(".json"));
  const texts = [output, ...records.map((name) => readFileSync(project.path(name), "utf8"))];
  const told = forms.some((form) => texts.some((text) => text.includes(form)));
  return [...found.split("\n").filter(Boolean), ...(told ? ["controller"] : [])];
}

export const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
