import { expect, it } from "vitest";
import { type Changed, hostError, type Looked, type Planned } from "../../src/record/outcome.ts";
import {
  as,
  type ObservedHost,
  type PendingHost,
  recordOf,
  refusedFor,
  wouldChange,
} from "../../src/run/host.ts";
import { hostNamed } from "../support/hosts.ts";
import { taskRecord } from "../support/records.ts";

const error = hostError({ where: "test" });

it("a host's record is made whole, and the types refuse an assignment to it", () => {
  const record = recordOf(hostNamed("redis-01"));
  const paint = () => {
    // @ts-expect-error A status follows from the outcome.
    record.status = "changed";
    // @ts-expect-error Checks are findings of the host.
    record.checks.push();
    // @ts-expect-error Parts of parts too.
    record.restart.needed = true;
  };
  expect(paint).toBeTypeOf("function");
  expect(record).toMatchObject({ host: "redis-01", status: "not-started", error: null });
});

it("a host's outcome has only the statuses of its step, and an error where one is due", () => {
  // @ts-expect-error A look changes nothing.
  const looked: Looked = { status: "changed", error: null };
  // @ts-expect-error A plan that stands has no error.
  const planned: Planned = { status: "would-change", error };
  // @ts-expect-error What was to be changed is so no more.
  const changed: Changed = { status: "would-change", error: null };
  // @ts-expect-error Whoever fails says why.
  const failed: Changed = { status: "failed", error: null };
  expect([looked, planned, changed, failed]).toHaveLength(4);
});

it("a host has what its step brings: nothing of an observation before it, and a plan where it is gone on with", () => {
  const host = hostNamed("redis-01");
  // @ts-expect-error Nobody has asked it.
  const observed: ObservedHost = host;
  // @ts-expect-error Its plan was dropped, or never made.
  const pending: PendingHost = as(host, { status: "would-change", error: null });
  expect([observed, pending].filter(wouldChange)).toEqual([]);
});

it("a refused host is a new value, and the one before stays as it was", () => {
  const host = hostNamed("redis-01");
  const planned = as(
    { ...host, work: { ...host.work, tasks: [taskRecord("bind", "bind"), taskRecord("acl", "acl")] } },
    { status: "would-change", error: null },
  );
  const refused = refusedFor(planned, [
    { task: "acl", guard: "weak-password", found: "short", remedy: "longer" },
  ]);
  expect(recordOf(refused)).toMatchObject({
    status: "refused",
    tasks: [{ task: "bind" }, { task: "acl", status: "blocked" }],
    error: { where: "weak-password", guards: ["weak-password"] },
  });
  expect(recordOf(planned)).toMatchObject({ status: "would-change", error: null });
  expect(planned.work.tasks.map(({ status }) => status)).not.toContain("blocked");
});
