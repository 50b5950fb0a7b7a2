/** What redkeep says of hosts that fall silent in the middle of it, beside what happened there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { HostRecord, RunRecord } from "../../src/record/record.ts";
import type { HostStatus } from "../../src/record/statuses.ts";
import { generateKey, temporaryDirectory } from "../../test/connection/support/server.ts";
import {
  type ActingHost,
  answerAsAsked,
  type Request,
  type Step,
  startActingHost,
} from "../../test/support/acting-host.ts";
import { redkeep } from "../../test/support/cli.ts";
import { writeProject } from "../../test/support/project.ts";

/** One way in which a host can answer wrongly or not at all. */
export interface Silence {
  name: string;
  /** The step in which it happens, at this time of asking. */
  step: Step;
  time: number;
  happens(request: Request, host: ActingHost): void;
  /** What redkeep may say of the host afterwards. */
  labels(host: ActingHost): readonly HostStatus[];
  /** It takes a minute and a half to give the host up. */
  isForGood?: true;
}

/** Never the word for a success that was not read back, never "put back" for a host that was not. */
const truth = ({ state }: ActingHost): readonly HostStatus[] => {
  if (state === "committed") return ["changed"];
  if (state === "rolled_back") return ["rolled-back"];
  return ["failed", "unknown"];
};

const atCommit = (name: string, happens: Silence["happens"], labels: Silence["labels"] = truth): Silence => ({
  name,
  step: "confirm",
  time: 1,
  happens,
  labels,
});

const putsItselfBack = (host: ActingHost) => {
  host.state = "rolled_back";
};

/** The link is cut during the commit (A5). */
export const CUTS: readonly Silence[] = [
  atCommit("committed, and the reply never comes", ({ act }, host) => {
    act();
    host.drop();
  }),
  atCommit("never heard of it, and put itself back", (_, host) => {
    putsItselfBack(host);
    host.drop();
  }),
  atCommit("committed, and half of the reply comes", ({ act, answer, channel }, host) => {
    act();
    channel.write(answer().slice(0, 60), () => host.drop());
  }),
  atCommit("committed, and is away for the next two logins", ({ act }, host) => {
    act();
    host.leave(2);
  }),
  atCommit("never heard of it, puts itself back and is away for the next login", (_, host) => {
    putsItselfBack(host);
    host.leave(1);
  }),
  atCommit("never heard of it, and still waits for it", (_, host) => host.drop()),
  atCommit("committed, and the reply is another run's", ({ act, channel }) => {
    act();
    channel.write(`\n${"f".repeat(32)} state\nrolled_back\n\n${"f".repeat(32)} end\n`);
    channel.exit(0);
    channel.end();
  }),
  {
    ...atCommit(
      "committed, and is gone for good",
      ({ act }, host) => {
        act();
        host.leave(Number.POSITIVE_INFINITY);
      },
      () => ["unknown"],
    ),
    isForGood: true,
  },
];

type Ending = [how: string, end: (request: Request, host: ActingHost) => void];

/** Ways in which a channel ends otherwise than with an exit status behind its whole output (A6). */
const ENDINGS: readonly Ending[] = [
  [
    "without an exit status",
    ({ act, answer, channel }) => {
      act();
      channel.write(answer());
      channel.end();
    },
  ],
  [
    "by a signal",
    ({ act, answer, channel }) => {
      act();
      channel.write(answer());
      channel.exit("KILL" as never);
      channel.end();
    },
  ],
  [
    "by a signal, silently",
    ({ act, channel }) => {
      act();
      channel.exit("KILL" as never);
      channel.end();
    },
  ],
  [
    "early, when it is done",
    ({ act, channel }) => {
      act();
      channel.close();
    },
  ],
  ["early, with nothing done", ({ channel }) => channel.close()],
  [
    "early, in the middle of the answer",
    ({ act, answer, channel }) => {
      act();
      const text = answer();
      channel.write(text.slice(0, Math.floor(text.length / 2)));
      channel.close();
    },
  ],
  [
    "with success, silently",
    ({ act, channel }) => {
      act();
      channel.exit(0);
      channel.end();
    },
  ],
  [
    "with success, nothing done and nothing said",
    ({ channel }) => {
      channel.exit(0);
      channel.end();
    },
  ],
  [
    "with a failure behind a whole answer",
    ({ act, answer, channel }) => {
      act();
      channel.write(answer());
      channel.exit(1);
      channel.end();
    },
  ],
  [
    "with the status of a transaction that never began",
    ({ channel }) => {
      channel.exit(65);
      channel.end();
    },
  ],
];

