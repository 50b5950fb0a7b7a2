import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { KeyboardAuthContext, PasswordAuthContext, PublicKeyAuthContext, ServerChannel } from "ssh2";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BecomePasswords } from "../../src/connection/become-passwords.ts";
import { type Connection, HostError } from "../../src/connection/connection.ts";
import { checkHostKey } from "../../src/connection/known-hosts.ts";
import type { ConnectionVariables } from "../../src/connection/settings.ts";
import { connect } from "../../src/connection/ssh.ts";
import { Secret } from "../../src/lib/secret.ts";
import { differing } from "./support/differences.ts";
import { runOnce } from "./support/run-once.ts";
import {
  type Directory,
  generateKey,
  runInShell,
  startAgent,
  startServer,
  startTcp,
  type TestServer,
  temporaryDirectory,
  transport,
  userKey,
  variablesFor,
} from "./support/server.ts";

/** For what no test waits for: a busy machine takes long. */
const OPTIONS = { timeoutMs: 45_000 };

/** A port that nobody has: one that was let go may be another test's by now. */
const CLOSED = 1;

/** Has redkeep's own time stand still: a test lets it pass once that has happened of which redkeep is to speak. */
const stopTime = () => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
/** What had been sent to this process has been read. */
async function hasRead(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
}

/** How a script ends whose time is over, once all that its server says of it has come: what a later script says has come too. */
async function outOfTime(connection: Connection, timeoutMs: number): Promise<unknown> {
  stopTime();
  const ended = connection.run("sleep 60", { timeoutMs }).catch((reason: unknown) => reason);
  await connection.run("true", OPTIONS);
  vi.advanceTimersByTime(timeoutMs);
  vi.useRealTimers();
  return await ended;
}

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
  vi.stubEnv("SSH_AUTH_SOCK", "");
});
afterEach(() => {
  vi.useRealTimers();
  directory[Symbol.dispose]();
  vi.unstubAllEnvs();
});

/** The HostError of a connection that must fail. */
async function failure(variables: ConnectionVariables): Promise<HostError> {
  const error = await connect(variables).then(
    (connection) => {
      connection.close();
      return new Error("connected");
    },
    (reason: unknown) => reason,
  );
  if (error instanceof HostError) return error;
  throw error;
}

