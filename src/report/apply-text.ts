import { groupBy } from "../history/alike.ts";
import { duration, durations, hostList, plural } from "../lib/words.ts";
import { type HostRecord, type RunRecord, STAYS_IN_MEMORY } from "../record/record.ts";
import type { Outcome } from "../record/statuses.ts";
import { changeCount, hasFailed } from "../record/summary.ts";
import { statusInWords } from "../record/words.ts";
import { allowedControlsText, endingText } from "./allowed-text.ts";
import { changesText, controllerCount, controllerText } from "./changes-text.ts";
import { belowFailOn, checkCounts, openControlsText } from "./checks-text.ts";
import { errorsText, hostCounts } from "./errors-text.ts";
import { headingText } from "./heading-text.ts";
import { betterText, knownText, newsOf } from "./known-text.ts";
import {
  blocks,
  finish,
  hanging,
  isQuiet,
  lastLines,
  limitTo,
  nextCommand,
  oneLine,
  type Page,
  pad,
  pageOf,
  type TextContext,
  widthOf,
} from "./layout.ts";
import { impactLines, leftText } from "./plan-text.ts";
import { transportText } from "./transport-text.ts";
import { expiredWaiversText, waiversText } from "./waivers-text.ts";

/** Up to so many hosts have a row each; more of them share a row where they ended alike, in as many rows. */
const ROWS = 8;

/** What apply and rollback say on stdout when they have ended: how each host ended, failures in full, the counts. */
export function applyText(record: RunRecord, context: TextContext): string {
  const page = pageOf(record, context);
  const left = page.record.command === "apply" ? [] : leftText(page);
  if (isQuiet(page) && left.length === 0) return oneLine(answer(page), page);
  const news = newsOf(page);
  const changed = page.hosts.filter(({ status }) => status === "changed");
  return finish(
    blocks(
      headingText(page),
      page.verbose || page.diff ? changesText(changed, page) : [],
      rowsText(page),
      controllerText(page),
      memoryOnlyText(page),
      left,
      sinceText(page),
      [...expiredWaiversText(page), ...endingText(page)],
      openControlsText(news),
      betterText(page),
      knownText(page),
      [...allowedControlsText(page), ...waiversText(page)],
      transportText(page),
      errorsText(news),
      lastLines(answer(page), next(page), page),
    ),
    page,
  );
}

/** Hosts that ended as asked. The others stand below with their four parts. */
function rowsText(page: Page): string[] {
  const ended = page.hosts.filter(({ status, error }) => error === null && !hasFailed(status));
  const alike =
    ended.length <= ROWS
      ? ended.map((host) => [host])
      : groupBy(ended, outcomeShape).sort((a, b) => b.length - a.length);
  const shown = page.verbose ? alike : alike.slice(0, ROWS);
  const rest = alike.slice(shown.length).flat();
  const names = Math.max(0, ...shown.map((hosts) => widthOf(namesOf(hosts))));
  const rows = shown.flatMap((hosts) => rowText(hosts, names, page));
  if (rest.length > 0)
    rows.push(...hanging("  ", `${namesOf(rest)}: as asked too (-v shows how)`, page.width));
  return rows;
}

/** What was denied since the change, and who has not come back: read by the checks that confirm it. */
function sinceText(page: Page): string[] {
  const lines = impactLines(
    page.hosts.map(({ host, impact }) => ({
      host,
      impact: impact.filter(({ kind }) => kind.endsWith("-after-apply")),
    })),
    page,
  );
  return lines.length === 0 ? [] : [page.paint("bold", "Since the change"), ...lines];
}

/** Users that no file has, where the host was looked at to the end: what the plan said of them still holds. */
function memoryOnlyText(page: Page): string[] {
  const lines = impactLines(
    page.hosts
      .filter(({ status }) => status !== "refused" && status !== "not-started")
      .map(({ host, impact }) => ({
        host,
        impact: impact.filter(({ kind }) => kind.startsWith(STAYS_IN_MEMORY)),
      })),
    page,
  );
  return lines.length === 0 ? [] : [page.paint("bold", "Users that no file has"), ...lines];
}

