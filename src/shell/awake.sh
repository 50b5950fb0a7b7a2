# shellcheck shell=dash
# Tells redkeep that the login shell runs commands; then sets the C locale, since what sudo says is read.
echo "$1" >&2
LC_ALL=C
export LC_ALL
