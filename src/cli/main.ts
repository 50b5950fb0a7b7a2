import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { didYouMean, InputError } from "../lib/errors.ts";
import { ownCommand, packageVersion } from "../lib/package.ts";
import { redact } from "../lib/secret.ts";
import { SERVERS, type ServerName } from "../lint/server-version.ts";
import { SEVERITIES, type Severity } from "../record/statuses.ts";
import { printableText } from "../report/printable.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { blame } from "../run/strays.ts";
import { askSecret, Cancelled, showTyping } from "./ask-secret.ts";

/** The whole program: arguments in, exit code out. Only this file, cli.ts and a question for a password touch the process. */
export async function main(process: NodeJS.Process): Promise<void> {
  const interrupt = new AbortController();
  const environment: Environment = {
    cwd: process.cwd(),
    program: ownCommand(process, process.cwd()),
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    interrupted: interrupt.signal,
    reached: (write) => {
      writeRecord = write;
    },
    strays: [],
  };
  /** Defined once hosts were reached: from then on the run has a record, however it ends. */
  let writeRecord: (() => Promise<void>) | undefined;
  let hasEnded = false;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (interrupt.signal.aborted) process.exit(130);
      process.stderr.write(
        "\nInterrupted: nothing new is started; what is under way is settled. Once more to leave at once: hosts heal themselves.\n",
      );
      interrupt.abort();
    });
  }
  /** For a run that does not come to its own end. */
  const endAnyway = async (error: unknown): Promise<number> => {
    hasEnded = true;
    const exitCode = reportError(error, environment, writeRecord !== undefined);
    if (writeRecord === undefined || error instanceof InputError) return exitCode;
    environment.strays.push(messageOf(error));
    try {
      await writeRecord();
    } catch (cause) {
      process.stderr.write(`The record of this run cannot be written: ${printableText(messageOf(cause))}\n`);
    }
    return exitCode;
  };
  process.on("uncaughtException", (error) => {
    // Once hosts were reached, each has to come to its own end: what was changed there waits to be confirmed.
    if (writeRecord === undefined) process.exit(reportError(error, environment, false));
    if (blame(error)) return;
    reportError(error, environment, true);
    environment.strays.push(messageOf(error));
  });
  // Nothing is left to wait for, and the run has not ended: what it waits for never comes.
  process.on("beforeExit", () => {
    if (hasEnded || writeRecord === undefined) return;
    void endAnyway(new Error("the run waits for something that never comes")).then((code) =>
      process.exit(code),
    );
  });
  // A reader that went away, as in `redkeep … | head`, or a terminal that was closed, is no error of ours.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
    });
  }
  let exitCode = 0;
  try {
    const program = createProgram(environment, (code) => {
      exitCode = code;
    });
    await program.parseAsync(process.argv.slice(2), { from: "user" });
    if (environment.strays.length > 0 && exitCode !== 130 && exitCode !== 5) exitCode = 3;
  } catch (error) {
    exitCode = await endAnyway(error);
  }
  hasEnded = true;
  showTyping(environment);
  process.exitCode = exitCode;
}

function messageOf(error: unknown): string {
  return redact(error instanceof Error ? (error.stack ?? error.message) : String(error));
}

function reportError(error: unknown, { stderr }: Environment, hasReachedHosts: boolean): number {
  const code = hasReachedHosts ? 3 : 1;
  if (error instanceof Cancelled) return 130;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
  if (error instanceof InputError) {
    const count = error.problems.length;
    stderr.write(
      `${printableText(error.message)}\n${count} problem${count === 1 ? "" : "s"}. ${error.state}\n`,
    );
    return 1;
  }
  if (error instanceof Error && "code" in error && typeof error.code === "string" && "path" in error) {
    stderr.write(`${printableText(error.message)}\n`);
    return code;
  }
  stderr.write(`${printableText(messageOf(error))}\nThis is a bug in redkeep: please report it.\n`);
  return code;
}

type Raw = Record<string, unknown>;

