#!/bin/sh
# shellcheck shell=dash
# What the controller's ssh runs where it wants a secret: prints a line of the pipe beside this program. $1 is
# the prompt. Only ssh itself asks for passphrases and PINs; what a server asks by keyboard-interactive begins
# with "(user@host)" since OpenSSH 8.5, and comes with a passphrase in hand from no version.
case $SSH_ASKPASS_PROMPT in none) exit 0 ;; confirm) exit 1 ;; esac
# It answers redkeep's own ssh alone. One that a ProxyCommand runs inherits the environment, and would show
# the host's password to a jump host.
[ "$PPID" = "$REDKEEP_SSH_PID" ] || {
  kill -s TERM "$PPID"
  exit 1
}
# Where the password is wanted a second time, the pipe has an empty line, and ssh is ended: each answer would
# be another failed login.
case $1 in
  "Enter passphrase for "* | "Enter PIN for "*) IFS= read -r answer <"${0%/*}/passphrase" ;;
  *) { IFS= read -r answer <"${0%/*}/password" && [ -n "$answer" ]; } || kill -s TERM "$PPID" ;;
esac
[ -n "$answer" ] || exit 1
printf '%s\n' "$answer"
