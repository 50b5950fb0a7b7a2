# shellcheck shell=dash
if [ "$ME" = 0 ]; then
  section others-unclear
  programs=' ' firsts= readable=' ' seen_all=$NL found= unclear= count=0
  # Each line is of one process, by the names that root gave: the kernel bounds them, and what is left out is
  # told.
  while read -r id path; do
    count=$((count + 1))
    if [ $count -gt 20000 ]; then
      echo cut
      break
    fi
    path=${path%/exe}
    readable="$readable${path#/proc/} "
    seen_all="$seen_all$id ${path#/proc/}$NL"
    case $programs in *" $id "*) ;; *)
      programs="$programs$id "
      firsts="$firsts $path/exe"
      ;;
    esac
  done <<END
$(stat -L -c '%d:%i %n' /proc/[0-9]*/exe)
END
  # A program may be one long line, which grep keeps. So the mark itself is what it looks at last.
  holders=$(
    ulimit -v "$READER_MEMORY"
    # shellcheck disable=SC2086 # a word each
    exec timeout -s KILL 10 grep -lsF redis_git_sha1 -- $firsts - <<END
redis_git_sha1
END
  )
  case $NL$holders in *"$NL(standard input)") holders=${holders%'(standard input)'} ;; *) echo cut ;; esac
  for path in $holders; do
    path=${path%/exe}
    id=${seen_all%" ${path#/proc/}$NL"*}
    id=${id##*"$NL"}
    while read -r other pid; do if [ "$other" = "$id" ]; then found="$found $pid"; fi; done <<END
$seen_all
END
  done
  owners=$NL count=0
  while read -r uid gid path; do
    count=$((count + 1))
    if [ $count -gt 20000 ]; then
      echo cut
      break
    fi
    case "$uid $readable" in '0 '* | *" ${path#/proc/} "*) ;;
    *) owners="$owners$uid $gid ${path#/proc/}$NL" ;;
    esac
  done <<END
$(stat -c '%u %g %n' /proc/[0-9]*)
END
  asked=' '
  while read -r uid gid pid; do
    case "$uid$asked" in ' '* | *" $uid:$gid "*) continue ;; esac
    asked="$asked$uid:$gid "
    set --
    while read -r uid2 gid2 pid2; do
      if [ "$uid2:$gid2" = "$uid:$gid" ]; then
        set -- "$@" "/proc/$pid2/exe"
      fi
    done <<END
$owners
END
    said=$(
      ulimit -v "$READER_MEMORY"
      timeout -s KILL 10 setpriv --reuid="$uid" --regid="$gid" --clear-groups \
        grep -lF redis_git_sha1 -- "$@" 2>&1 | timeout -k 1 12 head -c 4194304
    )
    asked_paths=" $* "
    IFS=$NL
    set -f
    for line in $said; do
      path=/proc/${line#*/proc/}
      path=${path%%/exe*}
      # Whoever traces a process with his own rights writes in its place: of others' processes he was not
      # asked.
      case $asked_paths in *" $path/exe "*) ;; *) continue ;; esac
      case $line in
      "$path/exe") found="$found ${path#/proc/}" ;;
      *' Permission denied') unclear="$unclear ${path#/proc/}" ;;
      esac
    done
    unset IFS
    set +f
  done <<END
$owners
END
  own=
  while read -r number name family at rest; do
    case $family$at in inet127.*) ;; inet[0-9]*) own=${own:-${at%/*}} ;; esac
  done <<END
$ADDRESSES
END
  for pid in $unclear; do
    group_of "$pid"
    printf '%s %s\n' "$pid" "$VALUE"
  done
  known=$NL$GROUP$NL
  for u in $sentinels; do
    show_unit "$u"
    shown ControlGroup
    known=$known$VALUE$NL
  done
  section others
  answers=
  for pid in $found; do
    group_of "$pid"
    group=$VALUE
    case $known in *"$NL$group$NL"*) continue ;; esac
    printf '%s %s\n' "$pid" "$group"
    while read -r protocol _ _ _ at rest; do
      if [ "$protocol" != tcp ] || ! in_group "$group" "$rest"; then continue; fi
      port=${at##*:}
      address=${at%:*}
      address=${address#[}
      address=${address%]}
      case $address in 0.0.0.0 | '*' | ::) address=${own:-127.0.0.1} ;; esac
      if ! plain "$address" || ! plain "$port"; then continue; fi
      reply=$(
        # shellcheck disable=SC2086 # words of a command
        echo PING | timeout -s KILL 3 setpriv $NOBODY $CLI -h "$address" -p "$port" 2>&1 |
          heard 200 | head -n 1
      )
      answers="$answers$pid $at $reply$NL"
    done <<END
$SOCKETS
END
  done
  tell other-replies "$answers"
fi