type RunCommand = "plan" | "apply" | "verify" | "rollback" | "eject";

/** Loaded when they are asked for: `--help` needs none of it. */
const COMMANDS: Record<
  RunCommand,
  () => Promise<(options: RunOptions, environment: Environment) => Promise<number>>
> = {
  plan: async () => (await import("../commands/plan.ts")).plan,
  apply: async () => (await import("../commands/apply.ts")).apply,
  verify: async () => (await import("../commands/verify.ts")).verify,
  rollback: async () => (await import("../commands/rollback.ts")).rollback,
  eject: async () => (await import("../commands/eject.ts")).eject,
};

/** The commands and their options, as commander has them. `done` gets the exit code of the one that ran. */
export function createProgram(environment: Environment, done: (code: number) => void): Command {
  const program = new Command("redkeep");
  program
    .description(
      "Hardens fleets of Redis hosts over SSH, proves the result on the running service, and keeps them hard.",
    )
    .version(packageVersion(), "-V, --version")
    .configureOutput({
      writeOut: (text) => environment.stdout.write(text),
      writeErr: (text) => environment.stderr.write(printableText(text)),
    })
    // Without "[options]" on each line the longest leaves room for the descriptions on 80 columns.
    .configureHelp({
      subcommandTerm: (command) =>
        [
          command.name(),
          ...command.registeredArguments.map((argument) => {
            const shown = `${argument.name()}${argument.variadic ? "..." : ""}`;
            return argument.required ? `<${shown}>` : `[${shown}]`;
          }),
        ].join(" "),
    })
    .exitOverride()
    .showSuggestionAfterError(true)
    .addHelpText(
      "after",
      "\nExample:\n  redkeep init\n  redkeep plan -i inventory/hosts.yml\n\nEach command says more with --help.\n",
    );

  const run = (name: RunCommand, description: string, examples: string) => {
    const command = program
      .command(name)
      .description(description)
      .argument(
        "[playbook]",
        "playbook (default: ./playbooks/harden.yml, else the one that redkeep ships). It is code: its expressions run on this machine",
      );
    addRunOptions(command, name);
    command.addHelpText("after", `\nExamples:\n${examples}`);
    command.action(async (playbook: string | undefined, raw: Raw) => {
      const options = await runOptions(playbook, raw, environment);
      const go = await COMMANDS[name]();
      done(await go(options, environment));
    });
  };
  run(
    "plan",
    "show what would change, on which host, and who would notice; changes nothing",
    "  redkeep plan -i inventory/production.yml\n  redkeep plan -i inventory/production.yml --limit redis-01 --tags network --json plan.json\n",
  );
  run(
    "apply",
    "make it so: one transaction a host, confirmed over a new login",
    "  redkeep apply -i inventory/production.yml\n  redkeep apply -i inventory/production.yml --yes --json run.json      (in CI)\n",
  );
  run(
    "verify",
    "prove it on the running hosts; changes nothing",
    "  redkeep verify -i inventory/production.yml\n  redkeep verify -i inventory/production.yml -v --json -\n",
  );

  run(
    "rollback",
    "put back what the last run changed, on the hosts that it changed",
    "  redkeep rollback -i inventory/production.yml --check\n  redkeep rollback -i inventory/production.yml --limit redis-02 --yes\n  redkeep rollback -i inventory/production.yml --limit all --to original\n",
  );

  run(
    "eject",
    "take redkeep's own traces off the hosts, and leave the hardening",
    "  redkeep eject -i inventory/production.yml --check\n  redkeep eject -i inventory/production.yml --yes\n\nTo go back to how the hosts were, run rollback --to original first: eject takes the backups away.\n",
  );

  addReport(program, environment, done);
  addDiff(program, environment, done);

  program
    .command("inventory")
    .description("print the inventory as ansible-inventory does; reaches no host")
    .requiredOption(
      "-i, --inventory <path>",
      "inventory file, directory, or list of hosts (a,b,); may be repeated",
      collect,
    )
    .option("--list", "all hosts and their variables, as JSON (the default)")
    .option("--graph", "groups and hosts as a tree")
    .option("--host <name>", "one host's variables, as JSON")
    .option("-l, --limit <pattern>", "only these hosts; @FILE for one a line")
    .option("-e, --extra-vars <vars>", "key=value or @file; may be repeated", collect)
    .addHelpText(
      "after",
      "\nExamples:\n  redkeep inventory -i inventory/ --graph\n  redkeep inventory -i inventory/ --host redis-01\n",
    )
    .action(async (raw: Raw) => {
      const { inventory } = await import("../commands/inventory.ts");
      done(
        await inventory(
          {
            inventory: raw.inventory as string[],
            limit: raw.limit as string | undefined,
            extraVars: (raw.extraVars as string[] | undefined) ?? [],
            list: raw.list === true,
            graph: raw.graph === true,
            host: raw.host as string | undefined,
          },
          environment,
        ),
      );
    });

  program
    .command("password")
    .description("print the password that redkeep generated for one host; reaches no host")
    .argument("<host>", "as the inventory names it")
    .requiredOption("-i, --inventory <path>", "inventory file or directory; may be repeated", collect)
    .option("--user <name>", "whose (default: the user whom redkeep logs in as)")
    .option("-e, --extra-vars <vars>", "key=value or @file; may be repeated", collect)
    .option("--state <dir>", "the controller's state (default: .redkeep beside the inventory)")
    .addHelpText(
      "after",
      "\nExample, without the password in a process list:\n  redkeep password redis-01 -i inventory/ | ssh redis-01 'read -r REDISCLI_AUTH; export REDISCLI_AUTH; sudo -E redis-cli -s /run/redis/redis.sock --user admin ping'\n",
    )
    .action(async (host: string, raw: Raw) => {
      const { password } = await import("../commands/password.ts");
      done(
        await password(
          {
            host,
            user: raw.user as string | undefined,
            inventory: raw.inventory as string[],
            extraVars: (raw.extraVars as string[] | undefined) ?? [],
            state: raw.state as string | undefined,
          },
          environment,
        ),
      );
    });

  program
    .command("controls")
    .description("list the controls that verify checks, or say all of one; reaches no host")
    .argument("[id]", "such as RK-TLS-06")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExamples:\n  redkeep controls\n  redkeep controls RK-TLS-06\n")
    .action(async (id: string | undefined, raw: Raw) => {
      const { controls } = await import("../commands/controls.ts");
      done(controls(id, { json: raw.json === true }, environment));
    });

  program
    .command("lint")
    .description("find the traps in redis.conf and ACL files; reaches no host")
    .argument("<files...>", "redis.conf, users.acl; what they include is read too where it is here")
    .option("--json", "print the findings as JSON")
    .option("--sarif <file>", "write them as SARIF 2.1.0 too, for code scanning")
    .addOption(
      new Option("--fail-on <severity>", "exit 6 for a finding of this severity or a graver one")
        .choices(SEVERITIES)
        .default("low"),
    )
    .option("--ignore <control>", "do not look for this; may be repeated", collect)
    .addOption(
      new Option(
        "--for <server>",
        "the server that the files are for, to find what it does not know",
      ).choices(SERVERS),
    )
    .addHelpText(
      "after",
      "\nExamples:\n  redkeep lint redis.conf users.acl\n  redkeep lint --for redis-7.0 --fail-on high conf/*.conf\n",
    )
    .action(async (files: string[], raw: Raw) => {
      const { lint } = await import("../commands/lint.ts");
      done(
        await lint(
          {
            files,
            json: raw.json === true,
            sarif: raw.sarif as string | undefined,
            failOn: raw.failOn as Severity,
            ignore: (raw.ignore as string[] | undefined) ?? [],
            server: raw.for as ServerName | undefined,
          },
          environment,
        ),
      );
    });

  const adopting = program
    .command("adopt")
    .description("write a playbook, variables and waivers of what the hosts have; changes nothing on them")
    .argument("[playbook]", "a playbook whose users and passwords redkeep may log in with");
  addGroup(adopting, "Which hosts:", [...hostOptions(), variableOption(), forksOption()]);
  addGroup(adopting, "Output:", [option("--out <dir>", "where to").default("adopted")]);
  addGroup(adopting, "Connection:", connectionOptions());
  adopting.addHelpText(
    "after",
    "\nExamples:\n  redkeep adopt -i inventory/production.yml\n  redkeep plan adopted/playbook.yml -i inventory/production.yml --waivers adopted/waivers.yml\n",
  );
  adopting.action(async (playbook: string | undefined, raw: Raw) => {
    const options = await runOptions(playbook, raw, environment);
    const { adopt } = await import("../commands/adopt.ts");
    done(await adopt({ ...options, out: raw.out as string }, environment));
  });

  program
    .command("init")
    .description("write a starter inventory, playbook and .gitignore")
    .argument("[dir]", "where to", ".")
    .action(async (directory: string) => {
      const { init } = await import("../commands/init.ts");
      done(await init(directory, environment));
    });
  return program;
}

