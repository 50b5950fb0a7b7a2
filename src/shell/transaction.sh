# The transaction that runs on a host, in a unit of its own, so that a lost connection cannot stop it half way.
# One folder for each: /var/lib/redkeep/txn/ID with
#   env                 names and numbers, as shell assignments
#   files               N PATH OWNER:GROUP MODE         what is written; new/N is its content
#   directories, modes  PATH OWNER:GROUP MODE           what is created; what only gets another owner or mode
#   removals            PATH OWNER:GROUP MODE           directories that go, where they are empty
#   expected            PATH SIGNATURE                  what the plan relied on, in the order of `files` first
#   login.old .new      redis-cli's words; AUTH line; the name of CONFIG; `any` where no password is known
#   state               prepared applying applied committed | rolling_back rolled_back refused needs_human
# No `set -e`: it is off inside `f || x`, so every step says what happens when it fails.
# Each `$(...)`, pipe and program is a process of the host's, and of a thousand processes a first apply takes its time. So what
# the shell can do by itself it does, many files are looked at in one call, and functions tell what they found in a variable.
set -u; umask 077; instead=; export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin; unset REDISCLI_AUTH
root=/var/lib/redkeep; cd -P "${0%/*}" && d=$PWD && cd / || exit 65
id=${d##*/}; TMPDIR=$d; . "$d/env"                                      # TMPDIR: where bash keeps its here-documents
nl='
'

# What others wrote is printed, and never echoed or counted as it is: `echo` makes line breaks of \n, and sums may hold commands.
record() { read -r now _ </proc/uptime; printf '%s %s\n' "$now" "$*" >>"$d/journal"; }
note() { record "$*" && sync "$d/journal"; }
first() { line=; IFS= read -r line <"$1"; }                             # FILE: its first line in $line
state() { first "$d/state"; state=$line; }                              # in $state
enter() { echo "$1" >"$d/state.new" && sync "$d/state.new" && mv -f "$d/state.new" "$d/state" && sync "$d"; }
mine() { [ -L $root/pending ] && [ $root/pending -ef "$d" ]; }
lock() { exec 9>>$root/lock; flock -w "$1" 9; }                        # the kernel frees it; 9>&- for what lives on
refuse() { enter refused; note "$*"; exit 75; }
fail() { note "fail $*"; exit 1; }                                      # ExecStopPost rolls back
milliseconds() { read -r now _ </proc/uptime; ms=${now%.*}${now#*.}0; } # in $ms, of a clock that nobody sets

# --- files -------------------------------------------------------------------------------------------------------------
# In a folder that another may write, a name can become a link between two moments. So root uses no path that leads through one:
# it walks to the folder, a name at a time, and stands in it; the functions whose names end in `_here` then name ./NAME. What
# belongs to the service user already is changed with that user's rights. Owners change only where root alone may write: the
# folder is taken over first, and given back last. No other function names a file but redkeep's own and those in folders of
# root's; test/transaction/walk.test.ts holds this file to that.
step() { { cd -P "./$1" 2>/dev/null && [ .. -ef /proc/self/fd/7 ]; } 7<.; }        # NAME: a folder in this one, or else nowhere
are_roots() { case $1 in "0 "[d-]????-??-*) return 0;; *) return 1;; esac; }        # of `stat -c '%u %A'`: only root may write it
here_is_roots() { are_roots "$(stat -c '%u %A' .)"; }
# Follows the links of folders where only root can make them. A folder that is exchanged meanwhile is no way on.
walk() { # FOLDER: 1 where there is none, 2 where somebody's link is in the way
  cd / || return 2
  rest=$1/; links=
  while [ -n "$rest" ]; do
    part=${rest%%/*}; rest=${rest#*/}
    case $part in ''|.) continue;; ..) cd -P .. || return 2; continue;; esac
    if [ -n "$alone" ] && ! here_is_roots; then return 2; fi
    if [ -L "./$part" ]; then
      links=x$links
      if [ ${#links} -gt 8 ] || ! here_is_roots; then echo "$1: $part is a link of somebody's, and is not followed" >&2; return 2; fi
      target=$(readlink "./$part"); rest=$target/$rest; case $target in /*) cd /;; esac
    elif [ ! -e "./$part" ]; then return 1
    else step "$part" || { echo "$1: $part is no folder, or was exchanged meanwhile" >&2; return 2; }; fi
  done
}
alone=; walk_of_roots() { alone=yes; walk "$1"; ended=$?; alone=; return $ended; }  # FOLDER: through folders of root's alone
within() { # FOLDER COMMAND...
  walk "$1" || { ended=$?; cd /; return $ended; }
  shift; "$@"; ended=$?; cd /; return $ended
}
folder() { folder=${1%/*}; folder=${folder:-/}; }                       # PATH: where it is, in $folder
at() { folder "$1"; name=./${1##*/}; shift; within "$folder" "$@"; }    # PATH COMMAND...: there, with ./NAME in $name
# The one way to run a program with another's rights. That user may take any descriptor out of it, and stop it: so nothing of
# ours is open in it but 0 to 2, the lock least of all, and root ends it. With $instead it takes the shell's place.
dropped() { # SECONDS USER:GROUP GROUPS COMMAND...; GROUPS is setpriv's word for the other groups
  seconds=$1; who=$2; shift 2
  ${instead:+exec} timeout -k 1 "$seconds" setpriv --reuid="${who%:*}" --regid="${who#*:}" --no-new-privs "$@" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
}
# What such a program prints, to its end or to ours: its user may keep the pipe open behind it.
hear() { exec timeout -k 1 "$1" head -c "$2"; }                         # SECONDS BYTES; in a pipe
# With the rights of who owns it: wherever a name leads by then, nothing of others can change. Root's rights only among root's.
# The group is the user's own, not the file's: with that of another it could get more than its user may. What it prints goes to
# a pipe or nowhere, since that user may take and keep where it prints to.
as_owner() { # USER COMMAND...
  case $1 in
    root) shift; here_is_roots && "$@"; return;;
    "$RUNUSER") who=$1:$RUNGROUP;; "$OLDUSER") who=$1:$OLDGROUP;; *) who=$1:$(id -g "$1") || return 1;;
  esac
  shift; dropped "$CAP" "$who" --clear-groups "$@" 2>/dev/null
}
# A link is not opened, and a FIFO does not keep the reader waiting. What is too long for any file of ours ends early, and is none.
draw() { dd if="$1" iflag=nofollow,nonblock,fullblock bs=1M count=64 status=none; }
is_small() { [ ${#1} -lt 8 ] || { [ ${#1} = 8 ] && [ "$1" -le 67108864 ]; }; }       # BYTES
sign_here() { # in $kind
  if [ -L "$name" ]; then kind=link; elif [ ! -e "$name" ]; then kind=absent; elif [ ! -f "$name" ]; then kind=unusual
  else
    kind=$(stat -c '%s %h %U:%G %a' "$name") && digest=$(draw "$name" | sha256sum); size=${kind%% *}; kind=${kind#* }
    case $kind in "1 "*) kind="${kind#1 } ${digest%% *}"; is_small "$size" || kind=unusual;; *) kind=unusual;; esac
  fi; return 0
}
find_strangers() { # PATH...: in $strangers the folders on the way that are not root's alone, a line each
  around=$nl/$nl
  for at; do
    folder "$at"
    while case $around in *"$nl$folder$nl"*) false;; esac; do around=$around$folder$nl; folder "$folder"; done
  done
  set -f; IFS=$nl; set -- $around; unset IFS; set +f
  rest=$(stat -c '%u %A %n' "$@" 2>/dev/null)$nl; strangers=$nl
  while [ -n "$rest" ]; do
    line=${rest%%"$nl"*}; rest=${rest#*"$nl"}
    case $line in '') ;; "0 d"*) if ! are_roots "$line"; then strangers=$strangers${line#* * }$nl; fi;; *) strangers=$strangers${line#* * }$nl;; esac
  done
}
are_small() { while read -r size _; do is_small "$size" || return 1; done <<.
$1
.
}
is_stranger() { # FOLDER: is it, or one that it is in, among $strangers
  folder=$1
  until case $strangers in *"$nl$folder$nl"*) true;; *) false;; esac; do
    if [ "$folder" = / ]; then return 1; fi; folder "$folder"
  done
}
# What stands at each PATH, a line each in $signatures: link, absent, unusual, or owner, mode and digest. Where only root may
# write, many are looked at in one call.
sign() { # PATH...
  kinds=; find_strangers "$@"
  for at; do
    shift; folder "$at"
    if is_stranger "$folder"; then
      kind=link; at "$at" sign_here; if [ $? = 1 ]; then kind=absent; fi
    elif [ -L "$at" ]; then kind=link; elif [ ! -e "$at" ]; then kind=absent
    elif [ ! -f "$at" ]; then kind=unusual; else kind=plain; set -- "$@" "$at"; fi
    kinds=$kinds$kind$nl
  done
  attributes=; digests=
  if [ $# -gt 0 ]; then
    attributes=$(stat -c '%s %h %U:%G %a' -- "$@"); known=$?
    # A file may be the service user's all the same: of one that is too long, or grows while it is read, no more than its beginning.
    if [ $known = 0 ] && are_small "$attributes" && digests=$(timeout -k 1 10 sha256sum -- "$@" 9>&-); then :; else
      attributes=; digests=                                             # or one of them went meanwhile: each by itself
      for at; do attributes=$attributes$(stat -c '%s %h %U:%G %a' -- "$at" || echo gone)$nl; digests=$digests$(draw "$at" | sha256sum)$nl; done
    fi
  fi
  signatures=
  while [ -n "$kinds" ]; do
    kind=${kinds%%"$nl"*}; kinds=${kinds#*"$nl"}
    if [ "$kind" = plain ]; then
      attribute=${attributes%%"$nl"*}; attributes=${attributes#*"$nl"}
      digest=${digests%% *}; digest=${digest#\\}; digests=${digests#*"$nl"}       # a backslash: there is one in the name
      size=${attribute%% *}; attribute=${attribute#* }
      case $attribute in "1 "*) kind="${attribute#1 } $digest"; is_small "$size" || kind=unusual;; *) kind=unusual;; esac
    fi
    signatures=$signatures$kind$nl
  done
}
sign_files() { set --; while read -r _ p _; do set -- "$@" "$p"; done <"$d/files"; sign "$@"; }
next_signature() { signature=${signatures%%"$nl"*}; signatures=${signatures#*"$nl"}; }
rules() { grep -E '^(### tuple|-A ufw6?-user-input)' "$1"; }            # FILE of ufw's
owner_mode_here() { owner_mode=absent; if [ ! -L "$name" ] && [ -e "$name" ]; then owner_mode=$(stat -c '%U:%G %a' "$name"); fi; }
owner_mode() { at "$1" owner_mode_here || owner_mode=absent; }          # PATH: in $owner_mode
back_up_here() { draw "$name" >"$1"; }                                  # TO
# Owner and mode are set where only root can reach; cp then makes the file anew and gives it both by its descriptor. A link that
# is planted meanwhile is replaced, also one to a folder (-T), and never opened (nofollow).
# What has to be on disk before a file may change: what it becomes, the journal, and the folder of the change before: it is kept
# open as 6.
exec 6<"$d"
flush_here() { dd if=/dev/null of="$1" oflag=nofollow,nonblock conv=nocreat,notrunc,fsync status=none; }
# A temporary name of ours is a file's. A folder under it is somebody's, and goes out of the way, whatever is in it.
clear_here() { # NAME
  if [ -d "$1" ] && [ ! -L "$1" ]; then milliseconds; mv -nT "$1" "$1.others.$ms" && [ ! -d "$1" ]
  elif [ -e "$1" ] || [ -L "$1" ]; then rm -f "$1"; fi
}
is_empty_here() { for entry in ./* ./.[!.]* ./..?*; do if [ -e "$entry" ] || [ -L "$entry" ]; then return 1; fi; done; }
place_here() { # FROM
  t=./.redkeep.$id
  clear_here "$t" && cp -pT --remove-destination "$1" "$t" && flush_here "$t" && settle && mv -fT "$t" "$name" && exec 6<.
}
place() { at "$2" place_here "$1"; }                                    # FROM TO; after the last one, settle
remove_here() { settle && rm -f "$name" && exec 6<.; }
settle() { sync "$d/journal" /proc/self/fd/6 && exec 6<"$d"; }
swap() { chown "$3" "$1" && chmod "$4" "$1" && place "$1" "$2"; }       # FROM (of ours) TO OWNER:GROUP MODE
stage() { # gives all new content its owner and mode, those that are alike in one call
  staged=
  while read -r n p o m; do
    case $o in absent) continue;; esac; case $staged in *" $o/$m "*) continue;; esac
    staged="$staged $o/$m "; set --
    while read -r n p also m2; do if [ "$also/$m2" = "$o/$m" ]; then set -- "$@" "$d/new/$n"; fi; done <"$d/files"
    chown "$o" "$@" && chmod "$m" "$@" || return 1
  done <"$d/files"
}
put() { if [ "$3" = absent ]; then at "$2" remove_here; else place "$d/new/$1" "$2"; fi; }          # N PATH OWNER:GROUP, or `absent`
is_ours() { # N PATH SIGNATURE: as this transaction made it
  first "$d/new/$1.signature"; [ "$3" = "$line" ] && return
  # ufw writes its rules anew when it is switched on: the same rules in other words are still ours.
  case $2 in /etc/ufw/*) [ "$(rules "$2")" = "$(rules "$d/new/$1")" ];; *) return 1;; esac
}
is_users() { case $1 in "$RUNUSER"|"$OLDUSER") return 0;; *) return 1;; esac; }     # USER: of the service, now or before
is_theirs() { is_users "$(stat -c %U .)" || { echo "$PWD is no folder of the service user's" >&2; return 1; }; }
# What is root's in a folder of theirs they can put under any name. So it has to be just what the plan saw there, or what this
# transaction itself made root's, which it knows again. What is a service user's they may have anyway.
is_expected() { # PATH 'USER:GROUP MODE' IDENTITY
  case $2 in root:*) ;; "$RUNUSER":*|"$OLDUSER":*) return 0;; esac
  while read -r planned was; do if [ "$planned" = "$1" ] && [ "$was" = "$2" ]; then return 0; fi; done <"$d/expected-modes"
  case $2 in root:*)
    # Where the service is root's before or after, what it saved is root's.
    if is_users root && is_handed "$1"; then return 0; fi
    if is_made "$3"; then return 0; fi;;
  esac
  echo "$1 belongs to ${2% *} (mode ${2##* }), as nobody expected" >&2; return 1
}
# What a name stands for, however it is called later: its inode, and when that was made, since a number is given out again.
# Without its device: the next boot may number the disks in another order, and nobody but root decides which of them a path
# leads to.
identify_here() { identity=$(stat -c '%i:%.9W' "$1"); }                      # NAME: in $identity
is_made() { # IDENTITY
  if [ -f "$d/made" ]; then while read -r made; do if [ "$made" = "$1" ]; then return 0; fi; done <"$d/made"; fi
  return 1
}
# On disk before it becomes root's: a rollback after a power cut has to know it.
note_made_here() { identify_here "$1" && { is_made "$identity" || { printf '%s\n' "$identity" >>"$d/made" && sync "$d/made"; }; }; }          # NAME
change_here() { # NAME OWNER:GROUP MODE 'FOUND MODE'
  if [ "$4" = "$2 ${3#00}" ]; then return; fi
  case $2 in root:*) note_made_here "$1" || return 1;; esac
  if [ "${4% *}" != "$2" ]; then chown -h "$2" "$1" || return 1; fi
  if [ "${4##* }" != "${3#00}" ]; then chmod "$3" "$1" || return 1; fi
  # An overlay makes a file anew when it changes first: it is another then.
  case $2 in root:*) note_made_here "$1";; esac
}
# So that nobody else can exchange a name here, until it is given back.
take_here() { # its mode and owner before are in $taken
  taken=$(stat -c '%u %A 00%a %U:%G' .); here=$taken; taken=${taken#* * }
  are_roots "$here" || { note_made_here . && chown root . && chmod go-w . && note_made_here .; }
}
give_here() { chown "${1#* }" . && chmod "${1%% *}" .; }                # MODE USER:GROUP, as take_here found them
give_back_here() { identify_here . && is_made "$identity" && give_here "$1"; }        # the same, later: only to what was taken
own() { at "$1" own_here "$1" "$2" "$3"; }                              # PATH OWNER:GROUP MODE
own_here() { # five digits clear setgid on directories
  if [ -d "$name" ] && [ ! -L "$name" ]; then
    step "${name#./}" && found=$(stat -c '%i:%.9W %U:%G %a' .) && is_expected "$1" "${found#* }" "${found%% *}" &&
      change_here . "$2" "00$3" "${found#* }"
    return
  fi
  [ -f "$name" ] && [ ! -L "$name" ] && found=$(stat -c '%u %A %h %U:%G' . "$name") || return 1
  owned=${found##* }; here=${found%%"$nl"*}
  case $3 in ????*) set -- "$1" "$2" "${3#"${3%???}"}";; esac            # a file has no setuid or setgid from us
  if are_roots "$here"; then chown_here "$1" "$2" "$3"
  elif [ "${owned%:*}" != root ] && is_users "${owned%:*}" && { [ "$owned" = "$2" ] || { [ "$RUNUSER" = "$OLDUSER" ] && ! is_kept "$1"; }; }; then
    # What Redis replaced since it was looked at has the owner that Redis gives.
    as_owner "${owned%:*}" chmod "00$3" "$name" >/dev/null
  elif is_kept "$1" || { [ "$RUNUSER" != "$OLDUSER" ] && is_theirs; }; then
    # A configuration's folder that stays another's, or the one that comes may write there already: it is root's for a moment.
    # A rollback gives it back where we do not come to it.
    folder "$1"; printf '%s %s\n' "$(stat -c '00%a %U:%G' .)" "$folder" >"$d/taken" && sync "$d/taken" && take_here || return 1
    chown_here "$1" "$2" "$3"; set -- $?
    give_here "$taken" && rm -f "$d/taken" && return "$1"
  else echo "$1 belongs to $owned in a folder that others may write: it is left to them" >&2; return 1; fi
}
# Where only root may write: so the one name of the file stays its one name, but for those that we gave it.
chown_here() { # PATH OWNER:GROUP MODE, or no mode: as it is
  found=$(stat -c '%h %s %i:%.9W %U:%G %a' "$name") || return 1
  links=${found%% *}; found=${found#* }; size=${found%% *}; found=${found#* }
  is_expected "$1" "${found#* }" "${found%% *}" || return 1
  names=1; for kept in "./.redkeep.$id".[no]*/"${name#./}" "../.redkeep.$id".[no]*/"${name#./}"; do if [ "$kept" -ef "$name" ]; then names=$((names + 1)); fi; done
  if [ "$links" != $names ] || [ ! -f "$name" ] || [ -L "$name" ]; then echo "$1 has other names, which would change with it" >&2; return 1; fi
  set -- "$1" "$2" "${3:-${found##* }}" "${found#* }"
  case $2,$4 in
    root:*,root:*) ;;
    # Its owner may have it open for writing, and would keep that: the one that becomes root's is another file.
    root:*) if is_kept "$1"; then renew_here "$2" "00$3"; return; fi;;
  esac
  change_here "$name" "$2" "00$3" "$4"
}
renew_here() { # OWNER:GROUP MODE
  t=./.redkeep.$id
  is_small "$size" && clear_here "$t" && draw "$name" >"$t" && chown "$1" "$t" && chmod "$2" "$t" && note_made_here "$t" && flush_here "$t" && mv -fT "$t" "$name"
}
is_edited() { [ -s "$d/edited" ] && grep -qx "$1" "$d/edited"; }
is_kept() { folder "$CONF"; case $1 in "$folder"|"$folder"/*) return 0;; *) return 1;; esac; }    # not data or logs: those are the server's
make_folder_here() { # one that others put there meanwhile is not empty, or holds nothing that is root's
  [ -d "$name" ] && [ ! -L "$name" ] && return
  mkdir "$name" && step "${name#./}" && is_empty_here && note_made_here . && cd -P ..
}
remove_folder() { within "$1" clear_here "./.redkeep.$id.room"; at "$1" remove_folder_here; }      # PATH, where it is empty
remove_folder_here() { rmdir "$name" 2>/dev/null; }
# Calls VISIT with the names of what Redis saves, in each folder of its data that is the service user's. Plain files alone, and
# none with a line break in its name: Redis makes no such names, and our lists could not hold them.
each_data() { # VISIT
  if [ -z "$DATA" ]; then return; fi
  walk "$DATA"; case $? in 0) ;; 1) cd /; return;; *) cd /; return 1;; esac
  is_theirs && visit "$1" ./*.rdb ./*.aof ./*.aof.* "./$DUMP" "./$AOF" && each_of_aof "$1"; ended=$?
  cd /; return $ended
}
each_of_aof() { # VISIT
  aofdir=${AOFDIR:-appendonlydir}; if [ ! -d "./$aofdir" ] || [ -L "./$aofdir" ]; then return; fi
  step "$aofdir" && visit "$1" ./*
}
visit() { # VISIT NAME...
  visit=$1; shift; seen=$nl; if [ $# -gt 5000 ]; then echo "$PWD holds $# names: too many to look at" >&2; return 1; fi
  for n; do
    shift; case $n in ./|*"$nl"*) continue;; esac
    case $seen in *"$nl$n$nl"*) continue;; esac
    if [ ! -f "$n" ] || [ -L "$n" ]; then continue; fi
    seen=$seen$n$nl; set -- "$@" "$n"
  done
  if [ $# -gt 0 ]; then "$visit" "$@"; fi
}
dump_name() { # LOGIN: in $dump what the server calls its dump, a name in $DATA
  config_get "$1" dir; said=$value; config_get "$1" dbfilename; dump=$value
  case $dump in ''|.|..|*/*) false;; *) [ -n "$DATA" ] && [ "$said" = "$DATA" ];; esac ||
    { note "fail the server names the dump $(printf %.200s "$said/$dump"), which is not in $DATA"; return 1; }
}
dump_here() { # mv|late|back OTHER, or rm
  is_theirs || return 1
  case $1 in
    rm) rm -f "$name";;
    back) [ -e "$name" ] || mv -T "$2" "$name";;
    late) [ "$name" -nt "$2" ] || move_out_here "$3";;
    mv) move_out_here "$3";;
  esac
}
# A name may be exchanged at any moment, for a folder or a link as well: so a second name, or what its owner can read of it. What
# was moved to another file system would be read as root.
move_out_here() { # TO
  if [ ! -f "$name" ] || [ -L "$name" ]; then return 0; fi
  if ln -PT "$name" "$1" 2>/dev/null; then
    if [ ! -f "$1" ] || [ -L "$1" ]; then rm -f "$1"; return 1; fi
  else
    found=$(stat -c '%U:%G %s' "$name") && is_users "${found%%:*}" || return 1
    as_owner "${found%%:*}" head -c "${found#* }" "$name" | hear "$CAP" "${found#* }" >"$1"
    chown "${found% *}" "$1" && [ "$(stat -c %s "$1")" = "${found#* }" ] || { rm -f "$1"; return 1; }
  fi
  rm -f "$name"
}
dump_file() { [ -n "$DATA" ] && at "$DATA/$1" dump_here "$2" "${3-}" "${4-${3-}}"; }        # NAME mv|back OTHER, NAME late THAN OTHER, or NAME rm
# A copy that shares its blocks, or else a second name, where only root comes. Redis replaces and removes its files when it
# has loaded too little; it does not write into them. The first ones stay: a second restart must not replace them.
set_aside() { # new, or old: the restart that comes
  if [ -z "$DATA" ] || [ -z "$RESTART" ] || [ -e "$d/aside.$1" ]; then return 0; fi
  to=.redkeep.$id.$1
  printf '%s\n' "$DATA/$to" >"$d/aside.$1" && sync "$d/aside.$1" && at "$DATA/$to" make_aside_here "$d/aside.$1" && each_data keep_here; ended=$?
  exec 5<&-; return $ended
}
# Kept open as 5: the folder around it is the service user's, and could have another one under this name.
make_aside_here() { # FILE: keeps what it is
  is_theirs && mkdir "$name" && step "${name#./}" && [ -O . ] && is_empty_here && identify_here . && printf '%s\n' "$identity" >>"$1" && sync "$1" && exec 5<.
}
# Its owner can hold up whoever opens a file (a lease), and nobody who gives it a second name.
keep_here() { # NAME...
  timeout 10 cp -pP --reflink=always -- "$@" /proc/self/fd/5/ 2>/dev/null || ln -Pf -- "$@" /proc/self/fd/5/ 2>/dev/null ||
    for n; do [ -e "/proc/self/fd/5/$n" ] || [ ! -e "$n" ] || return 1; done       # the AOF's files come and go while Redis runs
}
drop_aside() { for f in "$d"/aside.*; do if [ -f "$f" ]; then first "$f"; at "$line" drop_here "$f"; fi; done; }
drop_here() { # FILE that says which it is: what is in it goes only where it is the folder that we made; an empty one is no loss
  if [ ! -d "$name" ] || [ -L "$name" ]; then return 0; fi
  { read -r made; made=; read -r made; } <"$1"
  ( step "${name#./}" && identify_here . && [ "$identity" = "$made" ] && rm -f ./* ./.[!.]* ./..?* )
  rmdir "$name" 2>/dev/null; return 0
}
# A disk that fills up meanwhile must not keep the old files away: there is room for them, and for the journal, that nobody
# else takes. In the folders of others only once a boot would clear it away.
reserve_ours() { head -c 524288 /dev/zero >"$d/room" && sync "$d/room"; }
reserve_here() { [ -e "./.redkeep.$id.room" ] || dd if="$d/room" of="./.redkeep.$id.room" bs=512k oflag=nofollow conv=excl,fsync status=none || return 3; }
each_folder() { # COMMAND...: once in each folder in which a file changes
  visited=$nl; missed=0
  while read -r _ p _; do
    folder "$p"; case $visited in *"$nl$folder$nl"*) continue;; esac
    visited=$visited$folder$nl; within "$folder" "$@"; case $? in 0|1) ;; *) missed=1;; esac
  done <"$d/files"
  return $missed
}
release() { rm -f "$d/room" "$@"; each_folder clear_here "./.redkeep.$id.room"; }   # PATH of ours...: what goes with it
# Where another user starts the service than the one that stops it: until it has stopped it must be able to save.
is_handed() { [ -n "$HANDOVER" ] && case $1 in "$HANDOVER"|"$HANDOVER"/*) return 0;; *) return 1;; esac; }
hand_over() { # new, or old: who comes
  comes=$RUNUSER:$RUNGROUP; if [ "$1" = old ]; then comes=$OLDUSER:$OLDGROUP; fi
  within "$HANDOVER" hand_over_here "$HANDOVER" "$1" || return 1
  if [ "$1" = new ]; then while read -r p o m; do if is_handed "$p"; then own_if_there "$p" "$o" "$m" || return 1; fi; done <"$d/modes"
  else while read -r p o m; do if is_handed "$p" && [ "$o" != absent ]; then own_if_there "$p" "$o" "$m"; fi; done <"$d/expected-modes"; fi
}
own_if_there() { owner_mode "$1"; [ "$owner_mode" = absent ] || own "$@"; }
# From above: once the folder is root's nobody exchanges what is in it. Last of all it is given to the one that comes, or back.
hand_over_here() { # PATH of this folder, new or old
  if [ -O . ] && ! is_users root; then identify_here . && is_made "$identity" || return 1; elif [ ! -O . ]; then is_theirs || return 1; fi
  was=$(stat -c '00%a %U:%G' .)
  if [ "$2" = new ]; then printf '%s\n' "$was $1" >>"$d/handed" && sync "$d/handed" && was="${was%% *} $comes" || return 1
  elif [ -f "$d/handed" ]; then while read -r m o p; do if [ "$p" = "$1" ]; then was="$m $o"; break; fi; done <"$d/handed"; fi
  set -- "$1" "$2" "$was"; take_here || return 1
  if [ "$1" = "$HANDOVER" ]; then
    aofdir=${AOFDIR:-appendonlydir}
    visit hand_files_here ./*.rdb ./*.aof ./*.aof.* "./$DUMP" "./$AOF" || return 1
    if [ -d "./$aofdir" ] && [ ! -L "./$aofdir" ]; then
      step "$aofdir" && hand_over_here "$1/$aofdir" "$2" && cd -P .. || return 1
    fi
  else visit hand_files_here ./* || return 1; fi
  give_here "$3"
}
hand_files_here() { # NAME...: those that are a user's of the service
  for name; do
    owned=$(stat -c '%U:%G' "$name"); if [ "$owned" = "$comes" ] || ! is_users "${owned%:*}"; then continue; fi
    chown_here "$PWD/${name#./}" "$comes" || return 1
  done
}
# Of the service user's, and with its rights, what the old process saved when it stopped.
tighten_here() { # NAME...
  rest=$(stat -c '%U %a %n' -- "$@" 2>/dev/null)$nl; set --
  while [ -n "$rest" ]; do
    line=${rest%%"$nl"*}; rest=${rest#*"$nl"}; n=${line#* * }; m=${line#* }; m=${m%% *}
    case $line in "$RUNUSER "*) ;; *) continue;; esac; case $m in *[04]0) continue;; esac
    printf '%s\n' "00${m#"${m%???}"} $PWD/${n#./}" >>"$d/tightened"; set -- "$@" "$n"
  done
  if [ $# = 0 ] || as_owner "$RUNUSER" chmod g-wx,o-rwx -- "$@" >/dev/null; then return; fi
  for n; do [ ! -e "$n" ] || as_owner "$RUNUSER" chmod g-wx,o-rwx -- "$n" >/dev/null || [ ! -e "$n" ] || return 1; done
}
loosen_here() { # MODE
  owned=$(stat -c %U "$name" 2>/dev/null) && is_users "$owned" && as_owner "$owned" chmod "$1" "$name" >/dev/null
}
log_tail() { # the last lines of Redis' log, as far as the service user may read it
  dropped 5 "$RUNUSER:$RUNGROUP" --clear-groups tail -c 2000 "$LOG" 2>/dev/null | hear 6 2000 | tail -n 2
}
# Root runs no program that another may write. A server's own, under the server's own user, may be anyone's.
find_binary() { # as the unit says it, in $BIN
  BIN=$(systemctl show -p ExecStart --value "$UNIT"); BIN=${BIN#*path=}; BIN=${BIN%% ;*}
  [ "$RUNUSER" != root ] && [ "$OLDUSER" != root ] || is_roots_program "$BIN"
}
# As systemd goes to it, and not only where the path leads now: in a folder of another's a link leads elsewhere a moment later.
is_roots_program() { # PATH
  program=$1; hops=; verdict=1
  while folder "$program"; walk_of_roots "$folder" && here_is_roots; do
    if [ ! -L "./${program##*/}" ]; then [ -f "./${program##*/}" ] && are_roots "$(stat -c '%u %A' "./${program##*/}")"; verdict=$?; break; fi
    hops=x$hops; if [ ${#hops} -gt 8 ]; then break; fi
    target=$(readlink "./${program##*/}"); case $target in /*) program=$target;; *) program=$PWD/$target;; esac
  done; cd /
  [ $verdict = 0 ] || { echo "$1 is a program that others than root may write or exchange, and the service runs as root" >&2; return 1; }
}

runs_as() { # USER: the service's process; nobody where there is none
  pid=$(systemctl show -p MainPID --value "$UNIT")
  grep -sq "^Uid:[[:space:]]*$(id -u "$1" 2>/dev/null)[[:space:]]" "/proc/${pid:-0}/status"
}

# --- Redis -------------------------------------------------------------------------------------------------------------
# Commands come on stdin; passwords are never an argument of a process.
login() { # old|new: $endpoint, $auth, $config, the name of CONFIG, and $known, `any` where no password is known
  endpoint=; auth=; config=; known=
  { read -r endpoint; IFS= read -r auth; IFS= read -r config; IFS= read -r known; } <"$d/login.$1"
  client=$RUNUSER:$RUNGROUP
  if [ "$client" = "$OLDUSER:$OLDGROUP" ]; then return; fi
  case $endpoint in
    # Over TCP anybody may ask, who can read the key.
    *" --key "*) key=${endpoint##* --key }; dropped 5 "$client" --init-groups test -r "${key%% *}" >/dev/null 2>&1 || client=$OLDUSER:$OLDGROUP;;
    *) if runs_as "$OLDUSER"; then client=$OLDUSER:$OLDGROUP; fi;;
  esac
}
# Whoever took the server over may answer for ever, with anything, or not at all. So redis-cli gets so many seconds and so much
# memory (KiB; of its own it takes a tenth), and of what it prints comes so much. Who lets us wait is waited for half as long next.
answer_within=20; ANSWER_BYTES=262144; CLIENT_MEMORY=262144
converse() { # COMMANDS BYTES: with the login that was read last
  if ! listens; then unheard "$UNIT does not listen at ${endpoint:-127.0.0.1:6379}"; return; fi
  { ulimit -v $CLIENT_MEMORY; instead=1; dropped $answer_within "$client" --init-groups sh -c "$AS_CLIENT" "$CLI" $endpoint 2>&1; } <<. | hear $((answer_within + 2)) "$2"
$auth
$1
.
}
# While the server is down others may listen where it did, and would be told its password. So the kernel has to say that a port
# is the unit's, and a socket has to be the client's own user's: no other could have made it.
AS_CLIENT='case ${1-} in -s) [ -S "$2" ] && [ -O "$2" ] || { printf "Could not connect: %s is no socket of the service user\n" "$2" "$2"; exit; };; esac
exec "$0" "$@"'
unheard() { printf 'Could not connect: %s\n' "$1" "$1"; }               # in front of a login's reply, and in its place
# A group's name says nothing: who has one delegated to him makes others of any name below it. Nor do words behind the first
# `cgroup:`, which may be part of a name. Of root's sockets ss tells no user.
is_units() { # by $rest, a line of ss
  case $rest in *cgroup:*) ;; *) return 1;; esac
  case "${rest#*cgroup:} " in "${cgroup:-none} "*) ;; *) return 1;; esac
  case " ${rest%%cgroup:*}" in *" uid:$owner "*) ;; *' uid:'*) return 1;; *) [ "$owner" = 0 ];; esac
}
listens() { # at $endpoint: of more than one listener the one that the kernel prefers
  case $endpoint in -s*) return;; esac
  host=127.0.0.1; port=6379; set -- $endpoint
  while [ $# -gt 1 ]; do case $1 in -h) host=$2;; -p) port=$2;; esac; shift; done
  shown=$(systemctl show -p ControlGroup -p MainPID "$UNIT")
  cgroup=${shown#*ControlGroup=}; cgroup=${cgroup%%"$nl"*}; pid=${shown#*MainPID=}; pid=${pid%%"$nl"*}
  owner=; { while read -r word owner _; do [ "$word" != Uid: ] || break; done <"/proc/$pid/status"; } 2>/dev/null
  exact=; wild=; every=
  while read -r _ _ _ at _ rest; do
    case $at in '') continue;; esac
    whose=another; if is_units; then whose=ours; fi
    at=${at%:*}; at=${at#[}; at=${at%]}
    case "$every$whose" in ours|oursours) every=ours;; *) every=another;; esac
    case ${at%%%*},$host in
      "$host,$host") case "$exact$whose" in ours|oursours) exact=ours;; *) exact=another;; esac;;
      '*',*|0.0.0.0,*.*|::,*:*) case "$wild$whose" in ours|oursours) wild=ours;; *) wild=another;; esac;;
    esac
  done <<.
$(ss -Hltne "sport = :$port")
.
  [ "${exact:-${wild:-$every}}" = ours ]
}
ask() { # LOGIN COMMANDS: what redis-cli prints is in $reply
  login "$1"; milliseconds; asked=$ms
  reply=$(converse "$2" $ANSWER_BYTES)
  milliseconds; if [ $((ms - asked)) -ge $((answer_within * 1000)) ]; then answer_within=$(((answer_within + 1) / 2)); fi
}
send() { # LOGIN FILE: says in $refusal the first reply to the file's commands that is no success
  ask "$1" "$(cat "$2")"
  refusal=$(printf '%s\n' "$reply" | sed -nE "${auth:+1d;}"'/^(OK|[0-9]+)?$/d;s/^(.{1000}).*/\1/;p;q')
}
# The shell cuts off what is in front in a time that grows with the square of its length: so it walks the lines of a reply, and
# looks for a name only where a server of good faith has it.
last() { last=; set -f; IFS=$nl; for last in $reply; do :; done; unset IFS; set +f; }  # the reply to the last command
behind() { # TEXT: of $value what is behind it, or nothing
  case $value in *"$1"*) before=${value%%"$1"*};; *) value=; return;; esac
  if [ ${#before} -gt 16384 ]; then value=; else value=${value#*"$1"}; fi
}
one() { ask "$1" "$2"; last; }                          # LOGIN COMMAND: its reply in $last
field() { # of INFO, in $value
  value=$nl$reply; behind "$nl$1:"; value=${value%%[[:cntrl:]]*}
}
setting() { # of CONFIG GET, in $value
  value=$nl$reply$nl; behind "$nl$1$nl"; value=${value%%"$nl"*}
}
info() { ask "$1" "INFO $2"; field "$3"; }
config_get() { login "$1"; ask "$1" "$config GET $2"; setting "$2"; }
config_set() { login "$1"; one "$1" "$config SET $2 \"$3\""; [ "$last" = OK ]; }
# A login's line 4 says `any` where no password is known: then being alive is all that can be asked.
is_alive() { last; case $last in [0-9]*) return 0;; NOAUTH*) [ "$known" = any ];; *) return 1;; esac; }     # by DBSIZE, asked last
answers() { ask "$1" "INFO keyspace${nl}DBSIZE"; is_alive; }            # and says how many keys there are
number() { case $1 in ''|*[!0-9]*|0?*|????????????????*) number=0;; *) number=$1;; esac; }       # TEXT: in $number, else 0
count_keys() { # of INFO keyspace: $keys, and $expiring, those among them that may expire
  keys=0; expiring=0; set -f; IFS=$nl                                   # of a server that may say anything
  for line in $reply; do
    case $line in db[0-9]*:keys=*,expires=*)
      if [ ${#line} -gt 1000 ]; then continue; fi
      line=${line#*keys=}; number "${line%%,*}"; keys=$((keys + number))
      line=${line#*expires=}; number "${line%%,*}"; expiring=$((expiring + number));; esac
  done
  unset IFS; set +f
}
wait_info() { # LOGIN SECTION FIELD VALUE: until it holds, at most $CAP seconds
  milliseconds; until=$((ms + CAP * 1000))
  until info "$1" "$2" "$3"; [ "$value" = "$4" ]; do milliseconds; [ $ms -lt $until ] || return 1; sleep 0.05; done
}
# One that fails stops every write of the clients until another succeeds: none is tried where it is seen that it would.
snapshot() { # what is in memory now is on disk afterwards
  if [ -n "$DATA" ]; then login "$1"; dropped 5 "$client" --init-groups test -w "$DATA" >/dev/null 2>&1 || return 1; fi
  wait_info "$1" persistence rdb_bgsave_in_progress 0 || return 1
  field aof_rewrite_in_progress; [ "$value" = 0 ] || wait_info "$1" persistence aof_rewrite_in_progress 0 || return 1
  one "$1" BGSAVE; case $last in *started*|*scheduled*) ;; *) return 1;; esac
  wait_info "$1" persistence rdb_bgsave_in_progress 0 && field rdb_last_bgsave_status && [ "$value" = ok ]
}
rewrite_aof() {
  wait_info "$1" persistence aof_rewrite_in_progress 0 && wait_info "$1" persistence aof_rewrite_scheduled 0 &&
    wait_info "$1" persistence aof_rewrite_in_progress 0 && field aof_last_bgrewrite_status && [ "$value" = ok ]
}
aof_names() { # those of RENAMED (A|B) that the AOF holds: a command's name follows the lines *COUNT and $LENGTH
  each_data aof_text_here |
    tr -d '\r' | grep -aioxE "$RENAMED" | tr a-z A-Z | sort -u | paste -sd' ' -
}
aof_text_here() { # NAME...: with the rights of whose they are, and in short lines: a value may be one of half a gigabyte
  for n; do case $n in *.aof) as_owner "$(stat -c %U "$n")" fold -bw 8192 "$n" | grep -aA2 '^[*][0-9]';; esac; done; return 0
}
# From whatever is running to SAVE and APPENDONLY: what is switched on is on disk before anything goes off.
persist() { # LOGIN SAVE APPENDONLY
  config_get "$1" save; save=$value; config_get "$1" appendonly; aof=$value
  if [ "$2" != "$save" ] && [ -n "$2" ]; then config_set "$1" save "$2" || return 1; fi
  if [ -n "$2" ] && { [ -z "$save" ] || { [ "$aof" = yes ] && [ "$3" = no ]; }; }; then snapshot "$1" || return 1; fi
  if [ "$3" = yes ] && [ "$aof" != yes ]; then
    config_set "$1" appendonly yes && wait_info "$1" persistence aof_enabled 1 && rewrite_aof "$1" || return 1
  fi
  if [ "$3" = no ] && [ "$aof" = yes ]; then config_set "$1" appendonly no || return 1; fi
  if [ -z "$2" ] && [ -n "$save" ]; then config_set "$1" save '' || return 1; fi
}
# systemd ends a start that loads for longer than the unit says, and begins it anew, for ever: ours have until $CAP.
patience() { patience=/run/systemd/system/$UNIT.d/zz-redkeep-$id.conf; }
write_patience() { # for the next daemon-reload
  patience; { [ -d "${patience%/*}" ] || mkdir -p "${patience%/*}"; } && printf '[Service]\nTimeoutStartSec=infinity\n' >"$patience" && chmod 644 "$patience"
}
be_patient() { patience; [ -e "$patience" ] || { write_patience && systemctl daemon-reload; }; }
end_patience() {
  patience; if [ -e "$patience" ]; then rm -f "$patience"; rmdir "${patience%/*}" 2>/dev/null; systemctl daemon-reload; fi
}
# Restarts without losing a key, also where nothing is written to disk: then the keys are saved for the restart alone, and a
# dump from before waits in old/stale.rdb. A server that cannot save is not stopped: it would never end.
SAVE_ONCE='315360000 1'
restart() { # LOGIN-BEFORE LOGIN-AFTER
  only_memory=
  if [ -n "$PATIENCE" ] || [ "$2" = old ]; then be_patient || return 1; fi
  login "$1"; ask "$1" "$config GET save$nl$config GET appendonly${nl}INFO keyspace${nl}DBSIZE"
  if is_alive; then
    count_keys; setting appendonly; aof=$value; setting save
    if [ -n "$value" ]; then snapshot "$1" || { note "fail the server cannot save its keys"; return 1; }
    elif [ "$aof" = no ] && [ $keys -gt 0 ]; then
      only_memory=1; dump_name "$1" || return 1
      if [ ! -e "$d/dump" ]; then
        printf '%s\n' "$dump" >"$d/dump" && sync "$d/dump" && dump_file "$dump" mv "$d/old/stale.rdb" || return 1
      fi
      config_set "$1" save "$SAVE_ONCE" && snapshot "$1" || { config_set "$1" save ''; note "fail the server cannot save its keys"; return 1; }
    fi
  fi
  if [ "$2" = new ] && [ -n "$RENAMED" ] && answers "$1"; then
    for _ in 1 2 3; do used=$(aof_names); [ -n "$used" ] || break; one "$1" BGREWRITEAOF; rewrite_aof "$1" || break; done
    if [ -n "$used" ]; then note "fail a client uses $used again and again: an AOF that holds it would stop the start"; return 1; fi
  fi
  set_aside "$2" || { note "fail the data files cannot be set aside"; return 1; }
  if answers "$1" && [ "$known" != any ]; then count_keys; echo "$keys $expiring" >"$d/keys.stop"; fi
  : >"$d/restarted"
  systemctl reset-failed "$UNIT" 2>/dev/null
  milliseconds; from=$ms
  if [ -n "$HANDOVER" ]; then
    timeout "$CAP" systemctl stop "$UNIT" 9>&- && hand_over "$2" && timeout "$CAP" systemctl start "$UNIT" 9>&- || return 1
  else timeout "$CAP" systemctl restart "$UNIT" 9>&- || return 1; fi
  until=$((from + CAP * 1000))
  until answers "$2"; do milliseconds; [ $ms -lt $until ] && systemctl -q is-active "$UNIT" || return 1; sleep 0.02; done
  milliseconds; echo $((ms - from)) >"$d/unavailable"
  end_patience
  if [ -n "$only_memory" ]; then dump_file "$dump" rm; fi                     # else it would come back, stale, at a later start
}
# A replica finds its primary again within a second or two, and may be empty until then; the controller looks, before it goes
# on with others.
wait_link() { # LOGIN
  [ -f "$d/link.before" ] && first "$d/link.before" && [ "$line" = up ] || return 0
  milliseconds; until=$((ms + 20000))
  until info "$1" replication master_link_status; [ "$value" = up ] || { milliseconds; [ $ms -ge $until ]; }; do sleep 0.05; done
  answers "$1"
}
# A start that loaded too little: another one would only write that down. Clients may delete, and keys may expire, meanwhile.
missing_keys() { # of INFO keyspace, asked last: says in $missing what is missing
  [ -f "$d/keys.stop" ] || return 1
  case $nl$reply in *"$nl# Keyspace"*) ;; *) return 1;; esac
  read -r k e <"$d/keys.stop"; count_keys
  if [ $((k - e - keys)) -le $((10 + (k - e) / 10)) ]; then return 1; fi
  missing="$k keys before the restart, $keys after; the files from before it are in $(for f in "$d"/aside.*; do first "$f"; done; echo "$line")"
}
# A link that systemd keeps for the journal says it too; without it, systemd itself.
invocation() { readlink "/run/systemd/units/invocation:$UNIT" || systemctl show -p InvocationID --value "$UNIT"; }
undisturbed() { [ -z "$INVOCATION" ] || [ "$(invocation)" = "$INVOCATION" ]; }

