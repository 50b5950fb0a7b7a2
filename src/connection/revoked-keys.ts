import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";

/**
 * Whether a file of `RevokedHostKeys` names this key: a list of public keys, one a line, or OpenSSH's key revocation list, as
 * `ssh-keygen -k` makes it (PROTOCOL.krl).
 * @throws Error where the file cannot be read or understood completely: whether the key is revoked is then unknown.
 */
export function isRevoked(key: Buffer, file: string): boolean {
  const revoked = readRevoked(file);
  const digest = (name: string) => createHash(name).update(key).digest("base64");
  return (
    revoked.keys.has(key.toString("base64")) ||
    revoked.sha1.has(digest("sha1")) ||
    revoked.sha256.has(digest("sha256"))
  );
}

/** Keys and digests of keys, each in base64. */
interface Revoked {
  version: string;
  keys: Set<string>;
  sha1: Set<string>;
  sha256: Set<string>;
}

/** By path, for as long as the file is the same. */
const cache = new Map<string, Revoked>();

function readRevoked(file: string): Revoked {
  const found = statSync(file);
  if (!found.isFile()) throw new Error("it is not a regular file");
  const version = `${found.mtimeMs} ${found.size} ${found.ino}`;
  const cached = cache.get(file);
  if (cached?.version === version) return cached;
  const content = readFileSync(file);
  const revoked: Revoked = { version, keys: new Set(), sha1: new Set(), sha256: new Set() };
  if (content.subarray(0, KRL_MAGIC.length).equals(KRL_MAGIC)) readList(content, revoked);
  else readKeys(content.toString("utf8"), revoked);
  cache.set(file, revoked);
  return revoked;
}

function readKeys(text: string, { keys }: Revoked): void {
  for (const [index, line] of text.split("\n").entries()) {
    const [type, base64 = ""] = line.trim().split(/\s+/);
    if (type === undefined || type === "" || type.startsWith("#")) continue;
    const key = Buffer.from(base64, "base64");
    // A key names its own type.
    const isKey = key.length > 4 && key.subarray(4, 4 + key.readUInt32BE(0)).toString("latin1") === type;
    if (!isKey) throw new Error(`line ${index + 1} holds no public key`);
    keys.add(key.toString("base64"));
  }
}

const KRL_MAGIC = Buffer.from("SSHKRL\n\0", "latin1");

/** The kinds of section that list plain keys. Certificates have their own: redkeep accepts no host certificates. */
const SECTION = { certificates: 1, keys: 2, sha1: 3, sha256: 5 } as const;

function readList(content: Buffer, revoked: Revoked): void {
  const list = new Reader(content.subarray(KRL_MAGIC.length));
  const version = list.uint32();
  if (version !== 1) throw new Error(`it is a key revocation list of version ${version}`);
  // Number, time and flags, in 64 bits each; then a reserved string and a comment.
  list.skip(24);
  list.string();
  list.string();
  while (!list.isAtEnd) {
    const kind = list.byte();
    const section = new Reader(list.string());
    const into = {
      [SECTION.keys]: revoked.keys,
      [SECTION.sha1]: revoked.sha1,
      [SECTION.sha256]: revoked.sha256,
    }[kind];
    if (into === undefined) {
      if (kind !== SECTION.certificates)
        throw new Error(`it is a key revocation list with a section of kind ${kind}`);
      continue;
    }
    while (!section.isAtEnd) into.add(section.string().toString("base64"));
  }
}

/** Numbers and strings as SSH writes them. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  skip(length: number): Buffer {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    if (taken.length < length) throw new Error("it is a key revocation list that was cut off");
    this.#at += length;
    return taken;
  }

  byte(): number {
    return this.skip(1).readUInt8();
  }

  uint32(): number {
    return this.skip(4).readUInt32BE();
  }

  string(): Buffer {
    return this.skip(this.uint32());
  }
}
