#!/bin/sh
# shellcheck shell=dash
# root runs the program $0 with $1 and $2, by a sudo that asks for no password. sudo is told the user, in case
# `runas_default` is another, and gives root's HOME, whose dotfiles root wrote.
. ./awake.sh
exec sudo -H -u root -n -- /bin/sh -c "$0" sh "$1" "$2"
