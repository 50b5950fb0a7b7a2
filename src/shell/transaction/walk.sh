# shellcheck shell=dash
# In a folder that another may write, a name can become a link between two moments. So root uses no path that
# leads through one: it walks to the folder, a name at a time, and stands in it; the functions whose names end
# in `_here` then name ./NAME. What belongs to the service user already is changed with that user's rights.
# Owners change only where root alone may write: the folder is taken over first, and given back last. No other
# function names a file but redkeep's own and those in folders of root's; test/transaction/walk.test.ts holds
# this file to that.
# NAME: a folder in this one, or else nowhere
step() { { cd -P "./$1" 2>/dev/null && [ .. -ef /proc/self/fd/7 ]; } 7<.; }
# of `stat -c '%u %A'`: only root may write it
are_roots() { case $1 in "0 "[d-]????-??-*) return 0 ;; *) return 1 ;; esac }
here_is_roots() { are_roots "$(stat -c '%u %A' .)"; }
# Follows the links of folders where only root can make them. A folder that is exchanged meanwhile is no way
# on.
# FOLDER: 1 where there is none, 2 where somebody's link is in the way
walk() {
  cd / || return 2
  rest=$1/
  links=
  while [ -n "$rest" ]; do
    part=${rest%%/*}
    rest=${rest#*/}
    case $part in '' | .) continue ;; ..)
      cd -P .. || return 2
      continue
      ;;
    esac
    if [ -n "$alone" ] && ! here_is_roots; then return 2; fi
    if [ -L "./$part" ]; then
      links=x$links
      if [ ${#links} -gt 8 ] || ! here_is_roots; then
        echo "$1: $part is a link of somebody's, and is not followed" >&2
        return 2
      fi
      target=$(readlink "./$part")
      rest=$target/$rest
      case $target in /*) cd / ;; esac
    elif [ ! -e "./$part" ]; then
      return 1
    else step "$part" || {
      echo "$1: $part is no folder, or was exchanged meanwhile" >&2
      return 2
    }; fi
  done
}
# FOLDER: through folders of root's alone
alone=
walk_of_roots() {
  alone=yes
  walk "$1"
  ended=$?
  alone=
  return $ended
}
# FOLDER COMMAND...
within() {
  walk "$1" || {
    ended=$?
    cd /
    return $ended
  }
  shift
  "$@"
  ended=$?
  cd /
  return $ended
}
# PATH: where it is, in $folder
folder() {
  folder=${1%/*}
  folder=${folder:-/}
}
# PATH COMMAND...: there, with ./NAME in $name
at() {
  folder "$1"
  name=./${1##*/}
  shift
  within "$folder" "$@"
}
# The one way to run a program with another's rights. That user may take any descriptor out of it, and stop
# it: so nothing of ours is open in it but 0 to 2, the lock least of all, and root ends it. With $instead it
# takes the shell's place.
# SECONDS USER:GROUP GROUPS COMMAND...; GROUPS is setpriv's word for the other groups
dropped() {
  seconds=$1
  who=$2
  shift 2
  ${instead:+exec} timeout -k 1 "$seconds" \
    setpriv --reuid="${who%:*}" --regid="${who#*:}" --no-new-privs "$@" \
    3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
}
# What such a program prints, to its end or to ours: its user may keep the pipe open behind it.
# SECONDS BYTES; in a pipe
hear() { exec timeout -k 1 "$1" head -c "$2"; }
# With the rights of who owns it: wherever a name leads by then, nothing of others can change. Root's rights
# only among root's. The group is the user's own, not the file's: with that of another it could get more than
# its user may. What it prints goes to a pipe or nowhere, since that user may take and keep where it prints
# to.
# USER COMMAND...
as_owner() {
  case $1 in
  root)
    shift
    here_is_roots && "$@"
    return
    ;;
  "$RUNUSER") who=$1:$RUNGROUP ;; "$OLDUSER") who=$1:$OLDGROUP ;; *) who=$1:$(id -g "$1") || return 1 ;;
  esac
  shift
  dropped "$CAP" "$who" --clear-groups "$@" 2>/dev/null
}
# A link is not opened, and a FIFO does not keep the reader waiting. What is too long for any file of ours
# ends early, and is none.
draw() { dd if="$1" iflag=nofollow,nonblock,fullblock bs=1M count=64 status=none; }
# BYTES
is_small() { [ ${#1} -lt 8 ] || { [ ${#1} = 8 ] && [ "$1" -le 67108864 ]; }; }
