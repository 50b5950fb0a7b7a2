import { quotePath } from "./config-files.ts";
import type { Fact } from "./fact.ts";
import type { ProbeInput } from "./probe-input.ts";

export interface Client {
  /** Address and port, or the path of the Unix socket with `:0`. */
  address: string;
  /** The server's end of the connection; empty where neither it nor, before 6.2, the host's list of sockets says. */
  local: string;
  user: string;
  name: string;
  library: string;
  /** `N` for an ordinary client, `S` a replica, `M` a primary, … as CLIENT LIST prints them. */
  flags: string;
  /** The last one: `get`, from 7.0 on also `client|list`; `NULL` where nothing was sent yet. */
  command: string;
  /** Channels and patterns that it listens to. */
  subscriptions: number;
}

/** An entry of ACL LOG: a command, key or channel that was denied, or a login that failed. */
export interface Denial {
  /** How often, within a minute of each other. */
  count: number;
  reason: string;
  /** `toplevel`, `multi`, `lua`, … */
  context: string;
  /** The command, key or channel: text of a client. */
  object: string;
  user: string;
  /** Since the last one. */
  ageSeconds: number;
  client: Client | undefined;
}

/** What the running server says of itself. Every part is undefined where it could not be asked. */
export interface RedisFact {
  /** The user that redkeep is logged in as; undefined where no login worked. */
  user: string | undefined;
  /** Why no login worked, in the server's or redis-cli's own words. */
  loginError: string | undefined;
  /** How the server is reached: words for redis-cli, such as `-s /run/redis/redis.sock`; also where it refused the login. */
  endpoint: readonly string[];
  info: ReadonlyMap<string, string>;
  /** Names of the modules that are loaded. */
  modules: readonly string[];
  /** `CONFIG GET *`; passwords read `(set)`. Undefined where CONFIG is taken away. */
  config: ReadonlyMap<string, string> | undefined;
  /** Lines of ACL LIST. */
  aclUsers: readonly string[] | undefined;
  /** Commands of each category, from ACL CAT. */
  categories: ReadonlyMap<string, readonly string[]>;
  /** For each command asked: whether the running server knows it by its original name. */
  commands: ReadonlyMap<string, boolean>;
  clients: readonly Client[];
  /** Calls since the start, by command, from INFO commandstats. */
  commandCalls: ReadonlyMap<string, number>;
  /** Answers of ACL DRYRUN, by `user command …`. */
  dryRuns: ReadonlyMap<string, string>;
  /**
   * Answers to the commands of `matrix`, in their order, by user: of ACL DRYRUN, or before 7.0 of a scratch server, where a
   * command that is allowed is `QUEUED`. Empty where neither could be asked.
   */
  access: ReadonlyMap<string, readonly string[]>;
  /** The newest entries of ACL LOG. */
  denials: readonly Denial[];
  /** A few keys of database 0, at random: they may hold anything, and no report shows one. */
  keys: readonly string[];
}

/** The name of the probe's own connection in CLIENT LIST. */
export const OWN_CLIENT_NAME = "redkeep";
/** Connections that are looked up at most, where the server does not tell its own end of them. */
const MAX_SOCKETS = 20_000;
/** Users that the matrix is asked for at most. */
const MATRIX_USERS = 100;

/** A word for redis-cli's own command lines, which split and unescape as redis.conf does. */
export function redisWord(text: string): string {
  return `"${[...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`;
}

/** For sed, on the answer to CONFIG GET: whether a password is set is all that leaves the host. */
export const MASK_PASSWORDS =
  "/^\\(requirepass\\|masterauth\\|primaryauth\\|tls-key-file-pass\\|tls-client-key-file-pass\\)$/{n;s/..*/(set)/;}";

