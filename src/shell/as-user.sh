#!/bin/sh
# shellcheck shell=dash
# The login user runs the script, in the C locale: what programs say is read.
LC_ALL=C
export LC_ALL
. ./run-script.sh
