#!/bin/sh
# shellcheck shell=dash
# As as-root.sh, by a sudo that asks for a password, with a prompt that nobody else knows. -k: it neither uses
# nor keeps a cached login, so that it asks the same each time.
. ./awake.sh
exec sudo -H -u root -S -k -p "$1:$2:" -- /bin/sh -c "$0" sh "$1" "$2"
