#!/bin/sh
# shellcheck shell=dash
# Looks at Redis hosts from this one, with what is there: bash, python3 or nc for TCP, openssl for TLS. It
# needs no rights, holds no secret and writes no file. LOOK_0, LOOK_1 and so on say what is asked of each of
# TARGETS hosts; WORKERS of them are looked at beside each other, and none is begun after BEGINS seconds.
# Each line that is printed begins with N and is one write, so that their answers do not mix.
set -uf
LC_ALL=C
export LC_ALL
BEGAN=$(date +%s)
NL='
'
# PROGRAM: whether it is there.
has() { command -v "$1" >/dev/null 2>&1; }
# WORD...: one line for the controller.
say() { printf '%s %s\n' "$N" "$*"; }
# Passes on what can be printed.
text() { tr -cd '\011\012\040-\176'; }
# WORDS: says each line that comes in, behind these words.
lines() { cut -c1-300 | while IFS= read -r line; do say "$1" "$line"; done; }
tool=none
if has timeout; then
  for one in bash python3 nc; do if has $one; then
    tool=$one
    break
  fi; done
fi
say - tool $tool
if has timeout && has openssl; then tls=yes; else tls=no; fi
say - openssl $tls
# ADDRESS PORT SECONDS ping|no TARGET: whether the port lets in, and what it answers to PING. What timeout
# ends has not tried for so long: that is no "timed out".
# shellcheck disable=SC2016 # bash's own variables
tcp() {
  {
    case $tool in
      bash)
        timeout $(($3 + 6)) bash -c '
exec 4< <(exec 2>&1; exec 3<>"/dev/tcp/$0/$1" || exit 1; echo open; [ "$3" = ping ] || exit 0
  printf "PING\r\nQUIT\r\n" >&3; head -c 300 <&3)
tried=$!
if read -r -t "$2" -u 4 line; then echo "$line"; while read -r -t 2 -u 4 line; do echo "$line"; done
else [ $? -le 128 ] || echo "timed out"; fi
kill $tried 2>/dev/null' "$1" "$2" "$3" "$4"
        ;;
      python3)
        timeout $(($3 + 6)) python3 -c '
import socket, sys
try: s = socket.create_connection((sys.argv[1], int(sys.argv[2])), int(sys.argv[3]))
except Exception as e: sys.exit(str(e))
print("open", flush=True)
if sys.argv[4] != "ping": sys.exit()
s.settimeout(1)
s.sendall(b"PING\r\nQUIT\r\n")
sys.stdout.buffer.write(s.recv(300))' "$1" "$2" "$3" "$4"
        ;;
      nc)
        if text=$(timeout $(($3 + 6)) nc -z -v -w "$3" "$1" "$2" 2>&1); then
          echo open
          [ "$4" = no ] || printf 'PING\r\nQUIT\r\n' | timeout 3 nc -w 2 "$1" "$2" | head -c 300
        else
          status=$?
          echo "$text"
          (exit $status)
        fi
        ;;
      *) false ;;
    esac
    echo "
exit $?"
  } 2>&1 | text | grep . | head -n 8 | lines "$5 port $2"
}
# ENDPOINT OPTION...: speaks TLS.
client() { timeout 4 openssl s_client -connect "$@"; }
# TARGET NAME ENDPOINT OPTION...: how a handshake with these options ends.
handshake() {
  about="$1 tls $2"
  shift 2
  {
    client "$@" </dev/null
    echo "exit $?"
  } 2>&1 | text | grep -E '^-----BEGIN CERT|Cipher is|alert number|errno|error:|nknown option|^exit' |
    head -n 8 | lines "$about"
}
# TARGET ENDPOINT: the certificates that are served.
served() {
  client "$2" -showcerts </dev/null 2>/dev/null | text |
    sed -n '/^-----BEGIN CERT/,/^-----END CERT/p' | head -n "$CHAIN_LINES" | lines "$1 chain"
}
# TARGET ENDPOINT: what a client without a certificate and without a login gets for PING.
stranger() {
  printf 'PING\r\nQUIT\r\n' | client "$2" -quiet -ign_eof 2>&1 | text |
    grep -E '^[-+]|alert number|errno|error:' | head -n 4 | lines "$1 reply"
}
# TARGET: does what its LOOK says, line by line. All ports that may speak clear text are tried beside each
# other. What comes behind the line `tls` is done only if that port lets in.
look() {
  target=$1
  IFS=$NL
  eval "set -- \$LOOK_$target"
  unset IFS
  for line; do
    # shellcheck disable=SC2086 # words
    set -- $line
    case $1 in
      plain) tcp "$2" "$3" "$4" ping "$target" & ;;
      tls)
        seen=$(tcp "$2" "$3" "$4" no "$target")
        printf '%s\n' "$seen"
        case $tls$seen in yes*" port $3 open"*) ;; *) break ;; esac
        ;;
      handshake)
        shift
        handshake "$target" "$@"
        ;;
      served) served "$target" "$2" ;;
      stranger) stranger "$target" "$2" ;;
    esac
  done
  wait
}
# FIRST: looks at every WORKERS-th target, from this one on.
work() {
  i=$1
  while [ "$i" -lt "$TARGETS" ]; do
    if [ $(($(date +%s) - BEGAN)) -lt "$BEGINS" ]; then
      look "$i"
      say "$i" "done"
    fi
    i=$((i + WORKERS))
  done
}
w=0
while [ $w -lt "$WORKERS" ]; do
  work $w &
  w=$((w + 1))
done
wait
say - end
