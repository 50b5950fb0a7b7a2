# shellcheck shell=dash
# Compare and swap from `applied` to `committed`, under the lock that a rollback takes too. The nonce comes on
# stdin.
confirm() {
  IFS= read -r nonce
  # shellcheck disable=SC2153 # from the transaction's env
  [ "$nonce" = "$NONCE" ] || exit 65
  lock 60 || exit 75
  state
  if [ "$state" = applied ]; then
    enter committed
    state
  fi
  if [ "$state" = committed ]; then
    last=
    if [ -f "$d/last-snapshot" ]; then
      first "$d/last-snapshot"
      last=$line
    fi
    if [ -n "$last" ]; then dump_file "$last" late "$d/last-snapshot" "$d/old/last.rdb"; fi
    finish
    note committed
    set -- $root/txn/*
    # As long as none was ever taken away, the oldest state that is kept is the original.
    if [ $# -gt 5 ]; then prune; elif [ ! -e $root/original ]; then : >$root/original; fi
  fi
}
