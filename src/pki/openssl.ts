import { execFile } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { InputError } from "../errors.ts";
import { Secret } from "../secret.ts";
import type { CertificateNames } from "./certificate.ts";

const run = promisify(execFile);

export interface KeyPair {
  /** PEM. */
  certificate: string;
  key: Secret;
}

const CA_DAYS = 3650;

/** Makes a CA that strict clients take: Python 3.13 refuses one without keyUsage (redis-hardening.md, 6). */
export function makeAuthority(): Promise<KeyPair> {
  return inPrivateDirectory(async (directory) => {
    const key = newKey();
    await writeFile(join(directory, "ca.key"), key.reveal(), { mode: 0o600 });
    await writeFile(join(directory, "ca.cnf"), CA_CONFIG);
    const { stdout } = await openssl(
      [
        "req",
        "-x509",
        "-new",
        "-sha256",
        "-key",
        "ca.key",
        "-days",
        String(CA_DAYS),
        "-config",
        "ca.cnf",
        "-set_serial",
        serial(),
      ],
      directory,
    );
    return { certificate: stdout, key };
  });
}

/** Issues a certificate that serves and calls: a replica shows its server certificate to its primary. */
export function issueServerCertificate(
  ca: KeyPair,
  name: string,
  names: CertificateNames,
  days: number,
): Promise<KeyPair> {
  const alternatives = [...names.dns.map((dns) => `DNS:${dns}`), ...names.ip.map((ip) => `IP:${ip}`)];
  return issue(ca, name, days, [
    `subjectAltName=${alternatives.join(",")}`,
    "extendedKeyUsage=serverAuth,clientAuth",
  ]);
}

export function issueClientCertificate(ca: KeyPair, name: string, days: number): Promise<KeyPair> {
  return issue(ca, name, days, ["extendedKeyUsage=clientAuth"]);
}

function issue(ca: KeyPair, name: string, days: number, extensions: readonly string[]): Promise<KeyPair> {
  return inPrivateDirectory(async (directory) => {
    const key = newKey();
    const file = (path: string, text: string) => writeFile(join(directory, path), text, { mode: 0o600 });
    await file("leaf.key", key.reveal());
    await file("ca.crt", ca.certificate);
    await file("ca.key", ca.key.reveal());
    await file(
      "leaf.cnf",
      `[req]\nprompt=no\nstring_mask=utf8only\ndistinguished_name=dn\n[dn]\nCN=${commonName(name)}\n`,
    );
    await file("leaf.ext", [...LEAF_EXTENSIONS, ...extensions, ""].join("\n"));
    await openssl(
      ["req", "-new", "-sha256", "-key", "leaf.key", "-config", "leaf.cnf", "-out", "leaf.csr"],
      directory,
    );
    const { stdout } = await openssl(
      [
        "x509",
        "-req",
        "-sha256",
        "-in",
        "leaf.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-set_serial",
        serial(),
        "-days",
        String(days),
        "-extfile",
        "leaf.ext",
      ],
      directory,
    );
    return { certificate: stdout, key };
  });
}

const CA_CONFIG = `[req]
prompt=no
distinguished_name=dn
x509_extensions=ext
[dn]
CN=redkeep CA
[ext]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
`;

const LEAF_EXTENSIONS = [
  "basicConstraints=critical,CA:FALSE",
  "keyUsage=critical,digitalSignature",
  "subjectKeyIdentifier=hash",
  "authorityKeyIdentifier=keyid",
];

function newKey(): Secret {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  return new Secret(privateKey);
}

/** X.509 caps a common name at 64 characters; whatever is cut off stands in the alternative names. */
function commonName(name: string): string {
  return name.replace(/[^A-Za-z0-9._-]/g, "-").slice(0, 64);
}

/** Positive and 127 bits long, as RFC 5280 allows. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  return `0x${bytes.toString("hex")}`;
}

async function openssl(args: readonly string[], cwd: string): Promise<{ stdout: string }> {
  try {
    return await run("openssl", args, {
      cwd,
      timeout: 30_000,
      env: { PATH: process.env.PATH, OPENSSL_CONF: "/dev/null" },
    });
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const reason =
      error instanceof Error && "stderr" in error
        ? String(error.stderr).trim().split("\n").at(-1)
        : String(error);
    throw new InputError({
      message: missing
        ? "openssl is needed on this machine to make certificates, and was not found: install it, or bring tls.ca and tls.certificate"
        : `openssl ${args[0]} failed: ${reason}`,
    });
  }
}

async function inPrivateDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "redkeep-pki-"));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
