# shellcheck shell=dash
# What each user may do: every one of them is asked about by every command of ACCESS, a line each.

# Puts the commands into MATRIX, by their current names, a line each. Expands no wildcards where its caller
# does not.
fill_matrix() {
  MATRIX= IFS=$NL
  for line in $ACCESS; do
    unset IFS
    name=${line%% *}
    current "$name"
    MATRIX="$MATRIX$NOW ${line#"$name "}$NL"
    IFS=$NL
  done
  unset IFS
}
# Puts into `users` those that are asked about, as redis-cli quotes them; none where the server has no ACL
# DRYRUN.
find_users() {
  said DRYRUN
  case $VALUE in ERROR,*) VALUE= ;; *) said USERS ;; esac
  # No user's name holds a blank; a refusal does.
  case $VALUE in *' '* | [!$Q]*) VALUE= ;; esac
  users= number=0 rest=${VALUE%"$NL"}
  set -f
  if [ -n "$rest" ]; then printf '>"%s matrix-users"\n' "$R"; fi
  while [ -n "$rest" ] && [ $number -lt 100 ]; do
    number=$((number + 1))
    user=${rest%%'","'*}
    case $user in "$rest") rest= ;; *) rest=${rest#*'","'} ;; esac
    user=${user#'"'}
    user=${user%'"'}
    users="$users $user"
    printf '>"%s"\n' "$user"
  done
  number=0
  set +f
}
# Asks the server itself: redis-cli reads a name as it prints it.
ask_access() {
  fill_matrix
  IFS=$NL
  # shellcheck disable=SC2086 # a line each
  set -- $MATRIX
  unset IFS
  number=0
  for user in $users; do
    number=$((number + 1))
    add "matrix $number"
    ask
    for words; do QUESTIONS="${QUESTIONS}ACL DRYRUN $Q$user$Q $words$NL"; done
    ask
  done
}
# Before 7.0 a server cannot be asked what somebody else may do. So one of the same binary and with the same
# names for commands, without data, gets the same users, and is asked as each of them. It runs as the
# service's user, or as nobody, on a socket in a folder of that user's: whose program it is, and who answers
# there, is the service user's to choose, as it is with the server itself. What stands behind MULTI is judged
# and not run; MULTI itself is asked for before everybody may use it. Of its answer sed gets letters alone,
# for it is a program to sed. At the names in the loop redis-cli waits for what comes, or ends no line: a
# scratch server has others for them.
ask_scratch() {
  if [ "$ME" = 0 ] && scratch=$(mktemp -d /run/redkeep-probe.XXXXXX); then (
    set -f
    trap 'kill $server; wait $server; rm -rf "$scratch"' EXIT
    trap 'exit 1' HUP INT PIPE TERM
    as=${DROP:-setpriv $NOBODY}
    owner=${SERVICE_UID:-65534}
    if [ -z "$DROP" ]; then owner=65534; fi
    chown -h "$owner" "$scratch"
    for name in CLIENT INFO MONITOR SUBSCRIBE; do
      case $RENAMES in *"$NL$name "*) ;;
      *) RENAMES="$RENAMES$name $R-$name$NL" ;;
      esac
    done
    # shellcheck disable=SC2086 # words of a command
    {
      printf 'port 0\nunixsocket %s/socket\nsave ""\nappendonly no\ndir %s\n' "$scratch" "$scratch"
      printf '%s\n' "$RENAMES" | sed -n 's/^\([^ ]\{1,\}\) \(.*\)$/rename-command \1 "\2"/p'
    } | timeout -k 1 30 $as "$BIN" - >/dev/null 2>&1 &
    server=$!
    tries=0
    until [ -S "$scratch/socket" ] || [ $tries -ge 100 ]; do
      tries=$((tries + 1))
      sleep 0.02
    done
    # shellcheck disable=SC2086 # words of a command
    scratch_ask() {
      timeout -k 1 10 $as $CLI --csv -s "$scratch/socket" 2>&1 | grep . |
        cut -b "-$LINE_LIMIT" | head -c "$SESSION_LIMIT"
    }
    # Words that redis-cli would unquote are left out, and their users with them. The session's own user comes
    # last.
    # shellcheck disable=SC2086 # words of a command
    rules=$(printf '%s\nACL LIST\n' "$CRED" | timeout -k 1 20 $DROP $CLI $EP | head -c "$SESSION_LIMIT" |
      grep '^user ' | grep -v "[\"'\\]" | sed 's/$/ on nopass +discard/')
    rules=$(
      printf '%s\n' "$rules" | grep -v '^user default '
      printf '%s\n' "$rules" | grep '^user default '
    )
    users=$(printf '%s\n' "$rules" | cut -d' ' -f2 | head -n 100)
    {
      echo "ACL SETUSER $R on nopass ~* +@all"
      printf '%s\n' "$rules" | sed 's/^user /ACL SETUSER /'
    } | scratch_ask >/dev/null
    multi=$(for user in $users; do
      printf 'AUTH %s x\nMULTI\nDISCARD\n' "$user"
    done | scratch_ask | sed -n '2~3p' | tr -cd 'A-Za-z0-9",_ \n-')
    {
      echo "AUTH $R x"
      for user in $users; do echo "ACL SETUSER $user +multi"; done
    } | scratch_ask >/dev/null
    printf '>"%s matrix-users"\n' "$R"
    # shellcheck disable=SC2086 # a word each
    printf '>"%s"\n' $users
    fill_matrix
    number=0
    for user in $users; do
      number=$((number + 1))
      printf '>"%s matrix %s"\n' "$R" "$number"
      { printf 'AUTH %s x\nMULTI\n%sDISCARD\n' "$user" "$MATRIX"; } | scratch_ask |
        sed -e 1,2d -e '$d' |
        sed -e "${MULTI_AT}s/.*/$(printf '%s\n' "$multi" | sed -n "${number}p")/" -e 's/^/>/'
    done
  ); fi
}
