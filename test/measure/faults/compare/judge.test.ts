import { describe, expect, it } from "vitest";
import { FAULTS, type Fault } from "../../../../measure/faults/compare/faults.ts";
import { isLie, type Row, survived } from "../../../../measure/faults/compare/run.ts";
import { deltaOf, judge } from "../../../../measure/faults/compare/state.ts";
import { faultsTable, totalsTable } from "../../../../measure/faults/compare/table.ts";

const fault: Fault = { name: "reset-config", title: "SSH connection reset" };
const before = ["config: port 6379", "config: timeout 0", "redis.conf: port 6379"];
const delta = deltaOf(
  ["config: port 6379", "redis.conf: port 6379"],
  ["config: port 0", "redis.conf: port 0"],
);
const stateOf = (now: string[], given: Fault = fault, stock = before): string =>
  judge(given, delta, { stock, before, now }).state;

const row: Row = {
  fault: "reset-config",
  tool: "redkeep",
  state: "new",
  differences: [],
  keysLost: 0,
  writesAcked: 1000,
  writesLost: 0,
  secondsDown: 0.4,
  served: true,
  login: true,
  secrets: [],
  statuses: [0],
  claims: ["new"],
  lied: false,
  seconds: 9,
};

describe("the state of a host", () => {
  it("is old as it was, new as the tool makes it by itself, and else mixed", () => {
    const planned = ["config: port 0", "config: timeout 0", "redis.conf: port 0"];
    expect(stateOf(before)).toBe("old");
    expect(stateOf(planned)).toBe("new");
    expect(stateOf(["config: port 6379", "config: timeout 0", "redis.conf: port 0"])).toBe("mixed");
    expect(stateOf([...planned, "ufw: allow 22"])).toBe("mixed");
    expect(stateOf([])).toBe("mixed");
  });

  it("is mixed where somebody's own line in redis.conf was lost", () => {
    const edited = { ...fault, keeps: "timeout 300" };
    expect(stateOf(["config: port 0", "redis.conf: port 0", "redis.conf: timeout 300"], edited)).toBe("new");
    expect(stateOf(before, edited)).toBe("mixed");
  });

  it("is new only where an addition of the fault that must go is gone", () => {
    const rule = "ufw: allow 6380";
    const broad: Fault = { ...fault, goesAway: true };
    const planned = ["config: port 0", "config: timeout 0", "redis.conf: port 0"];
    const state = (now: string[]) =>
      judge(broad, delta, { stock: before, before: [...before, rule], now }).state;
    expect(state(planned)).toBe("new");
    expect(state([...planned, rule])).toBe("mixed");
    expect(state([...before, rule])).toBe("old");
  });
});

describe("a fault", () => {
  it("is survived where the host is old or new and nothing is lost", () => {
    expect(survived(row)).toBe(true);
    const changes: Partial<Row>[] = [
      { state: "mixed" },
      { keysLost: 1 },
      { writesLost: 1 },
      { served: false },
      { login: false },
    ];
    for (const change of changes) expect(survived({ ...row, ...change })).toBe(false);
  });

  it("is misreported by a false success and by a false failure", () => {
    expect(isLie("new", row, fault)).toBe(false);
    expect(isLie("new", { ...row, keysLost: 5 }, fault)).toBe(true);
    expect(isLie("new", { ...row, state: "old" }, fault)).toBe(true);
    expect(isLie("failed", { ...row, claims: ["failed"], state: "mixed" }, fault)).toBe(false);
    expect(isLie("failed", { ...row, claims: ["failed"] }, fault)).toBe(true);
    expect(isLie("failed", { ...row, claims: ["new", "failed"] }, fault)).toBe(false);
    expect(isLie("old", { ...row, claims: ["old"], state: "mixed" }, fault)).toBe(true);
    expect(isLie("failed", { ...row, claims: ["failed"] }, { ...fault, keeps: "timeout 300" })).toBe(false);
    expect(isLie("unknown", { ...row, state: "mixed" }, fault)).toBe(false);
  });

  it("has a name and a title of its own, and there are thirty", () => {
    expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(30);
    expect(new Set(FAULTS.map(({ title }) => title)).size).toBe(30);
  });
});

it("the comparison has a column and totals for each tool", () => {
  const bad: Row = { ...row, tool: "shell", state: "mixed", keysLost: 100_000, login: false, lied: true };
  const columns = [
    { tool: "redkeep", rows: [row], missing: undefined },
    {
      tool: "shell",
      rows: [bad, { ...row, fault: "other", served: false, secondsDown: 99 }],
      missing: undefined,
    },
    { tool: "Ansible", rows: [], missing: "no ansible-playbook" },
  ];
  expect(totalsTable(columns).split("\n").slice(2)).toEqual([
    "| redkeep | **1 of 1** | 1 | 0 | 0 | 0.4 s | 0 | 0 | 0 | 0 |",
    "| shell | **0 of 2** | 1 | 100 000 | 0 | 0.4 s | 1 | 1 | 0 | 1 |",
    "| Ansible | not run: no ansible-playbook |  |  |  |  |  |  |  |  |",
  ]);
  expect(faultsTable([fault], columns).split("\n")[2]).toBe(
    "| SSH connection reset | ✔ new, exit 0, 0.4 s | ✘ mixed, exit 0, which is wrong, 100 000 keys lost, 0.4 s, locked out |",
  );
});
