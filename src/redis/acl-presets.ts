import type { CommandTable } from "./acl-commands.ts";
import { permissions } from "./acl-permissions.ts";
import type { AclUser, KeyAccess } from "./acl-user.ts";
import { AGAINST_SCRIPTS } from "./dangerous-rules.ts";
import type { Capabilities } from "./versions.ts";

export const PRESETS = ["application", "metrics", "replication", "sentinel", "admin"] as const;
export type Preset = (typeof PRESETS)[number];

export interface PresetParameters {
  name: string;
  preset: Preset;
  /** Key patterns without `~`; `%R~cache:*` for reading only. Default: all for admin, none for the others. */
  keys?: readonly string[] | undefined;
  /** Channel patterns without `&`. Default: all for admin and sentinel, none for the others. */
  channels?: readonly string[] | undefined;
  /** Lua scripts and functions: all commands that clients send for them, since some without the others do not work. */
  scripts?: boolean | undefined;
  /** Rules after the preset's own and those for scripts: `+object`, `+@pubsub`. */
  allow?: readonly string[] | undefined;
  /** SHA-256 of the password in lower-case hex. */
  passwordHash: string;
}

/**
 * The user that a preset describes, in the words of this server. The rules were exercised on Redis 6.0, 7.0, 8.0 and
 * Valkey 8.1 with real clients, a replica and a Sentinel failover. The parameters must be valid: see
 * `nameProblem`, `patternProblem` and `ruleProblem`.
 */
export function presetUser(parameters: PresetParameters, capabilities: Capabilities): AclUser {
  const { name, preset, scripts = false, allow = [], passwordHash } = parameters;
  const keys = parameters.keys ?? (preset === "admin" ? ["*"] : []);
  const channels = parameters.channels ?? (preset === "admin" || preset === "sentinel" ? ["*"] : []);
  const allKeys = keys.includes("*");
  const allChannels = channels.includes("*");
  return {
    name,
    enabled: true,
    nopass: false,
    passwords: new Set([passwordHash]),
    skipSanitizePayload: false,
    rules: effectiveRules([
      ...presetRules(preset, capabilities),
      ...(scripts ? scriptRules(capabilities) : []),
      ...allow.map((rule) => rule.toLowerCase()),
    ]),
    allKeys,
    keys: new Map(allKeys ? [] : keys.map(keyPattern)),
    // Servers without channel rules let every user publish and subscribe; a user found there has none either.
    allChannels: capabilities.aclChannels && allChannels,
    channels: new Set(capabilities.aclChannels && !allChannels ? channels : []),
    selectors: [],
    problems: [],
  };
}

/**
 * The default user switched off. Not `nopass`, however often it is recommended: that flag makes protected mode refuse
 * every remote client before it can log in, although the user is off.
 *
 * @param replaysAof whether an AOF is on. At its start the server replays each transaction of it, which is also what a script
 * wrote, with the permissions of this user: where it may not write, Redis 7.0 drops the transaction and later ones do not start
 * (redis/redis#14541, #14156).
 */
export function disabledDefaultUser(
  { helloNeedsDefaultUser }: Capabilities,
  { replaysAof }: { replaysAof: boolean },
): AclUser {
  return {
    name: "default",
    enabled: false,
    nopass: false,
    passwords: new Set(),
    skipSanitizePayload: false,
    rules: [
      "-@all",
      ...(replaysAof ? ["+@write", "+select"] : []),
      ...(helloNeedsDefaultUser ? ["+hello"] : []),
    ],
    allKeys: replaysAof,
    keys: new Map(),
    allChannels: false,
    channels: new Set(),
    selectors: [],
    problems: [],
  };
}

/** What client libraries say about themselves when they connect. */
const CLIENT_GREETING = ["client|setname", "client|getname", "client|id", "client|setinfo"];

function presetRules(preset: Preset, capabilities: Capabilities): string[] {
  switch (preset) {
    case "application":
      return [
        "-@all",
        ..."+@read +@write +@connection +@transaction +@pubsub -@admin -@dangerous -@scripting".split(" "),
        // Clients send INFO before they use a connection. It is in @dangerous, so it follows the denial of that.
        "+info",
        ...(capabilities.selectAndClientOutsideConnection
          ? ["+select", ...CLIENT_GREETING.map((name) => `+${name}`)]
          : []),
      ];
    case "metrics":
      return "-@all +ping +info +dbsize +lastsave +role +latency|latest +slowlog|len".split(" ");
    case "replication":
      return "-@all +psync +replconf +ping".split(" ");
    case "sentinel":
      return [
        ..."-@all +multi +exec +slaveof +ping +subscribe +publish +config|rewrite +role +info".split(" "),
        ..."+client|setname +client|kill +script|kill".split(" "),
      ];
    case "admin":
      return ["+@all"];
  }
}

/** A library sends EVALSHA first, and EVAL or SCRIPT LOAD where the server does not know the script yet. */
export const SCRIPTS_NEED = ["eval", "evalsha", "script|load"] as const;

const SCRIPT_COMMANDS = [...SCRIPTS_NEED, "script|exists"];
const FUNCTION_COMMANDS = ["eval_ro", "evalsha_ro", "fcall", "fcall_ro"];