const STEPS: readonly [step: Step, time: number][] = [
  ["probe", 1],
  ["transaction", 1],
  ["probe", 2],
  ["confirm", 1],
];

/** Each ending in each step. */
export const ABRUPT: readonly Silence[] = STEPS.flatMap(([step, time]) =>
  ENDINGS.map(([how, happens]) => ({
    name: `${step} ${time} ends ${how}`,
    step,
    time,
    happens,
    labels: truth,
  })),
);

export interface Labelled {
  right: number;
  /** Hosts that redkeep called changed and that were not. */
  falseSuccesses: number;
  /** A line for each host of which something untrue was said. */
  problems: string[];
}

/** One apply on as many hosts as there are silences, all at once. */
export async function labelsOf(silences: readonly Silence[]): Promise<Labelled> {
  using directory = temporaryDirectory();
  await using stack = new AsyncDisposableStack();
  const hostKey = generateKey();
  const hosts = await Promise.all(
    silences.map(async ({ step, time, happens }) =>
      stack.use(
        await startActingHost({
          hostKey,
          on: (request, host) => {
            if (request.step === step && request.time === time) happens(request, host);
            else answerAsAsked(request);
          },
        }),
      ),
    ),
  );
  const named = Object.fromEntries(hosts.map((host, index) => [`h${index}`, host]));
  const args = writeProject(directory, named, "limits: { maxmemory: 512mb, maxclients: 9000, nofile: 64 }");
  const more = ["--yes", "--state", "state", "--json", "run.json", "--forks", `${silences.length}`];
  // A machine with two cores has much to do with hundreds of hosts at once.
  const { stderr } = await redkeep(["apply", ...args, ...more, "--timeout", "60"], { cwd: directory.path });
  const record: RunRecord = JSON.parse(readFileSync(join(directory.path, "run.json"), "utf8"));
  const result: Labelled = { right: 0, falseSuccesses: 0, problems: [] };
  for (const [index, silence] of silences.entries()) {
    const host = hosts[index];
    const said = record.hosts.find(({ host }) => host === `h${index}`);
    if (host === undefined || said === undefined)
      throw new Error(`nothing was recorded of h${index}: ${stderr}`);
    const problem = untruth(silence, host, said);
    if (problem === undefined) result.right++;
    else result.problems.push(`${silence.name}: ${problem}`);
    if (said.status === "changed" && host.state !== "committed") result.falseSuccesses++;
  }
  return result;
}

function untruth(
  { step, time, labels }: Silence,
  host: ActingHost,
  { status, error }: HostRecord,
): string | undefined {
  const happened = `asked for ${host.asked.join(", ")}, it stood at ${host.state ?? "nothing"}`;
  if (host.asked.filter((asked) => asked === step).length < time) return `was never reached: ${happened}`;
  if (!labels(host).includes(status)) return `is called ${status}; ${happened}`;
  if (error?.state === "nothing was changed on this host" && host.state !== undefined)
    return `is called untouched; ${happened}`;
  return undefined;
}

/** `count` silences, each kind about as often. */
export function many(kinds: readonly Silence[], count: number): Silence[] {
  return Array.from({ length: count }, (_, index) => kinds[index % kinds.length] as Silence);
}
