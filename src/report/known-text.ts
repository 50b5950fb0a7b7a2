import { groupBy } from "../history/alike.ts";
import { hostList, plural } from "../lib/words.ts";
import type { HostRecord } from "../record/record.ts";
import { SEVERITIES } from "../record/statuses.ts";
import { statusInWords } from "../record/words.ts";
import { type HostCheck, LACK } from "./checks-text.ts";
import { differencesText } from "./diff-text.ts";
import { hanging, type Page, pad } from "./layout.ts";

/*
 * How a run without a terminal shows known findings: a finding that an earlier run reported takes one line, so that new ones
 * stand out.
 */

/** Without a terminal, the page without the findings of earlier runs; else the whole page. */
export function newsOf(page: Page): Page {
  if (page.unattended !== true) return page;
  const hosts = page.hosts
    .filter(({ since }) => since === undefined)
    .map((host) => ({ ...host, checks: host.checks.filter(({ since }) => since === undefined) }));
  return { ...page, hosts };
}

/** What got better since the last run like this one, and what is no longer looked at. */
export function betterText(page: Page): string[] {
  if (page.unattended !== true) return [];
  const { differences = [] } = page;
  return [...differencesText(differences, "better", page), ...differencesText(differences, "gone", page)];
}

/** One line for each kind of finding that earlier runs had too. */
export function knownText(page: Page): string[] {
  if (page.unattended !== true) return [];
  const checks = page.hosts.flatMap(({ host, checks }) =>
    checks.filter(({ since }) => since !== undefined).map((check) => ({ host, ...check })),
  );
  const lost = page.hosts.filter(({ since }) => since !== undefined);
  const lines = [...failing(checks, page), ...open(checks, page), ...hostsLost(lost, page)];
  return lines.length === 0
    ? []
    : [page.paint("bold", "Known from earlier runs (-v shows all of it)"), ...lines];
}

/** Controls that fail on the same hosts since the same day are one line. */
function failing(checks: readonly HostCheck[], page: Page): string[] {
  const sign = page.paint("red", page.signs.bad);
  return alike(checks.filter(({ outcome }) => outcome === "fail")).flatMap((controls) => {
    const [control, ...more] = controls;
    if (control === undefined) return [];
    if (more.length === 0) return controlLine(sign, control, page);
    const text = `${plural(controls.length, "control")} (${gravities(controls)}): ${known(control)}: ${idsOf(controls)}`;
    return hanging(`${sign} `, text, page.width);
  });
}

/** The same of what could not be checked, and why where that is the same too. */
function open(checks: readonly HostCheck[], page: Page): string[] {
  const unknown = checks.filter(({ outcome }) => outcome === "unknown");
  const sign = page.paint("yellow", page.signs.open);
  const byLack = groupBy(unknown, ({ blockedBy }) => String(blockedBy));
  return byLack.flatMap(alike).flatMap((controls) => {
    const [control, ...more] = controls;
    if (control === undefined) return [];
    if (more.length === 0) return controlLine(sign, control, page);
    const lack = control[0]?.blockedBy;
    const because = lack === undefined ? "" : ` for lack of ${LACK[lack]}`;
    const text = `${plural(controls.length, "control")} not checked${because}: ${known(control)}: ${idsOf(controls)}`;
    return hanging(`${sign} `, text, page.width);
  });
}

/** Checks by control and day, those together that are of the same hosts and day. */
function alike(checks: readonly HostCheck[]): HostCheck[][][] {
  const controls = groupBy(checks, ({ control, title, since }) =>
    JSON.stringify([control, title, dayOf(since)]),
  );
  return groupBy(controls, (group) =>
    JSON.stringify([dayOf(group[0]?.since), ...new Set(group.map(({ host }) => host))]),
  );
}

function controlLine(sign: string, group: readonly HostCheck[], page: Page): string[] {
  const [first] = group;
  if (first === undefined) return [];
  const what = first.outcome === "fail" ? ` (${first.severity}): ` : ": not checked on ";
  return hanging(`${sign} ${pad(first.control, 11)}`, `${first.title}${what}${known(group)}`, page.width);
}

/** The ids of controls, as far as a line or two hold them. */
function idsOf(controls: readonly (readonly HostCheck[])[]): string {
  const ids = controls.flatMap(([first]) => first?.control ?? []);
  const rest = ids.length - MANY_IDS;
  return rest > 1 ? `${ids.slice(0, MANY_IDS).join(", ")} and ${rest} more` : ids.join(", ");
}

const MANY_IDS = 12;

/** `2 critical, 1 high`. */
function gravities(controls: readonly (readonly HostCheck[])[]): string {
  const severities = controls.flatMap(([first]) => first?.severity ?? []);
  return SEVERITIES.flatMap((severity) => {
    const count = severities.filter((one) => one === severity).length;
    return count === 0 ? [] : [`${count} ${severity}`];
  }).join(", ");
}

function hostsLost(hosts: readonly HostRecord[], page: Page): string[] {
  const sign = page.paint("red", page.signs.bad);
  const kinds = groupBy(hosts, ({ status, error, since }) =>
    JSON.stringify([status, error?.where, dayOf(since)]),
  );
  return kinds.flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const where = first.error?.where ?? "";
    const what = `${statusInWords(first.status)}${where === "" ? "" : `: ${where}`}`;
    return hanging(`${sign} `, `${what}: ${known(group)}`, page.width);
  });
}

/** `redis-02, redis-03, known since 2026-11-20`. */
function known(group: readonly { host: string; since?: string | undefined }[]): string {
  const hosts = hostList(group.map(({ host }) => host));
  return `${hosts}, known since ${dayOf(group[0]?.since)}`;
}

function dayOf(since: string | undefined): string {
  return since?.slice(0, 10) ?? "";
}
