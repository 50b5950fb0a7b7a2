import { createPrivateKey, X509Certificate } from "node:crypto";
import { ownPassword, ServerLogin } from "../facts/server-login.ts";
import type { Inventory } from "../inventory/inventory.ts";
import { ServerNames } from "../inventory/server-names.ts";
import { attempt } from "../lib/attempt.ts";
import { InputError, type Place } from "../lib/errors.ts";
import type { Secret } from "../lib/secret.ts";
import { readSecretSource, type SecretSource, type SecretSourceOptions } from "../lib/secret-source.ts";
import { createAuthority, readAuthority } from "../pki/authority.ts";
import { authorityProblem } from "../pki/certificate.ts";
import type { KeyPair } from "../pki/issue.ts";
import type { HostTasks } from "../playbook/host-tasks.ts";
import type { HostStatus } from "../record/statuses.ts";
import { hashPassword } from "../redis/acl-user.ts";
import type { Controller, PasswordOrigin } from "../state/controller.ts";
import type { State } from "../state/state.ts";
import type { AclParams } from "../tasks/acl/parameters.ts";
import type { HostTask } from "../tasks/task.ts";
import { paramsOf } from "../tasks/task.ts";
import type { TlsParams } from "../tasks/tls/parameters.ts";
import { openerOf, type Vault } from "../vault/vault.ts";

/** The secrets of one host's tasks that exist so far. */
export interface HostSecrets extends Controller {
  ca: KeyPair | undefined;
  /** How redkeep logs in to this server; undefined where no password is there yet. */
  login: ServerLogin | undefined;
  /** This server's logins from before its password was made anew, the last one first: it may have one of them still. */
  earlier: readonly ServerLogin[];
  /** The login of all servers from an earlier version, where the state still has it. */
  shared: SharedLogin | undefined;
  /** The name that this server's own passwords are made for. */
  server: string;
  /** What apply has to make before it can touch the host. */
  missing: { passwords: string[]; serverKeys: string[]; ca: boolean };
}

/** A login that opened all servers, until each got one of its own. */
interface SharedLogin {
  login: ServerLogin;
  /** This server has its own password. */
  isReplaced: boolean;
  /** The transaction that gave it, where this state saw that: to put it back takes the shared login once more. */
  replacedIn: string | undefined;
}

/** Whether apply has to make some of them before it can touch the host. */
export function lacksSecrets({ missing: { passwords, serverKeys, ca } }: HostSecrets): boolean {
  return passwords.length > 0 || serverKeys.length > 0 || ca;
}

/** How one host ended, as far as its passwords follow from it. */
interface EndedHost {
  outcome: { status: HostStatus };
  transaction: string | undefined;
  observation: { secrets: HostSecrets; login: ServerLogin | undefined; tasks: HostTasks } | undefined;
}

/** The user whom redkeep logs in as: of the acl task, also where the tags leave that out. */
export function adminOf({
  tasks,
  login,
}: {
  tasks: readonly HostTask[];
  login?: HostTask | undefined;
}): AclParams["users"][number] | undefined {
  return paramsOf([login, ...tasks]).acl?.users.find(({ preset }) => preset === "admin");
}

/** Reads what the selected tasks name, and makes what is missing, once for all hosts. */
export class Secrets {
  readonly #state: State;
  readonly #inventory: Inventory;
  readonly #names: ServerNames;
  readonly #rotate: ReadonlySet<string>;
  readonly #options: SecretSourceOptions;
  #rotated = new Set<string>();
  /** The CA that each host's tasks name, read once: it is the same for most. */
  #authorities = new Map<string, Promise<KeyPair | undefined>>();
  /** The servers of the inventory and of the state by their own passwords' hashes, by user. */
  #owners = new Map<string, ReadonlyMap<string, string>>();

  constructor(
    state: State,
    inventory: Inventory,
    {
      rotate,
      baseDir,
      env,
      vault,
    }: { rotate: ReadonlySet<string>; baseDir: string; env: NodeJS.ProcessEnv; vault: Vault },
  ) {
    this.#state = state;
    this.#inventory = inventory;
    this.#names = new ServerNames(inventory);
    this.#rotate = rotate;
    this.#options = { baseDir, env, cache: new Map(), openVault: openerOf(vault) };
  }

