import { groupBy } from "./alike.ts";
import { type HostCheck, LACK, MANY } from "./checks-text.ts";
import { differencesText } from "./diff-text.ts";
import { hanging, type Page, pad } from "./layout.ts";
import type { HostRecord } from "./record.ts";
import { hostList, plural, statusInWords } from "./words.ts";

/*
 * What a run that nobody watches says of the runs before it: a finding that was told already takes one line, so that a
 * new one is seen.
 */

/** The page without what earlier runs have found already, where nobody watches; else the page. */
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

function failing(checks: readonly HostCheck[], page: Page): string[] {
  const groups = groupBy(
    checks.filter(({ outcome }) => outcome === "fail"),
    kindOf,
  );
  return groups.flatMap((group) => controlLine(page.paint("red", page.signs.bad), group, page));
}

/** Many controls that lacked the same are one line. */
function open(checks: readonly HostCheck[], page: Page): string[] {
  const unknown = checks.filter(({ outcome }) => outcome === "unknown");
  const sign = page.paint("yellow", page.signs.open);
  return groupBy(unknown, ({ blockedBy, since }) => JSON.stringify([blockedBy, dayOf(since)])).flatMap(
    (alike) => {
      const controls = groupBy(alike, kindOf);
      const lack = alike[0]?.blockedBy;
      if (lack === undefined || controls.length <= MANY)
        return controls.flatMap((group) => controlLine(sign, group, page));
      const text = `${plural(controls.length, "control")} not checked for lack of ${LACK[lack]}: ${known(alike)}`;
      return hanging(`${sign} `, text, page.width);
    },
  );
}

function kindOf({ control, title, since }: HostCheck): string {
  return JSON.stringify([control, title, dayOf(since)]);
}

function controlLine(sign: string, group: readonly HostCheck[], page: Page): string[] {
  const [first] = group;
  if (first === undefined) return [];
  const what = first.outcome === "fail" ? ` (${first.severity}): ` : ": not checked on ";
  return hanging(`${sign} ${pad(first.control, 11)}`, `${first.title}${what}${known(group)}`, page.width);
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
  const hosts = hostList([...new Set(group.map(({ host }) => host))]);
  return `${hosts}, known since ${dayOf(group[0]?.since)}`;
}

function dayOf(since: string | undefined): string {
  return since?.slice(0, 10) ?? "";
}
