/** What a sweep says of its rows: a table by fault, and what must not be. */
import { FAULTS, type Row } from "./case.ts";
import { REST_WITHIN } from "./host.ts";

const NAMES: Record<Row["fault"], string> = {
  "unit-killed": "SIGKILL of the transaction on the host",
  "controller-killed": "SIGKILL of redkeep on the laptop",
  "interrupted-twice": "Ctrl-C twice",
  "connection-reset": "SSH connection reset",
  "black-hole": "SSH connection falls silent",
  "cut-off": "nothing gets to the host, nor from it",
  reboot: "power cut of the host, and boot",
};

/** After these the controller is there to read what became of the host. */
const LIVED: readonly Row["fault"][] = ["unit-killed", "connection-reset", "black-hole", "cut-off"];
/** Seconds that a controller may wait for a connection that is dead. */
const LOGIN_WITHIN = 20;

/** What is wrong with a row, in words; empty for nothing. */
export function problemsOf(row: Row): string[] {
  const lost = row.keysBefore - row.keysAfter;
  return [
    ...(row.state === "mixed" ? [`mixed: ${row.differences.slice(0, 5).join("; ")}`] : []),
    ...(row.truthful ? [] : [`redkeep said ${row.told}, the host is ${row.state}`]),
    ...(LIVED.includes(row.fault) && (row.told === null || row.told === "unknown")
      ? [`redkeep said ${row.told ?? "nothing"}`]
      : []),
    ...(row.secondsToLogin !== null && row.secondsToLogin > LOGIN_WITHIN && LIVED.includes(row.fault)
      ? [`the host was asked again after ${row.secondsToLogin} s`]
      : []),
    ...(row.secondsToRest - row.secondsToApplied > REST_WITHIN
      ? [`at rest after ${row.secondsToRest} s`]
      : []),
    ...(lost === 0 ? [] : [`${lost} keys lost`]),
    ...(row.writesLost === 0 ? [] : [`${row.writesLost} acknowledged writes lost`]),
    ...(row.served ? [] : ["the client is not served"]),
    ...(row.login ? [] : ["no SSH login"]),
    ...(row.residue.length === 0 ? [] : [`left behind: ${row.residue.join("; ")}`]),
    ...(row.secrets.length === 0 ? [] : [`secrets in ${row.secrets.join(", ")}`]),
  ];
}

/** A Markdown table with a line for each fault that was tried, and one for all. */
export function tableOf(rows: Row[]): string {
  const header = [
    "Fault",
    "Runs",
    "Old",
    "New",
    "Mixed",
    "Keys lost",
    "Acknowledged writes lost",
    "Longest time to rest",
    "Longest gap for a client",
    "Locked out",
    "Left behind",
    "Secrets found",
  ];
  const lines = FAULTS.map((fault) => ({
    name: NAMES[fault],
    of: rows.filter((row) => row.fault === fault),
  })).filter(({ of }) => of.length > 0);
  return [
    header,
    ["---", ...header.slice(1).map(() => "---:")],
    ...[...lines, { name: "All", of: rows }].map(({ name, of }) => {
      const count = (holds: (row: Row) => boolean): string => `${of.filter(holds).length}`;
      const sum = (value: (row: Row) => number): number => of.reduce((total, row) => total + value(row), 0);
      const longest = (value: (row: Row) => number): string => Math.max(...of.map(value)).toFixed(1);
      return [
        name,
        `${of.length}`,
        count(({ state }) => state === "old"),
        count(({ state }) => state === "new"),
        count(({ state }) => state === "mixed"),
        `${sum((row) => row.keysBefore - row.keysAfter)} of ${grouped(sum((row) => row.keysBefore))}`,
        `${sum((row) => row.writesLost)} of ${grouped(sum((row) => row.writesAcked))}`,
        `${longest((row) => row.secondsToRest)} s`,
        `${longest((row) => row.gapMs / 1000)} s`,
        count((row) => !row.login),
        count((row) => row.residue.length > 0),
        count((row) => row.secrets.length > 0),
      ];
    }),
  ]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

const grouped = (number: number): string => number.toLocaleString("en").replaceAll(",", " ");
