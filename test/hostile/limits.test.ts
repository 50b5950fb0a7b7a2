import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { connect } from "../../src/connection/ssh.ts";
import { variablesFor } from "../connection/support/server.ts";
import { perTest } from "../support/per-test.ts";
import type { Played } from "./play.ts";
import { WAYS } from "./ways.ts";

const made = perTest();

/** A server that plays this way, in a thread of its own. */
async function playing(name: string): Promise<Played> {
  const player = new Worker(new URL("play.ts", import.meta.url), {
    workerData: [WAYS.findIndex((way) => way.name === name)],
  });
  made.servers.defer(async () => {
    await player.terminate();
  });
  const [[server]] = (await once(player, "message")) as [[Played]];
  return server;
}

describe("a server that is given up", () => {
  it.each([
    ["ignores without end", "no end of messages that nobody asked for"],
    ["opens X11 without end", "no end of messages that nobody asked for"],
    ["asks for replies without end", "no end of messages that nobody asked for"],
    ["asks for replies on a channel without end", "no end of messages that nobody asked for"],
    ["ends the data without end", "no end of messages that nobody asked for"],
    ["sends extended data of no kind, without end", "more data than its window allows"],
    ["sends data of a byte each, without end", "what it sends takes too much of this machine's time"],
    ["opens its window byte by byte, without end", "what it sends takes too much of this machine's time"],
  ])("%s: the reason is reported", async (name, reason) => {
    const server = await playing(name);
    // Patience is not what ends these.
    const variables = variablesFor(server, made.directory, { timeoutSeconds: 55 });
    const outcome = connect(variables).then((connection) => connection.run("true", { timeoutMs: 55_000 }));
    await expect(outcome).rejects.toMatchObject({
      kind: "failed",
      message: expect.stringContaining(reason),
    });
  });
});
