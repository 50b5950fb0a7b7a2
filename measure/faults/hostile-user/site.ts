/**
 * Lab hosts for an attacker to work on. Each has one network and one address, so that a hardened one can be made once and
 * started from its image again and again, with the inventory and secrets that belong to it.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  type LabHost,
  type LabNetwork,
  startHost,
  startNetwork,
} from "../../../test/integration/support/lab.ts";
import { asSoonAs, onHost } from "../../../test/integration/support/observe.ts";
import { openProject, type Project } from "../../../test/integration/support/project.ts";
import type { Stage } from "./cases.ts";
import { violations } from "./judge.ts";

export const NAME = "redis-01";
const harden = readFileSync(join(import.meta.dirname, "../../../playbooks/harden.yml"), "utf8");

const HARDENED: readonly Stage[] = ["verify a hardened host", "apply to a hardened host", "rollback"];
/** These leave a host as it was: the next run of the same stage finds it put back. */
const SHARED: readonly Stage[] = ["plan", "verify", "verify a hardened host"];

const UP = "until redis-cli PING 2>&1 | grep -q -e PONG -e NOAUTH -e refused; do sleep 0.05; done";
/** What only root may read, and nobody else ever gets; and where the canary writes down who runs it. */
const PREPARE = `
  echo root-alone-reads-this >/root/secret; chmod 600 /root/secret
  install -d -m 777 /canary; : >/canary/runs; chmod 666 /canary/runs`;
const KEYS = "redis-cli MSET app:1 one app:2 two; redis-cli SAVE";
/** A second server that anybody may use, an open configuration and a firewall that is off: what verify has to see. */
const SECOND_SERVER = `
  systemd-run -q --unit=cache redis-server --port 7000 --bind 0.0.0.0 --protected-mode no --save '' --dir /tmp --daemonize no`;
const OPEN_STOCK = `
  sed -i -e 's/^bind .*/bind 0.0.0.0/' -e 's/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf
  chmod 644 /etc/redis/redis.conf; chmod 777 /var/lib/redis
  echo 'redis ALL=(ALL) NOPASSWD: /usr/bin/true' >/etc/sudoers.d/redis
  systemctl restart redis-server; ${UP}`;
const OPEN_HARDENED = `
  chmod 644 /etc/redis/redis.conf /etc/redis/tls/redkeep-server.key
  echo 'redis ALL=(ALL) NOPASSWD: /usr/bin/true' >/etc/sudoers.d/redis
  rm /etc/systemd/system/redis-server.service.d/redkeep.conf; ufw --force disable >/dev/null
  systemctl daemon-reload; systemctl restart redis-server; ${UP}`;

const KEPT = "/var/lib/redis /var/log/redis /etc/redis";
const KEEP = `tar -cpf /root/kept.tar ${KEPT} 2>/dev/null`;
/** Whatever the attacker has left: processes, files, a server that listens elsewhere. */
const PUT_BACK = `
  pkill -KILL -u redis; systemctl stop redis-server
  find ${KEPT} -mindepth 1 -delete; find /run/redis -mindepth 1 -delete
  tar -xpf /root/kept.tar -C /; : >/canary/runs
  systemctl reset-failed redis-server; systemctl start redis-server; ${UP}`;

/** A host, ready for one run. */
export interface Ready {
  host: LabHost;
  project: Project;
  /** Arguments of redkeep, without inventory and record. */
  args: string[];
  /** What verify says of it by root's own eyes while nobody disturbs it. */
  violated: readonly string[];
}

export class Site implements AsyncDisposable {
  readonly #network: LabNetwork;
  readonly #hosts: Record<string, LabHost> = {};
  readonly #stock: Project;
  readonly #hardened: Project;
  readonly #images: string[] = [];
  #image: string | undefined;
  #current: { stage: Stage; ready: Ready } | undefined;

  constructor(network: LabNetwork) {
    this.#network = network;
    this.#stock = openProject(this.#hosts);
    this.#hardened = openProject(this.#hosts);
    this.#hardened.write("playbooks/other.yml", harden.replace("maxmemory: 512mb", "maxmemory: 600mb"));
  }

  static async open(): Promise<Site> {
    return new Site(await startNetwork());
  }

  /** The host for a run: a fresh one, or that of the run before it, put back, where neither stage nor run changes it. */
  async ready(stage: Stage): Promise<Ready> {
    const last = this.#current;
    if (last?.stage === stage && SHARED.includes(stage)) {
      await onHost(last.ready.host, PUT_BACK);
      return last.ready;
    }
    await this.dropHost();
    const isHardened = HARDENED.includes(stage);
    if (isHardened) this.#image ??= await this.#harden();
    const project = isHardened ? this.#hardened : this.#stock;
    const host = await this.#start(project, isHardened ? this.#image : undefined);
    await onHost(host, PREPARE);
    if (!isHardened) await onHost(host, KEYS);
    let violated: readonly string[] = [];
    if (stage.startsWith("verify") || stage === "apply to a hardened host") {
      await onHost(host, isHardened ? OPEN_HARDENED : OPEN_STOCK);
      // apply would refuse to cut it off.
      if (stage.startsWith("verify")) await onHost(host, SECOND_SERVER);
    }
    if (stage.startsWith("verify")) {
      violated = violations((await project.run("verify")).host(NAME), isHardened ? [] : ["/etc/redis"]);
      if (violated.length < 4)
        throw new Error(`verify sees too little of an open host: ${violated.join(", ")}`);
    }
    await onHost(host, KEEP);
    const ready = { host, project, args: ARGUMENTS[stage], violated };
    this.#current = { stage, ready };
    return ready;
  }

  /** After a run that left something behind: the next one gets another host. */
  async dropHost(): Promise<void> {
    await this.#current?.ready.host[Symbol.asyncDispose]();
    this.#current = undefined;
  }

  async #start(project: Project, image?: string): Promise<LabHost> {
    const host = await startHost({ network: this.#network, ...(image === undefined ? {} : { image }) });
    this.#hosts[NAME] = host;
    project.writeInventory();
    await asSoonAs(host, "redis-cli PING 2>&1 | grep -q -e PONG -e NOAUTH -e refused", "true");
    return host;
  }

  async #harden(): Promise<string> {
    await using host = await this.#start(this.#hardened);
    await onHost(host, KEYS);
    const run = await this.#hardened.run("apply", "--yes");
    if (run.host(NAME).status !== "changed") throw new Error(`the host was not hardened: ${run.stdout}`);
    const { stdout } = await promisify(execFile)("docker", ["commit", host.id]);
    this.#images.push(stdout.trim());
    return stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dropHost();
    for (const image of this.#images) await promisify(execFile)("docker", ["rmi", "-f", image]);
    await this.#network[Symbol.asyncDispose]();
    this.#stock[Symbol.dispose]();
    this.#hardened[Symbol.dispose]();
  }
}

const ARGUMENTS: Record<Stage, string[]> = {
  plan: ["plan"],
  verify: ["verify"],
  "verify a hardened host": ["verify"],
  apply: ["apply", "--yes"],
  "apply to a hardened host": ["apply", "playbooks/other.yml", "--yes"],
  rollback: ["rollback", "--yes"],
  "recovery from a kill": ["apply", "--yes"],
  "recovery at boot": ["apply", "--yes"],
};
