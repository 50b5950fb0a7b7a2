import { listOf } from "../lib/words.ts";
import { SCRIPTS_NEED } from "../redis/acl-presets.ts";
import type { AclUser } from "../redis/acl-user.ts";
import { parseAclUser } from "../redis/parse-acl.ts";
import type { ServerVersion } from "../redis/versions.ts";
import { isWeakPassword } from "../redis/weak-password.ts";
import type { Report } from "./finding.ts";

/** A user's line, of an ACL file or of redis.conf. */
export interface UserLine {
  file: string;
  line: number;
  /** The line as it stands, for columns. */
  text: string;
  /** Without `user`, quotes taken away: the name and its rules. */
  words: readonly string[];
}

/** What single users may do, and how they log in. */
export function lintUsers(
  lines: readonly UserLine[],
  version: ServerVersion | undefined,
  report: Report,
): void {
  const byHash = new Map<string, string>();
  for (const line of lines) {
    const user = parseAclUser(line.words);
    const at = (word: string) => ({
      file: line.file,
      line: line.line,
      column: line.text.indexOf(word) + 1 || 1,
    });
    lintWords(line, at, version, report);
    lintPasswords(line, user, at, byHash, report);
    if (user.name === "default") lintDefault(user, at, report);
    else if (user.enabled) lintRights(user, at, report);
  }
}

type At = (word: string) => { file: string; line: number; column: number };

