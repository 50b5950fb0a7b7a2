import { isIP } from "node:net";
import { shellProgram } from "../shell/program.ts";
import { type Attempt, attemptsOf, isOffered, type Target, type TlsVersion } from "./target.ts";

/** A target, and whether TLS is looked at too: only from where it should be reached. */
export interface Look {
  target: Target;
  isAllowed: boolean;
}

/** Targets that are looked at beside each other on one vantage host. */
const WORKERS = 16;
/** Bytes that one target can come to in the answer: eight handshakes, a chain of certificates, and replies. */
const BYTES_PER_TARGET = 48 * 1024;
/** To connect, where that should succeed and where it should not: one lost packet is sent again after a second. */
const SECONDS_TO_OPEN = 4;
const SECONDS_TO_STAY_SHUT = 2;
/** Of a chain of certificates: some ten of them. */
export const CHAIN_LINES = 400;

const VERSION_OPTIONS: Readonly<Record<TlsVersion, string>> = {
  TLSv1: "-tls1",
  "TLSv1.1": "-tls1_1",
  "TLSv1.2": "-tls1_2",
  "TLSv1.3": "-tls1_3",
};

/** Seconds after which the script begins no further target, and those after which it is given up. */
export function timeLimits(targets: number): { begins: number; ends: number } {
  const begins = 60 + 5 * Math.ceil(targets / WORKERS);
  return { begins, ends: begins + 60 };
}

export function maxOutputBytes(targets: number): number {
  return Math.min(64 * 1024 * 1024, 64 * 1024 + targets * BYTES_PER_TARGET);
}

/**
 * The program that looks at every target from the host that runs it: src/shell/vantage.sh says how.
 *
 * @param nonce random for each run, so that nothing that a target answers can pass for a line of the program's.
 */
export function vantageScript(looks: readonly Look[], nonce: string): string {
  const asked = looks.map((look, index) => [`LOOK_${index}`, linesFor(look)] as const);
  return shellProgram("vantage.sh", {
    N: nonce,
    CHAIN_LINES,
    TARGETS: looks.length,
    WORKERS: Math.min(WORKERS, looks.length),
    BEGINS: timeLimits(looks.length).begins,
    ...Object.fromEntries(asked),
  });
}

/** What is asked of a target: first the ports, then TLS. */
function linesFor({ target, isAllowed }: Look): string[] {
  const { address, plainPorts, tlsPort } = target;
  const knock = (how: "plain" | "tls", port: number) => {
    const seconds = isOffered(target, port) && isAllowed ? SECONDS_TO_OPEN : SECONDS_TO_STAY_SHUT;
    return line(how, address, port, seconds);
  };
  const plain = plainPorts.map((port) => knock("plain", port));
  if (tlsPort === undefined) return plain;
  const ports = [...plain, knock("tls", tlsPort)];
  if (!isAllowed) return ports;
  const endpoint = `${isIP(address) === 6 ? `[${address}]` : address}:${tlsPort}`;
  return [
    ...ports,
    ...attemptsOf(target).map((attempt) => line("handshake", attempt.name, endpoint, ...optionsOf(attempt))),
    line("served", endpoint),
    line("stranger", endpoint),
  ];
}

/** @throws TypeError for a blank in a word, where the program would split it. */
function line(...words: readonly (string | number)[]): string {
  if (words.some((word) => /\s/.test(String(word))))
    throw new TypeError("a word of a look cannot hold a blank");
  return words.join(" ");
}

function optionsOf({ version, ciphers, ciphersuites }: Attempt): string[] {
  return [
    VERSION_OPTIONS[version],
    ...(ciphers === undefined ? [] : ["-cipher", ciphers]),
    ...(ciphersuites === undefined ? [] : ["-ciphersuites", ciphersuites]),
  ];
}
