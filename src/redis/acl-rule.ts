import { createHash } from "node:crypto";
import { didYouMean, type Problem } from "../lib/errors.ts";
import { memoized } from "../lib/memoized.ts";
import type { Secret } from "../lib/secret.ts";
import type { Capabilities } from "./versions.ts";

export type KeyAccess = "R" | "W" | "RW";

/** What one set of rules permits: a user's own, or one of the selectors in parentheses behind them. */
export interface AclSelector {
  /** Command rules in order, lower case, from the last `+@all` or `-@all` on: `-@all`, `+@read`, `+config|get`. */
  rules: readonly string[];
  allKeys: boolean;
  keys: ReadonlyMap<string, KeyAccess>;
  allChannels: boolean;
  channels: ReadonlySet<string>;
}

export interface AclUser extends AclSelector {
  name: string;
  enabled: boolean;
  /** Any password logs in. */
  nopass: boolean;
  /** SHA-256 of each password, 64 hex digits in lower case. */
  passwords: ReadonlySet<string>;
  /** Payloads of `RESTORE` are taken unchecked even where the server checks those of clients. */
  skipSanitizePayload: boolean;
  selectors: readonly AclSelector[];
  /** What Redis would refuse in the line. Never holds a password. */
  problems: readonly string[];
}

/** As Redis stores a password: SHA-256 in lower-case hex, without the `#` of the rule. */
export function hashPassword(password: Secret): string {
  return sha256(password.reveal());
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * A user as `ACL LIST`, an ACL file or a `user` line of redis.conf describes it: the whole line, or its words where
 * quotes are already taken away. `allChannelsByDefault` is the server's `acl-pubsub-default allchannels`.
 */
export function parseAclUser(
  line: string | readonly string[],
  { allChannelsByDefault = false }: { allChannelsByDefault?: boolean } = {},
): AclUser {
  const words = typeof line === "string" ? line.split(/[ \t\r\n]+/).filter((word) => word !== "") : [...line];
  if (words[0]?.toLowerCase() === "user") words.shift();
  const [name = "", ...rules] = words;
  const user = new UserBuilder(name, allChannelsByDefault);
  if (name === "") user.problems.push("a user needs a name");
  for (const rule of joinSelectors(rules, user.problems)) user.add(rule);
  return user.build();
}

/** A selector is one rule although it holds blanks: `(~a +get)`. */
function joinSelectors(words: readonly string[], problems: string[]): string[] {
  const rules: string[] = [];
  let open: string[] | undefined;
  for (const word of words) {
    if (open === undefined && !word.startsWith("(")) rules.push(word);
    else {
      if (open === undefined) open = [word];
      else open.push(word);
      if (!word.endsWith(")")) continue;
      rules.push(open.join(" "));
      open = undefined;
    }
  }
  if (open !== undefined) problems.push("a selector lacks its closing parenthesis");
  return rules;
}

class SelectorBuilder {
  rules: string[] = ["-@all"];
  allKeys = false;
  keys = new Map<string, KeyAccess>();
  allChannels: boolean;
  channels = new Set<string>();
  readonly problems: string[];
  readonly #allChannelsByDefault: boolean;

  constructor(allChannelsByDefault: boolean, problems: string[]) {
    this.allChannels = allChannelsByDefault;
    this.#allChannelsByDefault = allChannelsByDefault;
    this.problems = problems;
  }

  /** Whether the word is a rule for keys, channels or commands. */
  add(word: string): boolean {
    const lower = word.toLowerCase();
    if (lower === "allkeys" || word === "~*") this.#allKeys(true);
    else if (lower === "resetkeys") this.#allKeys(false);
    else if (lower === "allchannels" || word === "&*") this.#everyChannel(true);
    else if (lower === "resetchannels") this.#everyChannel(false);
    else if (lower === "allcommands" || lower === "+@all") this.rules = ["+@all"];
    else if (lower === "nocommands" || lower === "-@all") this.rules = ["-@all"];
    else if (/^[+-]./.test(word)) this.rules.push(lower);
    else if (word.startsWith("~")) this.#addKey(word.slice(1), "RW");
    else if (word.startsWith("%")) return this.#addKeyWithAccess(word);
    else if (word.startsWith("&")) this.#addChannel(word.slice(1));
    else return false;
    return true;
  }

  reset(): void {
    this.rules = ["-@all"];
    this.#allKeys(false);
    this.#everyChannel(this.#allChannelsByDefault);
  }

  build(): AclSelector {
    const { rules, allKeys, keys, allChannels, channels } = this;
    return { rules, allKeys, keys, allChannels, channels };
  }

  #allKeys(all: boolean): void {
    this.allKeys = all;
    this.keys.clear();
  }

  #everyChannel(all: boolean): void {
    this.allChannels = all;
    this.channels.clear();
  }

  #addKeyWithAccess(word: string): boolean {
    const match = /^%(r|w|rw|wr)~(.*)$/i.exec(word);
    if (match === null) return false;
    const access = match[1]?.length === 2 ? "RW" : match[1]?.toLowerCase() === "r" ? "R" : "W";
    this.#addKey(match[2] ?? "", access);
    return true;
  }

  #addKey(pattern: string, access: KeyAccess): void {
    if (this.allKeys) {
      this.problems.push(`"~${pattern}" after a rule that gives all keys has no effect`);
      return;
    }
    const known = this.keys.get(pattern);
    const joined = known === undefined || known === access ? access : "RW";
    if (pattern === "*" && joined === "RW") this.#allKeys(true);
    else this.keys.set(pattern, joined);
  }

  #addChannel(pattern: string): void {
    if (this.allChannels) {
      // An ACL file gives new users every channel where the server's default says so; a pattern is then an error too.
      this.problems.push(`"&${pattern}" after a rule that gives all channels has no effect`);
    } else this.channels.add(pattern);
  }
}