/** Rules that the server of this version refuses. */
function lintWords({ words }: UserLine, at: At, version: ServerVersion | undefined, report: Report): void {
  if (version === undefined) return;
  const { aclChannels, aclSelectors, aclDenySubcommand } = version.capabilities;
  for (const word of words.slice(1)) {
    const isChannel = /^(&|allchannels$|resetchannels$)/i.test(word);
    const isSelector = /^[(%]/.test(word);
    const isDenied = /^-[^@|]+\|/.test(word);
    if ((isChannel && !aclChannels) || (isSelector && !aclSelectors) || (isDenied && !aclDenySubcommand))
      report(
        at(word),
        "RK-ACL-04",
        `${version.name} refuses this rule and does not start`,
        "remove the rule for this version",
      );
  }
}

function lintPasswords(
  { words }: UserLine,
  user: AclUser,
  at: At,
  byHash: Map<string, string>,
  report: Report,
): void {
  for (const word of words.slice(1).filter((word) => word.startsWith(">"))) {
    // The place of the rule, not its text: nothing that is printed may lead to the password.
    const place = at(word);
    report(
      place,
      "RK-ACL-09",
      `the password of ${user.name} stands in clear text`,
      'write "#" and its SHA-256 in hex instead',
    );
    if (isWeakPassword(word.slice(1)))
      report(
        place,
        "RK-ACL-10",
        `the password of ${user.name} is short, or a known example`,
        "use a random one of at least 16 characters, such as ACL GENPASS prints",
      );
  }
  for (const hash of user.passwords) {
    const other = byHash.get(hash);
    if (other !== undefined && other !== user.name)
      report(
        at(user.name),
        "RK-ACL-10",
        `${user.name} has the password of ${other}`,
        "give each user its own",
      );
    byHash.set(hash, other ?? user.name);
  }
}

function lintDefault(user: AclUser, at: At, report: Report): void {
  const remedy = "write: user default off resetpass -@all";
  if (user.enabled && user.nopass) {
    report(at("nopass"), "RK-ACL-01", "anybody who reaches the port is logged in as default", remedy);
  } else if (user.nopass) {
    const message =
      "default is off, but with nopass protected mode of Redis 7.0 and later refuses every remote client before it can log in";
    report(at("nopass"), "RK-ACL-01", message, remedy);
  } else if (user.enabled) {
    const message = "the default user is on: clients that name no user share one password and its rights";
    report(at("default"), "RK-ACL-01", message, `give clients users of their own, then ${remedy}`, "high");
  }
}

/** Names that say that a user is meant to have every right. */
const ADMINISTRATOR = /adm|root|oper|super|dba|redkeep/i;

const DANGEROUS = ["flushall", "flushdb", "keys", "swapdb", "migrate", "restore", "sort"];

function lintRights(user: AclUser, at: At, report: Report): void {
  const { name, rules } = user;
  if (user.nopass)
    report(at("nopass"), "RK-ACL-02", `${name} logs in with any password`, "give it a password");
  if (ADMINISTRATOR.test(name)) return;
  if (rules[0] === "+@all" && !rules.includes("-@dangerous")) {
    const words = user.allKeys ? "every command, on every key" : "every command";
    const remedy = `give it what it needs: -@all +@read +@write +@connection +@transaction +@pubsub -@admin -@dangerous -@scripting +info`;
    report(at(name), "RK-ACL-05", `${name} may run ${words}`, remedy);
    return;
  }
  const granted = rules.filter((rule) => rule.startsWith("+"));
  const dangerous = dangerousCommands(rules);
  if (dangerous.length > 0)
    report(
      at(name),
      "RK-ACL-05",
      `${name} may run ${dangerous.join(", ")}`,
      "put -@admin -@dangerous after the categories that it is given",
    );
  const hasData = granted.some((rule) =>
    /^\+@(all|read|write|keyspace|string|hash|list|set|sortedset)$/.test(rule),
  );
  if (user.allKeys && hasData)
    report(at("~*"), "RK-ACL-06", `${name} reaches every key`, "name its keys, such as ~app:*");
  if (user.allChannels && granted.some((rule) => rule.startsWith("+@")))
    report(at("&*"), "RK-ACL-06", `${name} reaches every channel`, "name its channels: resetchannels &app:*");
  const scripting = granted.find((rule) => /^\+(@scripting|eval|evalsha|script|function|fcall)$/.test(rule));
  if (scripting !== undefined)
    report(
      at(scripting),
      "RK-ACL-07",
      `${name} may run scripts, which the worst holes of Redis need`,
      "leave it out if the application runs no scripts",
      "low",
    );
  const may = (command: string) =>
    granted.some((rule) => rule === `+${command}` || rule === `+${command.replace(/\|.*/, "")}`);
  const missing = granted.includes("+@scripting") ? [] : SCRIPTS_NEED.filter((command) => !may(command));
  if (missing.length > 0 && (may("eval") || may("evalsha")))
    report(
      at(scripting ?? name),
      "RK-FILE-02",
      `${name} may not run ${listOf(
        missing.map((command) => command.replace("|", " ").toUpperCase()),
        "or",
      )}, which client libraries send for a script too`,
      `add ${missing.map((command) => `+${command}`).join(" ")}`,
    );
  const isClient = hasData && !granted.some((rule) => /^\+(@all|@connection|@fast|ping)$/.test(rule));
  if (isClient)
    report(
      at(name),
      "RK-FILE-02",
      `${name} may not PING, SELECT or AUTH anew, which client libraries do`,
      "add +@connection",
    );
}

/** Which commands that destroy or leak data the rules leave to the user, as far as a file alone tells. */
function dangerousCommands(rules: readonly string[]): string[] {
  const last = (wanted: readonly string[]) => rules.findLastIndex((rule) => wanted.includes(rule));
  const taken = last(["-@dangerous", "-@all"]);
  const categories = ["@dangerous", "@admin"].filter(
    (name) => last([`+${name}`]) > last([`-${name}`, "-@all"]),
  );
  const given = (command: string) => {
    const sources = command === "keys" ? ["+@read", "+@keyspace"] : ["+@write", "+@keyspace"];
    const byCategory = last(sources) > taken;
    const byName = last([`+${command}`]);
    const denied = last([`-${command}`]);
    return byName > denied && byName > taken ? true : byCategory && denied < last(sources);
  };
  return [...categories, ...DANGEROUS.filter(given).map((command) => command.toUpperCase())];
}
