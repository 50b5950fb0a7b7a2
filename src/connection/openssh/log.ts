import { performance } from "node:perf_hooks";
import { MAX_LOGIN_BYTES } from "../limits.ts";
import { endpoint } from "../names.ts";
import { oneLine } from "../one-line.ts";
import type { Progress } from "../patience.ts";
import type { ResolvedConnection } from "../ssh-config.ts";

/** So many of the last lines that ssh says besides its steps are kept: they say why it ends. */
const KEPT_LINES = 30;
const MAX_LINE = 4_096;

/**
 * What `ssh -v` says while it logs in. It is for messages only: a server has a say in it, so nothing concludes from here that
 * a host key was accepted or that a login succeeded.
 */
export class SshLog {
  /** The first line that the server sent. */
  greeting = "";
  /** The host key that the server showed. */
  hostKey: { type: string; fingerprint: string } | undefined;
  isKeyChecked = false;
  /** Whether its control socket answers. What ssh says from then on counts as sent by the server. Whoever asked the socket sets it. */
  isLoggedIn = false;
  /** Whether a server refused a key or a password that was tried. */
  hasRefused = false;
  /** Keys that were offered, and passwords. */
  readonly tried: string[] = [];
  /** What ssh said besides its steps. */
  readonly said: string[] = [];
  /** How often a server refused to connect to the next host, and why it did the last time. */
  refusedForwards = 0;
  lastRefusal = "";
  connectMs: number | undefined;
  readonly #target: ResolvedConnection;
  readonly #progress: Progress;
  readonly #onLogin: () => void;
  #rest = "";
  #bytes = 0;
  #begun = 0;

  constructor(target: ResolvedConnection, progress: Progress, onLogin: () => void) {
    this.#target = target;
    this.#progress = progress;
    this.#onLogin = onLogin;
  }

  /** @returns false where the server has said too much before a login */
  add(data: Buffer): boolean {
    this.#bytes += data.length;
    const lines = (this.#rest + data.toString("latin1")).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, MAX_LINE);
    for (const line of lines) this.#read(unescaped(line.replace(/\r$/, "").slice(0, MAX_LINE)));
    return this.isLoggedIn || this.#bytes <= MAX_LOGIN_BYTES;
  }

  /** The last things that it said, as one line. */
  get lastWords(): string {
    return oneLine(this.said.slice(-3).join("; "));
  }

  #read(line: string): void {
    const step = /^debug1: (.*)$/.exec(line)?.[1];
    if (step !== undefined) this.#step(step);
    else if (/^Authenticated to /.test(line)) {
      this.said.length = 0;
      this.#onLogin();
    } else if (!NOISE.test(line)) {
      const refused = /^channel \d+: open failed: (.*)$/.exec(line)?.[1];
      if (refused !== undefined) {
        this.refusedForwards++;
        this.lastRefusal = oneLine(refused);
      } else this.said.push(line);
      if (this.said.length > KEPT_LINES) this.said.shift();
    }
  }

  #step(step: string): void {
    const where = endpoint(this.#target);
    const waitFor = (what: string) => {
      this.#progress.waitingFor = what;
    };
    const found = (pattern: RegExp) => pattern.exec(step);
    if (found(/^Connecting to /)) {
      this.#begun = performance.now();
    } else if (found(/^Connection established/)) {
      this.connectMs = performance.now() - this.#begun;
      waitFor(`no SSH banner from ${where}`);
    } else if (found(/^Executing proxy command/)) {
      waitFor(`no SSH banner from ${where}`);
    } else if (found(/^Remote protocol version /)) {
      this.greeting ||= "SSH-2.0";
      waitFor(`no end of the key exchange with ${where}`);
    } else if (found(/^SSH2_MSG_NEWKEYS received/)) {
      this.isKeyChecked = true;
      waitFor(`no answer to the login of ${this.#target.user} at ${where}`);
    } else if (found(/^Authentications that can continue: /)) {
      this.hasRefused = this.tried.length > 0;
    }
    const banner = found(/^kex_exchange_identification: banner line \d+: (.*)$/)?.[1];
    if (banner !== undefined) this.greeting ||= oneLine(banner) || " ";
    const [, type, fingerprint] = found(/^Server host (?:key|certificate): (\S+) (SHA256:\S+)/) ?? [];
    if (type !== undefined && fingerprint !== undefined) this.hostKey = { type, fingerprint };
    const [, key, how = ""] = found(/^Offering public key: (.*) \S+ SHA256:\S+(.*)$/) ?? [];
    if (key !== undefined) this.tried.push(/\bagent\b/.test(how) ? `${oneLine(key)} (agent)` : oneLine(key));
    const method = found(
      /^Next authentication method: (password|keyboard-interactive|gssapi-with-mic|hostbased)$/,
    )?.[1];
    if (method === "password" || method === "keyboard-interactive")
      this.tried.push(method === "password" ? method : `password (${method})`);
    else if (method !== undefined) this.tried.push(method);
  }
}

/** Lines besides ssh's steps that say nothing of use. */
const NOISE =
  /^(?:OpenSSH_|debug\d: |no such identity: |Transferred: |Bytes per second: |Killed by signal |$)/;

/** ssh writes bytes that are not printable as `\033`. */
function unescaped(line: string): string {
  return line.replace(/\\([0-3][0-7]{2})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