# --- the candidate, started once beside the service, behind the same walls -----------------------------------------------
validate() {
  [ -f "$d/scratch/redis.conf" ] || return 0
  run=/run/redkeep-$id/scratch
  cp -rT "$d/scratch" "$run" || return 1
  if [ -n "$SCRATCH_BASE" ]; then cat "$d/new/$SCRATCH_BASE" "$d/scratch/redis.conf" >"$run/redis.conf" || return 1; fi
  chown -h "$RUNUSER:$RUNGROUP" "$run"/* "$run" || return 1            # the folder last: until then nobody comes in
  # Any process of its user's may take hold of what it prints to, and keep it: so that is a pipe, which is read to an end.
  mkfifo "$d/scratch.pipe" || return 1
  timeout -k 1 31 head -c 65536 "$d/scratch.pipe" >>"$d/scratch.log" 9>&- &
  reader=$!; reply=; set --; . "$d/scratch.properties"
  if timeout 30 systemd-run -q --collect --unit="redkeep-scratch-$id" --description=redkeep -p Type=notify -p TimeoutStartSec=20 \
    "$@" -p "StandardOutput=append:$d/scratch.pipe" -p "StandardError=append:$d/scratch.pipe" \
    "$BIN" "$run/redis.conf" --supervised systemd --daemonize no 9>&- 2>>"$d/scratch.log"; then
    endpoint="-s $run/redis.sock"; client=$RUNUSER:$RUNGROUP; auth=; reply=$(converse PING 1000)
    systemctl stop "redkeep-scratch-$id" 2>/dev/null
  fi
  : <>"$d/scratch.pipe"; wait $reader                                     # also where nobody has written, it comes to its end
  case $reply in PONG|NOAUTH*) return 0;; esac
  echo "$reply" >>"$d/scratch.log"; return 1
}

# --- the nets ------------------------------------------------------------------------------------------------------------
# --on-startup keeps its deadline through a daemon-reload, --on-active starts it anew. A killed rollback runs again. systemd-run
# waits until the timer runs, and fails where it does not.
arm() { # NAME SECONDS
  : "${booted:=$(systemctl show -p UserspaceTimestampMonotonic --value)}"
  read -r now _ </proc/uptime; at=$((${now%.*} - booted / 1000000 + $2))
  systemd-run -q --collect --unit="redkeep-$1-$id" --description=redkeep --on-startup="$at" --timer-property=AccuracySec=1s \
    --timer-property=OnUnitInactiveSec=15 -p RuntimeMaxSec=$((CAP * 3 + 600)) /bin/sh "$d/transaction.sh" rollback "$1" 9>&-
}
install_recovery() { # puts an unconfirmed transaction back after a power cut, before Redis starts
  unit=/etc/systemd/system/redkeep-recover.service; link=${unit%/*}/multi-user.target.wants/redkeep-recover.service; set --
  # Written in place: nothing is pending that a half one would have to bring back, and no boot would clear away another name.
  if [ -L $unit ] || ! cmp -s "$d/recover.service" $unit; then
    ( umask 022; cp -T --no-preserve=mode --remove-destination "$d/recover.service" $unit ) && set -- $unit ${unit%/*} || return 1
  fi
  if [ ! -L $link ]; then ln -s ../redkeep-recover.service $link && set -- "$@" ${link%/*} || return 1; fi
  if [ $# -gt 0 ]; then sync "$@"; fi
}
finish() {
  state
  if mine; then
    if [ "$state" = committed ]; then echo "$id" >$root/last && sync $root/last; fi
    rm -f $root/pending && sync $root
  fi
  release "$d/login.old" "$d/login.new"; end_patience
  case $state in rolled_back|refused) rm -rf "$d/new" "$d/scratch";; esac                         # keys that nobody uses
  if ! grep -Eq '^[^ ]+ (data|redis) ' "$d/journal"; then drop_aside
  else for f in "$d"/aside.*; do if [ -f "$f" ]; then first "$f"; note "aside $line"; fi; done; fi
  systemctl stop "redkeep-cap-$id.timer" "redkeep-win-$id.timer" "redkeep-scratch-$id.service" 2>/dev/null     # those that there are
}

# What the plan relied on beside files, a line each, as it is now.
facts() {
  systemctl show "$UNIT" -p "$UNIT_FACTS" | sed 's/^/unit /'
  if [ -n "$ASK_VERSION" ]; then echo "version $(ask_version)"; fi
  if [ -n "$FIREWALL" ]; then # an sshd that cannot say is no change
    ports=$(sshd -T 2>/dev/null | sed -n 's/^port /sshd port /p'); : "${ports:=$(grep '^sshd port ' "$d/expected-facts")}"
    if [ -n "$ports" ]; then printf '%s\n' "$ports"; fi
  fi
  # Users may be many: as much as the plan looks at.
  if [ -s "$d/questions" ]; then login old; converse "$(cat "$d/questions")" 8388608 | sed -e 's/\r//g' -e "$MASK" | sed -n \
    -e '1,/^--$/{s/^\(run_id\|role\|master_host\|master_port\):/info \1 /p;/^user /p;d;}' -e 'N;s/\n/ /;s/^/running /p'; fi
}
ask_version() { # of the installed server, which need not be root's
  dropped 10 "$RUNUSER:$RUNGROUP" --clear-groups "$BIN" --version 2>/dev/null | hear 11 1000
}
fact_names() {
  sed -e 's/^user \([^ ]*\).*/user \1 of the running server/;t' -e 's/^\(info\|running\) \([^ ]*\).*/\2 of the running server/;t' \
    -e 's/^unit \([^=]*\).*/\1 of the unit/;t' -e "s/^version .*/the installed server's version/;t" -e "s/^sshd .*/sshd's port/" |
    sort -u | head -n 5 | paste -sd, | sed 's/,/, /g'
}
call_ufw() { timeout 60 ufw "$@" >/dev/null 9>&-; }
load_firewall() { # each family in one step; `ufw reload` would leave every port open or closed for a second
  iptables-restore -w 10 -n </etc/ufw/user.rules && { [ "$IPV6" != yes ] || ip6tables-restore -w 10 -n </etc/ufw/user6.rules; }
}
write_policy() { # allow|deny|reject
  case $1 in allow) target=ACCEPT;; deny) target=DROP;; *) target=REJECT;; esac
  sed -i "s/^DEFAULT_INPUT_POLICY=.*/DEFAULT_INPUT_POLICY=\"$target\"/" /etc/default/ufw && sync /etc/default/ufw
}
# What becomes of what no rule names, in one step for each family: `ufw default` stops a running firewall and starts it again.
set_policy() { # allow|deny|reject
  write_policy "$1" || return 1
  case $target in ACCEPT) chain=ACCEPT;; *) chain=DROP;; esac
  for v in '' 6; do
    if [ "$v" = 6 ] && [ "$IPV6" != yes ]; then continue; fi
    { printf '*filter\n:INPUT %s [0:0]\n' $chain
      printf ":ufw$v-%s-input - [0:0]\n" reject track skip-to-policy
      echo "-A ufw$v-skip-to-policy-input -j $target"
      case $1 in
        reject) echo "-A ufw$v-reject-input -j REJECT";;
        allow) for p in tcp udp; do echo "-A ufw$v-track-input -p $p -m conntrack --ctstate NEW -j ACCEPT"; done;;
      esac; echo COMMIT; } | "ip${v}tables-restore" -w 10 -n || return 1
  done
  # What it logs on the way differs with `allow`.
  case "$POLICY $OLD_POLICY" in *allow*) call_ufw logging "$(sed -n 's/^LOGLEVEL=//p' /etc/ufw/ufw.conf)";; esac
}
# ufw loads its rules one after the other, and before the last is there it drops or rejects those whom it is about to let in. So
# who comes as far as its rules gets in meanwhile, as before: behind the rules of others, and ahead of ufw's own.
HELD="-m comment --comment redkeep -j ACCEPT"
held_chains() { # in $chains: what comes in, and where ufw is to turn away what goes out, the answers
  chains=INPUT; grep -q '^DEFAULT_OUTPUT_POLICY="\{0,1\}ACCEPT' /etc/default/ufw || chains='INPUT OUTPUT'
}
find_place() { # TABLES CHAIN: in $place the number that its first rule of ufw's has. None where others' rules end the chain
  place=1; behind=; rest=$("$1" -w 10 -S "$2") || return 1             # without IPv6 in the kernel: ufw skips it, too
  rest=$rest$nl
  while [ -n "$rest" ]; do
    case ${rest%%"$nl"*} in
      "-P $2 ACCEPT") ;; "-P "*) return 1;;
      "-A $2 -j ufw-"*|"-A $2 -j ufw6-"*) behind=1;;
      *) [ -z "$behind" ] || return 1; place=$((place + 1));;
    esac; rest=${rest#*"$nl"}
  done
}
hold_open() {
  held_chains
  for v in '' 6; do
    if [ "$v" = 6 ] && [ "$IPV6" != yes ]; then continue; fi
    for chain in $chains; do
      if find_place "ip${v}tables" "$chain"; then "ip${v}tables" -w 10 -I "$chain" "$place" $HELD || return 1; fi
    done
  done
}
let_go() { # until there is none; status 4: somebody else has the tables
  held_chains
  for v in '' 6; do
    for chain in $chains; do
      until "ip${v}tables" -w 10 -D "$chain" $HELD 2>/dev/null; ended=$?; [ $ended != 0 ]; do :; done
      [ $ended != 4 ] || return 1
    done
  done
}
enable_firewall() { hold_open && start_ufw && let_go; }
# Where ufw's files are as it would write them, `ufw enable` loads them as a boot does and then does all of it again, a program
# for each rule of its logging.
start_ufw() {
  if [ -z "$LOAD_ONLY" ] || [ ! -x /lib/ufw/ufw-init ]; then call_ufw --force enable; return; fi
  set_enabled yes && said=$(timeout 60 /lib/ufw/ufw-init start 2>&1 9>&-) || { echo "$said"; return 1; }
  case $said in *"already started"*) call_ufw --force enable;; esac        # what is left of an earlier time, it did not touch
}
set_enabled() { sed -i "s/^ENABLED=.*/ENABLED=$1/" /etc/ufw/ufw.conf && sync /etc/ufw/ufw.conf /etc/ufw; } # yes|no

