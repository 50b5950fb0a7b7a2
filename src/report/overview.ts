import { grouped, plural } from "../lib/words.ts";
import type { HostRecord, RunRecord } from "../record/record.ts";
import { SEVERITIES, type Severity } from "../record/statuses.ts";
import { hasFailed, isAllowed, isOpen, skippedText } from "../record/summary.ts";
import { controlsOf, type HostCheck } from "./checks-text.ts";

/** The answer of a run in one sentence, and in a second one what is missing from it. */
export function headline(record: RunRecord): string {
  return [answer(record), missingShardsText(record)].filter(Boolean).join(" ");
}

/** `Shards 2 and 4 are missing: their hosts are not here.` Empty where none is. */
export function missingShardsText({ missingShards = [] }: RunRecord): string {
  const [first, ...more] = missingShards;
  if (first === undefined) return "";
  return more.length === 0
    ? `Shard ${first} is missing: its hosts are not here.`
    : `Shards ${missingShards.slice(0, -1).join(", ")} and ${missingShards.at(-1)} are missing: their hosts are not here.`;
}

function answer(record: RunRecord): string {
  const { summary, hosts, command } = record;
  const lost = hosts.filter(isLost).length;
  const beside = lost === 0 ? "" : ` ${plural(lost, "host")} could not be asked.`;
  if (hosts.length === 0) return "No host was in this run.";
  if (command === "plan") {
    const { wouldChange, changes } = summary;
    const here = record.controller?.changes.length ?? 0;
    const also =
      here === 0
        ? ""
        : ` ${plural(here, "client certificate is", "client certificates are")} to be issued on the controller.`;
    return wouldChange === 0
      ? `Nothing would change on ${plural(hosts.length - lost, "host")}.${also}${beside}`
      : `${grouped(wouldChange)} of ${plural(hosts.length, "host")} would change, in ${plural(changes, "place")}.${also}${beside}`;
  }
  if (command === "rollback") {
    const { restored = 0 } = summary;
    return `${grouped(restored)} of ${plural(hosts.length, "host")} ${restored === 1 ? "was" : "were"} put back.${beside}`;
  }
  if (command === "eject")
    return `redkeep's traces are off ${grouped(summary.changed)} of ${plural(hosts.length, "host")}.${beside}`;
  const open = notCheckedText(hosts);
  const failing = hosts.filter(({ checks }) => checks.some(({ outcome }) => outcome === "fail"));
  const controls = openControls(hosts, "fail");
  const grave = controls.filter(({ severity }) => severity === "critical" || severity === "high").length;
  if (failing.length > 0) {
    const how = grave > 0 ? `, ${grouped(grave)} of them critical or high` : "";
    return `${grouped(failing.length)} of ${plural(hosts.length, "host")} ${failing.length === 1 ? "fails" : "fail"} ${plural(controls.length, "control")}${how}.${open}${beside}`;
  }
  if (summary.checks.pass + summary.checks.unknown === 0)
    return `No check was made on ${plural(hosts.length, "host")}.`;
  const allowed = new Set(
    hosts.flatMap(({ checks }) => checks.filter(isAllowed).map(({ control }) => control)),
  );
  const unmet =
    allowed.size === 0 ? "" : ` The playbook allows ${plural(allowed.size, "control")} to stay unmet.`;
  if (summary.checks.pass === 0) return `Nothing could be proven.${open}${unmet}${beside}`;
  return `No control ${open === "" ? "fails" : "that could be checked fails"} on ${plural(hosts.length - lost, "host")}.${open}${unmet}${beside}`;
}

/** ` 60 controls could not be checked, 11 of them critical or high.` Empty where all could. */
function notCheckedText(hosts: readonly HostRecord[]): string {
  const open = openControls(hosts, "unknown");
  if (open.length === 0) return "";
  const grave = open.filter(({ severity }) => severity === "critical" || severity === "high").length;
  return ` ${plural(open.length, "control")} could not be checked${grave > 0 ? `, ${grouped(grave)} of them critical or high` : ""}.`;
}

/** What the run says of its controller beside what it says of hosts, under a name that no host has. */
export function controllerOf({ controller }: RunRecord): Pick<HostRecord, "host" | "impact">[] {
  return controller === undefined ? [] : [{ host: "(controller)", impact: controller.impact }];
}

/** Four numbers with their words, and whether one calls for somebody. */
export function keyNumbers({
  summary,
  hosts,
  command,
}: RunRecord): { value: string; label: string; bad: boolean }[] {
  const lost = hosts.filter(isLost).length;
  const reached = {
    value: grouped(hosts.length - lost),
    label: `of ${plural(hosts.length, "host")} could be asked`,
    bad: lost > 0,
  };
  if (command === "plan" || command === "rollback") {
    const changing = command === "plan" ? summary.wouldChange : (summary.restored ?? 0);
    return [
      reached,
      { value: grouped(changing), label: command === "plan" ? "would change" : "put back", bad: false },
      { value: grouped(summary.changes), label: "changes", bad: false },
      { value: grouped(summary.refused), label: "refused", bad: summary.refused > 0 },
    ];
  }
  const { pass, fail, unknown } = summary.checks;
  const skipped = skippedText(summary, hosts);
  return [
    reached,
    { value: grouped(pass), label: "checks hold", bad: false },
    { value: grouped(fail), label: "checks fail", bad: fail > 0 },
    {
      value: grouped(unknown),
      label: ["not checked", ...(skipped === "" ? [] : [skipped])].join(", "),
      bad: unknown > 0,
    },
  ];
}

/** Whether a host's state was not seen: its checks, if it has any, do not stand for how it is. */
export function isLost({ status, checks }: HostRecord): boolean {
  return checks.length === 0 && (hasFailed(status) || status === "not-started");
}

export interface OpenControl {
  control: string;
  title: string;
  severity: Severity;
  checks: HostCheck[];
  hosts: string[];
}

/** The controls with such an outcome: the gravest first, then those on most hosts. What could not be told is unknown here. */
export function openControls(hosts: readonly HostRecord[], outcome: "fail" | "unknown"): OpenControl[] {
  return controlsOf({ hosts })
    .flatMap((all): OpenControl[] => {
      const checks = all.filter((check) =>
        outcome === "unknown" ? isOpen(check) : check.outcome === outcome,
      );
      const [first] = checks;
      if (first === undefined) return [];
      const { control, title, severity } = first;
      return [{ control, title, severity, checks, hosts: [...new Set(checks.map(({ host }) => host))] }];
    })
    .sort(
      (a, b) =>
        SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || b.hosts.length - a.hosts.length,
    );
}
