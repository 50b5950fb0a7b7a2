#!/bin/sh
# shellcheck shell=dash
# On the controller: becomes the `ssh` that the other arguments call, with $1 seconds of CPU at most. When
# redkeep's end of standard input closes, the process group ends and $2 goes, the folder of ssh's socket: even
# where redkeep was killed, no connection stays behind.
ulimit -t "$1"
directory=$2
shift 2
export REDKEEP_SSH_PID=$$
exec 3<&0
(
  read -r _ <&3
  rm -rf -- "$directory"
  kill -s TERM -- -$$
) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
