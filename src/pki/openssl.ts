import { execFile } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InputError } from "../lib/errors.ts";
import { Secret } from "../lib/secret.ts";
import type { CertificateNames } from "./certificate.ts";

export interface KeyPair {
  /** PEM. */
  certificate: string;
  key: Secret;
}

const CA_DAYS = 3650;
const HOUR_MS = 3_600_000;

/** Makes a CA that strict clients accept: Python 3.13 refuses one without keyUsage (redis-hardening.md, 6). */
export function makeAuthority(): Promise<KeyPair> {
  return issue(undefined, "redkeep CA", CA_DAYS, [
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,keyCertSign,cRLSign",
  ]);
}

/**
 * Issues a certificate for a server that cannot be used as a client's: otherwise whoever takes the server over could log in to all others.
 *
 * @param calls true where the server is also a client of another one, as a replica is of its primary.
 * @throws InputError for a name that is neither a DNS name nor an IP address, or where no name is given.
 */
export async function issueServerCertificate(
  ca: KeyPair,
  name: string,
  { dns, ip }: CertificateNames,
  days: number,
  calls = false,
): Promise<KeyPair> {
  const wrong = [
    ...dns.filter((one) => !isDnsName(one)),
    ...ip.filter((one) => isIP(one) === 0 || one.includes("%")),
  ];
  if (wrong.length > 0 || dns.length + ip.length === 0) {
    const found = wrong.map((one) => JSON.stringify(one)).join(", ") || "none";
    throw new InputError({
      key: `certificate of ${name}`,
      message: `should name DNS names and IP addresses, found ${found}`,
    });
  }
  const alternatives = [...dns.map((one) => `DNS:${one}`), ...ip.map((one) => `IP:${one}`)].join(",");
  return issue(ca, name, days, [
    ...LEAF,
    `extendedKeyUsage=serverAuth${calls ? ",clientAuth" : ""}`,
    `subjectAltName=${alternatives}`,
  ]);
}

export function issueClientCertificate(ca: KeyPair, name: string, days: number): Promise<KeyPair> {
  return issue(ca, name, days, [...LEAF, "extendedKeyUsage=clientAuth"]);
}

const LEAF = [
  "basicConstraints=critical,CA:FALSE",
  "keyUsage=critical,digitalSignature",
  "authorityKeyIdentifier=keyid,issuer",
];

/**
 * A new key and its certificate, signed by `ca`, or self-signed without one. openssl gets the keys on standard input, so the
 * temporary folder, which stays behind if redkeep is killed, holds no secret.
 */
async function issue(
  ca: KeyPair | undefined,
  name: string,
  days: number,
  extensions: readonly string[],
): Promise<KeyPair> {
  const directory = await mkdtemp(join(tmpdir(), "redkeep-pki-"));
  try {
    const file = (path: string, text: string) => writeFile(join(directory, path), text, { mode: 0o600 });
    const key = newKey();
    await file("ca.crt", ca?.certificate ?? "");
    await file("index", "");
    await file("serial", serial());
    await file("openssl.cnf", config(name, extensions));
    const request = ["req", "-new", "-config", "openssl.cnf", "-key", KEY_INPUT, "-out", "new.csr"];
    await openssl(request, directory, key);
    // Starts an hour ago, since the clock of a host or a client may be behind this machine's.
    const start = Date.now() - HOUR_MS;
    const dates = ["-startdate", opensslTime(start), "-enddate", opensslTime(start + days * 24 * HOUR_MS)];
    const signer = ca === undefined ? ["-selfsign"] : ["-cert", "ca.crt"];
    const files = ["-keyfile", KEY_INPUT, "-in", "new.csr", "-out", "new.crt"];
    await openssl(
      ["ca", "-batch", "-notext", "-config", "openssl.cnf", ...signer, ...files, ...dates],
      directory,
      ca?.key ?? key,
    );
    return { certificate: await readFile(join(directory, "new.crt"), "utf8"), key };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** `openssl ca` instead of `x509 -req`: only it accepts a start in the past in every version. */
function config(name: string, extensions: readonly string[]): string {
  return `[req]
prompt=no
distinguished_name=subject
[subject]
CN=${commonName(name)}
[ca]
default_ca=own
[own]
database=index
serial=serial
new_certs_dir=.
default_md=default
policy=policy
x509_extensions=extensions
[policy]
commonName=supplied
[extensions]
subjectKeyIdentifier=hash
${extensions.join("\n")}
`;
}

function newKey(): Secret {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  return new Secret(privateKey);
}

function isDnsName(name: string): boolean {
  return name.length <= 253 && /^(?:\*\.)?[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*$/.test(name);
}

/** X.509 caps a common name at 64 characters; nobody reads it but people. */
function commonName(name: string): string {
  return name.replace(/[^A-Za-z0-9 ._-]/g, "-").slice(0, 64);
}

/** Positive and 127 bits long, as RFC 5280 allows. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  return bytes.toString("hex");
}

/** `20260131235959Z` */
function opensslTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().replace(/[-:T]|\..*/g, "")}Z`;
}

const KEY_INPUT = "/dev/stdin";

/** @param key what openssl reads from KEY_INPUT. */
function openssl(args: readonly string[], cwd: string, key: Secret): Promise<void> {
  // Node's own pipe is a socket, which /dev/stdin cannot open by its name: cat makes a pipe of it.
  const shell = ["-c", 'cat | openssl "$@"', "sh", ...args];
  const env = { PATH: process.env.PATH, OPENSSL_CONF: "/dev/null" };
  return new Promise((done, reject) => {
    const child = execFile("/bin/sh", shell, { cwd, timeout: 30_000, env }, (error, _stdout, stderr) => {
      if (error === null) return done();
      // openssl prints the name of the configuration, then the reason, then error codes.
      const reason = stderr.split("\n").find((line) => !line.startsWith("Using configuration"));
      reject(
        new InputError({
          message:
            error.code === NOT_FOUND
              ? "openssl is needed on this machine to make certificates, and was not found: install it, or set tls.ca and tls.certificate"
              : `openssl ${args[0]} failed: ${reason || error.message}`,
        }),
      );
    });
    // An openssl that ended early reads no key; its reason is on stderr.
    child.stdin?.on("error", () => {});
    child.stdin?.end(key.reveal());
  });
}

/** A shell's exit code for a program that does not exist. */
const NOT_FOUND = 127;
