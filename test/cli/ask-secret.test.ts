import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/lib/secret.ts";
import { encrypt } from "../../src/vault/envelope.ts";
import { generateKey, startServer, type TestServer } from "../connection/support/server.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";

const made = perTest();
const hostKey = generateKey();
const CLI = join(import.meta.dirname, "../../src/cli.ts");
const TERMINAL = join(import.meta.dirname, "terminal.py");

type Step =
  | ["await" | "type" | "touch", string]
  | ["quiet" | "echo" | "stopped" | "continue"]
  | ["signal", number];

interface Session {
  shown: string;
  echoAtPrompts: boolean[];
  echoAtEnd: boolean;
  exitCode: number;
}

/** @param options of `redkeep plan`. @param node's own. */
async function atTerminal(
  server: TestServer,
  options: readonly string[],
  steps: readonly Step[],
  node: readonly string[] = [],
): Promise<Session> {
  const args = writeProject(made.directory, { h1: server });
  const keyless = args.filter(
    (word, index) => word !== "--private-key" && args[index - 1] !== "--private-key",
  );
  const program = [process.execPath, ...node, CLI, "plan", ...keyless, ...options];
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const { stdout } = await promisify(execFile)("python3", [TERMINAL, JSON.stringify(steps), ...program], {
    cwd: made.directory.path,
    env: { PATH, NODE_COMPILE_CACHE, HOME: made.directory.path, TERM: "xterm", NO_COLOR: "1" },
  });
  return JSON.parse(stdout);
}

/** A host that lets in nobody, and keeps the passwords that it was shown. */
async function host(): Promise<{ server: TestServer; passwords: string[] }> {
  const passwords: string[] = [];
  const server = await startServer({
    hostKeys: [hostKey],
    authenticate: (context) => {
      if (context.method === "password") passwords.push(context.password);
      context.reject(["password"]);
    },
  });
  return { server: made.servers.use(server), passwords };
}

describe("a password that is asked for", () => {
  it("is not shown, and the echo is off before the question is", async () => {
    const { server, passwords } = await host();
    const steps: Step[] = [
      ["await", "SSH password: "],
      ["type", "Grüße-an-alle\x7f\x7f\x7f\x7f\x7f und-mehr\r"],
    ];
    const { shown, echoAtPrompts, echoAtEnd } = await atTerminal(server, ["-k"], steps);
    expect(passwords).toEqual(["Grüße-an und-mehr"]);
    expect(shown).not.toMatch(/Gr|mehr/);
    expect(echoAtPrompts).toEqual([false]);
    expect(echoAtEnd).toBe(true);
  });

  it("for a vault is asked for where something encrypted is needed, and not shown", async () => {
    const { server, passwords } = await host();
    mkdirSync(join(made.directory.path, "host_vars"));
    const text = await encrypt("ansible_password: from-the-vault\n", new Secret("open sesame"));
    made.directory.write("host_vars/h1.yml", text);
    const steps: Step[] = [
      ["await", "Vault password: "],
      ["type", "open sesame\r"],
    ];
    const { shown, echoAtPrompts, echoAtEnd } = await atTerminal(server, ["-J"], steps);
    expect(passwords).toEqual(["from-the-vault"]);
    expect(shown).not.toMatch(/sesame|from-the-vault/);
    expect(echoAtPrompts).toEqual([false]);
    expect(echoAtEnd).toBe(true);
  });

  it.each([[["-k", "-K"]], [["-vkK"]], [["--ask-pass", "--ask-become-pass"]]])(
    "is not shown where it is pasted while the program loads: %s",
    async (options) => {
      const { server, passwords } = await host();
      const gate = join(made.directory.path, "loads");
      // What loads waits until the text was pasted.
      const slow = made.directory.write(
        "slow.mjs",
        `import { existsSync } from "node:fs";
         import { registerHooks } from "node:module";
         const cell = new Int32Array(new SharedArrayBuffer(4));
         registerHooks({ load(url, context, next) {
           if (url.endsWith("/cli/main.ts")) while (!existsSync(${JSON.stringify(gate)})) Atomics.wait(cell, 0, 0, 5);
           return next(url, context);
         } });`,
      );
      const steps: Step[] = [
        ["quiet"],
        ["type", "pasted-at-once\nand-the-second\n"],
        ["touch", gate],
        ["await", "SSH password: "],
        ["await", "sudo password: "],
      ];
      const { shown, echoAtEnd } = await atTerminal(server, options, steps, ["--import", slow]);
      expect(shown).not.toMatch(/pasted|second/);
      expect(passwords).toEqual(["pasted-at-once"]);
      expect(echoAtEnd).toBe(true);
    },
  );

  it.each<[string, Step]>([
    ["Ctrl-C", ["type", "half\x03"]],
    ["Ctrl-D", ["type", "\x04"]],
    ["SIGTERM", ["signal", 15]],
  ])("leaves the terminal as it was at %s, and touches no host", async (_, step) => {
    const { server } = await host();
    const { echoAtEnd, exitCode, shown } = await atTerminal(
      server,
      ["-K"],
      [["await", "sudo password: "], step],
    );
    expect(exitCode, shown).toBe(130);
    expect(echoAtEnd).toBe(true);
    expect(shown).not.toContain("half");
    expect(server.connections).toBe(0);
  });

  it("is asked for again after Ctrl-Z, which leaves the terminal to the shell", async () => {
    const { server, passwords } = await host();
    const steps: Step[] = [
      ["await", "SSH password: "],
      ["type", "\x1a"],
      ["stopped"],
      ["echo"],
      ["continue"],
      ["await", "SSH password: "],
      ["type", "after-all\r"],
    ];
    const { shown, echoAtPrompts, echoAtEnd } = await atTerminal(server, ["-k"], steps);
    expect(passwords).toEqual(["after-all"]);
    expect(shown).not.toContain("after-all");
    expect(echoAtPrompts).toEqual([false, false]);
    expect(echoAtEnd).toBe(true);
  });
});
