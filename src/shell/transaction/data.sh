# shellcheck shell=dash
# Calls VISIT with the names of what Redis saves, in each folder of its data that is the service user's. Plain
# files alone, and none with a line break in its name: Redis makes no such names, and our lists could not hold
# them.
# VISIT
each_data() {
  if [ -z "$DATA" ]; then return; fi
  walk "$DATA"
  case $? in 0) ;; 1)
    cd /
    return
    ;;
  *)
    cd /
    return 1
    ;;
  esac
  # shellcheck disable=SC2153 # from the transaction's env
  is_theirs && visit "$1" ./*.rdb ./*.aof ./*.aof.* "./$DUMP" "./$AOF" && each_of_aof "$1"
  ended=$?
  cd /
  return $ended
}
# VISIT
each_of_aof() {
  aofdir=${AOFDIR:-appendonlydir}
  if [ ! -d "./$aofdir" ] || [ -L "./$aofdir" ]; then return; fi
  step "$aofdir" && visit "$1" ./*
}
# VISIT NAME...
visit() {
  visit=$1
  shift
  seen=$nl
  if [ $# -gt 5000 ]; then
    echo "$PWD holds $# names: too many to look at" >&2
    return 1
  fi
  for n; do
    shift
    case $n in ./ | *"$nl"*) continue ;; esac
    case $seen in *"$nl$n$nl"*) continue ;; esac
    if [ ! -f "$n" ] || [ -L "$n" ]; then continue; fi
    seen=$seen$n$nl
    set -- "$@" "$n"
  done
  if [ $# -gt 0 ]; then "$visit" "$@"; fi
}
# LOGIN: in $dump what the server calls its dump, a name in $DATA
dump_name() {
  config_get "$1" dir
  said=$value
  config_get "$1" dbfilename
  dump=$value
  case $dump in '' | . | .. | */*) false ;; *) [ -n "$DATA" ] && [ "$said" = "$DATA" ] ;; esac ||
    {
      note "fail the server names the dump $(printf %.200s "$said/$dump"), which is not in $DATA"
      return 1
    }
}
# mv|late|back OTHER, or rm
dump_here() {
  is_theirs || return 1
  case $1 in
  rm) rm -f "$name" ;;
  back) [ -e "$name" ] || mv -T "$2" "$name" ;;
  late) [ "$name" -nt "$2" ] || move_out_here "$3" ;;
  mv) move_out_here "$3" ;;
  esac
}
# A name may be exchanged at any moment, for a folder or a link as well: so a second name, or what its owner
# can read of it. What was moved to another file system would be read as root.
# TO
move_out_here() {
  if [ ! -f "$name" ] || [ -L "$name" ]; then return 0; fi
  if ln -PT "$name" "$1" 2>/dev/null; then
    if [ ! -f "$1" ] || [ -L "$1" ]; then
      rm -f "$1"
      return 1
    fi
  else
    found=$(stat -c '%U:%G %s' "$name") && is_users "${found%%:*}" || return 1
    as_owner "${found%%:*}" head -c "${found#* }" "$name" | hear "$CAP" "${found#* }" >"$1"
    { chown "${found% *}" "$1" && [ "$(stat -c %s "$1")" = "${found#* }" ]; } || {
      rm -f "$1"
      return 1
    }
  fi
  rm -f "$name"
}
# NAME mv|back OTHER, NAME late THAN OTHER, or NAME rm
dump_file() { [ -n "$DATA" ] && at "$DATA/$1" dump_here "$2" "${3-}" "${4-${3-}}"; }
# A copy that shares its blocks, or else a second name, where only root comes. Redis replaces and removes its
# files when it has loaded too little; it does not write into them. The first ones stay: a second restart must
# not replace them.
# new, or old: the restart that comes
set_aside() {
  if [ -z "$DATA" ] || [ -z "$RESTART" ] || [ -e "$d/aside.$1" ]; then return 0; fi
  to=.redkeep.$id.$1
  printf '%s\n' "$DATA/$to" >"$d/aside.$1" && sync "$d/aside.$1" &&
    at "$DATA/$to" make_aside_here "$d/aside.$1" && each_data keep_here
  ended=$?
  exec 5<&-
  return $ended
}
# Kept open as 5: the folder around it is the service user's, and could have another one under this name.
# FILE: keeps what it is
make_aside_here() {
  is_theirs && mkdir "$name" && step "${name#./}" && [ -O . ] && is_empty_here && identify_here . &&
    printf '%s\n' "$identity" >>"$1" && sync "$1" && exec 5<.
}
# Its owner can hold up whoever opens a file (a lease), and nobody who gives it a second name.
# NAME...
keep_here() {
  timeout 10 cp -pP --reflink=always -- "$@" /proc/self/fd/5/ 2>/dev/null ||
    ln -Pf -- "$@" /proc/self/fd/5/ 2>/dev/null ||
    # the AOF's files come and go while Redis runs
    for n; do [ -e "/proc/self/fd/5/$n" ] || [ ! -e "$n" ] || return 1; done
}
drop_aside() { for f in "$d"/aside.*; do if [ -f "$f" ]; then
  first "$f"
  at "$line" drop_here "$f"
fi; done; }
# FILE that says which it is: what is in it goes only where it is the folder that we made; an empty one is no
# loss
drop_here() {
  if [ ! -d "$name" ] || [ -L "$name" ]; then return 0; fi
  {
    read -r made
    made=
    read -r made
  } <"$1"
  (step "${name#./}" && identify_here . && [ "$identity" = "$made" ] && rm -f ./* ./.[!.]* ./..?*)
  rmdir "$name" 2>/dev/null
  return 0
}
