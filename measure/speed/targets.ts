/** What has to be reached, as ratios of what was measured in one run. */
import { type Cell, median, type Results, ratio, type Side, valuesIn } from "./results.ts";
import type { Phase } from "./tools.ts";

const STEADY = ["nothing", "check", "verify"] as const;

export interface Target {
  title: string;
  /** Undefined where it was not measured. */
  value(results: Results): number | undefined;
  atMost?: number;
  atLeast?: number;
  /** Behind the number: `×`. */
  unit: string;
  /** Why it is not reached, as far as that is known: the page says it beside the figure. */
  why?: string;
}

const CPU_OF_HOSTS =
  "The hosts share two cores with the controller here, so each program that a host runs adds to the time.";
const WHY_SLOWER: Record<(typeof STEADY)[number], string> = {
  nothing: CPU_OF_HOSTS,
  check: CPU_OF_HOSTS,
  verify: "`verify` also looks from the controller, and waits a second for a port that drops packets.",
};
const CPU_OF_CONTROLLER = "redkeep starts Node, parses the answers and plans. `ssh` only logs in.";

const WORDS: Record<Phase, string> = {
  login: "a login",
  first: "First apply",
  nothing: "Nothing to do",
  check: "Plan",
  verify: "Verify",
};
const LARGE: Cell = { hosts: 20 };

const redkeep = (phase: Phase): Side => ({ tool: "redkeep", phase });
const login: Side = { tool: "ssh", phase: "login" };

/** The most that any of these runs took on one host, by redkeep's own count. */
function most(results: Results, phase: Phase, value: "connections" | "roundTrips"): number | undefined {
  const rows = results.blocks
    .flatMap((block) => block.rows)
    .filter((row) => row.tool === "redkeep" && row.phase === phase);
  const counts = rows.flatMap(({ trips }) => trips?.[value] ?? []);
  return counts.length === 0 ? undefined : Math.max(...counts);
}

const times = (value: number): { unit: string; atMost: number } => ({ unit: "×", atMost: value });

/** How many times faster redkeep is than another tool in a phase. */
const faster = (tool: string, title: string, phase: Phase, atLeast: number): Target => ({
  title: `${WORDS[phase]}, 20 hosts: faster than ${title}`,
  atLeast,
  unit: "×",
  why: CPU_OF_HOSTS,
  value: (results) => {
    const share = ratio(results, LARGE, redkeep(phase), { tool, phase });
    return share === undefined ? undefined : 1 / share;
  },
});

export const TARGETS: readonly Target[] = [
  ...STEADY.flatMap((phase): Target[] => [
    {
      title: `${WORDS[phase]}: SSH connections a host`,
      atMost: 1,
      unit: "",
      value: (results) => most(results, phase, "connections"),
    },
    {
      title: `${WORDS[phase]}: round trips a host`,
      atMost: 1,
      unit: "",
      value: (results) => most(results, phase, "roundTrips"),
    },
  ]),
  ...STEADY.map(
    (phase): Target => ({
      title: `${WORDS[phase]}, 20 hosts: time, of bare ssh's`,
      ...times(1.2),
      why: WHY_SLOWER[phase],
      value: (results) => ratio(results, LARGE, redkeep(phase), login),
    }),
  ),
  ...STEADY.map(
    (phase): Target => ({
      title: `${WORDS[phase]}, 20 hosts: time, of the script's check`,
      ...times(0.8),
      why: WHY_SLOWER[phase],
      value: (results) => ratio(results, LARGE, redkeep(phase), { tool: "script", phase: "check" }),
    }),
  ),
  ...STEADY.map(
    (phase): Target => ({
      title: `${WORDS[phase]}, 20 hosts: controller's CPU, of bare ssh's`,
      ...times(0.25),
      why: CPU_OF_CONTROLLER,
      value: (results) => ratio(results, LARGE, redkeep(phase), login, "cpu"),
    }),
  ),
  {
    title: "First apply, 20 hosts: time, of the script's",
    ...times(1.1),
    why: "redkeep also tries the configuration in a second server, backs up, keeps a journal, logs in anew and verifies. The script does none of that.",
    value: (results) => ratio(results, LARGE, redkeep("first"), { tool: "script", phase: "first" }),
  },
  faster("ansible-tuned", "tuned Ansible", "first", 6),
  faster("ansible-tuned", "tuned Ansible", "nothing", 40),
  faster("mitogen", "Ansible with Mitogen", "nothing", 20),
  faster("pyinfra", "pyinfra", "nothing", 4),
  {
    title: "Nothing to do, 1 host, 100 ms of round-trip time: time, of bare ssh's",
    ...times(1),
    value: (results) => ratio(results, { hosts: 1, rtt: 100 }, redkeep("nothing"), login),
  },
  {
    title: "Plan, 1 host: controller's CPU, all of the run",
    atMost: 0.15,
    unit: "s",
    why: "Half is Node's own start and loading redkeep. A fifth is V8's garbage collection and its compilers, and `ssh -G` is most of the rest.",
    value: (results) => median(valuesIn(results, { hosts: 1 }, "redkeep", "check", "cpu")),
  },
];

export type Verdict = "reached" | "missed" | "not measured";

export function verdictOf(target: Target, value: number | undefined): Verdict {
  if (value === undefined) return "not measured";
  return value <= (target.atMost ?? Infinity) && value >= (target.atLeast ?? -Infinity)
    ? "reached"
    : "missed";
}