const FORMAT_OPTIONS: readonly [string, string][] = [
  ["html", "one page that needs nothing else, for people and auditors"],
  ["junit", "JUnit XML: a suite for each host, a case for each check"],
  ["sarif", "SARIF 2.1.0, for code scanning"],
  ["markdown", "for pull requests and step summaries, at most 900 KiB"],
  ["prometheus", "for node_exporter's textfile collector"],
  ["json", "the merged run record"],
];

function addReport(program: Command, environment: Environment, done: (code: number) => void): void {
  const command = program
    .command("report")
    .description(
      "merge run records and show them as HTML, JUnit, SARIF, Markdown or metrics; reaches no host",
    )
    .argument("<run.json...>", "run records: the shards of a run, or runs of different times");
  for (const [format, description] of FORMAT_OPTIONS)
    command.option(`--${format} <file>`, `${description}; - for stdout`);
  command
    .option("--exit-code", "end as the merged run has ended, not with 0")
    .option("-v, --verbose", "without a format: show every host, change and check")
    .addHelpText(
      "after",
      `
Of a host in several records the newest one stands, and the one before it is shown beside it: before against after.
Without a format, the text of the merged run is printed. A shard that is missing is told, and makes the run's exit code 3.

Exit code: 0 when the reports were written, whatever they tell; with --exit-code that of the merged run, which is the
gravest of its parts; 1 for a file that is no run record.

Examples:
  redkeep report run.json --html report.html --junit report.xml
  redkeep report before.json after.json --html report.html
  redkeep report shard-*.json --exit-code --json run.json --markdown - >> "$GITHUB_STEP_SUMMARY"
`,
    )
    .action(async (records: string[], raw: Raw) => {
      const { report } = await import("../commands/report.ts");
      const outputs = Object.fromEntries(
        FORMAT_OPTIONS.flatMap(([format]) => (raw[format] === undefined ? [] : [[format, raw[format]]])),
      );
      const [verbose, exitCode] = [raw.verbose === true, raw.exitCode === true];
      done(await report({ records, outputs, verbose, exitCode }, environment));
    });
}

