import { groupBy } from "../history/alike.ts";
import { hostList, plural } from "../lib/words.ts";
import type { WaiverRecord } from "../record/record.ts";
import { hanging, type Page, pad } from "./layout.ts";

/** The waivers that no longer hold: what they covered fails again. */
export function expiredWaiversText(page: Page): string[] {
  return of(page, "expired").flatMap((waiver) =>
    waiverText(page.paint("red", page.signs.bad), waiver, `the waiver expired on ${waiver.expires}`, page),
  );
}

/** What is waived and until when: those that end soon in full, the others counted, all of them with -v. */
export function waiversText(page: Page): string[] {
  const ending = of(page, "ending").flatMap((waiver) =>
    waiverText(
      page.paint("yellow", page.signs.warning),
      waiver,
      `the waiver ends after ${waiver.expires}`,
      page,
    ),
  );
  const unused = of(page, "unused").flatMap((waiver) =>
    waiverText(page.signs.skipped, waiver, "nothing needed the waiver in this run: it can go", page),
  );
  return [...ending, ...waivedText(page), ...(page.verbose ? unused : [])];
}

function of({ record }: Page, state: WaiverRecord["state"]): WaiverRecord[] {
  return (record.waivers ?? []).filter((waiver) => waiver.state === state);
}

function waiverText(sign: string, waiver: WaiverRecord, what: string, page: Page): string[] {
  const { control, hosts, owner, reason } = waiver;
  return [
    ...hanging(`${sign} ${pad(control, 11)}`, what, page.width),
    ...hanging("    ", `${hosts}: ${reason} (${owner})`, page.width),
  ];
}

/** The failures that were waived, by control. */
function waivedText(page: Page): string[] {
  const waived = page.hosts.flatMap(({ host, checks }) =>
    checks.flatMap((check) => (check.waiver === undefined ? [] : [{ host, ...check, waiver: check.waiver }])),
  );
  if (waived.length === 0) return [];
  const hint = page.verbose ? "" : "     (-v lists them)";
  const words = `${page.signs.skipped} ${plural(waived.length, "failure is", "failures are")} waived${hint}`;
  if (!page.verbose) return [page.paint("dim", words)];
  const alike = groupBy(waived, ({ control, title, observed, waiver }) =>
    JSON.stringify([control, title, observed, waiver]),
  );
  return [
    page.paint("dim", words),
    ...alike.flatMap((same) => {
      const [first] = same;
      if (first === undefined) return [];
      const { reason, owner, expires } = first.waiver;
      const hosts = hostList(same.map(({ host }) => host));
      return [
        ...hanging(`  ${pad(first.control, 11)}`, first.title, page.width),
        ...hanging("    ", `${hosts}: ${first.observed}`, page.width),
        ...hanging("    ", `waived until ${expires} by ${owner}: ${reason}`, page.width),
      ];
    }),
  ];
}
