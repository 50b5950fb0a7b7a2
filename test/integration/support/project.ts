/**
 * A folder as an operator has it: inventory, known_hosts and the passwords in the environment.
 *
 *     using project = openProject({ "redis-01": host });
 *     const { status, record } = await project.run("apply", "--yes");
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { dump, load } from "js-yaml";
import { ownPassword } from "../../../src/facts/server-login.ts";
import { Secret } from "../../../src/lib/secret.ts";
import type { HostRecord, RunRecord } from "../../../src/record/record.ts";
import { type Finished, type LabHost, type RunOptions, redkeep, writeInventory } from "./lab.ts";

export interface ProjectRun extends Finished {
  record: RunRecord;
  /** The record of one host. Throws where there is none. */
  host(name: string): HostRecord;
}

export class Project implements Disposable {
  readonly dir: string;
  readonly appPassword = "app-password-of-the-tests";
  /** The folder of another redkeep's sources, where that runs here instead of the tested one. */
  product: string | undefined;
  readonly #hosts: Record<string, LabHost>;
  readonly #vars: Record<string, unknown>;
  readonly #hostVars: Record<string, Record<string, unknown>>;
  #runs = 0;

  constructor(
    hosts: Record<string, LabHost>,
    vars: Record<string, unknown>,
    hostVars: Record<string, Record<string, unknown>>,
  ) {
    this.dir = mkdtempSync(join(tmpdir(), "redkeep-project-"));
    this.#hosts = hosts;
    this.#vars = vars;
    this.#hostVars = hostVars;
    this.writeInventory();
  }

  /** Anew after a host's restart, which gives it another SSH port. */
  writeInventory(): void {
    writeInventory(this.dir, this.#hosts, this.#vars, this.#hostVars);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  write(name: string, content: string): string {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), content);
    return name;
  }

  /** Writes a playbook of one play with these tasks, and returns its path. */
  playbook(name: string, tasks: Record<string, unknown>[], play: Record<string, unknown> = {}): string {
    const defaults = { private_ip: "", app_subnet: "" };
    return this.write(name, dump([{ name, hosts: "redis", become: true, defaults, ...play, tasks }]));
  }

  /** `redkeep COMMAND ARGS… -i inventory.yml`, with the run record. Throws where the run ended without one. */
  async run(command: "plan" | "apply" | "verify", ...args: string[]): Promise<ProjectRun> {
    return await this.runWith({}, command, ...args);
  }

  async runWith(
    options: RunOptions,
    command: "plan" | "apply" | "verify",
    ...args: string[]
  ): Promise<ProjectRun> {
    const json = this.path(`run-${++this.#runs}.json`);
    const finished = await redkeep([command, ...args, "-i", "inventory.yml", "--json", json], {
      cwd: this.dir,
      product: this.product,
      ...options,
      env: { APP_PASSWORD: this.appPassword, ...options.env },
    });
    const { record } = finished;
    if (record === undefined) {
      throw new Error(
        `redkeep ${command} ended with ${finished.status}: ${finished.stdout}${finished.stderr}`,
      );
    }
    const host = (name: string): HostRecord => {
      const found = record.hosts.find((entry) => entry.host === name);
      if (found === undefined) throw new Error(`no host ${name} in the record`);
      return found;
    };
    return { ...finished, record, host };
  }

  /** A password that redkeep generated: of the user on this host (default: the first one), where each has its own. */
  password(user: string, host?: LabHost): string {
    const { passwords, servers } = load(readFileSync(this.path(".redkeep/secrets.yml"), "utf8")) as {
      passwords: Record<string, string>;
      servers?: Record<string, { key: string }>;
    };
    const key = servers?.[user]?.key;
    const [name = ""] =
      Object.entries(this.#hosts).find(([, one]) => host === undefined || one === host) ?? [];
    const password = key === undefined ? passwords[user] : ownPassword(new Secret(key), user, name).reveal();
    if (password === undefined) throw new Error(`no password of ${user} was generated`);
    return password;
  }

  /** What Redis on a hardened host answers the administrator, over the Unix socket. */
  async asAdmin(host: LabHost, command: string): Promise<string> {
    const { stdout, stderr } = await host.sh(
      `read -r REDISCLI_AUTH; export REDISCLI_AUTH; redis-cli -s /run/redis/redis.sock --user admin ${command} 2>&1`,
      `${this.password("admin", host)}\n`,
    );
    return (stdout + stderr).trim();
  }

  /** The reply to a CONFIG command, under the name that only root can read. */
  async config(host: LabHost, command: string): Promise<string> {
    const name = await host.sh("sed -n 's/^rename-command CONFIG //p' /etc/redis/redis.conf | tr -d '\"'");
    return await this.asAdmin(host, `${name.stdout.trim() || "CONFIG"} ${command}`);
  }

  async configGet(host: LabHost, setting: string): Promise<string> {
    return (await this.config(host, `GET ${setting}`)).split("\n")[1] ?? "";
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/**
 * @param vars for the group; they replace the connection variables too
 * @param hostVars for single hosts, by name
 */
export function openProject(
  hosts: Record<string, LabHost>,
  vars: Record<string, unknown> = {},
  hostVars: Record<string, Record<string, unknown>> = {},
): Project {
  return new Project(hosts, vars, hostVars);
}

/** The changes of a run: `address action`, in their order. */
export function changesOf({ tasks }: HostRecord): string[] {
  return tasks.flatMap(({ changes }) => changes.map(({ address, action }) => `${address} ${action}`));
}

/** Checks that did not pass, in words: an empty list is the best message. */
export function notPassed({ checks }: HostRecord): string[] {
  return checks
    .filter(({ outcome }) => outcome === "fail" || outcome === "unknown")
    .map(
      ({ control, title, expected, observed }) =>
        `${control} ${title}: expected ${expected}, found ${observed}`,
    );
}
