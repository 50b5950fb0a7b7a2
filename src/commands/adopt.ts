import { join, resolve } from "node:path";
import { adoptedFiles } from "../adopt/files.ts";
import { refuseToOverwrite, writeAll } from "../adopt/write-files.ts";
import { packageDirectory } from "../lib/package.ts";
import { adoptText } from "../report/adopt-text.ts";
import { describeHosts } from "../run/describe-hosts.ts";
import { recordOf } from "../run/host.ts";
import { observeAll } from "../run/observe-all.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { prepare } from "../run/prepare.ts";
import { runRecordOf } from "../run/run-record.ts";
import { inventoryAgain, optionsAgain, startProgress } from "../run/terminal.ts";

/**
 * Reads a live fleet as plan does, and writes a playbook, variables and waivers under which the first run changes nothing
 * and verify finds nothing new.
 */
export async function adopt(
  options: RunOptions & { out: string },
  environment: Environment,
): Promise<number> {
  const { cwd, program, stdout } = environment;
  const directory = resolve(cwd, options.out);
  refuseToOverwrite(["playbook.yml", "waivers.yml", "host_vars"], directory, cwd);
  const playbook = options.playbook ?? join(packageDirectory, "playbooks", "adopt.yml");
  const run = await prepare("plan", { ...options, playbook }, environment);
  const progress = startProgress(run, "Looking");
  // What verify would ask, so that its failures can be waived.
  const observed = await observeAll({ ...run, command: "verify" }, progress);
  await progress.stop();
  const { adopted, hosts } = await describeHosts(run, observed.all());
  const { exitCode, hosts: records } = runRecordOf(run, hosts.map(recordOf));
  const isWhole = adopted.length === run.inventory.hosts.size;
  const files =
    adopted.length === 0 ? new Map<string, string>() : adoptedFiles(adopted, isWhole, run.startedAt);
  await writeAll(files, directory);
  const again = [...inventoryAgain(options).flatMap((path) => ["-i", path]), ...optionsAgain(options)];
  stdout.write(
    adoptText(
      { adopted, hosts: records, exitCode },
      { cwd, directory, written: [...files.keys()], program, options: again },
    ),
  );
  return exitCode;
}
