import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { certificateFindings } from "../../src/pki/certificate.ts";
import {
  issueClientCertificate,
  issueServerCertificate,
  type KeyPair,
  makeAuthority,
} from "../../src/pki/issue.ts";
import { refusal } from "../inventory/inventory-on-disk.ts";
import { certificateByOpenssl, EXTENSIONS } from "./openssl-ca.ts";
import { CA_EXTENSIONS, EC, NAMES, Workshop } from "./support.ts";

const ALTERNATIVES = [...NAMES.dns.map((one) => `DNS:${one}`), ...NAMES.ip.map((one) => `IP:${one}`)].join(
  ",",
);

let ca: KeyPair;
let client: KeyPair;
beforeAll(async () => {
  ca = await makeAuthority();
  client = await issueClientCertificate(ca, "app", 825);
});

describe("a CA of the user's own", () => {
  it.each([
    ["with RSA", ["rsa:2048"], [...CA_EXTENSIONS, "subjectKeyIdentifier=hash"]],
    ["with Ed25519", ["ed25519"], [...CA_EXTENSIONS, "subjectKeyIdentifier=hash"]],
    ["without a key identifier", EC, [...CA_EXTENSIONS, "subjectKeyIdentifier=none"]],
    ["without a key usage", EC, ["basicConstraints=critical,CA:TRUE", "subjectKeyIdentifier=hash"]],
  ])("%s signs as well", async (_, algorithm, extensions) => {
    const workshop = await Workshop.open();
    const own = workshop.authority("own", algorithm, extensions);
    const issued = await issueServerCertificate(own, "redis-01", NAMES, 30);
    const findings = certificateFindings({
      pem: issued.certificate,
      ca: own.certificate,
      names: NAMES,
      epoch: Date.now() / 1000,
      renewBeforeDays: 0,
      keyDigest: undefined,
    });
    expect(findings).toEqual([]);
    const path = workshop.write("leaf.crt", issued.certificate);
    expect(workshop.openssl("verify", "-CAfile", "own.crt", path)).toContain("OK");
  });

  it.each([
    ["EC, P-384", "ecparam -name secp384r1 -genkey -noout"],
    ["EC with its parameters before it", "ecparam -name prime256v1 -genkey"],
    ["EC, P-521", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521"],
    ["EC, secp256k1", "ecparam -name secp256k1 -genkey -noout"],
    ["EC, brainpool", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1"],
    ["RSA", "genrsa 2048"],
    ["RSA in the traditional form", "genrsa -traditional 2048"],
    ["RSA for PSS alone", "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048"],
    [
      "RSA for PSS alone, by SHA-512 with a long salt",
      "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha512 -pkeyopt rsa_pss_keygen_mgf1_md:sha512 -pkeyopt rsa_pss_keygen_saltlen:64",
    ],
    ["Ed25519", "genpkey -algorithm ED25519"],
    ["Ed448", "genpkey -algorithm ED448"],
  ])("signs with a key of %s as openssl does", async (_, command) => {
    const workshop = await Workshop.open();
    workshop.write("own.key", workshop.openssl(...command.split(" ")));
    const subject = ["-subj", "/C=DE/O=Caf\u00e9 & Co/OU=IT+CN=Own CA/emailAddress=ca@example.com", "-utf8"];
    const constraints = CA_EXTENSIONS.flatMap((text) => ["-addext", text]);
    workshop.openssl("req", "-x509", "-key", "own.key", "-out", "own.crt", ...subject, ...constraints);
    const own = workshop.pair("own");
    stopClock();
    const issued = await issueServerCertificate(own, "redis-01", NAMES, 825);
    const path = workshop.write("leaf.crt", issued.certificate);
    expect(workshop.openssl("verify", "-x509_strict", "-CAfile", "own.crt", path)).toBe(`${path}: OK\n`);
    const theirs = certificateByOpenssl(workshop, own, "redis-01", {
      days: 825,
      extensions: EXTENSIONS.server(ALTERNATIVES),
    });
    const isPss = command.includes("RSA-PSS");
    expect(fieldsOf(workshop, path, isPss)).toBe(fieldsOf(workshop, theirs, isPss));
    expect(new X509Certificate(issued.certificate).raw.includes(subjectBytes(workshop, "own.crt"))).toBe(
      true,
    );
  });

  it("has its issuer and serial number named where it has no key identifier, as openssl does", async () => {
    const workshop = await Workshop.open();
    const own = workshop.authority("own", EC, [...CA_EXTENSIONS, "subjectKeyIdentifier=none"]);
    stopClock();
    const issued = await issueClientCertificate(own, "app", 30);
    const theirs = certificateByOpenssl(workshop, own, "app", { days: 30, extensions: EXTENSIONS.client });
    const ours = fieldsOf(workshop, workshop.write("leaf.crt", issued.certificate));
    expect(ours).toBe(fieldsOf(workshop, theirs));
    expect(ours).toContain("DirName:/CN=own");
  });

  it("is refused where its key is another's", async () => {
    const other = await makeAuthority();
    const mixed = { certificate: ca.certificate, key: other.key };
    expect(await refusal(issueServerCertificate(mixed, "redis-01", NAMES, 30))).toBe(
      "the CA: its key does not belong to its certificate",
    );
  });

  it("is refused where its key cannot sign", async () => {
    const workshop = await Workshop.open();
    workshop.write("x.key", workshop.openssl("genpkey", "-algorithm", "X25519"));
    workshop.openssl("pkey", "-in", "x.key", "-pubout", "-out", "x.pub");
    workshop.write("own.key", ca.key.reveal());
    workshop.write("own.crt", ca.certificate);
    workshop.openssl("req", "-new", "-subj", "/CN=x", "-key", "own.key", "-out", "own.csr");
    const signed = ["-CA", "own.crt", "-CAkey", "own.key", "-CAcreateserial", "-force_pubkey", "x.pub"];
    workshop.openssl("x509", "-req", "-in", "own.csr", ...signed, "-out", "x.crt");
    expect(await refusal(issueClientCertificate(workshop.pair("x"), "app", 30))).toBe(
      "the CA: its key is of the kind x25519, which cannot sign here",
    );
  });
});

describe("what openssl made of the same request", () => {
  const serverOf = (calls: boolean) => issueServerCertificate(ca, "redis-01", NAMES, 825, calls);

  it.each([
    ["a CA", undefined, 3650, EXTENSIONS.authority, makeAuthority],
    ["a server certificate", "ca", 825, EXTENSIONS.server(ALTERNATIVES), () => serverOf(false)],
    ["a calling server's certificate", "ca", 825, EXTENSIONS.calling(ALTERNATIVES), () => serverOf(true)],
    ["a client certificate", "ca", 825, EXTENSIONS.client, () => issueClientCertificate(ca, "app", 825)],
    [
      "a certificate that ends after 2049, when the form of dates changes",
      "ca",
      20_000,
      EXTENSIONS.client,
      () => issueClientCertificate(ca, "app", 20_000),
    ],
  ])("is %s of redkeep's, byte for byte, but for key, serial number and signature", async (...row) => {
    const [, signer, days, extensions, ours] = row;
    const workshop = await Workshop.open();
    stopClock();
    const pair = await ours();
    const path = workshop.write("ours.crt", pair.certificate);
    const { subject } = new X509Certificate(pair.certificate);
    const theirs = certificateByOpenssl(
      workshop,
      signer === undefined ? undefined : ca,
      subject.replace("CN=", ""),
      { days, extensions },
    );
    expect(fieldsOf(workshop, path)).toBe(fieldsOf(workshop, theirs));
    // Types of strings, lengths and tags, which the text leaves out.
    expect(shapeOf(workshop, path)).toBe(shapeOf(workshop, theirs));
    expect(pair.certificate.replace(/[A-Za-z0-9+/=]{1,64}\n/g, "")).toBe(
      readFileSync(theirs, "utf8").replace(/[A-Za-z0-9+/=]{1,64}\n/g, ""),
    );
  });

  it("has its key in the same form", async () => {
    const workshop = await Workshop.open();
    certificateByOpenssl(workshop, ca, "app", { days: 30, extensions: EXTENSIONS.client });
    workshop.write("ours.key", client.key.reveal());
    const [ours, theirs] = ["ours.key", "by.key"].map((file) => [
      readFileSync(workshop.path(file), "utf8").length,
      workshop.openssl("asn1parse", "-in", file).replace(/\[HEX DUMP\].*/g, ""),
    ]);
    expect(ours).toEqual(theirs);
  });
});

describe("keys of a state that openssl made", () => {
  it("sign on: what they sign is trusted by those who trust the CA of before", async () => {
    const workshop = await Workshop.open();
    certificateByOpenssl(workshop, undefined, "redkeep CA", { days: 3650, extensions: EXTENSIONS.authority });
    const old = workshop.pair("by");
    const issued = await issueClientCertificate(old, "app", 30);
    const path = workshop.write("leaf.crt", issued.certificate);
    const options = ["-x509_strict", "-purpose", "sslclient", "-CAfile", "by.crt"];
    expect(workshop.openssl("verify", ...options, path)).toBe(`${path}: OK\n`);
  });
});

/** `openssl x509 -text` without what is drawn by lot: serial number, key, signature. */
function fieldsOf(workshop: Workshop, path: string, isPss = false): string {
  const options = ["-noout", "-text", "-in", path, "-certopt", "no_sigdump"];
  const text = workshop
    .openssl("x509", ...options)
    .replace(/(?<=Serial Number:\s+)[0-9a-f:]{47}(?=\n)/, "16 bytes")
    .replace(/(?<=pub:\n)[\s0-9a-f:]+(?=\n)/, "65 bytes")
    .replace(/(?<=Subject Key Identifier: \n\s+)[0-9A-F:]{59}/, "20 bytes");
  // openssl takes the longest salt that fits, unless the key asks for another; we take the hash's length (RFC 8017, 9.1).
  return isPss ? text.replace(/Salt Length: .*/, "Salt Length") : text;
}

/** Both take the same second for the present one. */
function stopClock(): void {
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
}

/** The tags and lengths of a certificate, with the content of what is not drawn by lot. */
function shapeOf(workshop: Workshop, path: string): string {
  return (
    workshop
      .openssl("asn1parse", "-in", path)
      .replace(/\[HEX DUMP\]:0414[0-9A-F]{40}/, "[identifier]")
      .replace(/(?<=INTEGER +:)[0-9A-F]{32}/, "serial")
      // The two integers of a signature are as long as they come.
      .replace(/^( *\d+:d=0 +hl=\d l=) *\d+/m, "$1")
      .replace(/( l=) *\d+( prim: BIT STRING *\n)$/, "$1$2")
  );
}

/** The subject as it is encoded, which a certificate has to repeat byte for byte as its issuer. */
function subjectBytes(workshop: Workshop, file: string): Buffer {
  const { raw } = new X509Certificate(readFileSync(workshop.path(file)));
  const lines = workshop.openssl("asn1parse", "-in", file).split("\n");
  // version, serial number, algorithm, issuer, validity, subject
  const parts = lines.filter((line) => / *\d+:d=2 /.test(line));
  const [, at, header, length] = /^ *(\d+):d=2 +hl=(\d+) +l= *(\d+)/.exec(parts[5] ?? "") ?? [];
  return raw.subarray(Number(at), Number(at) + Number(header) + Number(length));
}
