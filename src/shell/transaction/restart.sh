# shellcheck shell=dash
# systemd ends a start that loads for longer than the unit says, and begins it anew, for ever: ours have until
# $CAP.
patience() { patience=/run/systemd/system/$UNIT.d/zz-redkeep-$id.conf; }
# for the next daemon-reload
write_patience() {
  patience
  { [ -d "${patience%/*}" ] || mkdir -p "${patience%/*}"; } &&
    printf '[Service]\nTimeoutStartSec=infinity\n' >"$patience" && chmod 644 "$patience"
}
be_patient() {
  patience
  [ -e "$patience" ] || { write_patience && systemctl daemon-reload; }
}
end_patience() {
  patience
  if [ -e "$patience" ]; then
    rm -f "$patience"
    rmdir "${patience%/*}" 2>/dev/null
    systemctl daemon-reload
  fi
}
# Restarts without losing a key, also where nothing is written to disk: then the keys are saved for the
# restart alone, and a dump from before waits in old/stale.rdb. A server that cannot save is not stopped: it
# would never end.
SAVE_ONCE='315360000 1'
# LOGIN-BEFORE LOGIN-AFTER
restart() {
  only_memory=
  if [ -n "$PATIENCE" ] || [ "$2" = old ]; then be_patient || return 1; fi
  login "$1"
  ask "$1" "$config GET save$nl$config GET appendonly${nl}INFO keyspace${nl}DBSIZE"
  if is_alive; then
    count_keys
    setting appendonly
    aof=$value
    setting save
    if [ -n "$value" ]; then
      snapshot "$1" || {
        note "fail the server cannot save its keys"
        return 1
      }
    elif [ "$aof" = no ] && [ $keys -gt 0 ]; then
      only_memory=1
      dump_name "$1" || return 1
      if [ ! -e "$d/dump" ]; then
        printf '%s\n' "$dump" >"$d/dump" && sync "$d/dump" && dump_file "$dump" mv "$d/old/stale.rdb" ||
          return 1
      fi
      { config_set "$1" save "$SAVE_ONCE" && snapshot "$1"; } || {
        config_set "$1" save ''
        note "fail the server cannot save its keys"
        return 1
      }
    fi
  fi
  if [ "$2" = new ] && [ -n "$RENAMED" ] && answers "$1"; then
    for _ in 1 2 3; do
      used=$(aof_names)
      [ -n "$used" ] || break
      one "$1" BGREWRITEAOF
      rewrite_aof "$1" || break
    done
    if [ -n "$used" ]; then
      note "fail a client uses $used again and again: an AOF that holds it would stop the start"
      return 1
    fi
  fi
  set_aside "$2" || {
    note "fail the data files cannot be set aside"
    return 1
  }
  if answers "$1" && [ "$known" != any ]; then
    count_keys
    echo "$keys $expiring" >"$d/keys.stop"
  fi
  : >"$d/restarted"
  systemctl reset-failed "$UNIT" 2>/dev/null
  milliseconds
  from=$ms
  if [ -n "$HANDOVER" ]; then
    timeout "$CAP" systemctl stop "$UNIT" 9>&- && hand_over "$2" &&
      timeout "$CAP" systemctl start "$UNIT" 9>&- || return 1
  else timeout "$CAP" systemctl restart "$UNIT" 9>&- || return 1; fi
  until=$((from + CAP * 1000))
  until answers "$2"; do
    milliseconds
    { [ "$ms" -lt $until ] && systemctl -q is-active "$UNIT"; } || return 1
    sleep 0.02
  done
  milliseconds
  echo $((ms - from)) >"$d/unavailable"
  end_patience
  # else it would come back, stale, at a later start
  if [ -n "$only_memory" ]; then dump_file "$dump" rm; fi
}
# A replica finds its primary again within a second or two, and may be empty until then; the controller looks,
# before it goes on with others.
# LOGIN
wait_link() {
  [ -f "$d/link.before" ] && first "$d/link.before" && [ "$line" = up ] || return 0
  milliseconds
  until=$((ms + 20000))
  until
    info "$1" replication master_link_status
    [ "$value" = up ] || {
      milliseconds
      [ "$ms" -ge $until ]
    }
  do sleep 0.05; done
  answers "$1"
}
# A start that loaded too little: another one would only write that down. Clients may delete, and keys may
# expire, meanwhile.
# of INFO keyspace, asked last: says in $missing what is missing
missing_keys() {
  [ -f "$d/keys.stop" ] || return 1
  case $nl$reply in *"$nl# Keyspace"*) ;; *) return 1 ;; esac
  read -r k e <"$d/keys.stop"
  count_keys
  if [ $((k - e - keys)) -le $((10 + (k - e) / 10)) ]; then return 1; fi
  missing="$k keys before the restart, $keys after; the files from before it are in $(
    for f in "$d"/aside.*; do first "$f"; done
    echo "$line"
  )"
}
# A link that systemd keeps for the journal says it too; without it, systemd itself.
invocation() { readlink "/run/systemd/units/invocation:$UNIT" ||
  systemctl show -p InvocationID --value "$UNIT"; }
undisturbed() { [ -z "$INVOCATION" ] || [ "$(invocation)" = "$INVOCATION" ]; }
