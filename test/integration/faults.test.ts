import { describe, it } from "vitest";
import { type FaultCase, runCase } from "../../measure/faults/case.ts";
import { problemsOf } from "../../measure/faults/report.ts";

/** The parts of `npm run faults` that need no minute: each strikes another kind of step. */
const cases: (FaultCase & { leaves: ("old" | "new")[] })[] = [
  { fault: "unit-killed", boundary: "backup", seed: 1, leaves: ["old"] },
  { fault: "unit-killed", boundary: "file /etc/redis/redis.conf", seed: 1, leaves: ["old"] },
  { fault: "unit-killed", boundary: "restart redis-server.service", seed: 1, leaves: ["old"] },
  // The last step, of some 50 ms: by the time that it is struck all may be done.
  { fault: "unit-killed", boundary: "firewall enable", seed: 1, leaves: ["old", "new"] },
  { fault: "connection-reset", boundary: "armed", seed: 1, leaves: ["new"] },
  { fault: "connection-reset", boundary: "applied", seed: 1, leaves: ["new"] },
  { fault: "black-hole", boundary: "check", seed: 1, leaves: ["new"] },
  { fault: "reboot", boundary: "validated", seed: 1, leaves: ["old"] },
  { fault: "reboot", boundary: "file /etc/redis/users.acl", seed: 1, leaves: ["old"] },
  { fault: "reboot", boundary: "firewall enable", seed: 1, leaves: ["old"] },
];

describe.concurrent("a host with 100 000 keys and a client that writes", () => {
  it.for(cases)(
    "is old or new, and loses nothing: $fault at $boundary",
    async ({ leaves, ...struck }, { expect }) => {
      const row = await runCase(struck);
      // How soon the controller asks again is for the whole run to measure.
      expect(problemsOf({ ...row, secondsToLogin: null })).toEqual([]);
      expect(leaves).toContain(row.state);
    },
  );
});