function namesOf(hosts: readonly HostRecord[]): string {
  return hostList(hosts.map(({ host }) => host));
}

function outcomeShape(host: HostRecord): string {
  const { status, restart } = host;
  return JSON.stringify([
    status,
    changeCount(host),
    restart.needed,
    count(host, "pass"),
    count(host, "fail"),
  ]);
}

function count({ checks }: HostRecord, outcome: Outcome): number {
  return checks.filter((check) => check.outcome === outcome).length;
}

/** `✔ redis-01  changed    34 changes, restarted (0.28 s), 26 checks pass   3.1 s` */
function rowText(hosts: readonly HostRecord[], names: number, page: Page): string[] {
  const [first] = hosts;
  if (first === undefined) return [];
  const { status, restart } = first;
  const isIdle = status === "not-started" || status === "would-change";
  const sign = isIdle ? page.signs.skipped : page.paint("green", page.signs.good);
  const word = pad(statusInWords(status), 9);
  const away = hosts.map((host) => host.restart.unavailableMs).filter((ms) => ms > 0);
  const restarted = restart.needed && (status === "changed" || status === "restored");
  const [changes, pass, fail] = [changeCount(first), count(first, "pass"), count(first, "fail")];
  const outcome = [
    ...(changes > 0 ? [plural(changes, "change")] : []),
    ...(restarted ? [`restarted${away.length > 0 ? ` (${durations(away)})` : ""}`] : []),
    ...(pass > 0 ? [`${plural(pass, "check")} pass`] : []),
    ...(fail > 0 ? [`${fail} fail`] : []),
  ].join(", ");
  const time = isIdle ? "" : durations(hosts.map(({ durationMs }) => durationMs));
  const row = `${sign} ${pad(namesOf(hosts), names)}  ${word}  ${outcome}`;
  const right = Math.min(page.width, 100);
  const fits = widthOf(row) + 2 + Math.max(widthOf(time), 6) <= right;
  if (fits) return [pad(row, right - widthOf(time)) + time];
  return [
    ...hanging(`${sign} `, namesOf(hosts), page.width),
    ...hanging(`    ${word}  `, [outcome, time].filter((text) => text !== "").join(", "), page.width),
  ];
}

function answer(page: Page): string {
  const { summary, command, durationMs, exitCode } = page.record;
  const { pass, fail, unknown } = summary.checks;
  const checks = pass + fail + unknown > 0 ? `, ${checkCounts(page)}` : "";
  const stopped = exitCode === 130 ? "Interrupted. " : "";
  // A host is only `changed` when a new login has answered.
  const confirmed =
    command === "apply" && summary.changed > 0 ? " Each changed host was confirmed over a new login." : "";
  return `${stopped}${hostCounts(page)}${controllerCount(page)}${checks}, in ${duration(durationMs)}.${belowFailOn(page)}${confirmed}`;
}

function next(page: Page): string[] {
  const { command, summary } = page.record;
  const namesWhere = (test: (host: HostRecord) => boolean) => page.hosts.filter(test).map(({ host }) => host);
  const unknown = namesWhere(({ status }) => status === "unknown");
  const open = namesWhere(({ status }) => hasFailed(status) || status === "not-started");
  if (command === "rollback" || command === "eject") {
    return open.length === 0 ? [] : [`Then: ${nextCommand(page, command, limitTo(open, page.hosts))}`];
  }
  // What state a host is in comes first: applying again would build on a guess.
  if (unknown.length > 0) return [`Next: ${nextCommand(page, "verify", limitTo(unknown, page.hosts))}`];
  if (open.length > 0) {
    const again =
      page.recordPath === undefined ? limitTo(open, page.hosts) : ["--retry-failed", page.recordPath];
    return [`Then: ${nextCommand(page, "apply", again)}`];
  }
  return summary.checks.fail > 0 ? [`Next: ${nextCommand(page, "verify")}`] : [];
}
