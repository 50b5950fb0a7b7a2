# shellcheck shell=dash
# Sourced in the repository's root: installs the dependencies where they are missing or older than the lock file, and
# puts their programs, the pinned Node among them, first in PATH.

for program in node npm; do
  if ! command -v $program >/dev/null; then
    echo "$program is missing: install Node.js 20 or newer with npm" >&2
    return 1
  fi
done

if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "Installing dependencies" >&2
  # errors only: the machine's own Node may be older than the one that is being installed
  npm ci --loglevel=error --no-audit --no-fund >&2 || return 1
fi

# Node comes by an install script, which a machine may have switched off.
if ! node_modules/.bin/node --version >/dev/null 2>&1; then
  echo "Installing the pinned Node" >&2
  npm rebuild node --ignore-scripts=false --loglevel=error >&2 || return 1
fi

PATH=$PWD/node_modules/.bin:$PATH
export PATH
