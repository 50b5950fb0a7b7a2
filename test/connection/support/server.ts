import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2, { type AuthContext, type ParsedKey, type ServerChannel } from "ssh2";
import type { ConnectionVariables } from "../../../src/connection/settings.ts";

export interface KeyPair {
  private: string;
  /** `ssh-ed25519 AAAA…` */
  public: string;
  blob: Buffer;
}

export function generateKey(type: "ed25519" | "ecdsa" = "ed25519", passphrase?: string): KeyPair {
  const encryption = passphrase === undefined ? {} : { passphrase, cipher: "aes256-ctr", rounds: 1 };
  for (;;) {
    const pair =
      type === "ed25519"
        ? ssh2.utils.generateKeyPairSync("ed25519", encryption as never)
        : ssh2.utils.generateKeyPairSync("ecdsa", { bits: 256, ...encryption } as never);
    // About one in 250 of ssh2's new ed25519 keys is malformed.
    if (ssh2.utils.parseKey(pair.private, passphrase) instanceof Error) continue;
    return { ...pair, blob: Buffer.from(pair.public.split(" ")[1] ?? "", "base64") };
  }
}

export interface ServerOptions {
  hostKeys?: KeyPair[];
  /** False where it opens none. */
  hasSessions?: boolean;
  /** Accepts or rejects a login; everybody is let in where it is missing. */
  authenticate?(context: AuthContext): void;
  /** What stands in for the login shell; a real sh where it is missing. */
  exec?(command: string, channel: ServerChannel): void;
  /** The environment of the real sh. */
  env?: Record<string, string>;
  /** The first connections are closed at once, as by sshd's MaxStartups. */
  closeFirst?: number;
  /** What it calls itself; ssh2's own name where it is missing. */
  ident?: string;
  /** After the key exchange it says nothing until this is asked for. */
  isSilentUntil?: "login" | "session";
  /** With so many connections that have not logged in, the next is closed at once, as by sshd's MaxStartups. */
  maxStartups?: number;
}

export interface TestServer extends AsyncDisposable {
  port: number;
  hostKey: KeyPair;
  /** The methods of all logins asked for. */
  attempts: string[];
  connections: number;
  /** Connections that stand. */
  readonly open: number;
  /** Connections that were closed for `maxStartups`. */
  refused: number;
  /** Ends every connection, without a goodbye. */
  drop(): void;
}