class UserBuilder {
  readonly name: string;
  enabled = false;
  nopass = false;
  passwords = new Set<string>();
  skipSanitizePayload = false;
  selectors: AclSelector[] = [];
  problems: string[] = [];
  readonly #allChannelsByDefault: boolean;
  readonly #root: SelectorBuilder;
  #words = 0;

  constructor(name: string, allChannelsByDefault: boolean) {
    this.name = name;
    this.#allChannelsByDefault = allChannelsByDefault;
    this.#root = new SelectorBuilder(allChannelsByDefault, this.problems);
  }

  add(word: string): void {
    this.#words++;
    if (this.#addFlag(word.toLowerCase()) || this.#addPassword(word) || this.#root.add(word)) return;
    if (word.startsWith("(") && word.endsWith(")")) this.#addSelector(word.slice(1, -1));
    else this.problems.push(this.#unknown(word));
  }

  build(): AclUser {
    const { name, enabled, nopass, passwords, skipSanitizePayload, selectors, problems } = this;
    const root = this.#root.build();
    return { name, enabled, nopass, passwords, skipSanitizePayload, ...root, selectors, problems };
  }

  #addFlag(word: string): boolean {
    if (word === "on") this.enabled = true;
    else if (word === "off") this.enabled = false;
    else if (word === "nopass" || word === "resetpass") {
      this.nopass = word === "nopass";
      this.passwords.clear();
    } else if (word === "skip-sanitize-payload") this.skipSanitizePayload = true;
    else if (word === "sanitize-payload") this.skipSanitizePayload = false;
    else if (word === "clearselectors") this.selectors = [];
    else if (word === "reset") {
      this.enabled = this.nopass = this.skipSanitizePayload = false;
      this.passwords.clear();
      this.selectors = [];
      this.#root.reset();
    } else return false;
    return true;
  }

  #addPassword(word: string): boolean {
    const kind = word.charAt(0);
    if (!"><#!".includes(kind) || kind === "") return false;
    const text = word.slice(1);
    const isHash = kind === "#" || kind === "!";
    if (isHash && !/^[0-9a-f]{64}$/.test(text)) {
      this.problems.push(`word ${this.#words}: a password hash is 64 hex digits in lower case`);
      return true;
    }
    const hash = isHash ? text : sha256(text);
    if (kind === ">" || kind === "#") {
      this.passwords.add(hash);
      this.nopass = false;
    } else if (!this.passwords.delete(hash)) {
      this.problems.push(`word ${this.#words}: there is no such password to take away`);
    }
    return true;
  }

  #addSelector(text: string): void {
    const selector = new SelectorBuilder(this.#allChannelsByDefault, this.problems);
    for (const word of text.split(" ").filter((part) => part !== "")) {
      if (!selector.add(word)) this.problems.push(this.#unknown(word));
    }
    this.selectors.push(selector.build());
  }

  /** An unknown word may be the second half of a password with a blank in it: only what is near a rule is shown. */
  #unknown(word: string): string {
    const suggestion = this.problems.length < MOST_SUGGESTIONS ? didYouMean(word, WORDS) : "";
    return suggestion === ""
      ? `word ${this.#words} is no ACL rule`
      : `word ${this.#words}: "${word}" is no ACL rule.${suggestion}`;
  }
}

