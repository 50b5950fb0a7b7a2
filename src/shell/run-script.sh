#!/bin/sh
# shellcheck shell=dash
# Runs the script that comes on standard input, once all of it is there: a connection that dies during the
# upload also ends standard input, and half a script would run. $1 and $2 are the halves of the marker that
# stands at both ends of the script. The script itself finds standard input at its end.
redkeep_mark=$1:$2
shift 2
echo "$redkeep_mark"
echo "$redkeep_mark" >&2
redkeep_script=$(cat)
case $redkeep_script in
  "#$redkeep_mark"*"#$redkeep_mark") eval "$redkeep_script" ;;
  *) echo "$redkeep_mark incomplete" >&2; exit 65 ;;
esac
