import { isIP } from "node:net";
import { dirname, resolve } from "node:path";
import { type SshOptions, TRANSPORTS, type WantedTransport } from "../connection/settings.ts";
import { InputError, type Place, type Problem } from "../lib/errors.ts";
import { readsAsWord, Secret } from "../lib/secret.ts";
import { parseSecretSource, readSecretSource } from "../lib/secret-source.ts";
import {
  type ConfigSetting,
  type ConnectionDefaults,
  CONNECTION_NAMES as NAMES,
  type SecretContext,
} from "./connection-settings.ts";
import type { Variables } from "./inventory.ts";
import { OWN_VARIABLES } from "./own-variables.ts";
import { OMIT, Rendering } from "./rendering.ts";
import { mergeSshOptions, parseSshArguments, WAY_OUT } from "./ssh-arguments.ts";
import type { Variable } from "./variable.ts";

/** Options whose value this machine runs or loads. */
const RUNS_CODE = ["ProxyCommand", "PKCS11Provider", "SecurityKeyProvider"];
const HOST_KEY_CHECKING = ["ansible_host_key_checking", "ansible_ssh_host_key_checking"];
/** One word that no program can mistake for an option. */
const USER_NAME = /^[^-\s\0][^\s\0]*$/;

interface Setting {
  name: string;
  /** Rendered. */
  value: unknown;
  place: Place;
}

/** Reads the settings of one host and collects every problem, so that you see all of them at once. */
export class ConnectionReader {
  readonly #host: string;
  readonly #variables: Variables;
  readonly #defaults: ConnectionDefaults;
  readonly #context: SecretContext;
  readonly #rendering: Rendering;
  readonly #problems: Problem[] = [];