/** To look for one takes longer than all else that is done with a word. */
const MOST_SUGGESTIONS = 20;

const WORDS = [
  ..."on off nopass resetpass reset allkeys resetkeys allchannels resetchannels allcommands".split(" "),
  ..."nocommands sanitize-payload skip-sanitize-payload clearselectors".split(" "),
];

/** A user of an ACL file with its line, which counts from 1. */
export interface AclFileUser {
  line: number;
  user: AclUser;
}

/** An ACL file with all that makes Redis refuse it: comments, double blanks and tabs, duplicate users, bad rules. */
export function parseAclFile(
  text: string,
  file: string,
  options: { allChannelsByDefault?: boolean } = {},
): { users: AclFileUser[]; problems: Problem[] } {
  const users: AclFileUser[] = [];
  const problems: Problem[] = [];
  const seen = new Map<string, number>();
  for (const [index, raw] of text.split("\n").entries()) {
    const content = raw.replace(/^[ \t\r]+/, "").trimEnd();
    if (content === "") continue;
    const line = index + 1;
    const report = (message: string) => problems.push({ place: { file, line }, message });
    const words = content.split(" ");
    if (content.startsWith("#")) report("an ACL file takes no comments");
    else if (words[0] !== "user") report('should start with "user" and a name');
    if (words[0] !== "user") continue;
    if (words.includes("")) report("words must be one blank apart");
    if (content.includes("\t")) report("words must be separated by a blank, not a tab");
    const user = parseAclUser(content, options);
    const before = seen.get(user.name);
    if (before !== undefined) report(`user "${user.name}" is already on line ${before}`);
    seen.set(user.name, before ?? line);
    for (const problem of user.problems) report(`user "${user.name}": ${problem}`);
    users.push({ line, user });
  }
  return { users, problems };
}

/**
 * The line of an ACL file for a user: single blanks, no comment, hashes only, every word one that this server
 * takes. Channels are left out for servers that do not know them.
 */
export function renderAclUser(user: AclUser, { aclChannels }: Capabilities): string {
  const passwords = [...user.passwords].map((hash) => `#${hash}`);
  if (user.nopass) passwords.push("nopass");
  if (passwords.length === 0) passwords.push("resetpass");
  return [
    "user",
    user.name,
    user.enabled ? "on" : "off",
    ...passwords,
    ...(user.skipSanitizePayload ? ["skip-sanitize-payload"] : []),
    ...selectorWords(user, aclChannels),
    ...user.selectors.map((selector) => `(${selectorWords(selector, aclChannels).join(" ")})`),
  ].join(" ");
}

function selectorWords(selector: AclSelector, aclChannels: boolean): string[] {
  const channels = aclChannels ? channelWords(selector) : [];
  if (aclChannels && !selector.allChannels) channels.unshift("resetchannels");
  return [...keyWords(selector), ...channels, ...selector.rules];
}

const keyWords = ({ allKeys, keys }: Pick<AclSelector, "allKeys" | "keys">): string[] =>
  allKeys
    ? ["~*"]
    : [...keys].map(([pattern, access]) => `${access === "RW" ? "" : `%${access}`}~${pattern}`);

const channelWords = ({ allChannels, channels }: Pick<AclSelector, "allChannels" | "channels">): string[] =>
  allChannels ? ["&*"] : [...channels].map((pattern) => `&${pattern}`);

/** The commands of one server by category, as its own `ACL CAT` names them. */
export interface CommandTable {
  categories: ReadonlyMap<string, ReadonlySet<string>>;
  /** Every command and subcommand: `get`, `config`, `config|get`. Before 7.0 there are no subcommands. */
  commands: ReadonlySet<string>;
  subcommands: ReadonlyMap<string, readonly string[]>;
  /** Commands that Redis runs whatever the rules say. */
  alwaysAllowed: ReadonlySet<string>;
}

/**
 * Builds the table from the replies to `ACL CAT` and `ACL CAT <category>`. Every command is in `slow` or
 * `fast`, so the union is complete; names are the original ones also where commands are renamed. Commands of modules may be missing.
 */
