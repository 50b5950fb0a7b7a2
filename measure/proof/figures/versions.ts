import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { startHost } from "../../../test/integration/support/lab.ts";
import { onHost } from "../../../test/integration/support/observe.ts";
import { notPassed, openProject } from "../../../test/integration/support/project.ts";
import type { Figure } from "../../faults/figure.ts";

interface Release {
  title: string;
  suite: "bullseye" | "bookworm" | "trixie";
  /** The unit that runs, of those that the image has. */
  unit: "redis-server" | "valkey-server";
}

const RELEASES: readonly Release[] = [
  { title: "Redis 6.0 (Debian 11)", suite: "bullseye", unit: "redis-server" },
  { title: "Redis 7.0 (Debian 12)", suite: "bookworm", unit: "redis-server" },
  { title: "Redis 8.0 (Debian 13)", suite: "trixie", unit: "redis-server" },
  { title: "Valkey 8.1 (Debian 13)", suite: "trixie", unit: "valkey-server" },
];
const KEYS = 1000;

/** What goes wrong from a stock host to a second run; a line each. */
async function harden({ suite, unit }: Release): Promise<string[]> {
  const setup = join(import.meta.dirname, "../../../lab/setup.sh");
  const image = execFileSync("sh", [setup, suite], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  await using host = await startHost({ image: image.trim(), ready: "systemctl is-active -q ssh" });
  const other = unit === "valkey-server" ? "redis-server" : "valkey-server";
  await onHost(
    host,
    `systemctl disable -q --now ${other} 2>/dev/null; systemctl enable -q --now ${unit}
     until redis-cli PING 2>/dev/null | grep -q PONG; do sleep 0.1; done
     redis-cli EVAL "for i = 1, ${KEYS} do redis.call('SET', 'app:' .. i, i) end" 0; redis-cli SAVE`,
  );
  using project = openProject({ "redis-01": host }, { redkeep_unit: `${unit}.service` });
  const first = await project.run("apply", "--yes");
  if (first.status !== 0) return [`apply ended with ${first.status}: ${first.stdout}`];
  const verified = await project.run("verify");
  const second = await project.run("apply", "--yes");
  const access = verified.host("redis-01").access;
  const method = suite === "bullseye" ? "a scratch server" : "ACL DRYRUN";
  const untold = access?.users.filter(({ allowed }) => allowed.includes(null)).map(({ user }) => user);
  const keys = await onHost(
    host,
    `read -r REDISCLI_AUTH; export REDISCLI_AUTH
     redis-cli -s "$(sed -n 's/^unixsocket \\([^ ]*\\).*/\\1/p' /etc/redis/redis.conf /etc/valkey/valkey.conf 2>/dev/null | tail -n 1)" --user admin DBSIZE`,
    `${project.password("admin", host)}\n`,
  );
  return [
    ...(verified.status === 0
      ? []
      : [`verify ended with ${verified.status}: ${notPassed(verified.host("redis-01")).join("; ")}`]),
    ...(second.record.summary.unchanged === 1 && second.status === 0
      ? []
      : [`the second run ended with ${second.status}: ${second.stdout}`]),
    ...(access?.method === method && untold?.length === 0
      ? []
      : [`the matrix comes from ${access?.method}, and does not tell of ${untold?.join(", ")}`]),
    ...(keys === String(KEYS) ? [] : [`${keys} of ${KEYS} keys are left`]),
  ];
}

export const figure: Figure = {
  name: "versions",
  title:
    "A stock host of each release: harden, verify with the matrix asked of a server, and a second run with nothing to do",
  target: `${RELEASES.length} of ${RELEASES.length}`,
  async run({ count = RELEASES.length, log }) {
    const problems: string[] = [];
    let good = 0;
    for (const release of RELEASES.slice(0, count)) {
      const wrong = await harden(release);
      log(`${release.title}: ${wrong.join("; ") || "as it should be"}`);
      problems.push(...wrong.map((text) => `${release.title}: ${text}`));
      if (wrong.length === 0) good++;
    }
    return { measured: `${good} of ${count}`, ok: problems.length === 0, problems };
  },
};