/** Running configuration, users, clients and figures, over whatever way in works. */
export const redisFact: Fact<RedisFact> = {
  script: (input) => `
values_of rename-command "$SETTINGS"; RENAMES=$NL$VALUE
# Puts into NOW what a command is called.
current() { NOW=$1; case $RENAMES in *"$NL$1 "*) last_of "$1 " "$RENAMES"; NOW=\${VALUE:-$1};; esac; }
ADMIN=${input.login ? `'AUTH ${redisWord(input.login.user)} ${redisWord(input.login.password.reveal())}'` : ""}
ADMIN_USER=${input.login ? quotePath(input.login.user) : ""}
conf_raw requirepass; REQUIREPASS=\${VALUE:+"AUTH $VALUE"}
# One word of root's command line, and no option: the service user may own the file that it comes from.
plain() { case $1 in ''|-*|*[!A-Za-z0-9._/@:+-]*) return 1;; esac; }
odd() { WHY="$1 in redis.conf holds signs that redkeep hands to no program"; }
# Relative paths would be other files here; openssl takes more than paths.
tls_words() {
  for file in "$TLS_CA" "$TLS_CERT" "$TLS_KEY"; do
    case $file in /*) plain "$file" || return 1;; *) return 1;; esac
  done
  WORDS="--tls --cacert $TLS_CA --cert $TLS_CERT --key $TLS_KEY"
}
find_listening() {
  : "\${SOCKETS=$(ss -Hltune)}"
  LISTENING= TCP_PORTS=' '
  while read -r protocol state queued limit at rest; do
    if [ "$protocol" = tcp ]; then TCP_PORTS="$TCP_PORTS\${at##*:} "; fi
    case "$protocol $rest " in tcp*"/$UNIT "*) LISTENING="$LISTENING $at";; esac
  done <<END
$SOCKETS
END
}
WHO= CRED= EP= WHY= HERE= DIR= SAID=
# Who the login is comes last, behind all that has to be known before the questions can be asked.
try_login() {
  for CRED in "$ADMIN" "$REQUIREPASS" ""; do
    current CONFIG
    SAID=$(timeout 5 $CLI $EP 2>&1 <<END
$CRED
ECHO "\\n$N DIR"
$NOW GET dir
ECHO "\\n$N CATEGORIES"
ACL CAT
${
  input.matrix.length > 0
    ? `ECHO "\\n$N DRYRUN"
ACL DRYRUN default PING
ECHO "\\n$N USERS"
ACL USERS
`
    : ""
}ECHO "\\n$N WHO"
ACL WHOAMI
END
)
    WHO=\${SAID##*"$NL"}
    case $WHO in ''|*' '*) if [ -n "$WHO" ]; then WHY=$WHO; fi; WHO=;; esac
    case $WHY in NOAUTH*|WRONGPASS*|NOPERM*) HERE=\${HERE:-$EP};; esac
    if [ -n "$WHO" ] && { [ "$CRED" != "$ADMIN" ] || [ "$WHO" = "$ADMIN_USER" ] || [ -z "$CRED" ]; }; then return 0; fi
  done
  WHO=; return 1
}
log_in() {
  if [ -z "$CLI" ] || [ "$PID" -eq 0 ]; then WHY='the service does not run, or no redis-cli is here'; return 1; fi
  conf_get unixsocket; sock=$VALUE
  if [ -S "$sock" ]; then
    if plain "$sock"; then EP="-s $sock"; if try_login; then return 0; fi; else odd unixsocket; fi
  fi
  find_listening; conf_get tls-port; tls_port=$VALUE
  for listening in $LISTENING; do
    port=\${listening##*:}; address=\${listening%:*}; address=\${address#[}; address=\${address%]}
    case $address in 0.0.0.0|'*'|::) address=127.0.0.1;; esac
    if ! plain "$address" || ! plain "$port"; then odd bind; continue; fi
    EP="-h $address -p $port"
    if [ "$port" = "$tls_port" ]; then
      if tls_words; then EP="$EP $WORDS"; else odd 'a TLS file'; continue; fi
    fi
    if try_login; then return 0; fi
  done
  return 1
}
# Puts into VALUE what was said behind a title.
said() { VALUE=; case $SAID in *"$N $1$NL"*) VALUE=\${SAID#*"$N $1$NL"}; VALUE=\${VALUE%%"$NL$N "*};; esac; }
frame() { printf 'ECHO "\\\\n%s %s"\\n' "$N" "$1"; }
${input.matrix.length > 0 ? matrixQuestions(input.matrix) : ""}
if log_in; then
  section login; echo "$WHO"; echo "$EP"
  said DIR; case $VALUE in dir"$NL"*) DIR=\${VALUE#*"$NL"}; DIR=\${DIR%%"$NL"*};; esac
${input.matrix.length > 0 ? FIND_USERS : ""}
  section session
  { set -f; printf '%s\\nCLIENT SETNAME ${OWN_CLIENT_NAME}\\n' "$CRED"
    frame info; echo INFO everything
    frame running; current CONFIG; echo "$NOW GET *"
    frame acl-list; echo ACL LIST
    frame clients; echo CLIENT LIST
    frame denials; echo ACL LOG 128
${input.commands.map((command) => `    frame 'command ${command}'; echo COMMAND INFO ${command}`).join("\n")}
${input.dryRuns.map(dryRunLine).join("\n")}
    sample=0; while [ $sample -lt ${input.keySamples} ]; do sample=$((sample + 1)); frame "key $sample"; echo RANDOMKEY; done
    said CATEGORIES; case $VALUE in [a-z]*) for category in $VALUE; do frame "category $category"; echo "ACL CAT $category"; done;; esac
${input.matrix.length > 0 ? DRY_RUN_MATRIX : ""}
    frame session-end
  } | timeout 20 $CLI $EP 2>/dev/null | sed -e '${MASK_PASSWORDS}'
  # Before 6.2 CLIENT LIST does not say to which address and port a client is connected.
  case \${VERSION-} in *' v=6.0.'*) section sockets; ss -Htn state established | head -n ${MAX_SOCKETS};; esac
${input.matrix.length > 0 ? `  said DRYRUN; case $VALUE in ERR*)\n  ${scratchScript(input.matrix)};; esac` : ""}
else
  section login-error; echo "$WHY"; echo "$HERE"
fi
`,
  parse: (sections, input) => {
    const [loginError, refusedAt = ""] = sections.text("login-error")?.split("\n") ?? [];
    const [user = "", endpoint = refusedAt] = sections.text("login")?.split("\n") ?? [];
    const pairs = sections.text("running")?.replace(/\n$/, "").split("\n");
    const config = new Map<string, string>();
    if (pairs !== undefined) {
      for (let i = 0; i + 1 < pairs.length; i += 2) config.set(pairs[i] ?? "", pairs[i + 1] ?? "");
    }
    const info = new Map(
      sections
        .lines("info")
        .filter((line) => line.includes(":"))
        .map(infoLine),
    );
    const users = sections.lines("acl-list").filter((line) => line.startsWith("user "));
    return {
      user: user === "" ? undefined : user,
      loginError,
      endpoint: endpoint.split(" ").filter(Boolean),
      info,
      modules: sections.lines("info").flatMap((line) => /^module:name=([^,]+)/.exec(line)?.[1] ?? []),
      // With CONFIG gone the answer is one error line.
      config: config.size > 10 ? config : undefined,
      // Every server has a default user: without a line the answer was an error.
      aclUsers: users.length === 0 ? undefined : users,
      categories: categoriesOf([...sections.startingWith("category")]),
      commands: new Map(
        input.commands.flatMap((command): [string, boolean][] => {
          const answer = sections.text(`command ${command}`)?.trim().toLowerCase();
          if (answer === "") return [[command, false]];
          // An error tells nothing of the command that was asked for.
          return answer?.split("\n")[0] === command.toLowerCase() ? [[command, true]] : [];
        }),
      ),
      clients: withLocalEnds(sections.lines("clients").flatMap(parseClient), sections.lines("sockets")),
      commandCalls: new Map(
        [...info].flatMap(([key, value]) => {
          const calls = /^calls=(\d+)/.exec(value)?.[1];
          return key.startsWith("cmdstat_") && calls ? [[key.slice("cmdstat_".length), Number(calls)]] : [];
        }),
      ),
      dryRuns: new Map(
        input.dryRuns.flatMap(({ user: asked, command }) => {
          const answer = sections.text(`dry-run ${[titleWord(asked), ...command].join(" ")}`);
          return answer === undefined ? [] : [[[asked, ...command].join(" "), answer.trim()]];
        }),
      ),
      access: new Map(
        sections.lines("matrix-users").flatMap((name, index) => {
          const answers = sections.lines(`matrix ${index + 1}`);
          return answers.length === input.matrix.length ? [[name, answers]] : [];
        }),
      ),
      denials: parseDenials(sections.text("denials") ?? ""),
      keys: [...sections.startingWith("key")].map(([, text]) => text.replace(/\n$/, "")).filter(Boolean),
    };
  },
};

