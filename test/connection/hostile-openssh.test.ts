/* What servers, jump hosts and inventories may try on the system's ssh, and what they must not get. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuthContext, PasswordAuthContext } from "ssh2";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connect } from "../../src/connection/ssh.ts";
import { Secret } from "../../src/lib/secret.ts";
import { type Directory, startServer, temporaryDirectory, variablesFor } from "./support/server.ts";
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

const overSsh = { transport: "openssh" as const };

/** RFC 4252, 5.4, and RFC 4253, 11.3. */
const BANNER = 53;
const DEBUG = 4;

interface Wire {
  _packetRW: { write: { allocStart: number; alloc(size: number): Buffer; finalize(packet: Buffer): Buffer } };
  _cipher: { encrypt(packet: Buffer): void };
}

/** Sends a message that ssh2 has no function for. */
function send(context: AuthContext, kind: typeof BANNER | typeof DEBUG, text: string): void {
  const { _packetRW, _cipher } = (context as unknown as { _protocol: Wire })._protocol;
  const head = kind === DEBUG ? [kind, 1] : [kind];
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(text));
  const body = Buffer.concat([Buffer.from(head), length, Buffer.from(text), Buffer.alloc(4)]);
  const packet = _packetRW.write.alloc(body.length);
  body.copy(packet, _packetRW.write.allocStart);
  _cipher.encrypt(_packetRW.write.finalize(packet));
}

describe("the system's ssh", () => {
  it("adds a new host's key to your own known_hosts alone, and to no file that the inventory names", async () => {
    await using server = await startServer();
    const others = directory.write("authorized_keys", "");
    const own = directory.write("own", "");
    configure(`Host *\n  UserKnownHostsFile ${own}\n`);
    const { knownHostsFile: _, ...variables } = variablesFor(server, directory, overSsh);
    const connection = await connect({
      ...variables,
      sshOptions: {
        strictHostKeyChecking: "accept-new",
        userKnownHostsFiles: [others, own],
      },
    });
    connection.close();
    expect(readFileSync(others, "utf8")).toBe("");
    expect(readFileSync(own, "utf8")).toContain(server.hostKey.public);
  });

  it("adds no key under a name that stands for other hosts as well", async () => {
    await using server = await startServer();
    const knownHostsFile = directory.write("empty", "");
    configure("Host *\n  HostKeyAlias *\n");
    const connecting = connect(
      variablesFor(server, directory, {
        ...overSsh,
        knownHostsFile,
        sshOptions: { strictHostKeyChecking: "accept-new" },
      }),
    );
    await expect(connecting).rejects.toThrow(
      /is new and cannot be added to \S+: its name there, "\*", would stand for other hosts too$/,
    );
    expect(readFileSync(knownHostsFile, "utf8")).toBe("");
  });

  it("adds no key where an inventory has ssh look for it under another name", async () => {
    await using server = await startServer();
    const knownHostsFile = directory.write("empty", "");
    const sshOptions = {
      strictHostKeyChecking: "accept-new" as const,
      others: [["CanonicalizeHostname", "yes"] as [string, string]],
    };
    await expect(
      connect(variablesFor(server, directory, { ...overSsh, knownHostsFile, sshOptions })),
    ).rejects.toThrow("is not in");
    expect(readFileSync(knownHostsFile, "utf8")).toBe("");
  });

  it("gives no shell a name that the inventory chose for the host", async () => {
    await using bastion = await startServer();
    // In lower case, as ssh writes a host's name.
    const witness = join(tmpdir(), `redkeep-witness-${process.pid}`);
    const variables = variablesFor(bastion, directory, {
      ...overSsh,
      sshOptions: {
        proxyJump: [`root@127.0.0.1:${bastion.port}`],
        others: [["HostName", `"x$(touch ${witness})"`]],
      },
    });
    const error = await connect(variables).catch((reason: Error) => reason);
    const hasRun = existsSync(witness);
    rmSync(witness, { force: true });
    expect(hasRun).toBe(false);
    expect(String(error)).toContain("is not a host name or address");
  });

  it("lets no RevokedHostKeys of an inventory replace your own", async () => {
    await using server = await startServer();
    configure(`Host *\n  RevokedHostKeys ${directory.write("revoked", `${server.hostKey.public}\n`)}\n`);
    const sshOptions = { others: [["RevokedHostKeys", "none"] as [string, string]] };
    await expect(connect(variablesFor(server, directory, { ...overSsh, sshOptions }))).rejects.toThrow(
      "the inventory has RevokedHostKeys for redis-01, which would replace those of ~/.ssh/config",
    );
    expect(server.attempts).toEqual([]);
  });

  it("gives the host's password to no ssh that a ProxyCommand runs", async () => {
    const seen: string[] = [];
    await using bastion = await startServer({
      authenticate: (context) => {
        if (context.method !== "password") return context.reject(["password"]);
        seen.push((context as PasswordAuthContext).password);
        context.reject(["password"]);
      },
    });
    await using server = await startServer();
    const known = directory.write("bastion", `[127.0.0.1]:${bastion.port} ${bastion.hostKey.public}\n`);
    const command = `ssh -F none -o UserKnownHostsFile=${known} -W [%h]:%p -p ${bastion.port} root@127.0.0.1 2>/dev/null`;
    await connect(
      variablesFor(server, directory, {
        ...overSsh,
        password: new Secret("of-the-host-alone"),
        sshOptions: { others: [["ProxyCommand", command]], needsOpenssh: "ProxyCommand" },
      }),
    ).catch(() => {});
    expect(bastion.connections).toBe(1);
    expect(seen).toEqual([]);
  });

  it("reads no more before the login where the server claims that it is over", async () => {
    let sent = 0;
    await using server = await startServer({
      authenticate: (context) => {
        send(context, BANNER, 'Authenticated to 127.0.0.1 ([127.0.0.1]:22) using "none".\n');
        for (; sent < 400; sent++) send(context, BANNER, "channel 1: open failed: no\n".repeat(1_000));
      },
    });
    await expect(connect(variablesFor(server, directory, overSsh))).rejects.toThrow(
      "it says too much before the login",
    );
  });

  it("tells you of a new key that was stored, whatever the server says of it", async () => {
    const told: string[] = [];
    await using server = await startServer({
      authenticate: (context) => {
        send(context, BANNER, "debug1: Server host key: ssh-ed25519 SHA256:made-up\n");
        context.accept();
      },
    });
    const connection = await connect(
      variablesFor(server, directory, {
        ...overSsh,
        knownHostsFile: directory.write("none", ""),
        sshOptions: { strictHostKeyChecking: "accept-new" },
        onNewHostKey: (message) => told.push(message),
      }),
    );
    connection.close();
    expect(told).toHaveLength(1);
  });

  it("ends a connection on which the server talks without end after the login", async () => {
    let flood: NodeJS.Timeout | undefined;
    await using server = await startServer({
      authenticate: (context) => {
        context.accept();
        flood = setInterval(() => {
          for (let count = 0; count < 20; count++) send(context, DEBUG, "Authenticated to x\n".repeat(40));
        }, 1);
      },
    });
    const connection = await connect(variablesFor(server, directory, overSsh));
    try {
      await expect.poll(() => connection.isOpen).toBe(false);
    } finally {
      clearInterval(flood);
    }
    await expect(connection.run("true", { timeoutMs: 1_000 })).rejects.toThrow("takes too much");
  });
});
