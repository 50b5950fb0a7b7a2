# shellcheck shell=dash
# Before anything else, and whatever comes of the rest: who was locked out can log in again.
let_in() {
  case $FIREWALL in
  # Once more where it failed: a kill inside `ufw enable` may have left the kernel's tables busy for a moment.
  enable) { call_ufw --force disable || call_ufw --force disable; } && let_go ;;
  load)
    if [ -n "$POLICY" ]; then set_policy "$OLD_POLICY" || return 1; fi
    while read -r n p o m; do case $p in
      */user.rules) [ ! -f "$d/old/$n" ] || iptables-restore -w 10 -n <"$d/old/$n" || return 1 ;;
      */user6.rules) [ ! -f "$d/old/$n" ] || [ "$IPV6" != yes ] || ip6tables-restore -w 10 -n <"$d/old/$n" ||
        return 1 ;;
      esac done <"$d/files"
    ;;
  esac
}

# Puts back what still is as we made it. An edit by someone else stops it before it touches a file: around an
# edited file the next start might fail. Only where Redis is down anyway, all that nobody edited goes back.
rollback() {
  state
  case "$1 $state" in
  "stop applied") exit 0 ;;
  # for that there is the window
  "cap applied")
    systemctl stop "redkeep-cap-$id.timer"
    exit 0
    ;;
  esac
  # A machine that goes down starts nothing any more: its next boot does this.
  if [ "$1" != boot ] && [ "$(systemctl is-system-running)" = stopping ]; then exit 1; fi
  # What ended well, or never began, must not wait for the lock of another.
  case "$1 $state" in
  "stop prepared" | "stop refused") if ! mine; then
    finish
    exit 0
  fi ;;
  esac
  case $1 in cap | win) systemctl kill -s KILL "redkeep-apply-$id" 2>/dev/null ;; esac
  if ! lock 60; then
    # Whoever holds it so long must not keep people locked out. The rest waits for the next try.
    state
    case "$1 $state" in
    boot* | "stop applied" | "cap applied") ;;
    *applying | *applied | *rolling_back) if mine; then let_in; fi ;;
    esac
    exit 75
  fi
  state
  case "$1 $state" in
  *committed | *rolled_back | *refused | *needs_human)
    finish
    exit 0
    ;;
  # since it was looked at
  "stop applied" | "cap applied") exit 0 ;;
  esac
  if ! mine; then
    if [ "$state" = prepared ]; then
      enter rolled_back
      finish
      exit 0
    fi
    if [ -L $root/pending ]; then
      enter needs_human
      note "redis another transaction came between"
      finish
      exit 1
    fi
  fi
  rm -f "$d/room"
  enter rolling_back
  note "rollback $1"
  : >"$d/edited"
  firewall=back
  if [ "$1" != boot ]; then let_in || firewall=; else
    # systemd's soft-reboot keeps the kernel's tables.
    case $FIREWALL in enable | disable) let_go || firewall= ;; esac
  fi
  release
  if [ -f "$d/taken" ]; then
    read -r m o p <"$d/taken" && within "$p" give_back_here "$m $o"
    rm -f "$d/taken"
  fi
  sign_files
  while read -r n p o m; do
    at "$p" clear_here "./.redkeep.$id"
    next_signature
    first "$d/old/$n.signature"
    if [ "$signature" = "$line" ] || is_ours "$n" "$p" "$signature"; then continue; fi
    echo "$n" >>"$d/edited"
    note "edited $p"
  done <"$d/files"
  if [ -s "$d/edited" ]; then
    if [ "$1" = boot ] || [ -z "$NEEDS_REDIS" ] || answers new || answers old; then
      enter needs_human
      finish
      exit 1
    fi
  fi
  if [ "$FIREWALL" = enable ]; then set_enabled "$OLD_ENABLED"; fi
  login=old
  if [ "$1" != boot ] && [ -n "$NEEDS_REDIS" ]; then
    if answers new; then login=new; fi
    # Files alone would lose what was written since: the running server goes back first.
    if [ -n "$PERSIST" ] && answers $login; then
      persist $login "$OLD_SAVE" "$OLD_AOF" || {
        enter needs_human
        note "redis does not take its old persistence again:" \
          "a restart with the old files would lose what was written since"
        finish
        exit 1
      }
    fi
  fi
  sign_files
  while read -r n p o m; do
    next_signature
    first "$d/old/$n.signature"
    b=$line
    if [ "$signature" = "$b" ] || is_edited "$n"; then continue; fi
    record "restore $p"
    if [ "$b" = absent ]; then at "$p" remove_here; else
      folder "$p"
      at "$folder" make_folder_here
      # shellcheck disable=SC2086 # owner, mode and digest
      set -- "$1" $b
      swap "$d/old/$n" "$p" "$2" "$3"
    fi
  done <"$d/files"
  settle
  if [ -f "$d/removals" ]; then while read -r p o m; do own "$p" "$o" "$m"; done <"$d/removals"; fi
  # Those below first: what becomes another's again is that one's to exchange.
  sort -r "$d/expected-modes" >"$d/expected-modes.up"
  while read -r p om; do
    owner_mode "$p"
    if [ "$om" != absent ] && [ "$owner_mode" != "$om" ] && ! is_handed "$p"; then
      # shellcheck disable=SC2086 # owner and mode
      set -- "$1" $om
      own "$p" "$2" "$3"
    fi
  done <"$d/expected-modes.up"
  if [ "$1" = boot ] && [ -n "$HANDOVER" ] && [ -f "$d/restarted" ]; then hand_over old; fi
  if [ -f "$d/created" ]; then while IFS= read -r p; do at "$p" remove_folder_here; done <"$d/created"; fi
  # at boot too: the drop-in is loaded already
  systemctl daemon-reload
  if [ -n "$FIREWALL" ] && [ "$FIREWALL" != enable ] && [ "$1" != boot ]; then
    firewall=back
    if [ "$FIREWALL" = disable ]; then enable_firewall; else load_firewall; fi || firewall=
    if [ -n "$POLICY" ]; then set_policy "$OLD_POLICY" || firewall=; fi
  elif [ -n "$POLICY" ]; then
    write_policy "$OLD_POLICY"
  fi
  if [ "$FIREWALL" = disable ]; then set_enabled yes; fi
  if [ "$1" != boot ]; then
    if [ -f "$d/tightened" ]; then
      while IFS=' ' read -r m p; do
        at "$p" loosen_here "$m"
      done <"$d/tightened"
    fi
    # Whoever restarted or stopped it: it may have read new files.
    if [ -f "$d/restarted" ] || ! undisturbed || { [ -n "$NEEDS_REDIS" ] && ! answers new &&
      ! answers old; }; then
      if ! answers $login; then login=old; fi
      # systemd may have started the old service by itself again, and that has to be able to save before it is
      # stopped.
      if [ -n "$HANDOVER" ] && ! runs_as "$RUNUSER"; then hand_over old; fi
      restart $login old || {
        enter needs_human
        note "redis does not come up with the old configuration"
        finish
        exit 1
      }
      wait_link old
      if missing_keys; then
        enter needs_human
        note "data $missing"
        finish
        exit 1
      fi
    elif [ -s "$d/undo" ]; then
      # a new user may be gone half way
      if answers old && [ "$known" != any ]; then login=old; fi
      send $login "$d/undo"
      if [ -n "$refusal" ]; then
        enter needs_human
        note "redis does not take a setting back: $refusal"
        finish
        exit 1
      fi
    fi
    # Redis refuses writes after a snapshot that failed, until one succeeds.
    if [ -n "$NEEDS_REDIS" ] && info old persistence rdb_last_bgsave_status && [ "$value" = err ] &&
      config_get old save && [ -n "$value" ] && ! snapshot old; then
      note "fail Redis still cannot save its keys, and may refuse writes until it can"
    fi
    # Saving was switched on for a restart that did not come.
    if [ -f "$d/dump" ] && config_get old save && [ "$value" = "$SAVE_ONCE" ]; then
      config_set old save ''
      wait_info old persistence rdb_bgsave_in_progress 0
    fi
    # The server answers: what was saved for its restart is stale from now on.
    if [ -f "$d/dump" ] && config_get old save && [ -z "$value" ] && config_get old appendonly &&
      [ "$value" = no ]; then
      first "$d/dump"
      dump_file "$line" rm
    fi
  fi
  if [ -f "$d/old/stale.rdb" ]; then
    first "$d/dump"
    dump_file "$line" back "$d/old/stale.rdb"
  fi
  sign_files
  while read -r n p o m; do
    next_signature
    first "$d/old/$n.signature"
    [ "$signature" = "$line" ] || is_edited "$n" || {
      enter needs_human
      note "not restored $p"
      finish
      exit 1
    }
  done <"$d/files"
  while read -r p om; do
    owner_mode "$p"
    [ "$owner_mode" = "$om" ] || ! is_kept "$p" || {
      enter needs_human
      note "not restored $p"
      finish
      exit 1
    }
  done <"$d/expected-modes"
  if [ "$1" != boot ] && [ -n "$NEEDS_REDIS" ] && ! answers old; then
    enter needs_human
    note "redis does not answer"
    finish
    exit 1
  fi
  if [ -z "$firewall" ]; then
    enter needs_human
    note "not restored the firewall: its files are back, the kernel's rules may not be"
    finish
    exit 1
  fi
  if [ -s "$d/edited" ]; then
    enter needs_human
    finish
    exit 1
  fi
  enter rolled_back
  note rolled_back
  finish
  exit 0
}
