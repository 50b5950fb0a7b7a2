# shellcheck shell=dash
# One process for all paths; those that are not there are left out, and names that would be two lines of the
# answer.
describe() {
  for path; do
    shift
    case $path in *"$NL"*) ;; *) set -- "$@" "$path" ;; esac
  done
  stat -c '%F|%U|%G|%a|%h|%s|%n' -- "$@"
}
# The kernel knows where the server keeps its data: Redis enters the folder.
DIR=
if [ "$PID" -gt 0 ] && cd -P "/proc/$PID/cwd" 2>/dev/null; then
  DIR=$PWD
  cd /
fi
case $DIR in '' | /proc/* | *"$NL"*)
  conf_get dir
  DIR=$VALUE
  ;;
esac
conf_get logfile
LOG=$VALUE
case $LOG in */*) LOG_FOLDER=${LOG%/*} ;; *) LOG_FOLDER=. ;; esac
# The words of a file are split, and no wildcard of theirs expanded.
TLS=
set -f
# shellcheck disable=SC2086 # a word each
set -- $TLS_CERT $TLS_KEY $TLS_CA
set +f
for path in "$@" "$CONF_FOLDER"/tls/redkeep-*; do TLS="$TLS $path"; done
conf_get unixsocket
SOCKET=$VALUE
values_of loadmodule "$SETTINGS"
MODULES=
IFS=$NL
set -f
for line in $VALUE; do MODULES="$MODULES ${line%% *}"; done
unset IFS
section data-directory
printf '%s\n' "$DIR"
section log-file
printf '%s\n' "$LOG"
# shellcheck disable=SC2086 # a word each
set -- $seen "$ACL_FILE" "$SOCKET" $TLS "$LOG" "$DIR" $MODULES
IFS=$NL
# shellcheck disable=SC2086 # a line each
set -- "$@" $PLANNED_PATHS
unset IFS
for path; do
  shift
  if [ -n "$path" ]; then set -- "$@" "$path"; fi
  case $path in */*)
    path=${path%/*}
    set -- "$@" "${path:-/}"
    ;;
  esac
done
set +f
set -- "$@" /etc/ufw/user.rules /etc/ufw/user6.rules /etc/ufw/ufw.conf /etc/default/ufw \
  "/etc/systemd/system/$UNIT.d/redkeep.conf" /etc/systemd/system/redkeep-recover.service
section data-files
described= listed=0
if [ -d "$DIR" ]; then
  for path in "$DIR"/*.rdb "$DIR"/*.aof "$DIR"/*.aof.* "$DIR"/appendonlydir "$DIR"/appendonlydir/* \
    "$LOG_FOLDER"/redis*.log "$LOG_FOLDER"/valkey*.log; do
    # No name may be two lines of the answer, and the service user may have made the folder a link to any
    # other.
    case $path in *"$NL"*) continue ;;
    "$DIR"/appendonlydir/*) if [ -L "$DIR/appendonlydir" ]; then
      continue
    fi ;;
    esac
    # A program takes only so many words, and each that is added has the shell copy all before it.
    if [ $# -ge 500 ]; then
      described=$described$(describe "$@")$NL
      set --
    fi
    if [ "$listed" -ge 5000 ]; then
      section data-files-cut
      break
    fi
    set -- "$@" "$path"
    printf '%s\n' "$path"
    listed=$((listed + 1))
  done
fi
section paths
printf %s "$described"
describe "$@"
section digests
set -f
# shellcheck disable=SC2086 # a word each
set -- $seen "$ACL_FILE" $TLS
IFS=$NL
# shellcheck disable=SC2086 # a line each
set -- "$@" $PLANNED_PATHS
unset IFS
set +f
set -- "$@" /etc/ufw/user.rules /etc/ufw/user6.rules /etc/ufw/ufw.conf /etc/default/ufw \
  "/etc/systemd/system/$UNIT.d/redkeep.conf" /etc/systemd/system/redkeep-recover.service
# Each of the files in turn makes room for what is to be asked about.
# Whoever else may write there has the rights with which it is read.
digest() {
  READS=$NL readers=
  judge "$@"
  for path; do
    shift
    case $path in *"$NL"*) continue ;; esac
    if [ -f "$path" ]; then
      set -- "$@" "$path"
      case " $seen $ACL_FILE $TLS " in *" $path "*) named_reader "$path" ;; *) reader_of "$path" ;; esac
      if is_large; then continue; fi
      READS="$READS$AS|$path$NL"
      case $NL$readers in *"$NL$AS|$NL"*) ;; *) readers="$readers$AS|$NL" ;; esac
    fi
  done
  each_reader 'sha256sum --' '' asked_digests
}
digest "$@"
section data-writable
if [ "$PID" -gt 0 ] && [ -d "$DIR" ]; then
  field Uid: "/proc/$PID/status"
  uid=$VALUE
  field Gid: "/proc/$PID/status"
  if timeout -s KILL 5 setpriv --reuid="$uid" --regid="$VALUE" --init-groups test -w "$DIR" >/dev/null; then
    echo yes
  else
    case $? in 1) echo no ;;
    esac
  fi
fi
section places
rooms=' '
set -- "$@" "$DIR/." /var/lib/redkeep/txn
for path; do
  shift
  case $path in *"$NL"*) continue ;; esac
  if [ -e "$path" ] && [ ! -w "$path" ]; then printf 'unwritable %s\n' "$path"; fi
  while [ -n "$path" ]; do
    # What holds no slash would stay as it is for ever.
    case $path in */*) path=${path%/*} ;; *) break ;; esac
    if [ ! -d "$path" ]; then continue; fi
    case $rooms in *" $path "*) ;; *)
      rooms="$rooms$path "
      if [ ! -w "$path" ]; then printf 'unwritable %s\n' "$path"; fi
      set -- "$@" "$path"
      ;;
    esac
    break
  done
done
if [ $# -gt 0 ]; then stat -f -c 'room %a %S %d %c %n' -- "$@"; fi
