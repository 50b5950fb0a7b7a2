/** The results as Markdown: how long each tool took, what was aimed at, and what explains it. For docs/figures.md too. */
import { median, type Results, ratio, type Side, type Value, valuesIn } from "./results.ts";
import { TARGETS, verdictOf } from "./targets.ts";
import { type Phase, TOOLS } from "./tools.ts";

const HEADINGS: Record<Phase, string> = {
  login: "a login",
  first: "first apply",
  nothing: "nothing to do",
  check: "check",
  verify: "verify",
};
const STEADY = ["first", "nothing", "check", "verify"] as const;
const LOGIN: Side = { tool: "ssh", phase: "login" };

/** Two or three digits: `0.082`, `1.4`, `63`. */
export function digits(value: number): string {
  if (value >= 20) return value.toFixed(0);
  if (value >= 2) return value.toFixed(1);
  return value >= 0.2 ? value.toFixed(2) : value.toFixed(3);
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, index) => (index === 0 ? "---" : "---:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");

/** The numbers of hosts that were measured without a proxy. */
export function sizesOf({ blocks }: Results): number[] {
  return [...new Set(blocks.filter(({ rtt }) => rtt === 0).map(({ hosts }) => hosts))].toSorted(
    (a, b) => a - b,
  );
}

/** Every figure with what was aimed at. Those that are not reached stand under the reason. */
export function targetsText(results: Results): { text: string; missed: number; unmeasured: number } {
  const rows = TARGETS.map((target) => {
    const value = target.value(results);
    const { title, atMost, atLeast = 0, unit, why } = target;
    const shown = (number: string): string => `${number}${unit && ` ${unit}`}`;
    return {
      title,
      aim: shown(atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`),
      measured: value === undefined ? "" : shown(Number.isInteger(value) ? `${value}` : digits(value)),
      verdict: verdictOf(target, value),
      why,
    };
  });
  const figures = Object.values(results.figures).map(({ title, target, measured, ok, why }) => ({
    title,
    aim: target,
    measured,
    verdict: ok ? ("reached" as const) : ("missed" as const),
    why,
  }));
  const all = [...rows, ...figures];
  const [reached, missed, unmeasured] = (["reached", "missed", "not measured"] as const).map((wanted) =>
    all.filter(({ verdict }) => verdict === wanted),
  ) as [typeof all, typeof all, typeof all];
  const reachedRows = reached.map(({ title, aim, measured }) => [title, aim, measured]);
  const reasons = Object.entries(Object.groupBy(missed, ({ why }) => why ?? "Nobody has found out why.")).map(
    ([why, figures = []]) =>
      [
        `- ${why}`,
        ...figures.map(({ title, aim, measured }) => `  - ${title}: ${measured}, aim: ${aim}`),
      ].join("\n"),
  );
  const parts: [title: string, text: string][] = [
    [
      "What was aimed at, and reached:",
      reached.length === 0 ? "" : table(["Figure", "Aim", "Measured"], reachedRows),
    ],
    ["What is not reached, and why:", reasons.join("\n")],
    ["Not measured:", unmeasured.map(({ title }) => `- ${title}`).join("\n")],
  ];
  return {
    text: parts.flatMap(([title, text]) => (text === "" ? [] : [title, text])).join("\n\n"),
    missed: missed.length,
    unmeasured: unmeasured.length,
  };
}

function walls(results: Results, hosts: number): string {
  const rows = TOOLS.flatMap((tool) => {
    const cells = STEADY.map((phase) => {
      const side: Side = tool.name === "ssh" ? LOGIN : { tool: tool.name, phase };
      const wall = median(valuesIn(results, { hosts }, side.tool, side.phase, "wall"));
      if (wall === undefined || (tool.name === "ssh" && phase !== "nothing")) return "";
      const times = ratio(results, { hosts }, side, { tool: "redkeep", phase });
      return times === undefined || tool.name === "redkeep" || tool.name === "ssh"
        ? digits(wall)
        : `${digits(wall)} (${digits(times)} ×)`;
    });
    if (cells.every((cell) => cell === "")) return [];
    const value = (name: Value, phase: Phase): string => {
      const all = valuesIn(results, { hosts }, tool.name, tool.name === "ssh" ? "login" : phase, name);
      const middle = median(all);
      return middle === undefined ? "" : digits(name === "memory" ? Math.max(...all) : middle);
    };
    const runs = valuesIn(
      results,
      { hosts },
      tool.name,
      tool.name === "ssh" ? "login" : "first",
      "wall",
    ).length;
    const both = (phase: Phase): string =>
      [value("cpu", phase), value("hostCpu", phase)].join(" + ").replace(/^ \+ $/, "");
    const extra = [
      both("nothing"),
      tool.name === "ssh" ? "" : both("first"),
      value("memory", "nothing"),
      `${runs}`,
    ];
    return [[tool.title, ...cells, ...extra]];
  });
  const heads = STEADY.map((phase) => `${HEADINGS[phase]}, s`);
  const rest = ["CPU, nothing to do, s", "CPU, first apply, s", "memory, MB", "runs"];
  return table([`${hosts} ${hosts === 1 ? "host" : "hosts"}`, ...heads, ...rest], rows);
}

/** A run with nothing to do on one host, by the length of the way. */
function ways(results: Results): string {
  const rtts = [...new Set(results.blocks.filter(({ hosts }) => hosts === 1).map(({ rtt }) => rtt))].toSorted(
    (a, b) => a - b,
  );
  const longest = rtts.at(-1) ?? 0;
  const rows = TOOLS.flatMap((tool) => {
    const phase = tool.name === "ssh" ? "login" : "nothing";
    const wall = (rtt: number): number | undefined =>
      median(valuesIn(results, { hosts: 1, rtt }, tool.name, phase, "wall"));
    if (rtts.every((rtt) => wall(rtt) === undefined)) return [];
    const far = wall(longest);
    const near = wall(0);
    const serial =
      longest === 0 || far === undefined || near === undefined ? undefined : ((far - near) * 1000) / longest;
    const counted = results.blocks.find(
      (block) => block.tool === tool.name && block.counted !== undefined,
    )?.counted;
    const shown = (value: number | undefined): string => (value === undefined ? "" : digits(value));
    return [
      [
        tool.title,
        ...rtts.map((rtt) => shown(wall(rtt))),
        serial === undefined ? "" : serial.toFixed(serial < 20 ? 1 : 0),
        ...[counted?.connections, counted?.channels, counted?.processes].map((number) => `${number ?? ""}`),
      ],
    ];
  });
  return table(
    [
      "1 host, nothing to do",
      ...rtts.map((rtt) => `${rtt} ms, s`),
      "serial round trips",
      "connections",
      "channels",
      "processes on the host",
    ],
    rows,
  );
}

/** Where redkeep's first apply on one host spends its time: medians, in the order of what happens. */
function steps({ blocks }: Results): string[] {
  const all = blocks.flatMap(({ steps }) => steps ?? []);
  const names = [...new Set(all.map(({ name }) => name))];
  if (names.length === 0) return [];
  const rows = names.map((name) => {
    const middle = median(all.filter((step) => step.name === name).map(({ seconds }) => seconds)) ?? 0;
    return [name, digits(middle)];
  });
  return [table(["redkeep's first apply, 1 host", "s"], rows)];
}

/** How it was measured: the machine, its load, and the day. */
function conditions({ blocks, machine, method }: Results): string {
  const loads = blocks.flatMap(({ rows }) => rows.map(({ load }) => load));
  const others = blocks.flatMap(({ rows }) => rows.map(({ otherCpu, wall }) => otherCpu / wall));
  const days = [...new Set(blocks.map(({ at }) => at.slice(0, 10)))].toSorted();
  const rounds = new Set(blocks.map(({ round }) => round)).size;
  return [
    `Machine: ${machine}. ${method}.`,
    `Median load average ${digits(median(loads) ?? 0)}; beside a run the rest of the machine took ${digits(median(others) ?? 0)} cores (median).`,
    `${rounds} ${rounds === 1 ? "round" : "rounds"}, ${days.join(" to ")}.`,
  ].join(" ");
}

/** The tables of a figure of its own. */
const figureTables = ({ figures }: Results): string[] =>
  Object.values(figures).flatMap(({ title, table }) =>
    table === undefined ? [] : [`${title}:\n\n${table}`],
  );

/** What docs/figures.md shows between its marks: the largest fleet, what was aimed at, and the rest folded up. */
export function pagePart(results: Results): string {
  const [largest = 0, ...smaller] = sizesOf(results).toReversed();
  return [
    walls(results, largest),
    `Seconds are medians. In brackets: how many times redkeep's, each round by itself. "Check" is \`redkeep plan\`, a dry run of the others.
CPU is the controller's + the hosts', which here run on the same cores: no run can be shorter than their sum divided by the cores.`,
    targetsText(results).text,
    "<details>\n<summary>Fewer hosts, a longer way, and where a first apply's time goes</summary>",
    ...smaller.map((hosts) => walls(results, hosts)),
    `A longer way is a proxy that delays each chunk by half a round trip and the connection by one. Serial round trips are what the wall time
grows by, so they carry the noise of both. Connections and channels are counted in sshd's log. Processes are the process ids that the host
gave out in a run with nothing to do, sshd's own included. The parts of a first apply are read in the transaction's journal on the host.`,
    ways(results),
    ...steps(results),
    ...figureTables(results),
    "</details>",
    conditions(results),
  ].join("\n\n");
}

const [BEGIN, END] = ["<!-- npm run bench -->", "<!-- end of npm run bench -->"];

/**
 * A page with the part between its marks replaced.
 * @throws where it has no such marks
 */
export function withPart(page: string, part: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`expected ${BEGIN} and ${END}, found no such lines`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${part}\n\n${page.slice(end)}`;
}

/** All of it. */
export function markdown(results: Results): string {
  const differences = results.blocks.flatMap(({ tool, differences }) =>
    differences.length === 0 ? [] : [`- ${tool}: ${differences.slice(0, 5).join("; ")}`],
  );
  const problems = results.blocks.flatMap(({ rows }) =>
    rows.flatMap(({ tool, phase, problem }) =>
      problem === undefined ? [] : [`- ${tool}, ${HEADINGS[phase]}: ${problem}`],
    ),
  );
  const missing = Object.entries(results.missing).map(([tool, reason]) => `- ${tool} is left out: ${reason}`);
  return [
    ...sizesOf(results).map((hosts) => walls(results, hosts)),
    targetsText(results).text,
    ...(results.blocks.some(({ hosts }) => hosts === 1) ? [ways(results)] : []),
    ...steps(results),
    ...figureTables(results),
    conditions(results),
    ...(missing.length > 0 ? [missing.join("\n")] : []),
    ...(differences.length > 0 ? [`Not the same end:\n${[...new Set(differences)].join("\n")}`] : []),
    ...(problems.length > 0 ? [`Runs that failed:\n${[...new Set(problems)].join("\n")}`] : []),
  ].join("\n\n");
}
