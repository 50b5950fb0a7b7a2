import { SIGN, SIGN_LINES } from "../lib/frame.ts";
import { quotePath } from "./config-files.ts";
import type { ProbeInput } from "./probe-input.ts";
import { NOBODY } from "./reading.ts";
import { csvString, LINE_LIMIT, SESSION_LIMIT } from "./session.ts";

/** The name of the probe's own connection in CLIENT LIST. */
export const OWN_CLIENT_NAME = "redkeep";
/** Seconds for one login with all that is asked behind it. */
const SESSION_SECONDS = 20;
/** KiB of address space that redis-cli may take: one reply of a client's making can be half a GiB. */
const CLIENT_MEMORY = 1024 * 1024;
/** Connections that are looked up at most, where the server does not tell its own end of them. */
const MAX_SOCKETS = 20_000;
/** Bytes of what a program says of its version. */
const VERSION_LIMIT = 1000;
/** Users that the matrix is asked for at most. */
const MATRIX_USERS = 100;

/** A word for redis-cli's own command lines, which split and unescape as redis.conf does. */
export function redisWord(text: string): string {
  return `"${[...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`;
}

const PASSWORDS = "requirepass masterauth primaryauth tls-key-file-pass tls-client-key-file-pass".replaceAll(
  " ",
  "\\|",
);

/** For sed, on the answer to CONFIG GET: whether a password is set is all that leaves the host. */
export const MASK_PASSWORDS = `/^\\(${PASSWORDS}\\)$/{n;s/..*/(set)/;}`;

/** The same, where redis-cli prints CSV: also where the line ends amid the password. */
const MASK_PASSWORDS_CSV = `s/"\\(${PASSWORDS}\\)","\\([^"\\]\\|\\\\.\\)\\{1,\\}"\\{0,1\\}/"\\1","(set)"/g`;

/**
 * Finds a way in, and asks all questions over that one connection: a redis-cli costs a host more than everything that it is
 * asked. So what is asked next depends on what was answered, as a person at redis-cli would do it.
 */
