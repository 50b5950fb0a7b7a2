#!/bin/sh
# Checks all shell of the repository with ShellCheck. A program that a host gets is checked with its parts.
set -eu
cd "$(dirname "$0")/.."

if ! command -v shellcheck >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "check: shellcheck is missing: install it (Debian's package shellcheck)" >&2
    exit 1
  fi
  echo "Installing shellcheck" >&2
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends shellcheck; } \
    >/dev/null || { echo "check: shellcheck cannot be installed: apt-get failed" >&2; exit 1; }
fi

# Parts have no first line of their own, and are checked where they are read.
grep -l '^#!/bin/sh' src/shell/*.sh | xargs shellcheck --external-sources --check-sourced
find lab measure recipes -name '*.sh' -exec shellcheck --external-sources {} +

long=$(grep -rnE '^.{111}' src/shell --include='*.sh' || true)
if [ -n "$long" ]; then
  printf 'check: no line of src/shell is longer than 110 columns\n%s\n' "$long" >&2
  exit 1
fi
