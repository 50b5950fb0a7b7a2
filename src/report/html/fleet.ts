import { groupBy, sentenceShapeOf } from "../../history/alike.ts";
import type { Difference } from "../../history/compare.ts";
import type { CheckRecord, HostRecord } from "../../record/record.ts";
import { SEVERITIES, type Severity } from "../../record/statuses.ts";
import { isAllowed } from "../../record/summary.ts";
import { isLost } from "../overview.ts";

/** The states of a host for one control, the worst first. */
export type State = Severity | "unknown" | "waived" | "allowed" | "pass" | "skip";

export interface Cell {
  state: State;
  /** Since the run before. */
  moved: "worse" | "better" | undefined;
}

export interface Control {
  /** `c1`, `c2`, …: what stands behind a `#`, whatever the record calls the control. */
  id: string;
  control: string;
  /** What stands above its column: `01`. */
  number: string;
  title: string;
  severity: Severity;
}

/** Hosts with the same row in the picture. */
export interface Group {
  /** `g1`, `g2`, … */
  id: string;
  hosts: HostRecord[];
  /** By a control's name; empty where the hosts could not be judged. */
  cells: ReadonlyMap<string, Cell>;
}

export interface Fleet {
  controls: Control[];
  /** The worst first. */
  groups: Group[];
}

/** The fleet as a picture: hosts down, controls across, hosts with the same row as one. */
export function fleetOf(hosts: readonly HostRecord[], differences: readonly Difference[]): Fleet {
  const controls = controlsOf(hosts);
  const moves = new Map(
    differences.flatMap(({ about, direction, host, control }) =>
      about === "check" && control !== null && (direction === "worse" || direction === "better")
        ? [[`${host} ${control}`, direction] as const]
        : [],
    ),
  );
  const rows = hosts.map((host) => ({ host, cells: cellsOf(host, moves) }));
  const groups = [...Map.groupBy(rows, ({ host, cells }) => rowKey(host, cells)).values()].map((same) => ({
    hosts: same.map(({ host }) => host),
    cells: same[0]?.cells ?? new Map<string, Cell>(),
  }));
  return {
    controls,
    groups: groups
      .sort((a, b) => compareBadness(a, b))
      .map((group, index) => ({ id: `g${index + 1}`, ...group })),
  };
}

function controlsOf(hosts: readonly HostRecord[]): Control[] {
  const first = new Map<string, CheckRecord>();
  for (const { checks } of hosts)
    for (const check of checks) if (!first.has(check.control)) first.set(check.control, check);
  // By area as the hosts have them, and in an area by number.
  const areas = groupBy([...first.values()], ({ control }) => areaOf(control));
  return areas
    .flatMap((area) => area.toSorted((a, b) => (a.control < b.control ? -1 : 1)))
    .map(({ control, title, severity }, index) => {
      const place = `${index + 1}`;
      return { id: `c${place}`, control, number: CONTROL_NAME.exec(control)?.[2] ?? place, title, severity };
    });
}

/** `NET` of `RK-NET-01`; empty for a name of another shape, which only a strange record has. */
export function areaOf(control: string): string {
  return CONTROL_NAME.exec(control)?.[1] ?? "";
}

const CONTROL_NAME = /^RK-([A-Z]{2,5})-(\d{2,3})$/;

function cellsOf(
  { host, checks }: HostRecord,
  moves: ReadonlyMap<string, "worse" | "better">,
): Map<string, Cell> {
  const cells = new Map<string, Cell>();
  for (const check of checks) {
    const state = stateOf(check);
    const known = cells.get(check.control);
    if (known === undefined || STATES.indexOf(state) < STATES.indexOf(known.state))
      cells.set(check.control, { state, moved: moves.get(`${host} ${check.control}`) });
  }
  return cells;
}

/** The worst first. A control of which some checks do not apply holds. */
export const STATES: readonly State[] = [...SEVERITIES, "unknown", "waived", "allowed", "pass", "skip"];

export function stateOf(check: CheckRecord): State {
  const { outcome, severity, waiver, skipped } = check;
  if (waiver !== undefined) return "waived";
  if (isAllowed(check)) return "allowed";
  if (outcome === "skip" && skipped === "untold") return "unknown";
  return outcome === "fail" ? severity : outcome;
}

function rowKey(host: HostRecord, cells: ReadonlyMap<string, Cell>): string {
  const { status, error } = host;
  const trouble =
    error === null
      ? isLost(host) && status
      : [
          status,
          error.where,
          sentenceShapeOf(error.found, host.host),
          sentenceShapeOf(error.remedy, host.host),
        ];
  return JSON.stringify([trouble, [...cells].map(([control, { state, moved }]) => [control, state, moved])]);
}

/** Hosts that nobody could judge first, then by failures of each severity, then the larger group. */
function compareBadness(a: Omit<Group, "id">, b: Omit<Group, "id">): number {
  const trouble = ({ hosts }: Omit<Group, "id">) => (hosts[0]?.error !== null ? 2 : isLost(hosts[0]) ? 1 : 0);
  const count = ({ cells }: Omit<Group, "id">, state: State) =>
    [...cells.values()].filter((cell) => cell.state === state).length;
  const byState = STATES.slice(0, -2).map((state) => count(b, state) - count(a, state));
  return (
    trouble(b) - trouble(a) ||
    byState.find((difference) => difference !== 0) ||
    b.hosts.length - a.hosts.length
  );
}
