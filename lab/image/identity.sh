#!/bin/sh
# First boot of a lab host: host keys of its own, and the checkout's key let in for every user.
set -eu
printf '%s\n' "${LAB_AUTHORIZED_KEY:-}" > /etc/ssh/lab_authorized_keys
# 1024 bits: to find a longer RSA key would be a large part of the boot.
ssh-keygen -q -t rsa -b 1024 -N '' -f /etc/ssh/ssh_host_rsa_key &
ssh-keygen -q -t ecdsa -N '' -f /etc/ssh/ssh_host_ecdsa_key
wait
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
