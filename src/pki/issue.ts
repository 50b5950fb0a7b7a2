import { isIP } from "node:net";
import { InputError } from "../lib/errors.ts";
import type { CertificateNames } from "./certificate.ts";
import type { CertificateRequest, KeyPair } from "./sign.ts";

export type { KeyPair };

const CA_DAYS = 3650;

/** Makes a CA that strict clients accept: Python 3.13 refuses one without keyUsage (redis-hardening.md, 6). */
export function makeAuthority(): Promise<KeyPair> {
  return issue(undefined, { name: "redkeep CA", days: CA_DAYS, use: "authority" });
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
  names: CertificateNames,
  days: number,
  calls = false,
): Promise<KeyPair> {
  const { dns, ip } = names;
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
  return issue(ca, { name, days, use: calls ? "server-and-client" : "server", names });
}

export function issueClientCertificate(ca: KeyPair, name: string, days: number): Promise<KeyPair> {
  return issue(ca, { name, days, use: "client" });
}

/** The library is loaded here alone: most runs make no certificate. */
async function issue(ca: KeyPair | undefined, request: CertificateRequest): Promise<KeyPair> {
  const { makeCertificate } = await import("./sign.ts");
  return makeCertificate(ca, { ...request, name: commonName(request.name) });
}

function isDnsName(name: string): boolean {
  return name.length <= 253 && /^(?:\*\.)?[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*$/.test(name);
}

/** X.509 caps a common name at 64 characters; nobody reads it but people. */
function commonName(name: string): string {
  return name.replace(/[^A-Za-z0-9 ._-]/g, "-").slice(0, 64);
}
