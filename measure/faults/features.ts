/**
 * What each safety feature is there for: a fault that redkeep survives, and that a redkeep without the feature does not.
 * A test that cannot tell the two apart proves nothing.
 */
import { CUT_POWER, type HostOptions, type LabHost } from "../../test/integration/support/lab.ts";
import { onHost, residueOf } from "../../test/integration/support/observe.ts";
import { openProject, type Project } from "../../test/integration/support/project.ts";
import { startController, strikeAt } from "./case.ts";
import { canLogIn, compare, keysOf, type Observed, observe, prepareHost } from "./host.ts";
import { copyProduct, type Edit } from "./product.ts";

export interface Feature {
  name: string;
  /** The fault, in a user's words. */
  fault: string;
  /** Take it out. */
  edits: Edit[];
  /** In both redkeeps: the fault gets there sooner, or past what else would catch it. */
  alike?: Edit[];
  /** The host: Debian's Redis with keys, unless it says more. */
  host?: HostOptions;
  /** Applies while the fault happens. Returns what is wrong then, a line each. */
  strike(scene: Scene): Promise<string[]>;
}

interface Scene {
  host: LabHost;
  project: Project;
  before: Observed;
}

const KEYS = 1000;
const SHELL = "src/shell";
const APPLY = `${SHELL}/transaction/apply.sh`;
const COMPILE = "src/transaction/program.ts";
const CONF = "/etc/redis/redis.conf";
const STOP = "systemctl kill -s STOP 'redkeep-apply-*'";
const CONTINUE = "systemctl kill -s CONT 'redkeep-apply-*'";
const KILL = "systemctl kill -s KILL 'redkeep-apply-*'";

