#!/bin/sh
# shellcheck shell=dash
# Has the host put back what the transaction ID changed, and says how it stands.
d=/var/lib/redkeep/txn/$ID
/bin/sh "$d/transaction.sh" rollback asked >/dev/null 2>&1
. ./report.sh
