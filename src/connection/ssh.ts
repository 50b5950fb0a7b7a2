import { errorOf } from "../lib/errors.ts";
import { BecomePasswords } from "./become-passwords.ts";
import { type CommandResult, type Connection, HostError, type RunOptions } from "./connection.ts";
import { login } from "./login.ts";
import { AgentUnwilling } from "./login-errors.ts";
import { endpoint, tilde } from "./names.ts";
import { oneLine } from "./one-line.ts";
import { joinStanding, loginByOpenSsh } from "./openssh/login.ts";
import { runScript, type ScriptHost } from "./run-script.ts";
import { LinkLost, type ScriptChannel, type Session } from "./session.ts";
import type { ConnectionVariables } from "./settings.ts";
import { type ResolvedConnection, resolveConnection } from "./ssh-config.ts";
import { afterUnwillingAgent, chooseTransport, type Transport } from "./transport.ts";

export interface ConnectOptions {
  signal?: AbortSignal | undefined;
  /** Shared by the hosts of a run. */
  becomePasswords?: BecomePasswords;
  /** A login of its own in any case: a connection of the user's that stands already does not count. */
  isFresh?: boolean;
  /** Is told what carries the scripts before it connects. */
  onTransport?: (transport: Transport) => void;
}

/**
 * Logs in to a host: its key is checked before it sees any credential.
 * @throws HostError "unreachable" when there is no login within the host's timeout, or the reason of `signal`
 */
export async function connect(
  variables: ConnectionVariables,
  { signal, becomePasswords = new BecomePasswords(), isFresh = false, onTransport }: ConnectOptions = {},
): Promise<Connection> {
  signal?.throwIfAborted();
  const target = await resolveConnection(variables);
  const { transport: wanted = "auto" } = variables;
  const connected = (session: Session, connections: number) =>
    new SshConnection(session, connections, target, variables, becomePasswords);
  if (!isFresh && wanted !== "ssh2") {
    const standing = await joinStanding(target);
    if (standing !== undefined) {
      onTransport?.({
        name: "openssh",
        reason: `your connection ${tilde(target.controlPath ?? "")} stands (ControlPath)`,
      });
      return connected(standing, 0);
    }
  }
  const transport = await chooseTransport(target, wanted);
  onTransport?.(transport);
  if (transport.name === "openssh") return connected(await loginByOpenSsh(target, "host", signal), 1);
  try {
    return connected(await login(target, true, signal), 1);
  } catch (error) {
    if (!(error instanceof AgentUnwilling) || wanted !== "auto") throw error;
    onTransport?.(afterUnwillingAgent(target.identityAgent));
    return connected(await loginByOpenSsh(target, "host", signal), 2);
  }
}

class SshConnection implements Connection {
  channels = 0;
  readonly connections: number;
  readonly address: string;
  readonly isDirect: boolean;
  readonly connectMs: number | undefined;
  readonly #session: Session;
  readonly #host: ScriptHost;
  #isOpen = true;

  constructor(
    session: Session,
    connections: number,
    target: ResolvedConnection,
    { become, becomePassword }: ConnectionVariables,
    becomePasswords: BecomePasswords,
  ) {
    this.#session = session;
    this.connections = connections;
    this.address = target.address;
    this.isDirect = target.jumps.length === 0 && target.proxyCommand === undefined && connections > 0;
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
      throw refusal(errorOf(error).message);
    }
  }
}
