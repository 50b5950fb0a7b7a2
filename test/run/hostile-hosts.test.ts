import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ServerChannel } from "ssh2";
import { describe, expect, it, vi } from "vitest";
import type { HostRecord, RunRecord } from "../../src/record/record.ts";
import { generateKey, startServer, type TestServer } from "../connection/support/server.ts";
import { type Outcome, redkeep } from "../support/cli.ts";
import { answerTo, probeOutput, recordedParts, sectionsOf, wireOf } from "../support/facts.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";
import { startRecordedHost } from "../support/recorded-host.ts";
import { reportText } from "../support/report.ts";
import { isProbe, nonceIn } from "../support/scripts.ts";

// A run with some fifty hosts takes seconds.
vi.setConfig({ testTimeout: 60_000 });

const made = perTest();

/** Steers terminals, hides and reorders text, and speaks to CI runners. */
const STEERING = [
  "\x1b[2J\x1b[1;31mred",
  "\x1b]52;c;cm9vdA==\x07",
  "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
  "\x9b2J",
  "over\rwritten",
  "\u202eright to left\u2066\u200b\u{e0041}",
  "\u2028::error::x",
  "\x7f\0\b",
  "##vso[task.setvariable variable=x]y",
  "##[error]x",
].join(" ");
const COMMANDS =
  "\n::set-output name=x::y\n  ::add-mask::a\n##vso[task.complete result=Succeeded;]\n::stop-commands::z\n";

const key = generateKey();

type Edit = (section: string) => string;

/** The recorded answer with one of its parts edited. */
function withSection(title: string, edit: Edit): () => string {
  return () => wireOf(recordedParts("stock").set(title, edit(recordedParts("stock").get(title) ?? "")));
}

/** Runs redkeep with the shipped playbook on these hosts, `good` among them, and gives what it said and recorded. */
async function run(
  command: string,
  hosts: Record<string, TestServer>,
  more: readonly string[] = [],
): Promise<Outcome & { record: RunRecord; recordText: string }> {
  const [, ...args] = writeProject(made.directory, hosts);
  const inventory = readFileSync(join(made.directory.path, "hosts.yml"), "utf8");
  made.directory.write("hosts.yml", inventory.replace("all:", "redis:"));
  const variables = ["-e", "private_ip=172.17.0.10", "-e", "app_subnet=172.17.0.0/16"];
  const outcome = await redkeep(
    [command, ...args, ...variables, "--json", "run.json", "--state", "state", ...more],
    {
      cwd: made.directory.path,
      env: { APP_PASSWORD: "Recorded-app-password-0001" },
    },
  );
  const recordText = readFileSync(join(made.directory.path, "run.json"), "utf8");
  return { ...outcome, recordText, record: JSON.parse(recordText) };
}

async function recorded(edit?: (answer: string) => string): Promise<TestServer> {
  return made.servers.use(await startRecordedHost("stock", edit, key));
}

async function scripted(exec: (command: string, channel: ServerChannel) => void): Promise<TestServer> {
  return made.servers.use(await startServer({ hostKeys: [key], exec }));
}

/** The marker that the bootstrap's shell prints before the script runs. */
function markerOf(command: string): string {
  const [, first, second] = /'([0-9a-f]{24})' '([0-9a-f]{24})'$/.exec(command) ?? [];
  return `${first}:${second}\n`;
}

