/** What a host may say: facts and reports, used as a run uses them. */
import assert from "node:assert/strict";
import type { HostFacts } from "../../../src/facts/probe.ts";
import { safeRecord } from "../../../src/record/safe-record.ts";
import type { HostStatus } from "../../../src/record/statuses.ts";
import { isServer, serverOf } from "../../../src/redis/server.ts";
import { recordOf } from "../../../src/run/host.ts";
import { endingOf } from "../../../src/transaction/controller-side.ts";
import { parseReport } from "../../../src/transaction/report.ts";
import { defaultTasks } from "../../../test/support/default-playbook.ts";
import { NONCE, parseAnswer, recordedParts, wireOf } from "../../../test/support/facts.ts";
import { hostNamed } from "../../../test/support/hosts.ts";
import { runRecord } from "../../../test/support/records.ts";
import { reportText } from "../../../test/support/report.ts";
import { planAll, verifyAll } from "../../../test/support/run-task.ts";
import { compile } from "./compiled.ts";
import { STEERING } from "./sandbox.ts";

const tasks = await defaultTasks(["private_ip=172.17.0.10", "app_subnet=172.17.0.0/16"]);

/** Plans, checks and compiles what follows from an answer to the probe. @throws what a run would have to report */
export async function useAnswer(answer: string, recording = "stock"): Promise<void> {
  const facts: HostFacts = parseAnswer(recording, answer);
  if (!isServer(serverOf(facts))) return;
  const plan = await planAll(facts, { tasks });
  await verifyAll(facts, { tasks });
  if (plan.refusals.length === 0) compile(facts, plan);
}

/** Each title of a recorded answer with its section, in order. */
export function sectionsIn(recording: string): [title: string, text: string][] {
  return [...recordedParts(recording)];
}

/** One section of each kind: a category or a command is like the next. */
export const TITLES = sectionsIn("stock")
  .map(([title]) => title)
  .filter((title, index, all) => {
    const word = title.split(" ")[0];
    return !["", "end"].includes(title) && all.findIndex((other) => other.split(" ")[0] === word) === index;
  });

/** A recorded answer with one of its sections edited. */
export function withSection(title: string, edit: (text: string) => string, recording = "stock"): string {
  const parts = recordedParts(recording);
  return wireOf(parts.set(title, edit(parts.get(title) ?? "")));
}

/** A transaction's report as the host frames it. */
export function framed(parts: Readonly<Record<string, string>>, nonce = NONCE): string {
  return reportText(parts, nonce);
}

/** What redkeep would say of a host whose transaction was reported like this and is not confirmed. */
export function labelOf(report: string): HostStatus {
  const outcome = endingOf(parseReport(Buffer.from(report), NONCE));
  const { hosts } = safeRecord(runRecord("apply", [recordOf({ ...hostNamed("redis-01"), outcome })]));
  const [host] = hosts;
  assert(host?.error, "a transaction that did not come to its end has an error");
  for (const text of Object.values(host.error).flat()) assert.doesNotMatch(text, STEERING);
  return host.status;
}
