import { groupBy, mergeTexts } from "../history/alike.ts";
import type { Difference } from "../history/compare.ts";
import { comparedWithBefore, type MergedRuns } from "../history/merge.ts";
import { hostList, NO_BREAK, plural } from "../lib/words.ts";
import type { HostRecord, WaiverRecord } from "../record/record.ts";
import { changeCount, hasFailed } from "../record/summary.ts";
import { statusInWords } from "../record/words.ts";
import { ALLOWED_STATES, allowedOnHosts } from "./allowed-text.ts";
import { certificateRows } from "./certificates-text.ts";
import { groupTitle, planShape } from "./changes-text.ts";
import { seenAlike } from "./checks-text.ts";
import { controllerOf, headline, keyNumbers, openControls } from "./overview.ts";
import { impactsAlike } from "./plan-text.ts";

/** Comments and step summaries take 1 MiB: some room is left for what the job adds. */
export const MAX_MARKDOWN = 900 * 1024;

/** One part of the page: what is cut are its rows, never its frame. */
interface Part {
  head: string[];
  rows: string[];
  foot?: string[];
}

/**
 * Markdown for a pull request or a CI step summary: worst first, at most `MAX_MARKDOWN` bytes. What does not fit is
 * counted in the last sentence.
 */
export function markdownReport(merged: MergedRuns): string {
  const { record } = merged;
  const comparison = comparedWithBefore(merged);
  const { hosts } = record;
  return bounded([
    {
      head: [
        `## redkeep ${record.command}: ${plain(headline(record))}`,
        "",
        `| ${keyNumbers(record)
          .map(({ label }) => plain(label))
          .join(" | ")} |`,
        "| --: | --: | --: | --: |",
        `| ${keyNumbers(record)
          .map(({ value, bad }) => (bad ? `**${value}**` : value))
          .join(" | ")} |`,
        "",
        `Run of ${plain(record.startedAt)}, redkeep ${plain(record.version)}, exit code ${record.exitCode}.`,
      ],
      rows: [],
    },
    failedHosts(hosts.filter(({ status, error }) => error !== null || hasFailed(status))),
    // An expired waiver comes first of all that somebody has to do.
    waivers(
      "Expired waivers",
      (record.waivers ?? []).filter(({ state }) => state === "expired"),
    ),
    open("What to do first", hosts, "fail"),
    ...(comparison === undefined ? [] : [since(comparison.differences, comparison.before.startedAt)]),
    open("Not checked", hosts, "unknown"),
    allowed(hosts),
    ...changes(hosts),
    table(
      "On the controller",
      ["Address", "", "Before", "After"],
      (record.controller?.changes ?? []).map(({ address, action, before, after }) => [
        code(address),
        action,
        code(before ?? ""),
        code(after ?? ""),
      ]),
    ),
    impact([...hosts, ...controllerOf(record)]),
    table(
      "Certificates",
      ["Of", "Ends", "State"],
      certificateRows(record).map(({ what, ends, state }) => [code(what), plain(ends), plain(state)]),
    ),
    waivers(
      "Waivers",
      (record.waivers ?? []).filter(({ state }) => state !== "expired"),
    ),
    table(
      "Hosts",
      ["Host", "Ended", "Hold", "Fail", "Not checked", "Changes"],
      worstFirst(hosts).map((host) => {
        const count = (outcome: string) =>
          `${host.checks.filter((check) => check.outcome === outcome).length}`;
        return [
          code(host.host),
          plain(statusInWords(host.status, record.command)),
          count("pass"),
          count("fail"),
          count("unknown"),
          `${changeCount(host)}`,
        ];
      }),
    ),
  ]);
}

function bounded(parts: readonly Part[]): string {
  // Room for the sentence that says what is missing.
  let left = MAX_MARKDOWN - 300;
  let missing = 0;
  const lines: string[] = [];
  for (const { head, rows, foot = [] } of parts) {
    const frame = sizeOf([...head, ...foot, ""]);
    let kept = 0;
    if (frame <= left) {
      left -= frame;
      while (kept < rows.length && sizeOf(rows.slice(kept, kept + 1)) <= left) {
        left -= sizeOf(rows.slice(kept, kept + 1));
        kept++;
      }
      lines.push(...head, ...rows.slice(0, kept), ...foot, "");
    }
    missing += rows.length - kept;
  }
  if (missing > 0)
    lines.push(
      `**Left out to fit the size limit: ${plural(missing, "row")}.** The run record has all of them.`,
      "",
    );
  return lines.join("\n").replaceAll(NO_BREAK, " ");
}

function sizeOf(lines: readonly string[]): number {
  return lines.reduce((bytes, line) => bytes + Buffer.byteLength(line) + 1, 0);
}

function table(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): Part {
  if (rows.length === 0) return { head: [], rows: [] };
  return {
    head: [`### ${title}`, "", `| ${columns.join(" | ")} |`, `|${" --- |".repeat(columns.length)}`],
    rows: rows.map((cells) => `| ${cells.join(" | ")} |`),
  };
}