/** Parsed answers to ACL CAT, by their text: servers of one version give the same thousand names. */
const parsedCategories = new Map<string, RedisFact["categories"]>();
const MAX_PARSED = 50;

function categoriesOf(texts: readonly [name: string, text: string][]): RedisFact["categories"] {
  const key = texts.flat().join("\n");
  let categories = parsedCategories.get(key);
  if (categories === undefined) {
    categories = new Map(texts.map(([name, text]) => [name, text.split("\n").filter(Boolean)]));
    if (parsedCategories.size < MAX_PARSED) parsedCategories.set(key, categories);
  }
  return categories;
}

/**
 * Asked by the command's current name: under its old one a renamed command is "not found", which proves nothing. A
 * user may have any name without blanks, quotes and dollar signs included.
 */
function dryRunLine({ user, command: [name = "", ...rest] }: ProbeInput["dryRuns"][number]): string {
  const title = [titleWord(user), name, ...rest].join(" ");
  const words = `'${redisWord(user)}' "$NOW" ${quotePath(rest.join(" "))}`;
  return `    frame ${quotePath(`dry-run ${title}`)}; current ${name}; printf 'ACL DRYRUN %s %s %s\\n' ${words}`;
}

/** Names at which redis-cli waits for what comes, or ends no line: a scratch server has others for them. */
const SPECIAL = ["CLIENT", "INFO", "MONITOR", "SUBSCRIBE"];

