# shellcheck shell=dash
if [ "$ME" = 0 ]; then
  section kept
  if [ -f /var/lib/redkeep/original ]; then echo complete; fi
  set --
  set -f
  # shellcheck disable=SC2045 # by their age; names that hold more than a word are left out
  for txn in $(ls -1tr /var/lib/redkeep/txn); do
    case $txn in *[!A-Za-z0-9_-]*) continue ;; esac
    id=$txn
    txn=/var/lib/redkeep/txn/$txn
    first_word "$txn/state"
    case $VALUE in committed) ;; needs_human)
      echo "unsettled $id"
      continue
      ;;
    *) continue ;; esac
    echo "run $id"
    REST=
    first_word "$txn/holder"
    printf 'holder %s\n' "$VALUE${REST:+ $REST}"
    if [ -f "$txn/undoes" ]; then
      first_word "$txn/undoes"
      echo "undoes $VALUE"
    fi
    if [ -f "$txn/to-original" ]; then echo to-original; fi
    if [ -f "$txn/restarted" ]; then echo restarted; fi
    { while read -r number path rest; do
      REST=
      first_word "$txn/old/$number.signature"
      printf 'old %s %s %s\n' "$number" "$path" "$VALUE${REST:+ $REST}"
      REST=
      first_word "$txn/new/$number.signature"
      printf 'new %s %s %s\n' "$number" "$path" "$VALUE${REST:+ $REST}"
    done <"$txn/files"; } 2>/dev/null
    # Data files come and go: of what is not there any more nothing is set.
    { while read -r path rest; do
      if [ -e "$path" ]; then
        printf 'mode %s %s\n' "$path" "$rest"
      fi
    done <"$txn/expected-modes"; } 2>/dev/null
    { while IFS= read -r path; do printf 'created %s\n' "$path"; done <"$txn/created"; } 2>/dev/null
    set -- "$@" "kept-env $id" "$txn/env"
  done
  set +f
  show_files "$@"
  IFS=$NL
  set -f
  # shellcheck disable=SC2086 # a line each
  set -- $BACKUPS
  unset IFS
  set +f
  show_files "$@"
fi
