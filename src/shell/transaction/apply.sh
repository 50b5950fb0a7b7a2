# shellcheck shell=dash
apply() {
  lock 0 || refuse "locked $(cat $root/lock)"
  if [ -L $root/pending ]; then refuse "locked $(cat $root/pending/holder)"; fi
  first "$d/holder"
  printf '%s\n' "$line" >$root/lock
  note begin
  case $CLI in redis-cli | valkey-cli) ;;
  *) refuse "refused $CLI is no client of Redis that redkeep knows" ;;
  esac
  find_binary || refuse "refused $BIN is a program that others than root may write, and Redis runs as root"
  if [ -f "$d/undoes" ] && [ -f $root/last ] && [ "$(cat "$d/undoes")" != "$(cat $root/last)" ]; then
    refuse "stale another run has ended here since"
  fi
  # What the plan relied on must still be so.
  set --
  while IFS=' ' read -r p s; do set -- "$@" "$p"; done <"$d/expected"
  sign "$@"
  found=$signatures
  while IFS=' ' read -r p s; do
    next_signature
    [ "$signature" = "$s" ] || refuse "stale $p"
  done <"$d/expected"
  while IFS=' ' read -r p om; do
    owner_mode "$p"
    [ "$owner_mode" = "$om" ] || ! is_kept "$p" || refuse "stale $p"
  done <"$d/expected-modes"
  if [ -n "$INVOCATION" ] && [ "$(invocation)" != "$INVOCATION" ]; then
    refuse "stale $UNIT was restarted since"
  fi
  if [ -n "$NEEDS_REDIS" ]; then ask old "INFO replication${nl}INFO keyspace${nl}DBSIZE"; fi
  if [ -s "$d/expected-facts" ]; then
    changed=$(facts | sort - "$d/expected-facts" | uniq -u)
    if [ -n "$changed" ]; then
      changed=$(printf '%s\n' "$changed" | fact_names)
      if [ -s "$d/questions" ] && ! is_alive; then changed="the running server does not answer the login"; fi
    fi
    rm -f "$d/expected-facts"
    [ -z "$changed" ] || refuse "stale $changed"
  fi
  if [ -n "$NEEDS_REDIS" ]; then
    is_alive || fail "redis the running server does not answer"
    if [ "$known" != any ]; then
      count_keys
      echo "$keys $expiring" >"$d/keys.before"
      field master_link_status
      echo "$value" >"$d/link.before"
    fi
  fi
  stage || fail "backup the new content cannot be given its owner"
  signatures=$found
  set --
  while read -r n p o m; do
    next_signature
    case $signature in link | unusual) refuse "refused $p is a link, or no plain file" ;; esac
    echo "$signature" >"$d/old/$n.signature"
    if [ "$signature" != absent ]; then at "$p" back_up_here "$d/old/$n" || fail "backup $p"; fi
    set -- "$@" "$d/old/$n" "$d/new/$n"
  done <"$d/files"
  sign "$@"
  while read -r n p o m; do
    next_signature
    first "$d/old/$n.signature"
    [ "${signature##* }" = "${line##* }" ] || fail "backup $p"
    next_signature
    if [ "$o" = absent ]; then echo absent; else echo "$o $m ${signature##* }"; fi >"$d/new/$n.signature"
  done <"$d/files"
  sync -f "$d" || fail sync
  note backup
  validate || {
    sed -e '/^>>>/d' -e '/^ *$/d' "$d/scratch.log" | tail -n 3 | sed 's/^/fail validate /' >>"$d/journal"
    exit 1
  }
  # a second copy of keys and passwords
  rm -rf "$d/scratch"
  note validated
  install_recovery || fail recovery
  reserve_ours || fail "room for the way back"
  arm cap "$CAP" || fail arm
  # from here on the nets know it
  { ln -s "txn/$id" $root/pending && sync $root && enter applying; } || fail pending
  note armed
  each_folder reserve_here || fail "room for the way back"
  if [ -n "$PERSIST" ]; then
    note persistence
    persist old "$NEW_SAVE" "$NEW_AOF" || fail persistence
    # the last snapshot would come back at a later start
    if [ -z "$NEW_SAVE" ] && [ "$NEW_AOF" = no ]; then
      wait_info old persistence rdb_bgsave_in_progress 0 || fail persistence
      dump_name old || fail persistence
      printf '%s\n' "$dump" >"$d/last-snapshot"
    fi
  fi
  if [ -n "$REWRITE_AOF" ]; then
    note rewrite-aof
    one old BGREWRITEAOF
    rewrite_aof old || fail rewrite-aof
  fi
  # Root takes over the folders that are to be its own, those above first: from then on nobody exchanges what
  # is in them.
  later=
  while read -r p o m; do
    case $o in
    root:*) if [ -d "$p" ] && ! is_handed "$p"; then
      note "mode $p"
      own_if_there "$p" "$o" "$m" || fail "mode $p"
      continue
    fi ;;
    esac
    later="$p $o $m$nl$later"
  done <"$d/modes"
  while read -r p o m; do
    # a unit's, as it stands
    note "directory $p"
    if [ -d "$p" ] && ! is_kept "$p" && at "$p" here_is_roots; then continue; fi
    if [ ! -d "$p" ]; then
      { echo "$p" >>"$d/created" && sync "$d/created" && at "$p" make_folder_here; } || fail "directory $p"
    fi
    own "$p" "$o" "$m" || fail "directory $p"
  done <"$d/directories"
  while read -r n p o m; do
    record "file $p"
    put "$n" "$p" "$o" || fail "file $p"
  done <"$d/files"
  settle || fail sync
  if [ -f "$d/removals" ]; then while read -r p o m; do remove_folder "$p"; done <"$d/removals"; fi
  # A data file may be gone meanwhile: Redis replaces its AOF when it is rewritten, and the new one is closed
  # below.
  while [ -n "$later" ]; do
    line=${later%%"$nl"*}
    later=${later#*"$nl"}
    p=${line%% *}
    line=${line#* }
    if ! is_handed "$p"; then
      owner_mode "$p"
      if [ "$owner_mode" != absent ]; then
        note "mode $p"
        own "$p" "${line% *}" "${line#* }" || fail "mode $p"
      fi
    fi
  done
  if [ -n "$RELOAD" ]; then
    note daemon-reload
    # one reload for both
    if [ -n "$RESTART" ] && [ -n "$PATIENCE" ]; then write_patience || fail daemon-reload; fi
    systemctl daemon-reload || fail daemon-reload
  fi
  if [ -s "$d/live" ]; then
    note live
    send old "$d/live"
    if [ -n "$refusal" ]; then
      note "fail live $refusal"
      exit 1
    fi
  fi
  undisturbed || fail "$UNIT was restarted by someone else meanwhile"
  if [ -n "$RESTART" ]; then
    note "restart $UNIT"
    restart old new || {
      journalctl -u "$UNIT" -n 20 -o cat 2>/dev/null | tail -n 2 | cut -b -1000 |
        sed 's/^/fail restart /' >>"$d/journal"
      if [ -n "$LOG" ]; then log_tail | sed 's/^/fail restart log: /' >>"$d/journal"; fi
      fail "restart $UNIT"
    }
    if [ -n "$INVOCATION" ]; then INVOCATION=$(invocation); fi
  fi
  # What the old process saved when it stopped has the old mode.
  if [ -n "$TIGHTEN" ]; then each_data tighten_here || fail "mode of data"; fi
  if [ -n "$NEEDS_REDIS" ]; then
    note check
    answers new || fail "check the server does not answer a login"
    if [ -f "$d/keys.before" ] && [ "$known" != any ]; then
      count_keys
      echo "$keys $expiring" >"$d/keys.after"
    fi
    wait_link new
    if missing_keys; then
      enter needs_human
      note "data $missing"
      exit 1
    fi
  fi
  if [ -n "$FIREWALL" ]; then
    # From here on nobody may be able to log in: the way back begins before a minute is over, however the rest
    # goes.
    arm win "$FIREWALL_WINDOW" || fail "arm window"
    note "firewall $FIREWALL"
    case $FIREWALL in enable) enable_firewall ;;
    disable) call_ufw --force disable ;;
    *) load_firewall ;;
    esac || fail firewall
    if [ -n "$POLICY" ]; then set_policy "$POLICY" || fail "firewall policy"; fi
    if [ "$FIREWALL" != disable ]; then
      grep -qi '^ENABLED=yes' /etc/ufw/ufw.conf || fail "firewall is not enabled"
    fi
  fi
  sign_files
  while read -r n p o m; do
    next_signature
    is_ours "$n" "$p" "$signature" || fail "check $p is not as it was written"
  done <"$d/files"
  undisturbed || fail "$UNIT was restarted by someone else meanwhile"
  if [ -z "$FIREWALL" ]; then arm win "$WINDOW" || fail "arm window"; fi
  # the cap leaves it alone from now on
  enter applied || fail applied
  note applied
}
