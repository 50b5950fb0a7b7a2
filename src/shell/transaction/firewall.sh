# shellcheck shell=dash
call_ufw() { timeout 60 ufw "$@" >/dev/null 9>&-; }
# each family in one step; `ufw reload` would leave every port open or closed for a second
load_firewall() {
  iptables-restore -w 10 -n </etc/ufw/user.rules && { [ "$IPV6" != yes ] ||
    ip6tables-restore -w 10 -n </etc/ufw/user6.rules; }
}
# allow|deny|reject
write_policy() {
  case $1 in allow) target=ACCEPT ;; deny) target=DROP ;; *) target=REJECT ;; esac
  sed -i "s/^DEFAULT_INPUT_POLICY=.*/DEFAULT_INPUT_POLICY=\"$target\"/" /etc/default/ufw &&
    sync /etc/default/ufw
}
# What becomes of what no rule names, in one step for each family: `ufw default` stops a running firewall and
# starts it again.
# allow|deny|reject
set_policy() {
  write_policy "$1" || return 1
  case $target in ACCEPT) chain=ACCEPT ;; *) chain=DROP ;; esac
  for v in '' 6; do
    if [ "$v" = 6 ] && [ "$IPV6" != yes ]; then continue; fi
    {
      printf '*filter\n:INPUT %s [0:0]\n' $chain
      printf ":ufw$v-%s-input - [0:0]\n" reject track skip-to-policy
      echo "-A ufw$v-skip-to-policy-input -j $target"
      case $1 in
      reject) echo "-A ufw$v-reject-input -j REJECT" ;;
      allow) for p in tcp udp; do
        echo "-A ufw$v-track-input -p $p -m conntrack --ctstate NEW -j ACCEPT"
      done ;;
      esac
      echo COMMIT
    } | "ip${v}tables-restore" -w 10 -n || return 1
  done
  # What it logs on the way differs with `allow`.
  case "$POLICY $OLD_POLICY" in *allow*) call_ufw logging "$(sed -n 's/^LOGLEVEL=//p' /etc/ufw/ufw.conf)" ;;
  esac
}
# ufw loads its rules one after the other, and before the last is there it drops or rejects those whom it is
# about to let in. So who comes as far as its rules gets in meanwhile, as before: behind the rules of others,
# and ahead of ufw's own.
HELD="-m comment --comment redkeep -j ACCEPT"
# in $chains: what comes in, and where ufw is to turn away what goes out, the answers
held_chains() {
  chains=INPUT
  grep -q '^DEFAULT_OUTPUT_POLICY="\{0,1\}ACCEPT' /etc/default/ufw || chains='INPUT OUTPUT'
}
# TABLES CHAIN: in $place the number that its first rule of ufw's has. None where others' rules end the chain
find_place() {
  # without IPv6 in the kernel: ufw skips it, too
  place=1
  behind=
  rest=$("$1" -w 10 -S "$2") || return 1
  rest=$rest$nl
  while [ -n "$rest" ]; do
    case ${rest%%"$nl"*} in
    "-P $2 ACCEPT") ;; "-P "*) return 1 ;;
    "-A $2 -j ufw-"* | "-A $2 -j ufw6-"*) behind=1 ;;
    *)
      [ -z "$behind" ] || return 1
      place=$((place + 1))
      ;;
    esac
    rest=${rest#*"$nl"}
  done
}
hold_open() {
  held_chains
  for v in '' 6; do
    if [ "$v" = 6 ] && [ "$IPV6" != yes ]; then continue; fi
    for chain in $chains; do
      if find_place "ip${v}tables" "$chain"; then
        # shellcheck disable=SC2086 # a rule is words
        "ip${v}tables" -w 10 -I "$chain" "$place" $HELD || return 1
      fi
    done
  done
}
# until there is none, in both chains: ufw's policy may have changed since. Status 1: no such rule is there,
# 2 and 3: the kernel has no such table. From 4 on, nobody could look
let_go() {
  for v in '' 6; do
    for chain in INPUT OUTPUT; do
      until
        # shellcheck disable=SC2086 # a rule is words
        "ip${v}tables" -w 10 -D "$chain" $HELD 2>/dev/null
        ended=$?
        [ $ended != 0 ]
      do :; done
      [ $ended -lt 4 ] || return 1
    done
  done
}
enable_firewall() { hold_open && start_ufw && let_go; }
# Where ufw's files are as it would write them, `ufw enable` loads them as a boot does and then does all of it
# again, a program for each rule of its logging.
start_ufw() {
  if [ -z "$LOAD_ONLY" ] || [ ! -x /lib/ufw/ufw-init ]; then
    call_ufw --force enable
    return
  fi
  { set_enabled yes && said=$(timeout 60 /lib/ufw/ufw-init start 2>&1 9>&-); } || {
    echo "$said"
    return 1
  }
  # what is left of an earlier time, it did not touch
  case $said in *"already started"*) call_ufw --force enable ;; esac
}
# yes|no
set_enabled() { sed -i "s/^ENABLED=.*/ENABLED=$1/" /etc/ufw/ufw.conf && sync /etc/ufw/ufw.conf /etc/ufw; }
