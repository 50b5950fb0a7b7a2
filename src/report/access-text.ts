import { groupBy } from "../history/alike.ts";
import { hostList } from "../lib/words.ts";
import type { AccessRecord, HostRecord } from "../record/record.ts";
import { hanging, type Page, pad, widthOf } from "./layout.ts";

type Known = HostRecord & { access: AccessRecord };

/**
 * What users may do: with -v each of them, hosts that are alike once; else only those who may run something dangerous and not
 * everything, as administrators may. Then what has changed since an earlier run.
 */
export function accessText(page: Page): string[] {
  const known = page.hosts.filter((host): host is Known => host.access !== undefined);
  const groups = groupBy(known, ({ access }) => JSON.stringify(access));
  const changed = page.hosts.flatMap(({ host, impact }) =>
    impact
      .filter(({ kind }) => kind === "access-changed")
      .flatMap(({ detail }) =>
        hanging(`${page.paint("yellow", page.signs.warning)} `, `${host}: ${detail}`, page.width),
      ),
  );
  const told = page.verbose
    ? groups.flatMap((group) => tableText(group, page))
    : groups.flatMap((group) => shortText(group, page));
  return [...told, ...changed];
}

interface Rights {
  user: string;
  dangerous: Share;
  ordinary: Share;
}

interface Share {
  allowed: string[];
  denied: string[];
}

function rightsOf({ commands, users }: AccessRecord): Rights[] {
  return users
    .filter(({ enabled }) => enabled)
    .map(({ user, nopass, allowed }) => {
      const share = (isDangerous: boolean): Share => {
        const answered = (answer: boolean) =>
          commands
            .filter(({ dangerous }, index) => dangerous === isDangerous && allowed[index] === answer)
            .map(({ command }) => command);
        return { allowed: answered(true), denied: answered(false) };
      };
      return {
        user: nopass ? `${user} (no password)` : user,
        dangerous: share(true),
        ordinary: share(false),
      };
    });
}

function shortText(group: readonly Known[], page: Page): string[] {
  const [first] = group;
  if (first === undefined) return [];
  const some = rightsOf(first.access).filter(
    ({ dangerous }) => dangerous.allowed.length > 0 && !isUnbounded(dangerous),
  );
  return some.flatMap(({ user, dangerous }) =>
    hanging(
      `${page.paint("yellow", page.signs.warning)} `,
      `${hostList(group.map(({ host }) => host))}: user ${user} may run ${listed(dangerous)}`,
      page.width,
    ),
  );
}

/** Commands that are renamed or taken away are denied to administrators too. */
function isUnbounded({ allowed }: Share): boolean {
  return ["ACL SETUSER", "CLIENT KILL", "SAVE"].every((command) => allowed.includes(command));
}

/** A row for each user: what it may of the dangerous commands, and of those that every client needs. */
function tableText(group: readonly Known[], page: Page): string[] {
  const [first] = group;
  if (first === undefined) return [];
  const rights = rightsOf(first.access);
  const off = first.access.users.filter(({ enabled }) => !enabled).map(({ user }) => user);
  const width = Math.min(20, Math.max(4, ...rights.map(({ user }) => widthOf(user)), ...off.map(widthOf)));
  const row = (user: string, kind: string, text: string) =>
    hanging(`  ${pad(user, width)}  ${pad(kind, 9)}  `, text, page.width);
  const title = `What users may do on ${hostList(group.map(({ host }) => host))} (${first.access.method})`;
  return [
    ...hanging("", title, page.width).map((line) => page.paint("bold", line)),
    ...rights.flatMap(({ user, dangerous, ordinary }) => [
      ...row(user, "dangerous", listed(dangerous)),
      ...row("", "ordinary", listed(ordinary)),
    ]),
    ...off.flatMap((user) => row(user, "off", "")),
  ];
}

function listed({ allowed, denied }: Share): string {
  if (allowed.length === 0) return "none";
  if (denied.length === 0) return `all ${allowed.length}`;
  return denied.length < allowed.length ? `all but ${denied.join(", ")}` : allowed.join(", ");
}
