import { groupBy, mergeTexts, sentenceShapeOf } from "../history/alike.ts";
import { durations, hostList, plural } from "../lib/words.ts";
import { type HostRecord, type Impact, type RunRecord, STAYS_IN_MEMORY } from "../record/record.ts";
import { hasFailed } from "../record/summary.ts";
import { allowedParametersText, endingText } from "./allowed-text.ts";
import { changesText, controllerCount, controllerText } from "./changes-text.ts";
import { errorsText, hostCounts } from "./errors-text.ts";
import { headingText } from "./heading-text.ts";
import {
  blocks,
  finish,
  hanging,
  lastLines,
  limitTo,
  nextCommand,
  type Page,
  pageOf,
  type TextContext,
} from "./layout.ts";
import { transportText } from "./transport-text.ts";

/** Kinds of impact that are told, unless -v is given. */
const IMPACTS_TOLD = 8;

/** What a plan says on stdout: what would change on which host, who would notice, what stands in the way. */
export function planText(record: RunRecord, context: TextContext): string {
  const page = pageOf(record, context);
  return finish(blocks(...planBlocks(page), lastLines(answer(page), next(page), page)), page);
}

/** The hosts that would change, and where somebody would notice. A restart alone is announced, and no impact. */
export function noticedOn(hosts: readonly HostRecord[]): HostRecord[] {
  return hosts.filter(({ status, impact }) => status === "would-change" && impact.some(isNoticed));
}

export function isNoticed({ kind }: Impact): boolean {
  return kind !== STAYS_IN_MEMORY;
}

function answer(page: Page): string {
  const noticed = page.failOnImpact ? noticedOn(page.hosts).map(({ host }) => host) : [];
  const stopped =
    noticed.length === 0
      ? ""
      : ` Somebody would notice on ${hostList(noticed)}: stopped by --fail-on-impact.`;
  return `${hostCounts(page)}${controllerCount(page)}. Nothing was changed.${stopped}`;
}

/** The same plan as `apply` shows it before it asks: without the last lines that only hold after a `plan`. */
export function planPreview(record: RunRecord, context: TextContext): string {
  const page = pageOf(record, context);
  return finish(blocks(...planBlocks(page), [`${hostCounts(page)}${controllerCount(page)}.`]), page);
}

function planBlocks(page: Page): string[][] {
  const pending = page.hosts.filter((host) => host.status === "would-change");
  const right = page.hosts.filter((host) => host.status === "unchanged").map(({ host }) => host);
  return [
    headingText(page),
    endingText(page),
    undoesText(pending, page),
    changesText(pending, page),
    page.record.command === "rollback" || page.record.command === "eject"
      ? leftText(page)
      : right.length === 0
        ? []
        : hanging("", `${hostList(right)}: as wanted, nothing to do`, page.width),
    controllerText(page),
    noticeText([...pending, ...page.hosts.filter(tellsOfUsers)], page),
    allowedParametersText(page),
    transportText(page),
    errorsText(page),
  ];
}

/** As wanted, and all the same with a user that somebody should hear of. */
function tellsOfUsers({ status, impact }: HostRecord): boolean {
  return status === "unchanged" && impact.length > 0;
}

/** Hosts that have their run named, each in a line. */
const UNDOES_TOLD = 20;

/** Which runs a rollback takes back, host by host. */
function undoesText(hosts: readonly HostRecord[], page: Page): string[] {
  const undoing = hosts.filter(({ undoes = [] }) => undoes.length > 0);
  const told = page.verbose ? undoing : undoing.slice(0, UNDOES_TOLD);
  const lines = told.flatMap(({ host, undoes = [] }) => {
    const runs = undoes.map(({ run, transaction }) => `${run} (${transaction})`);
    const text = runs.length === 1 ? `the run of ${runs[0]}` : `${runs.length} runs: ${runs.join(", ")}`;
    return hanging("", `${host}: undoes ${text}`, page.width);
  });
  if (undoing.length > told.length)
    lines.push(`${plural(undoing.length - told.length, "more host")} (-v shows them)`);
  return lines;
}

/** Hosts that a rollback leaves as they are, and why. */
export function leftText(page: Page): string[] {
  const left = page.hosts.filter(({ status }) => status === "unchanged");
  return groupBy(left, ({ tasks }) => tasks[0]?.reason ?? "").flatMap((hosts) =>
    hanging(
      "",
      `${hostList(hosts.map(({ host }) => host))}: ${hosts[0]?.tasks[0]?.reason ?? "nothing to do"}`,
      page.width,
    ),
  );
}

/** Clients and users that would notice, and how long Redis would be away. */
function noticeText(hosts: readonly HostRecord[], page: Page): string[] {
  const lines = [...impactLines(hosts, page), ...restartText(hosts, page)];
  return lines.length === 0 ? [] : [page.paint("bold", "Who will notice"), ...lines];
}

/** The impacts of several hosts, a sentence each; like ones are told once. */
export function impactLines(hosts: readonly Pick<HostRecord, "host" | "impact">[], page: Page): string[] {
  const kinds = impactsAlike(hosts);
  const told = page.verbose ? kinds : kinds.slice(0, IMPACTS_TOLD);
  const lines = told.flatMap((kind) => {
    const names = [...new Set(kind.map(({ host }) => host))];
    const where = names.length === hosts.length ? "" : ` (on ${hostList(names)})`;
    const detail = mergeTexts(
      kind.map((impact) => impact.detail),
      page.verbose ? 50 : 3,
    );
    return hanging(`  ${page.paint("yellow", page.signs.warning)} `, detail + where, page.width);
  });
  if (kinds.length > told.length) lines.push(`  ${kinds.length - told.length} more (-v shows them)`);
  return lines;
}

/** The impacts of all hosts, those that read alike together. */
export function impactsAlike(
  hosts: readonly Pick<HostRecord, "host" | "impact">[],
): (Impact & { host: string })[][] {
  const impacts = hosts.flatMap(({ host, impact }) => impact.map((one) => ({ host, ...one })));
  return groupBy(impacts, ({ host, kind, detail }) => JSON.stringify([kind, sentenceShapeOf(detail, host)]));
}

function restartText(hosts: readonly HostRecord[], page: Page): string[] {
  const restarts = hosts.filter((host) => host.restart.needed);
  if (restarts.length === 0) return [];
  const away = restarts.map((host) => host.restart.unavailableMs);
  const where =
    restarts.length > 1
      ? ` on each of ${plural(restarts.length, "host")}`
      : page.hosts.length > 1
        ? ` on ${restarts[0]?.host}`
        : "";
  const text = away.every((ms) => ms > 0)
    ? `Restart: about ${durations(away)} without Redis${where}.`
    : `Restart: once${where}; Redis is away until it has loaded its data.`;
  return hanging("  ", text, page.width);
}

function next(page: Page): string[] {
  const { wouldChange } = page.record.summary;
  const { command } = page.record;
  if (command === "rollback" || command === "eject")
    return wouldChange > 0 ? [`Next: ${nextCommand(page, command)}`] : [];
  // What was not looked at may change too.
  if (page.record.exitCode === 130) return [`Then: ${nextCommand(page, "plan")}`];
  const failed = page.hosts.filter(({ status }) => hasFailed(status)).map(({ host }) => host);
  if (wouldChange > 0 || page.record.controller?.status === "would-change")
    return [`Next: ${nextCommand(page, "apply")}`];
  if (failed.length > 0) return [`Then: ${nextCommand(page, "plan", limitTo(failed, page.hosts))}`];
  return [`Next: ${nextCommand(page, "verify")}`];
}
