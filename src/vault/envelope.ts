import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  pbkdf2,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";
import type { Secret } from "../lib/secret.ts";

/*
 * Ansible Vault's file format, 1.1 and 1.2. Behind a header stand three lines of hex: the salt, the HMAC-SHA256 of the
 * ciphertext, and the ciphertext (AES256 in counter mode, padded to whole blocks). These are written in hex once more, in lines
 * of 80 characters. PBKDF2-SHA256 makes both keys and the counter's start from the password. Sources: docs.ansible.com, "Ansible
 * Vault file format", and ansible.parsing.vault.
 */

const MARK = "$ANSIBLE_VAULT";
const CIPHER = "AES256";
/** The id of a vault that names none: Ansible writes it as version 1.1. */
export const DEFAULT_ID = "default";
const ITERATIONS = 10_000;
const KEY_BYTES = 32;
const BLOCK_BYTES = 16;
const LINE_LENGTH = 80;

const derive = promisify(pbkdf2);

/** An encrypted text, taken apart. */
export interface Envelope {
  /** The label in the header; undefined where it has none. */
  id: string | undefined;
  salt: Buffer;
  hmac: Buffer;
  ciphertext: Buffer;
}

/** What is wrong with an encrypted text. The message is the end of a sentence that begins with the text's name. */
export class VaultDamage extends Error {
  override readonly name = "VaultDamage";
  /** The line of the encrypted text, counted from 1. */
  readonly line: number;

  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

/** Whether a file's text is encrypted. */
export function isVault(text: string): boolean {
  return text.startsWith(MARK);
}

/** The id in the header of an encrypted text, `default` where it has none. */
export function idOf(text: string): string {
  return text.split(/\r?\n/, 1)[0]?.split(";")[3]?.trim() || DEFAULT_ID;
}

/** Takes an encrypted text apart. @throws VaultDamage where it is no vault of a known version, or not whole */
export function parseEnvelope(text: string): Envelope {
  const lines = text.trim().split(/\r?\n/);
  const conflict = lines.findIndex((line) => /^(?:<{7}|={7}|>{7}|\|{7})(?: |$)/.test(line));
  if (conflict >= 0)
    throw new VaultDamage(
      "has the marks of a merge conflict: two versions of it cannot be merged, so take one of them whole (git checkout --ours FILE, or --theirs)",
      conflict + 1,
    );
  const [header = "", ...body] = lines;
  const [mark, version = "", cipher = "", id] = header.split(";").map((part) => part.trim());
  if (mark !== MARK)
    throw new VaultDamage(
      `should begin with ${MARK};1.1;${CIPHER}, found ${JSON.stringify(header.slice(0, 40))}`,
      1,
    );
  if (version !== "1.1" && version !== "1.2")
    throw new VaultDamage(
      `should be of version 1.1 or 1.2 of Ansible Vault, found ${JSON.stringify(version.slice(0, 20))}`,
      1,
    );
  if (cipher !== CIPHER)
    throw new VaultDamage(
      `should be encrypted by ${CIPHER}, found ${JSON.stringify(cipher.slice(0, 20))}`,
      1,
    );
  for (const [index, line] of body.entries())
    if (!/^[0-9a-fA-F]*$/.test(line.trim()))
      throw new VaultDamage("is damaged: should be hexadecimal digits", index + 2);
  const cut = (): VaultDamage =>
    new VaultDamage("is damaged: it is cut off, or a part of it is missing", lines.length);
  const parts = bytesOf(body.map((line) => line.trim()).join(""))
    ?.toString("latin1")
    .split("\n")
    .map(bytesOf);
  const [salt, hmac, ciphertext, ...more] = parts ?? [];
  if (salt === undefined || hmac === undefined || ciphertext === undefined || more.length > 0) throw cut();
  const isWhole = ciphertext.length > 0 && ciphertext.length % BLOCK_BYTES === 0;
  if (salt.length === 0 || hmac.length !== KEY_BYTES || !isWhole) throw cut();
  return { id: id || undefined, salt, hmac, ciphertext };
}

/** Undefined for a text that is not whole bytes in hex. */
function bytesOf(hex: string): Buffer | undefined {
  return hex.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(hex) ? Buffer.from(hex, "hex") : undefined;
}

interface Keys {
  cipher: Buffer;
  hmac: Buffer;
  start: Buffer;
}

/** This costs some ten milliseconds of one core, but does not stop the event loop. */
async function keysOf(password: Secret, salt: Buffer): Promise<Keys> {
  const bytes = await derive(password.reveal(), salt, ITERATIONS, 2 * KEY_BYTES + BLOCK_BYTES, "sha256");
  return {
    cipher: bytes.subarray(0, KEY_BYTES),
    hmac: bytes.subarray(KEY_BYTES, 2 * KEY_BYTES),
    start: bytes.subarray(2 * KEY_BYTES),
  };
}

function hmacOf({ hmac }: Keys, ciphertext: Buffer): Buffer {
  return createHmac("sha256", hmac).update(ciphertext).digest();
}

/** What was encrypted. Undefined where the password is another or a digit was changed: nobody can tell the two apart. */
export async function decrypt(envelope: Envelope, password: Secret): Promise<Buffer | undefined> {
  const keys = await keysOf(password, envelope.salt);
  if (!timingSafeEqual(hmacOf(keys, envelope.ciphertext), envelope.hmac)) return undefined;
  const decipher = createDecipheriv("aes-256-ctr", keys.cipher, keys.start);
  const padded = Buffer.concat([decipher.update(envelope.ciphertext), decipher.final()]);
  const padding = padded.at(-1) ?? 0;
  return padding >= 1 && padding <= BLOCK_BYTES ? padded.subarray(0, padded.length - padding) : undefined;
}

/** `text` as `ansible-vault encrypt --encrypt-vault-id ID` writes it. */
export async function encrypt(text: string, password: Secret, id = DEFAULT_ID): Promise<string> {
  const salt = randomBytes(KEY_BYTES);
  const keys = await keysOf(password, salt);
  const plain = Buffer.from(text);
  const padding = BLOCK_BYTES - (plain.length % BLOCK_BYTES);
  const cipher = createCipheriv("aes-256-ctr", keys.cipher, keys.start);
  const ciphertext = Buffer.concat([
    cipher.update(plain),
    cipher.update(Buffer.alloc(padding, padding)),
    cipher.final(),
  ]);
  const inner = [salt, hmacOf(keys, ciphertext), ciphertext].map((part) => part.toString("hex")).join("\n");
  const header = id === DEFAULT_ID ? `${MARK};1.1;${CIPHER}` : `${MARK};1.2;${CIPHER};${id}`;
  const body =
    Buffer.from(inner)
      .toString("hex")
      .match(new RegExp(`.{1,${LINE_LENGTH}}`, "g")) ?? [];
  return `${[header, ...body].join("\n")}\n`;
}