export function commandTable(replies: ReadonlyMap<string, readonly string[]>): CommandTable {
  const categories = new Map<string, ReadonlySet<string>>();
  const commands = new Set<string>();
  const subcommands = new Map<string, string[]>();
  for (const [category, names] of replies) {
    categories.set(category.toLowerCase(), new Set(names));
    for (const name of names) commands.add(name);
  }
  for (const name of commands) {
    const [container = ""] = name.split("|");
    if (container === name) continue;
    const names = subcommands.get(container);
    if (names === undefined) subcommands.set(container, [name]);
    else names.push(name);
  }
  // Measured: 7.0 runs these four for any user. 6.0, which has no subcommands, exempts only AUTH.
  const exempt = subcommands.size > 0 ? ["auth", "hello", "quit", "reset"] : ["auth"];
  return {
    categories,
    commands,
    subcommands,
    alwaysAllowed: new Set(exempt.filter((name) => commands.has(name))),
  };
}

/** The most of them together that redkeep judges: what every user may run is worked out, and compared. */
const MOST_PAIRS = 2_000_000;
/** Redis 8 with its modules has about 500, and the rules of the longest user of redkeep's own are 30 words. */
const MOST_COMMANDS = 5_000;
const MOST_WORDS = 200_000;

/**
 * Why a server has more users, commands or rules than redkeep judges, as a sentence; undefined where it has not. Whoever may
 * change the users of a server has the controller work for each of them, while the other hosts wait.
 *
 * @param lines users, as `parseAclUser` takes them
 */
export function tooManyRules(lines: readonly string[], table: CommandTable | undefined): string | undefined {
  const commands = table?.commands.size ?? 0;
  let [users, words] = [0, 0];
  for (const line of lines) {
    users += line.split("(").length;
    words += line.split(" ").length;
  }
  if (commands > MOST_COMMANDS) return `it has ${commands} commands, and redkeep judges ${MOST_COMMANDS}`;
  if (words > MOST_WORDS)
    return `the rules of its users are ${words} words, and redkeep judges ${MOST_WORDS}`;
  if (users * commands > MOST_PAIRS)
    return `it has ${users} users and selectors, and redkeep judges ${Math.floor(MOST_PAIRS / commands)} on a server with ${commands} commands`;
  return undefined;
}

/** What one selector permits on one server. */
export interface Permissions {
  /** Commands and subcommands, lower case; also `select|0` where only that first argument is permitted. */
  commands: ReadonlySet<string>;
  /** Also commands that are added later, by a module. */
  futureCommands: boolean;
  allKeys: boolean;
  keys: ReadonlyMap<string, KeyAccess>;
  allChannels: boolean;
  channels: ReadonlySet<string>;
}

/** What the rules of a user permit, and what each of its selectors permits beside them. */
export function permissions(
  user: AclUser,
  table: CommandTable,
): Permissions & { selectors: readonly Permissions[] } {
  return {
    ...selectorPermissions(user, table),
    selectors: user.selectors.map((s) => selectorPermissions(s, table)),
  };
}

function selectorPermissions(selector: AclSelector, table: CommandTable): Permissions {
  const { allKeys, keys, allChannels, channels, rules } = selector;
  return { ...allowedBy(rules, table), allKeys, keys, allChannels, channels };
}

interface Allowed {
  commands: ReadonlySet<string>;
  futureCommands: boolean;
}

const allowedIn = new WeakMap<CommandTable, (rules: string) => Allowed>();

/** `evaluateRules`, once for all users and hosts with the same rules: words without blanks. */
function allowedBy(rules: readonly string[], table: CommandTable): Allowed {
  const allowed =
    allowedIn.get(table) ?? memoized(1_000, (text) => evaluateRules(text.split(" ").filter(Boolean), table));
  allowedIn.set(table, allowed);
  return allowed(rules.join(" "));
}

/**
 * What is left when the rules are applied in order, as ACLSetSelector in src/acl.c does; unknown names, such as a module's,
 * count as they stand. From the last rule to the first: what a later one decided, no earlier one changes, and so a user with
 * any number of rules costs each command once.
 */
