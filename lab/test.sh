#!/bin/sh
# `npm test`: everything that is tested, from a fresh clone on. The last line is "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
if ! . lab/dependencies.sh; then
  echo "The dependencies could not be installed." >&2
  echo "0 passed, 1 failed"
  exit 1
fi
exec node lab/test.ts
