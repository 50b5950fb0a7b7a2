import { guardBlastRadius } from "../fleet/blast-radius.ts";
import { changeHosts } from "../fleet/change-hosts.ts";
import { refuseImpact } from "../fleet/fail-on-impact.ts";
import { guardSharedMachines } from "../fleet/shared-machines.ts";
import { applyHost, makeMissing, wouldApply } from "../run/apply-host.ts";
import { ClientCertificates } from "../run/client-certificates.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { noteOwnPasswords } from "../run/own-passwords.ts";
import { prepare } from "../run/prepare.ts";
import { refuseUnasked, stopsOnImpact } from "../run/terminal.ts";
import { plan } from "./plan.ts";

/** Makes it so: observe, show, ask, one transaction for each host, and proof over a new login before it counts. */
export async function apply(options: RunOptions, environment: Environment): Promise<number> {
  if (options.check) return await plan(options, environment);
  refuseUnasked("apply", options, environment);
  const run = await prepare("apply", options, environment);
  return await changeHosts(run, {
    question: "Apply this to",
    isPending: wouldApply,
    guard: guardSharedMachines,
    guardPending: async (hosts, pending) => {
      const allowed = await guardBlastRadius(run, hosts, pending);
      return stopsOnImpact(options) ? refuseImpact(allowed) : allowed;
    },
    certificates: (hosts) => ClientCertificates.of(run, hosts),
    before: (pending) => makeMissing(run, pending),
    work: (host, listener) => applyHost(run, host, listener),
    after: (hosts) => noteOwnPasswords(run, hosts),
  });
}
