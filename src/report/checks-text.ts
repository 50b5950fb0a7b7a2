import { groupBy, mergeTexts, sentenceShapeOf } from "../history/alike.ts";
import { grouped, hostList, plural } from "../lib/words.ts";
import { type CheckRecord, NO_OTHER_SERVER } from "../record/record.ts";
import { type Outcome, SEVERITIES } from "../record/statuses.ts";
import { countsAsFailure, isAllowed, isAtLeast, isOpen, skippedText } from "../record/summary.ts";
import { hanging, type Page, pad } from "./layout.ts";

export interface HostCheck extends CheckRecord {
  host: string;
}

/**
 * The controls that fail, the gravest first, each with its hosts and what was seen there; then those left open. Many
 * that lacked the same access are told as one.
 */
export function openControlsText(page: Page): string[] {
  const controls = controlsOf(page);
  const open = controls.filter((checks) => has(checks, "unknown"));
  const alike = page.verbose
    ? []
    : (["login", "rights", "vantage"] as const).flatMap((lack) => {
        const blocked = open.filter((checks) => lackOf(checks) === lack);
        return blocked.length > MANY ? [{ lack, blocked }] : [];
      });
  const told = new Set(alike.flatMap(({ blocked }) => blocked));
  return [
    ...controls
      .filter((checks) => has(checks, "fail"))
      .flatMap((checks) => controlText(checks, "fail", page)),
    ...open.filter((checks) => !told.has(checks)).flatMap((checks) => controlText(checks, "unknown", page)),
    ...alike.flatMap(({ lack, blocked }) => blockedText(blocked, lack, page)),
  ];
}

/** Longer lists of controls that lacked the same access are only counted. */
const MANY = 5;

/** What the open checks of a control lacked, where that is all that is wrong with them. */
function lackOf(checks: readonly HostCheck[]): CheckRecord["blockedBy"] {
  const open = checks.filter(({ outcome }) => outcome === "unknown");
  return open.every(({ blockedBy }) => blockedBy !== undefined) ? open[0]?.blockedBy : undefined;
}

function blockedText(blocked: readonly HostCheck[][], lack: keyof typeof LACK, page: Page): string[] {
  const checks = blocked.flat().filter(({ blockedBy }) => blockedBy === lack);
  const because = ({ observed }: HostCheck) =>
    lack === "rights" ? "root is needed" : observed.replace(/^no login to Redis: /, "");
  const sign = page.paint("yellow", page.signs.open);
  return [
    ...hanging(
      `${sign} `,
      `${plural(blocked.length, "control")} not checked for lack of ${LACK[lack]}     (-v lists them)`,
      page.width,
    ),
    ...groupBy(checks, because).flatMap((same) => {
      const hosts = hostList(same.map(({ host }) => host));
      const [first] = same;
      return hanging("    ", `${hosts}: ${first === undefined ? "" : because(first)}`, page.width);
    }),
  ];
}

/** How many controls hold and how many do not apply; -v lists them. */
export function heldControlsText(page: Page): string[] {
  const controls = controlsOf(page);
  const held = controls.filter(
    (checks) =>
      has(checks, "pass") &&
      !has(checks, "fail") &&
      !has(checks, "unknown") &&
      !checks.some((check) => check.waiver !== undefined || check.skipped !== undefined || isAllowed(check)),
  );
  const skippedAs = (skipped: CheckRecord["skipped"]) =>
    controls.filter((checks) => checks.some((check) => isSkipped(check) && check.skipped === skipped));
  const [untold, reported] = [skippedAs("untold"), skippedAs("reported")];
  const skipped = controls.filter((checks) =>
    checks.every((check) => isSkipped(check) && check.skipped === undefined),
  );
  const checked = page.hosts.filter((host) => host.checks.length > 0).length;
  const where =
    checked === page.hosts.length
      ? page.hosts.length === 1
        ? ""
        : " on all hosts"
      : ` on the ${plural(checked, "host")} that could be asked`;
  const count = (controlsOfKind: readonly unknown[], verbs: [string, string]) =>
    `${plural(controlsOfKind.length, "control")} ${controlsOfKind.length === 1 ? verbs[0] : verbs[1]}`;
  const hint = page.verbose ? "" : "     (-v lists them)";
  const lines: string[] = [];
  if (held.length > 0) {
    lines.push(`${page.paint("green", page.signs.good)} ${count(held, ["holds", "hold"])}${where}${hint}`);
  }
  if (page.verbose) lines.push(...held.flatMap((checks) => heldText(checks, page)));
  if (skipped.length > 0) {
    const words = `${page.signs.skipped} ${count(skipped, ["does", "do"])} not apply`;
    lines.push(page.paint("dim", `${words}${hint}`));
  }
  if (page.verbose) lines.push(...skipped.flatMap((checks) => controlText(checks, "skip", page)));
  for (const [of, verbs] of [
    [untold, "could not be told"],
    [reported, reported.length === 1 ? "is for you to judge" : "are for you to judge"],
  ] as const) {
    if (of.length === 0) continue;
    lines.push(`${page.signs.skipped} ${plural(of.length, "control")} ${verbs}${hint}`);
    if (!page.verbose) continue;
    const inOpen = of.map((checks) => checks.filter(({ skipped }) => skipped !== undefined));
    lines.push(...inOpen.flatMap((checks) => controlText(checks, "skip", page)));
  }
  return lines;
}