export const redisScript = (input: ProbeInput): string => `
values_of rename-command "$SETTINGS"; RENAMES=$NL$VALUE
# Puts into NOW what a command is called.
current() { NOW=$1; case $RENAMES in *"$NL$1 "*) last_of "$1 " "$RENAMES"; NOW=\${VALUE:-$1};; esac; }
Q='"'
ADMIN=${input.login ? `'AUTH ${redisWord(input.login.user)} ${redisWord(input.login.password.reveal())}'` : ""}
ADMIN_USER=${input.login ? quotePath(csvString(input.login.user)) : ""}
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
    if [ "$protocol" = tcp ] && in_group "$GROUP" "$rest" && made_by "$OWNER" "$rest"; then LISTENING="$LISTENING $at"; fi
  done <<END
$SOCKETS
END
}
# Adds a title and the question behind it to those that redkeep is about to ask: redis-cli gets them at one go.
add() { QUESTIONS="\${QUESTIONS}ECHO $Q$R $1$Q$NL\${2:+$2$NL}"; }
ask() { printf %s "$QUESTIONS" >&5; QUESTIONS=; }
# Puts into ANSWER the next line that is not empty.
hear() { ANSWER=; while [ -z "$ANSWER" ]; do IFS= read -r ANSWER || return 1; done; }
# Puts into VALUE what was said behind a title.
said() { VALUE=; case $SAID in *"$Q$R $1$Q$NL"*) VALUE=\${SAID#*"$Q$R $1$Q$NL"}; VALUE=\${VALUE%%"$NL$Q$R "*};; esac; }
# Puts into VALUE a figure of INFO.
figure() { VALUE=; case $SAID in *"$NL$1:"*) VALUE=\${SAID#*"$NL$1:"}; VALUE=\${VALUE%%[!0-9.]*};; esac; }
# Whether this is a user, and the one whose login was tried. Errors have no quotes around them.
is_welcome() {
  case $1 in '"'?*'"') ;; *) return 1;; esac
  [ "$CRED" != "$ADMIN" ] || [ "$1" = "$ADMIN_USER" ] || [ -z "$CRED" ]
}
# Talks to redis-cli: it reads what 5 is told, and answers on 0, in CSV: a reply a line. What is to leave the host goes to 4,
# and to 1 what the probe has to know: who the login is or why it failed, and the version. Redis is told R, and never N.
talk() {
  # It may be gone.
  trap '' PIPE
  QUESTIONS=
  if [ -n "$CRED" ]; then printf '%s\\n' "$CRED" >&5; hear; fi
  echo ACL WHOAMI >&5
  hear; printf '%s\\n' "$ANSWER"
  if ! is_welcome "$ANSWER"; then return; fi
  # Who may not even ECHO would leave all answers without their titles.
  add ready 'CLIENT SETNAME ${OWN_CLIENT_NAME}'; ask; hear
  if [ "$ANSWER" != "$Q$R ready$Q" ]; then return; fi
  add CATEGORIES 'ACL CAT'
  add SERVER 'INFO server'
  add KEYSPACE 'INFO keyspace'
${input.matrix.length > 0 ? "  add DRYRUN 'ACL DRYRUN default PING'; add USERS 'ACL USERS'\n" : ""}  add ready; ask
  SAID=
  while IFS= read -r ANSWER; do
    case $ANSWER in "$Q$R ready$Q") break;; 'Could not connect'*|'Error: '*|'ERROR,"NOAUTH'*) return;; esac
    SAID=$SAID$ANSWER$NL
  done
  figure redis_version; VERSION=$VALUE; echo "$VERSION"
  exec >&4
  # Before 6.2 CLIENT LIST does not say to which address and port a client is connected.
  case $VERSION in 6.0.*) section sockets; ss -Htn state established | head -n ${MAX_SOCKETS};; esac
  section redis
${input.matrix.length > 0 ? FIND_USERS : ""}
  questions & exec 5>&-
  # Not even of what no client should be able to make so long may more than this leave the host.
  cut -b -${LINE_LIMIT} | head -c ${SESSION_LIMIT} | sed -e '${MASK_PASSWORDS_CSV}' -e '${SIGN_LINES}'
${input.matrix.length > 0 ? `  said DRYRUN; case $VALUE in 'ERROR,"ERR'*)\n  trap - PIPE\n  ${scratchScript(input.matrix)};; esac` : ""}
}
questions() {
  set -f
  add info 'INFO everything'
  current CONFIG; add running "$NOW GET *"
  add acl-list 'ACL LIST'
${input.commands.map((command) => `  add 'command ${command}' 'COMMAND INFO ${command}'`).join("\n")}
${input.dryRuns.map(dryRunLine).join("\n")}
  said CATEGORIES; case $VALUE in '"'[a-z]*)
    IFS=,; for category in $VALUE; do
      category=\${category#'"'}; category=\${category%'"'}
      case $category in *[!a-z0-9_-]*) ;; *) add "category $category" "ACL CAT $category";; esac
    done; unset IFS;;
  esac
${input.matrix.length > 0 ? DRY_RUN_MATRIX : ""}
  # Behind this comes what clients made: it may be of any size, and be cut.
  add core-end
  add clients 'CLIENT LIST'
  add denials 'ACL LOG 128'
  case $SAID in *"\${NL}db0:"*)
    sample=0; while [ $sample -lt ${input.keySamples} ]; do sample=$((sample + 1)); add "key $sample" RANDOMKEY; done;;
  esac
  add session-end; ask
}
# Tries each login that is known, on one way in. 3 is a pipe of which both ends are held: on it redis-cli is told what to ask.
# It runs as the service's user, who can reach nothing by it that is not his.
try_login() {
  for CRED in "$ADMIN" "$REQUIREPASS" ""; do
    { NOTES=$(: | {
      exec 3<>/proc/self/fd/0 </dev/null
      { ulimit -v ${CLIENT_MEMORY}; exec timeout -k 1 ${SESSION_SECONDS} $DROP $CLI --csv $EP </proc/self/fd/3 2>&1 3>&- 4>&-; } | { exec 5>/proc/self/fd/3 3>&-; talk; } &
      exec 3>&- 4>&-; wait
    }); } 4>&1
    { IFS= read -r WHO; read -r VERSION; } <<END
$NOTES
END
    if is_welcome "$WHO"; then return 0; fi
    # Who says nothing to one login says nothing to the next.
    case $WHO in '') return 1;; *' '*) WHY=$WHO;; esac
    case $WHY in 'ERROR,"NOAUTH'*|'ERROR,"WRONGPASS'*|'ERROR,"NOPERM'*) HERE=\${HERE:-$EP};; esac
  done
  return 1
}
log_in() {
  if [ -z "$CLI" ] || [ "$PID" -eq 0 ]; then WHY='the service does not run, or no redis-cli is here'; return 1; fi
  conf_get unixsocket; sock=$VALUE
  if [ -S "$sock" ]; then
    if plain "$sock"; then EP="-s $sock"; if try_login; then return 0; fi; else odd unixsocket; fi
  fi
  find_listening; conf_get tls-port; tls_port=$VALUE
  set -f; set -- $LISTENING; set +f
  for listening; do
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
${input.matrix.length > 0 ? matrixLines(input.matrix) : ""}
WHO= CRED= EP= WHY= HERE= VERSION=
if log_in; then tell login "$WHO"; else EP=$HERE; tell login-error "$WHY"; fi
section endpoint; printf '%s\\n' "$EP"
# Only a program that nobody but root can have put there says its version; else the server's own word has to do. It needs no
# rights for it, and as the service user's process it would say what that user wants.
if [ -n "\${BIN-}" ] && [ -n "\${BIN_IS_ROOTS-}" ]; then
  section binary-version; as=; if [ "$ME" = 0 ]; then as='setpriv ${NOBODY}'; fi
  timeout -k 1 5 $as "$BIN" --version | heard ${VERSION_LIMIT}
  if [ "$PID" -gt 0 ] && [ "/proc/$PID/exe" -ef "$BIN" ]; then section same-program; fi
fi
`;

