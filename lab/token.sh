#!/bin/sh
# Installs SoftHSM, a PKCS #11 token in software, where it is missing: a test logs in with a key that lies in one.
set -eu

say() { echo "token: $*" >&2; }
fail() { say "$*"; exit 1; }

command -v softhsm2-util >/dev/null && exit 0
[ "$(id -u)" -eq 0 ] || fail "installing softhsm2 needs root: run the command again as root"
command -v apt-get >/dev/null || fail "softhsm2 cannot be installed: this machine has no apt; install it by hand"
log=$(mktemp)
say "installing softhsm2"
{
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends softhsm2
} >"$log" 2>&1 || fail "apt could not install softhsm2: see $log"
rm -f "$log"
