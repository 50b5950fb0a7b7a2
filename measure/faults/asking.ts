import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { RunRecord } from "../../src/record/record.ts";
import type { Project } from "../../test/integration/support/project.ts";

const repository = join(import.meta.dirname, "../..");

export interface Asked {
  status: number | null;
  /** What the terminal showed. */
  output: string;
  record: RunRecord;
}

/**
 * An apply on a terminal, as an operator runs it: it shows its plan, asks, and gets a yes once `meanwhile` has ended.
 * Whatever changes the host there comes after the plan and before the transaction.
 */
export async function applyAsking(
  project: Project,
  args: readonly string[],
  meanwhile: () => Promise<unknown>,
): Promise<Asked> {
  const json = project.path("asked.json");
  rmSync(json, { force: true });
  const node = join(repository, "node_modules/.bin/node");
  const command = [
    node,
    join(repository, "src/cli.ts"),
    "apply",
    ...args,
    "-i",
    "inventory.yml",
    "--json",
    json,
  ];
  // `script` gives it a terminal of its own.
  const child = spawn("script", ["-qefc", command.map((word) => `'${word}'`).join(" "), "/dev/null"], {
    cwd: project.dir,
    env: { ...process.env, NO_COLOR: "1", APP_PASSWORD: project.appPassword },
  });
  let output = "";
  const ended = new Promise<number | null>((done) => child.on("close", done));
  const asked = new Promise<void>((done) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.includes("[y/N]")) done();
    });
  });
  await Promise.race([asked, ended]);
  if (output.includes("[y/N]")) {
    await meanwhile();
    child.stdin.write("y\n");
  }
  const status = await ended;
  if (!existsSync(json)) throw new Error(`apply ended with ${status}: ${output}`);
  return { status, output, record: JSON.parse(readFileSync(json, "utf8")) };
}