function addDiff(program: Command, environment: Environment, done: (code: number) => void): void {
  program
    .command("diff")
    .description("what got better, worse, new or gone between two run records; reaches no host")
    .argument("<before.json>", "the older run record")
    .argument("<after.json>", "the newer one")
    .option("--json <file>", "write the differences there; - for stdout")
    .option("-v, --verbose", "show every difference")
    .addHelpText(
      "after",
      `
Worse is a check that fails now, or that can no longer be made; a host that is lost or drifted; a dangerous command
that a user gained; a waiver that expired.

Exit code: 0 when nothing got worse, 6 when something did, 1 for a file that is no run record.

Examples:
  redkeep diff yesterday.json today.json
  redkeep diff before.json after.json --json -
`,
    )
    .action(async (before: string, after: string, raw: Raw) => {
      const { diff } = await import("../commands/diff.ts");
      const json = raw.json as string | undefined;
      done(await diff({ before, after, json, verbose: raw.verbose === true }, environment));
    });
}

const option = (flags: string, description: string) => new Option(flags, description);

function addGroup(command: Command, title: string, options: readonly Option[]): void {
  for (const option of options) {
    option.helpGroup(title);
    command.addOption(option);
  }
}

function hostOptions(): Option[] {
  return [
    option("-i, --inventory <path>", "inventory file, directory, or list of hosts (a,b,); may be repeated")
      .argParser(collect)
      .makeOptionMandatory(),
    option("-l, --limit <pattern>", "only these hosts; @FILE for one a line"),
  ];
}

