# shellcheck shell=dash
seen= unread= reads=0 SETTINGS=$NL
set --
# Not readable, or behind a folder that may not be entered, so that nobody can say whether it is there.
blocked() {
  if [ -r "$1" ]; then return 1; elif [ -e "$1" ]; then return 0; fi
  local up=$1
  while [ -n "$up" ]; do
    up=${up%/*}
    if [ -d "${up:-/}" ]; then
      [ ! -x "${up:-/}" ]
      return
    fi
  done
  return 1
}
note_blocked() { case $1 in /*) if blocked "$1"; then unread="$unread$NL$1"; fi ;; esac }
# All values of a setting in a text of settings, a line each.
values_of() {
  VALUE= IFS=$NL
  set -f
  for line in $2; do case $line in "$1 "*) VALUE="$VALUE${line#"$1 "}$NL" ;; esac done
  unset IFS
  set +f
}
# Puts into VALUE the files that a name in an include stands for. Whoever wrote the wildcard has to find them
# himself.
expand() {
  case $1 in *[*?[]*) ;; *)
    VALUE=$1
    return
    ;;
  esac
  VALUE=$(
    ulimit -v "$READER_MEMORY"
    # shellcheck disable=SC2016 # the shell that is started has these words
    ${DOUBT:-$BOUND} sh -c 'for name in $0; do printf "%s\n" "$name"; done; echo .' "$1" |
      timeout -k 1 "$HEARD_LIMIT" head -c 65536
  )
  case $NL$VALUE in *"$NL.") VALUE=${VALUE%.} ;; *)
    unread="$unread$NL$1"
    VALUE=
    ;;
  esac
}
read_conf() {
  local settings include name
  case "$seen " in *" $1 "*) return ;; esac
  if [ $reads -ge 200 ]; then
    unread="$unread$NL$1"
    return
  fi
  seen="$seen $1"
  reads=$((reads + 1))
  named_reader "$1"
  if is_large; then return; fi
  settings=$(beginning "$1" "$FILE_LIMIT" |
    sed -n -e 's/\r//g' -e 's/^[[:space:]]*\([A-Za-z][A-Za-z0-9_-]*\)[[:space:]]\{1,\}/\L\1\E /' \
      -e tk -e d -e :k -e 's/[[:space:]]*$//' \
      -e "s/^rename-command [\"']\\?\\([^\"'[:space:]]*\\)[\"']\\?[[:space:]]\\+/rename-command \\U\\1\\E /" \
      -e '/^\(rename-command\|include\) /s/["'\'']//g' -e p)
  SETTINGS=$SETTINGS$settings$NL
  doubt "$1"
  if [ "$2" -ge 8 ]; then return; fi
  case $NL$settings in *"${NL}include "*) values_of include "$settings" ;; *) return ;; esac
  set -f
  # shellcheck disable=SC2086 # a line each
  set -- "$2" $VALUE
  set +f
  local depth=$(($1 + 1))
  shift
  for include; do
    expand "$include"
    IFS=$NL
    set -f
    for name in $VALUE; do
      unset IFS
      set +f
      note_blocked "$name"
      if [ -f "$name" ] && [ -r "$name" ]; then read_conf "$name" $depth; fi
    done
    unset IFS
    set +f
  done
}
last_of() {
  VALUE=${2##*"$NL$1"}
  VALUE=${VALUE%%"$NL"*}
}
# As the file has it, and without the quotes.
conf_raw() {
  values_of "$1" "$SETTINGS"
  VALUE=${VALUE%"$NL"}
  VALUE=${VALUE##*"$NL"}
}
conf_get() {
  conf_raw "$1"
  case $VALUE in '"'*'"')
    VALUE=${VALUE#?}
    VALUE=${VALUE%?}
    ;;
  esac
}
note_blocked "$CONF"
if [ -f "$CONF" ] && [ -r "$CONF" ]; then read_conf "$CONF" 0; fi
CONF_FOLDER=${CONF%/*}
conf_get aclfile
ACL_FILE=$VALUE
conf_get tls-cert-file
TLS_CERT=$VALUE
conf_get tls-key-file
TLS_KEY=$VALUE
conf_get tls-ca-cert-file
TLS_CA=$VALUE
set -f
for file in $seen; do set -- "$@" "config $file" "$file"; done
set +f
IFS=$NL
set -f
for file in "$ACL_FILE" $ACL_PATHS; do
  unset IFS
  set +f
  note_blocked "$file"
  case " $* " in *" acl-file $file "*) continue ;; esac
  if [ -f "$file" ] && [ -r "$file" ]; then set -- "$@" "acl-file $file" "$file"; fi
done
if [ -f "/etc/systemd/system/$UNIT.d/redkeep.conf" ]; then
  set -- "$@" drop-in "/etc/systemd/system/$UNIT.d/redkeep.conf"
fi
show_files "$@"
section unreadable
printf '%s\n' "$unread"
