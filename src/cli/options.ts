import { type Command, InvalidArgumentError, Option } from "commander";
import { SEVERITIES } from "../record/statuses.ts";

export const option = (flags: string, description: string) => new Option(flags, description);

/** Adds options under a title of their own in the help. */
export function addGroup(command: Command, title: string, options: readonly Option[]): void {
  for (const option of options) {
    option.helpGroup(title);
    command.addOption(option);
  }
}

export function inventoryOption(): Option {
  return option(
    "-i, --inventory <path>",
    "inventory file, program, directory, or list of hosts (a,b,); may be repeated (default: that of ansible.cfg)",
  ).argParser(collect);
}

export function hostOptions(): Option[] {
  return [inventoryOption(), option("-l, --limit <pattern>", "only these hosts; @FILE names one a line")];
}

export function variableOption(): Option {
  return option(
    "-e, --extra-vars <vars>",
    "key=value or @file; these win over every other variable",
  ).argParser(collect);
}

export function forksOption(): Option {
  return option("-f, --forks <n>", "hosts at a time (default: that of ansible.cfg, else 50)").argParser(
    wholeNumber(1, 1000),
  );
}

/** The options of a command that goes to the hosts. */
export function addRunOptions(command: Command, name: RunCommand): void {
  const group = (title: string, options: readonly Option[]) => addGroup(command, title, options);
  group("Which hosts:", [
    ...hostOptions(),
    option("--retry-failed <run.json>", "only the hosts that this run did not leave changed or unchanged"),
    option("--shard <i/n>", "only the I-th of N parts of the hosts, such as 2/5"),
  ]);
  group("Which tasks:", [
    option("-t, --tags <tags>", "only tasks with one of these tags (a,b)").argParser(collect),
    option("--skip-tags <tags>", "no tasks with one of these tags").argParser(collect),
    variableOption(),
  ]);
  const careful = [
    ...(name === "apply"
      ? [option("-C, --check", "show what would change and who would notice; change nothing")]
      : []),
    ...(name === "eject" ? [option("-C, --check", "show what would go and what stays; change nothing")] : []),
    ...(name === "rollback"
      ? [
          option("-C, --check", "show what would come back and who would notice; change nothing"),
          option(
            "--to <state>",
            "last: undo each host's last run; original: put each file and setting back as it was before redkeep first touched it",
          )
            .choices(["last", "original"])
            .default("last"),
        ]
      : []),
    ...(name === "apply" || name === "rollback" || name === "eject"
      ? [option("-y, --yes", "do not ask; required without a terminal")]
      : []),
    option("--accept <guard>", "go on in spite of this guard; may be repeated").argParser(collect),
    ...(name === "plan" || name === "apply"
      ? [option("--fail-on-impact", "exit 3, and touch no host, where a client or user would notice")]
      : []),
    ...(name === "verify" || name === "rollback" || name === "eject"
      ? []
      : [
          option(
            "--rotate <name>",
            "replace this user's generated password, a client's key and certificate (client:NAME), or the CA (ca)",
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

export function connectionOptions(): Option[] {
  return [
    option("-u, --user <name>", "user to log in as (the inventory wins)"),
    option("--private-key <file>", "key to log in with (the inventory wins)"),
    option("-k, --ask-pass", "ask for the login password"),
    option("-b, --become", "become root with sudo"),
    option("-K, --ask-become-pass", "ask for sudo's password"),
    option("--known-hosts <file>", "host keys to trust, instead of your own known_hosts files"),
    option(
      "--host-keys <how>",
      "accept-new: store a host's first key, refuse a changed one, whatever switches host keys off; strict: refuse every key that is not on file",
    ).choices(["strict", "accept-new"]),
    option(
      "--allow-inventory-commands",
      "let the inventory's ssh options run commands and load libraries on this machine (ProxyCommand, PKCS11Provider, -F)",
    ),
    option("-T, --timeout <seconds>", "seconds to connect (default: that of ansible.cfg, else 10)").argParser(
      wholeNumber(1, 3600),
    ),
    option("--state <dir>", "the controller's state (default: .redkeep beside the inventory)"),
  ];
}

export function collect(value: string, previous: string[] = []): string[] {
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

export type Raw = Record<string, unknown>;

export type RunCommand = "plan" | "apply" | "verify" | "rollback" | "eject";
