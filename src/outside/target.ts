import type { TlsParams } from "../tasks/tls/parameters.ts";

/** One Redis as others reach it, and what the playbook says of it. All words in it are safe for a shell and for OpenSSL. */
export interface Target {
  /** The inventory's name. */
  host: string;
  /** A DNS name or an IP address. */
  address: string;
  /** Ports on which clear text may be spoken, 6379 among them. */
  plainPorts: readonly number[];
  /** Those of them that the playbook wants to be there. */
  wantedPlainPorts: readonly number[];
  tlsPort: number | undefined;
  /** Undefined where the playbook has no tls task: then nothing is expected of handshakes. */
  tls: Pick<TlsParams, "protocols" | "ciphers" | "ciphersuites" | "auth_clients"> | undefined;
}

export type TlsVersion = "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";

/** A handshake to try: one version, and lists of ciphers as OpenSSL takes them. */
export interface Attempt {
  name: string;
  version: TlsVersion;
  /** Of TLS 1.2 and older. */
  ciphers?: string;
  /** Of TLS 1.3. */
  ciphersuites?: string;
}

export const OLD_VERSIONS: readonly TlsVersion[] = ["TLSv1", "TLSv1.1"];
export const NEW_VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;

/** Every cipher that a client has. Level 0 of OpenSSL 3, or the client itself would refuse what is old. */
const EVERYTHING = "ALL:COMPLEMENTOFALL";
const LEVEL = "@SECLEVEL=0";
/** Those that OpenSSL knows for TLS 1.3 (RFC 8446, B.4). */
const SUITES = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_CCM_SHA256",
  "TLS_AES_128_CCM_8_SHA256",
];

/** Names of the attempts with what the playbook does not declare. */
export const OTHER_CIPHERS = "other-ciphers";
export const OTHER_SUITES = "other-ciphersuites";

/** Each version by itself, and then what is not declared, with everything that the client has. */
export function attemptsOf({ tls }: Target): Attempt[] {
  if (tls === undefined) return [];
  const { protocols, ciphers, ciphersuites } = tls;
  const [has12, has13] = NEW_VERSIONS.map((version) => protocols.includes(version));
  const otherSuites = SUITES.filter((suite) => !ciphersuites.includes(suite));
  const others = [EVERYTHING, ...ciphers.map((cipher) => `!${cipher}`)].join(":");
  return [
    ...OLD_VERSIONS.map((version) => ({ name: version, version, ciphers: EVERYTHING + LEVEL })),
    { name: "TLSv1.2", version: "TLSv1.2", ciphers: (has12 ? ciphers.join(":") : EVERYTHING) + LEVEL },
    { name: "TLSv1.3", version: "TLSv1.3", ciphersuites: (has13 ? ciphersuites : SUITES).join(":") },
    ...(has12 ? [{ name: OTHER_CIPHERS, version: "TLSv1.2" as const, ciphers: others + LEVEL }] : []),
    ...(has13 && otherSuites.length > 0
      ? [{ name: OTHER_SUITES, version: "TLSv1.3" as const, ciphersuites: otherSuites.join(":") }]
      : []),
  ];
}

/** Every port that is looked at, in order. */
export function portsOf({ plainPorts, tlsPort }: Target): number[] {
  return [...plainPorts, ...(tlsPort === undefined ? [] : [tlsPort])];
}

/** Whether the playbook wants clients to come by this port. */
export function isOffered({ wantedPlainPorts, tlsPort }: Target, port: number): boolean {
  return port === tlsPort || wantedPlainPorts.includes(port);
}
