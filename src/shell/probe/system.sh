# shellcheck shell=dash
if [ -r /proc/swaps ]; then
  section swaps
  while read -r name _; do
    case $name in Filename) continue ;; /dev/zram*) clear=no ;; *) clear=yes ;; esac
    uuid=
    if [ -r "/sys/block/${name##*/}/dm/uuid" ]; then read -r uuid <"/sys/block/${name##*/}/dm/uuid"; fi
    case $uuid in CRYPT-*) clear=no ;; esac
    echo "$clear $name"
  done </proc/swaps
fi
if [ -n "$BIN" ] && has dpkg-query; then
  section package
  owner=$(grep -lxF -- "$BIN" /var/lib/dpkg/info/*redis*.list /var/lib/dpkg/info/*valkey*.list)
  owner=${owner%%"$NL"*}
  owner=${owner##*/}
  owner=${owner%.list}
  if [ -z "$owner" ]; then
    owner=$(dpkg-query -S "$BIN")
    owner=${owner%%: *}
  fi
  if [ -z "$owner" ]; then echo none; else
    # dpkg-query reads all that dpkg knows; sed stops behind the one package. Of several of its name dpkg has
    # to say which.
    case $owner in *[!a-z0-9.+-]*) dpkg-query -W -f '${db:Status-Want} ${Version} ${Package}\n' "$owner" ;; *)
      said=$(sed -n "/^Package: $owner$/,/^$/{s/^Status: //p;s/^Version: //p;/^$/q}" /var/lib/dpkg/status)
      echo "${said%% *} ${said##*"$NL"} $owner"
      ;;
    esac
    section mended
    gzip -cd "/usr/share/doc/${owner%%:*}/changelog.Debian.gz" | grep -o 'CVE-20[0-9]*-[0-9]*'
  fi
fi
section program
if [ "$PID" -gt 0 ] && ! [ "/proc/$PID/exe" -ef "$BIN" ]; then readlink "/proc/$PID/exe"; fi
section open-secrets
conf_get requirepass
requirepass=$VALUE
conf_get masterauth
masterauth=$VALUE
conf_get primaryauth
secrets=
for secret in "$PASSWORD" "$requirepass" "$masterauth" "$VALUE"; do
  if [ "${#secret}" -ge 8 ]; then secrets="$secrets${secrets:+$NL}$secret"; fi
done
# Puts into FOUND the files that hold one of the texts, and says whether grep came to their end. What users
# made may be of any size, wait for a writer, or be too long for grep's memory. So a text itself is what grep
# looks at last. Zero bytes are lines' ends: of zeros nothing is kept.
search() {
  local texts=$1
  shift
  FOUND=$(
    {
      ulimit -v 262144
      exec timeout -k 1 10 grep -D skip -zla --line-buffered "$@" - <<END
$texts
END
    } 3<<END
$texts
END
  )
  case $NL$FOUND in *"$NL(standard input)") FOUND=${FOUND%'(standard input)'} ;; *) return 1 ;; esac
}
# A place is what one user may fill: he hides what stands in his own, and no more.
search_place() {
  for file; do
    shift
    case $file in *"$NL"*) ;; *) if [ -f "$file" ] && [ -r "$file" ]; then set -- "$@" "$file"; fi ;; esac
  done
  if [ $# -eq 0 ]; then return; fi
  search "$secrets" -F -f /proc/self/fd/3 -- "$@" || searched=
  printf %s "$FOUND"
}
searched=yes
# No line may be empty: that one would be found everywhere.
if [ -n "$secrets" ]; then
  search_place /root/.*_history /etc/environment /etc/profile.d/* /etc/default/* \
    /etc/systemd/system/*.service /etc/systemd/system/*.d/*.conf /proc/[0-9]*/cmdline
  homes=0
  for home in /home/*/; do
    set -- "$home".*_history
    if [ ! -e "$1" ]; then continue; fi
    homes=$((homes + 1))
    if [ $homes -gt 50 ]; then
      searched=
      break
    fi
    search_place "$@"
  done
fi
search redis-cli -E '(^|/)(redis|valkey)-cli[[:space:]]*$' /proc/[0-9]*/cmdline || searched=
clients=0
for file in $FOUND; do
  clients=$((clients + 1))
  if [ $clients -gt 50 ]; then
    searched=
    break
  fi
  if timeout -k 1 2 head -c 65536 "$file" | tr '\0' ' ' |
    grep -qE ' (-a|--pass|-u rediss?://[^ ]*:[^ ]*@)'; then
    echo "$file"
  fi
done
if [ -n "$searched" ]; then section open-secrets-end; fi