function variableOption(): Option {
  return option(
    "-e, --extra-vars <vars>",
    "key=value or @file; stronger than every other variable",
  ).argParser(collect);
}

function forksOption(): Option {
  return option("-f, --forks <n>", "hosts at a time").argParser(wholeNumber(1, 1000)).default(50);
}

function addRunOptions(command: Command, name: RunCommand): void {
  const group = (title: string, options: readonly Option[]) => addGroup(command, title, options);
  group("Which hosts:", [
    ...hostOptions(),
    option("--retry-failed <run.json>", "only the hosts that this run did not finish"),
    option("--shard <i/n>", "part I of N of the hosts, counted from 1"),
  ]);
  group("Which tasks:", [
    option("-t, --tags <tags>", "only tasks with one of these tags (a,b)").argParser(collect),
    option("--skip-tags <tags>", "no tasks with one of these tags").argParser(collect),
    variableOption(),
  ]);
  const careful = [
    ...(name === "apply" ? [option("-C, --check", "plan only")] : []),
    ...(name === "eject"
      ? [option("-C, --check", "show what would go and what stays; changes nothing")]
      : []),
    ...(name === "rollback"
      ? [
          option("-C, --check", "show what would come back and who will notice; changes nothing"),
          option(
            "--to <state>",
            "last: undo the last run of each host; original: each file and setting as it was before redkeep first touched it",
          )
            .choices(["last", "original"])
            .default("last"),
        ]
      : []),
    ...(name === "apply" || name === "rollback" || name === "eject"
      ? [option("-y, --yes", "do not ask; needed without a terminal")]
      : []),
    option("--accept <guard>", "take the risk that a refusal names; may be repeated").argParser(collect),
    ...(name === "plan" || name === "apply"
      ? [option("--fail-on-impact", "exit 3, and touch no host, where a client or user would notice")]
      : []),
    ...(name === "verify" || name === "rollback" || name === "eject"
      ? []
      : [
          option(
            "--rotate <name>",
            "make anew: this user's generated password, client:NAME (its key and certificate), or ca",
          ).argParser(collect),
        ]),
    ...(name === "rollback" || name === "eject"
      ? []
      : [
          option(
            "--waivers <file>",
            "failures accepted for a time (default: waivers.yml beside the inventory)",
          ),
        ]),
    ...(name === "apply" || name === "verify"
      ? [
          option(
            "--fail-on <severity>",
            "exit 6 only for a failed check of this severity or a graver one",
          ).choices(SEVERITIES),
        ]
      : []),
    forksOption(),
  ];
  group("How careful:", careful);
  group("Output:", [
    option("--json <file>", "write the run record there; - for stdout"),
    option("-D, --diff", "show long differences in full"),
    option("-v, --verbose", "show every host, change and check"),
  ]);
  group("Connection:", connectionOptions());
}

