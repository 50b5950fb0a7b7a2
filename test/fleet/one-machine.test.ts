import { expect, it } from "vitest";
import { startActingHost } from "../support/acting-host.ts";
import { redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";

const made = perTest();

const SAME = "a".repeat(32);
/** A host with a machine-id that another one has too, and a boot of its own or the same. */
const startClone = (boot: string) =>
  startActingHost({
    edit: (text, title) => (title === "machine" ? text.replace(/^(.*\n).*\n.*/, `$1${SAME}\n${boot}`) : text),
  });

it.each([
  { what: "one machine under two names is changed once", boots: ["b".repeat(36), "b".repeat(36)], times: 1 },
  {
    what: "two clones that kept their machine-id are both changed",
    boots: ["b".repeat(36), "c".repeat(36)],
    times: 2,
  },
])("$what", async ({ boots, times }) => {
  const hosts = await Promise.all(boots.map(startClone));
  for (const host of hosts) made.servers.use(host);
  const named = Object.fromEntries(hosts.map((host, index) => [`redis-${index + 1}`, host]));
  const args = writeProject(made.directory, named, "limits: { maxmemory: 512mb, nofile: 64 }");
  await redkeep(["apply", ...args, "--yes", "--state", "state"], { cwd: made.directory.path });
  const changes = hosts.flatMap(({ asked }) => asked).filter((step) => step === "transaction");
  expect(changes).toHaveLength(times);
});
