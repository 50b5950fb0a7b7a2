import { createPrivateKey, X509Certificate } from "node:crypto";
import { InputError, type Place } from "../errors.ts";
import { createAuthority, readAuthority } from "../pki/authority.ts";
import { authorityProblem } from "../pki/certificate.ts";
import { issueClientCertificate, type KeyPair } from "../pki/openssl.ts";
import type { HostTask } from "../plan/build-plan.ts";
import type { Controller } from "../plan/controller.ts";
import type { Secret } from "../secret.ts";
import { readSecretSource, type SecretSource, type SecretSourceOptions } from "../secret-source.ts";
import type { State } from "../state.ts";
import type { AclParams } from "../tasks/acl.ts";
import type { TlsParams } from "../tasks/tls.ts";

/** The secrets of one host's tasks, as far as they are there. */
export interface HostSecrets extends Controller {
  ca: KeyPair | undefined;
  /** What apply has to make before it can touch the host. */
  missing: { passwords: string[]; ca: boolean };
}

/** The user whom redkeep logs in as: of the acl task, also where the tags leave that out. */
export function adminOf({
  tasks,
  login,
}: {
  tasks: readonly HostTask[];
  login?: HostTask | undefined;
}): AclParams["users"][number] | undefined {
  const acl = tasks.find(({ task }) => task === "acl") ?? login;
  return (acl?.params as AclParams | undefined)?.users.find(({ preset }) => preset === "admin");
}

/** Reads what the selected tasks name, and makes what is missing, once for all hosts. */
export class Secrets {
  readonly #state: State;
  readonly #rotate: ReadonlySet<string>;
  readonly #options: SecretSourceOptions;
  #rotated = new Set<string>();
  /** The CA that each host's tasks name, read once: it is the same for most. */
  #authorities = new Map<string, Promise<KeyPair | undefined>>();

  constructor(state: State, rotate: ReadonlySet<string>, baseDir: string, env: NodeJS.ProcessEnv) {
    this.#state = state;
    this.#rotate = rotate;
    this.#options = { baseDir, env, cache: new Map() };
  }

  /**
   * @param login the acl task of an administrator whom redkeep logs in as although the tags leave the task out.
   * @throws InputError for a secret of these tasks that cannot be read: no host is touched then.
   */
  async of(tasks: readonly HostTask[], login?: HostTask): Promise<HostSecrets> {
    const passwords = new Map<string, Secret | undefined>();
    for (const { definition, params, task, placeOf } of tasks) {
      for (const [index, [name, source]] of [...(definition.secrets?.(params) ?? [])].entries()) {
        const place = placeOf(["users", index, "password"]);
        const value =
          "generate" in source
            ? this.#generated(name)
            : await this.#read(source, place, `${task}.users[${index}].password`);
        passwords.set(name, value);
      }
    }
    const known = new Map([...passwords, ...(await this.#passwordOf(login))]);
    const tlsTask = tasks.find(({ task }) => task === "tls");
    const tls = tlsTask?.params as TlsParams | undefined;
    const ca = tls === undefined || tlsTask === undefined ? undefined : await this.#authority(tls, tlsTask);
    return {
      password: (name) => {
        const value = known.get(name);
        return value === undefined ? { missing: "generate" } : { value };
      },
      rotate: this.#rotate,
      caCertificate: ca?.certificate,
      certificate:
        tls?.certificate && tlsTask
          ? await this.#pair(tls.certificate, "tls.certificate", tlsTask.placeOf(["certificate"]))
          : undefined,
      ca,
      missing: {
        passwords: [...passwords].filter(([, value]) => value === undefined).map(([name]) => name),
        ca: tls !== undefined && ca === undefined,
      },
    };
  }

  /** The administrator's password, as far as it is there: it only opens the door, so nothing is made for it. */
  async #passwordOf(login: HostTask | undefined): Promise<[string, Secret][]> {
    const user = adminOf({ tasks: [], login });
    if (login === undefined || user === undefined) return [];
    const { name, password: source } = user;
    try {
      const value =
        "generate" in source
          ? this.#state.password(name)
          : await this.#read(source, login.placeOf(["users"]), `acl.users.${name}.password`);
      return value === undefined ? [] : [[name, value]];
    } catch (error) {
      if (error instanceof InputError) return [];
      throw error;
    }
  }

  /** Makes and stores what is missing, before any host learns of it. */
  async make(missing: { passwords: Iterable<string>; ca: boolean }): Promise<void> {
    for (const name of missing.passwords) {
      if (this.#rotate.has(name)) await this.#state.replacePassword(name);
      else await this.#state.generatePassword(name);
      this.#rotated.add(name);
    }
    if (missing.ca) {
      await createAuthority(this.#state, this.#rotate.has("ca"));
      this.#authorities.clear();
      this.#rotated.add("ca");
    }
  }

  /** Client certificates that the playbook asks for and that are not there yet, or are of another CA. */
  async issueClients({ ca }: HostSecrets, { clients, valid_days }: TlsParams): Promise<void> {
    if (ca === undefined) return;
    const authority = new X509Certificate(ca.certificate);
    for (const name of clients) {
      const found = await this.#state.read(`pki/clients/${name}.crt`);
      if (found !== undefined && isCurrent(found, authority)) continue;
      const { certificate, key } = await issueClientCertificate(ca, name, valid_days);
      await this.#state.write(`pki/clients/${name}.key`, key.reveal());
      await this.#state.write(`pki/clients/${name}.crt`, certificate);
    }
  }

  /** `--rotate` counts as missing until this run has made the new value. */
  #generated(name: string): Secret | undefined {
    return this.#rotate.has(name) && !this.#rotated.has(name) ? undefined : this.#state.password(name);
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

/** Signed by this CA, and with a month left. */
function isCurrent(pem: string, ca: X509Certificate): boolean {
  const certificate = attempt(() => new X509Certificate(pem));
  return (
    certificate?.verify(ca.publicKey) === true &&
    certificate.validToDate.getTime() - Date.now() > 30 * 86_400_000
  );
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