  /**
   * @param login the acl task of an administrator whom redkeep logs in as although the tags leave the task out.
   * @throws InputError for a secret of these tasks that cannot be read: no host is touched then.
   */
  async of(host: string, tasks: readonly HostTask[], login?: HostTask): Promise<HostSecrets> {
    const server = this.#names.of(host);
    const admin = adminOf({ tasks, login });
    const passwords = new Map<string, Secret | undefined>();
    const serverKeys: string[] = [];
    let own: ServerLogin | undefined;
    for (const { definition, params, task, placeOf } of tasks) {
      for (const [index, [name, source]] of [...(definition.secrets?.(params) ?? [])].entries()) {
        if (name === admin?.name) {
          own = await this.#login(admin, server, () => placeOf(["users", index, "password"]), task, index);
          if (own === undefined) serverKeys.push(name);
          passwords.set(name, own?.password);
          continue;
        }
        const place = placeOf(["users", index, "password"]);
        const value =
          "generate" in source
            ? this.#generated(name)
            : await this.#read(source, place, `${task}.users[${index}].password`);
        passwords.set(name, value);
      }
    }
    const isListed = admin !== undefined && passwords.has(admin.name);
    own ??= isListed ? undefined : await this.#loginAlone(login, server);
    const tlsTask = tasks.find(({ task }) => task === "tls");
    const { tls } = paramsOf([tlsTask]);
    const ca = tls === undefined || tlsTask === undefined ? undefined : await this.#authority(tls, tlsTask);
    return {
      password: (name) => {
        const value = passwords.get(name);
        return value === undefined ? { missing: "generate" } : { value };
      },
      origin: (user, hash) =>
        user === admin?.name && "generate" in admin.password ? this.#origin(user, hash, server) : undefined,
      state: this.#state,
      rotate: this.#rotate,
      caCertificate: ca?.certificate,
      certificate:
        tls?.certificate && tlsTask
          ? await this.#pair(tls.certificate, "tls.certificate", tlsTask.placeOf(["certificate"]))
          : undefined,
      ca,
      login: own,
      earlier: this.#earlier(admin, server),
      shared: this.#shared(admin, server),
      server,
      missing: {
        passwords: [...passwords]
          .filter(([name, value]) => value === undefined && !serverKeys.includes(name))
          .map(([name]) => name),
        serverKeys,
        ca: tls !== undefined && ca === undefined,
      },
    };
  }