function evaluateRules(rules: readonly string[], table: CommandTable): Allowed {
  const decided = new Map<string, boolean>();
  /** With all of their subcommands; categories, too. */
  const whole = new Set<string>();
  const firstArgs = new Map<string, Set<string>>();
  let futureCommands = false;

  const decide = (name: string, allow: boolean): void => {
    if (whole.has(name)) return;
    whole.add(name);
    for (const command of [name, ...(table.subcommands.get(name) ?? [])])
      if (!decided.has(command)) decided.set(command, allow);
  };

  for (const rule of rules.toReversed()) {
    const allow = rule.startsWith("+");
    const name = rule.slice(1);
    if (name === "@all") {
      futureCommands = allow;
      if (allow) for (const command of table.commands) if (!decided.has(command)) decided.set(command, true);
      break;
    }
    if (name.startsWith("@")) {
      if (whole.has(name)) continue;
      whole.add(name);
      for (const command of table.categories.get(name.slice(1)) ?? []) decide(command, allow);
    } else {
      const [command = "", argument] = splitOnce(name);
      if (argument === undefined || table.commands.has(name)) decide(name, allow);
      else if (allow && !whole.has(command)) {
        const names = firstArgs.get(command);
        if (names === undefined) firstArgs.set(command, new Set([name]));
        else names.add(name);
      }
    }
  }

  const allowed = new Set<string>();
  for (const [command, isAllowed] of decided) if (isAllowed) allowed.add(command);
  for (const [command, names] of firstArgs) {
    if (!allowed.has(command)) for (const name of names) allowed.add(name);
  }
  // A container runs nothing by itself; only COMMAND does.
  for (const container of table.subcommands.keys()) if (container !== "command") allowed.delete(container);
  for (const name of table.alwaysAllowed) allowed.add(name);
  return { commands: allowed, futureCommands };
}

function splitOnce(name: string): [string, string | undefined] {
  const at = name.indexOf("|");
  return at === -1 ? [name, undefined] : [name.slice(0, at), name.slice(at + 1)];
}

/**
 * How the user found on a server differs from the wanted one, in words for people. Empty when both permit the
 * same, whatever order and form Redis gave the rules.
 */
export function diffUsers(wanted: AclUser, found: AclUser, table: CommandTable): string[] {
  const differences: string[] = [];
  if (wanted.enabled !== found.enabled) {
    differences.push(found.enabled ? "is on, should be off" : "is off, should be on");
  }
  if (wanted.nopass !== found.nopass) {
    differences.push(found.nopass ? "needs no password" : "needs a password, should need none");
  } else differences.push(...diffPasswords(wanted.passwords, found.passwords));
  if (wanted.skipSanitizePayload !== found.skipSanitizePayload) {
    differences.push(
      `${found.skipSanitizePayload ? "skips" : "does not skip"} the check of RESTORE payloads`,
    );
  }
  const [should, does] = [permissions(wanted, table), permissions(found, table)];
  differences.push(...diffPermissions(should, does));
  const selectors = (list: readonly Permissions[]) => list.map(permissionsKey).sort().join("\n");
  if (selectors(should.selectors) !== selectors(does.selectors)) {
    differences.push(
      wanted.selectors.length === 0
        ? "has selectors that permit more"
        : "its selectors permit something else",
    );
  }
  return differences;
}

function diffPasswords(wanted: ReadonlySet<string>, found: ReadonlySet<string>): string[] {
  const missing = [...wanted].some((hash) => !found.has(hash));
  const extra = [...found].some((hash) => !wanted.has(hash));
  if (missing && extra) return ["has another password"];
  if (missing) return [found.size === 0 ? "has no password" : "lacks a password"];
  return extra ? ["has a password too many"] : [];
}

function diffPermissions(wanted: Permissions, found: Permissions): string[] {
  const differences: string[] = [];
  const extra = [...found.commands].filter((name) => !wanted.commands.has(name)).sort();
  const missing = [...wanted.commands].filter((name) => !found.commands.has(name)).sort();
  if (extra.length > 0) differences.push(`may also run ${listOf(extra)}`);
  if (missing.length > 0) differences.push(`may not run ${listOf(missing)}`);
  if (wanted.futureCommands !== found.futureCommands) {
    differences.push(`${found.futureCommands ? "may" : "may not"} run commands that modules add`);
  }
  const describe = (words: string[]) => (words.length === 0 ? "none" : words.sort().join(" "));
  const [keys, wantedKeys] = [describe(keyWords(found)), describe(keyWords(wanted))];
  if (keys !== wantedKeys) differences.push(`keys are ${keys}, should be ${wantedKeys}`);
  const [channels, wantedChannels] = [describe(channelWords(found)), describe(channelWords(wanted))];
  if (channels !== wantedChannels) differences.push(`channels are ${channels}, should be ${wantedChannels}`);
  return differences;
}

