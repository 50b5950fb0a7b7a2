# shellcheck shell=dash
NL='
' FILES= JUDGED='
' LARGE='
' ME= DROP= SERVICE_UID= AS= REAL= DOUBT= BOUND='timeout -s KILL 5'
unset CDPATH
has() { command -v "$1" >/dev/null 2>&1; }
. ./frames.sh
. ./probe/groups.sh
# Puts into VALUE what is known of one path itself: who else may write it.
judged() {
  VALUE=${JUDGED##*"$NL$1|"}
  VALUE=${VALUE%%"$NL"*}
}
judge() {
  local path paths= uid gid mode size may
  for path; do
    while :; do
      case $path in *"$NL"* | *'|'*) break ;; esac
      case $JUDGED$paths in *"$NL${path:-/}|"* | *"$NL${path:-/}$NL"*) break ;; esac
      paths=$paths$NL${path:-/}$NL
      if [ "${path:-/}" = / ]; then break; fi
      path=${path%/*}
    done
  done
  if [ -z "$paths" ]; then return; fi
  IFS=$NL
  set -f
  # shellcheck disable=SC2086 # a line each
  set -- $paths
  unset IFS
  set +f
  while read -r uid gid mode size path; do
    case $uid:$gid:$mode in
    0:*:*[2367]) may=any ;;
    # The bits of the group are those of an access list, where there is one: then they say nothing of root's
    # own group.
    0:0:*[2367]?)
      may=any
      case $(ls -ld -- "$path" 2>/dev/null) in ??????????+*) ;; ??????????*) may= ;; esac
      ;;
    0:*:*[2367]?) may=any ;;
    0:*) may= ;;
    *) may="$uid $gid" ;;
    esac
    JUDGED="$JUDGED$path|$may$NL"
    if [ "$size" -gt "$FILE_LIMIT" ]; then LARGE=$LARGE$path$NL; fi
  done <<END
$(stat -c '%u %g %a %s %n' -- "$@")
END
}
# Adds to AS who else than root may write this path. Two of different names are nobody in particular.
suspect() {
  local path=${1:-/}
  case $JUDGED in *"$NL$path|"*) ;; *) judge "$1" ;; esac
  case $JUDGED in *"$NL$path|"*) judged "$path" ;; *) VALUE=any ;; esac
  case $VALUE in
  '') ;; any) AS=any ;; "${AS%% *} "*) AS=$VALUE ;;
  *) if [ -z "$AS" ]; then AS=$VALUE; else AS=any; fi ;;
  esac
}
# Goes to a path as the kernel will, a name at a time. Puts into AS who else may write a folder that holds one
# of the names, and into REAL where it comes to. Behind another's folder no link counts: it may lead elsewhere
# a moment later.
follow() {
  local rest=${1#/} part target links=
  REAL= AS=
  case $1 in *"$NL"* | *'|'* | [!/]* | '')
    AS=any
    return
    ;;
  esac
  judge "$1"
  while :; do
    suspect "$REAL"
    part=${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
    case $part in
    '' | .) ;; ..) REAL=${REAL%/*} ;;
    *) if [ ! -L "$REAL/$part" ]; then
      REAL=$REAL/$part
    elif [ -n "$AS" ]; then
      return
    else
      links=x$links
      target=$(readlink -- "$REAL/$part")
      if [ ${#links} -gt 40 ]; then AS=any; fi
      case $target in *"$NL"* | *'|'* | '') AS=any ;; /*) REAL= ;; esac
      if [ -n "$AS" ]; then return; fi
      rest=${target#/}${rest:+/$rest}
    fi ;;
    esac
    if [ -z "$rest" ]; then return; fi
  done
}
# Puts the words into AS that go with who is in it. Where it is nobody in particular, the server itself would
# read with the service user's rights.
rights_of() {
  case $AS in
  '') return ;;
  any | "$SERVICE_UID "*) AS=${DROP:-setpriv $NOBODY} ;;
  *) AS="setpriv --reuid=${AS% *} --regid=${AS#* } --clear-groups" ;;
  esac
  AS="$BOUND $AS"
}
# Who is not root reads with his own rights, and no others.
reader_of() {
  AS= REAL=$1
  if [ "$ME" != 0 ]; then return; fi
  follow "$1"
  rights_of
  if [ -z "$AS" ]; then
    suspect "$REAL"
    if [ -n "$AS" ]; then AS=$BOUND; fi
  fi
}
is_large() {
  if [ "$ME" != 0 ]; then judge "$REAL"; fi
  case $LARGE in *"$NL$REAL$NL"*) ;; *) return 1 ;; esac
}
beginning() {
  if [ -z "$AS" ]; then exec head -c "$2" -- "$1"; fi
  $AS head -c "$2" -- "$1" | heard "$2"
}
take() { if [ -n "$AS" ]; then heard "$1"; else exec head -c "$1"; fi; }
# What a program prints that reads with another's rights, to its end or to ours. In a pipe.
heard() { exec timeout -k 1 "$HEARD_LIMIT" head -c "$1"; }
# What a file of somebody else's names is read with his rights, too: root does not fetch /etc/shadow for who
# writes `include`. DOUBT holds them from then on.
named_reader() {
  reader_of "$1"
  case $AS in '' | "$BOUND") AS=${DOUBT:-$AS} ;; esac
}
doubt() {
  if [ "$ME" != 0 ] || [ -n "$DOUBT" ]; then return; fi
  is_roots "$1" || :
  DOUBT=$AS
}
is_roots() {
  follow "$1"
  if [ -z "$AS" ]; then suspect "$REAL"; fi
  rights_of
  [ -z "$AS" ]
}
# TITLE FILE TITLE FILE … A name with a line break in it would become two.
show_files() { while [ $# -gt 0 ]; do
  case $1$2 in *"$NL"*) ;; *) FILES=$FILES$1$NL$2$NL ;; esac
  shift 2
done; }
# One process for all files of a reader, for a process costs a host more than all the shell's own work: READS
# has a line AS|FILE for each, and `readers` each AS| once. $1 is the program's words, $2 a frame's title or
# nothing, $3 what takes in the answer of all readers, or without a title of those with another's rights.
each_reader() {
  local program=$1 title=$2 intake=$3 number=0 reader file asked
  IFS=$NL
  for reader in $readers; do
    set -f
    set --
    for file in $READS; do case $file in "$reader"*) set -- "$@" "${file#"$reader"}" ;; esac done
    asked=$NL$*$NL
    set +f
    unset IFS
    number=$((number + 1))
    if [ -n "$title" ]; then section "$title $number"; fi
    if [ "$reader$title" = '|' ]; then $program "$@"; else
      AS=${reader%|}
      # shellcheck disable=SC2086 # words of a command
      $AS $program "$@" | $intake
    fi
    IFS=$NL
  done
  unset IFS
}
# Whoever traces a process with his own rights writes in its place: a digest counts for a file that it was
# asked for.
asked_digests() {
  local said line
  said=$(heard 262144)
  IFS=$NL
  set -f
  for line in $said; do
    case $asked in *"$NL${line#*'  '}$NL"*) case ${line%%'  '*} in *[!0-9a-f]*) ;;
    *) printf '%s\n' "$line" ;;
    esac ;;
    esac
  done
  unset IFS
  set +f
}
# tar waits for no FIFO, and says how long each file was when it opened it.
print_files() {
  local paths= file
  IFS=$NL
  set -f
  for file in $FILES; do case $file in /*) paths=$paths$file$NL ;; esac done
  # shellcheck disable=SC2086 # a line each
  judge $paths
  IFS=$NL
  set -f
  # shellcheck disable=SC2086 # a line each
  set -- $FILES
  unset IFS
  set +f
  section shown
  READS=$NL readers=
  while [ $# -gt 0 ]; do
    printf '%s\n%s\n' "$1" "$2"
    case $1 in 'config '* | 'acl-file '* | 'pem '*) named_reader "$2" ;; *) reader_of "$2" ;; esac
    if ! is_large; then
      case $NL$readers in *"$NL$AS|$NL"*) ;; *) readers="$readers$AS|$NL" ;; esac
      case $READS in *"$NL$AS|$2$NL"*) ;; *) READS="$READS$AS|$2$NL" ;; esac
    fi
    shift 2
  done
  set -- 'tar -chPf - -b1 --format=gnu --no-recursion --hard-dereference --ignore-failed-read --'
  each_reader "$1" files 'take 8388608'
}
