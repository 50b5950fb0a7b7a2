# shellcheck shell=dash
# Commands come on stdin; passwords are never an argument of a process.
# old|new: $endpoint, $auth, $config, the name of CONFIG, and $known, `any` where no password is known
login() {
  endpoint=
  auth=
  config=
  known=
  {
    read -r endpoint
    IFS= read -r auth
    IFS= read -r config
    IFS= read -r known
  } <"$d/login.$1"
  client=$RUNUSER:$RUNGROUP
  if [ "$client" = "$OLDUSER:$OLDGROUP" ]; then return; fi
  case $endpoint in
  # Over TCP anybody may ask, who can read the key.
  *" --key "*)
    key=${endpoint##* --key }
    dropped 5 "$client" --init-groups test -r "${key%% *}" >/dev/null 2>&1 || client=$OLDUSER:$OLDGROUP
    ;;
  *) if runs_as "$OLDUSER"; then client=$OLDUSER:$OLDGROUP; fi ;;
  esac
}
# Whoever took the server over may answer for ever, with anything, or not at all. So redis-cli gets so many
# seconds and so much memory (KiB; of its own it takes a tenth), and of what it prints comes so much. Who lets
# us wait is waited for half as long next.
answer_within=20
ANSWER_BYTES=262144
CLIENT_MEMORY=262144
# COMMANDS BYTES: with the login that was read last
converse() {
  if ! listens; then
    unheard "$UNIT does not listen at ${endpoint:-127.0.0.1:6379}"
    return
  fi
  {
    ulimit -v $CLIENT_MEMORY
    instead=1
    # shellcheck disable=SC2086 # the words of the endpoint
    dropped $answer_within "$client" --init-groups sh -c "$AS_CLIENT" "$CLI" $endpoint 2>&1
  } <<. | hear $((answer_within + 2)) "$2"
$auth
$1
.
}
# While the server is down others may listen where it did, and would be told its password. So the kernel has
# to say that a port is the unit's, and a socket has to be the client's own user's: no other could have made
# it.
# shellcheck disable=SC2016 # the program that `sh -c` is given, not this one, has these words
AS_CLIENT='case ${1-} in
-s) [ -S "$2" ] && [ -O "$2" ] || {
  printf "Could not connect: %s is no socket of the service user\n" "$2" "$2"
  exit
} ;;
esac
exec "$0" "$@"'
# in front of a login's reply, and in its place
unheard() { printf 'Could not connect: %s\n' "$1" "$1"; }
# A group's name says nothing: who has one delegated to him makes others of any name below it. Nor do words
# behind the first `cgroup:`, which may be part of a name. Of root's sockets ss tells no user.
# by $rest, a line of ss
is_units() {
  case $rest in *cgroup:*) ;; *) return 1 ;; esac
  case "${rest#*cgroup:} " in "${cgroup:-none} "*) ;; *) return 1 ;; esac
  case " ${rest%%cgroup:*}" in *" uid:$owner "*) ;; *' uid:'*) return 1 ;; *) [ "$owner" = 0 ] ;; esac
}
# at $endpoint: of more than one listener the one that the kernel prefers
listens() {
  case $endpoint in -s*) return ;; esac
  host=127.0.0.1
  port=6379
  # shellcheck disable=SC2086 # its words
  set -- $endpoint
  while [ $# -gt 1 ]; do
    case $1 in -h) host=$2 ;; -p) port=$2 ;; esac
    shift
  done
  shown=$(systemctl show -p ControlGroup -p MainPID "$UNIT")
  cgroup=${shown#*ControlGroup=}
  cgroup=${cgroup%%"$nl"*}
  pid=${shown#*MainPID=}
  pid=${pid%%"$nl"*}
  owner=
  { while read -r word owner _; do [ "$word" != Uid: ] || break; done <"/proc/$pid/status"; } 2>/dev/null
  exact=
  wild=
  every=
  while read -r _ _ _ at _ rest; do
    case $at in '') continue ;; esac
    whose=another
    if is_units; then whose=ours; fi
    at=${at%:*}
    at=${at#[}
    at=${at%]}
    case "$every$whose" in ours | oursours) every=ours ;; *) every=another ;; esac
    case ${at%%%*},$host in
    "$host,$host") case "$exact$whose" in ours | oursours) exact=ours ;; *) exact=another ;; esac ;;
    '*',* | 0.0.0.0,*.* | ::,*:*) case "$wild$whose" in ours | oursours) wild=ours ;;
    *) wild=another ;;
    esac ;;
    esac
  done <<.