apply() {
  lock 0 || refuse "locked $(cat $root/lock)"
  if [ -L $root/pending ]; then refuse "locked $(cat $root/pending/holder)"; fi
  first "$d/holder"; printf '%s\n' "$line" >$root/lock
  note begin
  case $CLI in redis-cli|valkey-cli) ;; *) refuse "refused $CLI is no client of Redis that redkeep knows";; esac
  find_binary || refuse "refused $BIN is a program that others than root may write, and Redis runs as root"
  if [ -f "$d/undoes" ] && [ -f $root/last ] && [ "$(cat "$d/undoes")" != "$(cat $root/last)" ]; then
    refuse "stale another run has ended here since"
  fi
  # What the plan relied on must still be so.
  set --; while IFS=' ' read -r p s; do set -- "$@" "$p"; done <"$d/expected"; sign "$@"
  found=$signatures
  while IFS=' ' read -r p s; do next_signature; [ "$signature" = "$s" ] || refuse "stale $p"; done <"$d/expected"
  while IFS=' ' read -r p om; do owner_mode "$p"; [ "$owner_mode" = "$om" ] || ! is_kept "$p" || refuse "stale $p"; done <"$d/expected-modes"
  if [ -n "$INVOCATION" ] && [ "$(invocation)" != "$INVOCATION" ]; then
    refuse "stale $UNIT was restarted since"
  fi
  if [ -n "$NEEDS_REDIS" ]; then ask old "INFO replication${nl}INFO keyspace${nl}DBSIZE"; fi
  if [ -s "$d/expected-facts" ]; then
    changed=$(facts | sort - "$d/expected-facts" | uniq -u)
    if [ -n "$changed" ]; then
      changed=$(printf '%s\n' "$changed" | fact_names)
      if [ -s "$d/questions" ] && ! is_alive; then changed="the running server does not answer the login"; fi
    fi
    rm -f "$d/expected-facts"
    [ -z "$changed" ] || refuse "stale $changed"
  fi
  if [ -n "$NEEDS_REDIS" ]; then
    is_alive || fail "redis the running server does not answer"
    if [ "$known" != any ]; then
      count_keys; echo "$keys $expiring" >"$d/keys.before"; field master_link_status; echo "$value" >"$d/link.before"
    fi
  fi
  stage || fail "backup the new content cannot be given its owner"
  signatures=$found; set --
  while read -r n p o m; do
    next_signature; case $signature in link|unusual) refuse "refused $p is a link, or no plain file";; esac
    echo "$signature" >"$d/old/$n.signature"
    if [ "$signature" != absent ]; then at "$p" back_up_here "$d/old/$n" || fail "backup $p"; fi
    set -- "$@" "$d/old/$n" "$d/new/$n"
  done <"$d/files"
  sign "$@"
  while read -r n p o m; do
    next_signature; first "$d/old/$n.signature"; [ "${signature##* }" = "${line##* }" ] || fail "backup $p"
    next_signature; if [ "$o" = absent ]; then echo absent; else echo "$o $m ${signature##* }"; fi >"$d/new/$n.signature"
  done <"$d/files"
  sync -f "$d" || fail sync
  note backup
  validate || { sed -e '/^>>>/d' -e '/^ *$/d' "$d/scratch.log" | tail -n 3 | sed 's/^/fail validate /' >>"$d/journal"; exit 1; }
  rm -rf "$d/scratch"                                                                   # a second copy of keys and passwords
  note validated
  install_recovery || fail recovery
  reserve_ours || fail "room for the way back"
  arm cap "$CAP" || fail arm
  ln -s "txn/$id" $root/pending && sync $root && enter applying || fail pending      # from here on the nets know it
  note armed
  each_folder reserve_here || fail "room for the way back"
  if [ -n "$PERSIST" ]; then
    note persistence; persist old "$NEW_SAVE" "$NEW_AOF" || fail persistence
    if [ -z "$NEW_SAVE" ] && [ "$NEW_AOF" = no ]; then                 # the last snapshot would come back at a later start
      wait_info old persistence rdb_bgsave_in_progress 0 || fail persistence
      dump_name old || fail persistence; printf '%s\n' "$dump" >"$d/last-snapshot"
    fi
  fi
  if [ -n "$REWRITE_AOF" ]; then
    note rewrite-aof; one old BGREWRITEAOF; rewrite_aof old || fail rewrite-aof
  fi
  # Root takes over the folders that are to be its own, those above first: from then on nobody exchanges what is in them.
  later=
  while read -r p o m; do
    case $o in
      root:*) if [ -d "$p" ] && ! is_handed "$p"; then note "mode $p"; own_if_there "$p" "$o" "$m" || fail "mode $p"; continue; fi;;
    esac
    later="$p $o $m$nl$later"
  done <"$d/modes"
  while read -r p o m; do
    note "directory $p"; if [ -d "$p" ] && ! is_kept "$p" && at "$p" here_is_roots; then continue; fi   # a unit's, as it stands
    if [ ! -d "$p" ]; then echo "$p" >>"$d/created" && sync "$d/created" && at "$p" make_folder_here || fail "directory $p"; fi
    own "$p" "$o" "$m" || fail "directory $p"
  done <"$d/directories"
  while read -r n p o m; do record "file $p"; put "$n" "$p" "$o" || fail "file $p"; done <"$d/files"
  settle || fail sync
  if [ -f "$d/removals" ]; then while read -r p o m; do remove_folder "$p"; done <"$d/removals"; fi
  # A data file may be gone meanwhile: Redis replaces its AOF when it is rewritten, and the new one is closed below.
  while [ -n "$later" ]; do
    line=${later%%"$nl"*}; later=${later#*"$nl"}; p=${line%% *}; line=${line#* }
    if ! is_handed "$p"; then owner_mode "$p"; if [ "$owner_mode" != absent ]; then note "mode $p"; own "$p" "${line% *}" "${line#* }" || fail "mode $p"; fi; fi
  done
  if [ -n "$RELOAD" ]; then
    note daemon-reload
    if [ -n "$RESTART" ] && [ -n "$PATIENCE" ]; then write_patience || fail daemon-reload; fi       # one reload for both
    systemctl daemon-reload || fail daemon-reload
  fi
  if [ -s "$d/live" ]; then
    note live; send old "$d/live"; if [ -n "$refusal" ]; then note "fail live $refusal"; exit 1; fi
  fi
  undisturbed || fail "$UNIT was restarted by someone else meanwhile"
  if [ -n "$RESTART" ]; then
    note "restart $UNIT"
    restart old new || { journalctl -u "$UNIT" -n 20 -o cat 2>/dev/null | tail -n 2 | cut -b -1000 | sed 's/^/fail restart /' >>"$d/journal"
      if [ -n "$LOG" ]; then log_tail | sed 's/^/fail restart log: /' >>"$d/journal"; fi; fail "restart $UNIT"; }
    if [ -n "$INVOCATION" ]; then INVOCATION=$(invocation); fi
  fi
  # What the old process saved when it stopped has the old mode.
  if [ -n "$TIGHTEN" ]; then each_data tighten_here || fail "mode of data"; fi
  if [ -n "$NEEDS_REDIS" ]; then
    note check
    answers new || fail "check the server does not answer a login"
    if [ -f "$d/keys.before" ] && [ "$known" != any ]; then count_keys; echo "$keys $expiring" >"$d/keys.after"; fi
    wait_link new
    if missing_keys; then enter needs_human; note "data $missing"; exit 1; fi
  fi
  if [ -n "$FIREWALL" ]; then
    # From here on nobody may be able to log in: the way back begins before a minute is over, however the rest goes.
    arm win "$FIREWALL_WINDOW" || fail "arm window"
    note "firewall $FIREWALL"
    case $FIREWALL in enable) enable_firewall;; disable) call_ufw --force disable;; *) load_firewall;; esac || fail firewall
    if [ -n "$POLICY" ]; then set_policy "$POLICY" || fail "firewall policy"; fi
    if [ "$FIREWALL" != disable ]; then grep -qi '^ENABLED=yes' /etc/ufw/ufw.conf || fail "firewall is not enabled"; fi
  fi
  sign_files; while read -r n p o m; do next_signature; is_ours "$n" "$p" "$signature" || fail "check $p is not as it was written"; done <"$d/files"
  undisturbed || fail "$UNIT was restarted by someone else meanwhile"
  if [ -z "$FIREWALL" ]; then arm win "$WINDOW" || fail "arm window"; fi
  enter applied || fail applied                                         # the cap leaves it alone from now on
  note applied
}

