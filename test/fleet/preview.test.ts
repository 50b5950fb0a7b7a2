import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startActingHost } from "../support/acting-host.ts";
import { redkeep } from "../support/cli.ts";
import { NONCE } from "../support/facts.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";

const made = perTest();

const RUN = "20260101T000000Z-0badcafe";
const CONF = "f558f95397acc98423d3521b4c59af5ab8c36264e43c58c7e97419e0d4fcbbdf";
const KEPT = `complete
run ${RUN}
holder me@x since 2026-01-01T00:00:00.000Z
old 1 /etc/redis/redis.conf redis:redis 640 ${"0".repeat(64)}
new 1 /etc/redis/redis.conf redis:redis 640 ${CONF}
mode /etc/redis root:root 700
`;

it("sends nobody to a record that is only written at the end", async () => {
  const host = made.servers.use(
    await startActingHost({
      edit: (text, title) => (title === "docker-ports" ? `${text}\n${NONCE} kept\n${KEPT}` : text),
    }),
  );
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  const args = writeProject(made.directory, Object.fromEntries(names.map((name) => [name, host])));
  const runs = join(made.directory.path, "state/runs");
  mkdirSync(runs, { recursive: true, mode: 0o700 });
  const hosts = names.map((name) => ({
    host: name,
    status: "changed",
    // Of all but the last, this controller knows another run as the last one.
    transaction: name === "g" ? RUN : "20250101T000000Z-0badcafe",
    tasks: [],
  }));
  writeFileSync(
    join(runs, "2026-01-01T00-00-00.000Z-apply-abcdef.json"),
    JSON.stringify({
      schema: "redkeep.run/1",
      command: "apply",
      startedAt: "2026-01-01T00:00:00.000Z",
      hosts,
    }),
  );
  const { stdout } = await redkeep(["rollback", ...args, "--yes", "--state", "state", "--json", "run.json"], {
    cwd: made.directory.path,
  });
  const [preview = ""] = stdout.split("7 hosts: 1 would change");
  expect(preview).toContain("0700 root:root");
  expect(preview).toContain("--limit a,b,c,d,e,f");
  expect(preview).not.toContain("--retry-failed");
});
