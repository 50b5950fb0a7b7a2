#!/bin/sh
# `npm run demo [-- --keep]`: sets up what is needed, then shows redkeep on three insecure Redis hosts.
set -eu
cd "$(dirname "$0")/.."
DEMO_STARTED=$(date +%s)
export DEMO_STARTED
. lab/dependencies.sh
LAB_IMAGE=$(sh lab/setup.sh)
export LAB_IMAGE
exec node lab/demo.ts "$@"
