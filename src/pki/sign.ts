import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { id_RSASSA_PSS, RsaSaPssParams } from "@peculiar/asn1-rsa";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";
import ipaddr from "ipaddr.js";
import { InputError } from "../lib/errors.ts";
import { Secret } from "../lib/secret.ts";
import { type CertificateNames, isKeyOf } from "./certificate.ts";

/*
 * The library knows how a certificate is encoded; Node's OpenSSL signs, since a CA of the user's own may have any key that
 * OpenSSL reads, and webcrypto knows fewer. @peculiar/x509 would be twice as large and needs a polyfill of Reflect.
 */

export interface KeyPair {
  /** PEM. */
  certificate: string;
  key: Secret;
}

export interface CertificateRequest {
  /** The common name. */
  name: string;
  days: number;
  use: "authority" | "server" | "server-and-client" | "client";
  /** The alternative names of a server. */
  names?: CertificateNames;
}

const HOUR_MS = 3_600_000;
/** RFC 5280 allows 20 bytes. */
const SERIAL_BYTES = 16;

/**
 * A new key and its certificate, signed by `ca`, or by itself without one.
 * @throws InputError where the CA cannot sign: another's key, or of a kind that signs no certificates
 */
export function makeCertificate(ca: KeyPair | undefined, request: CertificateRequest): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = AsnConvert.parse(publicKey.export({ type: "spki", format: "der" }), SubjectPublicKeyInfo);
  const subject = commonName(request.name);
  const issuer = ca && readIssuer(ca);
  const signer = signerOf(issuer?.key ?? privateKey);
  // Starts an hour ago, since the clock of a host or a client may be behind this machine's.
  const start = Date.now() - HOUR_MS;
  const tbs = new TBSCertificate({
    version: Version.v3,
    serialNumber: serial(),
    signature: signer.algorithm,
    issuer: issuer?.name ?? subject,
    validity: new Validity({
      notBefore: new Date(start),
      notAfter: new Date(start + request.days * 24 * HOUR_MS),
    }),
    subject,
    subjectPublicKeyInfo: spki,
    extensions: new Extensions([
      extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(sha1(spki.subjectPublicKey))),
      ...(issuer === undefined ? AUTHORITY : leafExtensions(request, issuer.identifier)),
    ]),
  });
  const certificate = new X509Certificate(
    Buffer.from(
      AsnConvert.serialize(
        new Certificate({
          tbsCertificate: tbs,
          signatureAlgorithm: signer.algorithm,
          signatureValue: signer.sign(Buffer.from(AsnConvert.serialize(tbs))),
        }),
      ),
    ),
  );
  const authority = ca === undefined ? certificate : new X509Certificate(ca.certificate);
  // By another implementation than the one that encoded it: no host gets what its OpenSSL could not read.
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey))
    throw new Error(`the certificate of ${request.name} does not verify against its CA`);
  const key = privateKey.export({ type: "pkcs8", format: "pem" });
  return { certificate: certificate.toString(), key: new Secret(key.toString()) };
}

function commonName(name: string): Name {
  const value = new AttributeValue({ utf8String: name });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: "2.5.4.3", value })])]);
}

interface Issuer {
  name: Name;
  key: KeyObject;
  identifier: AuthorityKeyIdentifier;
}

function readIssuer(ca: KeyPair): Issuer {
  const certificate = new X509Certificate(ca.certificate);
  if (!isKeyOf(certificate, ca.key.reveal()))
    throw new InputError({ key: "the CA", message: "its key does not belong to its certificate" });
  const { tbsCertificate } = AsnConvert.parse(certificate.raw, Certificate);
  const { subject, issuer, serialNumber, extensions } = tbsCertificate;
  const found = extensions?.find(({ extnID }) => extnID === id_ce_subjectKeyIdentifier);
  const identifier =
    found === undefined
      ? new AuthorityKeyIdentifier({
          authorityCertIssuer: [new GeneralName({ directoryName: issuer })],
          authorityCertSerialNumber: serialNumber,
        })
      : new AuthorityKeyIdentifier({
          keyIdentifier: new KeyIdentifier(AsnConvert.parse(found.extnValue, SubjectKeyIdentifier)),
        });
  return { name: subject, key: createPrivateKey(ca.key.reveal()), identifier };
}

