# shellcheck shell=dash
if [ -f /etc/ufw/ufw.conf ] && has ufw; then
  show_files ufw-conf /etc/ufw/ufw.conf ufw-defaults /etc/default/ufw \
    ufw-rules4 /etc/ufw/user.rules ufw-rules6 /etc/ufw/user6.rules
  section ufw-before
  grep -h '^-A ufw6\{0,1\}-before-input' /etc/ufw/before.rules /etc/ufw/before6.rules
fi
# All tables at once. The comments that stay name tables which iptables cannot read.
section kernel4
iptables-save | grep -v -m 50000 '^# [CGW]'
section kernel6
ip6tables-save | grep -v -m 50000 '^# [CGW]'
# The other iptables, of which this one says nothing; asking it where it is unused would load its modules.
# Where this one is it, tables of nft are none of those above, whatever they are called.
first_word /proc/net/ip_tables_names
if [ -n "$VALUE" ]; then
  if iptables -V | grep -q nf_tables; then
    section legacy4
    iptables-legacy-save | grep -v -m 50000 '^#'
  else section only-legacy4; fi
fi
first_word /proc/net/ip6_tables_names
if [ -n "$VALUE" ]; then
  if ip6tables -V | grep -q nf_tables; then
    section legacy6
    ip6tables-legacy-save | grep -v -m 50000 '^#'
  else section only-legacy6; fi
fi
if has nft; then
  section nft
  timeout -k 1 5 nft -s -j list ruleset 2>/dev/null | head -c 4000000
  # What nft 1.0 leaves out of its JSON: that a table is switched off, and whose ingress a chain is at.
  section nft-text
  timeout -k 1 5 nft -s list ruleset 2>/dev/null |
    grep -m 50000 -E '^table |^[[:blank:]](flags|chain) |hook ingress'
fi
section interfaces
echo /sys/class/net/*
section foreign
if is_active firewalld.service; then echo firewalld; fi
if is_active nftables.service; then echo nftables; fi
if is_active netfilter-persistent.service; then echo netfilter-persistent; fi
for hook in before before6 after after6; do if [ -x /etc/ufw/$hook.init ]; then echo $hook.init; fi; done
section docker-ports
if has docker; then
  timeout -k 1 5 docker ps --format '{{.Names}} {{.Ports}}' 2>/dev/null || section docker-silent
fi
