#!/bin/sh
# Installs Chromium where it is missing: the tests of the HTML report open it in a real browser.
set -eu

say() { echo "browser: $*" >&2; }
fail() { say "$*"; exit 1; }

command -v chromium >/dev/null && exit 0
[ "$(id -u)" -eq 0 ] || fail "installing chromium needs root: run the command again as root"
command -v apt-get >/dev/null || fail "chromium cannot be installed: this machine has no apt; install it by hand"
log=$(mktemp)
say "installing chromium"
{
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium fonts-dejavu-core
} >"$log" 2>&1 || fail "apt could not install chromium: see $log"
rm -f "$log"