$(ss -Hltne "sport = :$port")
.
  [ "${exact:-${wild:-$every}}" = ours ]
}
# LOGIN COMMANDS: what redis-cli prints is in $reply
ask() {
  login "$1"
  milliseconds
  asked=$ms
  reply=$(converse "$2" $ANSWER_BYTES)
  milliseconds
  if [ $((ms - asked)) -ge $((answer_within * 1000)) ]; then answer_within=$(((answer_within + 1) / 2)); fi
}
# LOGIN FILE: says in $refusal the first reply to the file's commands that is no success
send() {
  ask "$1" "$(cat "$2")"
  refusal=$(printf '%s\n' "$reply" | sed -nE "${auth:+1d;}"'/^(OK|[0-9]+)?$/d;s/^(.{1000}).*/\1/;p;q')
}
# The shell cuts off what is in front in a time that grows with the square of its length: so it walks the
# lines of a reply, and looks for a name only where a server of good faith has it.
# the reply to the last command
last() {
  last=
  set -f
  IFS=$nl
  for last in $reply; do :; done
  unset IFS
  set +f
}
# TEXT: of $value what is behind it, or nothing
behind() {
  case $value in *"$1"*) before=${value%%"$1"*} ;; *)
    value=
    return
    ;;
  esac
  if [ ${#before} -gt 16384 ]; then value=; else value=${value#*"$1"}; fi
}
# LOGIN COMMAND: its reply in $last
one() {
  ask "$1" "$2"
  last
}
# of INFO, in $value
field() {
  value=$nl$reply
  behind "$nl$1:"
  value=${value%%[[:cntrl:]]*}
}
# of CONFIG GET, in $value
setting() {
  value=$nl$reply$nl
  behind "$nl$1$nl"
  value=${value%%"$nl"*}
}
info() {
  ask "$1" "INFO $2"
  field "$3"
}
config_get() {
  login "$1"
  ask "$1" "$config GET $2"
  setting "$2"
}
config_set() {
  login "$1"
  one "$1" "$config SET $2 \"$3\""
  [ "$last" = OK ]
}
# A login's line 4 says `any` where no password is known: then being alive is all that can be asked.
# by DBSIZE, asked last
is_alive() {
  last
  case $last in [0-9]*) return 0 ;; NOAUTH*) [ "$known" = any ] ;; *) return 1 ;; esac
}
# and says how many keys there are
answers() {
  ask "$1" "INFO keyspace${nl}DBSIZE"
  is_alive
}
# TEXT: in $number, else 0
number() { case $1 in '' | *[!0-9]* | 0?* | ????????????????*) number=0 ;; *) number=$1 ;; esac }
# of INFO keyspace: $keys, and $expiring, those among them that may expire
count_keys() {
  # of a server that may say anything
  keys=0
  expiring=0
  set -f
  IFS=$nl
  for line in $reply; do
    case $line in db[0-9]*:keys=*,expires=*)
      if [ ${#line} -gt 1000 ]; then continue; fi
      line=${line#*keys=}
      number "${line%%,*}"
      keys=$((keys + number))
      line=${line#*expires=}
      number "${line%%,*}"
      expiring=$((expiring + number))
      ;;
    esac
  done
  unset IFS
  set +f
}
