import { hostList, plural } from "../lib/words.ts";
import type { HostRecord, RunRecord } from "../record/record.ts";
import { hasFailed } from "../record/summary.ts";
import { accessText } from "./access-text.ts";
import { allowedControlsText, endingText } from "./allowed-text.ts";
import { certificatesText, firstToEnd } from "./certificates-text.ts";
import {
  belowFailOn,
  checkCounts,
  heldControlsText,
  notProven,
  openControlsText,
  otherServersText,
} from "./checks-text.ts";
import { errorsText } from "./errors-text.ts";
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
  pageOf,
  type TextContext,
} from "./layout.ts";
import { transportText } from "./transport-text.ts";
import { vantagesText } from "./vantages-text.ts";
import { expiredWaiversText, waiversText } from "./waivers-text.ts";

/** What verify says on stdout: the controls that fail, those left open, and how many hold. */
export function verifyText(record: RunRecord, context: TextContext): string {
  const page = pageOf(record, context);
  const counts = [...notChecked(page), checkCounts(page)].join(", ");
  const stopped = record.exitCode === 130 ? "Interrupted. " : "";
  const answer = `${stopped}${plural(page.hosts.length, "host")}: ${counts}.${notProven(page)}${belowFailOn(page)}`;
  if (isQuiet(page)) return oneLine(answer + firstToEnd(page), page);
  const news = newsOf(page);
  return finish(
    blocks(
      headingText(page),
      stoppedText(page),
      [...expiredWaiversText(page), ...endingText(page)],
      openControlsText(news),
      betterText(page),
      knownText(page),
      [
        ...allowedControlsText(page),
        ...heldControlsText(page),
        ...otherServersText(page),
        ...vantagesText(page),
        ...waiversText(page),
      ],
      certificatesText(page),
      accessText(page),
      transportText(page),
      errorsText(news),
      lastLines(answer, next(page), page),
    ),
    page,
  );
}

/** First of all: most of what fails or is unknown below follows from it. */
function stoppedText(page: Page): string[] {
  const stopped = page.hosts.filter(({ server }) => server?.isStopped === true).map(({ host }) => host);
  if (stopped.length === 0) return [];
  return hanging(
    `${page.paint("red", page.signs.bad)} `,
    `${hostList(stopped)}: Redis does not run. What only a running server can tell is not checked.`,
    page.width,
  );
}

/** The hosts whose checks are missing from the counts. */
function notChecked(page: Page): string[] {
  const { unreachable, failed, refused, unknown, notStarted } = page.record.summary;
  const lost = failed + refused + unknown;
  return [
    ...(unreachable > 0 ? [`${unreachable} unreachable`] : []),
    ...(lost > 0 ? [`${lost} failed`] : []),
    ...(notStarted > 0 ? [`${notStarted} not started`] : []),
  ];
}

function next(page: Page): string[] {
  const namesWhere = (test: (host: HostRecord) => boolean) => page.hosts.filter(test).map(({ host }) => host);
  const failing = namesWhere(({ checks }) => checks.some(({ outcome }) => outcome === "fail"));
  const lost = namesWhere(({ status }) => hasFailed(status) || status === "not-started");
  const lacking = namesWhere(({ checks }) => checks.some(({ blockedBy }) => blockedBy === "rights"));
  // A plan needs root, and looks at nothing without it.
  if (lacking.length > 0) return [`Next: ${asRoot(page, limitTo(lacking, page.hosts))}`];
  if (failing.length > 0) return [`Next: ${nextCommand(page, "plan", limitTo(failing, page.hosts))}`];
  if (lost.length > 0) return [`Then: ${nextCommand(page, "verify", limitTo(lost, page.hosts))}`];
  // Checks that lacked a login: the plan says what is wrong with it.
  return page.record.exitCode === 3 ? [`Next: ${nextCommand(page, "plan")}`] : [];
}

/** `--become` is the way to root, unless it was given already and led to somebody else. */
function asRoot(page: Page, limit: readonly string[]): string {
  const { otherArguments = [] } = page;
  if (otherArguments.includes("--become")) return "log in as root, or become root: all else was checked";
  const becoming = { ...page, otherArguments: [...withoutBecome(otherArguments), "--become"] };
  return `${nextCommand(becoming, "verify", limit)}     (as root, which some checks need)`;
}

/** An `-e ansible_become=false` would be stronger than the option. */
function withoutBecome(words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    if (words[index - 1] === "-e") return [];
    if (word !== "-e") return [word];
    const value = words[index + 1] ?? "";
    const rest = value.replace(/(^|\s+)ansible_become=\S*/g, "").trim();
    return rest === "" ? [] : [word, rest];
  });
}
