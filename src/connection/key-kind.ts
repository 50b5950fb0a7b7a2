import { readFileSync, statSync } from "node:fs";
import { certificateOf } from "./private-key.ts";

/** The keys that ssh2 can log in with, as key blobs and files name them. */
const OF_SSH2 = /^(?:ssh-ed25519|ssh-rsa|ssh-dss|ecdsa-sha2-nistp(?:256|384|521))$/;

const kinds = new Map<string, string | undefined>();

/**
 * Why ssh2 cannot use an identity file as ssh would, as the end of a sentence that begins with `path` or is one of its own;
 * undefined where it can, or where there is no such file.
 */
export function beyondSsh2(path: string, tilde: (path: string) => string): string | undefined {
  let version: string;
  try {
    const { mtimeMs, size, ino } = statSync(path);
    version = `${path} ${mtimeMs} ${size} ${ino}`;
  } catch {
    // ssh, too, goes on without a file that is not there.
    return undefined;
  }
  const certificate = certificateOf(path);
  if (certificate !== undefined) return `${tilde(certificate)} is an OpenSSH certificate`;
  if (!kinds.has(version)) kinds.set(version, kindOf(path));
  const kind = kinds.get(version);
  return kind === undefined ? undefined : `${tilde(path)} ${kind}`;
}

function kindOf(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, "latin1").slice(0, 16_384);
  } catch {
    // It may not be read: the login says so.
    return undefined;
  }
  if (/^-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----/.test(text))
    return "is a key in PKCS #8, which ssh2 does not read";
  const type = /^-----BEGIN OPENSSH PRIVATE KEY-----/.test(text)
    ? typeInPrivate(text)
    : /^(\S+) AAAA/.exec(text)?.[1];
  return type === undefined ? undefined : nameOfType(type);
}

/** A kind of key that ssh2 does not know, in words; undefined where it does. */
export function nameOfType(type: string): string | undefined {
  if (OF_SSH2.test(type)) return undefined;
  if (/-cert-v\d+@openssh\.com$/.test(type)) return "is an OpenSSH certificate";
  if (/^sk-/.test(type)) return "is a FIDO key";
  return /^[\w.@-]{1,60}$/.test(type) ? `is a key of type ${type}` : undefined;
}

/** The type that stands in the clear in OpenSSH's format (PROTOCOL.key), also where the key is encrypted. */
function typeInPrivate(text: string): string | undefined {
  const base64 = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)(?:-----END|$)/.exec(text)?.[1] ?? "";
  const bytes = Buffer.from(base64, "base64");
  try {
    let at = "openssh-key-v1\0".length;
    const string = () => {
      const length = bytes.readUInt32BE(at);
      at += 4 + length;
      return bytes.subarray(at - length, at);
    };
    // Cipher, key derivation and its options; then the number of keys, and the first public key.
    for (let skipped = 0; skipped < 3; skipped++) string();
    at += 4;
    const key = string();
    return key.toString("latin1", 4, 4 + key.readUInt32BE());
  } catch {
    // It is cut off or damaged: ssh2 says so as it reads the key.
    return undefined;
  }
}
