import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BecomePasswords } from "../../src/connection/become-passwords.ts";
import { HostError } from "../../src/connection/connection.ts";
import { Link } from "../../src/connection/link.ts";
import type { ConnectionVariables } from "../../src/connection/settings.ts";
import { connect } from "../../src/connection/ssh.ts";
import { resolveConnection } from "../../src/connection/ssh-config.ts";
import { chooseTransport } from "../../src/connection/transport.ts";
import { Secret } from "../../src/lib/secret.ts";
import {
  type Directory,
  generateKey,
  startAgent,
  startServer,
  temporaryDirectory,
  userKey,
  variablesFor,
} from "./support/server.ts";
import { configureSsh } from "./support/ssh-configuration.ts";

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
  vi.stubEnv("SSH_AUTH_SOCK", "");
});
afterEach(() => {
  directory[Symbol.dispose]();
  vi.unstubAllEnvs();
});

const configure = (lines: string) => configureSsh(directory, lines);

let names = 0;
/** A host whose name nobody has asked ssh about yet. */
const variables = (changes: Partial<ConnectionVariables> = {}): ConnectionVariables => ({
  host: "redis-01",
  address: `redis-${++names}.example.com`,
  sshOptions: {},
  timeoutSeconds: 45,
  become: false,
  knownHostsFile: directory.write("known_hosts", ""),
  ...changes,
});

const chosen = async (changes: Partial<ConnectionVariables> = {}) =>
  await chooseTransport(await resolveConnection(variables(changes)), "auto");
const openssh = (reason: string) => ({ name: "openssh", reason });

