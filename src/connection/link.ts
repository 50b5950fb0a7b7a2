import { FoundSecrets } from "../lib/secret.ts";
import type { BecomePasswords } from "./become-passwords.ts";
import { type Connection, HostError } from "./connection.ts";
import type { ConnectionVariables } from "./settings.ts";
import { connect } from "./ssh.ts";
import type { Transport } from "./transport.ts";

/**
 * Reaches one host throughout a run: opens its connections, counts what they cost, and masks in its output the secrets that
 * its own files keep in clear text.
 */
export class Link {
  readonly #variables: ConnectionVariables;
  readonly #becomePasswords: BecomePasswords;
  #now: Connection | undefined;
  #opened: Connection[] = [];
  #connections = 0;
  #roundTrips = 0;
  #found = new FoundSecrets();
  #wasDirect = false;
  #connectMs: number | undefined;
  #transport: Transport | undefined;

  /** @param becomePasswords shared by the hosts of a run */
  constructor(variables: ConnectionVariables, becomePasswords: BecomePasswords) {
    this.#variables = variables;
    this.#becomePasswords = becomePasswords;
  }

  /**
   * A new connection, beside the one in use: always a login of its own, since it proves that the host still lets you in. No
   * transport gives a channel of an earlier connection for it, and one that you hold open yourself (ControlPath) is not joined.
   * @throws HostError, or the reason of `signal`
   */
  async dial(signal?: AbortSignal): Promise<Connection> {
    return await this.#connect(signal, true);
  }

  async #connect(signal: AbortSignal = new AbortController().signal, isFresh: boolean): Promise<Connection> {
    this.#connections++;
    const becomePasswords = this.#becomePasswords;
    const onTransport = (transport: Transport) => {
      this.#transport = transport;
    };
    const options = { signal, becomePasswords, isFresh, onTransport };
    const connection = await connect(this.#variables, options).catch((error: unknown) => {
      throw this.#named(error);
    });
    this.#connections += connection.connections - 1;
    this.#opened.push(connection);
    this.#wasDirect = connection.isDirect;
    this.#connectMs = connection.connectMs;
    return connection;
  }

  /** An error of a login, with what carried it: where that is not ssh2, the system's configuration has a say. */
  #named(error: unknown): unknown {
    if (!(error instanceof HostError) || this.#transport?.name !== "openssh") return error;
    const { kind, message, remedy, mayHaveRun } = error;
    const named = `${message} (by the system's ssh: ${this.#transport.reason})`;
    return new HostError(kind, named, remedy, { mayHaveRun, cause: error });
  }

  /** A connection, in use from now on: a new one, or one that you hold open yourself. @throws as `dial` */
  async open(signal?: AbortSignal): Promise<Connection> {
    return this.use(await this.#connect(signal, false));
  }

  use(connection: Connection): Connection {
    this.#now = connection;
    return connection;
  }

  /** The connection in use. */
  get connection(): Connection {
    if (this.#now === undefined) throw new Error("not connected");
    return this.#now;
  }

  get isOpen(): boolean {
    return this.#now?.isOpen === true;
  }

  /** SSH connections that were opened, or tried. */
  get connections(): number {
    return this.#connections;
  }

  /** Channels that were run, on all of them. */
  get roundTrips(): number {
    return this.#opened.reduce((count, { channels }) => count + channels, this.#roundTrips);
  }

  /** What carried the scripts last, and why; undefined where nothing was tried. */
  get transport(): Transport | undefined {
    return this.#transport;
  }

  /** The last connection was established, without a jump host. */
  get wasDirect(): boolean {
    return this.#wasDirect;
  }

  /** Milliseconds that TCP took to connect, on the last connection without a jump host. */
  get connectMs(): number | undefined {
    return this.#connectMs;
  }

  /** Masks these in the host's output from now on. */
  hide(secrets: Iterable<string>): void {
    this.#found.add(secrets);
  }

  mask(text: string): string {
    return this.#found.mask(text);
  }

  close(): void {
    this.#now?.close();
  }

  /** Frees everything but the counts, once we are done with the host. */
  release(): void {
    this.close();
    this.#roundTrips = this.roundTrips;
    this.#opened = [];
    this.#now = undefined;
    this.#found = new FoundSecrets();
  }
}
