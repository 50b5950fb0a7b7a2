# shellcheck shell=dash
# The last five runs stay, those that somebody has to look at, and for ever those that say what a path was
# before redkeep first touched it: of these what they found, and nothing of what they wrote. A run that was
# taken back touched nothing.
prune() {
  # the newest first; names of ours have no blanks
  # shellcheck disable=SC2046 # a word each
  set -- $(ls -1td $root/txn/*)
  back=$nl
  ended=$nl
  standing=
  for d; do
    state
    if [ "$state" != committed ]; then continue; fi
    unit_of
    if [ -f "$d/to-original" ]; then
      ended=$ended$unit$nl
    elif [ -f "$d/undoes" ]; then
      first "$d/undoes"
      back=$back$line$nl
    else case $back$ended in *"$nl${d##*/}$nl"* | *"$nl$unit$nl"*) ;; *) standing=$d$nl$standing ;; esac fi
  done
  touched=$nl
  kept=$nl
  while [ -n "$standing" ]; do
    d=${standing%%"$nl"*}
    standing=${standing#*"$nl"}
    if {
      while read -r _ p _; do touch_first; done <"$d/files"
      while read -r p _; do touch_first; done <"$d/expected-modes"
      [ -n "$is_first" ]
    }; then kept=$kept$d$nl; fi
    is_first=
  done
  shift 5
  for d; do
    state
    if [ "$state" = needs_human ]; then continue; fi
    drop_aside
    case $kept in *"$nl$d$nl"*) keep_found ;; *) rm -rf "$d" ;; esac
  done
}
is_first=
# by $p: data files come and go under new names, and nobody brings one back
touch_first() {
  case $touched in *"$nl$p$nl"*) return ;; esac
  case $p in "$DATA"/*) ;; *)
    touched=$touched$p$nl
    is_first=1
    ;;
  esac
}
# that of $d, in $unit
unit_of() {
  unit=
  while IFS= read -r line; do case $line in UNIT=*) unit=$line ;; esac done <"$d/env"
}
# In its folders alone: when it ended is told by its own time.
keep_found() {
  for f in "$d"/new/*; do case $f in *.signature) ;; *) rm -f "$d/new/${f##*/}" ;; esac done
  for f in "$d"/old/*.rdb; do if [ -f "$f" ]; then rm -f "$d/old/${f##*/}"; fi; done
  : >"$d/live"
  : >"$d/undo"
}

# Takes all of redkeep's own off the host but what Redis and ufw use. `folders` has those in which temporary
# files may be left. First what would act at a boot, last the folder with this program. Whoever waits for the
# lock finds nothing behind it.
eject() {
  exec 9>>$root/lock
  flock -w 0 9 || {
    first $root/lock
    printf 'locked %s\n' "$line"
    exit 75
  }
  if [ -L $root/pending ]; then
    first $root/pending/holder
    printf 'locked %s\n' "$line"
    exit 75
  fi
  unit=/etc/systemd/system/redkeep-recover.service
  link=${unit%/*}/multi-user.target.wants/redkeep-recover.service
  rm -f "$link" "$unit" && sync "${link%/*}" "${unit%/*}" && systemctl daemon-reload || exit 1
  while IFS= read -r p; do within "$p" clear_ours_here; done <"$d/folders"
  for d in "$root"/txn/*; do
    if [ -f "$d/state" ]; then
      state
      if [ "$state" != needs_human ]; then drop_aside; fi
    fi
    if [ -f "$d/created" ]; then while IFS= read -r p; do at "$p" remove_folder_here; done <"$d/created"; fi
  done
  rm -rf $root
}
clear_ours_here() {
  for n in ./.redkeep.[0-9]*; do if [ -f "$n" ] || [ -L "$n" ]; then rm -f "$n"; fi; done
  return 0
}
