# shellcheck shell=dash
if [ "$ME" = 0 ]; then
  section traces
  echo looked
  own=/var/lib/redkeep
  if [ -e $own ] || [ -L $own ]; then
    # What waits in new and old has the owner and mode of its place; their folders are closed. A link has no
    # mode.
    find $own -name '*[!A-Za-z0-9._-]*' \
      -printf 'open %u:%g %m an odd name below /var/lib/redkeep\n' -prune -o \
      -path '*/txn/*/new/*' -prune -o \
      -path '*/txn/*/old/*' -prune -o \( ! -user root -o ! -type l -perm /077 \) \
      -printf 'open %u:%g %m %p\n' | head -n 20
    count=0
    for txn in "$own"/txn/*/; do
      case $txn in *[!A-Za-z0-9._/-]*) continue ;; esac
      if [ ! -d "$txn" ]; then continue; fi
      count=$((count + 1))
      if [ $own/pending -ef "$txn" ]; then continue; fi
      VALUE=
      if [ -f "${txn}state" ]; then first_word "${txn}state"; fi
      set -- "${txn}"login.*
      case $VALUE in rolled_back | refused) set -- "$@" "${txn}new" "${txn}scratch" ;; esac
      for path; do if [ -e "$path" ]; then echo "secret $path"; fi; done
    done
    echo "transactions $count"
  fi
  # Those of a transaction under way go with it.
  busy=
  if [ -L $own/pending ]; then
    busy=$(readlink $own/pending)
    busy=${busy##*/}
  fi
  count=0
  for path in /run/systemd/transient/redkeep-* /run/redkeep-[0-9]* "$CONF_FOLDER"/.redkeep.* \
    "$CONF_FOLDER"/tls/.redkeep.* "$DIR"/.redkeep.* /etc/ufw/.redkeep.* /etc/default/.redkeep.* \
    /etc/systemd/system/.redkeep.* "/etc/systemd/system/$UNIT.d"/.redkeep.*; do
    if [ ! -e "$path" ] && [ ! -L "$path" ]; then continue; fi
    if [ -n "$busy" ]; then case $path in *"$busy"*) continue ;; esac fi
    count=$((count + 1))
    if [ $count -gt 20 ]; then break; fi
    case $path in *[!A-Za-z0-9._/@-]*) path='a temporary file of an odd name' ;; esac
    echo "leftover $path"
  done
fi
