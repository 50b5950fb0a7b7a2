import Protocol from "ssh2/lib/protocol/Protocol.js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ConnectionVariables } from "../../src/connection/settings.ts";
import { connect } from "../../src/connection/ssh.ts";
import { type Directory, startServer, temporaryDirectory, variablesFor } from "./support/server.ts";
import { changeShape } from "./support/ssh2-shape.ts";

const OPTIONS = { timeoutMs: 5_000 };

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
  vi.stubEnv("SSH_AUTH_SOCK", "");
});
afterEach(() => {
  directory[Symbol.dispose]();
  vi.unstubAllEnvs();
});

async function runOnce(variables: ConnectionVariables, script: string) {
  const connection = await connect(variables);
  try {
    return await connection.run(script, OPTIONS);
  } finally {
    connection.close();
  }
}

describe("an early login", () => {
  it("signs with a key at hand without asking whether it would do", async () => {
    await using server = await startServer();
    await runOnce(variablesFor(server, directory), "true");
    expect(server.attempts).toEqual(["publickey"]);
  });

  it("does not wait for leave to log in", async () => {
    await using server = await startServer({ isSilentUntil: "login" });
    expect((await runOnce(variablesFor(server, directory), "echo in")).stdout.toString()).toBe("in\n");
  });

  it("asks OpenSSH for the session along with the login", async () => {
    await using server = await startServer({
      ident: "OpenSSH_9.2p1",
      isSilentUntil: "session",
    });
    const connection = await connect(variablesFor(server, directory));
    expect((await connection.run("echo first", OPTIONS)).stdout.toString()).toBe("first\n");
    expect((await connection.run("echo second", OPTIONS)).stdout.toString()).toBe("second\n");
    connection.close();
  });

  it.each(["service", "authPK", "session", "requestSuccess"])(
    "leaves an ssh2 alone whose %s takes other arguments",
    async (method) => {
      using _changed = changeShape(Protocol.prototype, method);
      await using server = await startServer({ ident: "OpenSSH_9.2p1" });
      expect((await runOnce(variablesFor(server, directory), "echo in")).stdout.toString()).toBe("in\n");
      expect(server.attempts).toEqual(["publickey", "publickey"]);
    },
  );
});
