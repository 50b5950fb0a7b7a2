import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsOptions } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lookFromController } from "../../src/outside/controller.ts";
import type { Sight } from "../../src/outside/sight.ts";
import type { Target } from "../../src/outside/target.ts";
import { parseVantageAnswer } from "../../src/outside/vantage-answer.ts";
import { type Look, vantageScript } from "../../src/outside/vantage-script.ts";
import type { KeyPair } from "../../src/pki/issue.ts";
import { temporaryDirectory } from "../connection/support/server.ts";
import { CA_EXTENSIONS, EC, Workshop } from "../pki/support.ts";
import { closedPort, plainServer, tlsServer } from "./servers.ts";

const NONCE = "0123456789abcdef01234567";
const BASE = ["sh", "date", "tr", "cut", "grep", "head", "sed", "timeout", "openssl"];

let ca: KeyPair;
let server: KeyPair;
let client: KeyPair;
const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());
beforeAll(() => {
  const workshop = new Workshop(directory.path);
  ca = workshop.authority("ca", EC, CA_EXTENSIONS);
  server = workshop.issue("server", "ca", EC, ["subjectAltName=IP:127.0.0.1,DNS:localhost"]);
  client = workshop.issue("client", "ca", EC, ["extendedKeyUsage=clientAuth"]);
});

/** A folder with nothing but these programs in it, as PATH. */
function pathWith(tools: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "redkeep-path-"));
  for (const tool of tools) {
    // The program itself: what stands in PATH may be a script that needs others.
    const [program, ...words] =
      tool === "python3"
        ? ["python3", "-c", "import sys; print(sys.executable)"]
        : ["sh", "-c", `command -v ${tool}`];
    const found = execFileSync(program ?? "", words, { encoding: "utf8" }).trim();
    symlinkSync(found, join(folder, tool));
  }
  return folder;
}

/** What a vantage host with these programs sees. */
async function fromVantage(looks: Look[], tools = [...BASE, "bash"]): Promise<Sight[]> {
  const path = pathWith(tools);
  try {
    const stdout = await new Promise<string>((resolve) => {
      const child = execFile("/bin/sh", { env: { PATH: path } }, (_, output) => resolve(output));
      child.stdin?.end(vantageScript(looks, NONCE));
    });
    return parseVantageAnswer(stdout, looks, NONCE);
  } finally {
    rmSync(path, { recursive: true });
  }
}

const fromController = (looks: Look[]) =>
  Promise.all(looks.map((look) => lookFromController(look, { cert: client.certificate, key: client.key })));

/** A target on loopback as the default playbook wants it. */
function target(tlsPort: number, parts: Partial<Target> = {}): Target {
  return {
    host: "redis-01",
    address: "127.0.0.1",
    plainPorts: [],
    wantedPlainPorts: [],
    tlsPort,
    tls: {
      protocols: ["TLSv1.2", "TLSv1.3"],
      ciphers: ["ECDHE-ECDSA-AES128-GCM-SHA256"],
      ciphersuites: ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"],
      auth_clients: true,
    },
    ...parts,
  };
}

