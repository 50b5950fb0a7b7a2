# shellcheck shell=dash
# --on-startup keeps its deadline through a daemon-reload, --on-active starts it anew. A killed rollback runs
# again. systemd-run waits until the timer runs, and fails where it does not.
# NAME SECONDS
arm() {
  : "${booted:=$(systemctl show -p UserspaceTimestampMonotonic --value)}"
  read -r now _ </proc/uptime
  at=$((${now%.*} - booted / 1000000 + $2))
  systemd-run -q --collect --unit="redkeep-$1-$id" --description=redkeep --on-startup="$at" \
    --timer-property=AccuracySec=1s --timer-property=OnUnitInactiveSec=15 \
    -p RuntimeMaxSec=$((CAP * 3 + 600)) /bin/sh "$d/transaction.sh" rollback "$1" 9>&-
}
# puts an unconfirmed transaction back after a power cut, before Redis starts
install_recovery() {
  unit=/etc/systemd/system/redkeep-recover.service
  link=${unit%/*}/multi-user.target.wants/redkeep-recover.service
  set --
  # Written in place: nothing is pending that a half one would have to bring back, and no boot would clear
  # away another name.
  if [ -L $unit ] || ! cmp -s "$d/recover.service" $unit; then
    (
      umask 022
      cp -T --no-preserve=mode --remove-destination "$d/recover.service" $unit
    ) && set -- $unit ${unit%/*} || return 1
  fi
  if [ ! -L "$link" ]; then
    ln -s ../redkeep-recover.service "$link" && set -- "$@" "${link%/*}" || return 1
  fi
  if [ $# -gt 0 ]; then sync "$@"; fi
}
finish() {
  state
  if mine; then
    if [ "$state" = committed ]; then echo "$id" >$root/last && sync $root/last; fi
    rm -f $root/pending && sync $root
  fi
  release "$d/login.old" "$d/login.new"
  end_patience
  # keys that nobody uses
  case $state in rolled_back | refused) rm -rf "$d/new" "$d/scratch" ;; esac
  if ! grep -Eq '^[^ ]+ (data|redis) ' "$d/journal"; then
    drop_aside
  else for f in "$d"/aside.*; do if [ -f "$f" ]; then
    first "$f"
    note "aside $line"
  fi; done; fi
  # those that there are
  systemctl stop "redkeep-cap-$id.timer" "redkeep-win-$id.timer" "redkeep-scratch-$id.service" 2>/dev/null
}
