import { expect, it } from "vitest";
import { redkeep } from "../support/cli.ts";
import { editedAnswer } from "../support/facts.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";
import { startRecordedHost } from "../support/recorded-host.ts";

const made = perTest();

it.each([
  ["is not there", "", "✔ SELinux is not there"],
  ["only logs", "0", "✔ SELinux permissive: it denies nothing"],
  ["denies", "1", "! SELinux enforcing: .* apply puts the host back where Redis does not come up"],
])("doctor says what SELinux does on a host where it %s", async (_, enforce, expected) => {
  const line = enforce === "" ? "" : `/sys/fs/selinux/enforce:${enforce}\n`;
  const answer = () =>
    line === "" ? editedAnswer("stock", {}) : editedAnswer("stock", { lines: (text) => text + line });
  const host = made.servers.use(await startRecordedHost("stock", answer));
  const [, ...options] = writeProject(made.directory, { "redis-01": host });
  const { exitCode, stdout } = await redkeep(["doctor", "redis-01", ...options], {
    cwd: made.directory.path,
  });
  expect(stdout.replace(/\s+/g, " ")).toMatch(new RegExp(expected));
  expect(exitCode).toBe(0);
});
