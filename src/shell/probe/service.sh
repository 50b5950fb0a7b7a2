# shellcheck shell=dash
case $UNIT in '' | *.service) ;; *) UNIT=$UNIT.service ;; esac
# All units at once, stopped ones too, a block of properties for each: the one that is named, other firewalls,
# all that may be Redis. A pattern finds what is loaded, and loads nothing.
ALL_SHOWN="$(
  systemctl show --all ${UNIT:+"$UNIT"} 'firewall[d].service' 'nftable[s].service' \
    'netfilter-persisten[t].service' 'redis*.service' 'valkey*.service' -p "$PROPERTIES"
)"
# Every block has the same lines, so it begins with a line that begins as the first of all does. Lines are
# looked at one by one: cutting a long text in two takes the shell a time that grows with the square of its
# length.
FIRST=${ALL_SHOWN%%=*}
# Puts into SHOWN what is said of a unit, whichever of its names it is called by.
show_unit() {
  SHOWN= found= IFS=$NL
  set -f
  for line in $ALL_SHOWN "$FIRST="; do
    case $line in
    "$FIRST="*)
      if [ -n "$found" ]; then break; fi
      SHOWN=
      ;;
    Names=*) case " ${line#*=} " in *" $1 "*) found=yes ;; esac ;;
    esac
    SHOWN=$SHOWN$line$NL
  done
  unset IFS
  set +f
}
shown() {
  VALUE= IFS=$NL
  set -f
  for line in $SHOWN; do case $line in "$1="*) VALUE=${line#*=} ;; esac done
  unset IFS
  set +f
}
section systemd
if [ -d /run/systemd/system ]; then echo yes; else echo no; fi
units=$NL ACTIVE= id= names= state= load= IFS=$NL
set -f
for line in $ALL_SHOWN "$FIRST="; do
  case $line in
  "$FIRST="*)
    case $state in active | reloading | refreshing) ACTIVE="$ACTIVE $names" ;; esac
    # A named unit is shown twice, and also where there is none of that name.
    case $load$id$units in not-found*) ;;
    *"$NL$id$NL"*) ;;
    loadedredis* | loadedvalkey*) units=$units$id$NL ;;
    esac
    ;;
  Id=*) id=${line#*=} ;;
  Names=*) names=${line#*=} ;;
  ActiveState=*) state=${line#*=} ;;
  LoadState=*) load=${line#*=} ;;
  esac
done
unset IFS
set +f
is_active() { case "$ACTIVE " in *" $1 "*) ;; *) return 1 ;; esac }
section units
printf '%s\n' "$units"
sentinels= several= named=$UNIT
for u in $units; do
  case $u in
  *sentinel*) if is_active "$u"; then sentinels="$sentinels $u"; fi ;;
  *) if [ -z "$named" ]; then if [ -z "$UNIT$several" ]; then UNIT=$u; else UNIT= several=yes; fi; fi ;;
  esac