describe("what carries the scripts", () => {
  it("is ssh2 where it can do what the host needs", async () => {
    configure("Host *\n  GSSAPIAuthentication yes\n  SendEnv LANG\n  HashKnownHosts yes\n");
    const privateKeyFile = directory.write("key", userKey.private);
    expect(await chosen({ privateKeyFile })).toEqual({
      name: "ssh2",
      reason: "it can do all that the host needs",
    });
  });

  it("is the system's ssh where the key has a certificate", async () => {
    const privateKeyFile = directory.write("key", userKey.private);
    const certificate = directory.write("key-cert.pub", "");
    expect(await chosen({ privateKeyFile })).toEqual(openssh(`${certificate} is an OpenSSH certificate`));
  });

  it.each([
    ["CertificateFile", "CertificateFile /etc/hostname"],
    ["PKCS11Provider", "PKCS11Provider /usr/lib/token.so"],
    ["SecurityKeyProvider", "SecurityKeyProvider /usr/lib/sk.so"],
    ["HostbasedAuthentication", "HostbasedAuthentication yes"],
    ["BindAddress", "BindAddress 127.0.0.2"],
    ["AddressFamily", "AddressFamily inet6"],
  ])("is the system's ssh where its configuration sets %s", async (name, line) => {
    configure(`Host *\n  ${line}\n`);
    expect(await chosen()).toEqual(openssh(`~/.ssh/config sets ${name} for redis-01`));
  });

  it("is the system's ssh where only a @cert-authority knows the host, and ssh2 where a key does too", async () => {
    const { public: authority } = generateKey();
    const lines = `@cert-authority *.example.com ${authority}\n`;
    expect(await chosen({ knownHostsFile: directory.write("ca", lines) })).toEqual(
      openssh("known_hosts knows the host by a @cert-authority only"),
    );
    const both = `${lines}redis-${names + 1}.example.com ${userKey.public}\n`;
    expect((await chosen({ knownHostsFile: directory.write("both", both) })).name).toBe("ssh2");
  });

  it.each([
    ["a FIDO key", "sk-ssh-ed25519@openssh.com", "is a FIDO key"],
    [
      "a type of key that ssh2 does not know",
      "ssh-xmss@openssh.com",
      "is a key of type ssh-xmss@openssh.com",
    ],
  ])("is the system's ssh for %s", async (_, type, reason) => {
    const string = (value: Buffer | string) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(value));
      return Buffer.concat([length, Buffer.from(value as string)]);
    };
    const body = Buffer.concat([
      Buffer.from("openssh-key-v1\0"),
      ...[string("none"), string("none"), string(""), Buffer.from([0, 0, 0, 1]), string(string(type))],
    ]);
    const pem = `-----BEGIN OPENSSH PRIVATE KEY-----\n${body.toString("base64")}\n-----END OPENSSH PRIVATE KEY-----\n`;
    const privateKeyFile = directory.write("key", pem);
    expect(await chosen({ privateKeyFile })).toEqual(openssh(`${privateKeyFile} ${reason}`));
  });

  it("is the system's ssh for a key in PKCS #8, which then opens the host", async () => {
    const path = join(directory.path, "pkcs8");
    execFileSync(
      "openssl",
      ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path],
      { stdio: "ignore" },
    );
    await using server = await startServer({
      authenticate: (context) =>
        context.method === "publickey" ? context.accept() : context.reject(["publickey"]),
    });
    const link = new Link(variablesFor(server, directory, { privateKeyFile: path }), new BecomePasswords());
    const connection = await link.open();
    expect((await connection.run("echo in", { timeoutMs: 45_000 })).stdout.toString()).toBe("in\n");
    expect(link.transport).toEqual(openssh(`${path} is a key in PKCS #8, which ssh2 does not read`));
    link.close();
  });

  it("is named in the error of a login where it is the system's ssh", async () => {
    await using server = await startServer({ authenticate: (context) => context.reject(["publickey"]) });
    const link = new Link(variablesFor(server, directory, { transport: "openssh" }), new BecomePasswords());
    await expect(link.open()).rejects.toThrow(
      /no login as root at \S+: it refused \S+id_ed25519 \(by the system's ssh: redkeep_transport says so\)$/,
    );
  });

  it("is the system's ssh for a command and options that the inventory gives, and it follows them", async () => {
    await using server = await startServer();
    const witness = join(directory.path, "witness");
    const command = `bash -c 'echo %n >${witness}; exec 3<>/dev/tcp/127.0.0.1/%p; cat <&3 & cat >&3; kill $!'`;
    const link = new Link(
      variablesFor(server, directory, {
        knownHostsFile: directory.write("alias", `redis-alias ${server.hostKey.public}\n`),
        sshOptions: {
          others: [
            ["ProxyCommand", command],
            ["HostKeyAlias", "redis-alias"],
          ],
          needsOpenssh: "ProxyCommand",
        },
      }),
      new BecomePasswords(),
    );
    await link.open();
    link.close();
    expect(link.transport?.reason).toContain("the ssh option ProxyCommand is given for redis-01: bash");
    expect(link.wasDirect).toBe(false);
    expect(readFileSync(witness, "utf8")).toBe("127.0.0.1\n");
  });

  it("is given no user name that a shell could act on", async () => {
    await using server = await startServer();
    const witness = join(directory.path, "witness");
    configure("Host *\n  ProxyCommand sh -c 'echo %r'\n");
    const reaching = connect(variablesFor(server, directory, { user: `root;touch\${IFS}${witness}` }));
    await expect(reaching).rejects.toThrow("is not a user name: a shell could act on it");
    expect(existsSync(witness)).toBe(false);
  });

  it("is named in the error where the machine has no ssh", async () => {
    await using server = await startServer();
    vi.stubEnv("PATH", directory.path);
    await expect(connect(variablesFor(server, directory, { transport: "openssh" }))).rejects.toMatchObject({
      kind: "unreachable",
      message: "there is no ssh on this machine",
    });
  });

  it("is the system's ssh on the second try where the agent does not sign, and at once from then on", async () => {
    const key = generateKey();
    await using server = await startServer({
      authenticate: (context) =>
        context.method === "publickey" && context.key.data.equals(key.blob)
          ? context.accept()
          : context.reject(["publickey"]),
    });
    await using agent = await startAgent(directory, [[key]], { signsFor: "bound" });
    const changes = { privateKeyFile: directory.write("key.pub", `${key.public}\n`) };
    const reach = async () => {
      const link = new Link(variablesFor(server, directory, changes), new BecomePasswords());
      await link.open();
      link.close();
      return { connections: link.connections, transport: link.transport };
    };
    const transport = openssh("the agent refused to sign: its keys may be for certain hosts only");
    expect(await reach()).toEqual({ connections: 2, transport });
    expect(await reach()).toEqual({ connections: 1, transport });
    expect(agent.signatures).toBe(2);
  });
});

