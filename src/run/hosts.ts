import { BecomePasswords } from "../connection/become-passwords.ts";
import type { HostRecord } from "../record/record.ts";
import { type Host, newHost, recordOf } from "./host.ts";
import type { HostJob } from "./job.ts";

/** The hosts of a run, each with its newest value. Only here does a newer value replace an older one. */
export class Hosts {
  readonly #now: Map<HostJob, Host>;

  constructor(hosts: readonly Host[]) {
    this.#now = new Map(hosts.map((host) => [host.job, host]));
  }

  /** None of them was asked yet. */
  static notAsked(jobs: readonly HostJob[]): Hosts {
    const passwords = new BecomePasswords();
    return new Hosts(jobs.map((job) => newHost(job, passwords)));
  }

  of(job: HostJob): Host {
    const host = this.#now.get(job);
    if (host === undefined) throw new Error(`${job.host} is no host of this run`);
    return host;
  }

  put(...hosts: readonly Host[]): void {
    for (const host of hosts) this.#now.set(host.job, host);
  }

  all(): Host[] {
    return [...this.#now.values()];
  }

  records(): HostRecord[] {
    return this.all().map(recordOf);
  }
}
