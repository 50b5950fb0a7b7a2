/** The result of one script on one channel. `status` is "unknown" when the exit status never arrived. */
export interface CommandResult {
  status: number | "unknown";
  signal: string | undefined;
  stdout: Buffer;
  /** Decoded, capped at 64 KiB. */
  stderr: string;
}

export interface RunOptions {
  /** Milliseconds until we give up the channel with an error. */
  timeoutMs: number;
  /** Bytes of stdout after which we give the host up as endless. */
  maxOutputBytes?: number;
  signal?: AbortSignal;
}

/** An authenticated SSH connection to one host, on which scripts run as root. */
export interface Connection {
  /**
   * Feeds `script` to a POSIX sh as root, on stdin of one channel.
   * @throws HostError when the link is lost, the time is over, or root cannot be had.
   */
  run(script: string, options: RunOptions): Promise<CommandResult>;
  /** Channels opened so far: each is one round trip of the run record. */
  readonly channels: number;
  readonly isOpen: boolean;
  /** SSH connections that were opened for it; none where one of the user's own stood already. */
  readonly connections: number;
  /** The name or address that was connected to, ~/.ssh/config's aliases resolved. */
  readonly address: string;
  /** No jump host lies between. */
  readonly isDirect: boolean;
  /** Milliseconds until the TCP connection was established: a round trip, or more. Undefined behind a jump host. */
  readonly connectMs: number | undefined;
  close(): void;
}

/**
 * A host could not be used. `kind` decides its status: "unreachable" before a login (also for an unknown or changed host
 * key), "failed" after it (also for a wrong become password), "lost" when the link went away under a script,
 * whose outcome is then unknown.
 */
export class HostError extends Error {
  override readonly name = "HostError";
  readonly kind: "unreachable" | "failed" | "lost";
  /** What you can do about it, as one sentence; empty when the message already says it. */
  readonly remedy: string;
  /** Whether a script may have run, or may still be running, in spite of the error: whether it did its work is then unknown. */
  readonly mayHaveRun: boolean;

  constructor(
    kind: HostError["kind"],
    message: string,
    remedy = "",
    { mayHaveRun = kind === "lost", ...options }: ErrorOptions & { mayHaveRun?: boolean } = {},
  ) {
    super(message, options);
    this.kind = kind;
    this.remedy = remedy;
    this.mayHaveRun = mayHaveRun;
  }
}