/**
 * Before 7.0 a server cannot be asked what somebody else may do. So one of the same binary and with the same names for
 * commands, without data and on a socket that only root can reach, gets the same users, and is asked as each of them. What
 * stands behind MULTI is judged and not run; MULTI itself is asked for before everybody may use it.
 */
function scratchScript(matrix: ProbeInput["matrix"]): string {
  const multi = matrix.findIndex(([name]) => name === "MULTI") + 1;
  return `if [ "$ME" = 0 ] && scratch=$(mktemp -d /run/redkeep-probe.XXXXXX); then (
    trap 'kill $server; wait $server; rm -rf "$scratch"' EXIT; trap 'exit 1' HUP INT PIPE TERM
    for name in ${SPECIAL.join(" ")}; do case $RENAMES in *"$NL$name "*) ;; *) RENAMES="$RENAMES$name $N-$name$NL";; esac; done
    { printf 'port 0\\nunixsocket %s/socket\\nsave ""\\nappendonly no\\ndir %s\\n' "$scratch" "$scratch"
      printf '%s\\n' "$RENAMES" | sed -n 's/^\\([^ ]\\{1,\\}\\) \\(.*\\)$/rename-command \\1 "\\2"/p'
    } | timeout 30 "$BIN" - >/dev/null 2>&1 & server=$!
    tries=0; until [ -S "$scratch/socket" ] || [ $tries -ge 100 ]; do tries=$((tries + 1)); sleep 0.02; done
    scratch_ask() { timeout 10 $CLI -s "$scratch/socket" 2>&1 | grep .; }
    # Words that redis-cli would unquote are left out, and their users with them. The session's own user comes last.
    rules=$(printf '%s\\nACL LIST\\n' "$CRED" | timeout 20 $CLI $EP | grep '^user ' | grep -v "[\\"'\\\\]" | sed 's/$/ on nopass +discard/')
    rules=$(printf '%s\\n' "$rules" | grep -v '^user default '; printf '%s\\n' "$rules" | grep '^user default ')
    users=$(printf '%s\\n' "$rules" | cut -d' ' -f2 | head -n ${MATRIX_USERS})
    { echo "ACL SETUSER $N on nopass ~* +@all"; printf '%s\\n' "$rules" | sed 's/^user /ACL SETUSER /'; } | scratch_ask >/dev/null
    multi=$(for user in $users; do printf 'AUTH %s x\\nMULTI\\nDISCARD\\n' "$user"; done | scratch_ask | sed -n '2~3p')
    { echo "AUTH $N x"; for user in $users; do echo "ACL SETUSER $user +multi"; done; } | scratch_ask >/dev/null
    questions=$(matrix_questions '')
    section matrix-users; printf '%s\\n' "$users"
    number=0; for user in $users; do
      number=$((number + 1)); section "matrix $number"
      { printf 'AUTH %s x\\nMULTI\\n' "$user"; printf '%s\\n' "$questions"; echo DISCARD; } | scratch_ask |
        sed -e 1,2d -e '$d' | sed "${multi}s/.*/$(printf '%s\\n' "$multi" | sed -n "\${number}p")/"
    done
  ); fi`;
}

