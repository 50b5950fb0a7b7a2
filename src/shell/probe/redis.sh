# shellcheck shell=dash
# Finds a way in, and asks all questions over that one connection: a redis-cli costs a host more than
# everything that it is asked. So what is asked next depends on what was answered, as a person at redis-cli
# would do it.
values_of rename-command "$SETTINGS"
RENAMES=$NL$VALUE
# Puts into NOW what a command is called.
current() {
  NOW=$1
  case $RENAMES in *"$NL$1 "*)
    last_of "$1 " "$RENAMES"
    NOW=${VALUE:-$1}
    ;;
  esac
}
Q='"'
conf_raw requirepass
REQUIREPASS=${VALUE:+"AUTH $VALUE"}
# One word of root's command line, and no option: the service user may own the file that it comes from.
plain() { case $1 in '' | -* | *[!A-Za-z0-9._/@:+-]*) return 1 ;; esac }
odd() { WHY="$1 in redis.conf holds signs that redkeep hands to no program"; }
# Relative paths would be other files here; openssl takes more than paths.
tls_words() {
  for file in "$TLS_CA" "$TLS_CERT" "$TLS_KEY"; do
    case $file in /*) plain "$file" || return 1 ;; *) return 1 ;; esac
  done
  WORDS="--tls --cacert $TLS_CA --cert $TLS_CERT --key $TLS_KEY"
}
find_listening() {
  : "${SOCKETS=$(ss -Hltune)}"
  LISTENING= TCP_PORTS=' '
  while read -r protocol _ _ _ at rest; do
    if [ "$protocol" = tcp ]; then TCP_PORTS="$TCP_PORTS${at##*:} "; fi
    if [ "$protocol" = tcp ] && in_group "$GROUP" "$rest" && made_by "$OWNER" "$rest"; then
      LISTENING="$LISTENING $at"
    fi
  done <<END
$SOCKETS
END
}
# Adds a title and the question behind it to those that redkeep is about to ask: redis-cli gets them at one
# go.
add() { QUESTIONS="${QUESTIONS}ECHO $Q$R $1$Q$NL${2:+$2$NL}"; }
ask() {
  printf %s "$QUESTIONS" >&5
  QUESTIONS=
}
# Puts into ANSWER the next line that is not empty.
hear() {
  ANSWER=
  while [ -z "$ANSWER" ]; do IFS= read -r ANSWER || return 1; done
}
# Puts into VALUE what was said behind a title.
said() {
  VALUE=
  case $SAID in *"$Q$R $1$Q$NL"*)
    VALUE=${SAID#*"$Q$R $1$Q$NL"}
    VALUE=${VALUE%%"$NL$Q$R "*}
    ;;
  esac
}
# Puts into VALUE a figure of INFO.
figure() {
  VALUE=
  case $SAID in *"$NL$1:"*)
    VALUE=${SAID#*"$NL$1:"}
    VALUE=${VALUE%%[!0-9.]*}
    ;;
  esac
}
# Whether this is a user, and the one whose login was tried. Errors have no quotes around them.
is_welcome() {
  case $1 in '"'?*'"') ;; *) return 1 ;; esac
  [ "$CRED" != "$ADMIN" ] || [ "$1" = "$ADMIN_USER" ] || [ -z "$CRED" ]
}
. ./probe/access.sh
# Talks to redis-cli: it reads what 5 is told, and answers on 0, in CSV: a reply a line. What is to leave the
# host goes to 4, and to 1 what the probe has to know: who the login is or why it failed, and the version.
# Redis is told R, and never N.
talk() {
  # It may be gone.
  trap '' PIPE
  QUESTIONS=
  if [ -n "$CRED" ]; then
    printf '%s\n' "$CRED" >&5
    hear
  fi
  echo ACL WHOAMI >&5
  hear
  printf '%s\n' "$ANSWER"
  if ! is_welcome "$ANSWER"; then return; fi
  # Who may not even ECHO would leave all answers without their titles.
  add ready "CLIENT SETNAME $OWN_NAME"
  ask
  hear
  if [ "$ANSWER" != "$Q$R ready$Q" ]; then return; fi
  add CATEGORIES 'ACL CAT'
  add SERVER 'INFO server'
  add KEYSPACE 'INFO keyspace'
  if [ -n "$ACCESS" ]; then
    add DRYRUN 'ACL DRYRUN default PING'
    add USERS 'ACL USERS'
  fi
  add ready
  ask
  SAID=
  while IFS= read -r ANSWER; do
    case $ANSWER in "$Q$R ready$Q") break ;;
    'Could not connect'* | 'Error: '* | 'ERROR,"NOAUTH'*) return ;;
    esac
    SAID=$SAID$ANSWER$NL
  done
  figure redis_version
  VERSION=$VALUE
  echo "$VERSION"
  exec >&4
  # Before 6.2 CLIENT LIST does not say to which address and port a client is connected.
  case $VERSION in 6.0.*)
    section sockets
    ss -Htn state established | head -n 20000
    ;;
  esac
  section redis
  if [ -n "$ACCESS" ]; then find_users; fi
  questions &
  exec 5>&-
  # Not even of what no client should be able to make so long may more than this leave the host.
  cut -b "-$LINE_LIMIT" | head -c "$SESSION_LIMIT" | sed -e "$MASK_CSV" -e 's/^/>/'
  if [ -n "$ACCESS" ]; then
    said DRYRUN
    case $VALUE in 'ERROR,"ERR'*)
      trap - PIPE
      ask_scratch
      ;;
    esac
  fi
}
questions() {
  set -f
  add info 'INFO everything'
  current CONFIG
  add running "$NOW GET *"
  add acl-list 'ACL LIST'
  for command in $COMMANDS; do add "command $command" "COMMAND INFO $command"; done
  IFS=$NL
  for asked in $DRY_RUNS; do
    unset IFS
    user=${asked%% *}
    asked=${asked#* }
    title=${asked%% *}
    asked=${asked#* }
    current "${asked%% *}"
    add "dry-run $title $asked" "ACL DRYRUN $user $NOW${asked#"${asked%% *}"}"
    IFS=$NL
  done
  unset IFS
  said CATEGORIES
  case $VALUE in '"'[a-z]*)
    IFS=,
    for category in $VALUE; do
      category=${category#'"'}
      category=${category%'"'}
      case $category in *[!a-z0-9_-]*) ;; *) add "category $category" "ACL CAT $category" ;; esac
    done
    unset IFS
    ;;
  esac
  if [ -n "$ACCESS" ]; then ask_access; fi
  # Behind this comes what clients made: it may be of any size, and be cut.
  add core-end
  add clients 'CLIENT LIST'
  add denials 'ACL LOG 128'
  case $SAID in *"${NL}db0:"*)
    sample=0
    while [ $sample -lt "$KEY_SAMPLES" ]; do
      sample=$((sample + 1))
      add "key $sample" RANDOMKEY
    done
    ;;
  esac
  add session-end
  ask
}
# Tries each login that is known, on one way in. 3 is a pipe of which both ends are held: on it redis-cli is
# told what to ask. It runs as the service's user, who can reach nothing by it that is not his.
try_login() {
  for CRED in "$ADMIN" "$REQUIREPASS" ""; do
    { NOTES=$(: | {
      exec 3<>/proc/self/fd/0 </dev/null
      {
        ulimit -v 1048576
        # shellcheck disable=SC2086 # words of a command
        exec timeout -k 1 20 $DROP $CLI --csv $EP </proc/self/fd/3 2>&1 3>&- 4>&-
      } | {
        exec 5>/proc/self/fd/3 3>&-
        talk
      } &
      exec 3>&- 4>&-
      wait
    }); } 4>&1
    {
      IFS= read -r WHO
      read -r VERSION
    } <<END
$NOTES
END
    if is_welcome "$WHO"; then return 0; fi
    # Who says nothing to one login says nothing to the next.
    case $WHO in '') return 1 ;; *' '*) WHY=$WHO ;; esac
    case $WHY in 'ERROR,"NOAUTH'* | 'ERROR,"WRONGPASS'* | 'ERROR,"NOPERM'*) HERE=${HERE:-$EP} ;; esac
  done
  return 1
}
log_in() {
  if [ -z "$CLI" ] || [ "$PID" -eq 0 ]; then
    WHY='the service does not run, or no redis-cli is here'
    return 1
  fi
  conf_get unixsocket
  sock=$VALUE
  if [ -S "$sock" ]; then
    if plain "$sock"; then
      EP="-s $sock"
      if try_login; then return 0; fi
    else odd unixsocket; fi
  fi
  find_listening
  conf_get tls-port
  tls_port=$VALUE
  set -f
  # shellcheck disable=SC2086 # a word each
  set -- $LISTENING
  set +f
  for listening; do
    port=${listening##*:}
    address=${listening%:*}
    address=${address#[}
    address=${address%]}
    case $address in 0.0.0.0 | '*' | ::) address=127.0.0.1 ;; esac
    if ! plain "$address" || ! plain "$port"; then
      odd bind
      continue
    fi
    EP="-h $address -p $port"
    if [ "$port" = "$tls_port" ]; then
      if tls_words; then EP="$EP $WORDS"; else
        odd 'a TLS file'
        continue
      fi
    fi
    if try_login; then return 0; fi
  done
  return 1
}
WHO= CRED= EP= WHY= HERE= VERSION=
if log_in; then tell login "$WHO"; else
  EP=$HERE
  tell login-error "$WHY"
fi
section endpoint
printf '%s\n' "$EP"
# Only a program that nobody but root can have put there says its version; else the server's own word has to
# do. It needs no rights for it, and as the service user's process it would say what that user wants.
if [ -n "${BIN-}" ] && [ -n "${BIN_IS_ROOTS-}" ]; then
  section binary-version
  as=
  if [ "$ME" = 0 ]; then as="setpriv $NOBODY"; fi
  # shellcheck disable=SC2086 # words of a command
  timeout -k 1 5 $as "$BIN" --version | heard 1000
  if [ "$PID" -gt 0 ] && [ "/proc/$PID/exe" -ef "$BIN" ]; then section same-program; fi
fi
