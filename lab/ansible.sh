#!/bin/sh
# Installs Ansible where it is missing: the tests compare what it reads of an inventory with what redkeep reads.
set -eu

say() { echo "ansible: $*" >&2; }
fail() { say "$*"; exit 1; }

command -v ansible-inventory >/dev/null && exit 0
[ "$(id -u)" -eq 0 ] || fail "installing ansible-core needs root: run the command again as root, or pipx install ansible-core"
command -v apt-get >/dev/null || fail "ansible-core cannot be installed: this machine has no apt; pipx install ansible-core"
log=$(mktemp)
say "installing ansible-core"
{
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends ansible-core
} >"$log" 2>&1 || fail "apt could not install ansible-core: see $log"
rm -f "$log"
