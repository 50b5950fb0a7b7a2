import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { memoized } from "../lib/memoized.ts";
import { excerpt } from "../lib/secret.ts";
import type { CertificateState } from "../record/statuses.ts";

/** DNS names and IP addresses that a certificate must cover. */
export interface CertificateNames {
  dns: readonly string[];
  ip: readonly string[];
}

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const DAY_SECONDS = 86_400;
/** The host's clock may be this far behind that of the machine which issued the certificate. */
const CLOCK_SKEW_SECONDS = 300;

/**
 * Why clients or Redis would refuse a certificate, as phrases; empty where nothing is wrong.
 *
 * @param pem the certificate, followed by the intermediate ones, if any.
 * @param ca one or more certificates of CAs.
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
  const [certificate, ...intermediates] = parseAll(given.pem);
  if (certificate === undefined) return ["it is no certificate"];
  const authorities = parseAll(given.ca);
  if (authorities.length === 0) return ["the CA's certificate cannot be read"];
  return [
    ...trustFindings(certificate, intermediates, authorities),
    ...validityFindings(certificate, given.epoch, given.renewBeforeDays),
    ...nameFindings(certificate, given.names),
    ...keyFindings(certificate),
    ...(given.keyDigest === undefined || given.keyDigest === digestOf(certificate)
      ? []
      : ["the private key on the host does not belong to it"]),
  ];
}

/** The condition of a client's certificate; the worst where several things are wrong with it. */
export interface ClientCondition {
  state: CertificateState;
  /** What is wrong with it or unknown about it, as the end of a sentence; "" where it is valid. */
  found: string;
  ends: Date | undefined;
}

/**
 * Judges a client's certificate by its key and its CA: `unknown` where one of these is missing.
 *
 * @param pem undefined where it is not there.
 * @param key the text of its private key; undefined where that is not there.
 * @param ca certificates of CAs; undefined where they are not there.
 * @param epoch seconds since 1970 by this machine's clock.
 */
export function clientCondition(given: {
  pem: string | undefined;
  key: string | undefined;
  ca: string | undefined;
  epoch: number;
  renewBeforeDays: number;
}): ClientCondition {
  if (given.pem === undefined) return { state: "unknown", found: "is not here", ends: undefined };
  const [certificate] = parseAll(given.pem);
  const ends = endOf(given.pem);
  if (certificate === undefined || ends === undefined)
    return { state: "unusable", found: "is no certificate", ends: undefined };
  const condition = (state: CertificateState, found: string): ClientCondition => ({ state, found, ends });
  const days = daysUntilEnd(certificate, given.epoch);
  if (days < 0) return condition("ended", `ended ${dayOf(ends)}`);
  if (!isForClients(given.pem)) return condition("unusable", "is for servers alone");
  if (given.key !== undefined && !isKeyOf(certificate, given.key))
    return condition("unusable", "does not belong to the key beside it");
  if (given.ca !== undefined && !parseAll(given.ca).some((ca) => isIssuedBy(certificate, ca)))
    return condition("unusable", "is not signed by the present CA");
  if (given.renewBeforeDays > 0 && days <= given.renewBeforeDays)
    return condition("ending", `ends in ${days} day${days === 1 ? "" : "s"}`);
  if (given.ca === undefined) return condition("unknown", "stands here without the CA's certificate");
  if (given.key === undefined) return condition("unknown", "stands here without its key");
  return condition("valid", "");
}

/** The same for a certificate of which only the end matters: a server's, or a CA's. */
export function endCondition(
  pem: string,
  epoch: number,
  renewBeforeDays: number,
): { state: "valid" | "ending" | "ended"; ends: Date } | undefined {
  const [ends, days] = [endOf(pem), daysLeft(pem, epoch)];
  if (ends === undefined || days === undefined) return undefined;
  return { state: days < 0 ? "ended" : days <= renewBeforeDays ? "ending" : "valid", ends };
}

/** When the first certificate of the text ends; undefined where there is none, or its date cannot be written as JSON. */
export function endOf(pem: string): Date | undefined {
  const date = parseAll(pem)[0]?.validToDate;
  const year = date?.getUTCFullYear() ?? Number.NaN;
  return year >= 1970 && year <= 9999 ? date : undefined;
}

