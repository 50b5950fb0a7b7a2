import { createHash, createHmac } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Place } from "../lib/errors.ts";

/** One line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
interface KnownHost {
  /** `@cert-authority`, `@revoked` or nothing. */
  marker: string;
  /** Hashed name, or a comma-separated list of patterns. */
  names: string;
  type: string;
  key: Buffer;
  place: Place & { line: number };
}

export type HostKeyVerdict =
  | { outcome: "ok" }
  /** No line names the host. `certAuthority` is a line that would vouch for it by certificate, which is not supported. */
  | { outcome: "unknown"; certAuthority: Place | undefined }
  /** The host is known with another key. */
  | { outcome: "changed"; place: Place; type: string; fingerprint: string }
  | { outcome: "revoked"; place: Place };

/** The name under which OpenSSH keeps a host: `host`, or `[host]:port` where the port is not 22. */
export function knownHostsName(address: string, port: number): string {
  const host = address.toLowerCase();
  return port === 22 ? host : `[${host}]:${port}`;
}

/** As ssh-keygen -l prints it: `SHA256:` and the digest of the key blob in base64 without padding. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replaceAll("=", "")}`;
}

/** A host key as a program shows it: its type and its fingerprint, as `fingerprint` gives it. */
export interface ShownKey {
  type: string;
  fingerprint: string;
}

/** The algorithm that a key blob names in itself: `ssh-ed25519`. */
export function keyType(key: Buffer): string {
  if (key.length < 4) return "unknown";
  return key.toString("latin1", 4, Math.min(4 + key.readUInt32BE(0), 68));
}

/**
 * Judges the key that the host `address:port` showed by the lines of `files`, in that order. A known host with another
 * key counts as changed, whatever the type: else an impostor would only need to offer a type that is not on file.
 */
export function checkHostKey(
  address: string,
  port: number,
  key: Buffer | ShownKey,
  files: readonly string[],
): HostKeyVerdict {
  const lines = linesFor(knownHostsName(address, port), files);
  const isSame = (line: KnownHost) =>
    Buffer.isBuffer(key) ? line.key.equals(key) : fingerprint(line.key) === key.fingerprint;
  const type = Buffer.isBuffer(key) ? keyType(key) : key.type;
  const revoked = lines.find((line) => line.marker === "@revoked" && isSame(line));
  if (revoked) return { outcome: "revoked", place: revoked.place };

  const known = lines.filter((line) => line.marker === "");
  if (known.some(isSame)) return { outcome: "ok" };
  const other = known.find((line) => line.type === type) ?? known[0];
  if (other) {
    return { outcome: "changed", place: other.place, type: other.type, fingerprint: fingerprint(other.key) };
  }
  // Like OpenSSH, we accept a line without the port for a host on another port if the key matches.
  if (port !== 22) {
    const plain = checkHostKey(address, 22, key, files);
    if (plain.outcome === "ok" || plain.outcome === "revoked") return plain;
  }
  return {
    outcome: "unknown",
    certAuthority: lines.find((line) => line.marker === "@cert-authority")?.place,
  };
}

/** The key types by which a host is known. It must be asked for one of these, or its key looks changed. */
export function knownKeyTypes(address: string, port: number, files: readonly string[]): string[] {
  const names = new Set([knownHostsName(address, port), knownHostsName(address, 22)]);
  const lines = [...names].flatMap((name) => linesFor(name, files)).filter((line) => line.marker === "");
  return [...new Set(lines.map((line) => line.type))];
}

/**
 * Adds the key of a new host, as `ssh -o StrictHostKeyChecking=accept-new` does. One write in append mode, so that
 * hosts of the same run, and other programs, do not write into each other's line.
 * @throws Error where the file is no known_hosts file, or where the key cannot be read back: the next key would be new
 * again, and accepted too.
 */
export function addKnownHost(file: string, address: string, port: number, key: Buffer): void {
  checkKnownHostsFile(file, address);
  const line = `${knownHostsName(address, port)} ${keyType(key)} ${key.toString("base64")}\n`;
  appendFileSync(file, endsInLine(file) ? line : `\n${line}`, { mode: 0o600 });
  if (checkHostKey(address, port, key, [file]).outcome !== "ok") throw new Error("it cannot be read back");
}

/**
 * Makes the folder of a file for new host keys.
 * @param name of the new host, which an inventory can choose by HostKeyAlias
 * @throws Error where a key may not be added to the file
 */
