# shellcheck shell=dash
section pending
if [ -L /var/lib/redkeep/pending ]; then
  readlink /var/lib/redkeep/pending
  cat /var/lib/redkeep/pending/state /var/lib/redkeep/pending/holder
fi
set --
set -f
# shellcheck disable=SC2045 # by their age; names that hold more than a word are left out
for txn in $(ls -1t /var/lib/redkeep/txn); do
  case $txn in *[!A-Za-z0-9_-]*) continue ;; esac
  txn=/var/lib/redkeep/txn/$txn
  first_word "$txn/state"
  if [ "$VALUE" != committed ]; then continue; fi
  section last
  echo "${txn##*/}"
  first_word "$txn/holder"
  printf '%s\n' "$VALUE${REST:+ $REST}"
  if [ -f "$txn/undoes" ]; then echo rollback; fi
  if [ -f "$txn/restarted" ]; then echo restarted; fi
  { while IFS= read -r line; do
    case $line in FIREWALL=*enable*) echo firewall ;;
    STATE_MARK=*) printf '%s\n' "$line" ;;
    esac
  done <"$txn/env"; } 2>/dev/null
  set -- last-files "$txn/files" last-modes "$txn/modes" last-directories "$txn/directories"
  break
done
set +f
if [ -f /etc/systemd/system/redkeep-recover.service ]; then
  set -- "$@" recover-unit /etc/systemd/system/redkeep-recover.service
fi
show_files "$@"