# Before anything else, and whatever comes of the rest: who was locked out can log in again.
let_in() {
  case $FIREWALL in
    # Once more where it failed: a kill inside `ufw enable` may have left the kernel's tables busy for a moment.
    enable) { call_ufw --force disable || call_ufw --force disable; } && let_go;;
    load)
      if [ -n "$POLICY" ]; then set_policy "$OLD_POLICY" || return 1; fi
      while read -r n p o m; do case $p in
        */user.rules) [ ! -f "$d/old/$n" ] || iptables-restore -w 10 -n <"$d/old/$n" || return 1;;
        */user6.rules) [ ! -f "$d/old/$n" ] || [ "$IPV6" != yes ] || ip6tables-restore -w 10 -n <"$d/old/$n" || return 1;;
      esac; done <"$d/files";;
  esac
}

# Puts back what still is as we made it. An edit by someone else stops it before it touches a file: around an edited file the
# next start might fail. Only where Redis is down anyway, all that nobody edited goes back.
rollback() {
  state; case "$1 $state" in
    "stop applied") exit 0;;
    "cap applied") systemctl stop "redkeep-cap-$id.timer"; exit 0;;        # for that there is the window
  esac
  # A machine that goes down starts nothing any more: its next boot does this.
  if [ "$1" != boot ] && [ "$(systemctl is-system-running)" = stopping ]; then exit 1; fi
  # What ended well, or never began, must not wait for the lock of another.
  case "$1 $state" in
    "stop prepared"|"stop refused") if ! mine; then finish; exit 0; fi;;
  esac
  case $1 in cap|win) systemctl kill -s KILL "redkeep-apply-$id" 2>/dev/null;; esac
  if ! lock 60; then
    # Whoever holds it so long must not keep people locked out. The rest waits for the next try.
    state; case "$1 $state" in
      boot*|"stop applied"|"cap applied") ;;
      *applying|*applied|*rolling_back) if mine; then let_in; fi;;
    esac
    exit 75
  fi
  state; case "$1 $state" in
    *committed|*rolled_back|*refused|*needs_human) finish; exit 0;;
    "stop applied"|"cap applied") exit 0;;                                 # since it was looked at
  esac
  if ! mine; then
    if [ "$state" = prepared ]; then enter rolled_back; finish; exit 0; fi
    if [ -L $root/pending ]; then enter needs_human; note "redis another transaction came between"; finish; exit 1; fi
  fi
  rm -f "$d/room"; enter rolling_back; note "rollback $1"; : >"$d/edited"
  firewall=back; if [ "$1" != boot ]; then let_in || firewall=; fi
  release
  if [ -f "$d/taken" ]; then read -r m o p <"$d/taken" && within "$p" give_back_here "$m $o"; rm -f "$d/taken"; fi
  sign_files
  while read -r n p o m; do
    at "$p" clear_here "./.redkeep.$id"
    next_signature; first "$d/old/$n.signature"
    if [ "$signature" = "$line" ] || is_ours "$n" "$p" "$signature"; then continue; fi
    echo "$n" >>"$d/edited"; note "edited $p"
  done <"$d/files"
  if [ -s "$d/edited" ]; then
    if [ "$1" = boot ] || [ -z "$NEEDS_REDIS" ] || answers new || answers old; then enter needs_human; finish; exit 1; fi
  fi
  if [ "$FIREWALL" = enable ]; then set_enabled "$OLD_ENABLED"; fi
  login=old; if [ "$1" != boot ] && [ -n "$NEEDS_REDIS" ]; then
    if answers new; then login=new; fi
    # Files alone would lose what was written since: the running server goes back first.
    if [ -n "$PERSIST" ] && answers $login; then
      persist $login "$OLD_SAVE" "$OLD_AOF" || { enter needs_human; note "redis does not take its old persistence again: a restart with the old files would lose what was written since"; finish; exit 1; }
    fi
  fi
  sign_files
  while read -r n p o m; do
    next_signature; first "$d/old/$n.signature"; b=$line; if [ "$signature" = "$b" ] || is_edited "$n"; then continue; fi
    record "restore $p"
    if [ "$b" = absent ]; then at "$p" remove_here; else
      folder "$p"; at "$folder" make_folder_here; set -- "$1" $b; swap "$d/old/$n" "$p" "$2" "$3"; fi
  done <"$d/files"
  settle
  if [ -f "$d/removals" ]; then while read -r p o m; do own "$p" "$o" "$m"; done <"$d/removals"; fi
  # Those below first: what becomes another's again is that one's to exchange.
  sort -r "$d/expected-modes" >"$d/expected-modes.up"
  while read -r p om; do
    owner_mode "$p"; if [ "$om" != absent ] && [ "$owner_mode" != "$om" ] && ! is_handed "$p"; then set -- "$1" $om; own "$p" "$2" "$3"; fi
  done <"$d/expected-modes.up"
  if [ "$1" = boot ] && [ -n "$HANDOVER" ] && [ -f "$d/restarted" ]; then hand_over old; fi
  if [ -f "$d/created" ]; then while IFS= read -r p; do at "$p" remove_folder_here; done <"$d/created"; fi
  systemctl daemon-reload                                                              # at boot too: the drop-in is loaded already
  if [ -n "$FIREWALL" ] && [ "$FIREWALL" != enable ] && [ "$1" != boot ]; then
    firewall=back; if [ "$FIREWALL" = disable ]; then enable_firewall; else load_firewall; fi || firewall=
    if [ -n "$POLICY" ]; then set_policy "$OLD_POLICY" || firewall=; fi
  elif [ -n "$POLICY" ]; then
    write_policy "$OLD_POLICY"
  fi
  if [ "$FIREWALL" = disable ]; then set_enabled yes; fi
  if [ "$1" != boot ]; then
    if [ -f "$d/tightened" ]; then while IFS=' ' read -r m p; do at "$p" loosen_here "$m"; done <"$d/tightened"; fi
    # Whoever restarted or stopped it: it may have read new files.
    if [ -f "$d/restarted" ] || ! undisturbed || { [ -n "$NEEDS_REDIS" ] && ! answers new && ! answers old; }; then
      if ! answers $login; then login=old; fi
      # systemd may have started the old service by itself again, and that has to be able to save before it is stopped.
      if [ -n "$HANDOVER" ] && ! runs_as "$RUNUSER"; then hand_over old; fi
      restart $login old || { enter needs_human; note "redis does not come up with the old configuration"; finish; exit 1; }
      wait_link old
      if missing_keys; then enter needs_human; note "data $missing"; finish; exit 1; fi
    elif [ -s "$d/undo" ]; then
      if answers old && [ "$known" != any ]; then login=old; fi        # a new user may be gone half way
      send $login "$d/undo"
      if [ -n "$refusal" ]; then enter needs_human; note "redis does not take a setting back: $refusal"; finish; exit 1; fi
    fi
    # Redis refuses writes after a snapshot that failed, until one succeeds.
    if [ -n "$NEEDS_REDIS" ] && info old persistence rdb_last_bgsave_status && [ "$value" = err ] && config_get old save && [ -n "$value" ] && ! snapshot old; then
      note "fail Redis still cannot save its keys, and may refuse writes until it can"
    fi
    # Saving was switched on for a restart that did not come.
    if [ -f "$d/dump" ] && config_get old save && [ "$value" = "$SAVE_ONCE" ]; then
      config_set old save ''; wait_info old persistence rdb_bgsave_in_progress 0
    fi
    # The server answers: what was saved for its restart is stale from now on.
    if [ -f "$d/dump" ] && config_get old save && [ -z "$value" ] && config_get old appendonly && [ "$value" = no ]; then first "$d/dump"; dump_file "$line" rm; fi
  fi
  if [ -f "$d/old/stale.rdb" ]; then first "$d/dump"; dump_file "$line" back "$d/old/stale.rdb"; fi
  sign_files
  while read -r n p o m; do next_signature; first "$d/old/$n.signature"; [ "$signature" = "$line" ] || is_edited "$n" || { enter needs_human; note "not restored $p"; finish; exit 1; }; done <"$d/files"
  while read -r p om; do owner_mode "$p"; [ "$owner_mode" = "$om" ] || ! is_kept "$p" || { enter needs_human; note "not restored $p"; finish; exit 1; }; done <"$d/expected-modes"
  if [ "$1" != boot ] && [ -n "$NEEDS_REDIS" ] && ! answers old; then enter needs_human; note "redis does not answer"; finish; exit 1; fi
  if [ -z "$firewall" ]; then enter needs_human; note "not restored the firewall: its files are back, the kernel's rules may not be"; finish; exit 1; fi
  if [ -s "$d/edited" ]; then enter needs_human; finish; exit 1; fi
  enter rolled_back; note rolled_back; finish
  exit 0
}

