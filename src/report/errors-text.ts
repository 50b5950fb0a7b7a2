import { groupBy, mergeTexts, sentenceShapeOf } from "../history/alike.ts";
import { grouped, hostList, plural } from "../lib/words.ts";
import type { HostErrorRecord, HostRecord } from "../record/record.ts";
import { hasFailed } from "../record/summary.ts";
import { statusInWords } from "../record/words.ts";
import { hanging, type Page, pad } from "./layout.ts";

/** Kinds of failure that are told in full; the hosts of further kinds are named in one line, unless -v is given. */
const KINDS_IN_FULL = 5;
/** More host names than this nobody types into a command. */
const FEW_TO_TYPE = 5;

/**
 * Every host that failed or was refused, with the four parts: where, what was found, the state that the host is in,
 * what to do. The same failure on several hosts is told once.
 */
export function errorsText(page: Page): string[] {
  const failed = page.hosts.filter((host) => host.error !== null || hasFailed(host.status));
  const kinds = groupBy(failed, errorShape).sort((a, b) => b.length - a.length);
  const full = page.verbose ? kinds : kinds.slice(0, KINDS_IN_FULL);
  const rest = kinds.slice(full.length).flat();
  const lines = full.flatMap((hosts) => [...errorText(hosts, page), ""]);
  if (rest.length === 0) return lines.slice(0, -1);
  const others = `${hostList(rest.map(({ host }) => host))}: failed in other ways (-v shows them)`;
  return [...lines, ...hanging(`${page.signs.bad} `, others, page.width)];
}

function errorShape({ host, status, error }: HostRecord): string {
  if (error === null) return JSON.stringify([status]);
  const { where, found, state, remedy, guards } = error;
  const parts = [where, found, state, remedy].map((text) => sentenceShapeOf(text, host));
  return JSON.stringify([status, ...parts, ...guards]);
}

function errorText(hosts: readonly HostRecord[], page: Page): string[] {
  const [first] = hosts;
  if (first === undefined) return [];
  const errors = hosts.flatMap((host) => host.error ?? []);
  const part = (of: (error: HostErrorRecord) => string) => mergeTexts(errors.map(of), page.verbose ? 50 : 3);
  const isRefused = first.status === "refused";
  const sign = isRefused ? page.signs.warning : page.signs.bad;
  const names = hostList(hosts.map(({ host }) => host));
  const where = part((error) => error.where);
  const title = `${names}  ${statusInWords(first.status)}${where === "" ? "" : `: ${where}`}`;
  const accepts = (first.error?.guards ?? []).map((guard) => `--accept ${guard}`).join(" ");
  return [
    ...hanging(`${sign} `, title, page.width).map((line) => page.paint(isRefused ? "yellow" : "red", line)),
    ...labelled(
      "Found",
      part((error) => error.found),
      page,
    ),
    ...labelled(
      "State",
      part((error) => error.state),
      page,
    ),
    ...labelled("Do", remedy(hosts, page), page),
    ...labelled("Or", accepts === "" ? "" : `take the risk: ${accepts}`, page),
  ];
}

/** What to do on all of `hosts`: a command that names one of them names all, so that it can be copied. */
function remedy(hosts: readonly HostRecord[], page: Page): string {
  const names = hosts.map(({ host }) => host);
  const choice =
    names.length <= FEW_TO_TYPE || page.recordPath === undefined
      ? `--limit ${names.join(",")}`
      : `--retry-failed ${page.recordPath}`;
  const remedies = hosts.flatMap(({ host, error }) =>
    error === null ? [] : error.remedy.split(`--limit ${host}`).join(choice),
  );
  // A command of ours stands on a line of its own, which is never wrapped.
  return mergeTexts(remedies).replace(/: (?=redkeep [a-z]+ )/g, ":\n");
}

function labelled(label: string, text: string, page: Page): string[] {
  if (text.trim() === "") return [];
  return text
    .trimEnd()
    .split("\n")
    .flatMap((line, index) => {
      const width = line.startsWith("redkeep ") ? Number.POSITIVE_INFINITY : page.width;
      return hanging(`    ${pad(index === 0 ? label : "", 7)}`, line, width);
    });
}

/** `3 hosts: 2 changed, 1 rolled back`: every host of the run is counted in one of the parts. */
export function hostCounts(page: Page): string {
  const { summary, command } = page.record;
  const pending = summary.changes > 0 ? ` (${plural(summary.changes, "change")})` : "";
  // That no host would change, or did, is an answer too.
  const parts: { count: number; words: string; always?: boolean }[] = [
    { count: summary.wouldChange, words: `would change${pending}`, always: command === "plan" },
    { count: summary.changed, words: "changed", always: command === "apply" },
    { count: summary.unchanged, words: "as wanted" },
    { count: summary.restored ?? 0, words: "put back" },
    { count: summary.rolledBack, words: "rolled back" },
    { count: summary.failed, words: "failed" },
    { count: summary.refused, words: "refused" },
    { count: summary.unreachable, words: "unreachable" },
    { count: summary.unknown, words: "in an unknown state" },
    { count: summary.notStarted, words: "not started" },
  ];
  const told = parts.filter(({ count, always }) => count > 0 || always);
  return `${plural(summary.hosts, "host")}: ${told.map(({ count, words }) => `${grouped(count)} ${words}`).join(", ")}`;
}