function expectSafe({
  stdout,
  stderr,
  recordText,
}: {
  stdout: string;
  stderr: string;
  recordText: string;
}): void {
  for (const text of [stdout, stderr, recordText]) {
    expect(text).not.toMatch(/[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
    expect(text).not.toMatch(/^\s*::/m);
    expect(text).not.toMatch(/##vso\[|##\[/i);
  }
}

function hostOf({ hosts }: RunRecord, name: string): HostRecord {
  const found = hosts.find(({ host }) => host === name);
  if (found === undefined) throw new Error(`the record has no ${name}`);
  return found;
}

/** Since when it was so, the runs before tell. */
const outcomeOf = ({ status, tasks, checks, error, restart }: HostRecord) => ({
  status,
  tasks,
  checks: checks.map(({ since, ...check }) => check),
  error,
  restart,
});

/** One of a kind: a category or a command is like the next. */
const SECTIONS = sectionsOf("stock").filter((title, index, all) => {
  const [word] = title.split(" ");
  return title !== "end" && all.findIndex((other) => other.split(" ")[0] === word) === index;
});

const STRANGE: readonly [string, Edit][] = [
  ["huge numbers", (text) => text.replace(/\d+/g, "9".repeat(400))],
  ["numbers that are none", (text) => text.replace(/\d+/g, "-NaN")],
  ["names of JavaScript's own", (text) => text.replace(/[\w-]+/g, "__proto__")],
  ["no words", (text) => text.replace(/\w/g, "")],
  ["a line of a megabyte", (text) => text.replace(/\w+/, "A".repeat(1 << 20))],
  ["the same again, many times", (text) => text.repeat(100)],
];

describe.each(["plan", "verify"])("%s of hosts, each of which says in one section", (command) => {
  it.each<[string, (index: number) => Edit]>([
    [
      "what steers terminals and speaks to CI runners, in every line",
      () => (text) => text.replaceAll("\n", `${STEERING}${COMMANDS}`),
    ],
    [
      "huge numbers, none, names of JavaScript's own, …",
      (index) => STRANGE[index % STRANGE.length]?.[1] ?? String,
    ],
  ])("%s", async (_, editOf) => {
    const hosts: Record<string, TestServer> = { good: await recorded() };
    const alone = await run(command, hosts);
    for (const [index, title] of SECTIONS.entries())
      hosts[`bad-${index}`] = await recorded(withSection(title, editOf(index)));
    const outcome = await run(command, hosts, ["-v", ...(command === "plan" ? ["--diff"] : [])]);
    expectSafe(outcome);
    const bugs = outcome.record.hosts.filter(({ error }) => error?.where === "redkeep");
    expect(bugs.map(({ host, error }) => `${SECTIONS[Number(host.slice(4))]}: ${error?.found}`)).toEqual([]);
    expect(outcomeOf(hostOf(outcome.record, "good"))).toEqual(outcomeOf(hostOf(alone.record, "good")));
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

describe("a host that does not play by the rules of the connection", () => {
  const flood = (
    stream: { write(chunk: Buffer): boolean; once(name: string, then: () => void): void },
    first: string,
  ) => {
    const chunk = Buffer.alloc(1 << 15, `${STEERING}${COMMANDS}`);
    const more = () => {
      while (stream.write(chunk));
      stream.once("drain", more);
    };
    stream.write(Buffer.from(first));
    more();
  };
  const finish = (channel: ServerChannel, code?: number) => {
    if (code !== undefined) channel.exit(code);
    channel.end();
  };
  const whole = (command: string, script: string) =>
    `${markerOf(command)}${answerTo(nonceIn(script), probeOutput("stock"))}`;
  /** Once the whole script is there. */
  const once = (channel: ServerChannel, answer: (script: string) => void) => {
    const chunks: Buffer[] = [];
    channel.on("data", (chunk: Buffer) => chunks.push(chunk));
    channel.on("end", () => {
      if (channel.writable) answer(Buffer.concat(chunks).toString());
    });
  };

  it.each<[string, string, (command: string, channel: ServerChannel) => void]>([
    ["speaks without end before anything ran", "failed", (_, channel) => flood(channel, "")],
    ["answers without end", "failed", (command, channel) => flood(channel, markerOf(command))],
    [
      "has commands for terminals and CI runners in the place of a shell",
      "failed",
      (_, channel) => {
        channel.stderr.write(`${STEERING}${COMMANDS}`);
        channel.write(`${COMMANDS}${STEERING}`);
        finish(channel, 0);
      },
    ],
    ["closes the channel at once", "failed", (_, channel) => channel.close()],
    [
      "closes the channel in the middle of its answer",
      "unknown",
      (command, channel) =>
        once(channel, (script) => {
          channel.write(whole(command, script).slice(0, 20_000));
          channel.close();
        }),
    ],
    [
      "answers nothing, with success",
      "failed",
      (command, channel) =>
        once(channel, () => {
          channel.write(markerOf(command));
          finish(channel, 0);
        }),
    ],
    [
      "forges frames without knowing the word of this run",
      "failed",
      (command, channel) =>
        once(channel, () => {
          channel.write(`${markerOf(command)}${probeOutput("hardened")}`);
          finish(channel, 0);
        }),
    ],
  ])("%s, ends as it should, and the other host as usual", async (_, status, exec) => {
    const good = await recorded();
    const alone = await run("plan", { good });
    const before = process.memoryUsage().rss;
    const outcome = await run("plan", { bad: await scripted(exec), good }, ["-v"]);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 << 20);
    expectSafe(outcome);
    expect(outcome.exitCode).toBe(3);
    const bad = hostOf(outcome.record, "bad");
    expect(bad).toMatchObject({ status, tasks: [], error: { state: "nothing was changed on this host" } });
    expect(bad.error?.where).not.toBe("redkeep");
    expect(outcomeOf(hostOf(outcome.record, "good"))).toEqual(outcomeOf(hostOf(alone.record, "good")));
  });

  it("may forge frames about itself with the run's word, and does nothing to others", async () => {
    const titles = [
      "__proto__",
      "constructor",
      "toString",
      "config /../../etc/shadow",
      "firewall",
      "pending",
    ];
    const forge = (command: string, channel: ServerChannel) =>
      once(channel, (script) => {
        const nonce = nonceIn(script);
        const frames = titles.map((title) => `${nonce} ${title}\n${STEERING}${COMMANDS}`).join("\n");
        channel.write(`${whole(command, script)}\n${frames}`);
        finish(channel, 0);
      });
    const good = await recorded();
    const alone = await run("plan", { good });
    const outcome = await run("plan", { bad: await scripted(forge), good }, ["-v", "--diff"]);
    expectSafe(outcome);
    expect(outcomeOf(hostOf(outcome.record, "good"))).toEqual(outcomeOf(hostOf(alone.record, "good")));
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

describe("apply on a host that lies about its transaction", () => {
  /** Answers probes with a recorded stock host, anything else with these parts of a report; keeps what it was sent. */
  async function liar(report: Record<string, string>, nonceOf = (nonce: string) => nonce) {
    const scripts: string[] = [];
    const server = await scripted((command, channel) => {
      const chunks: Buffer[] = [];
      channel.on("data", (chunk: Buffer) => chunks.push(chunk));
      channel.on("end", () => {
        const script = Buffer.concat(chunks).toString();
        scripts.push(script);
        const nonce = nonceOf(nonceIn(script));
        const answer = isProbe(script)
          ? answerTo(nonceIn(script), probeOutput("stock"))
          : reportText(report, nonce);
        channel.stderr.write(markerOf(command));
        channel.write(`${markerOf(command)}${answer}\n`);
        channel.exit(0);
        channel.end();
      });
    });
    return { server, scripts };
  }

  const JOURNAL = `1 begin\n2 ${STEERING}${COMMANDS}fail ${STEERING}${COMMANDS}`;

  it.each<[string, Record<string, string>, string]>([
    [
      "says that it is applied, and shows that it is not",
      { state: "applied", journal: "1 applied\n" },
      "unknown",
    ],
    ["says that it has confirmed itself", { state: "committed", journal: "1 armed\n" }, "unknown"],
    ["makes a state up", { state: `${STEERING}${COMMANDS}`, journal: JOURNAL, log: COMMANDS }, "unknown"],
    ["has a prototype for a state", { state: "__proto__", journal: "__proto__\nconstructor\n" }, "unknown"],
    [
      "counts what cannot be counted",
      {
        state: "needs_human",
        "keys.before": "9".repeat(400),
        unavailable: "9".repeat(400),
        journal: JOURNAL,
      },
      "failed",
    ],
    [
      "says that it has put itself back, with a journal of garbage",
      { state: "rolled_back", journal: JOURNAL },
      "rolled-back",
    ],
    ["says that someone else is at work", { state: "refused", journal: `1 locked ${STEERING}` }, "refused"],
  ])("and %s", async (_, report, status) => {
    const { server, scripts } = await liar(report);
    const outcome = await run("apply", { bad: server }, ["--yes", "-v"]);
    expectSafe(outcome);
    const bad = hostOf(outcome.record, "bad");
    expect(bad.status).toBe(status);
    expect(bad.checks).toEqual([]);
    expect(outcome.exitCode).toBe(status === "rolled-back" ? 5 : 3);
    expect(scripts.length).toBeGreaterThan(1);
    expect(scripts.filter((script) => / confirm >/.test(script))).toEqual([]);
  });
});

describe("what a host's files call a password", () => {
  const WORDS = [
    ...[
      "good-001",
      "evil-001",
      "RK-NET-01",
      "RK-ACL-02",
      "172.17.0.0/16",
      "172.17.0.10",
      "/etc/redis/redis.conf",
    ],
    ...["FLUSHALL", "would-change", "redis.conf:requirepass", "protected-mode", "users.acl:app"],
  ];

  it.each(["plan", "verify"])("hides no word of redkeep's own in a %s, of whatever host", async (command) => {
    const config = [...recordedParts("stock").keys()].find((title) => title.startsWith("config ")) ?? "";
    const line = `\nuser x on ${WORDS.map((word) => `>${word}`).join(" ")}\n`;
    const more = command === "plan" ? ["--diff"] : ["-v"];
    const told = async (extra: string) => {
      const evil = await recorded(withSection(config, (text) => text + extra));
      return await run(command, { "evil-001": evil, "good-001": await recorded() }, more);
    };
    const [before, after] = [await told("\nuser x on >x\n"), await told(line)];
    const hosts = ({ record }: { record: RunRecord }) => JSON.stringify(timeless(record.hosts));
    expect(hosts(after)).toBe(hosts(before));
    const shown = ({ stdout }: { stdout: string }) =>
      stdout.split("\n").filter((text) => text.includes("••••"));
    expect(shown(after)).toEqual(shown(before));
  });

  function timeless(hosts: readonly HostRecord[]): unknown[] {
    const checks = (host: HostRecord) => host.checks.map(({ since, ...check }) => check);
    return hosts.map((host) => ({ ...host, durationMs: 0, checks: checks(host) }));
  }
});

it("a host's own password is masked where its server repeats it", async () => {
  const parts = recordedParts("stock");
  const config = [...parts.keys()].find((title) => title.startsWith("config ")) ?? "";
  parts.set(config, `${parts.get(config) ?? ""}\nrequirepass Legacy-0815-password\n`);
  parts.delete("login");
  parts.set("login-error", "WRONGPASS not Legacy-0815-password\n");
  const { recordText } = await run("verify", { "redis-01": await recorded(() => wireOf(parts)) });
  expect(recordText).toContain("WRONGPASS not ••••");
  expect(recordText).not.toContain("0815");
});
