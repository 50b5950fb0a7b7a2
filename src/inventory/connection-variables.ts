import { isIP } from "node:net";
import { dirname, resolve } from "node:path";
import type { ConnectionVariables, SshOptions } from "../connection/settings.ts";
import { InputError, type Place, type Problem } from "../lib/errors.ts";
import { Secret } from "../lib/secret.ts";
import { parseSecretSource, readSecretSource } from "../lib/secret-source.ts";
import type { Variable, Variables } from "./inventory.ts";
import { parseSshArguments } from "./ssh-arguments.ts";
import { refuseUnrendered } from "./unrendered.ts";

/** What the command line and the play say about connections; the inventory wins over both. */
export interface ConnectionDefaults {
  user?: string | undefined;
  privateKey?: string | undefined;
  password?: Secret | undefined;
  become?: boolean | undefined;
  becomePassword?: Secret | undefined;
  timeoutSeconds?: number | undefined;
  knownHosts?: string | undefined;
  play?: PlayConnection | undefined;
}

/** The play's keywords. */
export interface PlayConnection {
  /** Of the play, for messages. */
  place?: Place | undefined;
  port?: number | undefined;
  remoteUser?: string | undefined;
  become?: boolean | undefined;
  becomeMethod?: string | undefined;
  becomeUser?: string | undefined;
  connection?: string | undefined;
}

export interface SecretContext {
  /** Paths in messages are relative to this folder. */
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** Shared between hosts, so that a command which gives a password runs once. */
  cache?: Map<string, Promise<Secret>>;
}

/** The names of each setting, weakest to strongest: the stronger name wins wherever it is set. */
const NAMES = {
  address: ["ansible_host", "ansible_ssh_host"],
  port: ["ansible_port", "ansible_ssh_port"],
  user: ["ansible_user", "ansible_ssh_user"],
  privateKey: ["ansible_private_key_file", "ansible_ssh_private_key_file"],
  passphrase: ["ansible_ssh_passphrase"],
  password: ["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"],
  timeout: ["ansible_timeout", "ansible_ssh_timeout"],
  become: ["ansible_become"],
  becomeUser: ["ansible_become_user", "ansible_sudo_user"],
  becomeMethod: ["ansible_become_method"],
  becomePassword: ["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"],
  connection: ["ansible_connection"],
} as const;

/** These would change what runs on the host, or how it is reached, behind redkeep's back. */
const REFUSED = ["ansible_ssh_executable", "ansible_ssh_pkcs11_provider"];
const REFUSED_WITH_BECOME = [
  "ansible_become_exe",
  "ansible_become_flags",
  "ansible_sudo_exe",
  "ansible_sudo_flags",
];
const HOST_KEY_CHECKING = ["ansible_host_key_checking", "ansible_ssh_host_key_checking"];
const DEFAULT_TIMEOUT_SECONDS = 10;
/** One word that no program can mistake for an option. */
const USER_NAME = /^[^-\s\0][^\s\0]*$/;

/**
 * How to reach one host: from its variables (as `hostVariables` gives them), else from the play, else from the command line.
 * Passwords given as `{ env | file | command }` are read; a relative file counts from the inventory file that names it.
 *
 * @throws InputError listing everything that redkeep does not support, does not understand, or would have to render first.
 */
export async function connectionVariables(
  host: string,
  variables: Variables,
  defaults: ConnectionDefaults,
  context: SecretContext,
): Promise<ConnectionVariables> {
  const reader = new ConnectionReader(host, variables, context);
  const { play = {} } = defaults;
  reader.refuse(REFUSED);
  reader.checkHostKeyChecking();
  reader.checkConnection(play);
  reader.checkUser(play, defaults.user);

  const strong = reader.sshArguments(["ansible_ssh_args"]);
  const weak = reader.sshArguments(["ansible_ssh_common_args", "ansible_ssh_extra_args"]);
  const become = reader.boolean(NAMES.become) ?? play.become ?? defaults.become ?? false;
  if (become) {
    reader.refuse(REFUSED_WITH_BECOME);
    reader.checkBecome(play);
  }
  // For ssh the first of several values counts: ansible_ssh_args comes before the variables, the other arguments after them.
  const result: ConnectionVariables = {
    host,
    address: reader.address() ?? host,
    sshOptions: mergeOptions(strong, weak),
    timeoutSeconds:
      strong.connectTimeoutSeconds ??
      reader.seconds(NAMES.timeout) ??
      defaults.timeoutSeconds ??
      weak.connectTimeoutSeconds ??
      DEFAULT_TIMEOUT_SECONDS,
    become,
    ...defined({
      port: strong.port ?? reader.port() ?? play.port ?? weak.port,
      user: strong.user ?? reader.user() ?? play.remoteUser ?? defaults.user ?? weak.user,
      privateKeyFile: reader.path(NAMES.privateKey) ?? defaults.privateKey,
      privateKeyPassphrase: await reader.secret(NAMES.passphrase),
      password: (await reader.secret(NAMES.password)) ?? defaults.password,
      becomePassword: become
        ? ((await reader.secret(NAMES.becomePassword)) ?? defaults.becomePassword)
        : undefined,
      knownHostsFile: defaults.knownHosts,
    }),
  };
  reader.finish();
  return result;
}

