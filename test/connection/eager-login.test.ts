import Protocol from "ssh2/lib/protocol/Protocol.js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connect } from "../../src/connection/ssh.ts";
import { runOnce } from "./support/run-once.ts";
import { type Directory, startServer, temporaryDirectory, variablesFor } from "./support/server.ts";
import { changeShape } from "./support/ssh2-shape.ts";

const OPTIONS = { timeoutMs: 45_000 };

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
  vi.stubEnv("SSH_AUTH_SOCK", "");
});
afterEach(() => {
  directory[Symbol.dispose]();
  vi.unstubAllEnvs();
});

describe("an early login", () => {
  it("signs with a key at hand without asking first whether the server would take it", async () => {
    await using server = await startServer();
    await runOnce(variablesFor(server, directory), "true");
    expect(server.attempts).toEqual(["publickey"]);
  });

  it("sends its login before the server says that it may", async () => {
    await using server = await startServer({ isSilentUntil: "login" });
    expect((await runOnce(variablesFor(server, directory), "echo in")).stdout.toString()).toBe("in\n");
  });

  it("requests the session along with the login, where the server is OpenSSH", async () => {
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
    "is left to plain ssh2 where its %s takes other arguments",
    async (method) => {
      using _changed = changeShape(Protocol.prototype, method);
      await using server = await startServer({ ident: "OpenSSH_9.2p1" });
      expect((await runOnce(variablesFor(server, directory), "echo in")).stdout.toString()).toBe("in\n");
      expect(server.attempts).toEqual(["publickey", "publickey"]);
    },
  );
});
