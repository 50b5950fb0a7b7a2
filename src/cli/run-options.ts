import { didYouMean, InputError } from "../lib/errors.ts";
import type { Severity } from "../record/statuses.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { askSecret, showTyping } from "./ask-secret.ts";
import { GUARDS } from "./guards.ts";
import type { Raw } from "./options.ts";
import { vaultOf } from "./vault-options.ts";

/** What commander read, checked and with its passwords asked for. @throws InputError where an option cannot be meant. */
export async function runOptions(
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
    vault: vaultOf(raw, environment),
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

/** An empty list, as from an empty variable in a CI job, would select everything: we refuse it. */
function tagNames(flag: string, given: readonly string[]): string[] {
  const names = given
    .flatMap((text) => text.split(","))
    .map((tag) => tag.trim())
    .filter(Boolean);
  if (given.length > 0 && names.length === 0) throw new InputError({ key: flag, message: "names no tag" });
  return names;
}

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
