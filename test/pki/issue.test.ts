import { execFile, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { certificateFindings, publicKeyDigest } from "../../src/pki/certificate.ts";
import {
  issueClientCertificate,
  issueServerCertificate,
  type KeyPair,
  makeAuthority,
} from "../../src/pki/issue.ts";
import { refusal } from "../inventory/inventory-on-disk.ts";
import { NAMES, Workshop } from "./support.ts";

const now = () => Date.now() / 1000;

let ca: KeyPair;
let server: KeyPair;
let calling: KeyPair;
let client: KeyPair;
beforeAll(async () => {
  ca = await makeAuthority();
  server = await issueServerCertificate(ca, "redis-01", NAMES, 825);
  calling = await issueServerCertificate(ca, "redis-01", NAMES, 825, true);
  client = await issueClientCertificate(ca, "app", 825);
});

describe("what redkeep issues", () => {
  it.each([
    ["the CA", () => ca.certificate, "any"],
    ["a server certificate", () => server.certificate, "sslserver"],
    ["a server certificate where it calls, as a replica does", () => calling.certificate, "sslclient"],
    ["a client certificate", () => client.certificate, "sslclient"],
  ])("openssl takes %s by its strictest rules", async (_, certificate, purpose) => {
    const workshop = await Workshop.open();
    const path = workshop.write("leaf.crt", certificate());
    const authority = workshop.write("ca.crt", ca.certificate);
    const options = ["-x509_strict", "-check_ss_sig", "-purpose", purpose, "-CAfile", authority];
    expect(workshop.openssl("verify", ...options, path)).toBe(`${path}: OK\n`);
  });

  it.each([
    ["a client certificate serves nobody", () => client.certificate, "sslserver"],
    ["a server certificate opens nothing", () => server.certificate, "sslclient"],
  ])("%s", async (_, certificate, purpose) => {
    const workshop = await Workshop.open();
    const path = workshop.write("leaf.crt", certificate());
    const authority = workshop.write("ca.crt", ca.certificate);
    expect(() => workshop.openssl("verify", "-purpose", purpose, "-CAfile", authority, path)).toThrow(
      "unsuitable certificate purpose",
    );
  });

  it("gives the CA the right to sign certificates and nothing else", async () => {
    const text = await textOf(ca);
    expect(text).toContain("X509v3 Basic Constraints: critical\n                CA:TRUE");
    expect(text).toContain("X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign");
    expect(text).toContain("X509v3 Subject Key Identifier");
  });

  it("names every name and address in a server's certificate, which is no CA", async () => {
    const text = await textOf(server);
    expect(text).toContain("Version: 3");
    expect(text).toContain("X509v3 Basic Constraints: critical\n                CA:FALSE");
    expect(text).toContain("X509v3 Key Usage: critical\n                Digital Signature\n");
    expect(text).toMatch(/TLS Web Server Authentication$/m);
    expect(text).toContain("X509v3 Authority Key Identifier");
    for (const dns of NAMES.dns) expect(text).toContain(`DNS:${dns}`);
    expect(text).toContain(
      "IP Address:10.0.0.11, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:0:0:5, IP Address:0:0:0:0:0:FFFF:A00:C",
    );
  });

  it("passes redkeep's own checks from its first minute to its last", () => {
    const at = (epoch: number) =>
      certificateFindings({
        pem: server.certificate,
        ca: ca.certificate,
        names: NAMES,
        epoch,
        renewBeforeDays: 0,
        keyDigest: publicKeyDigest(server.certificate),
      });
    expect(at(now())).toEqual([]);
    // The clock of a host may be behind by as much as an hour.
    expect(at(now() - 3600)).toEqual([]);
    expect(at(now() + 824.9 * 86_400)).toEqual([]);
    expect(at(now() + 825.1 * 86_400)).toEqual(["it has expired"]);
  });

  it("lives as many days as asked, one second no longer", () => {
    const { validFromDate, validToDate } = new X509Certificate(server.certificate);
    expect(validToDate.getTime() - validFromDate.getTime()).toBe(825 * 86_400_000);
  });

  it("needs no program of this machine", async () => {
    vi.stubEnv("PATH", "/nonexistent");
    const issued = await issueClientCertificate(await makeAuthority(), "app", 30);
    expect(new X509Certificate(issued.certificate).subject).toBe("CN=app");
  });

  it("has a key and a serial number of its own each time", async () => {
    const again = await issueServerCertificate(ca, "redis-01", NAMES, 825);
    const [one, two] = [new X509Certificate(server.certificate), new X509Certificate(again.certificate)];
    expect(two.serialNumber).not.toBe(one.serialNumber);
    expect(publicKeyDigest(again.certificate)).not.toBe(publicKeyDigest(server.certificate));
  });
});

describe("hostile names", () => {
  it.each([
    "a\nbasicConstraints=CA:TRUE",
    "a,DNS:bank.example.com",
    "a, IP:10.0.0.1",
    "email:root@example.com",
    "a b",
    "a\0b",
    "",
    ".example.com",
    "a..b",
    "*.*.example.com",
    "*",
    "$ENV::PATH",
    "redis-01.example.com.",
    "é.example.com",
    `${"a".repeat(64)}.example.com`,
    `${"abcdefgh.".repeat(30)}com`,
  ])("%j is no DNS name for a certificate", async (name) => {
    const issued = issueServerCertificate(ca, "redis-01", { dns: ["localhost", name], ip: [] }, 30);
    expect(await refusal(issued)).toBe(
      `certificate of redis-01: should name DNS names and IP addresses, found ${JSON.stringify(name)}`,
    );
  });

  it.each(["10.0.0.1,DNS:bank.example.com", "10.0.0", "fe80::1%eth0", "10.0.0.1\n", "10.0.0.0/8", ""])(
    "%j is no address for a certificate",
    async (ip) => {
      const issued = issueServerCertificate(ca, "redis-01", { dns: ["localhost"], ip: [ip] }, 30);
      expect(await refusal(issued)).toContain(`found ${JSON.stringify(ip)}`);
    },
  );

  it("no name at all is refused", async () => {
    expect(await refusal(issueServerCertificate(ca, "redis-01", { dns: [], ip: [] }, 30))).toContain(
      "found none",
    );
  });

  it.each([
    ["app\nCN=admin", "CN=app-CN-admin"],
    ["app/CN=admin,O=x+UID=0", "CN=app-CN-admin-O-x-UID-0"],
    ['$ENV::HOME \\# "x"', "CN=-ENV--HOME -- -x-"],
    ["n".repeat(100), `CN=${"n".repeat(64)}`],
  ])("%j becomes a plain subject", async (name, subject) => {
    const { certificate } = await issueClientCertificate(ca, name, 30);
    const parsed = new X509Certificate(certificate);
    expect(parsed.subject).toBe(subject);
    expect(parsed.ca).toBe(false);
  });
});

describe("a TLS connection with what redkeep issued", () => {
  it.each([
    ["by name", { servername: "redis-01.example.com" }],
    ["by a name that a wildcard covers", { servername: "a.cache.example.com" }],
    ["by IPv4 address", {}],
    ["by IPv6 address", { checkServerIdentity: identityOf("2001:db8::5") }],
  ])("is made %s", async (_, options) => {
    expect(await talk({ ...options, ...credentials(client) })).toBe("hello app");
  });

  it.each([
    ["a name that it lacks", { servername: "redis-02.example.com" }, "ERR_TLS_CERT_ALTNAME_INVALID"],
    [
      "an address that it lacks",
      { checkServerIdentity: identityOf("10.0.0.12") },
      "ERR_TLS_CERT_ALTNAME_INVALID",
    ],
    ["a client that does not know the CA", { ca: [] }, "SELF_SIGNED_CERT_IN_CHAIN"],
    [
      "a client without a certificate",
      { cert: undefined, key: undefined },
      "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
    ],
  ])("is refused for %s", async (_, options, code) => {
    expect(await talk({ ...credentials(client), ...options })).toBe(code);
  });

  it("is made by openssl's own server and client, which both ask for the other's certificate", async () => {
    const workshop = await Workshop.open();
    for (const [name, { certificate, key }] of Object.entries({ server, client })) {
      workshop.write(`${name}.crt`, certificate);
      workshop.write(`${name}.key`, key.reveal());
    }
    workshop.write("ca.crt", ca.certificate);
    const strict = ["-CAfile", "ca.crt", "-x509_strict", "-verify_return_error"];
    const own = (name: string) => ["-cert", `${name}.crt`, "-key", `${name}.key`, ...strict];
    const listening = ["-accept", "127.0.0.1:0", "-naccept", "1", "-Verify", "1", ...own("server")];
    const { directory } = workshop;
    const listener = spawn("openssl", ["s_server", ...listening], { cwd: directory });
    onTestFinished(() => void listener.kill());
    let said = "";
    listener.stdout.on("data", (chunk) => {
      said += chunk;
    });
    await expect.poll(() => said).toMatch(/^ACCEPT .*:\d+$/m);
    const [, port] = /^ACCEPT .*:(\d+)$/m.exec(said) ?? [];
    const name = ["-verify_hostname", "redis-01.example.com"];
    const ended = once(listener, "close");
    const calling = ["s_client", "-connect", `127.0.0.1:${port}`, ...name, ...own("client")];
    const { promise, resolve } = Promise.withResolvers<string>();
    execFile("openssl", calling, { cwd: directory }, (_error, stdout) => resolve(stdout)).stdin?.end(
      "hello\n",
    );
    expect(await promise).toContain("Verify return code: 0 (ok)");
    await ended;
    expect(said).toContain("subject=CN = app");
    expect(said).toContain("\nhello\n");
  });

  it("is refused for a client certificate of another CA", async () => {
    const stranger = await issueClientCertificate(await makeAuthority(), "app", 30);
    expect(await talk(credentials(stranger))).not.toContain("hello");
  });
});

async function textOf({ certificate }: KeyPair): Promise<string> {
  const workshop = await Workshop.open();
  return workshop.openssl("x509", "-noout", "-text", "-in", workshop.write("one.crt", certificate));
}

function identityOf(name: string) {
  return (_: string, certificate: tls.PeerCertificate) => tls.checkServerIdentity(name, certificate);
}

function credentials({ certificate, key }: KeyPair) {
  return { cert: certificate, key: key.reveal() };
}

/** Connects to a server with the issued certificate that asks for one in turn; what it says, or the error's code. */
async function talk(options: tls.ConnectionOptions): Promise<string> {
  const listener = tls.createServer(
    { ...credentials(server), ca: ca.certificate, requestCert: true, rejectUnauthorized: true },
    (socket) => socket.end(`hello ${socket.getPeerCertificate().subject.CN}`),
  );
  listener.on("tlsClientError", () => {});
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const socket = tls.connect({ host: "127.0.0.1", port, ca: ca.certificate, ...options });
  try {
    let text = "";
    for await (const chunk of socket) text += chunk;
    return text;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
    listener.close();
  }
}