const pem = (): TlsOptions => ({ cert: server.certificate, key: server.key.reveal(), ca: ca.certificate });
const strict = (): TlsOptions => ({
  ...pem(),
  minVersion: "TLSv1.2",
  ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256",
  requestCert: true,
  rejectUnauthorized: true,
});
/** As old as OpenSSL 3 still can be, and open to all. */
const lax = (): TlsOptions => ({ ...pem(), minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" });

const outcomes = ({ handshakes }: Sight | { handshakes: Sight["handshakes"] }) =>
  Object.fromEntries([...handshakes].map(([name, { outcome }]) => [name, outcome]));

describe.each([
  ["a vantage host", fromVantage],
  ["the controller", fromController],
] as const)("from %s", (_, look) => {
  it("a hardened server is seen to refuse old TLS, weak ciphers and clients without a certificate", async () => {
    await using port = await tlsServer(strict());
    const [seen] = await look([{ target: target(port.port), isAllowed: true }]);
    expect(seen && outcomes(seen)).toEqual({
      TLSv1: "refused",
      "TLSv1.1": "refused",
      "TLSv1.2": "taken",
      "TLSv1.3": "taken",
      "other-ciphers": "refused",
      "other-ciphersuites": "refused",
    });
    expect(seen?.handshakes.get("TLSv1")?.detail).toBe("protocol version");
    expect(seen?.withoutCertificate).toEqual({ refused: "certificate required" });
    expect(seen?.chain).toContain(server.certificate.trim());
  });

  it("an old TLS version is seen where a server takes it, although OpenSSL 3 refuses it by default", async () => {
    await using port = await tlsServer(lax());
    const [seen] = await look([{ target: target(port.port), isAllowed: true }]);
    expect(seen && outcomes(seen)).toEqual({
      TLSv1: "taken",
      "TLSv1.1": "taken",
      "TLSv1.2": "taken",
      "TLSv1.3": "taken",
      "other-ciphers": "taken",
      "other-ciphersuites": "taken",
    });
    expect(seen?.withoutCertificate).toEqual({ line: "-NOAUTH Authentication required." });
  });

  it("a TLS version that the playbook does not list is seen too", async () => {
    await using port = await tlsServer({ ...strict(), minVersion: "TLSv1.3" });
    const tls = { ...target(0).tls, protocols: ["TLSv1.2"] } as Target["tls"];
    const [seen] = await look([{ target: target(port.port, { tls }), isAllowed: true }]);
    expect(seen && outcomes(seen)).toMatchObject({ "TLSv1.2": "refused", "TLSv1.3": "taken" });
  });

  it("closed and open ports are told apart, and the server's answer to a stranger is kept", async () => {
    await using shut = await plainServer("-NOAUTH Authentication required.");
    await using open = await plainServer("+PONG");
    const closed = await closedPort();
    const plainPorts = [shut.port, open.port, closed];
    const [seen] = await look([{ target: target(0, { plainPorts, tlsPort: undefined }), isAllowed: false }]);
    expect(seen?.ports.get(shut.port)).toMatchObject({
      state: "open",
      reply: "-NOAUTH Authentication required.",
    });
    expect(seen?.ports.get(open.port)).toMatchObject({ state: "open", reply: "+PONG" });
    expect(seen?.ports.get(closed)).toMatchObject({ state: "closed", reply: "" });
  });

  it("a place that should not reach a host tries no handshake there", async () => {
    await using port = await tlsServer(strict());
    const [seen] = await look([{ target: target(port.port), isAllowed: false }]);
    expect(seen?.ports.get(port.port)?.state).toBe("open");
    expect(seen?.handshakes.size).toBe(0);
  });
});

describe("from the controller", () => {
  it("a handshake with the client certificate reaches the login", async () => {
    await using port = await tlsServer(strict());
    const [seen] = await fromController([{ target: target(port.port), isAllowed: true }]);
    expect(seen?.withCertificate).toEqual({ line: "-NOAUTH Authentication required." });
  });
});

describe("a vantage host", () => {
  it("looks at many hosts at once without mixing up their answers", async () => {
    await using stack = new AsyncDisposableStack();
    const looks: Look[] = [];
    for (let index = 0; index < 40; index++) {
      const port = stack.use(await plainServer(`-NOAUTH number ${index}`));
      looks.push({ target: target(0, { plainPorts: [port.port], tlsPort: undefined }), isAllowed: false });
    }
    const seen = await fromVantage(looks);
    expect(seen.map(({ ports }) => [...ports.values()][0]?.reply)).toEqual(
      looks.map((_, index) => `-NOAUTH number ${index}`),
    );
  });

  it("is asked about no address that the shell would take for two words", () => {
    const looks = [{ target: target(6380, { address: "10.0.0.5 22" }), isAllowed: true }];
    expect(() => vantageScript(looks, NONCE)).toThrow("blank");
  });

  it("uses python3 where it has no bash", async () => {
    await using open = await plainServer("+PONG");
    const closed = await closedPort();
    const plainPorts = [open.port, closed];
    const tools = [...BASE, "python3"];
    const [seen] = await fromVantage(
      [{ target: target(0, { plainPorts, tlsPort: undefined }), isAllowed: false }],
      tools,
    );
    expect(seen?.ports.get(open.port)).toMatchObject({ state: "open", reply: "+PONG" });
    expect(seen?.ports.get(closed)).toMatchObject({ state: "closed" });
  });

  it("without the tools it needs says what to install, and leaves everything unknown", async () => {
    await using port = await tlsServer(strict());
    const looks = [{ target: target(port.port), isAllowed: true }];
    const [bare] = await fromVantage(looks, BASE);
    expect(bare?.lacksTcp).toMatch(/install .*bash, python3, nc/);
    expect(bare?.ports.get(port.port)?.state).toBe("unknown");
    const withoutTls = BASE.filter((tool) => tool !== "openssl");
    const [deaf] = await fromVantage(looks, [...withoutTls, "bash"]);
    expect(deaf?.lacksTls).toMatch(/install openssl/);
    expect(deaf?.ports.get(port.port)?.state).toBe("open");
    expect(deaf?.handshakes.size).toBe(0);
  });
});
