# shellcheck shell=dash
# Where another user starts the service than the one that stops it: until it has stopped it must be able to
# save.
is_handed() { [ -n "$HANDOVER" ] && case $1 in "$HANDOVER" | "$HANDOVER"/*) return 0 ;; *) return 1 ;; esac }
# new, or old: who comes
hand_over() {
  comes=$RUNUSER:$RUNGROUP
  if [ "$1" = old ]; then comes=$OLDUSER:$OLDGROUP; fi
  within "$HANDOVER" hand_over_here "$HANDOVER" "$1" || return 1
  if [ "$1" = new ]; then
    while read -r p o m; do
      if is_handed "$p"; then
        own_if_there "$p" "$o" "$m" || return 1
      fi
    done <"$d/modes"
  else
    while read -r p o m; do
      if is_handed "$p" && [ "$o" != absent ]; then
        own_if_there "$p" "$o" "$m"
      fi
    done <"$d/expected-modes"
  fi
}
own_if_there() {
  owner_mode "$1"
  [ "$owner_mode" = absent ] || own "$@"
}
# From above: once the folder is root's nobody exchanges what is in it. Last of all it is given to the one
# that comes, or back.
# PATH of this folder, new or old
hand_over_here() {
  if [ -O . ] && ! is_users root; then
    identify_here . && is_made "$identity" || return 1
  elif [ ! -O . ]; then
    is_theirs || return 1
  fi
  was=$(stat -c '00%a %U:%G' .)
  if [ "$2" = new ]; then
    printf '%s\n' "$was $1" >>"$d/handed" && sync "$d/handed" && was="${was%% *} $comes" || return 1
  elif [ -f "$d/handed" ]; then while read -r m o p; do if [ "$p" = "$1" ]; then
    was="$m $o"
    break
  fi; done <"$d/handed"; fi
  set -- "$1" "$2" "$was"
  take_here || return 1
  if [ "$1" = "$HANDOVER" ]; then
    aofdir=${AOFDIR:-appendonlydir}
    visit hand_files_here ./*.rdb ./*.aof ./*.aof.* "./$DUMP" "./$AOF" || return 1
    if [ -d "./$aofdir" ] && [ ! -L "./$aofdir" ]; then
      step "$aofdir" && hand_over_here "$1/$aofdir" "$2" && cd -P .. || return 1
    fi
  else visit hand_files_here ./* || return 1; fi
  give_here "$3"
}
# NAME...: those that are a user's of the service
hand_files_here() {
  for name; do
    owned=$(stat -c '%U:%G' "$name")
    if [ "$owned" = "$comes" ] || ! is_users "${owned%:*}"; then continue; fi
    chown_here "$PWD/${name#./}" "$comes" || return 1
  done
}
# Of the service user's, and with its rights, what the old process saved when it stopped.
# NAME...
tighten_here() {
  rest=$(stat -c '%U %a %n' -- "$@" 2>/dev/null)$nl
  set --
  while [ -n "$rest" ]; do
    line=${rest%%"$nl"*}
    rest=${rest#*"$nl"}
    n=${line#* * }
    m=${line#* }
    m=${m%% *}
    case $line in "$RUNUSER "*) ;; *) continue ;; esac
    case $m in *[04]0) continue ;; esac
    printf '%s\n' "00${m#"${m%???}"} $PWD/${n#./}" >>"$d/tightened"
    set -- "$@" "$n"
  done
  if [ $# = 0 ] || as_owner "$RUNUSER" chmod g-wx,o-rwx -- "$@" >/dev/null; then return; fi
  for n; do
    [ ! -e "$n" ] || as_owner "$RUNUSER" chmod g-wx,o-rwx -- "$n" >/dev/null || [ ! -e "$n" ] || return 1
  done
}
# MODE
loosen_here() {
  owned=$(stat -c %U "$name" 2>/dev/null) && is_users "$owned" &&
    as_owner "$owned" chmod "$1" "$name" >/dev/null
}
