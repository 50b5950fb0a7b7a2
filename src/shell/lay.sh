# shellcheck shell=dash
# Makes the folder of the transaction ID and what LAID has in it. 65: nothing has begun.
set -u
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
root=/var/lib/redkeep
d=$root/txn/$ID

# FOLDER...: in a folder of root's that nobody else comes to.
make_folders() {
  # shellcheck disable=SC2174 # the folder above it is the system's
  mkdir -p -m 700 $root/txn && [ ! -L $root ] && [ "$(stat -c '%u %a' $root)" = '0 700' ] &&
    mkdir "$@" || exit 65
}
# Written by the shell itself: a program for each file would cost more than all that the host is asked at
# first.
lay_down() {
  laid=
  # shellcheck disable=SC2153 # from the controller
  eval "$(
    base64 -d <<.
$LAID
.
  )"
  [ -n "$laid" ] || exit 65
}