describe("the system's ssh", () => {
  const overSsh = { transport: "openssh" as const };

  it("gets no secret by its arguments, its environment or a file", async () => {
    const seen: string[] = [];
    const modes: number[] = [];
    await using server = await startServer({
      authenticate: (context) => {
        if (context.method !== "password") return context.reject(["password"]);
        seen.push(execFileSync("ps", ["axeww", "-o", "args"]).toString());
        const [folder = ""] = readdirSync(process.env.TMPDIR ?? "");
        const path = join(process.env.TMPDIR ?? "", folder);
        seen.push(readFileSync(join(path, "askpass"), "utf8"));
        modes.push(...[path, join(path, "password")].map((file) => statSync(file).mode & 0o777));
        context.accept();
      },
    });
    vi.stubEnv("TMPDIR", join(directory.path, "tmp"));
    mkdirSync(join(directory.path, "tmp"));
    const password = new Secret("not-for-the-process-list");
    const connection = await connect(variablesFor(server, directory, { ...overSsh, password }));
    connection.close();
    expect(seen[0]).toContain("/askpass");
    expect(modes).toEqual([0o700, 0o600]);
    expect(seen.join("")).not.toContain("not-for-the-process-list");
  });

  it("ends with redkeep, even where redkeep is killed", async () => {
    await using server = await startServer();
    const { host: _, ...rest } = variablesFor(server, directory, overSsh);
    const program = `
      import { connect } from "${join(import.meta.dirname, "../../src/connection/ssh.ts")}";
      await connect(${JSON.stringify({ host: "redis-01", ...rest })});
      process.kill(process.pid, "SIGKILL");`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "inherit" });
    await new Promise((resolve) => child.once("exit", resolve));
    expect(child.signalCode).toBe("SIGKILL");
    expect(server.connections).toBe(1);
    await expect.poll(() => server.open).toBe(0);
  });

  it("is ended at once, with its folder, where the run is interrupted during the login", async () => {
    const interruption = new AbortController();
    await using server = await startServer({
      authenticate: () => interruption.abort(new Error("interrupted")),
    });
    vi.stubEnv("TMPDIR", join(directory.path, "tmp"));
    mkdirSync(join(directory.path, "tmp"));
    const variables = variablesFor(server, directory, overSsh);
    await expect(connect(variables, { signal: interruption.signal })).rejects.toThrow("interrupted");
    await expect.poll(() => server.open).toBe(0);
    expect(readdirSync(process.env.TMPDIR ?? "")).toEqual([]);
  });

  it("does not accept a new key for a host that a @cert-authority knows", async () => {
    await using server = await startServer();
    const lines = `@cert-authority [127.0.0.1]:${server.port} ${generateKey().public}\n`;
    const connecting = connect(
      variablesFor(server, directory, {
        ...overSsh,
        knownHostsFile: directory.write("ca", lines),
        sshOptions: { strictHostKeyChecking: "accept-new" },
      }),
    );
    await expect(connecting).rejects.toThrow(
      /no certificate came with it that the @cert-authority in \S+ca:1/,
    );
    expect(server.attempts).toEqual([]);
  });

  it("follows no way of its configuration to skip host keys", async () => {
    await using server = await startServer();
    configure(
      "Host *\n  StrictHostKeyChecking no\n  VerifyHostKeyDNS yes\n  NoHostAuthenticationForLocalhost yes\n  UpdateHostKeys yes\n",
    );
    const knownHostsFile = directory.write("empty", "");
    await expect(
      connect(variablesFor(server, directory, { ...overSsh, knownHostsFile })),
    ).rejects.toBeInstanceOf(HostError);
    expect(server.attempts).toEqual([]);
    expect(statSync(knownHostsFile).size).toBe(0);
  });

  it("does not use a control socket behind which there is no connection", async () => {
    await using server = await startServer();
    const socket = join(directory.path, "control");
    const listener = createServer((peer) => peer.destroy());
    await new Promise<void>((resolve) => listener.listen(socket, resolve));
    configure(`Host *\n  ControlPath ${socket}\n`);
    const connection = await connect(variablesFor(server, directory));
    expect(connection.connections).toBe(1);
    connection.close();
    expect(existsSync(socket)).toBe(true);
    await new Promise((resolve) => listener.close(resolve));
  });
});