done
# A client is one of two programs, where nobody but root can have put another: on the system's path, in
# /usr/local, or beside the server.
find_client() {
  local folder
  for folder in /usr/bin /bin /usr/local/bin "${BIN%/*}"; do
    if [ -n "$CLI" ] || [ ! -x "$folder/$1" ]; then continue; fi
    case $folder in [!/]* | *[!A-Za-z0-9._/-]*) continue ;; esac
    if is_roots "$folder/$1"; then
      case $folder in /usr/bin | /bin) CLI=$1 ;; *) CLI=$folder/$1 ;; esac
    else LOOSE="$LOOSE$folder/$1$NL"; fi
  done
}
section sentinels
# shellcheck disable=SC2086 # a line each
printf '%s\n' $sentinels
BIN= CONF= CLI= PID=0 RUNUSER= RUNGROUP= BIN_IS_ROOTS= LOOSE= GROUP= OWNER=
if [ -n "$UNIT" ]; then
  section unit
  printf '%s\n' "$UNIT"
  show_unit "$UNIT"
  section properties
  printf '%s' "$SHOWN"
  shown ControlGroup
  GROUP=$VALUE
  shown DropInPaths
  LINES_OF="$LINES_OF $VALUE"
  shown ExecStart
  argv=${VALUE#*argv\[\]=}
  argv=${argv%% ;*}
  section argv
  printf '%s\n' "$argv"
  set -f
  # shellcheck disable=SC2086 # a line each
  set -- $argv
  set +f
  BIN=${1:-}
  CONF=${2:-}
  shown MainPID
  PID=${VALUE:-0}
  shown User
  RUNUSER=$VALUE
  shown Group
  RUNGROUP=$VALUE
  judge "$BIN" /usr/bin/redis-cli "$CONF"
  case $BIN in *valkey*)
    find_client valkey-cli
    find_client redis-cli
    ;;
  *)
    find_client redis-cli
    find_client valkey-cli
    ;;
  esac
  if [ -n "$BIN" ]; then if is_roots "$BIN"; then BIN_IS_ROOTS=yes; else LOOSE="$LOOSE$BIN$NL"; fi; fi
  section client
  printf '%s\n' "$CLI"
  section programs
  printf '%s' "$LOOSE"
  if [ "$PID" -gt 0 ]; then LINES_OF="$LINES_OF /proc/$PID/status /proc/$PID/limits"; fi
  section groups
  if [ -n "$RUNUSER" ]; then id -nG "$RUNUSER"; fi
fi
section lines
# shellcheck disable=SC2086 # a line each
grep -saH . $LINES_OF
section accounts
# shellcheck disable=SC2086 # a word each
ACCOUNTS=$(getent passwd $RUNUSER redis valkey)
printf '%s\n' "$ACCOUNTS"
# What gives a program the service user's rights.
if [ -n "$RUNUSER" ]; then
  while IFS=: read -r name _ uid gid _; do
    case $RUNUSER in "$name" | "$uid")
      OWNER=$uid
      if [ "$ME" = 0 ] && [ "$uid" != 0 ]; then
        SERVICE_UID=$uid
        DROP="setpriv --reuid=$uid --regid=${RUNGROUP:-$gid} --init-groups"
      fi
      break
      ;;
    esac
  done <<END
$ACCOUNTS
END
fi
# Who makes the service's sockets: its process says it best, where it can be looked at.
field Uid: "/proc/$PID/status"
OWNER=${VALUE:-$OWNER}
# Puts into VALUE the control group of a process. Without their second version systemd has a tree of its own.
group_of() {
  VALUE=
  { while read -r line; do
    case $line in 0::?*)
      VALUE=${line#0::}
      break
      ;;
    *:name=systemd:*) VALUE=${line#*:name=systemd:} ;; esac
  done <"/proc/$1/cgroup"; } 2>/dev/null
}
# The servers that run, and what sudo lets the service's user do: one search for both.
case $RUNUSER in
'' | *[!A-Za-z0-9_.-]*) found=$(grep -sHxE 'redis-server|valkey-server' /proc/[0-9]*/comm) ;;
*)
  found="^(redis-server|valkey-server)$|^[[:space:]]*${RUNUSER}[[:space:]]+[A-Za-z]"
  found=$(grep -sHE "$found" /proc/[0-9]*/comm /etc/sudoers /etc/sudoers.d/*)
  ;;
esac
section servers
rules= IFS=$NL
set -f
for match in $found; do
  case $match in
  /proc/*/comm:redis-server | /proc/*/comm:valkey-server) p=${match%/comm:*} ;;
  /proc/*) continue ;; *)
    rules=$rules${match#*:}$NL
    continue
    ;;
  esac
  group_of "${p#/proc/}"
  printf '%s\n' "${p#/proc/} $VALUE"
done
unset IFS
set +f
section sudo-rules
printf %s "$rules"