/** Those that the matrix is asked for; none where the server has no ACL DRYRUN. */
const FIND_USERS = `  said DRYRUN; case $VALUE in ERR*) VALUE=;; *) said USERS;; esac
  # No user's name holds a blank; a refusal does.
  case $VALUE in *' '*) VALUE=;; esac
  users= number=0; section matrix-users; set -f
  for user in $VALUE; do
    number=$((number + 1)); if [ $number -gt ${MATRIX_USERS} ]; then break; fi
    users="$users $user"; printf '%s\\n' "$user"
  done
  number=0; set +f`;

/** Every one of them by every command of the matrix. */
const DRY_RUN_MATRIX = `    for user in $users; do
      number=$((number + 1)); frame "matrix $number"; word=$user
      case $user in *[!A-Za-z0-9_.@-]*) word=$(printf %s "$user" | od -An -v -tx1 | tr -d '\\n' | sed 's/ /\\\\x/g');; esac
      matrix_questions "ACL DRYRUN \\"$word\\" "
    done`;

/** A function of the shell that prints the matrix by the commands' current names, behind the words that it is given. */
function matrixQuestions(matrix: ProbeInput["matrix"]): string {
  const lines = matrix.map(([name = "", ...rest]) => `  ask ${name} ${quotePath(rest.join(" "))}`);
  return `matrix_questions() {
  ask() { current "$1"; printf '%s%s %s\\n' "$before" "$NOW" "$2"; }
  before=$1
${lines.join("\n")}
}`;
}

/** A user's name for a section line; in hex where it could end a quoted word of the shell or of redis-cli. */
function titleWord(user: string): string {
  return /^[\w.@-]+$/.test(user) ? user : `x${Buffer.from(user).toString("hex")}`;
}

function infoLine(line: string): [string, string] {
  const at = line.indexOf(":");
  return [line.slice(0, at), line.slice(at + 1).trim()];
}

/** `id=3 addr=127.0.0.1:5 laddr=… name= … flags=N … user=default lib-name=…` */
function parseClient(line: string): Client[] {
  if (!line.startsWith("id=")) return [];
  const fields = new Map(line.split(" ").map(infoField));
  const number = (name: string) => Number(fields.get(name) ?? 0) || 0;
  return [
    {
      address: fields.get("addr") ?? "",
      local: fields.get("laddr") ?? "",
      user: fields.get("user") ?? "",
      name: fields.get("name") ?? "",
      library: [fields.get("lib-name"), fields.get("lib-ver")].filter(Boolean).join(" "),
      flags: fields.get("flags") ?? "",
      command: fields.get("cmd") ?? "",
      subscriptions: number("sub") + number("psub") + number("ssub"),
    },
  ];
}

/** Lines of `ss -Htn state established`: the queues, then the host's own end and the peer's. */
function withLocalEnds(clients: readonly Client[], sockets: readonly string[]): Client[] {
  const ends = new Map(
    sockets.map((line) => {
      const [, , local = "", peer = ""] = line.trim().split(/ +/);
      return [peer.replace("::ffff:", "").replace(/^\[([\d.]+)\]/, "$1"), local] as const;
    }),
  );
  return clients.map((client) => ({ ...client, local: client.local || (ends.get(client.address) ?? "") }));
}

/** Field and value a line each, as redis-cli prints them. The object is a client's text, and may hold line breaks. */
function parseDenials(text: string): Denial[] {
  return text.split(/^count\n(?=\d+\nreason\n)/m).flatMap((entry): Denial[] => {
    const [, count, reason, context, rest = ""] =
      /^(\d+)\nreason\n(.*)\ncontext\n(.*)\nobject\n([\s\S]*)$/.exec(entry) ?? [];
    if (count === undefined || reason === undefined || context === undefined) return [];
    const at = rest.lastIndexOf("\nusername\n");
    const [, user = "", age = "", client = ""] =
      /^\nusername\n(.*)\nage-seconds\n([\d.]+)\nclient-info\n(.*)/.exec(at < 0 ? "" : rest.slice(at)) ?? [];
    if (age === "") return [];
    return [
      {
        count: Number(count),
        reason,
        context,
        object: rest.slice(0, at),
        user,
        ageSeconds: Number(age),
        client: parseClient(client)[0],
      },
    ];
  });
}

function infoField(field: string): [string, string] {
  const at = field.indexOf("=");
  return at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)];
}
