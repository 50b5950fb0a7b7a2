import { createHash, X509Certificate } from "node:crypto";

/** DNS names and IP addresses that a certificate must cover. */
export interface CertificateNames {
  dns: readonly string[];
  ip: readonly string[];
}

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

/**
 * What clients or Redis would refuse in a certificate, as phrases; empty where nothing is wrong.
 * @param keyDigest `publicKeyDigest` of its private key, "" where there is no key, undefined where it cannot be told.
 * @param epoch seconds since 1970 by the host's clock.
 */
export function certificateFindings(given: {
  pem: string;
  ca: string;
  names: CertificateNames;
  epoch: number;
  renewBeforeDays: number;
  keyDigest: string | undefined;
}): string[] {
  const certificate = parse(given.pem);
  const ca = parse(given.ca);
  if (certificate === undefined) return ["it is no certificate"];
  if (ca === undefined) return ["the CA's certificate cannot be read"];
  const findings: string[] = [];
  if (!certificate.verify(ca.publicKey)) findings.push("it is not signed by the CA");
  if (certificate.validFromDate.getTime() / 1000 > given.epoch)
    findings.push("it is not valid yet by the host's clock");
  const days = Math.floor((certificate.validToDate.getTime() / 1000 - given.epoch) / 86_400);
  if (days < 0) findings.push("it has expired");
  else if (days <= given.renewBeforeDays && given.renewBeforeDays > 0)
    findings.push(`it ends in ${days} days`);
  const missing = [
    ...given.names.dns.filter((name) => certificate.checkHost(name, { subject: "never" }) === undefined),
    ...given.names.ip.filter((ip) => certificate.checkIP(ip) === undefined),
  ];
  if (missing.length > 0) findings.push(`it does not cover ${missing.join(", ")}`);
  if (certificate.keyUsage !== undefined && !certificate.keyUsage.includes(SERVER_AUTH))
    findings.push("it is no server certificate");
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  if (asymmetricKeyType === "rsa" && (asymmetricKeyDetails?.modulusLength ?? 0) < 2048)
    findings.push("its RSA key is shorter than 2048 bits");
  if (given.keyDigest !== undefined && given.keyDigest !== publicKeyDigest(given.pem)) {
    findings.push("the private key on the host does not belong to it");
  }
  return findings;
}

/** Whole days until the certificate ends; negative when it has. Undefined where the text is none. */
export function daysLeft(pem: string, epoch: number): number | undefined {
  const certificate = parse(pem);
  return certificate && Math.floor((certificate.validToDate.getTime() / 1000 - epoch) / 86_400);
}

export function sameCertificate(a: string, b: string): boolean {
  const [left, right] = [parse(a), parse(b)];
  return left !== undefined && left.fingerprint256 === right?.fingerprint256;
}

/** sha256 (hex) of the certificate's public key in SPKI, DER: what `openssl pkey -pubout` prints of its private key. */
export function publicKeyDigest(pem: string): string | undefined {
  const key = parse(pem)?.publicKey.export({ type: "spki", format: "der" });
  return key && createHash("sha256").update(key).digest("hex");
}

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
