#!/bin/sh
# `npm run bench [-- OPTIONS]`: sets up what is needed, builds redkeep as its users get it, and measures. See bench.ts.
set -eu
cd "$(dirname "$0")/../.."
. lab/dependencies.sh
LAB_IMAGE=$(sh lab/setup.sh)
export LAB_IMAGE
npm run --silent build
PYTHONPATH=$(sh measure/peers/install.sh)${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH
exec node measure/speed/bench.ts "$@"