const permissionsKey = (permitted: Permissions): string =>
  JSON.stringify([
    [...permitted.commands].sort(),
    permitted.futureCommands,
    keyWords(permitted).sort(),
    channelWords(permitted).sort(),
  ]);

const SHOWN = 6;

/** `a, b and c`; of long lists the first few and how many more. */
export function listOf(names: readonly string[], last = "and"): string {
  const shown = names.length > SHOWN + 1 ? names.slice(0, SHOWN) : names.slice(0, -1);
  const rest = names.length > SHOWN + 1 ? `${names.length - SHOWN} more` : (names.at(-1) ?? "");
  return shown.length === 0 ? rest : `${shown.join(", ")} ${last} ${rest}`;
}

/** The first of many, and how many more there are. */
export function firstOf(names: readonly string[], shown: number, separator = ", "): string {
  const rest = names.length - shown;
  return `${names.slice(0, shown).join(separator)}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** A user in a few words: `~app:* &app:*, read and write, not admin or dangerous; password ••••`. */
export function describeUser(user: AclUser): string {
  const reach = [...keyWords(user), ...channelWords(user)].join(" ");
  const parts = [
    user.enabled ? "" : "off",
    user.enabled || user.passwords.size > 0 ? "" : "no password",
    user.enabled ? reach || "no keys" : reach,
    describeRules(user.rules),
    user.selectors.length === 0 ? "" : `and ${user.selectors.length} selectors`,
  ];
  const login = user.nopass ? "any password" : user.passwords.size === 0 ? "" : "password ••••";
  const text = parts.filter((part) => part !== "").join(", ");
  return login === "" ? text : `${text}; ${login}`;
}

/** What the rules come to, as one says it: `every command`, `read and write, not admin`. */
export function describeRules([base, ...all]: readonly string[]): string {
  // Of a name that comes again, the last word holds.
  const lastWord = new Map(all.map((rule, index) => [rule.slice(1), index]));
  const rules = all.filter((rule, index) => lastWord.get(rule.slice(1)) === index);
  const names = (sign: string, of = rules) =>
    of.flatMap((rule) => (rule.startsWith(sign) ? [rule.slice(sign.length)] : []));
  const lastDenial = rules.findLastIndex((rule) => rule.startsWith("-@"));
  const categories = names("+@", lastDenial < 0 ? rules : rules.slice(0, lastDenial));
  // Given after the last denial, a category is given whole, whatever was denied of it before.
  const whole = lastDenial < 0 ? [] : names("+@", rules.slice(lastDenial));
  // Each server lists commands in an order of its own: the same user has to read the same on all hosts.
  const single = names("+")
    .filter((name) => !name.startsWith("@"))
    .sort();
  const denied = names("-")
    .sort()
    .map((name) => name.replace(/^@/, ""));
  const not = denied.length === 0 ? "" : `, not ${listOf(denied, "or")}`;
  const but = `${not}${whole.length === 0 ? "" : `, and all of ${listOf(whole)}`}`;
  if (base === "+@all") return `every command${but}`;
  if (single.length + categories.length + whole.length === 0) return "no commands";
  if (categories.length === 0)
    return `only ${listOf([...single, ...whole.map((name) => `all of ${name}`)])}${not}`;
  return `${listOf(categories)}${but}${single.length === 0 ? "" : `, and ${listOf(single)}`}`;
}

/**
 * Command rules that this server does not know: what `ACL SETUSER` would refuse. For rules that a user of
 * redkeep wrote; those found on a host may name a module's commands, which the table lacks.
 */
export function unknownRules(rules: readonly string[], table: CommandTable): string[] {
  return rules.flatMap((rule) => {
    const name = rule.slice(1).toLowerCase();
    if (name === "@all" || table.commands.has(name)) return [];
    if (name.startsWith("@")) {
      if (table.categories.has(name.slice(1))) return [];
      const known = [...table.categories.keys()].map((category) => `@${category}`);
      return [`${rule}: this server has no such category.${didYouMean(name, known)}`];
    }
    const [command, argument] = splitOnce(name);
    const hasSubcommands = table.subcommands.has(command);
    if (argument !== undefined && table.commands.has(command) && !hasSubcommands) return [];
    const what = hasSubcommands ? "subcommand" : "command";
    return [`${rule}: this server has no such ${what}.${didYouMean(name, table.commands)}`];
  });
}
