import { expect, it } from "vitest";
import { makeRule, parseRules, renderRules } from "../../src/firewall/ufw-rules.ts";
import type { Destination } from "../../src/plan/kept-state.ts";
import { recordOf } from "../../src/run/host.ts";
import { planRollback } from "../../src/run/plan-rollback.ts";
import { signature } from "../../src/transaction/relied-on.ts";
import { factsOf } from "../support/facts.ts";
import { keptRun } from "../support/host-facts.ts";
import { hostNamed } from "../support/hosts.ts";
import { server } from "../support/run-task.ts";

const RULES = "/etc/ufw/user.rules";
const hardened = factsOf("hardened");
const file = parseRules(hardened.firewall.rules4, 4);

/** user.rules with these rules of TCP ports, from anywhere. */
function ufw(...ports: string[]): string {
  const rules = ports.map((destinationPorts) =>
    makeRule({ family: 4, action: "allow", protocol: "tcp", destinationPorts }),
  );
  return renderRules(file, rules);
}

interface Given {
  to?: Destination;
  now: string;
  /** What each run found and left; null where what it left is gone. */
  runs: [found: string, left: string | null][];
  rules6?: string;
  accepted?: string[];
}

function rollback({ to = "original", now, runs, rules6, accepted = [] }: Given) {
  const ids = runs.map((_, index) => `run${index + 1}`);
  const backups = new Map<string, string>();
  for (const [index, [found, left]] of runs.entries()) {
    backups.set(`${ids[index]}/1`, found);
    if (left !== null) backups.set(`${ids[index]}/new/1`, left);
  }
  const facts = {
    ...hardened,
    firewall: { ...hardened.firewall, rules4: now, ...(rules6 && { rules6 }) },
    kept: {
      runs: ids.map((id) =>
        keptRun({
          id,
          files: [
            {
              number: "1",
              path: RULES,
              before: `root:root 640 ${"0".repeat(64)}`,
              after:
                now === runs.at(-1)?.[1] ? signature(hardened, RULES) : `root:root 640 ${"1".repeat(64)}`,
            },
          ],
        }),
      ),
      isComplete: true,
      unsettled: [],
      backups,
    },
  };
  const host = planRollback(hostNamed("a"), { facts, server: server(facts) } as never, {
    to,
    accepted: new Set(accepted),
    lastRun: "named",
  });
  const { status, error, tasks, impact } = recordOf(host);
  const changes = (tasks[0]?.changes ?? [])
    .filter(({ address }) => address.startsWith("ufw:"))
    .map(({ address, before, after }) => [address, before ?? after]);
  return { status, error, changes, lost: impact.filter(({ kind }) => kind === "rule-lost") };
}

it("rollback to the original names no other rules where redkeep alone changed ufw", () => {
  const { status, changes, lost } = rollback({
    now: ufw("22", "6380"),
    runs: [[ufw("22"), ufw("22", "6380")]],
  });
  expect(status).toBe("would-change");
  expect(changes).toEqual([["ufw:allow 6380/tcp", "goes"]]);
  expect(lost).toEqual([]);
});

it("rollback to the original removes a rule that no run wrote only where that is accepted, and names it", () => {
  const given: Given = { now: ufw("22", "6380", "9100"), runs: [[ufw("22"), ufw("22", "6380")]] };
  const { status, error, changes, lost } = rollback(given);
  expect(status).toBe("refused");
  expect(error?.guards).toEqual(["rules-of-others"]);
  expect(error?.found).toContain("allow 9100/tcp was added");
  expect(error?.remedy).toContain("ufw delete allow 9100/tcp");
  expect(changes).toEqual([
    ["ufw:allow 6380/tcp", "goes"],
    ["ufw:allow 9100/tcp", "goes; no run that the host keeps wrote it"],
  ]);
  expect(lost).toEqual([
    {
      kind: "rule-lost",
      detail: expect.stringContaining("allow 9100/tcp (v4) goes, and no run that the host keeps wrote it"),
    },
  ]);
  expect(rollback({ ...given, accepted: ["rules-of-others"] }).status).toBe("would-change");
});

it("rollback to the original recognises another's rule that a later run found, and a rule that only a pruned run wrote", () => {
  const runs: Given["runs"] = [
    [ufw("22"), ufw("22", "6380")],
    [ufw("22", "6380", "9100"), ufw("22", "6380", "9100", "6400")],
  ];
  const now = ufw("22", "6380", "9100", "6400");
  expect(rollback({ now, runs }).error?.found).toMatch(/: allow 9100\/tcp was added$/);
  // What the first run wrote was pruned: a rule for a port of Redis' is taken for redkeep's.
  const pruned: Given["runs"] = [[ufw("22"), null], ...runs.slice(1)];
  expect(rollback({ now, runs: pruned }).error?.found).toMatch(/: allow 9100\/tcp was added$/);
});

it("rollback to the original does not reopen unasked what somebody closed since", () => {
  const { error } = rollback({
    now: ufw("22", "6380"),
    runs: [[ufw("22", "9100"), ufw("22", "9100", "6380")]],
  });
  expect(error?.guards).toEqual(["rules-of-others"]);
  expect(error?.found).toContain("allow 9100/tcp was taken away");
});

it("rollback to the original names the family of a rule that goes in one alone", () => {
  const { changes } = rollback({
    now: ufw("22", "9100"),
    runs: [[ufw("22"), ufw("22")]],
    rules6: renderRules(parseRules(hardened.firewall.rules6, 6), [
      makeRule({ family: 6, action: "allow", protocol: "tcp", destinationPorts: "9100" }),
    ]),
  });
  expect(changes).toEqual([["ufw:allow 9100/tcp (v4)", "goes; no run that the host keeps wrote it"]]);
});

it("rollback of the last run is refused in the plan where somebody changed ufw since, with the change and the command that removes it", () => {
  const runs: Given["runs"] = [[ufw("22"), ufw("22", "6380")]];
  const { status, error } = rollback({ to: "last", now: ufw("22", "6380", "8080"), runs });
  expect(status).toBe("refused");
  expect(error?.guards).toEqual([]);
  expect(error?.found).toBe(
    `somebody has changed ${RULES} since the run that is to be undone: allow 8080/tcp was added`,
  );
  expect(error?.remedy).toContain("ufw delete allow 8080/tcp");
  // ufw writes the same rules in other words, as the host knows too.
  expect(rollback({ to: "last", now: `# ufw\n${ufw("22", "6380")}`, runs }).status).toBe("would-change");
});
