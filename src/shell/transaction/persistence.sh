# shellcheck shell=dash
# LOGIN SECTION FIELD VALUE: until it holds, at most $CAP seconds
wait_info() {
  milliseconds
  until=$((ms + CAP * 1000))
  until
    info "$1" "$2" "$3"
    [ "$value" = "$4" ]
  do
    milliseconds
    [ "$ms" -lt $until ] || return 1
    sleep 0.05
  done
}
# One that fails stops every write of the clients until another succeeds: none is tried where it is seen that
# it would.
# what is in memory now is on disk afterwards
snapshot() {
  if [ -n "$DATA" ]; then
    login "$1"
    dropped 5 "$client" --init-groups test -w "$DATA" >/dev/null 2>&1 || return 1
  fi
  wait_info "$1" persistence rdb_bgsave_in_progress 0 || return 1
  field aof_rewrite_in_progress
  [ "$value" = 0 ] || wait_info "$1" persistence aof_rewrite_in_progress 0 || return 1
  one "$1" BGSAVE
  case $last in *started* | *scheduled*) ;; *) return 1 ;; esac
  wait_info "$1" persistence rdb_bgsave_in_progress 0 && field rdb_last_bgsave_status && [ "$value" = ok ]
}
rewrite_aof() {
  wait_info "$1" persistence aof_rewrite_in_progress 0 &&
    wait_info "$1" persistence aof_rewrite_scheduled 0 &&
    wait_info "$1" persistence aof_rewrite_in_progress 0 && field aof_last_bgrewrite_status &&
    [ "$value" = ok ]
}
# those of RENAMED (A|B) that the AOF holds: a command's name follows the lines *COUNT and $LENGTH
aof_names() {
  each_data aof_text_here |
    tr -d '\r' | grep -aioxE "$RENAMED" | tr '[:lower:]' '[:upper:]' | sort -u | paste -sd' ' -
}
# NAME...: with the rights of whose they are, and in short lines: a value may be one of half a gigabyte
aof_text_here() {
  for n; do
    case $n in *.aof) as_owner "$(stat -c %U "$n")" fold -bw 8192 "$n" | grep -aA2 '^[*][0-9]' ;;
    esac
  done
  return 0
}
# From whatever is running to SAVE and APPENDONLY: what is switched on is on disk before anything goes off.
# LOGIN SAVE APPENDONLY
persist() {
  config_get "$1" save
  save=$value
  config_get "$1" appendonly
  aof=$value
  if [ "$2" != "$save" ] && [ -n "$2" ]; then config_set "$1" save "$2" || return 1; fi
  if [ -n "$2" ] && { [ -z "$save" ] || { [ "$aof" = yes ] && [ "$3" = no ]; }; }; then
    snapshot "$1" || return 1
  fi
  if [ "$3" = yes ] && [ "$aof" != yes ]; then
    config_set "$1" appendonly yes && wait_info "$1" persistence aof_enabled 1 && rewrite_aof "$1" || return 1
  fi
  if [ "$3" = no ] && [ "$aof" = yes ]; then config_set "$1" appendonly no || return 1; fi
  if [ -z "$2" ] && [ -n "$save" ]; then config_set "$1" save '' || return 1; fi
}
