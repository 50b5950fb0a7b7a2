import type { Secret } from "../lib/secret.ts";
import type { BecomePasswords, Verdict } from "./become-passwords.ts";
import { type Bootstrap, bootstrap } from "./bootstrap.ts";
import { type CommandResult, HostError, type RunOptions } from "./connection.ts";
import { MAX_KEPT_STDERR_BYTES, MAX_NOISE_BYTES, MAX_OUTPUT_BYTES } from "./limits.ts";
import { oneLine } from "./one-line.ts";
import type { ScriptChannel } from "./session.ts";

/** What a script needs to know of the connection that carries it. */
export interface ScriptHost {
  /** The inventory's name, for messages. */
  host: string;
  user: string;
  /** Its address and port: several inventory hosts may be one. */
  machine: string;
  become: boolean;
  becomePassword: Secret | undefined;
  /** Shared by the hosts of a run. */
  becomePasswords: BecomePasswords;
  /** Milliseconds that the login shell and sudo have until the script can start. */
  startTimeoutMs: number;
  /** Opens a channel that runs `command`. @throws HostError */
  open(command: string): Promise<ScriptChannel>;
  /** The link is lost: what a channel reports from then on does not come from the host. */
  isLost(): boolean;
  /** Why the link was cut on this side; undefined where it was not. */
  failure(): string | undefined;
}

/**
 * Runs one script on one channel, as root where the host is to become root.
 *
 * The password is sent once, and only after sudo has asked for it with a prompt that nobody else knows; the script is
 * sent after root is confirmed. Without a password nothing needs to be awaited, and the script follows at once.
 */
export async function runScript(
  host: ScriptHost,
  script: string,
  options: RunOptions,
): Promise<CommandResult> {
  if (!host.become || host.becomePassword === undefined)
    return await runOnce(host, script, options, () => {});
  const judge = await host.becomePasswords.enter(host, host.becomePassword);
  try {
    return await runOnce(host, script, options, judge);
  } finally {
    judge("untold");
  }
}

/** @param judge called with sudo's answer to the password as soon as it arrives. */
async function runOnce(
  host: ScriptHost,
  script: string,
  options: RunOptions,
  judge: (verdict: Verdict) => void,
): Promise<CommandResult> {
  const { timeoutMs, maxOutputBytes = MAX_OUTPUT_BYTES, signal } = options;
  signal?.throwIfAborted();
  const become = !host.become ? "no" : host.becomePassword === undefined ? "sudo" : "sudo with password";
  const password = host.becomePassword?.reveal() ?? "";
  if (/[\0\r\n]/.test(password)) {
    throw new HostError("failed", `${host.host}: the become password holds a line break`);
  }
  const start = bootstrap(script, become);
  const { started, prompt, payload } = start;

  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
  const stdout = new Output(started, maxOutputBytes);
  const stderr = new Output(started, MAX_KEPT_STDERR_BYTES);
  let channel: ScriptChannel | undefined;
  let isSettled = false;
  let passwordSentAt: number | undefined;
  let wasSent = false;
  /** The script left whole. As long as its end is still here, because the host does not take it, the host cannot run it. */
  const isSent = () => wasSent && channel?.writableLength === 0;
  let endedWhole = false;

  const settle = (how: () => void) => {
    if (isSettled) return;
    isSettled = true;
    clearTimeout(startTimer);
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    how();
  };
  const giveUp = (error: unknown) =>
    settle(() => {
      reject(error);
      if (channel) abandon(channel);
    });
  const onAbort = () => giveUp(signal?.reason);
  const startTimer = setTimeout(
    () => {
      const waited = `silent for ${seconds(Math.min(host.startTimeoutMs, timeoutMs))}`;
      const error = notStarted(host, waited, stderr.noise, start);
      // The script is on its way: even if the link dies now, it may run without our hearing of it.
      giveUp(isSent() ? new HostError("lost", error.message, error.remedy) : error);
    },
    Math.min(host.startTimeoutMs, timeoutMs),
  );
  const timer = setTimeout(
    () => giveUp(new HostError("lost", `${host.host}: a script did not end within ${seconds(timeoutMs)}`)),
    timeoutMs,
  );
  signal?.addEventListener("abort", onAbort, { once: true });

  const send = () => {
    wasSent = true;
    channel?.end(payload);
  };
  const tooMuch = (limit: number) =>
    new HostError("failed", `${host.host}: a script wrote more than ${limit} bytes`, "", {
      mayHaveRun: isSent(),
    });
  const onStdout = (data: Buffer) => {
    if (isSettled) return;
    const wasStarted = stdout.isStarted;
    stdout.add(data);
    if (!wasStarted && stdout.isStarted) {
      clearTimeout(startTimer);
      judge("taken");
      if (become === "sudo with password") send();
    }
    if (stdout.isFull) giveUp(tooMuch(maxOutputBytes));
  };
  const onStderr = (data: Buffer) => {
    if (isSettled) return;
    stderr.add(data);
    if (stderr.received > MAX_OUTPUT_BYTES) giveUp(tooMuch(MAX_OUTPUT_BYTES));
    if (become !== "sudo with password" || stdout.isStarted) return;
    const talk = stderr.noise;
    if (passwordSentAt === undefined) {
      if (!talk.endsWith(prompt)) return;
      passwordSentAt = talk.length;
      channel?.write(`${password}\n`);
    } else if (talk.indexOf(prompt, passwordSentAt) >= 0) {
      judge("refused");
      giveUp(notTaken(host));
    }
  };
  const onClose = (code: number | null | undefined, name?: string) =>
    settle(() => {
      const signal = name && oneLine(name, 40);
      if (!stdout.isStarted) {
        const lost = host.isLost();
        const ended = `exit ${code ?? signal ?? "without a status"}`;
        // A sudo that allows one try only does not ask again.
        const refused = passwordSentAt !== undefined && /incorrect password attempt/.test(stderr.noise);
        if (refused) judge("refused");
        reject(
          lost
            ? linkLost(host, isSent())
            : refused
              ? notTaken(host)
              : notStarted(host, ended, `${stdout.noise}\n${stderr.noise}`, start),
        );
      } else if (host.isLost() && !endedWhole) {
        reject(linkLost(host, isSent()));
      } else if (stderr.text.includes(start.incomplete)) {
        reject(
          new HostError(
            "failed",
            `${host.host}: the script did not arrive whole and was not run`,
            `Something in the login files of ${host.user} reads standard input.`,
          ),
        );
      } else {
        resolve({ status: code ?? "unknown", signal, stdout: stdout.bytes, stderr: stderr.text });
      }
    });

  host.open(start.command).then((opened) => {
    channel = opened;
    // Both are read to the end, also after giving up: "close" never comes otherwise.
    opened.on("data", onStdout);
    opened.stderr.on("data", onStderr);
    opened.on("end", () => {
      endedWhole = !host.isLost();
    });
    opened.on("error", () => {});
    opened.on("close", onClose);
    if (isSettled) abandon(opened);
    else if (become !== "sudo with password") send();
  }, giveUp);
  return promise;
}

