import { expect, it, vi } from "vitest";
import { Hosts } from "../../src/run/hosts.ts";
import { Outside } from "../../src/run/outside.ts";
import { startActingHost } from "../support/acting-host.ts";
import { redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";

const made = perTest();

it("holds no plan of a host while verify looks at it from outside: that may take seconds, for many at once", async () => {
  const host = made.servers.use(await startActingHost());
  let hosts: Hosts | undefined;
  const { put } = Hosts.prototype;
  vi.spyOn(Hosts.prototype, "put").mockImplementation(function (this: Hosts, ...more) {
    hosts = this;
    put.apply(this, more);
  });
  const held: boolean[] = [];
  vi.spyOn(Outside.prototype, "lookFromHere").mockImplementation(async ({ job }) => {
    held.push(hosts?.of(job).plan !== undefined);
  });
  const args = writeProject(
    made.directory,
    { "redis-01": host },
    "limits: { maxmemory: 512mb, lazyfree: false }",
  );
  const { stdout } = await redkeep(["verify", ...args], { cwd: made.directory.path });
  expect(stdout).toContain("RK-LIM-01");
  expect(held).toEqual([false]);
});