export function checkKnownHostsFile(file: string, name: string): void {
  if (/[*?!,\s]|^[|@#]/.test(name))
    throw new Error(`its name there, ${JSON.stringify(name)}, would stand for other hosts too`);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === false)
    throw new Error("it is not a regular file, so every key would be new again");
  const strange = strangeLine(file);
  if (strange !== undefined)
    throw new Error(`line ${strange} does not look like known_hosts, so this may be another kind of file`);
}

/** Whether a line names the host, plainly or as one whose certificates count. */
export function isNamed(
  address: string,
  port: number,
  files: readonly string[],
): "key" | "authority" | undefined {
  const names = new Set([knownHostsName(address, port), knownHostsName(address, 22)]);
  const markers = [...names].flatMap((name) => linesFor(name, files)).map(({ marker }) => marker);
  if (markers.includes("")) return "key";
  return markers.includes("@cert-authority") ? "authority" : undefined;
}

/** The keys that a file has for a host. */
export function keysOf(address: string, port: number, file: string): ShownKey[] {
  return linesFor(knownHostsName(address, port), [file])
    .filter(({ marker }) => marker === "")
    .map(({ key }) => ({ type: keyType(key), fingerprint: fingerprint(key) }));
}

/** The number of the first line that OpenSSH would not write into a known_hosts file; keys of its protocol 1 are numbers. */
function strangeLine(file: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // A file that is not there has no strange line; one that may not be read is found out as the key is added.
    return undefined;
  }
  const index = text.split("\n").findIndex((line) => {
    const words = line.trim().split(/\s+/);
    if (words[0] === "" || words[0]?.startsWith("#")) return false;
    if (/^@(?:cert-authority|revoked)$/.test(words[0] ?? "")) words.shift();
    const [, type, key = "", modulus = ""] = words;
    if ([type, key, modulus].every((word) => /^\d+$/.test(word ?? ""))) return false;
    return keyType(Buffer.from(key, "base64")) !== type;
  });
  return index < 0 ? undefined : index + 1;
}

function endsInLine(file: string): boolean {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    // It is not there yet: what is added will be its first line.
    return true;
  }
  try {
    const { size } = fstatSync(fd);
    const last = Buffer.alloc(1);
    return size === 0 || (readSync(fd, last, 0, 1, size - 1) === 1 && last[0] === 0x0a);
  } finally {
    closeSync(fd);
  }
}

function linesFor(name: string, files: readonly string[]): KnownHost[] {
  return files.flatMap((file) => {
    const known = readKnownHosts(file);
    let lines = known.found.get(name);
    if (lines === undefined) {
      const rest = known.patterns.filter((line) => matchesName(line.names, name));
      lines = [...(known.plain.get(name) ?? []), ...rest].sort((a, b) => a.place.line - b.place.line);
      known.found.set(name, lines);
    }
    return lines;
  });
}

/** A parsed file: without it, a thousand hosts would each search the same thousand lines. */
interface KnownHosts {
  version: string;
  /** Lines that name hosts literally, by name. */
  plain: ReadonlyMap<string, KnownHost[]>;
  /** Lines with patterns or hashes, which must be tried one by one. */
  patterns: readonly KnownHost[];
  /** The matches found so far, by name. */
  found: Map<string, KnownHost[]>;
}

/** By path, for as long as the file is the same. */
const cache = new Map<string, KnownHosts>();

/** The lines of a file; none where it cannot be read, which leaves the host unknown. */
function readKnownHosts(file: string): KnownHosts {
  let version = "missing";
  let text = "";
  try {
    const found = statSync(file);
    const { mtimeMs, size, ino } = found;
    // A pipe would block, and a device never ends.
    if (!found.isFile()) throw new Error("no file");
    version = `${mtimeMs} ${size} ${ino}`;
    const cached = cache.get(file);
    if (cached?.version === version) return cached;
    text = readFileSync(file, "utf8");
  } catch {
    // Treat it as empty.
  }
  const plain = new Map<string, KnownHost[]>();
  const patterns: KnownHost[] = [];
  for (const line of parseKnownHosts(text, file)) {
    if (/^\|1\||[*?!]/.test(line.names)) patterns.push(line);
    else {
      for (const name of new Set(line.names.toLowerCase().split(","))) {
        const lines = plain.get(name);
        if (lines === undefined) plain.set(name, [line]);
        else lines.push(line);
      }
    }
  }
  const known = { version, plain, patterns, found: new Map() };
  cache.set(file, known);
  return known;
}

function parseKnownHosts(text: string, file: string): KnownHost[] {
  const result: KnownHost[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith("@") ? (words.shift() ?? "") : "";
    const [names, type, base64] = words;
    if (names === undefined || names.startsWith("#") || type === undefined || base64 === undefined) continue;
    const key = Buffer.from(base64, "base64");
    if (key.length === 0) continue;
    result.push({ marker, names, type, key, place: { file, line: index + 1 } });
  }
  return result;
}

function matchesName(names: string, name: string): boolean {
  if (names.startsWith("|1|")) {
    const [, , salt = "", hash] = names.split("|");
    return createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest("base64") === hash;
  }
  return matchesPatterns(names.toLowerCase().split(","), name);
}

/** Whether one of OpenSSH's patterns matches, and none of those that begin with `!`. */
export function matchesPatterns(patterns: readonly string[], name: string): boolean {
  let matches = false;
  for (const pattern of patterns) {
    if (pattern.startsWith("!")) {
      if (matchesPattern(pattern.slice(1), name)) return false;
    } else if (matchesPattern(pattern, name)) matches = true;
  }
  return matches;
}

/** OpenSSH's patterns: `*` and `?` and nothing else; brackets stand for themselves. */
function matchesPattern(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    if (pattern[p] === "*") {
      star = p++;
      resume = n;
    } else if (pattern[p] === "?" || pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else return false;
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
