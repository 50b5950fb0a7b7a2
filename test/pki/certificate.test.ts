import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  authorityProblem,
  certificateFindings,
  daysLeft,
  publicKeyDigest,
  sameCertificate,
} from "../../src/pki/certificate.ts";
import {
  issueClientCertificate,
  issueServerCertificate,
  type KeyPair,
  makeAuthority,
} from "../../src/pki/issue.ts";
import { CA_EXTENSIONS, EC, Workshop } from "./support.ts";

const DAY = 86_400;
const NAMES = { dns: ["redis-01.example.com", "localhost"], ip: ["127.0.0.1", "::1"] };
const SERVER_EXTENSIONS = ["extendedKeyUsage=serverAuth", "subjectAltName=DNS:redis-01.example.com"];
const fixture = (name: string) => readFileSync(join(import.meta.dirname, "../fixtures/pki", name), "utf8");
const now = () => Date.now() / 1000;

let ca: KeyPair;
let server: KeyPair;
beforeAll(async () => {
  ca = await makeAuthority();
  server = await issueServerCertificate(ca, "redis-01", NAMES, 100);
});

function findings(given: Partial<Parameters<typeof certificateFindings>[0]> = {}): string[] {
  return certificateFindings({
    pem: server.certificate,
    ca: ca.certificate,
    names: NAMES,
    epoch: now(),
    renewBeforeDays: 30,
    keyDigest: publicKeyDigest(server.certificate),
    ...given,
  });
}

