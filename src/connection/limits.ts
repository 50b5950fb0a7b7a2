/*
 * What one SSH server, a target or a jump host, may cost the controller. Whoever controls a host chooses what it sends, how
 * much and how fast. Exceeding a limit ends the connection to that one server and nothing else.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * The smallest packet, in bytes, that a server may ask for on a channel. ssh2 cuts what it writes to that size in a loop of its
 * own: at 0 the loop never ends, at 1 a script of a megabyte is a million packets. RFC 4253, 6.1, has every implementation
 * take 32768; OpenSSH, Dropbear and libssh ask for that or a little less.
 */
export const MIN_PACKET_SIZE = 4 * KIB;

/** Bytes from the first to the end of the login: greeting, key exchange, banners, answers. An ordinary login takes some 3 KiB. */
export const MAX_LOGIN_BYTES = 512 * KIB;

/** Messages about the login. Each key takes at most two, each password a few. */
export const MAX_LOGIN_MESSAGES = 200;

/**
 * Messages that are no answers: ignore, debug, keep-alives, unrequested requests and channels. This many at once, then one a
 * second, so that a jump host can keep a connection alive through a long run.
 */
export const MAX_IDLE_MESSAGES = 1000;

/** New keys that a server may agree on in one session. OpenSSH does so after a gigabyte or by RekeyLimit, at most each few seconds. */
export const MAX_REKEYS = 100;

/** Bytes of each output of a script. The answer of a large host is below a megabyte. */
export const MAX_OUTPUT_BYTES = 16 * MIB;

/** Bytes of standard error that are kept. */
export const MAX_KEPT_STDERR_BYTES = 64 * KIB;

/** What login files may print before a script starts. */
export const MAX_NOISE_BYTES = MIB;

/** CPU time of the controller, in milliseconds, and bytes that it receives. */
export interface Cost {
  cpuMs: number;
  bytes: number;
}

/**
 * What a server may cost at first, and how much more for each thing that it is asked for. A login takes 2 to 3 ms, a megabyte
 * 10 ms; a slow controller takes ten times as long.
 */
export const MAX_COSTS = {
  first: { cpuMs: 500, bytes: MIB },
  login: { cpuMs: 50, bytes: MAX_LOGIN_BYTES },
  script: { cpuMs: 300, bytes: 2 * MAX_OUTPUT_BYTES + 2 * MAX_NOISE_BYTES },
  /** Of a jump host, for each connection through it: all that the host behind it may send. */
  forward: { cpuMs: 500, bytes: 4 * MAX_OUTPUT_BYTES },
} as const satisfies Record<string, Cost>;