/** `2026-12-31`, UTC. */
export function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** Whether the private key (PEM) is that of the certificate; false also where it is no key. */
export function isKeyOf(certificate: X509Certificate, key: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** Why clients would not accept what this CA signs, as a phrase; undefined where they would. `epoch` as above. */
export function authorityProblem(pem: string, epoch: number): string | undefined {
  const [ca] = parseAll(pem);
  if (ca === undefined) return "it is no certificate";
  if (!ca.ca) return "it is no CA's certificate (basicConstraints lacks CA:TRUE)";
  return validityFindings(ca, epoch, 0)[0];
}

/** Whether a server accepts it from a client too. Certificates of a company's PKI are often for servers alone. */
export function isForClients(pem: string): boolean {
  const usage = parseAll(pem)[0]?.keyUsage;
  return usage === undefined || usage.includes(CLIENT_AUTH);
}

function trustFindings(
  certificate: X509Certificate,
  intermediates: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): string[] {
  const findings: string[] = [];
  if (isVersion1(certificate)) findings.push("it is an X.509 v1 certificate, which names no host");
  if (certificate.ca) findings.push("it is a CA's own certificate");
  let last = certificate;
  for (const next of intermediates) if (isIssuedBy(last, next)) last = next;
  if (!authorities.some((ca) => isIssuedBy(last, ca))) findings.push("it is not signed by the CA");
  // Node calls the extended key usage by this name.
  if (certificate.keyUsage !== undefined && !certificate.keyUsage.includes(SERVER_AUTH)) {
    findings.push("it is no server certificate");
  }
  return findings;
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** After two nested headers comes the version, under the tag [0]; v1 leaves it out (RFC 5280, 4.1). */
function isVersion1({ raw }: X509Certificate): boolean {
  const headerEnd = (at: number) => {
    const length = raw[at + 1] ?? 0;
    return at + 2 + (length < 0x80 ? 0 : length & 0x7f);
  };
  return raw[headerEnd(headerEnd(0))] !== 0xa0;
}

function validityFindings(certificate: X509Certificate, epoch: number, renewBeforeDays: number): string[] {
  if (certificate.validFromDate.getTime() / 1000 > epoch + CLOCK_SKEW_SECONDS) {
    return ["it is not valid yet by the host's clock"];
  }
  const days = daysUntilEnd(certificate, epoch);
  if (days < 0) return ["it has expired"];
  return renewBeforeDays > 0 && days <= renewBeforeDays
    ? [`it ends in ${days} day${days === 1 ? "" : "s"}`]
    : [];
}

function nameFindings(certificate: X509Certificate, names: CertificateNames): string[] {
  // Clients read only the alternative names, never the subject.
  const missing = [
    ...names.dns.filter((name) => certificate.checkHost(name, { subject: "never" }) === undefined),
    ...names.ip.filter((ip) => certificate.checkIP(ip) === undefined),
  ];
  return missing.length > 0 ? [`it does not cover ${missing.join(", ")}`] : [];
}

function keyFindings({ publicKey: { asymmetricKeyType, asymmetricKeyDetails } }: X509Certificate): string[] {
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  return asymmetricKeyType === "rsa" && bits < 2048 ? [`its RSA key has ${bits} bits, fewer than 2048`] : [];
}

/** Whole days until the certificate ends; negative after its end. Undefined where the text is no certificate. */
export function daysLeft(pem: string, epoch: number): number | undefined {
  const [certificate] = parseAll(pem);
  return certificate && daysUntilEnd(certificate, epoch);
}

function daysUntilEnd({ validToDate }: X509Certificate, epoch: number): number {
  return Math.floor((validToDate.getTime() / 1000 - epoch) / DAY_SECONDS);
}

export function sameCertificate(a: string, b: string): boolean {
  const [[left], [right]] = [parseAll(a), parseAll(b)];
  return left !== undefined && left.fingerprint256 === right?.fingerprint256;
}

/** What OpenSSL accepts as a certificate in a file of CAs, under any of its labels. */
const ANY_CERTIFICATE = /-----BEGIN ([A-Z0-9 ]*CERTIFICATE)-----[\s\S]*?-----END \1-----/g;

/** Eight bytes of a fingerprint, as openssl prints it. */
const FINGERPRINT_SHOWN = 23;

/**
 * The CAs that a file trusts besides the wanted ones: the subject of each, for people; a certificate that cannot be read is
 * named as such.
 *
 * @param pem the file's text.
 * @param wanted the CAs that it should hold.
 */
export function foreignAuthorities(pem: string, wanted: string): string[] {
  const own = new Set(parseAll(wanted).map(({ fingerprint256 }) => fingerprint256));
  return (pem.match(ANY_CERTIFICATE) ?? []).flatMap((text) => {
    const [certificate] = parseAll(text);
    if (certificate === undefined) return ["a certificate that cannot be read"];
    const { fingerprint256, subject } = certificate;
    if (own.has(fingerprint256)) return [];
    // Anybody can give a CA the name of another, so we add the fingerprint.
    const name = excerpt((subject ?? "").replaceAll("\n", ", "), 100) || "a certificate without a subject";
    return [`${name} (SHA-256 ${fingerprint256.slice(0, FINGERPRINT_SHOWN)}…)`];
  });
}

/** sha256 (hex) of the certificate's public key in SPKI, DER: what `openssl pkey -pubout` prints of its private key. */
export function publicKeyDigest(pem: string): string | undefined {
  const [certificate] = parseAll(pem);
  return certificate && digestOf(certificate);
}

function digestOf({ publicKey }: X509Certificate): string {
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("hex");
}

const END = "-----END CERTIFICATE-----";

/**
 * The certificates of a PEM text, in order; none where one of them cannot be read. Memoized, since a host's certificate is
 * read for several checks, and the CA's for every host.
 */
const parseAll = memoized(1_000, readAll);

function readAll(pem: string): readonly X509Certificate[] {
  try {
    return pem
      .split(END)
      .slice(0, -1)
      .map((part) => new X509Certificate(part + END));
  } catch {
    return [];
  }
}