# Lays down, in this folder, the transaction that puts back what the committed one SOURCE changed; refuses where someone
# has changed it since. `login.admin` has the AUTH lines that the controller knows, each behind its password's hash.
undo() { # SOURCE
  s=$root/txn/$1
  for list in files directories modes expected expected-modes removals; do : >"$d/$list"; done
  set --; while read -r _ p _; do set -- "$@" "$p"; done <"$s/files"; sign "$@"
  while read -r n p o m; do
    next_signature; first "$s/old/$n.signature"; before=$line; first "$s/new/$n.signature"
    if [ "$signature" != "$line" ]; then
      case $p in /etc/ufw/*) [ "$(rules "$p")" = "$(rules "$s/new/$n")" ];; *) false;; esac || refuse "stale $p"
    fi
    echo "$p $signature" >>"$d/expected"
    if [ "$before" = absent ]; then echo "$n $p absent 0" >>"$d/files"; : >"$d/new/$n"
    else set -- $before; echo "$n $p $1 $2" >>"$d/files"; cp -p "$s/old/$n" "$d/new/$n" || exit 65; fi
  done <"$s/files"
  while read -r p om; do
    owner_mode "$p"
    if ! grep -qxF "$p $owner_mode" "$s/modes"; then if is_kept "$p"; then refuse "stale $p"; else continue; fi; fi
    echo "$p $om" >>"$d/modes"; echo "$p $owner_mode" >>"$d/expected-modes"
  done <"$s/expected-modes"
  if [ -f "$s/created" ]; then sort -r "$s/created" | while IFS= read -r p; do owner_mode "$p"; echo "$p $owner_mode"; done >"$d/removals"; fi
  cp "$s/undo" "$d/live"; cp "$s/live" "$d/undo"
  case $BEFORE_AUTH in
    admin) # The one whose hash stands in a file that goes back; the first where none does: then the login stays as it is.
      # Only in the backups, which have numbers: a dump that waits beside them is of the service user's making.
      auth=; while read -r hash line; do if [ -z "$auth" ] || grep -qsF -- "#$hash" "$s/old"/[0-9]*; then auth=$line; fi; done <"$d/login.admin";;
    requirepass) auth="AUTH $(while read -r n p o m; do if [ "$p" = "$CONF" ]; then sed -n 's/^[[:space:]]*requirepass[[:space:]]\{1,\}//p' "$s/old/$n"; fi; done <"$s/files" | tail -n 1)";;
    *) auth=;;
  esac
  printf '%s\n%s\n%s\n%s\n' "$BEFORE_ENDPOINT" "$auth" "$BEFORE_CONFIG" "$(if [ "$BEFORE_AUTH" = unknown ]; then echo any; fi)" >"$d/login.new"
  rm -f "$d/login.admin"
  # As text that the shell works out when it reads it: the values themselves are not to be trusted between quotes.
  { echo 'was=$OLD_SAVE; OLD_SAVE=$NEW_SAVE; NEW_SAVE=$was; was=$OLD_AOF; OLD_AOF=$NEW_AOF; NEW_AOF=$was'
    echo 'was=$RUNUSER; RUNUSER=$OLDUSER; OLDUSER=$was; was=$RUNGROUP; RUNGROUP=$OLDGROUP; OLDGROUP=$was'
    echo "INVOCATION=$(invocation) TIGHTEN= RENAMED= RELOAD=1"
    case $FIREWALL in enable) echo "FIREWALL=disable OLD_ENABLED=yes LOAD_ONLY=";; esac
    if [ -n "$POLICY" ]; then echo 'was=$POLICY; POLICY=$OLD_POLICY; OLD_POLICY=$was'; fi
    # Names that went are back in the AOF's way: it is rewritten first, as it was on the way here.
    if [ -n "$RESTART" ] && [ "$OLD_AOF" = yes ]; then echo REWRITE_AOF=1; else echo REWRITE_AOF=; fi
  } >>"$d/env"
}

# The last five runs stay, those that somebody has to look at, and for ever those that say what a path was before redkeep first
# touched it: of these what they found, and nothing of what they wrote. A run that was taken back touched nothing.
prune() {
  set -- $(ls -1td $root/txn/*)                                         # the newest first; names of ours have no blanks
  back=$nl; ended=$nl; standing=
  for d; do
    state; if [ "$state" != committed ]; then continue; fi
    unit_of
    if [ -f "$d/to-original" ]; then ended=$ended$unit$nl
    elif [ -f "$d/undoes" ]; then first "$d/undoes"; back=$back$line$nl
    else case $back$ended in *"$nl${d##*/}$nl"*|*"$nl$unit$nl"*) ;; *) standing=$d$nl$standing;; esac; fi
  done
  touched=$nl; kept=$nl
  while [ -n "$standing" ]; do
    d=${standing%%"$nl"*}; standing=${standing#*"$nl"}
    if { while read -r _ p _; do touch_first; done <"$d/files"; while read -r p _; do touch_first; done <"$d/expected-modes"; [ -n "$is_first" ]; }; then kept=$kept$d$nl; fi
    is_first=
  done
  shift 5
  for d; do
    state; if [ "$state" = needs_human ]; then continue; fi
    drop_aside
    case $kept in *"$nl$d$nl"*) keep_found;; *) rm -rf "$d";; esac
  done
}
is_first=
touch_first() { # by $p: data files come and go under new names, and nobody brings one back
  case $touched in *"$nl$p$nl"*) return;; esac
  case $p in "$DATA"/*) ;; *) touched=$touched$p$nl; is_first=1;; esac
}
unit_of() { unit=; while IFS= read -r line; do case $line in UNIT=*) unit=$line;; esac; done <"$d/env"; }       # that of $d, in $unit
# In its folders alone: when it ended is told by its own time.
keep_found() {
  for f in "$d"/new/*; do case $f in *.signature) ;; *) rm -f "$d/new/${f##*/}";; esac; done
  for f in "$d"/old/*.rdb; do if [ -f "$f" ]; then rm -f "$d/old/${f##*/}"; fi; done
  : >"$d/live"; : >"$d/undo"
}

