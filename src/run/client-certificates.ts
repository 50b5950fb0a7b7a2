import { Secret } from "../lib/secret.ts";
import {
  type ClientCondition,
  clientCondition,
  dayOf,
  endCondition,
  sameCertificate,
} from "../pki/certificate.ts";
import { issueClientCertificate } from "../pki/issue.ts";
import type { CertificateRecord, ChangeRecord, ControllerRecord, Impact } from "../record/record.ts";
import type { State } from "../state/state.ts";
import { type Check, check } from "../verify/controls.ts";
import type { Host } from "./host.ts";
import type { HostJob } from "./job.ts";
import type { Run } from "./run.ts";
import { rotationOf, type WantedClients, wantedClients } from "./wanted-clients.ts";

/*
 * The certificates of clients. They lie on the controller alone, so they are planned, issued and checked for the whole run, and
 * no host is touched for them.
 */

/** One client whom the playbook lists. */
interface Client {
  name: string;
  /** The host whose CA and parameters count for it: the first one that lists it and can have it issued. */
  job: HostJob;
  wanted: WantedClients;
  condition: ClientCondition;
  /** This apply issues a key and a certificate for it. */
  isPending: boolean;
}

/** What lies in the state for one client. */
interface ClientFiles {
  pem: string | undefined;
  key: Secret | undefined;
}

/** The certificates of all clients that the selected tls tasks of a run list. */
export class ClientCertificates {
  readonly #state: State;
  readonly #rotate: ReadonlySet<string>;
  #wanted: ReadonlyMap<Host, WantedClients>;
  #clients: Client[] = [];
  #files = new Map<string, ClientFiles>();
  /** Computed once for all hosts of a CA. */
  #conditions = new Map<string, ClientCondition>();
  /** As planned: a certificate stays in this list after it is issued. */
  #changes: ChangeRecord[] = [];
  #impact: Impact[] = [];
  #status: ControllerRecord["status"] = "unchanged";

  private constructor(state: State, rotate: ReadonlySet<string>, wanted: ReadonlyMap<Host, WantedClients>) {
    this.#state = state;
    this.#rotate = rotate;
    this.#wanted = wanted;
  }

  /** Reads the certificates of the state, once every host was observed. Unreachable hosts list their clients too. */
  static async of(
    { state, options: { rotate } }: Pick<Run, "state"> & { options: Pick<Run["options"], "rotate"> },
    hosts: readonly Host[],
  ): Promise<ClientCertificates> {
    const wanted = new Map<Host, WantedClients>();
    for (const host of hosts) {
      const found = host.clients ?? (await wantedUnasked(host.job));
      if (found !== undefined) wanted.set(host, found);
    }
    const all = new ClientCertificates(state, rotate, wanted);
    await all.#look();
    const pending = all.#clients.filter(({ isPending }) => isPending);
    all.#changes = pending.map((client) => all.#changeOf(client));
    all.#impact = [
      ...all.#cutOff(),
      ...all.#stranded(),
      ...pending.flatMap((client) => all.#remains(client)),
    ];
    if (pending.length > 0) all.#status = "would-change";
    return all;
  }

  get isPending(): boolean {
    return this.#status === "would-change";
  }

