import { groupBy, mergeTexts } from "../history/alike.ts";
import { hostList } from "../lib/words.ts";
import type { AllowedRecord, CheckRecord, HostRecord } from "../record/record.ts";
import { isAllowed } from "../record/summary.ts";
import { controlsOf, type HostCheck, seenAlike } from "./checks-text.ts";
import { hanging, type Page, pad } from "./layout.ts";

/** A weakening that the playbook asks for, with the hosts on which it does, and what their checks say of it. */
export interface AllowedOnHosts extends Omit<AllowedRecord, "state"> {
  /** Beside the record's: `met` where the host meets the demand all the same, `waived` where its day has come and a waiver covers it. */
  state: AllowedRecord["state"] | "met" | "waived";
  waiver?: NonNullable<CheckRecord["waiver"]>;
  hosts: string[];
}

/** What the playbook leaves unmet, those that end first of all and what hosts meet last. */
export function allowedOnHosts(hosts: readonly HostRecord[]): AllowedOnHosts[] {
  const all = hosts.flatMap(({ host, checks, allowed = [] }) =>
    allowed.map((one) => ({ host, ...asChecked(one, checks) })),
  );
  const rank = ({ state, until }: AllowedOnHosts) => `${state === "met" ? 1 : 0}${until ?? "~"}`;
  return groupBy(all, ({ host, ...rest }) => JSON.stringify(rest))
    .flatMap((same) => {
      const [first] = same;
      if (first === undefined) return [];
      const { host, ...rest } = first;
      return [{ ...rest, hosts: same.map((one) => one.host) }];
    })
    .sort((a, b) => rank(a).localeCompare(rank(b), "en"));
}

/** As the checks of its host have it; a plan makes none. */
function asChecked(
  one: AllowedRecord,
  checks: readonly CheckRecord[],
): AllowedRecord | Omit<AllowedOnHosts, "hosts"> {
  // A check of two parameters names both.
  const by = checks.filter(({ allowed }) => allowed?.parameter.split(" and ").includes(one.parameter));
  const [first] = by;
  if (first !== undefined) {
    const controls = [...new Set(by.map(({ control }) => control))];
    const isCovered = one.state === "ended" && by.every(({ waiver }) => waiver !== undefined);
    return isCovered && first.waiver !== undefined
      ? { ...one, controls, state: "waived", waiver: first.waiver }
      : { ...one, controls };
  }
  const about = checks.filter(({ control }) => one.controls.includes(control));
  const isMet = about.some(({ outcome }) => outcome === "pass") && about.every(holds);
  return isMet ? { ...one, state: "met" } : one;
}

const holds = ({ outcome }: CheckRecord): boolean => outcome === "pass" || outcome === "skip";

/** How a table says what has become of it. */
export const ALLOWED_STATES = {
  open: "",
  ending: "ends soon",
  ended: "ended",
  met: "allowed, but the host meets the demand",
  waived: "ended, waived",
} as const satisfies Record<AllowedOnHosts["state"], string>;

/** What the playbook allowed until a day that has come, or will within weeks: a warning in plan, apply and verify. */
export function endingText(page: Page): string[] {
  return allowedOnHosts(page.hosts).flatMap(({ state, parameter, reason, controls, hosts, waiver }) => {
    if (state === "open" || state === "met") return [];
    const sign = {
      ending: page.paint("yellow", page.signs.warning),
      ended: page.paint("red", page.signs.bad),
      waived: page.signs.skipped,
    }[state];
    const verb = controls.length === 1 ? "fails" : "fail";
    const what = {
      ending: `${verb} from then on`,
      ended: `${verb}. Change it, or name a later day`,
      waived: `waived until ${waiver?.expires} by ${waiver?.owner}: ${waiver?.reason}`,
    }[state];
    const text = `${parameter} ${reason.replace(/^allowed/, "is allowed")} (${hostList(hosts)}): ${controls.join(", ")} ${what}`;
    return hanging(`${sign} `, text, page.width);
  });
}

/** For a plan, which makes no checks: what it leaves unmet. */
export function allowedParametersText(page: Page): string[] {
  const open = allowedOnHosts(page.hosts).filter(({ state }) => state === "open");
  return open.length === 0
    ? []
    : [
        page.paint("bold", "Allowed by the playbook, though a control demands more"),
        ...open.flatMap(({ parameter, until, controls, hosts }) => {
          const ends = until === undefined ? "" : `, until ${until}`;
          const text = `${parameter} (${controls.join(", ")}${ends}): ${hostList(hosts)}`;
          return hanging(`  ${page.signs.skipped} `, text, page.width);
        }),
      ];
}

/** The controls whose demand the playbook leaves unmet, each with its hosts and what was seen there. */
export function allowedControlsText(page: Page): string[] {
  return controlsOf(page).flatMap((checks) =>
    groupBy(checks.filter(isAllowed), ({ allowed }) => JSON.stringify(allowed)).flatMap((same) => {
      const [first] = same;
      if (first?.allowed === undefined) return [];
      const { control, title, severity, allowed } = first;
      const head = `${title} (${severity}): ${allowed.parameter} is ${allowed.reason}`;
      return [
        ...hanging(`${page.signs.skipped} ${pad(control, 11)}`, head, page.width),
        ...seenAlike(same).flatMap((alike) => hanging("    ", seen(alike, page), page.width)),
      ];
    }),
  );
}

function seen(alike: readonly HostCheck[], page: Page): string {
  const merged = (of: (check: HostCheck) => string) => mergeTexts(alike.map(of), page.verbose ? 50 : 3);
  const hosts = hostList([...new Set(alike.map(({ host }) => host))]);
  return `${hosts}: ${merged(({ observed }) => observed)}; demanded ${merged(({ expected }) => expected)}`;
}
