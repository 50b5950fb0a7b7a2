#!/bin/sh
# shellcheck shell=dash
# What a host says of itself, for the controller: one program that prints each fact in frames. Parts that
# nobody asked for are left out, and what a part is told stands ahead of it, as assignments (src/facts). They
# share variables, and come in this order.
set -u
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
unset REDISCLI_AUTH
. ./probe/reading.sh
{
  . ./probe/host.sh
  . ./probe/service.sh
  . ./probe/config-files.sh
  . ./probe/redis.sh
  . ./probe/files.sh
  . ./probe/certificates.sh
  . ./probe/proofs.sh
  . ./probe/others.sh
  . ./probe/firewall.sh
  . ./probe/system.sh
  . ./probe/sentinels.sh
  . ./probe/transaction.sh
  . ./probe/traces.sh
  . ./probe/kept.sh
  print_files
  section end
} </dev/null 2>/dev/null