  /** Issues the pending certificates. The CA exists by now. */
  async issue(): Promise<void> {
    for (const client of this.#clients.filter(({ isPending }) => isPending)) await this.#issue(client);
    this.#status = "changed";
    const wanted = new Map<Host, WantedClients>();
    for (const [host, before] of this.#wanted) {
      const { ca, caCertificate } = await host.job.secrets([before.task]);
      wanted.set(host, { ...before, ca, makesCa: false, trusted: caCertificate ?? before.trusted });
    }
    this.#wanted = wanted;
    await this.#look();
  }

  /** Undefined where no selected task keeps certificates here. */
  record(): ControllerRecord | undefined {
    if (this.#wanted.size === 0) return undefined;
    return {
      state: this.#state.name,
      status: this.#status,
      changes: this.#changes,
      impact: this.#impact,
      certificates: [
        ...this.#authorities(),
        ...this.#clients.map(({ name, condition: { state, found, ends } }) => ({
          name: `client:${name}`,
          ends: ends?.toISOString() ?? null,
          state,
          found,
        })),
      ],
    };
  }

  /** The same for a look: what a plan would issue is no outcome of it, as with a host's own changes. */
  looked(): ControllerRecord | undefined {
    const record = this.record();
    return record && { ...record, status: "unchanged", changes: [], impact: [] };
  }

  /** Whether the clients of a host have certificates that it will take: of what lies here, and no more. */
  checkFor(host: Host): Check | undefined {
    const wanted = this.#wanted.get(host);
    if (wanted === undefined) return undefined;
    const { clients, renew_before_days } = wanted.tls;
    const stands = clients.map((name) => ({
      name,
      ...this.#conditionOf(name, wanted.trusted, renew_before_days),
    }));
    const isIn = (...states: ClientCondition["state"][]) =>
      stands.some(({ state }) => states.includes(state));
    return check(
      "RK-TLS-10",
      {
        expected: "each client's certificate is of this CA and its key, and has not ended",
        observed: observedOf(stands),
        source: `${this.#state.name}/pki/clients`,
        isAdvisory: true,
      },
      clients.length === 0
        ? { outcome: "skip" }
        : isIn("ended", "unusable")
          ? false
          : isIn("unknown")
            ? { outcome: "unknown" }
            : true,
    );
  }

  async #look(): Promise<void> {
    const chosen = new Map<string, [Host, WantedClients]>();
    for (const [host, wanted] of this.#wanted) {
      for (const name of wanted.tls.clients) {
        const known = chosen.get(name);
        const isBetter = known !== undefined && !canIssue(...known) && canIssue(host, wanted);
        if (known === undefined || isBetter) chosen.set(name, [host, wanted]);
      }
    }
    for (const name of chosen.keys()) this.#files.set(name, await this.#read(name));
    this.#conditions.clear();
    this.#clients = [...chosen].map(([name, [host, wanted]]) => {
      const { renew_before_days } = wanted.tls;
      const condition = this.#conditionOf(name, wanted.trusted, renew_before_days);
      const isPending = canIssue(host, wanted) && (wanted.makesCa || this.#needsIssue(name, condition));
      return { name, job: host.job, wanted, condition, isPending };
    });
  }

  async #read(name: string): Promise<ClientFiles> {
    const key = await this.#state.read(`pki/clients/${name}.key`);
    return {
      pem: await this.#state.read(`pki/clients/${name}.crt`),
      key: key === undefined ? undefined : new Secret(key),
    };
  }

  #conditionOf(name: string, ca: string | undefined, renewBeforeDays: number): ClientCondition {
    const id = JSON.stringify([name, ca, renewBeforeDays]);
    let condition = this.#conditions.get(id);
    if (condition === undefined) {
      const { pem, key } = this.#files.get(name) ?? { pem: undefined, key: undefined };
      condition = clientCondition({ pem, key: key?.reveal(), ca, epoch: Date.now() / 1000, renewBeforeDays });
      this.#conditions.set(id, condition);
    }
    return condition;
  }

  /** A certificate whose key was moved away may be in use elsewhere: keep it. */
  #needsIssue(name: string, { state }: ClientCondition): boolean {
    const isMissing = this.#files.get(name)?.pem === undefined;
    return isMissing || this.#rotate.has(rotationOf(name)) || ["ending", "ended", "unusable"].includes(state);
  }

  #changeOf({ name, wanted, condition }: Client): ChangeRecord {
    const { valid_days } = wanted.tls;
    const { found, ends } = condition;
    const isThere = this.#files.get(name)?.pem !== undefined;
    const until = ends === undefined ? "" : `valid until ${dayOf(ends)}`;
    return {
      address: `pki:${name}`,
      action: isThere ? "update" : "create",
      before: isThere ? found || until : null,
      after: `a new key and a certificate for ${valid_days} days`,
      restart: false,
    };
  }

  /** Who is refused where the CA itself is made anew: it is for what leaked, and waits for nobody. */
  #cutOff(): Impact[] {
    const hosts = [...this.#wanted].filter(
      ([{ outcome }, { makesCa }]) => makesCa && outcome.status === "would-change",
    );
    if (!this.#rotate.has("ca") || hosts.length === 0) return [];
    const detail =
      "--rotate ca: a changed host refuses each client until that has the new ca.crt and its new certificate; hosts left out of this run keep the old CA until their next apply";
    return [{ kind: "clients-need-new-certificates", detail }];
  }

  /** A client of two CAs: the state has one place for each name. */
  #stranded(): Impact[] {
    return this.#clients.flatMap(({ name, job, wanted }) => {
      const others = [...this.#wanted]
        .filter(
          ([, other]) =>
            other.tls.clients.includes(name) &&
            other.ca !== undefined &&
            wanted.ca !== undefined &&
            !sameCertificate(other.ca.certificate, wanted.ca.certificate),
        )
        .map(([host]) => host.job.host);
      const detail = `client ${name} is listed under two CAs, and the state has room for one certificate: it is of the CA of ${job.host}, and ${others.join(", ")} will refuse it. Take ${name} out of tls.clients there, or keep those hosts in a state of their own (--state)`;
      return others.length === 0 ? [] : [{ kind: "client-of-two-authorities", detail }];
    });
  }

  /** What a rotation leaves as it is. Redis reads no revocation list (redis/redis#11385): only the CA itself can be taken away. */
  #remains({ name, wanted, condition: { ends } }: Client): Impact[] {
    if (!this.#rotate.has(rotationOf(name)) || wanted.makesCa || ends === undefined) return [];
    if (ends.getTime() < Date.now()) return [];
    const generated = [...this.#wanted.values()].map(({ users }) => users.get(name));
    const password = this.#rotate.has(name)
      ? `the password of user ${name}, which this run makes anew`
      : generated.includes(true)
        ? `the password of user ${name}: where that may have leaked too, make it anew by --rotate ${name}`
        : generated.includes(false)
          ? `the password of user ${name}, which the playbook takes from elsewhere: where it may have leaked too, change it there and apply`
          : "the passwords of the users that it logs in as: change them too where they may have leaked";
    const bare = [...this.#wanted].filter(([, { logsInBy }]) => logsInBy !== undefined);
    const alone = bare.map(([{ job }, { logsInBy }]) => `${job.host} (${logsInBy})`).join(", ");
    const login = alone === "" ? "" : `. On ${alone} it may log in without any password`;
    return [
      {
        kind: "old-certificate-stays-valid",
        detail: `the old certificate of ${name} stays valid until ${dayOf(ends)} on every host that trusts this CA: Redis reads no revocation list. Beyond TLS its holder is stopped by ${password}${login}. Only a new CA makes it worthless (--rotate ca), and that takes new certificates for all clients at once`,
      },
    ];
  }

  async #issue({ name, job, wanted }: Client): Promise<void> {
    const { valid_days, renew_before_days } = wanted.tls;
    const { ca } = await job.secrets([wanted.task]);
    if (ca === undefined) return;
    await this.#state.exclusively(async () => {
      // Another run may have issued it meanwhile. A rotation replaces only what was seen before it.
      const before = this.#files.get(name);
      this.#files.set(name, await this.#read(name));
      this.#conditions.clear();
      const isOurs = this.#files.get(name)?.pem === before?.pem;
      const condition = this.#conditionOf(name, ca.certificate, renew_before_days);
      if (!isOurs && (condition.state === "valid" || condition.state === "unknown")) return;
      if (isOurs && !this.#needsIssue(name, condition)) return;
      const { certificate, key } = await issueClientCertificate(ca, name, valid_days);
      // If a run is killed between these two writes, the pair does not match, and the next run issues it again.
      await this.#state.write(`pki/clients/${name}.key`, key.reveal());
      await this.#state.write(`pki/clients/${name}.crt`, certificate);
    });
  }

  /** Those that sign, each once. */
  #authorities(): CertificateRecord[] {
    const found: CertificateRecord[] = [];
    const told = new Set<string>();
    for (const { ca, tls } of this.#wanted.values()) {
      if (ca === undefined || told.has(ca.certificate)) continue;
      told.add(ca.certificate);
      const { renew_before_days } = tls;
      const end = endCondition(ca.certificate, Date.now() / 1000, renew_before_days);
      if (end !== undefined)
        found.push({ name: "ca", ends: end.ends.toISOString(), state: end.state, found: "" });
    }
    return found;
  }
}

