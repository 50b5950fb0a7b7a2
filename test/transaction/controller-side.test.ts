import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import type { RunRecord } from "../../src/record/record.ts";
import { temporaryDirectory } from "../connection/support/server.ts";
import {
  type Acting,
  type ActingHost,
  answerAsAsked,
  type Request,
  startActingHost,
} from "../support/acting-host.ts";
import { redkeep } from "../support/cli.ts";
import { writeProject } from "../support/project.ts";

// Lost hosts are asked again after a second each.
vi.setConfig({ testTimeout: 60_000 });

/** How redkeep calls a host that acts like this in an apply, and how it stands. */
async function apply(
  on: NonNullable<Acting["on"]>,
): Promise<{ said: string | undefined; stands: string | undefined; host: ActingHost }> {
  using directory = temporaryDirectory();
  await using host = await startActingHost({ on });
  const args = writeProject(
    directory,
    { host },
    "limits: { maxmemory: 512mb, maxclients: 9000, nofile: 64 }",
  );
  await redkeep(["apply", ...args, "--yes", "--state", "state", "--json", "run.json"], {
    cwd: directory.path,
  });
  const record: RunRecord = JSON.parse(readFileSync(join(directory.path, "run.json"), "utf8"));
  const [first] = record.hosts;
  return { said: first?.status, stands: first?.error?.state, host };
}

/** Says that it stands at `state`, with this journal. */
function say({ answer, channel }: Request, state: string, journal = "1 begin\n2 armed\n"): void {
  const text = answer()
    .replace(/ state\n.*\n/, ` state\n${state}\n`)
    .replace(/ journal\n(?:.+\n)*/, ` journal\n${journal.replace(/^(?=.)/gm, ">")}`);
  channel.write(text);
  channel.exit(0);
  channel.end();
}

it.each([
  ["prepared", "1 begin\n2 backup\n"],
  ["applying", "1 begin\n2 armed\n"],
])("the controller waits for a host that is %s after the reply was lost", async (state, journal) => {
  const { said, host } = await apply((request, host) => {
    if (request.step === "transaction") {
      request.act();
      host.drop();
    } else if (request.step === "status" && request.time <= 2) say(request, state, journal);
    else answerAsAsked(request);
  });
  expect([said, host.state]).toEqual(["changed", "committed"]);
  expect(host.asked.filter((step) => step === "status")).toHaveLength(3);
});

it("the controller takes a failed validation for a final answer", async () => {
  const { said, host } = await apply((request, host) => {
    if (request.step === "transaction") host.drop();
    else if (request.step === "status") say(request, "prepared", "1 begin\n2 backup\n3 fail validate x\n");
    else answerAsAsked(request);
  });
  expect(said).toBe("failed");
  expect(host.asked.filter((step) => step === "status")).toHaveLength(1);
});

it("the controller waits for a host that is still rolling back", async () => {
  const { said, host } = await apply((request) => {
    if (request.step === "probe" && request.time === 2) request.channel.close();
    else if (request.step === "rollback" && request.time === 1) {
      request.act();
      say(request, "rolling_back");
    } else answerAsAsked(request);
  });
  expect([said, host.state]).toEqual(["rolled-back", "rolled_back"]);
  expect(host.asked.filter((step) => step === "rollback")).toHaveLength(2);
});

it("a host that was rolled back and still cannot save is reported as one that may refuse writes", async () => {
  const journal =
    "1 begin\n2 armed\n3 rollback stop\n4 fail Redis still cannot save its keys, and may refuse writes until it can\n";
  const { said, stands } = await apply((request, host) => {
    if (request.step === "transaction") host.drop();
    else if (request.step === "status") say(request, "rolled_back", journal);
    else answerAsAsked(request);
  });
  expect(said).toBe("rolled-back");
  expect(stands).toContain("Redis answers, but may refuse writes until it can save its keys");
});
