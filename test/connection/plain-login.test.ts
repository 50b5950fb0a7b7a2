/* Every test of a connection once more, over an ssh2 whose insides are not those that the early login knows. */
import Protocol from "ssh2/lib/protocol/Protocol.js";
import { afterAll, expect, it } from "vitest";
import { connect } from "../../src/connection/ssh.ts";
import { startServer, temporaryDirectory, variablesFor } from "./support/server.ts";
import { changeShape } from "./support/ssh2-shape.ts";

const changed = changeShape(Protocol.prototype, "authPK");
afterAll(() => changed[Symbol.dispose]());

await import("./ssh.test.ts?plain");

it("a plain login asks first whether the server takes the key, as ssh2 does by itself", async () => {
  using directory = temporaryDirectory();
  await using server = await startServer({});
  (await connect(variablesFor(server, directory))).close();
  expect(server.attempts).toEqual(["publickey", "publickey"]);
});
