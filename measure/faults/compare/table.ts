/** The comparison as Markdown: totals by tool, and a line for each fault. */
import type { Fault } from "./faults.ts";
import { type Row, survived } from "./run.ts";

/** A tool's column: its rows, or why it was not run. */
export interface Column {
  tool: string;
  rows: Row[];
  missing: string | undefined;
}

export function totalsTable(columns: readonly Column[]): string {
  const header = [
    "",
    "Survived",
    "Old or new",
    "Keys lost",
    "Acknowledged writes lost",
    "Longest time without Redis",
    "Still down at the end",
    "Locked out",
    "Runs that showed a secret",
    "Wrong exit codes",
  ];
  return table([
    header,
    ["---", ...header.slice(1).map(() => "---:")],
    ...columns.map(({ tool, rows, missing }) => {
      if (missing !== undefined) return [tool, `not run: ${missing}`, ...header.slice(2).map(() => "")];
      const count = (holds: (row: Row) => boolean): string => `${rows.filter(holds).length}`;
      const sum = (value: (row: Row) => number): string =>
        grouped(rows.reduce((total, row) => total + value(row), 0));
      const back = rows.filter(({ served }) => served);
      return [
        tool,
        `**${count(survived)} of ${rows.length}**`,
        count(({ state }) => state !== "mixed"),
        sum(({ keysLost }) => keysLost),
        sum(({ writesLost }) => writesLost),
        `${Math.max(0, ...back.map(({ secondsDown }) => secondsDown))} s`,
        count(({ served }) => !served),
        count(({ login }) => !login),
        count(({ secrets }) => secrets.length > 0),
        count(({ lied }) => lied),
      ];
    }),
  ]);
}

export function faultsTable(faults: readonly Fault[], columns: readonly Column[]): string {
  const run = columns.filter(({ missing }) => missing === undefined);
  return table([
    ["Fault", ...run.map(({ tool }) => tool)],
    ["---", ...run.map(() => "---")],
    ...faults.map(({ name, title }) => [
      title,
      ...run.map(({ rows }) => {
        const row = rows.find(({ fault }) => fault === name);
        return row === undefined ? "not run" : cell(row);
      }),
    ]),
  ]);
}

/** The state, the exit codes, and what was lost. */
function cell(row: Row): string {
  const ended = row.statuses.every((status) => status !== null)
    ? `exit ${row.statuses.join(" and ")}`
    : row.fault.startsWith("killed")
      ? "killed"
      : "never ended";
  const parts = [
    row.state,
    `${ended}${row.lied ? ", which is wrong" : ""}`,
    ...(row.keysLost > 0 ? [`${grouped(row.keysLost)} keys lost`] : []),
    ...(row.writesLost > 0 ? [`${grouped(row.writesLost)} writes lost`] : []),
    row.served ? `${row.secondsDown} s` : "Redis stays down",
    ...(row.login ? [] : ["locked out"]),
  ];
  return `${survived(row) ? "✔" : "✘"} ${parts.join(", ")}`;
}

const table = (rows: string[][]): string => rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const grouped = (number: number): string => number.toLocaleString("en").replaceAll(",", " ");