  /** How redkeep logs in as this user. Undefined where apply has to make the key first. */
  async #login(
    { name, password: source }: AclParams["users"][number],
    server: string,
    place: () => Place,
    task: string,
    index: number,
  ): Promise<ServerLogin | undefined> {
    if (!("generate" in source))
      return ServerLogin.operator(
        name,
        await this.#read(source, place(), `${task}.users[${index}].password`),
      );
    const key = this.#rotates(name) ? undefined : this.#state.serverKey(name)?.key;
    return key === undefined ? undefined : ServerLogin.own(name, key, server);
  }

  #earlier(admin: AclParams["users"][number] | undefined, server: string): ServerLogin[] {
    if (admin === undefined || !("generate" in admin.password)) return [];
    const stored = this.#state.serverKey(admin.name);
    if (stored === undefined) return [];
    const keys = this.#rotates(admin.name) ? [stored.key, ...stored.previous] : stored.previous;
    return keys.map((key) => ServerLogin.own(admin.name, key, server));
  }

  /** The same where the acl task was not selected: it only opens the door, so nothing that is wrong with it ends the run. */
  async #loginAlone(login: HostTask | undefined, server: string): Promise<ServerLogin | undefined> {
    const users = paramsOf([login]).acl?.users ?? [];
    const index = users.findIndex(({ preset }) => preset === "admin");
    const user = users[index];
    if (login === undefined || user === undefined) return undefined;
    try {
      return await this.#login(user, server, () => login.placeOf(["users"]), "acl", index);
    } catch (error) {
      if (error instanceof InputError) return undefined;
      throw error;
    }
  }

  #shared(admin: AclParams["users"][number] | undefined, server: string): HostSecrets["shared"] {
    const password =
      admin !== undefined && "generate" in admin.password ? this.#state.password(admin.name) : undefined;
    if (admin === undefined || password === undefined) return undefined;
    const key = this.#state.serverKey(admin.name);
    return {
      login: ServerLogin.shared(admin.name, password),
      isReplaced: key?.names.has(server) === true,
      replacedIn: key?.replacedIn.get(server),
    };
  }

  #origin(user: string, hash: string, server: string): PasswordOrigin | undefined {
    const shared = this.#state.password(user);
    if (shared !== undefined && hashPassword(shared) === hash) return { of: "all" };
    const key = this.#state.serverKey(user)?.key;
    // As on nearly every host: then nobody else's has to be worked out.
    if (key === undefined || hashPassword(ownPassword(key, user, server)) === hash) return undefined;
    const { previous = [] } = this.#state.serverKey(user) ?? {};
    if (previous.some((old) => hashPassword(ownPassword(old, user, server)) === hash))
      return { of: "earlier" };
    const name = this.#ownersOf(user).get(hash);
    return name === undefined ? undefined : { of: "server", name };
  }

  #ownersOf(user: string): ReadonlyMap<string, string> {
    const stored = this.#state.serverKey(user);
    if (stored === undefined) return new Map();
    let owners = this.#owners.get(user);
    if (owners === undefined) {
      const names = new Set([...stored.names, ...this.#inventory.hosts.keys()]);
      owners = new Map([...names].map((name) => [hashPassword(ownPassword(stored.key, user, name)), name]));
      this.#owners.set(user, owners);
    }
    return owners;
  }

  /** Makes and stores the missing secrets before any host gets one. */
  async make(missing: {
    passwords: Iterable<string>;
    serverKeys: Iterable<string>;
    ca: boolean;
  }): Promise<void> {
    for (const name of missing.passwords) {
      if (this.#rotate.has(name)) await this.#state.replacePassword(name);
      else await this.#state.generatePassword(name);
      this.#rotated.add(name);
    }
    for (const user of missing.serverKeys) {
      if (this.#rotate.has(user)) await this.#state.replaceServerKey(user);
      else await this.#state.generateServerKey(user);
      this.#rotated.add(user);
      this.#owners.delete(user);
    }
    if (missing.ca) {
      await createAuthority(this.#state, this.#rotate.has("ca"));
      this.#authorities.clear();
      this.#rotated.add("ca");
    }
  }

  /**
   * Notes in the state which servers have got their own password, and takes the shared one away once none has it.
   * @param isWhole whether these are all hosts of the playbook: only then is it known that none is left.
   */
  async noteOwn(hosts: readonly EndedHost[], isWhole: boolean): Promise<void> {
    const observations = hosts.map(({ outcome: { status }, observation }) =>
      status === "changed" || status === "unchanged" ? observation : undefined,
    );
    const replacedIn = new Map(
      hosts.flatMap(({ outcome: { status }, observation, transaction }) => {
        const { shared, server = "" } = observation?.secrets ?? {};
        return status === "changed" && shared?.isReplaced === false && transaction !== undefined
          ? [[server, transaction] as const]
          : [];
      }),
    );
    const own = observations.flatMap((one) => (one?.login?.kind === "own" ? [one] : []));
    const byUser = Map.groupBy(own, ({ login }) => login?.user ?? "");
    for (const [user, servers] of byUser) {
      // As the run found the state: a rollback of the run that replaced the shared password has it for one more run.
      const isOver = isWhole && observations.every((one) => one?.secrets.shared?.isReplaced === true);
      const names = servers.map(({ secrets }) => secrets.server);
      await this.#state.noteServers(
        user,
        names,
        [],
        new Map([...replacedIn].filter(([name]) => names.includes(name))),
      );
      if (
        isOver &&
        servers.length === hosts.length &&
        !own.some(({ tasks }) => sharesPasswordOf(user, tasks))
      )
        await this.#state.forgetPassword(user);
    }
  }

  /** Notes that a server has the shared password again: a rollback brought it back. */
  async noteShared({ server, shared }: HostSecrets): Promise<void> {
    if (shared !== undefined) await this.#state.noteServers(shared.login.user, [], [server]);
  }

  #generated(name: string): Secret | undefined {
    return this.#rotates(name) ? undefined : this.#state.password(name);
  }

  /** `--rotate` counts as missing until this run has made the new value. */
  #rotates(name: string): boolean {
    return this.#rotate.has(name) && !this.#rotated.has(name);
  }

  #read(source: SecretSource, place: Place, key: string, multiline = false): Promise<Secret> {
    return readSecretSource(source, { ...this.#options, place, key, multiline });
  }

  #authority(tls: TlsParams, { placeOf }: HostTask): Promise<KeyPair | undefined> {
    const key = JSON.stringify(tls.ca);
    const known = this.#authorities.get(key) ?? this.#readAuthority(tls, placeOf(["ca"]));
    this.#authorities.set(key, known);
    return known;
  }

  async #readAuthority({ ca }: TlsParams, place: Place): Promise<KeyPair | undefined> {
    if (!("generate" in ca)) {
      const pair = await this.#pair(ca, "tls.ca", place);
      const problem = authorityProblem(pair.certificate, Date.now() / 1000);
      if (problem !== undefined) throw new InputError({ place, key: "tls.ca.cert", message: problem });
      return pair;
    }
    if (this.#rotate.has("ca") && !this.#rotated.has("ca")) return undefined;
    return await readAuthority(this.#state);
  }

  async #pair(
    { cert, key }: { cert: SecretSource; key: SecretSource },
    name: string,
    place: Place,
  ): Promise<KeyPair> {
    const certificate = (await this.#read(cert, place, `${name}.cert`, true)).reveal();
    const secret = await this.#read(key, place, `${name}.key`, true);
    const parsed = attempt(() => new X509Certificate(certificate));
    if (parsed === undefined)
      throw new InputError({ place, key: `${name}.cert`, message: "should be a certificate in PEM form" });
    const privateKey = attempt(() => createPrivateKey(secret.reveal()));
    if (privateKey === undefined)
      throw new InputError({
        place,
        key: `${name}.key`,
        message: "should be a private key in PEM form, without a passphrase",
      });
    if (!parsed.checkPrivateKey(privateKey))
      throw new InputError({ place, key: name, message: "the key does not belong to the certificate" });
    return { certificate, key: secret };
  }
}

/** Whether the user is one whom all servers share there, and not the one whom redkeep logs in as. */
function sharesPasswordOf(user: string, { tasks }: HostTasks): boolean {
  const { acl } = paramsOf(tasks);
  return adminOf({ tasks })?.name !== user && acl?.users.some(({ name }) => name === user) === true;
}
