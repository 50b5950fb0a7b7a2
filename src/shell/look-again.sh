#!/bin/sh
# shellcheck shell=dash
# How the transaction ID stands once it has come to rest, after at most a minute.
d=/var/lib/redkeep/txn/$ID
i=0
while [ $i -lt 240 ]; do
  case $(systemctl show -p ActiveState --value "redkeep-apply-$ID.service") in
  active | activating | deactivating) ;;
  *) break ;;
  esac
  i=$((i + 1))
  sleep 0.25
done
. ./report.sh
