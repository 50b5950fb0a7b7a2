#!/bin/sh
# Installs the programs that only tests need, where they are missing: Ansible to compare with, SoftHSM as a token, a
# Kerberos realm to log in by, zsh and fish to complete in, rsync for the pipeline that runs here.
set -eu

say() { echo "tools: $*" >&2; }
fail() { say "$*"; exit 1; }

missing=""
# An ordinary user's PATH, kept by su, has neither krb5kdc nor kadmin.local.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
for tool in ansible-inventory:ansible-core softhsm2-util:softhsm2 krb5kdc:krb5-kdc kadmin.local:krb5-admin-server kinit:krb5-user \
  zsh:zsh fish:fish rsync:rsync; do
  command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool#*:}"
done
[ -n "$missing" ] || exit 0
[ "$(id -u)" -eq 0 ] || fail "installing$missing needs root: run the command again as root"
command -v apt-get >/dev/null || fail "this machine has no apt: install$missing by hand"
log=$(mktemp)
say "installing$missing"
{
  apt-get update -q
  # shellcheck disable=SC2086 # a list of packages
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
} >"$log" 2>&1 || fail "apt could not install$missing: see $log"
rm -f "$log"