# Takes all of redkeep's own off the host but what Redis and ufw use. `folders` has those in which temporary files may be left.
# First what would act at a boot, last the folder with this program. Whoever waits for the lock finds nothing behind it.
eject() {
  exec 9>>$root/lock; flock -w 0 9 || { first $root/lock; printf 'locked %s\n' "$line"; exit 75; }
  if [ -L $root/pending ]; then first $root/pending/holder; printf 'locked %s\n' "$line"; exit 75; fi
  unit=/etc/systemd/system/redkeep-recover.service; link=${unit%/*}/multi-user.target.wants/redkeep-recover.service
  rm -f "$link" "$unit" && sync "${link%/*}" "${unit%/*}" && systemctl daemon-reload || exit 1
  while IFS= read -r p; do within "$p" clear_ours_here; done <"$d/folders"
  for d in $root/txn/*; do
    if [ -f "$d/state" ]; then state; if [ "$state" != needs_human ]; then drop_aside; fi; fi
    if [ -f "$d/created" ]; then while IFS= read -r p; do at "$p" remove_folder_here; done <"$d/created"; fi
  done
  rm -rf $root
}
clear_ours_here() { for n in ./.redkeep.[0-9]*; do if [ -f "$n" ] || [ -L "$n" ]; then rm -f "$n"; fi; done; return 0; }

# Compare and swap from `applied` to `committed`, under the lock that a rollback takes too. The nonce comes on stdin.
confirm() {
  IFS= read -r nonce; [ "$nonce" = "$NONCE" ] || exit 65
  lock 60 || exit 75
  state; if [ "$state" = applied ]; then enter committed; state; fi
  if [ "$state" = committed ]; then
    last=; if [ -f "$d/last-snapshot" ]; then first "$d/last-snapshot"; last=$line; fi
    if [ -n "$last" ]; then dump_file "$last" late "$d/last-snapshot" "$d/old/last.rdb"; fi
    finish; note committed
    set -- $root/txn/*
    # As long as none was ever taken away, the oldest state that is kept is the original.
    if [ $# -gt 5 ]; then prune; elif [ ! -e $root/original ]; then : >$root/original; fi
  fi
}
"$@"
