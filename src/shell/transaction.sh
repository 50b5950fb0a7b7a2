#!/bin/sh
# shellcheck shell=dash
# The transaction that runs on a host, in a unit of its own, so that a lost connection cannot stop it half
# way. One folder for each: /var/lib/redkeep/txn/ID with
#   env                 names and numbers, as shell assignments
#   files               N PATH OWNER:GROUP MODE         what is written: new/N; old/N is what was there
#                       N PATH absent 0                 what goes
#   directories, modes  PATH OWNER:GROUP MODE           what is created; what only gets another owner or mode
#   removals            PATH OWNER:GROUP MODE           directories that go, where they are empty
#   live, undo          redis-cli's lines               what a Redis that stays up is told; what takes it back
#   created             PATH                            directories that this run made
#   expected            PATH SIGNATURE                  what the plan relied on, in the order of `files` first
#   login.old .new      redis-cli's words; AUTH line; the name of CONFIG; `any` where no password is known
#   state               prepared applying applied committed | rolling_back rolled_back refused needs_human
# No `set -e`: it is off inside `f || x`, so every step says what happens when it fails. Each `$(...)`, pipe
# and program is a process of the host's, and of a thousand processes a first apply takes its time. So what
# the shell can do by itself it does, many files are looked at in one call, and functions tell what they found
# in a variable.
set -u
umask 077
instead=
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset REDISCLI_AUTH
root=/var/lib/redkeep
cd -P "${0%/*}" && d=$PWD && cd / || exit 65
# TMPDIR: where bash keeps its here-documents
id=${d##*/}
TMPDIR=$d
# shellcheck source=/dev/null
. "$d/env"
nl='
'

. ./transaction/journal.sh
. ./transaction/walk.sh
. ./transaction/signatures.sh
. ./transaction/files.sh
. ./transaction/owners.sh
. ./transaction/data.sh
. ./transaction/room.sh
. ./transaction/handover.sh
. ./transaction/program.sh
. ./transaction/ask.sh
. ./transaction/persistence.sh
. ./transaction/restart.sh
. ./transaction/trial.sh
. ./transaction/nets.sh
. ./transaction/relied-on.sh
. ./transaction/firewall.sh
. ./transaction/apply.sh
. ./transaction/rollback.sh
. ./transaction/undo.sh
. ./transaction/kept.sh
. ./transaction/confirm.sh

"$@"
