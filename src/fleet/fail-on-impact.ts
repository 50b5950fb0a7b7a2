import { hostList } from "../lib/words.ts";
import { notStarted, stopped } from "../record/outcome.ts";
import { isNoticed } from "../report/plan-text.ts";
import { as, type Host } from "../run/host.ts";

/** `--fail-on-impact`: where somebody would notice on one of these hosts, none of the run is touched. */
export function refuseImpact(pending: readonly Host[]): readonly Host[] {
  const noticed = pending.filter(
    ({ outcome, work }) => outcome.status === "would-change" && work.impact.some(isNoticed),
  );
  if (noticed.length === 0) return pending;
  const names = noticed.map(({ job }) => job.host);
  return pending.map((host) => {
    const guard = { where: "impact", guards: ["impact"] };
    if (!noticed.includes(host))
      return as(
        host,
        notStarted({
          ...guard,
          found: `somebody would notice on ${hostList(names)}: --fail-on-impact stops the whole run`,
          remedy: "deal with that first, or leave that host out with --limit",
        }),
      );
    const details = host.work.impact.filter(isNoticed).map(({ detail }) => detail);
    return as(
      host,
      stopped("refused", {
        ...guard,
        found: details.join("\n"),
        remedy: "do what each line says, then run again",
      }),
    );
  });
}
