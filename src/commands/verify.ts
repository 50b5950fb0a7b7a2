import { isAudited } from "../audit/audit.ts";
import { guardSplitGroups } from "../fleet/split-groups.ts";
import { readEarlierRuns } from "../history/earlier-runs.ts";
import { verifyText } from "../report/verify-text.ts";
import { ClientCertificates } from "../run/client-certificates.ts";
import { withChecks, withClientChecks, withGroupChecks } from "../run/group-checks.ts";
import { type Host, keepEssence, NO_WORK, recordOf } from "../run/host.ts";
import { keepForNextVerify } from "../run/keep-verify.ts";
import { refuseNoChecks } from "../run/no-checks.ts";
import { OlderState } from "../run/observe.ts";
import { observeAll, onlyLookedAt } from "../run/observe-all.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { Outside } from "../run/outside.ts";
import { prepare } from "../run/prepare.ts";
import type { Run } from "../run/run.ts";
import { runRecordOf, writeAsAsked } from "../run/run-record.ts";
import { report, startProgress, textContext, warn } from "../run/terminal.ts";

/** Proves on the running hosts what the playbook promises; changes nothing there, and keeps its record here. */
export async function verify(options: RunOptions, environment: Environment): Promise<number> {
  const run = await prepare("verify", options, environment);
  const { hosts: seen, vantages } = await lookAtAll(run);
  const { hosts: whole, warnings } = guardSplitGroups(run, seen);
  warn(warnings, environment);
  const together = isAudited("RK-ACL-13", run.tags) ? withGroupChecks(whole) : whole;
  const clients = await ClientCertificates.of(run, together);
  const hosts = withClientChecks(together, clients).map(asLook);
  const records = hosts.map(recordOf);
  const controller = clients.looked();
  // From here on a run that is cut off says all that was seen.
  environment.onEarlyEnd(() => writeAsAsked(runRecordOf(run, records, { controller, vantages }), run));
  if (!environment.interrupted.aborted) refuseNoChecks(records, run);
  const earlier = await readEarlierRuns(run.state, run, records);
  const { record, differences } = earlier.compare(
    runRecordOf(run, earlier.withAccess(records), { controller, vantages }),
  );
  await keepForNextVerify(run, record);
  return await report(run, record, verifyText(record, { ...textContext(run, hosts), differences }));
}

/** Asks each host, and looks at it from outside. */
async function lookAtAll(run: Run) {
  const progress = startProgress(run);
  const outside = new Outside(run);
  const older = new OlderState(run);
  const observed = await observeAll(run, progress, {
    finish: (host) => {
      older.look(host);
      return keepEssence(host);
    },
    afterwards: (host) => outside.lookFromHere(host),
  });
  await progress.stop();
  warn(older.warnings, run.environment);
  const { checks, vantages } = await outside.lookFromVantages(observed.all());
  return { hosts: observed.all().map((host) => withChecks(host, checks.get(host.job) ?? [])), vantages };
}

/** A look does nothing, whatever a plan would do there. */
function asLook(host: Host): Host {
  return { ...onlyLookedAt(host), work: NO_WORK };
}
