import { structuredPatch } from "diff";
import { groupBy, mergeTexts, sentenceShapeOf, shapeOf } from "../history/alike.ts";
import { hostList, plural } from "../lib/words.ts";
import type { ChangeRecord, HostRecord, TaskRecord } from "../record/record.ts";
import { changeCount } from "../record/summary.ts";
import { hanging, type Page, pad, widthOf } from "./layout.ts";

/** Groups of hosts beyond these are named in a line each, and then only counted, unless -v is given. */
const GROUPS_IN_FULL = 3;
const GROUPS_NAMED = 10;
/** A difference of more lines than this is only counted, unless --diff is given. */
const SMALL_DIFF = 8;
/** On a wide terminal, what stands at the right stays this near to what it belongs to. */
const MAX_RIGHT = 100;

/** What changes on `hosts`: the same changes once for all hosts that share them, most hosts first. */
export function changesText(hosts: readonly HostRecord[], page: Page): string[] {
  const groups = groupBy(hosts, planShape).sort((a, b) => b.length - a.length);
  const full = page.verbose ? groups : groups.slice(0, GROUPS_IN_FULL);
  const named = page.verbose ? [] : groups.slice(GROUPS_IN_FULL, GROUPS_NAMED);
  const counted = page.verbose ? [] : groups.slice(GROUPS_NAMED);
  const lines = full.flatMap((group) => [...groupText(group, page), ""]);
  for (const group of named)
    lines.push(...hanging("", groupTitle(group, page, " (-v shows them)"), page.width));
  if (counted.length > 0) {
    lines.push(
      `${hostList(counted.flat().map(nameOf))}: ${plural(counted.length, "more plan")} (-v shows them)`,
    );
  }
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** What the run does on the machine that it was started on: the same change of several clients once. */
export function controllerText(page: Page): string[] {
  const { controller } = page.record;
  if (controller === undefined || (controller.changes.length === 0 && controller.impact.length === 0))
    return [];
  const { changes, status, state, impact } = controller;
  const where = `On this controller (${state}/pki/clients)`;
  const count = `${where}: ${plural(changes.length, "change")}, no host is touched for ${changes.length === 1 ? "it" : "them"}`;
  const isLeft = status === "would-change" && page.record.command === "apply";
  const title = changes.length === 0 ? where : `${count}${isLeft ? "; left as it was" : ""}`;
  const alike = page.verbose
    ? changes.map((one) => [one])
    : groupBy(changes, ({ action, before, after }) => JSON.stringify([action, before, after]));
  const lines = alike.flatMap((same) => {
    const [first] = same;
    if (first === undefined) return [];
    const names = same.map(({ address }) => splitAddress(address)[1]);
    const named = names.slice(0, CLIENTS_NAMED).join(", ");
    const more = names.length > CLIENTS_NAMED ? ` and ${names.length - CLIENTS_NAMED} more` : "";
    return [{ ...first, address: `pki:${named}${more}` }];
  });
  const keyWidth = Math.max(0, ...lines.map(({ address }) => widthOf(splitAddress(address)[1])));
  const warnings = impact.flatMap(({ detail }) =>
    hanging(`  ${page.paint("yellow", page.signs.warning)} `, detail, page.width),
  );
  return [
    ...hanging("", title, page.width).map((line) => page.paint("bold", line)),
    ...(changes.length === 0 ? [] : [""]),
    ...lines.flatMap((change) => changeText([change], [], Math.min(keyWidth, 26), page)),
    ...warnings,
  ];
}

const CLIENTS_NAMED = 8;

/** `; 2 client certificates to issue here`, after the counts of hosts. */
export function controllerCount({ record }: Page): string {
  const { changes = [], status } = record.controller ?? {};
  if (changes.length === 0) return "";
  return `; ${plural(changes.length, "client certificate")} ${status === "changed" ? "issued" : "to issue"} here`;
}

/**
 * Hosts with the same key are told once. The values that a change replaces do not count: what matters is what the
 * hosts become. Of the new values, only the host's own name and addresses may differ.
 */
export function planShape({ host, tasks }: HostRecord): string {
  return JSON.stringify(
    tasks.map((task) => [
      task.task,
      task.name,
      task.status,
      task.reason === null ? null : sentenceShapeOf(task.reason, host),
      task.changes.map((change) => [
        shapeOf(change.address, host),
        change.action,
        change.restart,
        change.after === null ? null : shapeOf(change.after, host),
      ]),
    ]),
  );
}

function groupText(group: readonly HostRecord[], page: Page): string[] {
  const first = group[0];
  if (first === undefined) return [];
  const taskWidth = Math.max(12, ...first.tasks.map((task) => widthOf(task.task))) + 2;
  const keyWidth = Math.min(
    page.width < 100 ? 18 : 26,
    Math.max(
      ...first.tasks.flatMap((task) =>
        task.changes.map((change) => widthOf(splitAddress(change.address)[1])),
      ),
    ),
  );
  return [
    ...hanging("", groupTitle(group, page), page.width).map((line) => page.paint("bold", line)),
    "",
    ...first.tasks.flatMap((_, index) => {
      const tasks = group.flatMap((host) => host.tasks[index] ?? []);
      return taskText(tasks, group, taskWidth, keyWidth, page);
    }),
  ];
}

export function groupTitle(group: readonly HostRecord[], page: { verbose: boolean }, note = ""): string {
  const first = group[0];
  const count = first === undefined ? 0 : changeCount(first);
  const same = group.length > 1 ? "the same " : "";
  const restarts = group.filter((host) => host.restart.needed).length;
  const each = group.length > 1 ? " each" : "";
  const restart =
    restarts === 0
      ? "no restart"
      : restarts === group.length
        ? `one restart${each}`
        : `one restart on ${hostList(group.filter((host) => host.restart.needed).map(nameOf))}`;
  const list = page.verbose ? group.map(nameOf).join(", ") : hostList(group.map(nameOf));
  return `${list}: ${same}${plural(count, "change")}, ${restart}${note}`;
}

/** One task of a group of hosts, all of the same shape: its sentence, then a line for each change. */
function taskText(
  tasks: readonly TaskRecord[],
  group: readonly HostRecord[],
  taskWidth: number,
  keyWidth: number,
  page: Page,
): string[] {
  const [first] = tasks;
  if (first === undefined) return [];
  const reason = mergeTexts(tasks.flatMap((task) => task.reason ?? []));
  const label = `  ${pad(first.task, taskWidth)}`;
  const because = (words: string) => (reason === "" ? words : `${words}: ${reason}`);
  if (first.changes.length === 0) {
    const lines = hanging(label, because(first.status === "ok" ? "as wanted" : first.status), page.width);
    return lines.map((line) => page.paint(isStopped(first) ? "red" : "dim", line));
  }
  const sentence = isStopped(first) ? `${first.name}; ${because(first.status)}` : because(first.name);
  return [
    ...hanging(label, sentence, page.width),
    ...first.changes.flatMap((_, index) => {
      const changes = tasks.flatMap((task) => task.changes[index] ?? []);
      return changeText(changes, group, keyWidth, page);
    }),
  ];
}

function isStopped({ status }: TaskRecord): boolean {
  return status === "failed" || status === "blocked";
}

const STYLES = { create: "green", update: "yellow", delete: "red" } as const;
const SIGNS = { create: "+", update: "~", delete: "-" } as const;

function changeText(
  changes: readonly ChangeRecord[],
  group: readonly HostRecord[],
  keyWidth: number,
  page: Page,
): string[] {
  const [first] = changes;
  if (first === undefined) return [];
  const variants = page.verbose ? Number.POSITIVE_INFINITY : 3;
  const [kind, key] = splitAddress(
    mergeTexts(
      changes.map((change) => change.address),
      variants,
    ),
  );
  const sign = page.paint(STYLES[first.action], SIGNS[first.action]);
  const isLong = changes.some((change) => `${change.before}${change.after}`.includes("\n"));
  const { value, diff } = isLong
    ? difference(changes, group, page)
    : { value: valueText(changes, variants), diff: [] };

  const start = `    ${sign} ${pad(kind, 10)}  ${pad(key, keyWidth)}  `;
  const column = 4 + 2 + 10 + 2 + keyWidth + 2;
  const restart = first.restart ? page.signs.restart : "";
  const right = restart === "" ? page.width : Math.min(page.width, MAX_RIGHT) - widthOf(restart) - 2;
  // A key that is longer than its column, such as a path, has the line for itself where the value does not fit beside it.
  const isBelow = widthOf(start) > column && widthOf(start) + widthOf(value) > right;
  const [head = "", ...more] = isBelow
    ? [start.trimEnd(), ...hanging(" ".repeat(column), value, page.width)]
    : hanging(start, value, right);
  const marker = page.paint("yellow", restart);
  if (restart === "") return [head, ...more, ...diff];
  return widthOf(head) > right
    ? [head, ...more, " ".repeat(column) + marker, ...diff]
    : [`${pad(head, right)}  ${marker}`, ...more, ...diff];
}

/** `redis.conf:bind` is `redis.conf` and `bind`: the kind of address, and the rest, which may hold colons. */
function splitAddress(address: string): [string, string] {
  const colon = address.indexOf(":");
  return colon < 0 ? ["", address] : [address.slice(0, colon), address.slice(colon + 1)];
}

function valueText(changes: readonly ChangeRecord[], variants: number): string {
  const before = mergeTexts(
    changes.map((change) => shown(change.before)),
    variants,
  );
  const after = mergeTexts(
    changes.map((change) => shown(change.after)),
    variants,
  );
  switch (changes[0]?.action) {
    case "create":
      return after;
    case "delete":
      return before;
    default:
      // Both hidden, as with a password: that it changes is all there is to say.
      return before === after ? (before === "" ? "changed" : `${before}, changed`) : `${before} → ${after}`;
  }
}

function shown(value: string | null): string {
  return value === "" ? '""' : (value ?? "");
}

/** A change of several lines: how many, and a unified diff where it is small or asked for. */
function difference(
  changes: readonly ChangeRecord[],
  group: readonly HostRecord[],
  page: Page,
): { value: string; diff: string[] } {
  // Where hosts differ by more than a word here and there, one host stands for all.
  const texts = changes.map((change) => `${change.before ?? ""}\0${change.after ?? ""}`);
  const sameLength = new Set(texts.map((text) => text.split(/\s+/).length)).size === 1;
  const [before = "", after = ""] = (sameLength ? mergeTexts(texts) : (texts[0] ?? "")).split("\0");
  const patch = structuredPatch("before", "after", withEnd(before), withEnd(after), "", "", {
    context: 2,
    // Two long texts with nothing in common would take seconds to compare.
    maxEditLength: 1_000,
  });
  if (patch === undefined) return { value: "too different to show line by line", diff: [] };
  const lines = patch.hunks.flatMap((hunk, index) => [...(index === 0 ? [] : ["…"]), ...hunk.lines]);
  const added = lines.filter((line) => line.startsWith("+")).length;
  const removed = lines.filter((line) => line.startsWith("-")).length;
  const counts = [
    ...(added > 0 ? [`${plural(added, "line")} added`] : []),
    ...(removed > 0 ? [`${plural(removed, "line")} removed`] : []),
  ].join(", ");
  const example = sameLength ? "" : `, here on ${group[0]?.host}`;
  const show = page.diff || lines.length <= SMALL_DIFF;
  const value = `${counts || "changed"}${example}${show ? "" : " (--diff shows them)"}`;
  return { value, diff: show ? lines.map((line) => diffLine(line, page)) : [] };
}

/** Without it, a missing line break at the end of the text would be a difference of its own. */
function withEnd(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

function diffLine(line: string, page: Page): string {
  const style = line.startsWith("+") ? "green" : line.startsWith("-") ? "red" : "dim";
  return `        ${page.paint(style, line.replaceAll("\t", "    "))}`;
}

function nameOf({ host }: HostRecord): string {
  return host;
}
