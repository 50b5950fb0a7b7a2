import { once } from "node:events";
import { chmodSync } from "node:fs";
import { afterEach, beforeEach, expect, it } from "vitest";
import { cpuSeconds } from "../../src/connection/openssh/cpu.ts";
import { Master } from "../../src/connection/openssh/master.ts";
import { type Directory, temporaryDirectory } from "./support/server.ts";

let directory: Directory;
let env: Record<string, string>;
beforeEach(() => {
  directory = temporaryDirectory();
  // What a hostile server has ssh do.
  chmodSync(directory.write("ssh", "#!/bin/sh\nwhile :; do :; done\n"), 0o700);
  env = { PATH: `${directory.path}:${process.env.PATH}` };
});
afterEach(() => directory[Symbol.dispose]());

it("the ssh of a jump host is ended where nothing that goes through it explains its CPU time", async () => {
  const master = new Master(0.2);
  const [, signal] = await once(master.start("jump host", [], env), "exit");
  expect(signal).toBe("SIGKILL");
});

it("the ssh of a jump host may take as much as the connections through it, and no more once they have ended", async () => {
  const [master, guest] = [new Master(0.2), new Master()];
  master.carry(guest);
  const through = guest.start("host", [], env);
  const child = master.start("jump host", [], env);
  const ended = once(child, "exit");
  try {
    await expect.poll(() => cpuSeconds(child.pid as number), { timeout: 60_000 }).toBeGreaterThan(1.5);
    expect(child.exitCode ?? child.signalCode).toBeNull();
  } finally {
    guest.kill();
    await once(through, "exit");
  }
  expect((await ended)[1]).toBe("SIGKILL");
}, 120_000);

it("what ends by itself leaves nothing to look at", async () => {
  chmodSync(directory.write("ssh", "#!/bin/sh\nexit 3\n"), 0o700);
  const master = new Master();
  const child = master.start("jump host", [], env);
  const [status] = await once(child, "exit");
  expect(status).toBe(3);
  expect(cpuSeconds(child.pid as number)).toBeUndefined();
});