describe("a script", () => {
  it("gives both outputs and the exit status apart", async () => {
    await using server = await startServer();
    const result = await runOnce(variablesFor(server, directory), "echo out; echo err >&2; exit 7");
    expect(result).toEqual({ status: 7, signal: undefined, stdout: Buffer.from("out\n"), stderr: "err\n" });
  });

  it("keeps bytes, quotes and line ends as they are", async () => {
    await using server = await startServer();
    const script = "printf '%s' 'it'\\''s \"$HOME\" é\n\n'; printf '\\000\\377'";
    const { stdout } = await runOnce(variablesFor(server, directory), script);
    expect(stdout).toEqual(Buffer.from([...Buffer.from('it\'s "$HOME" é\n\n'), 0, 255]));
  });

  it("counts every channel as one round trip", async () => {
    await using server = await startServer();
    const connection = await connect(variablesFor(server, directory));
    await connection.run("true", OPTIONS);
    await connection.run("true", OPTIONS);
    expect(connection.channels).toBe(2);
    connection.close();
    expect(connection.isOpen).toBe(false);
  });

  it("of eight megabytes arrives whole", async () => {
    await using server = await startServer();
    const script = `text='${"0123456\n".repeat(1024 * 1024)}'; printf '%s' "$text" | wc -c`;
    const { stdout } = await runOnce(variablesFor(server, directory), script);
    expect(stdout.toString().trim()).toBe(String(8 * 1024 * 1024));
  });

  it("finds its standard input at the end, whatever it reads", async () => {
    await using server = await startServer();
    const { stdout } = await runOnce(variablesFor(server, directory), "cat; echo done");
    expect(stdout.toString()).toBe("done\n");
  });

  it("gets no arguments from redkeep", async () => {
    await using server = await startServer();
    const { stdout } = await runOnce(variablesFor(server, directory), 'echo "$#$*"');
    expect(stdout.toString()).toBe("0\n");
  });

  it("tells a signal from an exit", async () => {
    await using server = await startServer();
    const result = await runOnce(variablesFor(server, directory), "kill -9 $$");
    expect(result).toMatchObject({ status: "unknown", signal: "SIGKILL" });
  });

  it("does not see what login files print", async () => {
    await using server = await startServer({
      exec: (command, channel) => {
        channel.write("Welcome to redis-01\n");
        channel.stderr.write("bash: warning: setlocale\nno newline at the end");
        runInShell(`printf 'You have mail'; ${command}`, channel);
      },
    });
    const result = await runOnce(variablesFor(server, directory), "echo facts");
    expect(result).toMatchObject({ stdout: Buffer.from("facts\n"), stderr: "" });
  });

  it("is not taken as started where the shell only echoes its command", async () => {
    await using server = await startServer({
      exec: (command, channel) => {
        channel.write(`${command}\n`);
        runInShell(command, channel);
      },
    });
    const { stdout } = await runOnce(variablesFor(server, directory), "echo facts");
    expect(stdout.toString()).toBe("facts\n");
  });

  it("does not run when only half of it arrives", async () => {
    const witness = join(directory.path, "witness");
    const received: Buffer[] = [];
    await using server = await startServer({
      exec: (command, channel) => {
        channel.on("data", (data: Buffer) => received.push(data));
        channel.on("end", () => {
          // The connection dies during the upload: the shell sees the end of its input, a little early.
          const whole = Buffer.concat(received);
          const cut = channelOf(whole.subarray(0, whole.length - 10), channel);
          runInShell(command, cut);
        });
      },
    });
    const connection = await connect(variablesFor(server, directory));
    const error = await connection.run(`echo ran >${witness}`, OPTIONS).catch((reason: unknown) => reason);
    connection.close();
    expect(error).toMatchObject({ kind: "failed", message: expect.stringContaining("did not arrive whole") });
    expect(() => readFileSync(witness)).toThrow("ENOENT");
  });

  it("whose exit status never came is unknown, not a success", async () => {
    await using server = await startServer({ exec: started((channel) => channel.end("half the fa")) });
    const result = await runOnce(variablesFor(server, directory), "true");
    expect(result).toMatchObject({ status: "unknown", stdout: Buffer.from("half the fa") });
  });

  it("is lost when the connection dies under it", async () => {
    await using server = await startServer({
      exec: started((channel) => {
        channel.write("half");
        server.drop();
      }),
    });
    const connection = await connect(variablesFor(server, directory));
    await expect(connection.run("true", OPTIONS)).rejects.toMatchObject({ kind: "lost" });
    expect(connection.isOpen).toBe(false);
    await expect(connection.run("true", OPTIONS)).rejects.toMatchObject({ kind: "lost" });
  });

  it("is lost when the connection dies between its exit status and its output", async () => {
    await using server = await startServer({
      exec: started((channel) => {
        channel.exit(0);
        setImmediate(() => server.drop());
      }),
    });
    await expect(runOnce(variablesFor(server, directory), "true")).rejects.toMatchObject({ kind: "lost" });
  });

  it("is given up when its time is over, and its channel closed", async () => {
    const closed = Promise.withResolvers<void>();
    let channels = 0;
    await using server = await startServer({
      exec: (command, channel) => {
        if (channels++ > 0) return runInShell(command, channel);
        channel.on("close", closed.resolve);
        started(() => {})(command, channel);
      },
    });
    const connection = await connect(variablesFor(server, directory));
    expect(await outOfTime(connection, 1_000)).toMatchObject({
      kind: "lost",
      message: "redis-01: a script did not end within 1 s",
    });
    await closed.promise;
    await expect(connection.run("echo next", OPTIONS)).resolves.toMatchObject({ status: 0 });
    connection.close();
  });

  it("is given up when its output has no end", async () => {
    await using server = await startServer();
    const connection = await connect(variablesFor(server, directory));
    await expect(
      connection.run("cat /dev/zero", { ...OPTIONS, maxOutputBytes: 100_000 }),
    ).rejects.toMatchObject({ kind: "failed", message: "redis-01: a script wrote more than 100000 bytes" });
    await expect(connection.run("echo next", OPTIONS)).resolves.toMatchObject({ status: 0 });
    connection.close();
  });

  it("keeps only the beginning of endless errors, and goes on", async () => {
    await using server = await startServer();
    const result = await runOnce(
      variablesFor(server, directory),
      "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo done",
    );
    expect(result.stdout.toString()).toBe("done\n");
    expect(result.stderr).toBe("x".repeat(64 * 1024));
  });

  it("ends when the run is interrupted", async () => {
    await using server = await startServer();
    const connection = await connect(variablesFor(server, directory));
    const interruption = new AbortController();
    const running = connection.run("sleep 60", { ...OPTIONS, signal: interruption.signal });
    await connection.run("echo meanwhile", OPTIONS);
    interruption.abort(new Error("interrupted"));
    await expect(running).rejects.toThrow("interrupted");
    connection.close();
  });

  it("does not begin when the run is interrupted before its channel is open", async () => {
    await using server = await startServer();
    const connection = await connect(variablesFor(server, directory));
    const interruption = new AbortController();
    const witness = join(directory.path, "witness");
    const running = connection.run(`echo ran >${witness}`, { ...OPTIONS, signal: interruption.signal });
    interruption.abort(new Error("interrupted"));
    await expect(running).rejects.toThrow("interrupted");
    await connection.run("echo next", OPTIONS);
    expect(() => readFileSync(witness)).toThrow("ENOENT");
    connection.close();
  });

  it("fails with the reason where the login shell runs nothing", async () => {
    await using server = await startServer({
      exec: (_, channel) => {
        channel.write("This account is \u001b[31mcurrently\r\n not available.\n");
        channel.exit(1);
        channel.end();
      },
    });
    await expect(runOnce(variablesFor(server, directory), "true")).rejects.toMatchObject({
      kind: "failed",
      message:
        "redis-01: the login shell of root ran nothing (exit 1): This account is currently  not available.",
    });
  });

  it("is lost where nothing shows that it started", async () => {
    await using server = await startServer({ exec: (_, channel) => channel.resume() });
    const connection = await connect(variablesFor(server, directory));
    await expect(connection.run("true", { timeoutMs: 1_000 })).rejects.toMatchObject({
      kind: "lost",
      message: "redis-01: the login shell of root ran nothing (silent for 1 s)",
    });
    connection.close();
  });

  it("fails with the reason where login files read its standard input", async () => {
    await using server = await startServer({
      exec: (command, channel) => runInShell(`read line; ${command}`, channel),
    });
    await expect(runOnce(variablesFor(server, directory), "true")).rejects.toMatchObject({
      kind: "failed",
      remedy: "Something in the login files of root reads standard input.",
    });
  });
});

