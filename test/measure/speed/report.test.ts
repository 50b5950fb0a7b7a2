import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { picture } from "../../../measure/speed/picture.ts";
import { markdown, pagePart, targetsText, withPart } from "../../../measure/speed/report.ts";
import { type Block, type Results, type Row, ratio } from "../../../measure/speed/results.ts";
import { TARGETS } from "../../../measure/speed/targets.ts";
import type { Phase } from "../../../measure/speed/tools.ts";

const row = (tool: string, phase: Phase, wall: number, given: Partial<Row> = {}): Row => ({
  tool,
  phase,
  status: 0,
  wall,
  cpu: wall / 10,
  hostCpu: 0,
  otherCpu: 0,
  memory: 10,
  load: 0,
  ...given,
});

const block = (tool: string, round: number, rows: Row[], given: Partial<Block> = {}): Block => ({
  tool,
  hosts: 20,
  rtt: 0,
  round,
  at: "2026-11-27T18:00:00Z",
  rows,
  differences: [],
  ...given,
});

const resultsOf = (...blocks: Block[]): Results => ({
  machine: "2 × CPU",
  method: "CPU: cgroup",
  missing: {},
  blocks,
  figures: {},
});

/** In the second round the machine has other work: everything takes ten times as long. */
const measured = resultsOf(
  block("redkeep", 1, [row("ssh", "login", 1), row("redkeep", "first", 10), row("redkeep", "nothing", 1.1)]),
  block("script", 1, [row("ssh", "login", 1), row("script", "first", 20), row("script", "check", 2)]),
  block("redkeep", 2, [row("ssh", "login", 10), row("redkeep", "first", 100), row("redkeep", "nothing", 12)]),
  block("script", 2, [row("ssh", "login", 10), row("script", "first", 200), row("script", "check", 20)]),
  block("ansible-tuned", 1, [row("ssh", "login", 1), row("ansible-tuned", "first", 40)]),
);

const lineOf = (text: string, start: string): string =>
  text.split("\n").find((line) => line.startsWith(`| ${start}`)) ?? "";

describe("a ratio", () => {
  const cell = { hosts: 20 };

  it("is taken within each round, so that both had the same machine", () => {
    const first = { phase: "first" } as const;
    expect(ratio(measured, cell, { tool: "redkeep", ...first }, { tool: "script", ...first })).toBe(0.5);
    expect(
      ratio(measured, cell, { tool: "redkeep", phase: "nothing" }, { tool: "ssh", phase: "login" }),
    ).toBeCloseTo(1.15);
  });

  it("leaves out a run that failed, and is none where no round has both", () => {
    const failed = resultsOf(
      block("redkeep", 1, [row("redkeep", "first", 10), row("redkeep", "first", 99, { problem: "exit 3" })]),
      block("script", 1, [row("script", "first", 10)]),
      block("pyinfra", 2, [row("pyinfra", "first", 10)]),
    );
    const against = (tool: string) =>
      ratio(failed, cell, { tool: "redkeep", phase: "first" }, { tool, phase: "first" });
    expect(against("script")).toBe(1);
    expect(against("pyinfra")).toBeUndefined();
  });
});

describe("the report", () => {
  it("lists what is reached, and what is not with its reason", () => {
    const { text, missed, unmeasured } = targetsText(measured);
    const [, reached = "", notReached = "", notMeasured = ""] = text.split(
      /What was aimed at, and reached:|What is not reached, and why:|Not measured:/,
    );
    expect(lineOf(reached, "First apply, 20 hosts: time, of the script's")).toBe(
      "| First apply, 20 hosts: time, of the script's | at most 1.1 × | 0.50 × |",
    );
    expect(notReached).toMatch(
      /^- The hosts share two cores .*\n {2}- First apply, 20 hosts: faster than tuned Ansible: 4 ×, aim: at least 6 ×$/m,
    );
    expect(notMeasured).toContain("- Nothing to do, 20 hosts: faster than pyinfra\n");
    // The other one: the CPU of the controller.
    expect([missed, unmeasured]).toEqual([2, 17]);
  });

  it("names tools that are left out, runs that failed and ends that differ", () => {
    const text = markdown({
      ...resultsOf(
        block("script", 1, [row("script", "check", 1, { problem: "exit status 1" })], {
          differences: ["+ listens: 0.0.0.0:6379"],
        }),
      ),
      missing: { pyinfra: "no pyinfra for python3" },
    });
    expect(text).toContain("pyinfra is left out: no pyinfra for python3");
    expect(text).toContain("script, check: exit status 1");
    expect(text).toContain("script: + listens: 0.0.0.0:6379");
  });
});

describe("the page of figures", () => {
  it("has the tables between its marks, and keeps what is around them", () => {
    const page =
      "# How fast it is\n\n<!-- npm run bench -->\n\nold\n\n<!-- end of npm run bench -->\n\nTo repeat it\n";
    const [before, part = "", after] = withPart(page, pagePart(measured)).split(/<!-- .* -->/);
    expect([before, after]).toEqual(["# How fast it is\n\n", "\n\nTo repeat it\n"]);
    expect(part).not.toContain("old");
    expect(part).toContain("| First apply, 20 hosts: time, of the script's | at most 1.1 × | 0.50 × |");
    expect(part).toMatch(/2 rounds, 2026-11-27\.\n\n$/);
  });

  it("gives a reason for each figure that it says is not reached", () => {
    const [, notReached = ""] = readFileSync("docs/figures.md", "utf8").split(
      "What is not reached, and why:",
    );
    const [reasons = ""] = notReached.split("<details>");
    expect(reasons).toContain("aim: at most");
    expect(reasons).not.toContain("Nobody has found out why.");
    for (const [, title = ""] of reasons.matchAll(/^ {2}- (.+): .*?, aim: /gm))
      expect([...TARGETS.map((target) => target.title), "10, 100 and 1 000 virtual hosts"]).toContain(title);
  });

  it("without marks is left alone", () => {
    expect(() => withPart("# How fast it is\n", "part")).toThrow("expected <!-- npm run bench -->");
  });
});

it("the chart has a bar for each measured tool, longer for a slower one", () => {
  const widths = [...picture(measured).matchAll(/<rect[^>]* width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  );
  expect(widths).toHaveLength(8);
  expect(widths[0]).toBeLessThan(widths[1] ?? 0);
  expect(picture(measured)).toContain("prefers-color-scheme: dark");
});
