#!/bin/sh
# shellcheck shell=dash
# Takes redkeep off the host: its program is laid down as a transaction's is, and takes its own folder away
# last.
. ./lay.sh
. ./frames.sh
NL='
'
make_folders "$d"
lay_down
said=$(
  /bin/sh "$d/transaction.sh" eject </dev/null 2>&1 | head -c 4096
  echo .
)
status=0
if [ -e $root ] || [ -L $root ]; then
  status=1
  rm -rf "$d"
fi
section status
echo $status
tell said "${said%.}"
section end
