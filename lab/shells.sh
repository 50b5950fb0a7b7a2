#!/bin/sh
# Installs zsh and fish where they are missing: the tests of `redkeep completion` complete in real shells.
set -eu

say() { echo "shells: $*" >&2; }
fail() { say "$*"; exit 1; }

if command -v zsh >/dev/null && command -v fish >/dev/null; then exit 0; fi
[ "$(id -u)" -eq 0 ] || fail "installing zsh and fish needs root: run the command again as root"
command -v apt-get >/dev/null || fail "zsh and fish cannot be installed: this machine has no apt; install them by hand"
log=$(mktemp)
say "installing zsh and fish"
{
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends zsh fish
} >"$log" 2>&1 || fail "apt could not install zsh and fish: see $log"
rm -f "$log"
