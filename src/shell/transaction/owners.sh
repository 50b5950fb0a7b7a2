# shellcheck shell=dash
# USER: of the service, now or before
is_users() { case $1 in "$RUNUSER" | "$OLDUSER") return 0 ;; *) return 1 ;; esac }
is_theirs() { is_users "$(stat -c %U .)" || {
  echo "$PWD is no folder of the service user's" >&2
  return 1
}; }
# What is root's in a folder of theirs they can put under any name. So it has to be just what the plan saw
# there, or what this transaction itself made root's, which it knows again. What is a service user's they may
# have anyway.
# PATH 'USER:GROUP MODE' IDENTITY
is_expected() {
  case $2 in root:*) ;; "$RUNUSER":* | "$OLDUSER":*) return 0 ;; esac
  while read -r planned was; do
    if [ "$planned" = "$1" ] && [ "$was" = "$2" ]; then
      return 0
    fi
  done <"$d/expected-modes"
  case $2 in root:*)
    # Where the service is root's before or after, what it saved is root's.
    if is_users root && is_handed "$1"; then return 0; fi
    if is_made "$3"; then return 0; fi
    ;;
  esac
  echo "$1 belongs to ${2% *} (mode ${2##* }), as nobody expected" >&2
  return 1
}
# What a name stands for, however it is called later: its inode, and when that was made, since a number is
# given out again. Without its device: the next boot may number the disks in another order, and nobody but
# root decides which of them a path leads to.
# NAME: in $identity
identify_here() { identity=$(stat -c '%i:%.9W' "$1"); }
# IDENTITY
is_made() {
  if [ -f "$d/made" ]; then
    while read -r made; do
      if [ "$made" = "$1" ]; then
        return 0
      fi
    done <"$d/made"
  fi
  return 1
}
# On disk before it becomes root's: a rollback after a power cut has to know it.
# NAME
note_made_here() { identify_here "$1" && { is_made "$identity" || { printf '%s\n' "$identity" >>"$d/made" &&
  sync "$d/made"; }; }; }
# NAME OWNER:GROUP MODE 'FOUND MODE'
change_here() {
  if [ "$4" = "$2 ${3#00}" ]; then return; fi
  case $2 in root:*) note_made_here "$1" || return 1 ;; esac
  if [ "${4% *}" != "$2" ]; then chown -h "$2" "$1" || return 1; fi
  if [ "${4##* }" != "${3#00}" ]; then chmod "$3" "$1" || return 1; fi
  # An overlay makes a file anew when it changes first: it is another then.
  case $2 in root:*) note_made_here "$1" ;; esac
}
# So that nobody else can exchange a name here, until it is given back.
# its mode and owner before are in $taken
take_here() {
  taken=$(stat -c '%u %A 00%a %U:%G' .)
  here=$taken
  taken=${taken#* * }
  are_roots "$here" || { note_made_here . && chown root . && chmod go-w . && note_made_here .; }
}
# MODE USER:GROUP, as take_here found them
give_here() { chown "${1#* }" . && chmod "${1%% *}" .; }
# the same, later: only to what was taken
give_back_here() { identify_here . && is_made "$identity" && give_here "$1"; }
# PATH OWNER:GROUP MODE
own() { at "$1" own_here "$1" "$2" "$3"; }
# five digits clear setgid on directories
own_here() {
  if [ -d "$name" ] && [ ! -L "$name" ]; then
    step "${name#./}" && found=$(stat -c '%i:%.9W %U:%G %a' .) &&
      is_expected "$1" "${found#* }" "${found%% *}" &&
      change_here . "$2" "00$3" "${found#* }"
    return
  fi
  [ -f "$name" ] && [ ! -L "$name" ] && found=$(stat -c '%u %A %h %U:%G' . "$name") || return 1
  owned=${found##* }
  here=${found%%"$nl"*}
  # a file has no setuid or setgid from us
  case $3 in ????*) set -- "$1" "$2" "${3#"${3%???}"}" ;; esac
  if are_roots "$here"; then
    chown_here "$1" "$2" "$3"
  elif [ "${owned%:*}" != root ] && is_users "${owned%:*}" && { [ "$owned" = "$2" ] ||
    { [ "$RUNUSER" = "$OLDUSER" ] && ! is_kept "$1"; }; }; then
    # What Redis replaced since it was looked at has the owner that Redis gives.
    as_owner "${owned%:*}" chmod "00$3" "$name" >/dev/null
  elif is_kept "$1" || { [ "$RUNUSER" != "$OLDUSER" ] && is_theirs; }; then
    # A configuration's folder that stays another's, or the one that comes may write there already: it is
    # root's for a moment. A rollback gives it back where we do not come to it.
    folder "$1"
    printf '%s %s\n' "$(stat -c '00%a %U:%G' .)" "$folder" >"$d/taken" && sync "$d/taken" && take_here ||
      return 1
    chown_here "$1" "$2" "$3"
    set -- $?
    give_here "$taken" && rm -f "$d/taken" && return "$1"
  else
    echo "$1 belongs to $owned in a folder that others may write: it is left to them" >&2
    return 1
  fi
}
# Where only root may write: so the one name of the file stays its one name, but for those that we gave it.
# PATH OWNER:GROUP MODE, or no mode: as it is
chown_here() {
  found=$(stat -c '%h %s %i:%.9W %U:%G %a' "$name") || return 1
  links=${found%% *}
  found=${found#* }
  size=${found%% *}
  found=${found#* }
  is_expected "$1" "${found#* }" "${found%% *}" || return 1
  names=1
  for kept in "./.redkeep.$id".[no]*/"${name#./}" "../.redkeep.$id".[no]*/"${name#./}"; do
    if [ "$kept" -ef "$name" ]; then
      names=$((names + 1))
    fi
  done
  if [ "$links" != $names ] || [ ! -f "$name" ] || [ -L "$name" ]; then
    echo "$1 has other names, which would change with it" >&2
    return 1
  fi
  set -- "$1" "$2" "${3:-${found##* }}" "${found#* }"
  case $2,$4 in
  root:*,root:*) ;;
  # Its owner may have it open for writing, and would keep that: the one that becomes root's is another file.
  root:*) if is_kept "$1"; then
    renew_here "$2" "00$3"
    return
  fi ;;
  esac
  change_here "$name" "$2" "00$3" "$4"
}
# OWNER:GROUP MODE
renew_here() {
  t=./.redkeep.$id
  is_small "$size" && clear_here "$t" && draw "$name" >"$t" && chown "$1" "$t" && chmod "$2" "$t" &&
    note_made_here "$t" && flush_here "$t" && mv -fT "$t" "$name"
}
is_edited() { [ -s "$d/edited" ] && grep -qx "$1" "$d/edited"; }
# not data or logs: those are the server's
is_kept() {
  folder "$CONF"
  case $1 in "$folder" | "$folder"/*) return 0 ;; *) return 1 ;; esac
}
# one that others put there meanwhile is not empty, or holds nothing that is root's
make_folder_here() {
  [ -d "$name" ] && [ ! -L "$name" ] && return
  mkdir "$name" && step "${name#./}" && is_empty_here && note_made_here . && cd -P .. || return 1
}
# PATH, where it is empty
remove_folder() {
  within "$1" clear_here "./.redkeep.$id.room"
  at "$1" remove_folder_here
}
remove_folder_here() { rmdir "$name" 2>/dev/null; }