/** An SSH server on loopback, each answer of which a test can script. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const hostKeys = options.hostKeys ?? [generateKey()];
  const sockets = new Set<Socket>();
  /** Those that have not logged in. */
  const strangers = new Set<Socket>();
  /** Of the client that ssh2 hands over next. */
  let arriving: Socket | undefined;

  const config = {
    hostKeys: hostKeys.map((key) => key.private),
    ...(options.ident && { ident: options.ident }),
  };
  const protocol = new ssh2.Server(config, (client) => {
    const socket = arriving as Socket;
    client.on("error", () => {});
    client.on("ready", () => strangers.delete(socket));
    if (options.isSilentUntil) client.on("handshake", () => socket.cork());
    client.on("authentication", (context) => {
      if (options.isSilentUntil === "login") socket.uncork();
      state.attempts.push(context.method);
      if (options.authenticate) options.authenticate(context);
      else context.accept();
    });
    client.on("request", (accept) => accept?.());
    client.on("tcpip", (accept, reject, { destIP, destPort }) => {
      const target = new Socket();
      target.on("error", () => reject());
      target.connect(destPort, destIP, () => {
        const channel = accept();
        channel.pipe(target).pipe(channel);
      });
    });
    client.on("session", (accept, reject) => {
      if (options.hasSessions === false) return reject();
      if (options.isSilentUntil === "session") socket.uncork();
      accept().on("exec", (acceptExec, _reject, { command }) => {
        const channel = acceptExec();
        channel.on("error", () => {});
        channel.stderr.on("error", () => {});
        if (options.exec) options.exec(command, channel);
        else runInShell(command, channel, options.env);
      });
    });
  });

  const listener = createServer({ noDelay: true }, (socket) => {
    state.connections++;
    socket.on("error", () => {});
    if (state.connections <= (options.closeFirst ?? 0)) {
      socket.destroy();
      return;
    }
    if (strangers.size >= (options.maxStartups ?? Number.POSITIVE_INFINITY)) {
      state.refused++;
      socket.destroy();
      return;
    }
    sockets.add(socket);
    strangers.add(socket);
    socket.on("close", () => {
      sockets.delete(socket);
      strangers.delete(socket);
    });
    arriving = socket;
    protocol.injectSocket(socket);
  });

  const state: TestServer = {
    port: await listen(listener),
    hostKey: hostKeys[0] as KeyPair,
    attempts: [],
    connections: 0,
    get open() {
      return sockets.size;
    },
    refused: 0,
    drop: () => {
      for (const socket of sockets) socket.destroy();
    },
    [Symbol.asyncDispose]: async () => {
      state.drop();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return state;
}

/** A TCP peer that is no SSH server. */
export async function startTcp(
  onConnection: (socket: Socket) => void,
): Promise<AsyncDisposable & { port: number }> {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    socket.on("error", () => {});
    sockets.add(socket);
    onConnection(socket);
  });
  return {
    port: await listen(listener),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

async function listen(listener: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return (listener.address() as { port: number }).port;
}

/** Runs `command` as sshd does: by the login shell, with the channel as its three streams. */
export function runInShell(
  command: string,
  channel: ServerChannel,
  env?: Record<string, string>,
  shell = "/bin/sh",
): void {
  const child = spawn(shell, ["-c", command], env ? { env } : {});
  child.stdin.on("error", () => {});
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.on("close", (code, signal) => {
    if (code !== null) channel.exit(code);
    else channel.exit((signal ?? "SIGKILL").slice(3));
    channel.end();
  });
  channel.on("close", () => child.kill("SIGKILL"));
}

export interface Directory extends Disposable {
  path: string;
  /** Writes a file, 0600, and gives its path. */
  write(name: string, content: string): string;
}

export function temporaryDirectory(): Directory {
  const path = mkdtempSync(join(tmpdir(), "redkeep-test-"));
  return {
    path,
    write: (name, content) => {
      writeFileSync(join(path, name), content, { mode: 0o600 });
      return join(path, name);
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** What carries the scripts of the tests that run now; both transports run the same ones. */
export const transport = (): "ssh2" | "openssh" =>
  process.env.TEST_TRANSPORT === "openssh" ? "openssh" : "ssh2";

/** Has the tests of a file run over the system's ssh until it is disposed of. */
export function overOpenSsh(): Disposable {
  process.env.TEST_TRANSPORT = "openssh";
  return {
    [Symbol.dispose]() {
      delete process.env.TEST_TRANSPORT;
    },
  };
}

/** Variables of a host that is known and that a key opens; a test changes what it is about. */
export function variablesFor(
  server: { port: number; hostKey?: KeyPair },
  directory: Directory,
  changes: Partial<ConnectionVariables> = {},
): ConnectionVariables {
  const key = server.hostKey?.public ?? generateKey().public;
  return {
    host: "redis-01",
    address: "127.0.0.1",
    port: server.port,
    user: "root",
    privateKeyFile: directory.write("id_ed25519", userKey.private),
    sshOptions: {},
    // No test waits for it: a busy machine takes long.
    timeoutSeconds: 45,
    become: false,
    ...(transport() === "openssh" ? { transport: "openssh" as const } : {}),
    knownHostsFile: directory.write("known_hosts", `[127.0.0.1]:${server.port} ${key}\n`),
    ...changes,
  };
}

export const userKey = generateKey();

/** Messages to and from an agent, by the numbers of its protocol. */
const EXTENSION = 27;
const FAILURE = 5;

/**
 * An agent that holds these keys and counts its signatures; SSH_AUTH_SOCK names it.
 * @param options.signsFor "bound": it signs only where it was told for which host, as for a key with restrictions
 */
export async function startAgent(
  directory: Directory,
  keys: readonly [key: KeyPair, passphrase?: string][],
  { signsFor = "all" }: { signsFor?: "all" | "bound" } = {},
): Promise<AsyncDisposable & { socket: string; signatures: number }> {
  const held = keys.map(([key, passphrase]) => {
    const parsed = ssh2.utils.parseKey(key.private, passphrase) as ParsedKey | ParsedKey[];
    return [parsed].flat()[0] as ParsedKey;
  });
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    const protocol = new ssh2.AgentProtocol(false);
    protocol.on("identities", (request) => protocol.getIdentitiesReply(request, held));
    let isBound = signsFor === "all";
    protocol.on("sign", (request, publicKey, data) => {
      if (!isBound) return protocol.failureReply(request);
      agent.signatures++;
      const key = held.find((candidate) => candidate.getPublicSSH().equals(publicKey.getPublicSSH()));
      if (key) protocol.signReply(request, key.sign(data));
      else protocol.failureReply(request);
    });
    let received = Buffer.alloc(0);
    socket.on("data", (data) => {
      received = Buffer.concat([received, data]);
      while (received.length >= 4 && received.length >= 4 + received.readUInt32BE()) {
        const message = received.subarray(0, 4 + received.readUInt32BE());
        received = received.subarray(message.length);
        // ssh2's agent reads what an extension says as further messages.
        if (message[4] === EXTENSION) {
          isBound = true;
          socket.write(Buffer.from([0, 0, 0, 1, FAILURE]));
        } else protocol.write(message);
      }
    });
    protocol.pipe(socket);
  });
  const socket = join(directory.path, "agent");
  await new Promise<void>((resolve) => listener.listen(socket, resolve));
  const before = process.env.SSH_AUTH_SOCK;
  process.env.SSH_AUTH_SOCK = socket;
  const agent = {
    socket,
    signatures: 0,
    [Symbol.asyncDispose]: async () => {
      if (before === undefined) delete process.env.SSH_AUTH_SOCK;
      else process.env.SSH_AUTH_SOCK = before;
      for (const open of sockets) open.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return agent;
}
