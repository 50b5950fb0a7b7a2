#!/bin/sh
# shellcheck shell=dash
# Lays down the transaction ID, starts it in a unit of its own, waits, and prints what came of it.
. ./lay.sh

# Whose end nobody waits for: it runs on where the connection is lost.
start() {
  systemd-run -q --wait --collect --unit="redkeep-apply-$ID" --description=redkeep \
    -p "RuntimeDirectory=redkeep-$ID" -p RuntimeDirectoryMode=0711 \
    -p "StandardOutput=append:$d/log" -p "StandardError=append:$d/log" \
    -p "ExecStopPost=/bin/sh $d/transaction.sh rollback stop" -p "TimeoutStopSec=$STOP_SECONDS" \
    /bin/sh "$d/transaction.sh" apply </dev/null >>"$d/log" 2>&1
}

make_folders "$d" "$d/new" "$d/old" "$d/scratch"
begun=
trap 'if [ -z "$begun" ]; then rm -rf "$d"; fi' EXIT
lay_down
echo prepared >"$d/state" && : >"$d/log" && : >"$d/journal" && begun=1 || exit 65
# What comes out of backups of the host's own.
IFS='
'
for copy in $COPIES; do cp "${copy#* }" "$d/new/${copy%% *}" || exit 65; done
unset IFS
if [ -z "$SOURCE" ]; then
  start
else
  cat "$root/txn/$SOURCE/env" "$d/env.own" >"$d/env" || exit 65
  /bin/sh "$d/transaction.sh" undo "$SOURCE" </dev/null >>"$d/log" 2>&1 && start
fi
read -r state <"$d/state"
case $state in prepared | refused) rm -f "$d"/login.* ;; esac
# Where the unit never started, nothing of it takes away what nobody uses now.
if [ "$state" = refused ]; then rm -rf "$d/new" "$d/scratch"; fi
. ./report.sh
