# shellcheck shell=dash
# What others wrote is printed, and never echoed or counted as it is: `echo` makes line breaks of \n, and sums
# may hold commands.
record() {
  read -r now _ </proc/uptime
  printf '%s %s\n' "$now" "$*" >>"$d/journal"
}
note() { record "$*" && sync "$d/journal"; }
# FILE: its first line in $line
first() {
  line=
  IFS= read -r line <"$1"
}
# in $state
state() {
  first "$d/state"
  state=$line
}
enter() { echo "$1" >"$d/state.new" && sync "$d/state.new" && mv -f "$d/state.new" "$d/state" && sync "$d"; }
mine() { [ -L $root/pending ] && [ $root/pending -ef "$d" ]; }
# the kernel frees it; 9>&- for what lives on
lock() {
  exec 9>>$root/lock
  flock -w "$1" 9
}
refuse() {
  enter refused
  note "$*"
  exit 75
}
# ExecStopPost rolls back
fail() {
  note "fail $*"
  exit 1
}
# in $ms, of a clock that nobody sets
milliseconds() {
  read -r now _ </proc/uptime
  ms=${now%.*}${now#*.}0
}
