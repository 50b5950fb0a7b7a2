import { FRAME_FUNCTIONS } from "../lib/frame.ts";
import { GROUP_FUNCTIONS } from "./groups.ts";

/**
 * How the probe's script reads on a host where others may write: the one place that decides with whose rights a file is
 * opened. Root opens by path only what nobody else can swap: where root alone may write each folder that the path leads
 * through, those that hold a link of it included. Where it leads is not enough: by then a link may lead elsewhere. Below any
 * other folder a process with the rights of the folder's owner reads, so that a link leads it nowhere that he could not go
 * himself; it opens no FIFO for long, and is ended after some seconds.
 *
 * A file of another's in a folder of root's is opened by root, and may be of any size, then grow while it is read, or be held
 * by its owner. So its size is looked at first, and whoever reads it has some seconds.
 */

/** Bytes of one file that are taken: a configuration beyond that is not one, and none is read. */
export const FILE_LIMIT = 1_048_576;

/** Bytes that one reader hands over of all its files: more than any configuration has. */
export const FILES_LIMIT = 8 * 1024 * 1024;

/** Bytes of the digests that one reader tells. */
const DIGESTS_LIMIT = 262_144;

/** Seconds for a program that reads with another user's rights, or another user's file. */
const READER_LIMIT = 5;

/** Seconds for what it prints: its user may take the pipe's end out of it, and keep that open. */
export const HEARD_LIMIT = READER_LIMIT + 2;

/** KiB of address space for a program that keeps what it reads. */
export const READER_MEMORY = 256 * 1024;

/** Links that a path may lead through: the kernel follows 40. */
const MAX_LINKS = 40;

/** Who reads where there is nobody better: no file of anybody's. */
export const NOBODY = "--reuid=65534 --regid=65534 --clear-groups";

/**
 * Functions of the shell:
 * - `judge PATH…` looks up who may write these real paths and all above them, with one process for all.
 * - `reader_of FILE` puts into AS the words before a program that opens it: none where root may do it itself, and for as long
 *   as it takes.
 * - `named_reader FILE` does the same for a file that another file names, which `doubt FILE` has told of.
 * - `is_large FILE`: it has more bytes than are taken. Of the file that reader_of was last asked for.
 * - `beginning FILE BYTES` prints as much of it, in a pipe: the one way to read a file as a text.
 * - `is_roots FILE`: nobody but root can write it or have its path lead to another. Then root may run it by this path.
 * - `show_files TITLE FILE…` has files printed byte for byte, by print_files at the end.
 *
 * They take ME, the user that the script runs as, and DROP, the words that give a program the service user's rights.
 */