/**
 * Asked by the command's current name: under its old one a renamed command is "not found", which proves nothing. A
 * user may have any name without blanks, quotes and dollar signs included.
 */
function dryRunLine({ user, command: [name = "", ...rest] }: ProbeInput["dryRuns"][number]): string {
  const title = [titleWord(user), name, ...rest].join(" ");
  const words = `'ACL DRYRUN ${redisWord(user)} '"$NOW "${quotePath(rest.join(" "))}`;
  return `  current ${name}; add ${quotePath(`dry-run ${title}`)} ${words}`;
}

/** Names at which redis-cli waits for what comes, or ends no line: a scratch server has others for them. */
const SPECIAL = ["CLIENT", "INFO", "MONITOR", "SUBSCRIBE"];

/**
 * Before 7.0 a server cannot be asked what somebody else may do. So one of the same binary and with the same names for
 * commands, without data, gets the same users, and is asked as each of them. It runs as the service's user, or as nobody, on
 * a socket in a folder of that user's: whose program it is, and who answers there, is the service user's to choose, as it is
 * with the server itself. What stands behind MULTI is judged and not run; MULTI itself is asked for before everybody may use it. Of its
 * answer sed gets letters alone, for it is a program to sed.
 */
function scratchScript(matrix: ProbeInput["matrix"]): string {
  const multi = matrix.findIndex(([name]) => name === "MULTI") + 1;
  return `if [ "$ME" = 0 ] && scratch=$(mktemp -d /run/redkeep-probe.XXXXXX); then (
    set -f; trap 'kill $server; wait $server; rm -rf "$scratch"' EXIT; trap 'exit 1' HUP INT PIPE TERM
    as=\${DROP:-setpriv ${NOBODY}}; owner=\${SERVICE_UID:-65534}; if [ -z "$DROP" ]; then owner=65534; fi
    chown -h "$owner" "$scratch"
    for name in ${SPECIAL.join(" ")}; do case $RENAMES in *"$NL$name "*) ;; *) RENAMES="$RENAMES$name $R-$name$NL";; esac; done
    { printf 'port 0\\nunixsocket %s/socket\\nsave ""\\nappendonly no\\ndir %s\\n' "$scratch" "$scratch"
      printf '%s\\n' "$RENAMES" | sed -n 's/^\\([^ ]\\{1,\\}\\) \\(.*\\)$/rename-command \\1 "\\2"/p'
    } | timeout -k 1 30 $as "$BIN" - >/dev/null 2>&1 & server=$!
    tries=0; until [ -S "$scratch/socket" ] || [ $tries -ge 100 ]; do tries=$((tries + 1)); sleep 0.02; done
    scratch_ask() { timeout -k 1 10 $as $CLI --csv -s "$scratch/socket" 2>&1 | grep . | cut -b -${LINE_LIMIT} | head -c ${SESSION_LIMIT}; }
    # Words that redis-cli would unquote are left out, and their users with them. The session's own user comes last.
    rules=$(printf '%s\\nACL LIST\\n' "$CRED" | timeout -k 1 20 $DROP $CLI $EP | head -c ${SESSION_LIMIT} | grep '^user ' | grep -v "[\\"'\\\\]" | sed 's/$/ on nopass +discard/')
    rules=$(printf '%s\\n' "$rules" | grep -v '^user default '; printf '%s\\n' "$rules" | grep '^user default ')
    users=$(printf '%s\\n' "$rules" | cut -d' ' -f2 | head -n ${MATRIX_USERS})
    { echo "ACL SETUSER $R on nopass ~* +@all"; printf '%s\\n' "$rules" | sed 's/^user /ACL SETUSER /'; } | scratch_ask >/dev/null
    multi=$(for user in $users; do printf 'AUTH %s x\\nMULTI\\nDISCARD\\n' "$user"; done | scratch_ask | sed -n '2~3p' | tr -cd 'A-Za-z0-9",_ \\n-')
    { echo "AUTH $R x"; for user in $users; do echo "ACL SETUSER $user +multi"; done; } | scratch_ask >/dev/null
    printf '${SIGN}"%s matrix-users"\\n' "$R"; printf '${SIGN}"%s"\\n' $users
    fill_matrix; number=0; for user in $users; do
      number=$((number + 1)); printf '${SIGN}"%s matrix %s"\\n' "$R" "$number"
      { printf 'AUTH %s x\\nMULTI\\n%sDISCARD\\n' "$user" "$MATRIX"; } | scratch_ask |
        sed -e 1,2d -e '$d' | sed -e "${multi}s/.*/$(printf '%s\\n' "$multi" | sed -n "\${number}p")/" -e '${SIGN_LINES}'
    done
  ); fi`;
}

