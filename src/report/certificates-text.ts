import { groupBy } from "../history/alike.ts";
import { hostList, plural } from "../lib/words.ts";
import type { CertificateRecord, HostRecord, RunRecord } from "../record/record.ts";
import type { CertificateState } from "../record/statuses.ts";
import { hanging, type Page, pad } from "./layout.ts";

/** A certificate of the run with whose it is: a host's or client's name, "" for a CA that all have. */
interface Owned extends CertificateRecord {
  owner: string;
}

/** Names of one kind that are written out without -v. */
const NAMED = 4;
const DAY_MS = 86_400_000;

/** When each certificate ends that the run has seen: a line for the servers, the CA and the clients; with -v one for each. */
export function certificatesText(page: Page): string[] {
  const kinds: [string, Owned[]][] = [
    ["servers", serversOf(page.hosts)],
    ["CA", authoritiesOf(page.record)],
    ["clients", clientsOf(page.record)],
  ];
  const lines = kinds.flatMap(([kind, all]) => kindText(kind, all, page));
  return lines.length === 0 ? [] : [page.paint("bold", "Certificates"), ...lines];
}

/** ` First certificate to end: client app, on 2029-03-04.`; nothing where none was seen. */
export function firstToEnd({ record }: Pick<Page, "record">): string {
  const [first] = byEnd(allOf(record));
  if (first === undefined) return "";
  const whose =
    first.name === "ca" ? "the CA" : `${first.name === "server" ? "host" : "client"} ${first.owner}`;
  return ` First certificate to end: ${whose}, on ${dayOf(first)}.`;
}

function allOf(record: RunRecord): Owned[] {
  return [...serversOf(record.hosts), ...authoritiesOf(record), ...clientsOf(record)];
}

/** For tables: what ends on the same day in a row, the worst and the first to end before all others. */
export function certificateRows(record: RunRecord): { what: string; ends: string; state: string }[] {
  const sorted = ORDER.flatMap((state) =>
    byEnd(
      allOf(record).filter((one) => one.state === state),
      true,
    ),
  );
  const kindOf = ({ name }: Owned) => (name.startsWith("client:") ? "client" : name);
  const alike = groupBy(sorted, (one) => JSON.stringify([kindOf(one), dayOf(one), one.state, one.found]));
  return alike.flatMap((same) => {
    const [first] = same;
    if (first === undefined) return [];
    const owners = same.flatMap(({ owner }) => owner || []);
    const named =
      owners.length > NAMED
        ? `${owners.slice(0, NAMED).join(", ")} and ${owners.length - NAMED} more`
        : owners.join(", ");
    const kind = kindOf(first) === "ca" ? "CA" : kindOf(first);
    return [{ what: `${kind} ${named}`.trim(), ends: dayOf(first), state: first.found || first.state }];
  });
}

function serversOf(hosts: readonly HostRecord[]): Owned[] {
  return hosts.flatMap(({ host, certificates = [] }) =>
    certificates.filter(({ name }) => name === "server").map((one) => ({ ...one, owner: host })),
  );
}

/** The controller's and those on hosts, each end once: hosts are named where there are several. */
function authoritiesOf({ hosts, controller }: RunRecord): Owned[] {
  const onHosts = hosts.flatMap(({ host, certificates = [] }) =>
    certificates.filter(({ name }) => name === "ca").map((one) => ({ ...one, owner: host })),
  );
  const here = (controller?.certificates ?? []).filter(({ name }) => name === "ca");
  const all = [...here.map((one) => ({ ...one, owner: "" })), ...onHosts];
  const ends = groupBy(all, ({ ends }) => String(ends));
  const whose = (same: readonly Owned[]) => hostList(same.flatMap(({ owner }) => owner || []));
  return ends.flatMap((same) =>
    same.slice(0, 1).map((one) => ({ ...one, owner: ends.length === 1 ? "" : whose(same) })),
  );
}

function clientsOf({ controller }: RunRecord): Owned[] {
  return (controller?.certificates ?? []).flatMap((one) =>
    one.name.startsWith("client:") ? [{ ...one, owner: one.name.slice("client:".length) }] : [],
  );
}

/** The worst first. */
const ORDER: readonly CertificateState[] = ["ended", "unusable", "ending", "unknown", "valid"];

function kindText(kind: string, all: readonly Owned[], page: Page): string[] {
  if (all.length === 0) return [];
  const sorted = ORDER.flatMap((state) =>
    byEnd(
      all.filter((one) => one.state === state),
      true,
    ),
  );
  const sign = signOf(sorted[0]?.state ?? "valid", page);
  const first = `${sign} ${pad(kind, 8)} `;
  if (page.verbose)
    return sorted.flatMap((one, index) =>
      hanging(
        index === 0 ? first : `${signOf(one.state, page)} ${pad("", 8)} `,
        phrase(one, page),
        page.width,
      ),
    );
  const parts = groupBy(sorted, ({ state }) => state).flatMap((same) => {
    const isFine = same[0]?.state === "valid";
    if (isFine && same.length > 1) return [validText(same, all.length, page)];
    const shown = same.slice(0, NAMED).map((one) => phrase(one, page));
    const rest = same.length - shown.length;
    return rest > 0 ? [...shown, `${rest} more (-v lists them)`] : shown;
  });
  return hanging(first, parts.join("; "), page.width);
}

function validText(same: readonly Owned[], count: number, page: Page): string {
  const [first] = same;
  const who = same.length === count ? `all ${count} valid` : `${plural(same.length, "other")} valid`;
  return first === undefined ? who : `${who}, the first (${first.owner}) ${untilText(first, page)}`;
}

/** `app ends in 9 days (2026-12-08)`, `redis-01 until 2029-03-04 (in 825 days)`, `batch is not here`. */
function phrase(one: Owned, page: Page): string {
  const { owner, state, ends, found } = one;
  const start = owner === "" ? "" : `${owner} `;
  if (state === "valid") return start + untilText(one, page);
  if (state === "ended") return `${start}ended ${ends === null ? "" : dayOf(one)}`;
  if (state === "ending") return `${start}ends in ${daysTo(one, page)} (${dayOf(one)})`;
  return `${start}${found}${ends === null ? "" : `; it ends ${dayOf(one)}`}`;
}

function untilText(one: CertificateRecord, page: Page): string {
  return `until ${dayOf(one)} (in ${daysTo(one, page)})`;
}

function daysTo({ ends }: CertificateRecord, { record }: Page): string {
  const days = Math.floor((Date.parse(ends ?? "") - Date.parse(record.startedAt)) / DAY_MS);
  return plural(days, "day");
}

function dayOf({ ends }: CertificateRecord): string {
  return ends?.slice(0, 10) ?? "";
}

function byEnd<T extends CertificateRecord>(all: readonly T[], withUnread = false): T[] {
  return all
    .filter(({ ends }) => withUnread || ends !== null)
    .toSorted((a, b) => (a.ends ?? "9").localeCompare(b.ends ?? "9"));
}

function signOf(state: CertificateState, { paint, signs }: Page): string {
  switch (state) {
    case "valid":
      return paint("green", signs.good);
    case "ending":
      return paint("yellow", signs.warning);
    case "ended":
    case "unusable":
      return paint("red", signs.bad);
    case "unknown":
      return paint("yellow", signs.open);
  }
}