export const FEATURES: Feature[] = [
  {
    name: "the timer over the whole change",
    fault: "the transaction hangs for ever, and the laptop dies",
    edits: [{ file: APPLY, from: 'arm cap "$CAP" || fail arm', to: "true" }],
    // Longer than a busy host takes to get to the strike: that must not hit the way back.
    alike: [{ file: COMPILE, from: "return 120 + ", to: "return 30 + " }],
    strike: (scene) => abandon(scene, `file ${CONF}`, STOP, "wait"),
  },
  {
    name: "the timer of the confirm window",
    fault: "the laptop dies before it has confirmed the change",
    edits: [{ file: APPLY, from: 'arm win "$FIREWALL_WINDOW" || fail "arm window"', to: "true" }],
    alike: [
      { file: COMPILE, from: "FIREWALL_WINDOW = 45", to: "FIREWALL_WINDOW = 5" },
      { file: COMPILE, from: "return 120 +", to: "return 60 +" },
    ],
    strike: (scene) => abandon(scene, "restart redis-server.service", "true", "wait"),
  },
  {
    name: "the trap: ExecStopPost of the transaction's unit",
    fault: "the transaction is killed half way",
    edits: [
      {
        file: `${SHELL}/start.sh`,
        from: '-p "ExecStopPost=/bin/sh $d/transaction.sh rollback stop"',
        to: "",
      },
    ],
    strike: (scene) => abandon(scene, `file ${CONF}`, KILL, "end"),
  },
  {
    name: "fsync",
    fault: "power is cut half way",
    edits: [
      { file: `${SHELL}/transaction/journal.sh`, from: "\nnote() {", to: "\nsync() { :; }\nnote() {" },
      {
        file: `${SHELL}/transaction/files.sh`,
        from: "conv=nocreat,notrunc,fsync",
        to: "conv=nocreat,notrunc",
      },
    ],
    host: { disk: true, ready: "systemctl is-active -q ssh" },
    strike: async (scene) => {
      // As any other program that writes: the names get to the disk, the content of new files does not.
      const flush = "echo >/disk/other; sync /disk/other";
      await cutPower(scene, "daemon-reload", `${STOP}; ${flush}; ${CUT_POWER}`);
      return await wrongWith(scene, "wait");
    },
  },
  {
    name: "the recovery at boot",
    fault: "power is cut half way",
    edits: [{ file: APPLY, from: "install_recovery || fail recovery", to: "true" }],
    host: { ready: "systemctl is-active -q ssh" },
    strike: async (scene) => {
      await cutPower(scene, "daemon-reload", STOP);
      return await wrongWith(scene, "wait");
    },
  },
  {
    name: "the fingerprint of what the plan relied on",
    fault: "someone edits redis.conf between plan and change",
    edits: [{ file: APPLY, from: '[ "$signature" = "$s" ] || refuse "stale $p"', to: "true" }],
    strike: async ({ host, project }) => {
      // The transaction's folder is there before its first look at the files.
      const edited = onHost(
        host,
        `until ls /var/lib/redkeep/txn 2>/dev/null | grep -q .; do :; done; echo '${EDIT}' >>${CONF}`,
      );
      await project.run("apply", "--yes");
      await edited;
      return await editIn(host);
    },
  },
  {
    name: "the look for edits before a rollback",
    fault: "someone edits redis.conf while the change is made, and it fails",
    edits: [
      {
        file: `${SHELL}/transaction/rollback.sh`,
        from: '|| is_ours "$n" "$p" "$signature"; then continue; fi',
        to: "|| true; then continue; fi",
      },
    ],
    strike: async (scene) => {
      const edit = `${STOP}; echo '${EDIT}' >>${CONF}; ${KILL}`;
      await leave(scene, "file /etc/systemd/system/redis-server.service.d/redkeep.conf", edit);
      await untilNothingRuns(scene.host, "end");
      return await editIn(scene.host);
    },
  },
  {
    name: "the lock",
    fault: "two operators run redkeep at once",
    edits: [
      { file: APPLY, from: 'lock 0 || refuse "locked $(cat $root/lock)"', to: "true" },
      { file: APPLY, from: "if [ -L $root/pending ]; then refuse", to: "if false; then refuse" },
    ],
    // What the second sees before it plans: it is too late where both look at the same time.
    alike: [
      {
        file: "src/run/observe.ts",
        from: "if (transaction.pending === undefined) return undefined;",
        to: "if (transaction !== undefined) return undefined;",
      },
    ],
    strike: async ({ host, project }) => {
      const first = project.run("apply", "--yes");
      if (!(await strikeAt(host, "armed", STOP))) throw new Error((await first).stdout);
      const second = await project.run("apply", "--yes");
      await onHost(host, CONTINUE);
      const runs = [(await first).host("redis-01"), second.host("redis-01")];
      const residue = await residueOf(host);
      return [
        ...(runs[0]?.status === "changed" ? [] : [`the first run: ${told(runs[0])}`]),
        ...(runs[1]?.error?.where === "lock" ? [] : [`the second run: ${told(runs[1])}`]),
        ...(residue === "" ? [] : [`left behind: ${residue}`]),
      ];
    },
  },
  {
    name: "the new connection before a change is kept",
    fault: "nobody can log in any more",
    edits: [
      {
        file: "src/transaction/controller-side.ts",
        from: "fresh = await link.dial();",
        to: "fresh = before;",
      },
    ],
    strike: async ({ host, project, before }) => {
      const run = project.run("apply", "--yes");
      // Sessions live on, as they do behind a firewall that was closed.
      if (!(await strikeAt(host, "check", "systemctl stop ssh"))) throw new Error((await run).stdout);
      const { status } = (await run).host("redis-01");
      const locked = !(await canLogIn(host));
      await onHost(host, "systemctl start ssh");
      if (status === "changed" && locked) return ["the change is kept, and nobody can log in"];
      return await wrongWith({ host, project, before }, "wait");
    },
  },
  {
    name: "the guard persistence-differs",
    fault: "Redis keeps its keys in an AOF, of which redis.conf knows nothing",
    edits: [
      { file: "src/plan/restart.ts", from: "if (detail.length > 0) {", to: "if (detail.length < 0) {" },
    ],
    strike: async (scene) => {
      await scene.host.redis("FLUSHALL");
      await scene.host.redis("SAVE");
      await scene.host.redis("CONFIG", "SET", "save", "");
      await scene.host.redis("CONFIG", "SET", "appendonly", "yes");
      await scene.host.redis("EVAL", FILL, "0", `${KEYS}`);
      await scene.project.run("apply", "--yes");
      return await keysLost(scene);
    },
  },
  {
    name: "the guard maxmemory-below-used",
    fault: "maxmemory is set below what the keys take",
    edits: [{ file: "src/tasks/limits.ts", from: "bytes < used * 1.1", to: "bytes < 0" }],
    strike: async (scene) => {
      await scene.host.redis("CONFIG", "SET", "maxmemory-policy", "allkeys-random");
      await onHost(scene.host, `sed -i '$a maxmemory-policy allkeys-random' ${CONF}`);
      const playbook = scene.project.playbook("limits.yml", [
        { name: "limits", limits: { maxmemory: "1100kb", maxmemory_policy: "allkeys-random" } },
      ]);
      await scene.project.run("apply", playbook, "--yes");
      return await keysLost(scene);
    },
  },
  {
    name: "the guard other-ports",
    fault: "another service of the host would be cut off",
    edits: [
      { file: "src/tasks/firewall/other-ports.ts", from: "if (cut.length === 0) return;", to: "return;" },
    ],
    strike: async ({ host, project }) => {
      await onHost(
        host,
        "systemd-run -q --unit=shop python3 -m http.server 8080; until ss -Hltn 'sport = 8080' | grep -q .; do :; done",
      );
      await project.run("apply", "--yes");
      const rules = await onHost(host, "iptables -S");
      return rules.includes("-P INPUT DROP") && !rules.includes("--dport 8080 ")
        ? ["port 8080 is closed to its clients"]
        : [];
    },
  },
];