function connectionOptions(): Option[] {
  return [
    option("-u, --user <name>", "log in as (weaker than the inventory)"),
    option("--private-key <file>", "key to log in with (weaker than the inventory)"),
    option("-k, --ask-pass", "ask for the login password"),
    option("-b, --become", "become root with sudo"),
    option("-K, --ask-become-pass", "ask for sudo's password"),
    option("--known-hosts <file>", "host keys, instead of your own known_hosts files"),
    option("-T, --timeout <seconds>", "to connect").argParser(wholeNumber(1, 3600)).default(10),
    option("--state <dir>", "the controller's state (default: .redkeep beside the inventory)"),
  ];
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

function wholeNumber(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d{1,6}$/.test(value) || number < min || number > max)
      throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}, found "${value}".`);
    return number;
  };
}

async function runOptions(
  playbook: string | undefined,
  raw: Raw,
  environment: Environment,
): Promise<RunOptions> {
  const list = (name: string) => (raw[name] as string[] | undefined) ?? [];
  const text = (name: string) => raw[name] as string | undefined;
  const password = raw.askPass === true ? await askSecret("SSH password: ", "-k", environment) : undefined;
  const becomePassword =
    raw.askBecomePass === true ? await askSecret("sudo password: ", "-K", environment) : undefined;
  showTyping(environment);
  return {
    inventory: list("inventory"),
    playbook,
    limit: text("limit"),
    tags: tagNames("--tags", list("tags")),
    skipTags: tagNames("--skip-tags", list("skipTags")),
    extraVars: list("extraVars"),
    forks: raw.forks as number,
    diff: raw.diff === true,
    yes: raw.yes === true,
    check: raw.check === true,
    json: text("json"),
    verbose: raw.verbose === true,
    timeoutSeconds: raw.timeout as number,
    user: text("user"),
    privateKey: text("privateKey"),
    password,
    become: raw.become === true ? true : undefined,
    becomePassword,
    knownHosts: text("knownHosts"),
    state: text("state"),
    waivers: text("waivers"),
    failOn: raw.failOn as Severity | undefined,
    accept: new Set(guards(list("accept"))),
    failOnImpact: raw.failOnImpact === true,
    rotate: new Set(list("rotate")),
    retryFailed: text("retryFailed"),
    shard: shard(text("shard")),
    to: raw.to === "original" ? "original" : "last",
  };
}

/** An empty list, as of an empty variable in a CI job, would select everything: it is no selection. */
function tagNames(flag: string, given: readonly string[]): string[] {
  const names = given
    .flatMap((text) => text.split(","))
    .map((tag) => tag.trim())
    .filter(Boolean);
  if (given.length > 0 && names.length === 0) throw new InputError({ key: flag, message: "names no tag" });
  return names;
}

/** Every guard by name, so that a typo in --accept is told. */
export const GUARDS = [
  ..."aof-rewrite-failed bind-absent-address bind-everywhere blast-radius blinding-rename certificate cluster disk-too-small".split(
    " ",
  ),
  ..."evicts-stored-keys firewall-empty firewall-open impact last-save-failed maxmemory-above-host maxmemory-below-used memory-only-users oldest-backup".split(
    " ",
  ),
  ..."other-firewall other-password other-ports persistence-differs primary-without-persistence privileged-port replica-rename replication replication-needs-tls rules-of-others".split(
    " ",
  ),
  ..."sentinel sentinel-rename server-stopped split-replication-group ssh-peer-only stop-timeout ufw-ipv6-off unknown-data unknown-setting unmeasured-version unsettled-run weak-password".split(
    " ",
  ),
];

function guards(given: readonly string[]): string[] {
  const names = given
    .flatMap((text) => text.split(","))
    .map((name) => name.trim())
    .filter(Boolean);
  const strange = names.find((name) => !GUARDS.includes(name));
  if (strange !== undefined)
    throw new InputError({
      key: "--accept",
      message: `there is no guard "${strange}".${didYouMean(strange, GUARDS)} Guards are ${GUARDS.join(", ")}`,
    });
  return names;
}

function shard(text: string | undefined): RunOptions["shard"] {
  if (text === undefined) return undefined;
  const [, index, count] = /^(\d{1,5})\/(\d{1,5})$/.exec(text) ?? [];
  const found = { index: Number(index), count: Number(count) };
  if (index === undefined || found.index < 1 || found.index > found.count) {
    throw new InputError({ key: "--shard", message: `should be I/N with I from 1 to N, found "${text}"` });
  }
  return found;
}