const OTHER_SERVERS = "RK-NET-11";

/**
 * Other Redis servers on the hosts that refuse strangers: no control fails for them, but you may not know that they exist.
 */
export function otherServersText(page: Page): string[] {
  const found = page.hosts.flatMap(({ host, checks }) =>
    checks
      .filter(({ control, outcome }) => control === OTHER_SERVERS && outcome === "pass")
      .filter(({ observed }) => observed !== NO_OTHER_SERVER)
      .map(({ observed }) => ({ host, observed })),
  );
  if (found.length === 0) return [];
  const more = found.length - MANY;
  const told = found.slice(0, MANY).map(({ host, observed }) => `${host}: ${observed}`);
  return hanging(
    `${page.signs.skipped} `,
    `Another Redis beside the one that was checked (${OTHER_SERVERS}): ${told.join("; ")}${more > 0 ? `; and on ${plural(more, "more host")}` : ""}`,
    page.width,
  );
}

/** Whether a check was skipped for another reason than a waiver or the playbook. */
function isSkipped(check: CheckRecord): boolean {
  return check.outcome === "skip" && check.waiver === undefined && !isAllowed(check);
}

/**
 * The grave controls that nobody can tell of though nothing was lacking, as a sentence after the counts: the exit code
 * does not show them. ` Not proven: RK-CMD-05 (critical).`
 */
export function notProven(page: Page): string {
  const isGrave = (check: CheckRecord) =>
    isOpen(check) && check.blockedBy === undefined && isAtLeast(check.severity, "high");
  const grave = controlsOf(page).flatMap((checks) => checks.find(isGrave) ?? []);
  const named = [...new Set(grave.map(({ control, severity }) => `${control} (${severity})`))];
  return named.length === 0 ? "" : ` Not proven: ${named.join(", ")}.`;
}

/** How many controls the run looked at. */
export function controlCount({ hosts }: Page): number {
  return new Set(hosts.flatMap(({ checks }) => checks.map(keyOf))).size;
}

/** `72 checks pass, 3 fail (2 high), 1 unknown, 6 skipped (2 waived, 1 allowed by the playbook)`. */
export function checkCounts(page: Page): string {
  const { pass, fail, unknown } = page.record.summary.checks;
  const skipped = skippedText(page.record.summary, page.hosts);
  const failing = page.hosts.flatMap(({ checks }) => checks.filter(({ outcome }) => outcome === "fail"));
  const grave = (["critical", "high"] as const).flatMap((severity) => {
    const count = failing.filter((check) => check.severity === severity).length;
    return count > 0 ? [`${grouped(count)} ${severity}`] : [];
  });
  return [
    `${plural(pass, "check")} pass`,
    `${grouped(fail)} fail${grave.length > 0 ? ` (${grave.join(", ")})` : ""}`,
    ...(unknown > 0 ? [`${grouped(unknown)} unknown`] : []),
    ...(skipped === "" ? [] : [skipped]),
  ].join(", ");
}

