import { Command, Option } from "commander";
import { packageVersion } from "../lib/package.ts";
import { printableText } from "../lib/printable.ts";
import { SERVERS, type ServerName } from "../lint/server-version.ts";
import { SEVERITIES, type Severity } from "../record/statuses.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import {
  addGroup,
  addRunOptions,
  collect,
  connectionOptions,
  forksOption,
  hostOptions,
  inventoryOption,
  option,
  type Raw,
  type RunCommand,
  variableOption,
} from "./options.ts";
import { inventoryOf, runOptions } from "./run-options.ts";

/** Each is loaded when it is asked for: `--help` needs none of them. */
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
    // We leave "[options]" out of each line, so that the descriptions fit 80 columns.
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
      "\nExample:\n  redkeep init\n  redkeep plan -i inventory/hosts.yml\n\nredkeep COMMAND --help explains a command.\n",
    );

  const run = (name: RunCommand, description: string, examples: string) => {
    const command = program
      .command(name)
      .description(description)
      .argument(
        "[playbook]",
        "playbook (default: ./playbooks/harden.yml, else the one that redkeep ships). Treat it as code: its expressions run on this machine",
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
    "make the changes: one transaction per host, confirmed over a new login",
    "  redkeep apply -i inventory/production.yml\n  redkeep apply -i inventory/production.yml --yes --json run.json      (in CI)\n",
  );
  run(
    "verify",
    "check the running hosts against the playbook; changes nothing",
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
    "  redkeep eject -i inventory/production.yml --check\n  redkeep eject -i inventory/production.yml --yes\n\nTo put the hosts back as they were, run rollback --to original first: eject deletes the backups.\n",
  );

  addReport(program, environment, done);
  addDiff(program, environment, done);

  program
    .command("inventory")
    .description("print the inventory as ansible-inventory does; reaches no host")
    .addOption(inventoryOption())
    .option("--list", "all hosts and their variables, as JSON (the default)")
    .option("--graph", "groups and hosts as a tree")
    .option("--host <name>", "one host's variables, as JSON")
    .option("-l, --limit <pattern>", "only these hosts; @FILE names one a line")
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
            inventory: await inventoryOf(raw, environment),
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
    .addOption(inventoryOption())
    .option("--user <name>", "whose password (default: the user that redkeep logs in as)")
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
            inventory: await inventoryOf(raw, environment),
            extraVars: (raw.extraVars as string[] | undefined) ?? [],
            state: raw.state as string | undefined,
          },
          environment,
        ),
      );
    });

  program
    .command("controls")
    .description("list the controls that verify checks, or explain one; reaches no host")
    .argument("[id]", "such as RK-TLS-06")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  redkeep controls\n  redkeep controls RK-TLS-06\n")
    .action(async (id: string | undefined, raw: Raw) => {
      const { controls } = await import("../commands/controls.ts");
      done(controls(id, { json: raw.json === true }, environment));
    });

  program
    .command("lint")
    .description("find the traps in redis.conf and ACL files; reaches no host")
    .argument(
      "<files...>",
      "redis.conf, users.acl; files that they include are read too, where they exist here",
    )
    .option("--json", "print the findings as JSON")
    .option("--sarif <file>", "also write them as SARIF 2.1.0, for code scanning")
    .addOption(
      new Option("--fail-on <severity>", "exit 6 for a finding of this severity or a graver one")
        .choices(SEVERITIES)
        .default("low"),
    )
    .option("--ignore <control>", "do not report this control; may be repeated", collect)
    .addOption(
      new Option(
        "--for <server>",
        "the server that the files are for: finds the settings that it does not know",
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
  addGroup(adopting, "Output:", [option("--out <dir>", "folder to write into").default("adopted")]);
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
    .argument("[dir]", "folder to write into", ".")
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
    .option("--exit-code", "exit with the merged run's exit code instead of 0")
    .option("-v, --verbose", "without a format: show every host, change and check")
    .addHelpText(
      "after",
      `
Where a host is in several records, the newest counts, and the one before it is shown beside it.
Without a format, the text of the merged run is printed. A missing shard is named and makes the run's exit code 3.

Exit code: 0 when the reports were written, whatever they say; 1 for a file that is no run record. With --exit-code,
the gravest exit code of the merged records.

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
    .description("show what got better or worse, is new or is gone between two run records; reaches no host")
    .argument("<before.json>", "the older run record")
    .argument("<after.json>", "the newer one")
    .option("--json <file>", "write the differences there; - for stdout")
    .option("-v, --verbose", "show every difference")
    .addHelpText(
      "after",
      `
These count as worse: a check that now fails or can no longer be made; a host that is lost or drifted; a dangerous
command that a user gained; a waiver that expired.

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
