/** What a whole run of the faults says: what was measured against what has to be reached, and what went wrong. */
import { FAULTS, type Row } from "./case.ts";
import { REST_WITHIN } from "./host.ts";

const NAMES: Record<Row["fault"], string> = {
  "unit-killed": "SIGKILL of the transaction on the host",
  "controller-killed": "SIGKILL of redkeep on the laptop",
  "interrupted-twice": "Ctrl-C twice",
  "connection-reset": "SSH connection reset",
  "black-hole": "SSH connection falls silent",
  "cut-off": "nothing gets to the host, nor from it",
  reboot: "the host stops at once, and boots",
  "power-cut": "power cut of the host: nothing more gets to its disk",
};

/** After these the controller is there to read what became of the host. */
const LIVED: readonly Row["fault"][] = ["unit-killed", "connection-reset", "black-hole", "cut-off"];
/** Seconds that a controller may wait for a connection that is dead. */
const LOGIN_WITHIN = 20;

function isUntold({ fault, told }: Row): boolean {
  return LIVED.includes(fault) && (told === null || told === "unknown");
}

/** What is wrong with a row, in words; empty for nothing. */
export function problemsOf(row: Row): string[] {
  const lost = row.keysBefore - row.keysAfter;
  return [
    ...(row.state === "mixed" ? [`mixed: ${row.differences.slice(0, 5).join("; ")}`] : []),
    ...(row.truthful ? [] : [`redkeep said ${row.told}, the host is ${row.state}`]),
    ...(isUntold(row) ? [`redkeep said ${row.told ?? "nothing"}`] : []),
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

/** A line of the table of figures. */
export interface Line {
  title: string;
  target: string;
  measured: string;
  ok: boolean;
}

/**
 * What the kill sweep has to reach.
 * @param planned how many cases there are
 * @param isWhole false where only a part was asked for: then the numbers of cases that the whole has to reach do not count.
 */
export function figuresOf(rows: readonly Row[], planned: number, isWhole: boolean): Line[] {
  const runs = rows.length;
  const sum = (value: (row: Row) => number): number => rows.reduce((total, row) => total + value(row), 0);
  const longest = (values: number[]): string => Math.max(0, ...values).toFixed(1);
  const all = (title: string, holds: (row: Row) => boolean, target = "100 %", note = ""): Line => {
    const count = rows.filter(holds).length;
    return { title, target, measured: `${count} of ${runs}${note}`, ok: count === runs };
  };
  const none = (title: string, holds: (row: Row) => boolean): Line => {
    const count = rows.filter(holds).length;
    return { title, target: "0", measured: `${count} of ${runs}`, ok: count === 0 };
  };
  const keys = sum((row) => row.keysBefore);
  const keysLost = sum((row) => row.keysBefore - row.keysAfter);
  const writesLost = sum((row) => row.writesLost);
  const secondsToRest = (row: Row): number => row.secondsToRest - row.secondsToApplied;
  const silent = rows.filter(({ fault }) => LIVED.includes(fault));
  const logins = silent.flatMap(({ secondsToLogin }) => secondsToLogin ?? []);
  return [
    {
      title: "Faults at each line of a transaction's journal",
      target: isWhole ? "at least 500 runs" : `${planned} runs`,
      measured: `${runs} of ${planned} runs`,
      ok: runs === planned && (!isWhole || runs >= 500),
    },
    all("The host is exactly as it was, or exactly as planned", ({ state }) => state !== "mixed"),
    all(
      "The host is at rest within the confirm window and 10 s",
      (row) => secondsToRest(row) <= REST_WITHIN,
      `100 % within ${REST_WITHIN} s`,
      `, longest ${longest(rows.map(secondsToRest))} s`,
    ),
    {
      title: "Keys lost",
      target: isWhole ? "0 of at least 1 000 000" : "0",
      measured: `${grouped(keysLost)} of ${grouped(keys)}`,
      ok: keysLost === 0 && (!isWhole || keys >= 1_000_000),
    },
    {
      title: "Acknowledged writes lost",
      target: "0",
      measured: `${grouped(writesLost)} of ${grouped(sum((row) => row.writesAcked))}`,
      ok: writesLost === 0,
    },
    none("Hosts without an SSH login afterwards", ({ login }) => !login),
    none("Hosts that serve their client no more", ({ served }) => !served),
    all("What redkeep said is what happened", ({ truthful }) => truthful),
    {
      title: "A controller that loses its connection asks again",
      target: `within ${LOGIN_WITHIN} s`,
      measured: `longest ${longest(logins)} s of ${logins.length}`,
      ok: logins.every((seconds) => seconds <= LOGIN_WITHIN),
    },
    all("A controller that is there until the end says what became of the host", (row) => !isUntold(row)),
    none("Runs that left a file, unit or timer behind", ({ residue }) => residue.length > 0),
    none("Runs with a secret in a journal, log or record", ({ secrets }) => secrets.length > 0),
  ];
}

/** Markdown: what was claimed, and what was seen. */
export function figureTable(lines: readonly Line[]): string {
  return [
    "| What | Target | Measured | Reached |",
    "| --- | --- | --- | --- |",
    ...lines.map(
      ({ title, target, measured, ok }) =>
        `| ${title} | ${target} | ${measured} | ${ok ? "yes" : "**no**"} |`,
    ),
  ].join("\n");
}

/** A Markdown table with a line for each fault that was tried, and one for all. */
export function tableOf(rows: readonly Row[]): string {
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
