import { type ChangeSteps, changeHosts, lookOnly } from "../fleet/change-hosts.ts";
import type { WayBack } from "../plan/give-back.ts";
import { onlyLastRun } from "../run/last-run-hosts.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { goesBack, lookBack, ROLLBACK_FACTS } from "../run/plan-rollback.ts";
import { prepare } from "../run/prepare.ts";
import { rollBackHost } from "../run/roll-back-host.ts";
import { refuseUnasked } from "../run/terminal.ts";

/**
 * Puts back what the last run changed on each host, as a transaction of its own. A host that somebody has changed since
 * is refused; one where the last run was a rollback, or where there was none, stays as it is.
 */
export async function rollback(options: RunOptions, environment: Environment): Promise<number> {
  refuseUnasked("rollback", options, environment);
  const all = await prepare("rollback", { ...options, become: true }, environment);
  const { run, lastRun } = await onlyLastRun(all);
  const aims = { to: options.to, accepted: options.accept, lastRun };
  const steps: ChangeSteps<WayBack> = {
    question: "Put this back on",
    isPending: goesBack,
    look: { facts: ROLLBACK_FACTS, plan: (host) => lookBack(host, aims) },
    work: (host, listener) => rollBackHost(run, host, listener),
  };
  return options.check ? await lookOnly(run, steps) : await changeHosts(run, steps);
}
