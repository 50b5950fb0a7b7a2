import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RunRecord } from "../../src/record/record.ts";
import { generateKey, startTcp } from "../connection/support/server.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";
import { startRecordedHost } from "../support/recorded-host.ts";

const made = perTest();
const key = generateKey();
const CLI = join(import.meta.dirname, "../../src/cli.ts");

/** What a bug of redkeep or of a library would do, brought in before the program: it throws where nobody catches. */
const THROW = {
  "in the code of a host": `
    import { Socket } from "node:net";
    const { emit } = Socket.prototype;
    let chunks = 0;
    Socket.prototype.emit = function (event, ...rest) {
      if (event === "data" && this.remotePort === PORT && ++chunks === 5) throw new Error("out of nowhere");
      return emit.call(this, event, ...rest);
    };`,
  "in nobody's code": `
    import { Socket } from "node:net";
    const { emit } = Socket.prototype;
    let chunks = 0;
    const timer = setInterval(() => {
      if (chunks < 5) return;
      clearInterval(timer);
      throw new Error("out of nowhere");
    }, 1).unref();
    Socket.prototype.emit = function (event, ...rest) {
      if (event === "data" && this.remotePort === PORT) chunks++;
      return emit.call(this, event, ...rest);
    };`,
  "by waiting for what never comes": `
    import { Socket } from "node:net";
    const { setTimeout } = globalThis;
    globalThis.setTimeout = (...given) => setTimeout(...given).unref();
    const { connect } = Socket.prototype;
    Socket.prototype.connect = function (...given) { return connect.apply(this, given).unref(); };`,
};

async function run(
  bug: keyof typeof THROW,
  bad: number,
  hosts: Parameters<typeof writeProject>[1],
  command = "plan",
): Promise<{ exitCode: number; stderr: string; record: RunRecord }> {
  const { directory } = made;
  const preload = directory.write("bug.mjs", `const PORT = ${bad};${THROW[bug]}`);
  const args = writeProject(directory, hosts);
  const options = [...args, "--json", "run.json", "--state", "state"];
  const child = spawn(process.execPath, ["--import", preload, CLI, command, ...options], {
    cwd: directory.path,
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, HOME: directory.path, NO_COLOR: "1", CI: "true" },
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  const [exitCode] = (await once(child, "close")) as [number];
  return { exitCode, stderr, record: JSON.parse(readFileSync(join(directory.path, "run.json"), "utf8")) };
}

const recorded = async () => made.servers.use(await startRecordedHost("stock", undefined, key));

describe("an error that nobody catches", () => {
  it("fails the host in whose code it was thrown, and the other hosts have their result", async () => {
    const [bad, good] = [await recorded(), await recorded()];
    const { exitCode, stderr, record } = await run("in the code of a host", bad.port, { bad, good });
    expect(exitCode, stderr).toBe(3);
    expect(record.exitCode).toBe(3);
    expect(record.hosts).toMatchObject([
      { host: "bad", status: expect.stringMatching(/failed|unknown|unreachable/) },
      { host: "good", status: "would-change", error: null },
    ]);
    expect(record).toMatchObject({ problems: [expect.stringMatching(/^bad: Error: out of nowhere/)] });
  });

  it("fails the run where it belongs to no host, and all hosts have their result", async () => {
    const [one, two] = [await recorded(), await recorded()];
    const { exitCode, stderr, record } = await run("in nobody's code", one.port, { one, two });
    expect(exitCode, stderr).toBe(3);
    expect(stderr).toContain("out of nowhere");
    expect(record).toMatchObject({
      exitCode: 3,
      hosts: [{ status: "would-change" }, { status: "would-change" }],
      problems: [expect.stringContaining("out of nowhere")],
    });
  });

  it("leaves a run record although nothing else is left to wait for", async () => {
    const silent = made.servers.use(await startTcp((socket) => socket.pause()));
    const { exitCode, stderr, record } = await run("by waiting for what never comes", silent.port, {
      silent,
    });
    expect(exitCode, stderr).toBe(3);
    expect(record).toMatchObject({ exitCode: 3, hosts: [{ host: "silent", status: "not-started" }] });
    expect(record).toMatchObject({ problems: [expect.stringContaining("can no longer come")] });
  });
});