/** Port, user and timeout are settled elsewhere. */
function mergeOptions(strong: SshOptions, weak: SshOptions): SshOptions {
  const identityFiles = [...(strong.identityFiles ?? []), ...(weak.identityFiles ?? [])];
  return defined({
    userKnownHostsFiles: strong.userKnownHostsFiles ?? weak.userKnownHostsFiles,
    strictHostKeyChecking: strong.strictHostKeyChecking ?? weak.strictHostKeyChecking,
    proxyJump: strong.proxyJump ?? weak.proxyJump,
    identityFiles: identityFiles.length > 0 ? identityFiles : undefined,
    identitiesOnly: strong.identitiesOnly ?? weak.identitiesOnly,
  });
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}

interface Setting {
  name: string;
  variable: Variable;
}

/** Reads the settings of one host and collects every problem, so that you see all of them at once. */
class ConnectionReader {
  readonly #host: string;
  readonly #variables: Variables;
  readonly #context: SecretContext;
  readonly #problems: Problem[] = [];

  constructor(host: string, variables: Variables, context: SecretContext) {
    this.#host = host;
    this.#variables = variables;
    this.#context = context;
  }

  finish(): void {
    if (this.#problems.length > 0) throw new InputError(this.#problems);
  }

  address(): string | undefined {
    return this.#read(NAMES.address, (value) => {
      const isAddress =
        typeof value === "string" &&
        (isIP(value) !== 0 || /^[\p{L}\p{N}_][\p{L}\p{N}_.-]{0,252}$/u.test(value));
      if (isAddress) return value;
      throw expected("a host name or an IP address", value);
    });
  }

  port(): number | undefined {
    return this.#read(NAMES.port, (value) => {
      const port = numberOf(value);
      if (port !== undefined && Number.isInteger(port) && port >= 1 && port <= 65535) return port;
      throw expected("a port number (1 to 65535)", value);
    });
  }

  user(): string | undefined {
    return this.#read(NAMES.user, (value) => {
      if (value === "") return undefined;
      if (typeof value === "string" && USER_NAME.test(value)) return value;
      throw expected("a user name", value);
    });
  }

  /** The user that the play and the command line name. */
  checkUser({ place, remoteUser }: PlayConnection, option: string | undefined): void {
    const given: [key: string, user: string | undefined, place: Place | undefined][] = [
      ["remote_user", remoteUser, place],
      ["--user", option, undefined],
    ];
    for (const [key, user, place] of given) {
      if (user === undefined || USER_NAME.test(user)) continue;
      this.#problems.push({ place, key, message: `expected a user name, found ${JSON.stringify(user)}` });
    }
  }

  path(names: readonly string[]): string | undefined {
    return this.#read(names, (value) => {
      if (value === "") return undefined;
      if (typeof value === "string" && !value.includes("\0")) return value;
      throw expected("a path", value);
    });
  }

  seconds(names: readonly string[]): number | undefined {
    return this.#read(names, (value) => {
      const seconds = numberOf(value);
      if (seconds !== undefined && seconds > 0 && seconds <= 86_400) return seconds;
      throw expected("seconds (more than 0)", value);
    });
  }

  boolean(names: readonly string[]): boolean | undefined {
    return this.#read(names, (value) => {
      const text = typeof value === "object" ? "" : String(value).toLowerCase();
      if (["true", "yes", "on", "y", "t", "1"].includes(text)) return true;
      if (["false", "no", "off", "n", "f", "0"].includes(text)) return false;
      throw expected("true or false", value);
    });
  }

  sshArguments(names: readonly string[]): SshOptions {
    const options: SshOptions[] = names.map(
      (name) =>
        this.#read([name], (value) => {
          if (typeof value !== "string") throw expected("ssh options as one text", value);
          return parseSshArguments(value, (message) => new InputError({ message }));
        }) ?? {},
    );
    const [first = {}, second = {}] = options;
    return { ...second, ...first, ...mergeOptions(first, second) };
  }

  async secret(names: readonly string[]): Promise<Secret | undefined> {
    const setting = this.#strongest(names);
    if (setting === undefined) return undefined;
    const { place, value } = setting.variable;
    try {
      refuseUnrendered(setting.variable, setting.name, this.#host);
      if (value === "") return undefined;
      if (typeof value === "string") {
        if (/[\0\r\n]/.test(value))
          throw new InputError({ message: "has a line break or a NUL in it, expected one line" });
        return new Secret(value);
      }
      const { digits } = setting.variable;
      if (digits !== undefined) return new Secret(digits);
      if (typeof value !== "object") {
        throw new InputError({
          message: `expected a text, found a ${typeof value}: quote it (YAML drops the zeros that a number starts with)`,
        });
      }
      const source = parseSecretSource(value);
      if (typeof source === "string") throw new InputError({ message: source });
      const { cwd, env, cache } = this.#context;
      const baseDir = place.line === undefined ? cwd : resolve(cwd, dirname(place.file));
      return await readSecretSource(source, { baseDir, env, place, key: this.#key(setting), cache });
    } catch (error) {
      this.#collect(error, setting);
      return undefined;
    }
  }

  /** Refuses to go on where one of `names` is set. */
  refuse(names: readonly string[]): void {
    for (const name of names) {
      this.#read([name], (value) => {
        if (value === "") return;
        throw new InputError({ message: "redkeep does not support this setting: remove it" });
      });
    }
  }

  checkHostKeyChecking(): void {
    for (const name of HOST_KEY_CHECKING) {
      if (this.boolean([name]) !== false) continue;
      const setting = this.#strongest([name]);
      this.#problems.push({
        place: setting?.variable.place,
        key: `${name} of ${this.#host}`,
        message:
          "would let anybody pose as the host; redkeep always checks host keys: remove it, or set " +
          'ansible_ssh_common_args to "-o StrictHostKeyChecking=accept-new"',
      });
    }
  }

  checkConnection(play: PlayConnection): void {
    this.#checkWord(
      NAMES.connection,
      play.connection,
      "connection",
      play,
      ["smart", "ssh", "ansible.builtin.ssh"],
      {
        expectation: "ssh: redkeep has no other connection",
      },
    );
  }

  checkBecome(play: PlayConnection): void {
    this.#checkWord(
      NAMES.becomeMethod,
      play.becomeMethod,
      "become_method",
      play,
      ["sudo", "ansible.builtin.sudo"],
      {
        expectation: "sudo: redkeep has no other way to become root",
      },
    );
    this.#checkWord(NAMES.becomeUser, play.becomeUser, "become_user", play, ["root"], {
      expectation: "root: redkeep's work needs it",
    });
  }

  #checkWord(
    names: readonly string[],
    keyword: string | undefined,
    keywordName: string,
    play: PlayConnection,
    allowed: readonly string[],
    { expectation }: { expectation: string },
  ): void {
    const isSet = this.#read(names, (value) => {
      if (typeof value === "string" && allowed.includes(value)) return true;
      throw expected(expectation, value);
    });
    // A wrong variable is already reported; right or wrong, it wins over the keyword.
    if (isSet || this.#strongest(names, false) || keyword === undefined || allowed.includes(keyword)) return;
    this.#problems.push({
      place: play.place,
      key: keywordName,
      message: `expected ${expectation}, found ${JSON.stringify(keyword)}`,
    });
  }

  #key({ name }: Setting): string {
    return `${name} of ${this.#host}`;
  }

  /** The parsed value of the strongest of `names`; undefined where none is set, or the value is a problem. */
  #read<T>(names: readonly string[], parse: (value: unknown) => T): T | undefined {
    const setting = this.#strongest(names);
    if (setting === undefined) return undefined;
    try {
      refuseUnrendered(setting.variable, setting.name, this.#host);
      return parse(setting.variable.value);
    } catch (error) {
      this.#collect(error, setting);
      return undefined;
    }
  }

  #collect(error: unknown, setting: Setting): void {
    if (!(error instanceof InputError)) throw error;
    for (const problem of error.problems) {
      this.#problems.push({ place: setting.variable.place, key: this.#key(setting), ...problem });
    }
  }

  /** The strongest name that is set and not null. Two with different values are a problem: nobody means both. */
  #strongest(names: readonly string[], report = true): Setting | undefined {
    const settings = names.flatMap((name): Setting[] => {
      const variable = this.#variables.get(name);
      return variable === undefined || variable.value === null ? [] : [{ name, variable }];
    });
    const strongest = settings.at(-1);
    if (strongest === undefined || !report) return strongest;
    const other = settings.find(
      ({ variable }) => JSON.stringify(variable.value) !== JSON.stringify(strongest.variable.value),
    );
    if (other !== undefined) {
      const { file, line } = other.variable.place;
      this.#problems.push({
        place: strongest.variable.place,
        key: this.#key(strongest),
        message: `differs from ${other.name} at ${line === undefined ? file : `${file}:${line}`}, which means the same: keep one`,
      });
    }
    return strongest;
  }
}

function expected(what: string, value: unknown): InputError {
  return new InputError({ message: `expected ${what}, found ${JSON.stringify(value)?.slice(0, 80)}` });
}

/** A number, also written as text; `22.0` is 22. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "string" && /^[0-9]{1,6}(?:\.[0-9]{1,6})?$/.test(value) ? Number(value) : undefined;
}