/** What the tls task of a host that was not asked lists; undefined where that takes the host's facts. */
async function wantedUnasked(job: HostJob): Promise<WantedClients | undefined> {
  const tasks = job.tasks();
  return wantedClients(tasks, await job.secrets(tasks.tasks));
}

/** Nobody accepts what an expired CA signs. A CA that was not made, since its host was refused, cannot sign. */
function canIssue({ outcome }: Host, { ca, makesCa }: WantedClients): boolean {
  if (ca !== undefined) return endCondition(ca.certificate, Date.now() / 1000, 0)?.state === "valid";
  return makesCa && outcome.status === "would-change";
}

/** The most that an observation names of one kind. */
const NAMED = 5;

function observedOf(clients: readonly (ClientCondition & { name: string })[]): string {
  if (clients.length === 0) return "tls.clients names nobody";
  const told = (["ended", "unusable", "unknown", "ending"] as const).flatMap((wanted) => {
    const those = clients.filter(({ state }) => state === wanted);
    const named = those.slice(0, NAMED).map(({ name, found }) => `${name} ${found}`);
    return those.length > NAMED
      ? [...named, `${those.length - NAMED} more like ${those[NAMED - 1]?.name}`]
      : named;
  });
  const valid = clients.filter(({ state }) => state === "valid").flatMap(({ ends }) => ends ?? []);
  const first = valid.toSorted((a, b) => a.getTime() - b.getTime())[0];
  const rest =
    first === undefined
      ? []
      : [
          `${told.length === 0 ? `all ${valid.length}` : `${valid.length} more`} valid, the first until ${dayOf(first)}`,
        ];
  return [...told, ...rest].join("; ");
}
