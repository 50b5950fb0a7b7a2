# shellcheck shell=dash
# the last lines of Redis' log, as far as the service user may read it
log_tail() {
  dropped 5 "$RUNUSER:$RUNGROUP" --clear-groups tail -c 2000 "$LOG" 2>/dev/null | hear 6 2000 | tail -n 2
}
# Root runs no program that another may write. A server's own, under the server's own user, may be anyone's.
# as the unit says it, in $BIN
find_binary() {
  # shellcheck disable=SC2153 # from the transaction's env
  BIN=$(systemctl show -p ExecStart --value "$UNIT")
  BIN=${BIN#*path=}
  BIN=${BIN%% ;*}
  { [ "$RUNUSER" != root ] && [ "$OLDUSER" != root ]; } || is_roots_program "$BIN"
}
# As systemd goes to it, and not only where the path leads now: in a folder of another's a link leads
# elsewhere a moment later.
# PATH
is_roots_program() {
  program=$1
  hops=
  verdict=1
  while
    folder "$program"
    walk_of_roots "$folder" && here_is_roots
  do
    if [ ! -L "./${program##*/}" ]; then
      [ -f "./${program##*/}" ] && are_roots "$(stat -c '%u %A' "./${program##*/}")"
      verdict=$?
      break
    fi
    hops=x$hops
    if [ ${#hops} -gt 8 ]; then break; fi
    target=$(readlink "./${program##*/}")
    case $target in /*) program=$target ;; *) program=$PWD/$target ;; esac
  done
  cd /
  [ $verdict = 0 ] || {
    echo "$1 is a program that others than root may write or exchange, and the service runs as root" >&2
    return 1
  }
}

# USER: the service's process; nobody where there is none
runs_as() {
  pid=$(systemctl show -p MainPID --value "$UNIT")
  grep -sq "^Uid:[[:space:]]*$(id -u "$1" 2>/dev/null)[[:space:]]" "/proc/${pid:-0}/status"
}
