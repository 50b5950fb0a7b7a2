import { didYouMean, type Problem } from "../lib/errors.ts";
import { type AclSelector, type AclUser, type KeyAccess, sha256 } from "./acl-user.ts";

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

/** A selector is one rule although it contains blanks: `(~a +get)`. */
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

  /** An unknown word may be the second half of a password with a blank in it, so show it only if it resembles a rule. */
  #unknown(word: string): string {
    const suggestion = this.problems.length < MOST_SUGGESTIONS ? didYouMean(word, WORDS) : "";
    return suggestion === ""
      ? `word ${this.#words} is no ACL rule`
      : `word ${this.#words}: "${word}" is no ACL rule.${suggestion}`;
  }
}

/** The search for a similar rule takes longer than everything else that is done with a word. */
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