describe("becoming root", () => {
  /** A sudo that does as sudo does, in so far as a client can see, and takes "right" for a password. */
  const fakeSudo = (body: string) => {
    const path = directory.write("sudo", `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
    return { PATH: `${directory.path}:/usr/bin:/bin`, DIR: directory.path };
  };
  const RUN =
    'while [ "$1" != -- ]; do [ "$1" = -p ] && prompt=$2; shift; done; shift; echo "$*" >"$DIR/argv"';
  const ASK = `${RUN}
    printf '%s' "$prompt" >&2; read -r password; echo "$password" >>"$DIR/passwords"
    [ "$password" = right ] || { echo 'Sorry, try again.' >&2; printf '%s' "$prompt" >&2; read -r password || {
      echo 'sudo: 1 incorrect password attempt' >&2; exit 1; }; echo "$password" >>"$DIR/passwords"; exit 1; }
    exec "$@"`;
  const passwords = () => readFileSync(join(directory.path, "passwords"), "utf8");
  const deploy = { user: "deploy", become: true };

  it("runs without a password where sudo wants none", async () => {
    await using server = await startServer({ env: fakeSudo(`${RUN}; AS=root exec "$@"`) });
    const result = await runOnce(variablesFor(server, directory, deploy), "exit 3");
    expect(result.status).toBe(3);
  });

  it("does not ask root to become root", async () => {
    await using server = await startServer({ env: fakeSudo("echo no sudo here >&2; exit 1") });
    const result = await runOnce(variablesFor(server, directory, { become: true }), "echo root");
    expect(result.stdout.toString()).toBe("root\n");
  });

  it("stays the login user without become", async () => {
    await using server = await startServer({ env: fakeSudo("exit 1") });
    const result = await runOnce(variablesFor(server, directory, { user: "deploy" }), "echo me");
    expect(result.stdout.toString()).toBe("me\n");
  });

  it("answers sudo's own prompt, once, and then sends the script", async () => {
    await using server = await startServer({ env: fakeSudo(ASK) });
    const variables = variablesFor(server, directory, { ...deploy, becomePassword: new Secret("right") });
    const result = await runOnce(variables, "cat; echo root; echo trouble >&2");
    expect(result).toEqual({
      status: 0,
      signal: undefined,
      stdout: Buffer.from("root\n"),
      stderr: "trouble\n",
    });
    expect(passwords()).toBe("right\n");
    expect(readFileSync(join(directory.path, "argv"), "utf8")).not.toContain("right");
  });

  it("keeps the password to itself where sudo wants none", async () => {
    await using server = await startServer({ env: fakeSudo(`${RUN}; exec "$@"`) });
    const variables = variablesFor(server, directory, { ...deploy, becomePassword: new Secret("right") });
    const result = await runOnce(variables, "cat; echo root");
    expect(result.stdout.toString()).toBe("root\n");
  });

  it("tries a wrong password once", async () => {
    await using server = await startServer({ env: fakeSudo(ASK) });
    const variables = variablesFor(server, directory, { ...deploy, becomePassword: new Secret("wrong") });
    await expect(runOnce(variables, "true")).rejects.toMatchObject({
      kind: "failed",
      message: "redis-01: sudo does not accept the become password of deploy",
    });
    expect(passwords()).toBe("wrong\n");
  });

  it("fails where sudo asks once and then refuses the password", async () => {
    const once = `${RUN}
      printf '%s' "$prompt" >&2; read -r password; echo 'sudo: 1 incorrect password attempt' >&2; exit 1`;
    await using server = await startServer({ env: fakeSudo(once) });
    const variables = variablesFor(server, directory, { ...deploy, becomePassword: new Secret("wrong") });
    await expect(runOnce(variables, "true")).rejects.toMatchObject({
      message: "redis-01: sudo does not accept the become password of deploy",
    });
  });

  describe("on several hosts with one password", () => {
    const tryOn = async (
      server: TestServer,
      password: string,
      becomePasswords: BecomePasswords,
      host: string,
    ) => {
      const variables = { ...deploy, becomePassword: new Secret(password) };
      const connection = await connect(
        { ...variablesFor(server, directory, variables), host },
        { becomePasswords },
      );
      try {
        return (await connection.run("echo root", OPTIONS)).stdout.toString();
      } finally {
        connection.close();
      }
    };

    it("shows it to another host although one refused it, which may have been taken over", async () => {
      await using liar = await startServer({ env: fakeSudo(ASK) });
      await using server = await startServer({ env: fakeSudo(ASK) });
      fakeSudo(`${RUN}; printf '%s' "$prompt" >&2; read -r password; printf '%s' "$prompt" >&2; cat`);
      const run = new BecomePasswords();
      const refusal = { message: "redis-01: sudo does not accept the become password of deploy" };
      await expect(tryOn(liar, "right", run, "redis-01")).rejects.toMatchObject(refusal);
      fakeSudo(ASK);
      expect(await tryOn(server, "right", run, "redis-02")).toBe("root\n");
      // The liar was asked once, under whatever name.
      await expect(tryOn(liar, "right", run, "redis-03")).rejects.toThrow(
        "redis-03: not tried: sudo on redis-01 did not accept the become password of deploy",
      );
    });

    it("shows a wrong one to at most two machines, since a directory may lock all accounts together", async () => {
      await using first = await startServer({ env: fakeSudo(ASK) });
      await using second = await startServer({ env: fakeSudo(ASK) });
      await using third = await startServer({ env: fakeSudo(ASK) });
      const run = new BecomePasswords();
      const said: string[] = [];
      for (const [index, server] of [first, first, second, third, third].entries()) {
        const trying = tryOn(server, "wrong", run, `redis-0${index + 1}`);
        said.push(await trying.catch((error: Error) => error.message));
      }
      expect(said).toEqual([
        "redis-01: sudo does not accept the become password of deploy",
        "redis-02: not tried: sudo on redis-01 did not accept the become password of deploy",
        "redis-03: sudo does not accept the become password of deploy",
        "redis-04: not tried: sudo on redis-01 and redis-03 did not accept the become password of deploy",
        "redis-05: not tried: sudo on redis-01 and redis-03 did not accept the become password of deploy",
      ]);
      expect(passwords()).toBe("wrong\nwrong\n");
    });

    it("shows a wrong one once to a machine that has several names", async () => {
      await using server = await startServer({ env: fakeSudo(ASK) });
      const run = new BecomePasswords();
      const tried = await Promise.allSettled(
        ["redis-01", "redis-02", "redis-03"].map((host) => tryOn(server, "wrong", run, host)),
      );
      const reasons = tried.map((result) => result.status === "rejected" && result.reason.message);
      const [first] = reasons.flatMap(
        (reason) => /^(\S+): sudo does not accept/.exec(`${reason}`)?.[1] ?? [],
      );
      expect(
        reasons.filter((reason) => `${reason}`.includes(`not tried: sudo on ${first} did not`)),
      ).toHaveLength(2);
      expect(passwords()).toBe("wrong\n");
      // Another password is another question.
      expect(await tryOn(server, "right", run, "redis-04")).toBe("root\n");
    });

    it("goes on with all hosts once one has taken it", async () => {
      await using server = await startServer({ env: fakeSudo(ASK) });
      const run = new BecomePasswords();
      const hosts = ["redis-01", "redis-02", "redis-03"];
      const said = await Promise.all(hosts.map((host) => tryOn(server, "right", run, host)));
      expect(said).toEqual(["root\n", "root\n", "root\n"]);
    });

    it("tries the next host where the first ended before sudo answered", async () => {
      await using server = await startServer({ env: fakeSudo("echo 'sudo: unable to dlopen' >&2; exit 1") });
      const run = new BecomePasswords();
      await expect(tryOn(server, "right", run, "redis-01")).rejects.toMatchObject({ kind: "failed" });
      fakeSudo(ASK);
      expect(await tryOn(server, "right", run, "redis-02")).toBe("root\n");
    });
  });

  it("does not fall for a prompt that is not sudo's", async () => {
    let received = "";
    await using server = await startServer({
      exec: (command, channel) => {
        channel.on("data", (data: Buffer) => {
          received += data.toString();
        });
        channel.stderr.write(`${command}\n[sudo] password for deploy: `);
        channel.stderr.write("Password: ");
        setTimeout(() => channel.end(), 200);
      },
    });
    const variables = variablesFor(server, directory, { ...deploy, becomePassword: new Secret("right") });
    await expect(runOnce(variables, "true")).rejects.toMatchObject({ kind: "failed" });
    expect(received).toBe("");
  });

  it.each([
    ["sudo: a password is required", 1, "sudo wants a password for deploy"],
    ["sudo: sorry, you must have a tty to run sudo", 1, "sudo refuses deploy without a terminal"],
    ["deploy is not in the sudoers file.", 1, "deploy may not become root by sudo"],
    ["sh: 1: exec: sudo: not found", 127, "there is no sudo"],
    ["sudo: unable to dlopen", 1, "sudo did not make deploy root (exit 1): sudo: unable to dlopen"],
  ])("explains sudo's answer `%s`", async (said, status, message) => {
    await using server = await startServer({ env: fakeSudo(`echo '${said}' >&2; exit ${status}`) });
    await expect(runOnce(variablesFor(server, directory, deploy), "true")).rejects.toMatchObject({
      kind: "failed",
      message: expect.stringContaining(`redis-01: ${message}`),
    });
  });

  it("does not hang where sudo waits for something else", async () => {
    const env = fakeSudo(ASK);
    let channels = 0;
    await using server = await startServer({
      exec: (command, channel) => {
        if (++channels !== 2) return runInShell(command, channel, env);
        channel.stderr.write(`${halvesIn(command)[0]}\nVerification code: `);
        channel.resume();
      },
    });
    const variables = variablesFor(server, directory, { ...deploy, becomePassword: new Secret("right") });
    const connection = await connect(variables);
    // Once the password was taken, a script waits for no other one's sudo.
    await connection.run("true", OPTIONS);
    expect(await outOfTime(connection, 500)).toMatchObject({
      kind: "failed",
      message: expect.stringContaining("Verification code:"),
    });
    connection.close();
  });
});

describe("a host key", () => {
  const isSilent = (server: { attempts: string[] }) => expect(server.attempts).toEqual([]);

  it("that is unknown stops the host before any login", async () => {
    await using server = await startServer();
    const known = directory.write("empty", "");
    const error = await failure({ ...variablesFor(server, directory), knownHostsFile: known });
    expect(error.kind).toBe("unreachable");
    expect(error.message).toMatch(
      /^the host key of redis-01 \(127\.0\.0\.1:\d+\) is not in \S+: ssh-ed25519 SHA256:/,
    );
    expect(error.remedy).toContain(`ssh-keyscan -p ${server.port} 127.0.0.1 >>${known}`);
    isSilent(server);
  });

  it("that has changed stops the host and names the line", async () => {
    await using server = await startServer();
    const variables = variablesFor({ port: server.port, hostKey: generateKey() }, directory);
    const error = await failure(variables);
    expect(error.kind).toBe("unreachable");
    expect(error.message).toContain(`${variables.knownHostsFile}:1 has ssh-ed25519 SHA256:`);
    expect(error.remedy).toContain(`ssh-keygen -R '[127.0.0.1]:${server.port}'`);
    isSilent(server);
  });

  it("that is revoked stops the host", async () => {
    await using server = await startServer();
    const variables = variablesFor(server, directory);
    directory.write(
      "known_hosts",
      `[127.0.0.1]:${server.port} ${server.hostKey.public}\n@revoked * ${server.hostKey.public}\n`,
    );
    const error = await failure(variables);
    expect(error).toMatchObject({ kind: "unreachable", message: expect.stringContaining("@revoked in") });
    isSilent(server);
  });

  it("is asked for in the type that is known, though the server would rather show another", async () => {
    const [ed25519, ecdsa] = [generateKey("ed25519"), generateKey("ecdsa")];
    await using server = await startServer({ hostKeys: [ed25519, ecdsa] });
    const variables = variablesFor({ port: server.port, hostKey: ecdsa }, directory);
    expect((await runOnce(variables, "echo in")).stdout.toString()).toBe("in\n");
  });

  it("that is new is accepted and kept when asked for", async () => {
    await using server = await startServer();
    const knownHostsFile = join(directory.path, "new", "known_hosts");
    const variables = {
      ...variablesFor(server, directory),
      knownHostsFile,
      sshOptions: { strictHostKeyChecking: "accept-new" as const },
    };
    const several = await Promise.all([connect(variables), connect(variables), connect(variables)]);
    for (const connection of several) connection.close();
    const lines = readFileSync(knownHostsFile, "utf8").split("\n");
    // ssh hashes the name where its configuration asks for that.
    expect(lines).toEqual([expect.stringMatching(/^(?:\[127\.0\.0\.1\]:\d+|\|1\|\S+) /), ""]);
    expect(lines[0]?.split(" ").slice(1).join(" ")).toBe(server.hostKey.public);
    expect(checkHostKey("127.0.0.1", server.port, server.hostKey.blob, [knownHostsFile]).outcome).toBe("ok");
  });

  it("that has changed is not accepted as new", async () => {
    await using server = await startServer();
    const variables = variablesFor({ port: server.port, hostKey: generateKey("ecdsa") }, directory, {
      sshOptions: { strictHostKeyChecking: "accept-new" },
    });
    expect((await failure(variables)).message).toContain("has changed");
    isSilent(server);
  });
});

describe("a login", () => {
  const onlyKey = (key: { blob: Buffer }) => (context: unknown) => {
    const login = context as PublicKeyAuthContext;
    if (login.method === "publickey" && login.key.data.equals(key.blob)) login.accept();
    else login.reject(["publickey"]);
  };
  const onlyPassword = (password: string) => (context: unknown) => {
    const login = context as PasswordAuthContext;
    if (login.method === "password" && login.password === password) login.accept();
    else login.reject(["password"]);
  };

  it("begins with the key, without asking which methods are allowed", async () => {
    await using server = await startServer({ authenticate: onlyKey(userKey) });
    await runOnce(variablesFor(server, directory), "true");
    expect(new Set(server.attempts)).toEqual(
      new Set(differing("which methods there are", { ssh2: ["publickey"], openssh: ["none", "publickey"] })),
    );
  });

  it("fails with the reason where the server opens no session", async () => {
    await using server = await startServer({ ident: "OpenSSH_9.2p1", hasSessions: false });
    await expect(runOnce(variablesFor(server, directory), "true")).rejects.toThrow(
      /the host runs no command: \(SSH\) Channel open failure/,
    );
  });

  it.each(["OpenSSH_9.2p1", "dropbear_2022.83"])(
    "goes on with %s after a key that is refused",
    async (ident) => {
      const other = generateKey();
      await using server = await startServer({ ident, authenticate: onlyKey(other) });
      await using _agent = await startAgent(directory, [[other]]);
      expect((await runOnce(variablesFor(server, directory), "echo in")).stdout.toString()).toBe("in\n");
    },
  );

  it("unlocks an encrypted key", async () => {
    const locked = generateKey("ed25519", "open sesame");
    await using server = await startServer({ authenticate: onlyKey(locked) });
    const variables = variablesFor(server, directory, {
      privateKeyFile: directory.write("locked", locked.private),
      privateKeyPassphrase: new Secret("open sesame"),
    });
    expect((await runOnce(variables, "echo in")).stdout.toString()).toBe("in\n");
  });

  it.each([
    ["without a passphrase", undefined, "is encrypted: set ansible_ssh_passphrase"],
    ["with the wrong passphrase", new Secret("wrong"), "ansible_ssh_passphrase does not unlock it"],
  ])("names a key that stays locked %s", async (_, passphrase, message) => {
    await using server = await startServer({ authenticate: onlyKey(userKey) });
    const privateKeyFile = directory.write("locked", generateKey("ed25519", "open sesame").private);
    const error = await failure(
      variablesFor(server, directory, {
        privateKeyFile,
        ...(passphrase && { privateKeyPassphrase: passphrase }),
      }),
    );
    expect(error.kind).toBe("unreachable");
    expect(error.message).toContain(`${privateKeyFile} is encrypted`);
    expect(error.message).toContain(message);
  });

  it("uses the agent for a key that is locked", async () => {
    const locked = generateKey("ed25519", "open sesame");
    await using server = await startServer({ authenticate: onlyKey(locked) });
    await using agent = await startAgent(directory, [[generateKey()], [locked, "open sesame"]]);
    directory.write("locked.pub", `${locked.public} me@laptop\n`);
    const variables = variablesFor(server, directory, {
      privateKeyFile: directory.write("locked", locked.private),
      sshOptions: { identitiesOnly: true },
    });
    expect((await runOnce(variables, "echo in")).stdout.toString()).toBe("in\n");
    expect(agent.signatures).toBe(1);
    // The question whether the key will do, and the signature.
    expect(server.attempts.filter((method) => method === "publickey")).toHaveLength(2);
  });

  it("offers the named key before the agent's other keys, which may be many", async () => {
    const offered = new Set<string>();
    await using server = await startServer({
      authenticate: (context) => {
        if (context.method === "none") return context.reject(["publickey"]);
        offered.add((context as PublicKeyAuthContext).key.data.toString("base64"));
        onlyKey(userKey)(context);
      },
    });
    await using agent = await startAgent(directory, [[generateKey()], [generateKey()]]);
    await runOnce(variablesFor(server, directory), "true");
    expect(agent.signatures).toBe(0);
    expect([...offered].at(-1)).toBe(userKey.blob.toString("base64"));
    expect(offered.size).toBe(differing("the order of keys", { ssh2: 1, openssh: 3 }));
  });

  it("offers the agent's other keys in the end, unless only the named ones may be used", async () => {
    const [key, other] = [generateKey(), generateKey("ecdsa")];
    await using server = await startServer({ authenticate: onlyKey(key) });
    await using _agent = await startAgent(directory, [[other], [key]]);
    expect((await runOnce(variablesFor(server, directory), "echo in")).stdout.toString()).toBe("in\n");
    const variables = variablesFor(server, directory, { sshOptions: { identitiesOnly: true } });
    expect((await failure(variables)).message).toMatch(/it refused \S+id_ed25519$/);
  });

  it("goes on without an agent that does not answer", async () => {
    vi.stubEnv("SSH_AUTH_SOCK", join(directory.path, "no-agent"));
    await using server = await startServer({ authenticate: onlyKey(userKey) });
    expect((await runOnce(variablesFor(server, directory), "echo in")).stdout.toString()).toBe("in\n");
  });

  it("names the key that is refused, and the one that is not there", async () => {
    await using server = await startServer({ authenticate: (context) => context.reject(["publickey"]) });
    const variables = variablesFor(server, directory, {
      user: "deploy",
      sshOptions: { identityFiles: ["/nowhere/id_ed25519"] },
    });
    expect((await failure(variables)).message).toBe(
      `no login as deploy at 127.0.0.1:${server.port}: it refused ${variables.privateKeyFile}; ` +
        "/nowhere/id_ed25519 cannot be read (ENOENT)",
    );
  });

  it("says that an OpenSSH certificate is of no use, where it is", async () => {
    await using server = await startServer({ authenticate: (context) => context.reject(["publickey"]) });
    directory.write("id_ed25519-cert.pub", "");
    const { message } = await failure(variablesFor(server, directory, { transport: transport() }));
    expect(message).toMatch(
      differing("certificates", {
        ssh2: /id_ed25519-cert\.pub is an OpenSSH certificate/,
        openssh: /it refused \S+id_ed25519$/,
      }),
    );
  });

  it("takes a password after the keys", async () => {
    await using server = await startServer({ authenticate: onlyPassword("right") });
    const variables = variablesFor(server, directory, { password: new Secret("right") });
    expect((await runOnce(variables, "echo in")).stdout.toString()).toBe("in\n");
  });

  it("tries a wrong password once, and does not print it", async () => {
    const asked: string[] = [];
    await using server = await startServer({
      authenticate: (context) => {
        if (context.method === "password") asked.push(context.password);
        context.reject(["password", "keyboard-interactive"]);
      },
    });
    const error = await failure(variablesFor(server, directory, { password: new Secret("not-this-one") }));
    expect(error.message).toContain("it refused");
    expect(error.message).not.toContain("not-this-one");
    expect(asked).toEqual(["not-this-one"]);
    expect(server.attempts.at(-1)).toBe(
      differing("the second way for a password", { ssh2: "password", openssh: "keyboard-interactive" }),
    );
  });

  it("answers the one hidden question of a keyboard-interactive server", async () => {
    await using server = await startServer({
      authenticate: (context) => {
        if (context.method !== "keyboard-interactive") return context.reject(["keyboard-interactive"]);
        const login = context as KeyboardAuthContext;
        login.prompt([{ prompt: "Password: ", echo: false }], (answers) =>
          answers[0] === "right" ? login.accept() : login.reject(),
        );
      },
    });
    const variables = variablesFor(server, directory, { password: new Secret("right") });
    expect((await runOnce(variables, "echo in")).stdout.toString()).toBe("in\n");
  });

  it("gives up a host that hangs while it logs in", async () => {
    const asked = Promise.withResolvers<void>();
    await using server = await startServer({ authenticate: () => asked.resolve() });
    stopTime();
    const login = failure(variablesFor(server, directory, { timeoutSeconds: 5 }));
    await asked.promise;
    await hasRead();
    vi.advanceTimersByTime(5_000);
    expect(await login).toMatchObject({
      kind: "unreachable",
      message: `no answer to the login of root at 127.0.0.1:${server.port} within 5 s`,
    });
  });

  it.each([3, 10])(
    "by one of forty names of a server waits for its turn: the server takes %d at once",
    async (maxStartups) => {
      await using server = await startServer({ maxStartups });
      const all = await Promise.all(
        Array.from({ length: 40 }, () => connect(variablesFor(server, directory))),
      );
      for (const connection of all) connection.close();
      expect(all).toHaveLength(40);
      // All at once, thirty and more would be turned away, some of them three times.
      expect(server.refused).toBeLessThan(10);
    },
  );

  it("that waits behind others of the same server keeps its own time limit", async () => {
    const [first, ...rest] = Array.from({ length: 9 }, () => Promise.withResolvers<void>());
    const held = [first, ...rest];
    let asked = 0;
    await using server = await startServer({
      authenticate: (context) => {
        if (context.method === "none") return context.reject(["publickey"]);
        if (context.method !== "publickey" || context.signature === undefined) return context.accept();
        const turn = held[asked++];
        void turn?.promise.then(() => context.accept());
      },
    });
    const all = held.map(() => connect(variablesFor(server, directory, { timeoutSeconds: 30 })));
    await vi.waitUntil(() => asked === 8, { timeout: 30_000 });
    // The ninth has not even knocked.
    expect(server.connections).toBe(8);
    for (const turn of held) turn?.resolve();
    for (const connection of await Promise.all(all)) connection.close();
    expect(server.connections).toBe(9);
  });

  it("is tried again where the server had no room for it", async () => {
    await using server = await startServer({ closeFirst: 2 });
    expect((await runOnce(variablesFor(server, directory), "echo in")).stdout.toString()).toBe("in\n");
    expect(server.connections).toBe(3);
  });

  it("is not tried again after a refusal", async () => {
    await using server = await startServer({ authenticate: (context) => context.reject(["publickey"]) });
    await failure(variablesFor(server, directory));
    expect(server.connections).toBe(1);
  });

  it("stops when the run is interrupted", async () => {
    const interruption = new AbortController();
    await using server = await startServer({
      authenticate: () => interruption.abort(new Error("interrupted")),
    });
    const login = connect(variablesFor(server, directory), { signal: interruption.signal });
    await expect(login).rejects.toThrow("interrupted");
  });
});

describe("a host that cannot be reached", () => {
  it("is reported where it refuses the connection", async () => {
    expect((await failure(variablesFor({ port: CLOSED }, directory))).message).toBe(
      `connection refused by 127.0.0.1:${CLOSED}`,
    );
  });

  it("is reported where its name does not resolve", async () => {
    const variables = variablesFor({ port: 22 }, directory, { address: "redis-01.invalid" });
    const { message, remedy } = await failure(variables);
    expect(message).toBe("the name redis-01.invalid has no address");
    expect(remedy).toBe("Set ansible_host.");
  });

  it("is reported where its jump host's name does not resolve, and the remedy is about the jump host", async () => {
    const variables = variablesFor({ port: 22 }, directory, { sshOptions: { proxyJump: ["jump.invalid"] } });
    const { message, remedy } = await failure(variables);
    expect(message).toBe("jump host jump.invalid: the name jump.invalid has no address");
    expect(remedy).toMatch(/^Set HostName, .* in ~\/\.ssh\/config/);
  });

  it("is reported where it says nothing", async () => {
    const greeted = Promise.withResolvers<void>();
    await using peer = await startTcp((socket) => socket.once("data", () => greeted.resolve()));
    stopTime();
    const login = failure(variablesFor(peer, directory, { timeoutSeconds: 5 }));
    await greeted.promise;
    await hasRead();
    vi.advanceTimersByTime(5_000);
    expect((await login).message).toBe(`no SSH banner from 127.0.0.1:${peer.port} within 5 s`);
  });

  it("is reported where it does not speak SSH", async () => {
    await using peer = await startTcp((socket) => socket.end("HTTP/1.1 400 Bad\u001b[2J Request\r\n\r\n"));
    expect((await failure(variablesFor(peer, directory))).message).toBe(
      `127.0.0.1:${peer.port} does not speak SSH: HTTP/1.1 400 Bad Request`,
    );
  });

  it("is not taken for an option of ssh, whatever its name", async () => {
    const variables = variablesFor({ port: 22 }, directory, { address: "-oProxyCommand=id" });
    expect((await failure(variables)).message).toContain("not a host name");
  });
});

describe("jump hosts", () => {
  it("are shared by the hosts behind them, and each key is checked", async () => {
    await using bastion = await startServer();
    await using first = await startServer();
    await using second = await startServer();
    const variables = variablesFor(first, directory, {
      sshOptions: { proxyJump: [`root@127.0.0.1:${bastion.port}`] },
      knownHostsFile: directory.write(
        "all",
        [bastion, first, second].map((s) => `[127.0.0.1]:${s.port} ${s.hostKey.public}\n`).join(""),
      ),
    });
    const connections = await Promise.all([
      connect(variables),
      connect({ ...variables, port: second.port }),
      connect(variables),
    ]);
    const results = await Promise.all(connections.map((connection) => connection.run("echo in", OPTIONS)));
    expect(results.map(({ stdout }) => stdout.toString())).toEqual(["in\n", "in\n", "in\n"]);
    expect([bastion.connections, first.connections, second.connections]).toEqual([1, 2, 1]);
    for (const connection of connections) connection.close();
  });

  it("are disconnected once the hosts behind them are done", async () => {
    await using jump = await startServer();
    await using target = await startServer();
    const variables = variablesFor(target, directory, {
      sshOptions: { proxyJump: [`root@127.0.0.1:${jump.port}`] },
    });
    directory.write(
      "known_hosts",
      [jump, target].map(({ port, hostKey }) => `[127.0.0.1]:${port} ${hostKey.public}\n`).join(""),
    );
    const before = process.getActiveResourcesInfo().filter((name) => name === "Immediate").length;
    const connection = await connect(variables);
    await connection.run("true", OPTIONS);
    connection.close();
    await expect.poll(() => jump.open).toBe(0);
    const after = process.getActiveResourcesInfo().filter((name) => name === "Immediate").length;
    expect(after).toBeLessThanOrEqual(before);
  });

  it("with an unknown key stop the hosts behind them", async () => {
    await using bastion = await startServer();
    await using server = await startServer();
    const variables = variablesFor(server, directory, {
      sshOptions: { proxyJump: [`127.0.0.1:${bastion.port}`] },
    });
    expect(await failure(variables)).toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining(`jump host 127.0.0.1:${bastion.port}: the host key of`),
    });
    expect(bastion.attempts).toEqual([]);
    expect(server.connections).toBe(0);
  });

  it("are named in the error with the host that they cannot reach", async () => {
    await using bastion = await startServer();
    const variables = variablesFor(bastion, directory, {
      port: CLOSED,
      sshOptions: { proxyJump: [`127.0.0.1:${bastion.port}`] },
    });
    expect((await failure(variables)).message).toContain(`cannot reach 127.0.0.1:${CLOSED}`);
  });

  it("end the connections of the hosts behind them when they go away", async () => {
    await using bastion = await startServer();
    await using server = await startServer();
    const connection = await connect(
      variablesFor(server, directory, {
        sshOptions: { proxyJump: [`127.0.0.1:${bastion.port}`] },
        knownHostsFile: directory.write(
          "all",
          [bastion, server].map((s) => `[127.0.0.1]:${s.port} ${s.hostKey.public}\n`).join(""),
        ),
      }),
    );
    const running = connection.run("sleep 60", OPTIONS);
    bastion.drop();
    await expect(running).rejects.toMatchObject({ kind: "lost" });
  });
});

/** The halves of the marker in a command: the first shows that a shell runs it, both that the script starts. */
const halvesIn = (command: string) => (/'([0-9a-f]{24})' '([0-9a-f]{24})'$/.exec(command) ?? []).slice(1);

/** Announces the start as the host's shell would, then does as the test says. */
function started(then: (channel: ServerChannel) => void) {
  return (command: string, channel: ServerChannel) => {
    channel.write(`${halvesIn(command).join(":")}\n`);
    channel.resume();
    channel.once("end", () => then(channel));
  };
}

/** `channel`, but with `input` in place of what the client sent. */
function channelOf(input: Buffer, channel: ServerChannel): ServerChannel {
  return new Proxy(channel, {
    get(target, key) {
      if (key === "pipe") {
        return (destination: NodeJS.WritableStream) => {
          destination.end(input);
          return destination;
        };
      }
      const value = Reflect.get(target, key) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
