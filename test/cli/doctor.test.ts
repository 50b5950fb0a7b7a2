import { chmodSync, readFileSync } from "node:fs";
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

it("doctor asks a program for the inventory once, also where it looks at a host", async () => {
  const host = made.servers.use(await startRecordedHost("stock", () => editedAnswer("stock", {})));
  const [, , , ...options] = writeProject(made.directory, { "redis-01": host });
  const asked = `${made.directory.path}/asked`;
  const answer = {
    redis: ["redis-01"],
    _meta: {
      hostvars: {
        "redis-01": { ansible_host: "127.0.0.1", ansible_port: host.port, ansible_user: "root" },
      },
    },
  };
  const program = made.directory.write(
    "fleet.sh",
    `#!/bin/sh\necho asked >>${asked}\ncat <<'END'\n${JSON.stringify(answer)}\nEND\n`,
  );
  chmodSync(program, 0o700);
  const { exitCode, stdout } = await redkeep(["doctor", "redis-01", "-i", program, ...options], {
    cwd: made.directory.path,
  });
  expect(stdout).toContain("1 host in ");
  expect(stdout).toContain("redis-01");
  expect(exitCode).toBe(0);
  expect(readFileSync(asked, "utf8")).toBe("asked\n");
});