/** One output of the host: the noise of login files and sudo up to the start marker's line, then the script's own. */
class Output {
  isStarted = false;
  isFull = false;
  /** Bytes received, including those that were not kept. */
  received = 0;
  readonly #marker: Buffer;
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #length = 0;
  /** The last bytes, in which the marker may have begun. */
  #tail = Buffer.alloc(0);

  constructor(started: string, limit: number) {
    this.#marker = Buffer.from(`${started}\n`);
    this.#limit = limit;
  }

  add(data: Buffer): void {
    this.received += data.length;
    const room = (this.isStarted ? this.#limit : MAX_NOISE_BYTES) - this.#length;
    if (data.length > room) this.isFull = true;
    const kept = data.length > room ? data.subarray(0, room) : data;
    this.#chunks.push(kept);
    this.#length += kept.length;
    if (!this.isStarted) this.#lookForStart(kept);
  }

  /** What came before the start. */
  get noise(): string {
    return this.isStarted ? "" : this.bytes.toString();
  }

  get bytes(): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && this.#chunks.length === 1) return first;
    const whole = Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
  }

  get text(): string {
    return this.bytes.toString();
  }

  /** Searches new bytes only: otherwise a host that sends bytes one by one would make us search all of them each time. */
  #lookForStart(added: Buffer): void {
    const recent = Buffer.concat([this.#tail, added]);
    const at = recent.indexOf(this.#marker);
    this.#tail = recent.subarray(Math.max(0, recent.length - this.#marker.length + 1));
    if (at < 0) return;
    this.isStarted = true;
    const afterMarker = recent.length - at - this.#marker.length;
    const rest = this.bytes.subarray(this.#length - afterMarker);
    this.#chunks = [rest];
    this.#length = rest.length;
  }
}

/** Ends a channel whose outcome no longer matters; the script may go on, so a long one must bound itself. */
function abandon(channel: ScriptChannel): void {
  channel.signal("TERM");
  channel.close();
}

function linkLost({ host, failure }: ScriptHost, mayHaveRun: boolean): HostError {
  const reason = failure();
  return reason === undefined
    ? new HostError("lost", `${host}: the connection was lost while a script ran`)
    : new HostError("failed", `${host}: ${reason}`, "", { mayHaveRun });
}

function notTaken({ host, user }: ScriptHost): HostError {
  return new HostError(
    "failed",
    `${host}: sudo does not accept the become password of ${user}`,
    "It was tried once. Check ansible_become_password, or run with -K.",
  );
}

const VERIFY_ALONE = "verify also works without root: -e ansible_become=false";

function notStarted(host: ScriptHost, how: string, talk: string, { awake, prompt }: Bootstrap): HostError {
  const said = oneLine(talk.replaceAll(prompt, "").replaceAll(awake, ""));
  const { user } = host;
  const failed = (message: string, remedy = "") =>
    new HostError("failed", `${host.host}: ${message}`, remedy);
  if (!host.become || !talk.includes(awake)) {
    return failed(
      `the login shell of ${user} ran nothing (${how})${said && `: ${said}`}`,
      `${user} needs a shell that runs commands.`,
    );
  }
  if (/a (?:password|terminal) is required/.test(said)) {
    return failed(
      `sudo wants a password for ${user}`,
      `Run with -K, or set ansible_become_password. ${VERIFY_ALONE}`,
    );
  }
  if (/must have a tty/.test(said)) {
    return failed(`sudo refuses ${user} without a terminal`, `In sudoers: Defaults:${user} !requiretty`);
  }
  if (/not in the sudoers|not allowed to|may not run sudo/.test(said)) {
    return failed(
      `${user} may not become root by sudo: ${said}`,
      `Allow ${user} /bin/sh in sudoers. ${VERIFY_ALONE}`,
    );
  }
  if (/sudo: (?:command )?not found/.test(said)) {
    return failed("there is no sudo", `Install sudo there, or log in as root.`);
  }
  return failed(`sudo did not make ${user} root (${how})${said && `: ${said}`}`);
}

const seconds = (milliseconds: number) => `${Math.ceil(milliseconds / 1000)} s`;