/** Those that the matrix is asked for, as redis-cli quotes them; none where the server has no ACL DRYRUN. */
const FIND_USERS = `  said DRYRUN; case $VALUE in ERROR,*) VALUE=;; *) said USERS;; esac
  # No user's name holds a blank; a refusal does.
  case $VALUE in *' '*|[!$Q]*) VALUE=;; esac
  users= number=0 rest=\${VALUE%"$NL"}; set -f
  if [ -n "$rest" ]; then printf '${SIGN}"%s matrix-users"\\n' "$R"; fi
  while [ -n "$rest" ] && [ $number -lt ${MATRIX_USERS} ]; do
    number=$((number + 1)); user=\${rest%%'","'*}
    case $user in "$rest") rest=;; *) rest=\${rest#*'","'};; esac
    user=\${user#'"'}; user=\${user%'"'}
    users="$users $user"; printf '${SIGN}"%s"\\n' "$user"
  done
  number=0; set +f`;

/** Every one of them by every command of the matrix: redis-cli reads a name as it prints it. */
const DRY_RUN_MATRIX = `  fill_matrix; IFS=$NL; set -- $MATRIX; unset IFS
  number=0; for user in $users; do
    number=$((number + 1)); add "matrix $number"; ask
    for words; do QUESTIONS="\${QUESTIONS}ACL DRYRUN $Q$user$Q $words$NL"; done; ask
  done`;

/** A function of the shell that puts the commands of the matrix into MATRIX, by their current names, a line each. */
function matrixLines(matrix: ProbeInput["matrix"]): string {
  const lines = matrix.map(([name = "", ...rest]) => `  line ${name} ${quotePath(rest.join(" "))}`);
  return `line() { current "$1"; MATRIX="$MATRIX$NOW $2$NL"; }\nfill_matrix() { MATRIX=\n${lines.join("\n")}\n}`;
}

/** A user's name for a section line; in hex where it could end a quoted word of the shell or of redis-cli. */
export function titleWord(user: string): string {
  return /^[\w.@-]+$/.test(user) ? user : `x${Buffer.from(user).toString("hex")}`;
}
