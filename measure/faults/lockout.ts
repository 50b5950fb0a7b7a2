/**
 * One case of the lock-outs: a lab host whose sshd and firewall are as operators leave them, `redkeep apply`, and at the
 * end the question that counts: does a new SSH login work from everywhere it should, without anybody at the console?
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { RunRecord } from "../../src/record/record.ts";
import type { HostStatus } from "../../src/record/statuses.ts";
import {
  type LabHost,
  type LabNetwork,
  labKey,
  startHost,
  startNetwork,
} from "../../test/integration/support/lab.ts";
import { asSoonAs, fill, onHost } from "../../test/integration/support/observe.ts";
import { openProject, type Project } from "../../test/integration/support/project.ts";
import { untilAtRest } from "./host.ts";

const repository = join(import.meta.dirname, "../..");

/** Nobody may be shut out for longer, in seconds. */
export const BACK_WITHIN = 60;
const FEW_KEYS = 1000;

export type Vantage = "controller" | "ci";

export interface Situation {
  name: string;
  /**
   * Shell that makes the host what it is. `$HOST`, `$PEER` and `$CI` are the addresses of the host, of the controller as
   * the host sees it, and of the machine that CI comes from, in the family of the case.
   */
  prepare?: string;
  family?: 4 | 6;
  /** Where sshd listens; redkeep comes by the first. Default: 22. */
  ports?: readonly number[];
  /** redkeep comes through the CI machine as its jump host. */
  jump?: boolean;
  /** Parameters of the firewall task, and words of the command line. */
  firewall?: Record<string, unknown>;
  args?: readonly string[];
  /** Takes the SSH allowance and the look at the finished rules out of the product: the nets alone are left. */
  withoutAllowance?: boolean;
  /** Done on the host as soon as the journal has this line's beginning. */
  strike?: { at: string; delay?: number; command: string; kill?: "controller" };
  /** No probe meanwhile, which ufw's `limit` would count. */
  unprobed?: boolean;
  /** Who may log in afterwards. Default: both. */
  vantages?: readonly Vantage[];
  /** Default: any end that leaves the logins. */
  ends?: HostStatus;
  /** What redkeep has to say. */
  says?: RegExp;
}

export interface Outcome {
  name: string;
  /** Null where the controller was killed. */
  status: HostStatus | null;
  reason: string;
  /** From the first new connection that failed to the first that worked again; null where none failed. */
  secondsWithout: number | null;
  /** From the strike until the host had put itself back. */
  secondsToPutBack: number | null;
  problems: string[];
}

/** A network with IPv6, and the machine on it that CI comes from. */
export class Site implements AsyncDisposable {
  readonly network: LabNetwork;
  readonly ci: LabHost;
  readonly without: string;

  private constructor(network: LabNetwork, ci: LabHost, without: string) {
    this.network = network;
    this.ci = ci;
    this.without = without;
  }

  static async open(): Promise<Site> {
    const network = await startNetwork({ ipv6: true });
    const ci = await startHost({ network });
    await ci.writeFile("/root/key", readFileSync(labKey, "utf8"), "0600");
    return new Site(network, ci, productWithoutAllowance());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.without, { recursive: true, force: true });
    await this.ci[Symbol.asyncDispose]();
    await this.network[Symbol.asyncDispose]();
  }
}

/** The product with neither the rule for SSH nor the look whether the peer gets in: a bug that only the nets catch. */
function productWithoutAllowance(): string {
  const dir = mkdtempSync(join(tmpdir(), "redkeep-without-"));
  for (const name of ["src", "templates", "playbooks", "package.json"]) {
    cpSync(join(repository, name), join(dir, name), { recursive: true });
  }
  symlinkSync(join(repository, "node_modules"), join(dir, "node_modules"));
  const path = join(dir, "src/firewall/plan-firewall.ts");
  const broken = [
    ["    plan.openSsh();\n", ""],
    ["  const lockoutRisk = findLockout(", "  const lockoutRisk = true ? undefined : findLockout("],
  ].reduce(
    (text, [line = "", instead = ""]) => {
      if (!text.includes(line))
        throw new Error(`src/firewall/plan-firewall.ts has no line ${JSON.stringify(line)}`);
      return text.replace(line, instead);
    },
    readFileSync(path, "utf8"),
  );
  writeFileSync(path, broken);
  return dir;
}

