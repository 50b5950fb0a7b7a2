import { BecomePasswords } from "./become-passwords.ts";
import { type CommandResult, type Connection, HostError, type RunOptions } from "./connection.ts";
import { login } from "./login.ts";
import { endpoint } from "./names.ts";
import { oneLine } from "./one-line.ts";
import { runScript, type ScriptHost } from "./run-script.ts";
import { LinkLost, type ScriptChannel, type Session } from "./session.ts";
import type { ConnectionVariables } from "./settings.ts";
import { type ResolvedConnection, resolveConnection } from "./ssh-config.ts";

export interface ConnectOptions {
  signal?: AbortSignal | undefined;
  /** Shared by the hosts of a run. */
  becomePasswords?: BecomePasswords;
}

/**
 * Logs in to a host: its key is checked before it sees any credential.
 * @throws HostError "unreachable" when there is no login within the host's timeout, or the reason of `signal`
 */
export async function connect(
  variables: ConnectionVariables,
  { signal, becomePasswords = new BecomePasswords() }: ConnectOptions = {},
): Promise<Connection> {
  signal?.throwIfAborted();
  const target = await resolveConnection(variables);
  return new SshConnection(await login(target, true, signal), target, variables, becomePasswords);
}

class SshConnection implements Connection {
  channels = 0;
  readonly address: string;
  readonly isDirect: boolean;
  readonly connectMs: number | undefined;
  readonly #session: Session;
  readonly #host: ScriptHost;
  #isOpen = true;

  constructor(
    session: Session,
    target: ResolvedConnection,
    { become, becomePassword }: ConnectionVariables,
    becomePasswords: BecomePasswords,
  ) {
    this.#session = session;
    this.address = target.address;
    this.isDirect = target.jumps.length === 0;
    this.connectMs = session.connectMs;
    const onEnd = () => {
      this.#isOpen = false;
    };
    session.onEnd(onEnd);
    this.#host = {
      host: target.host,
      user: target.user,
      machine: endpoint(target),
      become: become && target.user !== "root",
      becomePassword,
      becomePasswords,
      startTimeoutMs: Math.max(target.timeoutSeconds, 10) * 1000,
      open: (command) => this.#open(command),
      isLost: () => !this.#isOpen,
      failure: () => session.failure(),
    };
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  run(script: string, options: RunOptions): Promise<CommandResult> {
    return runScript(this.#host, script, options);
  }

  close(): void {
    this.#isOpen = false;
    this.#session.hangUp();
  }

  async #open(command: string): Promise<ScriptChannel> {
    const { host } = this.#host;
    const refusal = (reason: string) => {
      const failure = this.#session.failure();
      if (failure !== undefined) return new HostError("failed", `${host}: ${failure}`);
      return this.#isOpen
        ? new HostError("failed", `${host}: the host runs no command: ${oneLine(reason)}`)
        : new HostError("lost", `${host}: the connection was lost before a script ran`);
    };
    if (!this.#isOpen) throw refusal("");
    this.#session.allow("script");
    this.channels++;
    try {
      return await this.#session.exec(command);
    } catch (error) {
      if (error instanceof LinkLost) this.#isOpen = false;
      throw refusal((error as Error).message);
    }
  }
}