const FILL = "for i = 1, ARGV[1] do redis.call('SET', 'app:' .. i, 'value ' .. i) end";
const EDIT = "# edited by someone else";

/** What goes wrong with the redkeep as it is, and without the feature. */
export async function tryFeature(feature: Feature): Promise<{ whole: string[]; without: string[] }> {
  const run = async (edits: readonly Edit[]): Promise<string[]> => {
    using product = copyProduct([...(feature.alike ?? []), ...edits]);
    await using host = await prepareHost({ keys: KEYS, ...feature.host });
    using project = openProject({ "redis-01": host });
    project.product = product.dir;
    return await feature.strike({ host, project, before: await observe(host) });
  };
  const [whole, without] = await Promise.all([run([]), run(feature.edits)]);
  return { whole, without };
}

/** Applies, strikes at a line of the journal, and kills the controller. */
async function leave({ host, project }: Scene, boundary: string, command: string): Promise<void> {
  const controller = startController(project);
  const struck = await strikeAt(host, boundary, command);
  controller.signal("SIGKILL");
  await controller.ended;
  if (!struck) throw new Error(controller.output());
}

/** How a host that is alone comes to rest: at once, or when its timers have fired. */
type Rest = "end" | "wait";

async function abandon(scene: Scene, boundary: string, command: string, rest: Rest): Promise<string[]> {
  await leave(scene, boundary, command);
  return await wrongWith(scene, rest);
}

async function cutPower(scene: Scene, boundary: string, command: string): Promise<void> {
  await leave(scene, boundary, command);
  await scene.host.kill();
  await scene.host.restart();
}

/** One of several lines; rather none with a digest. */
function inShort(lines: readonly string[]): string {
  const plain = lines.filter((line) => !/[0-9a-f]{64}/.test(line));
  const [first = ""] = plain.length > 0 ? plain : lines;
  return `${first.replace(/\s+/g, " ").trim()}${lines.length > 1 ? `, and ${lines.length - 1} more` : ""}`;
}

/** What is neither old nor new once nothing can change it any more. */
async function wrongWith(scene: Scene, rest: Rest): Promise<string[]> {
  const { host, project, before } = scene;
  await untilNothingRuns(host, rest);
  const residue = await residueOf(host);
  const { state, differences } = await compare(host, project, before);
  return [
    ...(state === "mixed" ? [`the host is neither old nor new: ${inShort(differences)}`] : []),
    ...(residue === "" ? [] : [`nothing will bring it to rest: ${inShort(residue.split("\n"))}`]),
  ];
}

/** Exits 0 where a process of redkeep runs. A shell that starts a program waits in the kernel (D) until the child, stopped by then, has. */
const RUNS = `ps -eo pid=,ppid=,stat=,unit= | awk '
  $3 ~ /^T/ { stopped[$2] }
  $4 ~ /^redkeep-/ && $3 !~ /^[TZ]/ { state[$1] = $3 }
  END { for (pid in state) if (!(state[pid] ~ /^D/ && pid in stopped)) exit 0; exit 1 }'`;

/**
 * Until no process of redkeep runs, but for those that are stopped for ever or have ended under one that is, and no timer of
 * it waits, where `rest` says so. Throws after two minutes.
 */
async function untilNothingRuns(host: LabHost, rest: Rest): Promise<void> {
  const timers = "systemctl list-units --plain --no-legend --type=timer 'redkeep-*' | grep -q .";
  await onHost(
    host,
    `end=$(($(date +%s) + 120))
     while ${RUNS} || systemctl list-jobs | grep -qE ' (running|waiting)$' ${rest === "wait" ? `|| ${timers}` : ""}
     do [ "$(date +%s)" -lt $end ] || exit 1; sleep 0.1; done`,
  );
}

async function editIn(host: LabHost): Promise<string[]> {
  const config = await host.readFile(CONF);
  return config.includes(EDIT) ? [] : ["the edit is gone, and nobody was told"];
}

async function keysLost({ host, project }: Scene): Promise<string[]> {
  const lost = KEYS - (await keysOf(host, project, KEYS));
  return lost === 0 ? [] : [`${lost} of ${KEYS} keys lost`];
}

const told = (record: { status: string; error: { found: string } | null } | undefined): string =>
  `${record?.status}${record?.error ? `, ${record.error.found.split("\n")[0]}` : ""}`;
