import { join } from "node:path";
import { InputError } from "../lib/errors.ts";
import { packageDirectory } from "../lib/package.ts";
import { terminalOf } from "../report/colours.ts";
import { doctorText, type Examined } from "../report/doctor-text.ts";
import { examineController } from "../run/examine-controller.ts";
import { examineHost } from "../run/examine-host.ts";
import { observeAll } from "../run/observe-all.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { prepare } from "../run/prepare.ts";
import type { Run } from "../run/run.ts";
import { startAsking } from "../run/terminal.ts";
import type { Vault } from "../vault/vault.ts";

/** What is examined: this machine, and the hosts of a pattern by one login each. */
export interface DoctorOptions {
  knownHosts: string | undefined;
  state: string | undefined;
  /** Empty where nobody names one. */
  inventory: readonly string[];
  extraVars: readonly string[];
  /** The key that the command line or ansible.cfg names. */
  privateKey: string | undefined;
  vault: Vault;
  mergesMappings: boolean;
  /** Undefined where no host is named. */
  run: RunOptions | undefined;
}

/** Says what this machine and a host lack, each with its remedy. Changes nothing. */
export async function doctor(
  { run: options, ...here }: DoctorOptions,
  environment: Environment,
): Promise<number> {
  const { cwd, env, stdout, interrupted } = environment;
  const controller = await examineController({ ...here, cwd, env, interrupted });
  const examined: Examined[] = [{ title: "This machine", findings: controller.findings }];
  let isUnreachable = false;
  if (options !== undefined) {
    // Asks for all facts, and takes no secret that only a user's own playbook knows.
    const playbook = join(packageDirectory, "playbooks", "adopt.yml");
    let run: Run;
    try {
      run = await prepare("plan", { ...options, playbook }, environment, controller.inventory);
    } catch (error) {
      // What is lacking here is often why: it is said before the error.
      if (error instanceof InputError && isLacking(examined))
        stdout.write(doctorText(examined, terminalOf(stdout, env)));
      throw error;
    }
    const progress = startAsking(run);
    const hosts = await observeAll(run, progress);
    await progress.stop();
    for (const host of hosts.all()) {
      examined.push({ title: host.job.host, findings: examineHost(host) });
      isUnreachable ||= host.outcome.status === "unreachable";
    }
  }
  stdout.write(doctorText(examined, terminalOf(stdout, env)));
  if (isUnreachable) return 4;
  return isLacking(examined) ? 3 : 0;
}

function isLacking(examined: readonly Examined[]): boolean {
  return examined.some(({ findings }) => findings.some(({ verdict }) => verdict === "lacking"));
}