function extension(id: string, value: object, critical = false): Extension {
  return new Extension({ extnID: id, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

const AUTHORITY = [
  extension(id_ce_basicConstraints, new BasicConstraints({ cA: true }), true),
  extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign), true),
];

function leafExtensions(
  { use, names }: CertificateRequest,
  identifier: AuthorityKeyIdentifier,
): readonly Extension[] {
  const purposes = [
    ...(use === "client" ? [] : [id_kp_serverAuth]),
    ...(use === "server" ? [] : [id_kp_clientAuth]),
  ];
  return [
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
    extension(id_ce_authorityKeyIdentifier, identifier),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage(purposes)),
    ...(names === undefined ? [] : [extension(id_ce_subjectAltName, alternativeNames(names))]),
  ];
}

function alternativeNames({ dns, ip }: CertificateNames): SubjectAlternativeName {
  return new SubjectAlternativeName([
    ...dns.map((dNSName) => new GeneralName({ dNSName })),
    // The library cannot read an IPv6 address with an IPv4 one in it (::ffff:10.0.0.1).
    ...ip.map((one) => new GeneralName({ iPAddress: ipaddr.parse(one).toNormalizedString() })),
  ]);
}

interface Signer {
  algorithm: AlgorithmIdentifier;
  sign: (content: Buffer) => ArrayBuffer;
}

/** RFC 8017 A.2.4: an algorithm of RSA has a NULL for its parameters; RFC 5758 and 8410: the others have none. */
const ALGORITHMS: Readonly<Record<string, { id: string; hash: string | null; parameters?: null }>> = {
  rsa: { id: "1.2.840.113549.1.1.11", hash: "sha256", parameters: null },
  ec: { id: "1.2.840.10045.4.3.2", hash: "sha256" },
  dsa: { id: "2.16.840.1.101.3.4.3.2", hash: "sha256" },
  ed25519: { id: "1.3.101.112", hash: null },
  ed448: { id: "1.3.101.113", hash: null },
};

function signerOf(key: KeyObject): Signer {
  const type = key.asymmetricKeyType ?? "";
  if (type === "rsa-pss") return pssSigner(key);
  const known = ALGORITHMS[type];
  if (known === undefined)
    throw new InputError({
      key: "the CA",
      message: `its key is of the kind ${type}, which cannot sign here`,
    });
  const { id, hash, ...parameters } = known;
  return {
    algorithm: new AlgorithmIdentifier({ algorithm: id, ...parameters }),
    sign: (content) => exact(sign(hash, content, key)),
  };
}

/** NIST's arc of hashes, by Node's names for them. */
const HASHES: Readonly<Record<string, { id: string; bytes: number }>> = {
  sha224: { id: "2.16.840.1.101.3.4.2.4", bytes: 28 },
  sha256: { id: "2.16.840.1.101.3.4.2.1", bytes: 32 },
  sha384: { id: "2.16.840.1.101.3.4.2.2", bytes: 48 },
  sha512: { id: "2.16.840.1.101.3.4.2.3", bytes: 64 },
};

/** A key for RSASSA-PSS alone may say by which hash, and with how long a salt. */
function pssSigner(key: KeyObject): Signer {
  const { hashAlgorithm = "sha256", saltLength = 0 } = key.asymmetricKeyDetails ?? {};
  const hash = HASHES[hashAlgorithm];
  if (hash === undefined)
    throw new InputError({
      key: "the CA",
      message: `its key wants the hash ${hashAlgorithm}, which is too weak`,
    });
  const salt = Math.max(saltLength, hash.bytes);
  const digest = new AlgorithmIdentifier({ algorithm: hash.id, parameters: null });
  const mask = new AlgorithmIdentifier({
    algorithm: "1.2.840.113549.1.1.8",
    parameters: AsnConvert.serialize(digest),
  });
  const parameters = new RsaSaPssParams({ hashAlgorithm: digest, maskGenAlgorithm: mask, saltLength: salt });
  return {
    algorithm: new AlgorithmIdentifier({
      algorithm: id_RSASSA_PSS,
      parameters: AsnConvert.serialize(parameters),
    }),
    sign: (content) => exact(sign(hashAlgorithm, content, { key, saltLength: salt })),
  };
}

/** Positive, in as many bytes each time: DER drops a zero in front. */
function serial(): ArrayBuffer {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return exact(bytes);
}

/** RFC 5280, 4.2.1.2, method 1. */
function sha1(content: ArrayBuffer): ArrayBuffer {
  return exact(createHash("sha1").update(Buffer.from(content)).digest());
}

/** The bytes alone: a small Buffer is a view of a larger memory. */
function exact(bytes: Buffer): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