export async function runLockout(site: Site, situation: Situation): Promise<Outcome> {
  const { family = 4, ports = [22], vantages = ["controller", "ci"], strike } = situation;
  await using host = await startHost({ network: site.network });
  await fill(host, "app", FEW_KEYS);
  const at = await addressesOf(host, site, family);
  await onHost(host, `HOST=${at.host} PEER=${at.peer} CI=${at.ci}\nset -e\n${situation.prepare ?? ""}`);
  const [port = 22] = ports;
  using project = projectFor(host, site, situation, at, port);
  const before = await firewallOf(host);

  const probe = strike === undefined || situation.unprobed ? undefined : new Probe(at.host, port);
  const run = startRun(project, situation, site);
  let struckAt: number | undefined;
  if (strike !== undefined) {
    const wait = `grep -qs ' ${strike.at}' /var/lib/redkeep/txn/*/journal`;
    const struck = asSoonAs(
      host,
      wait,
      `sleep ${strike.delay ?? 0}; cut -d' ' -f1 /proc/uptime; ${strike.command}`,
    );
    // A late strike may come when the run has ended.
    const tooLate = run.ended.then(() => setTimeout(1000 * ((strike.delay ?? 0) + 1), undefined));
    const first = await Promise.race([struck, tooLate]);
    struckAt = first === undefined ? undefined : Number(first.split("\n")[0]);
    if (struckAt !== undefined && strike.kill === "controller") run.kill();
  }
  await run.ended;
  const record = run.record()?.hosts[0];
  const residue = await untilAtRest(host, performance.now());

  // The question.
  const problems: string[] = [];
  for (const vantage of vantages) {
    for (const port of ports) {
      if (!(await logsInWithin(BACK_WITHIN, () => logIn(vantage, site, at.host, port)))) {
        problems.push(`no login from ${vantage} on port ${port}`);
      }
    }
  }
  const secondsWithout = (await probe?.stop()) ?? null;
  if (secondsWithout !== null && secondsWithout > BACK_WITHIN)
    problems.push(`${secondsWithout} s without a login`);

  const status = strike?.kill === "controller" && struckAt !== undefined ? null : (record?.status ?? null);
  const reason = record?.error?.found ?? "";
  if (record === undefined && status === null && strike?.kill === undefined)
    problems.push(`no record: ${run.output()}`);
  if (
    situation.ends === undefined &&
    status !== null &&
    ["failed", "unknown", "unreachable"].includes(status)
  )
    problems.push(`${status}: ${reason}`);
  if (strike !== undefined && struckAt === undefined)
    problems.push(`never came to "${strike.at}": ${run.output()}`);
  if (situation.ends !== undefined && status !== situation.ends) {
    problems.push(`${status ?? "killed"} instead of ${situation.ends}: ${reason || run.output()}`);
  }
  if (situation.says !== undefined && !situation.says.test(run.output())) {
    problems.push(`does not say ${situation.says}: ${run.output()}`);
  }
  if (status !== "changed" && status !== "unchanged") {
    const after = await firewallOf(host);
    if (after !== before) problems.push(`not as it was:\n${before}\nbut\n${after}`);
  }
  if (residue !== "") problems.push(`left behind: ${residue}`);
  const keys = await host.redis("DBSIZE");
  if (keys !== String(FEW_KEYS)) problems.push(`${keys} keys instead of ${FEW_KEYS}`);
  const putBackAt = await onHost(
    host,
    "sed -n 's/ rolled_back$//p' /var/lib/redkeep/txn/*/journal 2>/dev/null || true",
  );
  return {
    name: situation.name,
    status,
    reason,
    secondsWithout,
    secondsToPutBack: struckAt === undefined || putBackAt === "" ? null : round(Number(putBackAt) - struckAt),
    problems,
  };
}

const round = (seconds: number): number => Number(seconds.toFixed(1));

interface Addresses {
  host: string;
  peer: string;
  ci: string;
}

async function addressesOf(host: LabHost, { network, ci }: Site, family: 4 | 6): Promise<Addresses> {
  if (family === 4) return { host: host.ip, peer: network.gateway, ci: ci.ip };
  return { host: await ipv6Of(host), peer: network.gateway6, ci: await ipv6Of(ci) };
}

async function ipv6Of(host: LabHost): Promise<string> {
  return await onHost(host, "ip -o -6 addr show scope global | sed 's/.*inet6 //; s,/.*,,'");
}

