import { type AnsibleSettings, ansibleSettings } from "../inventory/ansible-settings.ts";
import { didYouMean, InputError } from "../lib/errors.ts";
import { printableText } from "../lib/printable.ts";
import type { Severity } from "../record/statuses.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import type { Vault } from "../vault/vault.ts";
import { askSecret, showTyping } from "./ask-secret.ts";
import { GUARDS } from "./guards.ts";
import type { Raw } from "./options.ts";
import { vaultArguments, vaultOf } from "./vault-options.ts";

/** What commander read, checked and with its passwords asked for. @throws InputError where an option cannot be meant. */
export async function runOptions(
  playbook: string | undefined,
  raw: Raw,
  environment: Environment,
): Promise<RunOptions> {
  const list = (name: string) => (raw[name] as string[] | undefined) ?? [];
  const text = (name: string) => raw[name] as string | undefined;
  const settings = await settingsOf(raw, environment);
  if (settings.hostKeysOff !== undefined && raw.hostKeys === undefined) {
    const message = `${settings.hostKeysOff} switches host keys off, which redkeep does not follow: to take each host's first key, give --host-keys accept-new`;
    environment.stderr.write(`warning: ${printableText(message)}\n`);
  }
  const asks = (name: string, bySetting: boolean) => raw[name] === true || bySetting;
  const password = asks("askPass", settings.asksPassword)
    ? await askSecret("SSH password: ", "-k", environment)
    : undefined;
  const becomePassword = asks("askBecomePass", settings.asksBecomePassword)
    ? await askSecret("sudo password: ", "-K", environment)
    : undefined;
  showTyping(environment);
  return {
    inventory: sourcesOf(raw, settings),
    settings,
    playbook,
    limit: text("limit"),
    tags: tagNames("--tags", list("tags")),
    skipTags: tagNames("--skip-tags", list("skipTags")),
    extraVars: list("extraVars"),
    forks: (raw.forks as number | undefined) ?? settings.forks ?? 50,
    diff: raw.diff === true,
    yes: raw.yes === true,
    check: raw.check === true,
    json: text("json"),
    verbose: raw.verbose === true,
    timeoutSeconds: (raw.timeout as number | undefined) ?? settings.timeoutSeconds ?? 10,
    user: text("user"),
    privateKey: text("privateKey"),
    password,
    become: raw.become === true ? true : undefined,
    becomePassword,
    knownHosts: text("knownHosts"),
    hostKeys: raw.hostKeys as RunOptions["hostKeys"],
    allowInventoryCommands: raw.allowInventoryCommands === true,
    state: text("state"),
    vault: vaultOf(raw, environment, settings.vault),
    vaultArguments: vaultArguments(raw),
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

/** For a command that reads the inventory and goes to no host. @throws InputError where nobody names one */
export async function inventoryOf(
  raw: Raw,
  environment: Environment,
): Promise<{ inventory: readonly string[]; vault: Vault; mergesMappings: boolean }> {
  const settings = await settingsOf(raw, environment);
  const { mergesMappings } = settings;
  return {
    inventory: sourcesOf(raw, settings),
    vault: vaultOf(raw, environment, settings.vault),
    mergesMappings,
  };
}

/** For a command that looks at this machine: the inventory may be none. */
export async function hereOf(
  raw: Raw,
  environment: Environment,
): Promise<Pick<RunOptions, "settings" | "inventory" | "extraVars" | "vault">> {
  const settings = await settingsOf(raw, environment);
  return {
    settings,
    inventory: (raw.inventory as string[] | undefined) ?? settings.inventory?.sources ?? [],
    extraVars: (raw.extraVars as string[] | undefined) ?? [],
    vault: vaultOf(raw, environment, settings.vault),
  };
}

/** For a command that needs the state alone: the inventory beside which it lies, where anybody names one. */
export async function stateOf(
  raw: Raw,
  environment: Environment,
): Promise<{ inventory: string | undefined; vault: Vault }> {
  const given = raw.inventory as string | undefined;
  const isPlaced = given !== undefined || raw.state !== undefined;
  const settings = await ansibleSettings(environment, isPlaced);
  const inventory = given ?? settings.inventory?.sources[0];
  return { inventory, vault: vaultOf(raw, environment, settings.vault) };
}

/** Says what was read, and from where an inventory comes that the command line does not name. */
async function settingsOf(raw: Raw, environment: Environment): Promise<AnsibleSettings> {
  const settings = await ansibleSettings(environment, raw.inventory !== undefined);
  const say = (text: string) => environment.stderr.write(`${printableText(text)}\n`);
  if (raw.verbose === true && settings.file !== undefined) say(`configuration: ${settings.file}`);
  if (settings.inventory !== undefined)
    say(`inventory: ${settings.inventory.sources.join(", ")}, from ${settings.inventory.from}`);
  for (const warning of settings.warnings) say(`warning: ${warning}`);
  return settings;
}

function sourcesOf(raw: Raw, { inventory, file }: AnsibleSettings): readonly string[] {
  const given = (raw.inventory as string[] | undefined) ?? inventory?.sources;
  if (given !== undefined) return given;
  throw new InputError({
    place: file === undefined ? undefined : { file },
    key: "--inventory",
    message: "name an inventory with it, or in ansible.cfg by inventory = PATH in [defaults]",
  });
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