function open(title: string, hosts: readonly HostRecord[], outcome: "fail" | "unknown"): Part {
  return table(
    title,
    ["Severity", "Control", "Where", "Found", "Wanted", "Source"],
    openControls(hosts, outcome).flatMap(({ control, title, severity, checks }) =>
      seenAlike(checks).map((same) => [
        severity,
        `${plain(control)} ${plain(title)}`,
        code(hostList(same.map(({ host }) => host))),
        code(mergeTexts(same.map(({ observed }) => observed))),
        code(mergeTexts(same.map(({ expected }) => expected))),
        // The same control may be asked of the host itself and from other places.
        code(mergeTexts(same.map(({ source }) => source))),
      ]),
    ),
  );
}

function failedHosts(hosts: readonly HostRecord[]): Part {
  return table(
    "Hosts that failed or were not reached",
    ["Host", "Ended", "Found", "State", "What to do"],
    hosts.map(({ host, status, error }) => [
      code(host),
      plain(statusInWords(status)),
      code(error?.found ?? ""),
      code(error?.state ?? ""),
      code(error?.remedy ?? ""),
    ]),
  );
}

const DIRECTION_WORDS = {
  worse: "worse",
  better: "better",
  new: "new",
  gone: "gone",
  other: "differs",
} as const;

function since(differences: readonly Difference[], startedAt: string): Part {
  const same = groupBy(differences, ({ host, ...rest }) => JSON.stringify(rest));
  return table(
    `Since the run of ${plain(startedAt)}`,
    ["", "What", "Where", "Before", "After"],
    same.flatMap((group) => {
      const [first] = group;
      if (first === undefined) return [];
      const { direction, what, before, after } = first;
      const where = hostList(group.map(({ host }) => host));
      return [[DIRECTION_WORDS[direction], plain(what), code(where), code(before ?? ""), code(after ?? "")]];
    }),
  );
}

/** A closed block for each group of hosts with the same changes. */
function changes(hosts: readonly HostRecord[]): Part[] {
  const groups = groupBy(
    hosts.filter((host) => changeCount(host) > 0),
    planShape,
  ).sort((a, b) => b.length - a.length);
  return groups.map((group, index) => {
    const [first] = group;
    const rows = (first?.tasks ?? []).flatMap((task, taskIndex) =>
      task.changes.map((change, changeIndex) => {
        const all = group.flatMap(({ tasks }) => tasks[taskIndex]?.changes[changeIndex] ?? []);
        const values = (of: "before" | "after") => code(mergeTexts(all.map((one) => one[of] ?? "")));
        const address = code(mergeTexts(all.map((one) => one.address)));
        return `| ${plain(task.task)} | ${address} | ${change.action} | ${values("before")} | ${values("after")} | ${change.restart ? "restart" : ""} |`;
      }),
    );
    return {
      head: [
        ...(index === 0 ? ["### Changes", ""] : []),
        `<details><summary>${plain(groupTitle(group, { verbose: false }))}</summary>`,
        "",
        "| Task | Address | | Before | After | |",
        "| --- | --- | --- | --- | --- | --- |",
      ],
      rows,
      foot: ["", "</details>"],
    };
  });
}

function impact(hosts: readonly Pick<HostRecord, "host" | "impact">[]): Part {
  return table(
    "Who will notice",
    ["Where", "What"],
    impactsAlike(hosts).map((kind) => [
      code(hostList(kind.map(({ host }) => host))),
      code(mergeTexts(kind.map(({ detail }) => detail))),
    ]),
  );
}

function allowed(hosts: readonly HostRecord[]): Part {
  return table(
    "Allowed by the playbook",
    ["Until", "State", "Parameter", "Controls", "Where"],
    allowedOnHosts(hosts).map(({ until, state, parameter, controls, hosts: where }) => [
      plain(until ?? ""),
      ALLOWED_STATES[state] || state,
      code(parameter),
      plain(controls.join(", ")),
      code(hostList(where)),
    ]),
  );
}

function waivers(title: string, all: readonly WaiverRecord[]): Part {
  return table(
    title,
    ["Until", "State", "Control", "Hosts", "Owner", "Reason"],
    all.map(({ expires, state, control, hosts, owner, reason }) => [
      plain(expires),
      state,
      plain(control),
      code(hosts),
      code(owner),
      code(reason),
    ]),
  );
}

function worstFirst(hosts: readonly HostRecord[]): HostRecord[] {
  const failing = ({ checks }: HostRecord) => checks.filter(({ outcome }) => outcome === "fail").length;
  const rank = (host: HostRecord) => (hasFailed(host.status) ? Number.MAX_SAFE_INTEGER : failing(host));
  return hosts.toSorted((a, b) => rank(b) - rank(a));
}

/** Text of a host as code: nothing in it is read, and nobody is called by it. */
function code(text: string): string {
  const line = literal(text.trim());
  return line === "" ? "" : `<code>${line}</code>`;
}

/** Text between our own. A mention is found in the finished page, where only another letter in it keeps it from calling. */
function plain(text: string): string {
  return literal(text).replaceAll("&#64;", "&#64;\u200b");
}

/**
 * One line that is shown as it stands. What Markdown, HTML or a table would read in it are character references, which
 * can never be part of markup; a code span would not do, since `\|` ends a cell in it.
 */
function literal(text: string): string {
  return oneLine(text)
    .replace(/[&<>"'`*_[\]\\|~#@$]|:(?=\/\/)/g, (sign) => `&#${sign.codePointAt(0)};`)
    .replace(/www\./gi, (sign) => sign.replace(".", "&#46;"));
}

const MAX_CELL = 500;

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length <= MAX_CELL ? line : `${line.slice(0, MAX_CELL)}…`;
}