export const READING_FUNCTIONS = `NL='
' FILES= JUDGED='
' LARGE='
' ME= DROP= SERVICE_UID= AS= REAL= DOUBT= BOUND='timeout -s KILL ${READER_LIMIT}'
unset CDPATH
has() { command -v "$1" >/dev/null 2>&1; }
${FRAME_FUNCTIONS}
${GROUP_FUNCTIONS}
# Puts into VALUE what is known of one path itself: who else may write it.
judged() { VALUE=\${JUDGED##*"$NL$1|"}; VALUE=\${VALUE%%"$NL"*}; }
judge() {
  local path paths= uid gid mode size may
  for path; do
    while :; do
      case $path in *"$NL"*|*'|'*) break;; esac
      case $JUDGED$paths in *"$NL\${path:-/}|"*|*"$NL\${path:-/}$NL"*) break;; esac
      paths=$paths$NL\${path:-/}$NL
      if [ "\${path:-/}" = / ]; then break; fi
      path=\${path%/*}
    done
  done
  if [ -z "$paths" ]; then return; fi
  IFS=$NL; set -f; set -- $paths; unset IFS; set +f
  while read -r uid gid mode size path; do
    case $uid:$gid:$mode in
      0:*:*[2367]) may=any;;
      # The bits of the group are those of an access list, where there is one: then they say nothing of root's own group.
      0:0:*[2367]?) may=any; case $(ls -ld -- "$path" 2>/dev/null) in ??????????+*) ;; ??????????*) may=;; esac;;
      0:*:*[2367]?) may=any;;
      0:*) may=;;
      *) may="$uid $gid";;
    esac
    JUDGED="$JUDGED$path|$may$NL"
    if [ "$size" -gt ${FILE_LIMIT} ]; then LARGE=$LARGE$path$NL; fi
  done <<END
$(stat -c '%u %g %a %s %n' -- "$@")
END
}
# Adds to AS who else than root may write this path. Two of different names are nobody in particular.
suspect() {
  local path=\${1:-/}
  case $JUDGED in *"$NL$path|"*) ;; *) judge "$1";; esac
  case $JUDGED in *"$NL$path|"*) judged "$path";; *) VALUE=any;; esac
  case $VALUE in
    '') ;; any) AS=any;; "\${AS%% *} "*) AS=$VALUE;;
    *) if [ -z "$AS" ]; then AS=$VALUE; else AS=any; fi;;
  esac
}
# Goes to a path as the kernel will, a name at a time. Puts into AS who else may write a folder that holds one of the names, and
# into REAL where it comes to. Behind another's folder no link counts: it may lead elsewhere a moment later.
follow() {
  local rest=\${1#/} part target links=
  REAL= AS=
  case $1 in *"$NL"*|*'|'*|[!/]*|'') AS=any; return;; esac
  judge "$1"
  while :; do
    suspect "$REAL"
    part=\${rest%%/*}; case $rest in */*) rest=\${rest#*/};; *) rest=;; esac
    case $part in
      ''|.) ;; ..) REAL=\${REAL%/*};;
      *) if [ ! -L "$REAL/$part" ]; then REAL=$REAL/$part
        elif [ -n "$AS" ]; then return
        else
          links=x$links; target=$(readlink -- "$REAL/$part")
          if [ \${#links} -gt ${MAX_LINKS} ]; then AS=any; fi
          case $target in *"$NL"*|*'|'*|'') AS=any;; /*) REAL=;; esac
          if [ -n "$AS" ]; then return; fi
          rest=\${target#/}\${rest:+/$rest}
        fi;;
    esac
    if [ -z "$rest" ]; then return; fi
  done
}
# Puts the words into AS that go with who is in it. Where it is nobody in particular, the server itself would read with the
# service user's rights.
rights_of() {
  case $AS in
    '') return;;
    any|"$SERVICE_UID "*) AS=\${DROP:-setpriv ${NOBODY}};;
    *) AS="setpriv --reuid=\${AS% *} --regid=\${AS#* } --clear-groups";;
  esac
  AS="$BOUND $AS"
}
# Who is not root reads with his own rights, and no others.
reader_of() {
  AS= REAL=$1; if [ "$ME" != 0 ]; then return; fi
  follow "$1"; rights_of
  if [ -z "$AS" ]; then suspect "$REAL"; if [ -n "$AS" ]; then AS=$BOUND; fi; fi
}
is_large() {
  if [ "$ME" != 0 ]; then judge "$REAL"; fi
  case $LARGE in *"$NL$REAL$NL"*) ;; *) return 1;; esac
}
beginning() {
  if [ -z "$AS" ]; then exec head -c "$2" -- "$1"; fi
  $AS head -c "$2" -- "$1" | heard "$2"
}
take() { if [ -n "$AS" ]; then heard "$1"; else exec head -c "$1"; fi; }
# What a program prints that reads with another's rights, to its end or to ours. In a pipe.
heard() { exec timeout -k 1 ${HEARD_LIMIT} head -c "$1"; }
# What a file of somebody else's names is read with his rights, too: root does not fetch /etc/shadow for who writes \`include\`.
# DOUBT holds them from then on.
named_reader() { reader_of "$1"; case $AS in ''|"$BOUND") AS=\${DOUBT:-$AS};; esac; }
doubt() {
  if [ "$ME" != 0 ] || [ -n "$DOUBT" ]; then return; fi
  is_roots "$1" || :
  DOUBT=$AS
}
is_roots() {
  follow "$1"; if [ -z "$AS" ]; then suspect "$REAL"; fi
  rights_of; [ -z "$AS" ]
}
# TITLE FILE TITLE FILE … A name with a line break in it would become two.
show_files() { while [ $# -gt 0 ]; do case $1$2 in *"$NL"*) ;; *) FILES=$FILES$1$NL$2$NL;; esac; shift 2; done; }
# One process for all files of a reader, for a process costs a host more than all the shell's own work: READS has a line
# AS|FILE for each, and \`readers\` each AS| once. $1 is the program's words, $2 a frame's title or nothing, $3 what takes in the
# answer of all readers, or without a title of those with another's rights.
each_reader() {
  local program=$1 title=$2 intake=$3 number=0 reader file asked
  IFS=$NL; for reader in $readers; do
    set -f; set --
    for file in $READS; do case $file in "$reader"*) set -- "$@" "\${file#"$reader"}";; esac; done
    asked=$NL$*$NL
    set +f; unset IFS; number=$((number + 1)); if [ -n "$title" ]; then section "$title $number"; fi
    if [ "$reader$title" = '|' ]; then $program "$@"; else AS=\${reader%|}; $AS $program "$@" | $intake; fi
    IFS=$NL
  done; unset IFS
}
# Whoever traces a process with his own rights writes in its place: a digest counts for a file that it was asked for.
asked_digests() {
  local said line; said=$(heard ${DIGESTS_LIMIT})
  IFS=$NL; set -f
  for line in $said; do
    case $asked in *"$NL\${line#*'  '}$NL"*) case \${line%%'  '*} in *[!0-9a-f]*) ;; *) printf '%s\\n' "$line";; esac;; esac
  done
  unset IFS; set +f
}
# tar waits for no FIFO, and says how long each file was when it opened it.
print_files() {
  local paths= file
  IFS=$NL; set -f; for file in $FILES; do case $file in /*) paths=$paths$file$NL;; esac; done
  judge $paths; IFS=$NL; set -f; set -- $FILES; unset IFS; set +f
  section shown; READS=$NL readers=
  while [ $# -gt 0 ]; do
    printf '%s\\n%s\\n' "$1" "$2"
    case $1 in 'config '*|'acl-file '*|'pem '*) named_reader "$2";; *) reader_of "$2";; esac
    if ! is_large; then
      case $NL$readers in *"$NL$AS|$NL"*) ;; *) readers="$readers$AS|$NL";; esac
      case $READS in *"$NL$AS|$2$NL"*) ;; *) READS="$READS$AS|$2$NL";; esac
    fi
    shift 2
  done
  each_reader 'tar -chPf - -b1 --format=gnu --no-recursion --hard-dereference --ignore-failed-read --' files 'take ${FILES_LIMIT}'
}`;