function projectFor(
  host: LabHost,
  site: Site,
  { jump = false, firewall = {} }: Situation,
  at: Addresses,
  port: number,
): Project {
  const project = openProject(
    { "redis-01": host },
    {
      ansible_ssh_common_args: `-o UserKnownHostsFile=known${jump ? ` -o ProxyJump=root@${site.ci.ip}` : ""}`,
    },
    { "redis-01": { ansible_host: at.host, ansible_port: port } },
  );
  const name = port === 22 ? at.host : `[${at.host}]:${port}`;
  project.write("known", `${name} ${host.hostKey}\n${site.ci.ip} ${site.ci.hostKey}\n`);
  const allow = [host.subnet, site.network.subnet6];
  project.playbook("playbooks/harden.yml", [{ firewall: { allow, ...firewall } }]);
  return project;
}

/** What ufw and the kernel have. A disabled ufw leaves jumps into chains of its own that are empty. */
async function firewallOf(host: LabHost): Promise<string> {
  return await onHost(
    host,
    `cat /etc/ufw/user.rules /etc/ufw/user6.rules /etc/ufw/ufw.conf /etc/default/ufw | sha256sum
     ufw status verbose
     for family in iptables ip6tables; do
       $family-save | grep -E '^(:[A-Z]+ DROP|-A (INPUT|FORWARD|PREROUTING) )' | grep -v -e '-j ufw' | sed 's/ \\[.*//'
     done; true`,
  );
}

function startRun(project: Project, { args = [], withoutAllowance = false }: Situation, site: Site) {
  const product = withoutAllowance ? site.without : repository;
  const child = spawn(
    join(repository, "node_modules/.bin/node"),
    [join(product, "src/cli.ts"), "apply", "--yes", "-i", "inventory.yml", "--json", "run.json", ...args],
    { cwd: project.dir, env: { ...process.env, NO_COLOR: "1", APP_PASSWORD: project.appPassword } },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  child.stdin.end();
  return {
    ended: once(child, "close"),
    output: () => output,
    kill: () => child.kill("SIGKILL"),
    record(): RunRecord | undefined {
      try {
        return JSON.parse(readFileSync(project.path("run.json"), "utf8")) as RunRecord;
      } catch {
        return undefined;
      }
    },
  };
}

const OPTIONS = [
  "BatchMode=yes",
  "StrictHostKeyChecking=no",
  "UserKnownHostsFile=/dev/null",
  "ControlPath=none",
]
  .concat("ConnectTimeout=10")
  .flatMap((option) => ["-o", option]);

/** A new TCP connection, key exchange and login, as a person would do it. */
async function logIn(vantage: Vantage, { ci }: Site, address: string, port: number): Promise<boolean> {
  const words = (key: string) => [...OPTIONS, "-i", key, "-p", `${port}`, `root@${address}`, "true"];
  if (vantage === "ci") {
    const { status } = await ci.sh(["ssh", ...words("/root/key")].join(" "));
    return status === 0;
  }
  return await new Promise((done) => {
    execFile("ssh", words(labKey), { timeout: 20_000 }, (error) => done(error === null));
  });
}

async function logsInWithin(seconds: number, attempt: () => Promise<boolean>): Promise<boolean> {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    if (await attempt()) return true;
    if (performance.now() > until) return false;
    await setTimeout(1000);
  }
}

/** Asks a port for its SSH banner over new connections, four times a second. */
class Probe {
  readonly #address: string;
  readonly #port: number;
  readonly #stop = new AbortController();
  readonly #done: Promise<number | null>;

  constructor(address: string, port: number) {
    this.#address = address;
    this.#port = port;
    this.#done = this.#watch();
  }

  /** The longest time in which no new connection got a banner, in seconds; null where each one did. */
  async stop(): Promise<number | null> {
    this.#stop.abort();
    return await this.#done;
  }

  async #watch(): Promise<number | null> {
    let longest: number | null = null;
    let since: number | undefined;
    while (!this.#stop.signal.aborted) {
      const start = performance.now();
      const answered = await this.#ask();
      if (!answered) since ??= start;
      else if (since !== undefined) {
        longest = Math.max(longest ?? 0, round((performance.now() - since) / 1000));
        since = undefined;
      }
      await setTimeout(250);
    }
    return longest;
  }

  async #ask(): Promise<boolean> {
    return await new Promise((done) => {
      const socket = connect({ host: this.#address, port: this.#port, timeout: 2000 });
      const end = (answered: boolean) => (): void => {
        socket.destroy();
        done(answered);
      };
      socket.on("data", end(true)).on("timeout", end(false)).on("error", end(false)).on("close", end(false));
    });
  }
}
