import { type ChangeSteps, changeHosts, lookOnly } from "../fleet/change-hosts.ts";
import { whatStaysHere } from "../report/eject-text.ts";
import { ejectHost } from "../run/eject-host.ts";
import { type Plan, wouldChange } from "../run/host.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { EJECT_FACTS, planEject } from "../run/plan-eject.ts";
import { prepare } from "../run/prepare.ts";
import { refuseUnasked } from "../run/terminal.ts";

/**
 * Takes redkeep's own traces off the hosts: its folder with the backups, its recovery unit, temporary files and the folders that
 * it made, where they are empty. What Redis uses stays, and with it the hardening.
 */
export async function eject(options: RunOptions, environment: Environment): Promise<number> {
  refuseUnasked("eject", options, environment);
  const run = await prepare("eject", { ...options, become: true }, environment);
  const steps: ChangeSteps<Plan> = {
    question: "Take redkeep off",
    isPending: wouldChange,
    look: { facts: EJECT_FACTS, plan: (host) => planEject(host, options.accept) },
    work: (host, listener) => ejectHost(run, host, listener),
    closing: (record) => whatStaysHere(run.state.directory, record),
  };
  return options.check ? await lookOnly(run, steps) : await changeHosts(run, steps);
}
