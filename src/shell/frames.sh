# shellcheck shell=dash
section() { printf '\n%s %s\n' "$N" "$*"; }
tell() {
  section "$1"
  IFS=$NL
  set -f
  for told in $2; do printf '>%s\n' "$told"; done
  unset IFS
  set +f
}
