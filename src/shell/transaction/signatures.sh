# shellcheck shell=dash
# in $kind
sign_here() {
  if [ -L "$name" ]; then kind="link"; elif [ ! -e "$name" ]; then kind=absent; elif [ ! -f "$name" ]; then
    kind=unusual
  else
    kind=$(stat -c '%s %h %U:%G %a' "$name") && digest=$(draw "$name" | sha256sum)
    size=${kind%% *}
    kind=${kind#* }
    case $kind in "1 "*)
      kind="${kind#1 } ${digest%% *}"
      is_small "$size" || kind=unusual
      ;;
    *) kind=unusual ;; esac
  fi
  return 0
}
# PATH...: in $strangers the folders on the way that are not root's alone, a line each
find_strangers() {
  around=$nl/$nl
  for at; do
    folder "$at"
    while case $around in *"$nl$folder$nl"*) false ;; esac do
      around=$around$folder$nl
      folder "$folder"
    done
  done
  set -f
  IFS=$nl
  # shellcheck disable=SC2086 # a folder each
  set -- $around
  unset IFS
  set +f
  rest=$(stat -c '%u %A %n' "$@" 2>/dev/null)$nl
  strangers=$nl
  while [ -n "$rest" ]; do
    line=${rest%%"$nl"*}
    rest=${rest#*"$nl"}
    case $line in '') ;;
    "0 d"*) if ! are_roots "$line"; then
      strangers=$strangers${line#* * }$nl
    fi ;;
    *) strangers=$strangers${line#* * }$nl ;;
    esac
  done
}
are_small() {
  while read -r size _; do is_small "$size" || return 1; done <<.
$1
.
}
# FOLDER: is it, or one that it is in, among $strangers
is_stranger() {
  folder=$1
  until case $strangers in *"$nl$folder$nl"*) true ;; *) false ;; esac do
    if [ "$folder" = / ]; then return 1; fi
    folder "$folder"
  done
}
# What stands at each PATH, a line each in $signatures: link, absent, unusual, or owner, mode and digest.
# Where only root may write, many are looked at in one call.
# PATH...
sign() {
  kinds=
  find_strangers "$@"
  for at; do
    shift
    folder "$at"
    if is_stranger "$folder"; then
      kind="link"
      at "$at" sign_here
      if [ $? = 1 ]; then kind=absent; fi
    elif [ -L "$at" ]; then kind="link"; elif [ ! -e "$at" ]; then
      kind=absent
    elif [ ! -f "$at" ]; then kind=unusual; else
      kind=plain
      set -- "$@" "$at"
    fi
    kinds=$kinds$kind$nl
  done
  attributes=
  digests=
  if [ $# -gt 0 ]; then
    attributes=$(stat -c '%s %h %U:%G %a' -- "$@")
    known=$?
    # A file may be the service user's all the same: of one that is too long, or grows while it is read, no
    # more than its beginning.
    if [ $known = 0 ] && are_small "$attributes" && digests=$(timeout -k 1 10 sha256sum -- "$@" 9>&-); then
      :
    else
      # or one of them went meanwhile: each by itself
      attributes=
      digests=
      for at; do
        attributes=$attributes$(stat -c '%s %h %U:%G %a' -- "$at" || echo gone)$nl
        digests=$digests$(draw "$at" | sha256sum)$nl
      done
    fi
  fi
  signatures=
  while [ -n "$kinds" ]; do
    kind=${kinds%%"$nl"*}
    kinds=${kinds#*"$nl"}
    if [ "$kind" = plain ]; then
      attribute=${attributes%%"$nl"*}
      attributes=${attributes#*"$nl"}
      # a backslash: there is one in the name
      digest=${digests%% *}
      digest=${digest#\\}
      digests=${digests#*"$nl"}
      size=${attribute%% *}
      attribute=${attribute#* }
      case $attribute in "1 "*)
        kind="${attribute#1 } $digest"
        is_small "$size" || kind=unusual
        ;;
      *) kind=unusual ;; esac
    fi
    signatures=$signatures$kind$nl
  done
}
sign_files() {
  set --
  while read -r _ p _; do set -- "$@" "$p"; done <"$d/files"
  sign "$@"
}
next_signature() {
  signature=${signatures%%"$nl"*}
  signatures=${signatures#*"$nl"}
}
# FILE of ufw's
rules() { grep -E '^(### tuple|-A ufw6?-user-input)' "$1"; }
owner_mode_here() {
  owner_mode=absent
  if [ ! -L "$name" ] && [ -e "$name" ]; then owner_mode=$(stat -c '%U:%G %a' "$name"); fi
}
# PATH: in $owner_mode
owner_mode() { at "$1" owner_mode_here || owner_mode=absent; }
