import { groupBy, mergeTexts } from "./alike.ts";
import { controlsOf, type HostCheck, seenAlike } from "./checks-text.ts";
import { hanging, type Page, pad } from "./layout.ts";
import type { AllowedRecord, HostRecord } from "./record.ts";
import { isAllowed } from "./summary.ts";
import { hostList } from "./words.ts";

/** A weakening that the playbook asks for, with the hosts on which it does. */
export interface AllowedOnHosts extends AllowedRecord {
  hosts: string[];
}

/** What the playbook leaves unmet, those that end first of all. */
export function allowedOnHosts(hosts: readonly HostRecord[]): AllowedOnHosts[] {
  const all = hosts.flatMap(({ host, allowed = [] }) => allowed.map((one) => ({ host, ...one })));
  return groupBy(all, ({ host, ...rest }) => JSON.stringify(rest))
    .flatMap((same) => {
      const [first] = same;
      if (first === undefined) return [];
      const { host, ...rest } = first;
      return [{ ...rest, hosts: same.map((one) => one.host) }];
    })
    .sort((a, b) => (a.until ?? "~").localeCompare(b.until ?? "~", "en"));
}

/** What the playbook allowed until a day that has come, or will within weeks: a warning in plan, apply and verify. */
export function endingText(page: Page): string[] {
  return allowedOnHosts(page.hosts).flatMap(({ state, parameter, reason, controls, hosts }) => {
    if (state === "open") return [];
    const sign =
      state === "ended" ? page.paint("red", page.signs.bad) : page.paint("yellow", page.signs.warning);
    const verb = controls.length === 1 ? "fails" : "fail";
    const when = state === "ended" ? `${verb}. Change it, or name a later day` : `${verb} from then on`;
    const text = `${parameter} ${reason.replace(/^allowed/, "is allowed")} (${hostList(hosts)}): ${controls.join(", ")} ${when}`;
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