/** Whether `scripts: true` gives this command. Not SCRIPT FLUSH and KILL, nor FUNCTION: those reach what others have loaded. */
export function isForScripts(command: string): boolean {
  return [...SCRIPT_COMMANDS, ...FUNCTION_COMMANDS].includes(command);
}

/** What `scripts: true` adds to a preset. */
export function scriptRules({ functions }: Pick<Capabilities, "functions">): string[] {
  return [...SCRIPT_COMMANDS, ...(functions ? FUNCTION_COMMANDS : [])].map((name) => `+${name}`);
}

/** Rules before the last rule for all commands no longer matter. */
const effectiveRules = (rules: readonly string[]): string[] =>
  rules.slice(rules.findLastIndex((rule) => rule.endsWith("@all")));

function keyPattern(text: string): [string, KeyAccess] {
  const match = /^%(r|w|rw|wr)~(.*)$/i.exec(text);
  if (match === null) return [text, "RW"];
  const access = match[1]?.length === 2 ? "RW" : match[1]?.toLowerCase() === "r" ? "R" : "W";
  return [match[2] ?? "", access];
}

/** Blanks of any kind and control characters: in an ACL file they end the rule, and a line break starts a new user. */
const UNSAFE = /[\s\x00-\x1f\x7f-\x9f]/;

/** Why this is no name for a user, or undefined. */
export function nameProblem(name: string): string | undefined {
  if (name === "") return "should be a name, found an empty string";
  if (UNSAFE.test(name)) return `should be one word, found ${JSON.stringify(name)}`;
  if (name === "default") return 'should not be "default": redkeep switches that user off';
  return undefined;
}

/** Why this is no key or channel pattern, or undefined. `%R~` and `%W~` need selectors' servers (7.0). */
export function patternProblem(
  kind: "key" | "channel",
  pattern: string,
  capabilities?: Pick<Capabilities, "aclSelectors">,
): string | undefined {
  if (pattern === "") return `should be a ${kind} pattern, found an empty string`;
  if (UNSAFE.test(pattern)) return `should be one ${kind} pattern, found ${JSON.stringify(pattern)}`;
  const sign = kind === "key" ? "~" : "&";
  if (pattern.startsWith(sign)) return `should be without the "${sign}", found "${pattern}"`;
  if (kind === "channel" || !pattern.startsWith("%")) return undefined;
  if (!/^%(?:r|w|rw|wr)~./i.test(pattern)) return `should start with "%R~" or "%W~", found "${pattern}"`;
  return capabilities?.aclSelectors === false ? `needs Redis 7.0 or newer, found "${pattern}"` : undefined;
}

/**
 * Whether a key or channel pattern, `%R~` before it or not, matches all names or nearly: `*`, `?*`, `[^x]*`, nothing of it being a
 * sign that the name must have.
 */
export function matchesNearlyAll(pattern: string): boolean {
  const glob = pattern.replace(/^%[rw]+~/i, "");
  const withoutClasses = glob.replace(/\[(?!\\?[^\]\\]\])(?:\\.|[^\]\\])+\]/g, "?");
  return /^[*?]*\*[*?]*$/.test(withoutClasses);
}

/** Why this is no command rule that may be added to a preset, or undefined. */
export function ruleProblem(
  rule: string,
  capabilities?: Pick<Capabilities, "aclDenySubcommand">,
): string | undefined {
  if (!/^[+-](?:@[a-z0-9_-]+|[a-z0-9_.-]+(?:\|[a-z0-9_.:-]+)?)$/i.test(rule)) {
    return `should be a command rule such as "+eval", "+config|get" or "+@pubsub", found ${JSON.stringify(rule)}`;
  }
  return rule.startsWith("-") && rule.includes("|") && capabilities?.aclDenySubcommand === false
    ? `needs Redis 7.0 or newer: before, only "+" takes a subcommand, found "${rule}"`
    : undefined;
}

const HARMLESS = new Set(["info", ...CLIENT_GREETING]);

/** Whether the permissions include a command, or the whole command that it is a part of; `config|get`, lower case. */
export function isPermitted(permitted: { commands: ReadonlySet<string> }, command: string): boolean {
  return permitted.commands.has(command) || permitted.commands.has(command.replace(/\|.*$/, ""));
}

/**
 * The commands of @admin and @dangerous, and those against others' scripts, that a user may run, sorted. FLUSHALL, KEYS, SWAPDB, MIGRATE, RESTORE and SORT
 * are among them. What the application preset adds on purpose is left out: nothing in it harms, and clients need it to connect.
 */
export function dangerousFor(user: AclUser, table: CommandTable): string[] {
  const dangerous = new Set([
    ...(table.categories.get("admin") ?? []),
    ...(table.categories.get("dangerous") ?? []),
  ]);
  const { commands, selectors } = permissions(user, table);
  const permitted = new Set(
    [commands, ...selectors.map((selector) => selector.commands)].flatMap((set) => [...set]),
  );
  // `config|get` is a first argument where the table, before 7.0, knows only `config`.
  const isAgainstScripts = (name: string) =>
    AGAINST_SCRIPTS.has(name) || (name === "script" && !table.subcommands.has(name));
  const isDangerous = (name: string) =>
    !HARMLESS.has(name) &&
    (dangerous.has(name) ||
      isAgainstScripts(name) ||
      (!table.commands.has(name) && dangerous.has(name.replace(/\|.*$/, ""))));
  return [...permitted].filter(isDangerous).sort();
}