  constructor(host: string, variables: Variables, defaults: ConnectionDefaults, context: SecretContext) {
    this.#host = host;
    this.#variables = variables;
    this.#defaults = defaults;
    this.#context = context;
    this.#rendering = new Rendering(host, variables, context.inventory);
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

  transport(): WantedTransport | undefined {
    return this.#read([OWN_VARIABLES.transport], (value) => {
      const transport = TRANSPORTS.find((name) => name === value);
      if (transport !== undefined) return transport;
      throw expected("auto, ssh2 or openssh", value);
    });
  }

  port(): number | undefined {
    return this.#read(NAMES.port, portOf);
  }

  user(): string | undefined {
    return this.#read(NAMES.user, (value) => {
      if (value === "") return undefined;
      if (typeof value === "string" && USER_NAME.test(value)) return value;
      throw expected("a user name", value);
    });
  }

  /** The user that the play and the command line name. */
  checkUser(): void {
    const { play, user: option } = this.#defaults;
    const given: [key: string, user: string | undefined, place: Place | undefined][] = [
      ["remote_user", play?.remoteUser, play?.place],
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

  /** The arguments in the variables, else in ansible.cfg. Those of the first of `names` come first, as ssh wants them. */
  sshArguments(names: readonly string[]): SshOptions {
    const { hostKeys } = this.#defaults;
    const fail = (message: string) => new InputError({ message });
    const options = names.map((name) =>
      this.#read([name], (value) => {
        if (typeof value !== "string") throw expected("ssh options as one text", value);
        const parsed = parseSshArguments(value, fail, hostKeys);
        if (this.#isInventorys(name)) this.#refuseCode(parsed);
        // The reason for a transport names each option by itself.
        if (this.#rendering.fromVault)
          for (const [, option] of parsed.others ?? []) if (!readsAsWord(option)) new Secret(option);
        return parsed;
      }),
    );
    const [first = {}, second = {}] = options;
    return { ...second, ...first, ...mergeSshOptions(first, second) };
  }

  /** The library for keys on a smart card or token: only the system's ssh can log in with them. */
  withPkcs11(options: SshOptions): SshOptions {
    const provider = this.#read(["ansible_ssh_pkcs11_provider"], (value) => {
      if (typeof value !== "string" || /[\0\r\n]/.test(value))
        throw expected("the path of a PKCS#11 library", value);
      if (value !== "" && this.#isInventorys("ansible_ssh_pkcs11_provider"))
        this.#refuseCode({ others: [["PKCS11Provider", value]] });
      return value;
    });
    if (provider === undefined || provider === "") return options;
    return mergeSshOptions(
      { others: [["PKCS11Provider", provider]], needsOpenssh: "PKCS11Provider" },
      options,
    );
  }

  /** Whether the inventory set it, and neither ansible.cfg nor -e. */
  #isInventorys(name: string): boolean {
    return this.#isSet(name) && this.#context.inventory?.extraVars.has(name) !== true;
  }

  /**
   * Refuses what would let the inventory's writers run something on this machine, unless you allow it.
   * @throws InputError
   */
  #refuseCode({ configFile, others = [] }: SshOptions): void {
    if (this.#defaults.allowInventoryCommands === true) return;
    const [keyword] =
      others.find(([keyword, value]) => RUNS_CODE.includes(keyword) && !/^none$/i.test(value)) ?? [];
    const found = configFile === undefined ? keyword : "-F";
    if (found === undefined) return;
    throw new InputError({
      message: `${found} names a command, a library or another configuration of ssh, which runs on this machine. Where you trust whoever writes the inventory, give --allow-inventory-commands; else set it in ~/.ssh/config or ansible.cfg`,
    });
  }

  async secret(names: readonly string[]): Promise<Secret | undefined> {
    const setting = this.#strongest(names);
    if (setting === undefined) return undefined;
    const { place, value } = setting;
    try {
      if (value === "") return undefined;
      if (typeof value === "string") {
        if (/[\0\r\n]/.test(value))
          throw new InputError({ message: "has a line break or a NUL in it, expected one line" });
        return new Secret(value);
      }
      const node = this.#variables.get(setting.name)?.node;
      // As Ansible, which hands over the digits.
      if (typeof value === "number" && value >= 0 && node?.kind === "scalar" && node.isPlainInteger === true)
        return new Secret(String(value));
      if (typeof value !== "object") {
        throw new InputError({
          message: `expected a text, found a ${typeof value}: quote it (YAML drops the zeros that a number starts with)`,
        });
      }
      const source = parseSecretSource(value);
      if (typeof source === "string") throw new InputError({ message: source });
      const { cwd } = this.#context;
      const baseDir = place.line === undefined ? cwd : resolve(cwd, dirname(place.file));
      return await readSecretSource(source, { ...this.#context, baseDir, place, key: this.#key(setting) });
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
      if (this.boolean([name]) !== false || this.#defaults.hostKeys === "accept-new") continue;
      this.#problems.push({
        place: this.#variables.get(name)?.place,
        key: `${name} of ${this.#host}`,
        message:
          "would let anybody pose as the host; redkeep always checks host keys: remove it, or set " +
          `ansible_ssh_common_args to "-o StrictHostKeyChecking=accept-new"${WAY_OUT}`,
      });
    }
  }

  /** A program other than ssh would reach the host in a way that nobody has looked at. */
  checkExecutable(): void {
    this.#read(["ansible_ssh_executable"], (value) => {
      if (value === "" || (typeof value === "string" && ["ssh", "/usr/bin/ssh"].includes(value))) return;
      throw expected("ssh: where redkeep runs a program for SSH, it is the ssh in your PATH", value);
    });
  }

  checkConnection(): void {
    const keyword =
      this.#keyword("connection", this.#defaults.play?.connection) ?? this.#defaults.config?.connection;
    const expectation = "ssh: redkeep has no other connection";
    this.#checkWord(NAMES.connection, keyword, ["smart", "ssh", "ansible.builtin.ssh"], expectation);
  }

  checkBecome(): void {
    const { play, config } = this.#defaults;
    const method = this.#keyword("become_method", play?.becomeMethod) ?? config?.becomeMethod;
    const noOtherWay = "sudo: redkeep has no other way to become root";
    this.#checkWord(NAMES.becomeMethod, method, ["sudo", "ansible.builtin.sudo"], noOtherWay);
    const user = this.#keyword("become_user", play?.becomeUser) ?? config?.becomeUser;
    this.#checkWord(NAMES.becomeUser, user, ["root"], "root: redkeep's work needs it");
  }

  #keyword(key: string, value: string | undefined): ConfigSetting | undefined {
    return value === undefined ? undefined : { value, key, place: this.#defaults.play?.place };
  }

  #checkWord(
    names: readonly string[],
    weaker: ConfigSetting | undefined,
    allowed: readonly string[],
    expectation: string,
  ): void {
    const isAllowed = this.#read(names, (value) => {
      if (typeof value === "string" && allowed.includes(value)) return true;
      throw expected(expectation, value);
    });
    // The variable wins over the keyword, also where it is wrong: that is reported already.
    if (isAllowed || weaker === undefined || names.some((name) => this.#isSet(name))) return;
    this.#configured(weaker, (value) => {
      if (!allowed.includes(value)) throw expected(expectation, value);
    });
  }

  #isSet(name: string): boolean {
    return (this.#variables.get(name)?.value ?? null) !== null;
  }

  #key({ name }: { name: string }): string {
    return `${name} of ${this.#host}`;
  }

  /**
   * The parsed value of the strongest of `names`, else of what ansible.cfg says instead; undefined where none is set, or the
   * value is a problem.
   */
  #read<T>(names: readonly string[], parse: (value: unknown) => T): T | undefined {
    const setting = this.#strongest(names);
    if (setting === undefined) {
      const [configured] = names.flatMap((name) => this.#defaults.config?.variables.get(name) ?? []);
      return configured && this.#configured(configured, parse);
    }
    try {
      return parse(setting.value);
    } catch (error) {
      this.#collect(error, setting);
      return undefined;
    }
  }

  #configured<T>({ value, place, key }: ConfigSetting, parse: (value: string) => T): T | undefined {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      for (const problem of error.problems) this.#problems.push({ place, key, ...problem });
      return undefined;
    }
  }

  #collect(error: unknown, setting: { name: string; place: Place }): void {
    if (!(error instanceof InputError)) throw error;
    for (const problem of error.problems) {
      this.#problems.push({ place: setting.place, key: this.#key(setting), ...problem });
    }
  }

  /** The strongest name that is set and not null. Two names with different values are a problem: nobody means both. */
  #strongest(names: readonly string[]): Setting | undefined {
    const settings = names.flatMap((name): Setting[] => {
      const variable = this.#variables.get(name);
      if (variable === undefined || variable.value === null) return [];
      const value = this.#rendered(variable, name);
      const { place } = variable;
      return value === null || value === OMIT
        ? []
        : [{ name, value, place: this.#rendering.fromVault ? { ...place, fromVault: true } : place }];
    });
    const strongest = settings.at(-1);
    if (strongest === undefined) return undefined;
    const other = settings.find(({ value }) => JSON.stringify(value) !== JSON.stringify(strongest.value));
    if (other !== undefined) {
      const { file, line } = other.place;
      this.#problems.push({
        place: strongest.place,
        key: this.#key(strongest),
        message: `differs from ${other.name} at ${line === undefined ? file : `${file}:${line}`}, which means the same: keep one`,
      });
    }
    return strongest;
  }

  /** A variable's rendered value. `OMIT` also where it cannot be rendered, which is then one of the problems. */
  #rendered(variable: Variable, name: string): unknown {
    try {
      return this.#rendering.value(variable, name);
    } catch (error) {
      this.#collect(error, { name, place: variable.place });
      return OMIT;
    }
  }
}

function portOf(value: unknown): number {
  const port = numberOf(value);
  if (port !== undefined && Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw expected("a port number (1 to 65535)", value);
}

function expected(what: string, value: unknown): InputError {
  return new InputError({ message: `expected ${what}, found ${JSON.stringify(value)?.slice(0, 80)}` });
}

/** A number, also where it is written as text; `22.0` is 22. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "string" && /^[0-9]{1,6}(?:\.[0-9]{1,6})?$/.test(value) ? Number(value) : undefined;
}