/** The failures that `--fail-on` ignored, as a sentence after the counts; empty where there are none. */
export function belowFailOn({ record, hosts }: Page): string {
  const { failOn } = record;
  const below = hosts.flatMap(({ checks }) =>
    checks.filter((check) => check.outcome === "fail" && !countsAsFailure(check, failOn)),
  ).length;
  if (failOn === undefined || below === 0) return "";
  const words = plural(below, "failure is", "failures are");
  return ` ${words} below ${failOn} and ${below === 1 ? "does" : "do"} not count (--fail-on).`;
}

/** The checks of all hosts by control and title, the gravest first, then by control. */
export function controlsOf({ hosts }: Pick<Page, "hosts">): HostCheck[][] {
  const checks = hosts.flatMap(({ host, checks }) => checks.map((check) => ({ host, ...check })));
  return groupBy(checks, keyOf).sort(
    (a, b) => rankOf(a) - rankOf(b) || (a[0]?.control ?? "").localeCompare(b[0]?.control ?? "", "en"),
  );
}

function keyOf({ control, title }: CheckRecord): string {
  return JSON.stringify([control, title]);
}

function rankOf(checks: readonly HostCheck[]): number {
  return SEVERITIES.indexOf(checks[0]?.severity ?? "info");
}

function has(checks: readonly HostCheck[], outcome: Outcome): boolean {
  return checks.some((check) => check.outcome === outcome);
}

/** A control's title, and below it the hosts with what was seen there, hosts with like observations once. */
function controlText(all: readonly HostCheck[], outcome: "fail" | "unknown" | "skip", page: Page): string[] {
  const checks = all.filter((check) => check.outcome === outcome);
  const [first] = checks;
  if (first === undefined) return [];
  const sign = {
    fail: page.paint("red", page.signs.bad),
    unknown: page.paint("yellow", page.signs.open),
    skip: page.signs.skipped,
  }[outcome];
  const seen = seenAlike(checks);
  const title = outcome === "fail" ? `${first.title} (${first.severity})` : first.title;
  return [
    ...hanging(`${sign} ${pad(first.control, 11)}`, title, page.width),
    ...seen.flatMap((same) => {
      const hosts = hostList(same.map(({ host }) => host));
      return hanging(
        "    ",
        `${hosts}: ${observation(same, outcome, page)}${witnessText(same, page)}`,
        page.width,
      );
    }),
  ];
}

/** Checks of one control that saw like things, on the hosts that have them. */
export function seenAlike(checks: readonly HostCheck[]): HostCheck[][] {
  return groupBy(checks, ({ host, observed, expected, source, blockedBy, allowed }) =>
    JSON.stringify([
      sentenceShapeOf(observed, host),
      sentenceShapeOf(expected, host),
      source,
      blockedBy,
      allowed,
    ]),
  );
}

function observation(same: readonly HostCheck[], outcome: "fail" | "unknown" | "skip", page: Page): string {
  const merged = (of: (check: HostCheck) => string) => mergeTexts(same.map(of), page.verbose ? 50 : 3);
  const observed = merged((check) => check.observed);
  const [first] = same;
  switch (outcome) {
    case "fail":
      return `${observed}; wanted ${merged((check) => check.expected)} (${first?.source})${endedText(first)}`;
    case "unknown":
      return first?.blockedBy === undefined || observed.startsWith("no login to Redis")
        ? `not checked, ${observed}`
        : `not checked for lack of ${LACK[first.blockedBy]}, ${observed}`;
    case "skip":
      return observed;
  }
}

/** Why the host is as it is: the playbook asked for it, and its day has come. */
function endedText({ allowed }: Partial<HostCheck> = {}): string {
  return allowed === undefined ? "" : `; ${allowed.parameter} ${allowed.reason}`;
}

export const LACK = {
  login: "a login to Redis",
  rights: "rights on the host",
  vantage: "a place to look from",
} as const;

function heldText(checks: readonly HostCheck[], page: Page): string[] {
  const [first] = checks;
  return first === undefined
    ? []
    : hanging(`  ${pad(first.control, 11)}`, `${first.title}${witnessText(checks, page)}`, page.width);
}

/** With -v: that nothing of what was seen is root's own look. A server that was taken over says what it likes. */
function witnessText(checks: readonly HostCheck[], page: Page): string {
  return page.verbose && checks.every(({ witness }) => witness === "server")
    ? " (the server's word alone)"
    : "";
}