describe("what is found wrong in a server's certificate", () => {
  it("is nothing where the certificate is right", () => {
    expect(findings()).toEqual([]);
  });

  it("includes that the CA did not sign it", async () => {
    expect(findings({ ca: (await makeAuthority()).certificate })).toEqual(["it is not signed by the CA"]);
  });

  it("includes that a CA of the same name with another key signed it", async () => {
    const [one, two] = [await Workshop.open(), await Workshop.open()];
    const extensions = [...CA_EXTENSIONS, "subjectKeyIdentifier=none"];
    one.authority("own", EC, extensions);
    const impostor = two.authority("own", EC, extensions);
    const { certificate } = one.issue("leaf", "own", EC, [
      ...SERVER_EXTENSIONS,
      "authorityKeyIdentifier=none",
    ]);
    const given = { pem: certificate, names: { dns: [], ip: [] }, keyDigest: undefined };
    expect(findings({ ...given, ca: impostor.certificate })).toEqual(["it is not signed by the CA"]);
    expect(findings({ ...given, ca: one.pair("own").certificate })).toEqual([]);
  });

  it("includes that it has expired, from the very second", () => {
    expect(findings({ epoch: now() + 100 * DAY })).toEqual(["it has expired"]);
    expect(findings({ epoch: now() + 100 * DAY - 3700, renewBeforeDays: 0 })).toEqual([]);
  });

  it.each([
    [68, []],
    [69, ["it ends in 30 days"]],
    [70, ["it ends in 29 days"]],
    [98, ["it ends in 1 day"]],
    [99, ["it ends in 0 days"]],
  ])("includes an end that comes near: after %i of 100 days", (days, expected) => {
    expect(findings({ epoch: now() + days * DAY, renewBeforeDays: 30 })).toEqual(expected);
  });

  it("includes a near end only where it is to be renewed", () => {
    expect(findings({ epoch: now() + 99 * DAY, renewBeforeDays: 0 })).toEqual([]);
  });

  it("includes a start in the host's future, unless the clock is only a little behind", async () => {
    const workshop = await Workshop.open();
    const authority = workshop.authority("own", EC, CA_EXTENSIONS);
    const { certificate } = workshop.issue("fresh", "own", EC, SERVER_EXTENSIONS);
    const issuedNow = {
      pem: certificate,
      ca: authority.certificate,
      names: { dns: [], ip: [] },
      keyDigest: undefined,
    };
    expect(findings({ ...issuedNow, epoch: now() - 240 })).toEqual([]);
    expect(findings({ ...issuedNow, epoch: now() - 360 })).toEqual([
      "it is not valid yet by the host's clock",
    ]);
  });

  it("includes every name and address that it lacks", () => {
    const names = { dns: ["redis-02.example.com", "LOCALHOST"], ip: ["10.0.0.1", "2001:db8::5", "::1"] };
    expect(findings({ names })).toEqual(["it does not cover redis-02.example.com, 10.0.0.1, 2001:db8::5"]);
  });

  it("includes a name that stands in its subject alone", async () => {
    const workshop = await Workshop.open();
    const authority = workshop.authority("own", EC, CA_EXTENSIONS);
    const { certificate } = workshop.issue("redis-01.example.com", "own", EC, [
      "extendedKeyUsage=serverAuth",
    ]);
    const names = { dns: ["redis-01.example.com"], ip: [] };
    expect(findings({ pem: certificate, ca: authority.certificate, names, keyDigest: undefined })).toEqual([
      "it does not cover redis-01.example.com",
    ]);
  });

  it("does not include a name that a wildcard covers, nor the wildcard itself", async () => {
    const wild = { dns: ["*.example.com"], ip: [] };
    const { certificate } = await issueServerCertificate(ca, "redis-01", wild, 100);
    const names = { dns: ["*.example.com", "redis-07.example.com"], ip: [] };
    expect(findings({ pem: certificate, names, keyDigest: undefined })).toEqual([]);
  });

  it("includes a private key that is missing or not its own", async () => {
    const other = await issueServerCertificate(ca, "redis-01", NAMES, 100);
    const expected = ["the private key on the host does not belong to it"];
    expect(findings({ keyDigest: publicKeyDigest(other.certificate) })).toEqual(expected);
    expect(findings({ keyDigest: "" })).toEqual(expected);
    expect(findings({ keyDigest: undefined })).toEqual([]);
  });

  it("includes that it is a client's certificate", async () => {
    const client = await issueClientCertificate(ca, "app", 100);
    const given = { pem: client.certificate, names: { dns: [], ip: [] }, keyDigest: undefined };
    expect(findings(given)).toEqual(["it is no server certificate"]);
  });

  it("includes that it is the CA's own certificate", () => {
    const given = { pem: ca.certificate, names: { dns: [], ip: [] }, keyDigest: undefined };
    expect(findings(given)).toEqual(["it is a CA's own certificate"]);
  });

  it.each([
    ["rsa:1024", ["its RSA key has 1024 bits, fewer than 2048"]],
    ["rsa:2048", []],
  ])("includes a short key: %s", async (algorithm, expected) => {
    const workshop = await Workshop.open();
    const authority = workshop.authority("own", EC, CA_EXTENSIONS);
    const { certificate } = workshop.issue("leaf", "own", [algorithm], SERVER_EXTENSIONS);
    const names = { dns: ["redis-01.example.com"], ip: [] };
    expect(findings({ pem: certificate, ca: authority.certificate, names, keyDigest: undefined })).toEqual(
      expected,
    );
  });

  it("includes version 1 of X.509, which `openssl x509 -req` makes without extensions", () => {
    const given = {
      pem: fixture("version-1.crt"),
      ca: fixture("example-ca.crt"),
      names: NAMES,
      keyDigest: undefined,
    };
    expect(findings(given)).toEqual([
      "it is an X.509 v1 certificate, which names no host",
      "it does not cover redis-01.example.com, localhost, 127.0.0.1, ::1",
    ]);
  });

  it.each(["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])(
    "includes text that is no certificate: %j",
    (text) => {
      expect(findings({ pem: text })).toEqual(["it is no certificate"]);
      expect(findings({ ca: text })).toEqual(["the CA's certificate cannot be read"]);
    },
  );
});

describe("a certificate that an intermediate CA signed", () => {
  it("is right with the intermediate CA in its file, and wrong without it", async () => {
    const workshop = await Workshop.open();
    const root = workshop.authority("root", EC, CA_EXTENSIONS);
    const between = workshop.issue("between", "root", EC, CA_EXTENSIONS);
    const leaf = workshop.issue("leaf", "between", EC, SERVER_EXTENSIONS);
    const given = {
      ca: root.certificate,
      names: { dns: ["redis-01.example.com"], ip: [] },
      keyDigest: publicKeyDigest(leaf.certificate),
    };
    expect(findings({ ...given, pem: leaf.certificate + between.certificate })).toEqual([]);
    expect(findings({ ...given, pem: leaf.certificate })).toEqual(["it is not signed by the CA"]);
    const stranger = await makeAuthority();
    expect(
      findings({
        ...given,
        ca: stranger.certificate + root.certificate,
        pem: leaf.certificate + between.certificate,
      }),
    ).toEqual([]);
  });

  it("is wrong where the intermediate is no CA", async () => {
    const workshop = await Workshop.open();
    const root = workshop.authority("root", EC, CA_EXTENSIONS);
    const leaf = workshop.issue("leaf", "root", EC, [
      "basicConstraints=critical,CA:FALSE",
      "keyUsage=critical,digitalSignature",
    ]);
    const forged = workshop.issue("forged", "leaf", EC, SERVER_EXTENSIONS);
    const given = {
      pem: forged.certificate + leaf.certificate,
      ca: root.certificate,
      names: { dns: [], ip: [] },
    };
    expect(findings({ ...given, keyDigest: undefined })).toEqual(["it is not signed by the CA"]);
  });
});

describe("a CA's certificate", () => {
  it("is fit to sign while it is valid", async () => {
    expect(authorityProblem(ca.certificate, now())).toBeUndefined();
    expect(authorityProblem(ca.certificate, now() + 3650 * DAY)).toBe("it has expired");
    expect(authorityProblem(server.certificate, now())).toBe(
      "it is no CA's certificate (basicConstraints lacks CA:TRUE)",
    );
    expect(authorityProblem("", now())).toBe("it is no certificate");
  });
});

it("days until an end are counted whole, and below zero once it has passed", () => {
  expect(daysLeft(server.certificate, now())).toBe(99);
  expect(daysLeft(server.certificate, now() + 101 * DAY)).toBe(-2);
  expect(daysLeft("", now())).toBeUndefined();
});

it("certificates are the same by what they are, not by the text around them", async () => {
  const { certificate } = server;
  const again = await issueServerCertificate(ca, "redis-01", NAMES, 100);
  expect(sameCertificate(certificate, `# comment\r\n${certificate.replaceAll("\n", "\r\n")}`)).toBe(true);
  expect(sameCertificate(certificate, again.certificate)).toBe(false);
  expect(sameCertificate("", "")).toBe(false);
});

it("a public key's digest is what openssl says of the private key", async () => {
  const workshop = await Workshop.open();
  workshop.write("server.key", server.key.reveal());
  workshop.openssl("pkey", "-in", "server.key", "-pubout", "-outform", "DER", "-out", "server.der");
  expect(workshop.openssl("dgst", "-sha256", "-r", "server.der")).toContain(
    publicKeyDigest(server.certificate),
  );
});
