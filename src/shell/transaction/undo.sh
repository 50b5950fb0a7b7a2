# shellcheck shell=dash
# Lays down, in this folder, the transaction that puts back what the committed one SOURCE changed; refuses
# where someone has changed it since. `login.admin` has the AUTH lines that the controller knows, each behind
# its password's hash.
# SOURCE
undo() {
  s=$root/txn/$1
  for list in files directories modes expected expected-modes removals; do : >"$d/$list"; done
  set --
  while read -r _ p _; do set -- "$@" "$p"; done <"$s/files"
  sign "$@"
  while read -r n p o m; do
    next_signature
    first "$s/old/$n.signature"
    before=$line
    first "$s/new/$n.signature"
    if [ "$signature" != "$line" ]; then
      case $p in /etc/ufw/*) [ "$(rules "$p")" = "$(rules "$s/new/$n")" ] ;;
      *) false ;;
      esac || refuse "stale $p"
    fi
    echo "$p $signature" >>"$d/expected"
    if [ "$before" = absent ]; then
      echo "$n $p absent 0" >>"$d/files"
      : >"$d/new/$n"
    else
      # shellcheck disable=SC2086 # owner, mode and digest
      set -- $before
      echo "$n $p $1 $2" >>"$d/files"
      cp -p "$s/old/$n" "$d/new/$n" || exit 65
    fi
  done <"$s/files"
  while read -r p om; do
    owner_mode "$p"
    if ! grep -qxF "$p $owner_mode" "$s/modes"; then
      if is_kept "$p"; then
        refuse "stale $p"
      else
        continue
      fi
    fi
    echo "$p $om" >>"$d/modes"
    echo "$p $owner_mode" >>"$d/expected-modes"
  done <"$s/expected-modes"
  if [ -f "$s/created" ]; then sort -r "$s/created" | while IFS= read -r p; do
    owner_mode "$p"
    echo "$p $owner_mode"
  done >"$d/removals"; fi
  cp "$s/undo" "$d/live"
  cp "$s/live" "$d/undo"
  case $BEFORE_AUTH in
  # The one whose hash stands in a file that goes back; the first where none does: then the login stays as it
  # is.
  admin)
    # Only in the backups, which have numbers: a dump that waits beside them is of the service user's making.
    auth=
    while read -r hash line; do
      if [ -z "$auth" ] || grep -qsF -- "#$hash" "$s/old"/[0-9]*; then
        auth=$line
      fi
    done <"$d/login.admin"
    ;;
  requirepass)
    auth="AUTH $(
      while read -r n p o m; do
        if [ "$p" = "$CONF" ]; then sed -n 's/^[[:space:]]*requirepass[[:space:]]\{1,\}//p' "$s/old/$n"; fi
      done <"$s/files" | tail -n 1
    )"
    ;;
  *) auth= ;;
  esac
  known=
  if [ "$BEFORE_AUTH" = unknown ]; then known=any; fi
  printf '%s\n%s\n%s\n%s\n' "$BEFORE_ENDPOINT" "$auth" "$BEFORE_CONFIG" "$known" >"$d/login.new"
  rm -f "$d/login.admin"
  # As text that the shell works out when it reads it: the values themselves are not to be trusted between
  # quotes.
  # shellcheck disable=SC2016 # worked out by whoever reads it
  {
    echo 'was=$OLD_SAVE; OLD_SAVE=$NEW_SAVE; NEW_SAVE=$was; was=$OLD_AOF; OLD_AOF=$NEW_AOF; NEW_AOF=$was'
    echo 'was=$RUNUSER; RUNUSER=$OLDUSER; OLDUSER=$was; was=$RUNGROUP; RUNGROUP=$OLDGROUP; OLDGROUP=$was'
    echo "INVOCATION=$(invocation) TIGHTEN= RENAMED= RELOAD=1"
    case $FIREWALL in enable) echo "FIREWALL=disable OLD_ENABLED=yes LOAD_ONLY=" ;; esac
    if [ -n "$POLICY" ]; then echo 'was=$POLICY; POLICY=$OLD_POLICY; OLD_POLICY=$was'; fi
    # Names that went are back in the AOF's way: it is rewritten first, as it was on the way here.
    if [ -n "$RESTART" ] && [ "$OLD_AOF" = yes ]; then echo REWRITE_AOF=1; else echo REWRITE_AOF=; fi
  } >>"$d/env"
}
