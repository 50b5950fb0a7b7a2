import { existsSync, readFileSync, statSync } from "node:fs";
import type { ParsedKey } from "ssh2";
import { codeOf } from "../lib/errors.ts";
import type { Secret } from "../lib/secret.ts";
import { parseKey } from "./ssh2.ts";

/** What an identity file holds, or why we cannot use it, in one sentence. */
export type IdentityFile = { path: string } & (
  | { kind: "private"; key: ParsedKey }
  /** Only the public half, such as that of a key in the agent. */
  | { kind: "public"; key: ParsedKey }
  | { kind: "missing" | "unusable"; problem: string }
);

const parsed = new Map<string, IdentityFile>();

/**
 * Reads a key file once per process: unlocking one takes 0.2 s, during which nothing else can run.
 * @param passphrase used only where the key is encrypted
 */
export function readIdentity(path: string, passphrase: Secret | undefined): IdentityFile {
  let version: string;
  try {
    const { mtimeMs, size, ino } = statSync(path);
    version = `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    return missing(path, error);
  }
  const key = JSON.stringify([path, version, passphrase?.reveal()]);
  let identity = parsed.get(key);
  if (identity === undefined) {
    identity = parseIdentity(path, passphrase);
    parsed.set(key, identity);
  }
  return identity;
}

function missing(path: string, error: unknown): IdentityFile {
  return { path, kind: "missing", problem: `${path} cannot be read (${codeOf(error)})` };
}

function parseIdentity(path: string, passphrase: Secret | undefined): IdentityFile {
  let text: Buffer;
  try {
    text = readFileSync(path);
  } catch (error) {
    return missing(path, error);
  }
  const key = parseOneKey(text);
  if (!(key instanceof Error)) return { path, kind: key.isPrivateKey() ? "private" : "public", key };
  if (!/no passphrase given/i.test(key.message)) {
    const remedy = `ssh-keygen -p -f ${path} rewrites it in OpenSSH's format`;
    return {
      path,
      kind: "unusable",
      problem: `${path} cannot be read as a private key (${key.message}; ${remedy})`,
    };
  }
  if (passphrase === undefined) {
    return {
      path,
      kind: "unusable",
      problem: `${path} is encrypted: set ansible_ssh_passphrase, or add it to the agent`,
    };
  }
  const unlocked = parseOneKey(text, passphrase.reveal());
  if (!(unlocked instanceof Error)) return { path, kind: "private", key: unlocked };
  return {
    path,
    kind: "unusable",
    problem: `${path} is encrypted, and ansible_ssh_passphrase does not unlock it`,
  };
}

function parseOneKey(text: Buffer, passphrase?: string): ParsedKey | Error {
  // The types promise one key, but for OpenSSH's format, which may hold several, ssh2 returns a list.
  const result: ParsedKey | Error | ParsedKey[] = parseKey(text, passphrase);
  return Array.isArray(result) ? (result[0] ?? new Error("no key in it")) : result;
}

/** The public half of an identity, also of a locked one where `.pub` lies beside it. */
export function publicBlob(identity: IdentityFile): Buffer | undefined {
  if ("key" in identity) return identity.key.getPublicSSH();
  try {
    const key = parseOneKey(readFileSync(`${identity.path}.pub`));
    return key instanceof Error ? undefined : key.getPublicSSH();
  } catch {
    // No `.pub` lies beside it.
    return undefined;
  }
}

/** An OpenSSH certificate beside the key, which ssh2 cannot use. */
export function certificateOf(path: string): string | undefined {
  const certificate = `${path}-cert.pub`;
  return existsSync(certificate) ? certificate : undefined;
}
