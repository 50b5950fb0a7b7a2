# shellcheck shell=dash
for u in $sentinels; do
  show_unit "$u"
  shown ExecStart
  argv=${VALUE#*argv\[\]=}
  argv=${argv%% ;*}
  set -f
  # shellcheck disable=SC2086 # a line each
  set -- $argv
  set +f
  conf=${2:-}
  settings=
  if [ -r "$conf" ]; then
    reader_of "$conf"
    settings=$(beginning "$conf" "$FILE_LIMIT" | sed -nE \
      -e 's/^[[:space:]]*(port|tls-port|bind|protected-mode)[[:space:]]+(.*)$/\1 \2/Ip' \
      -e 's/^[[:space:]]*sentinel[[:space:]]+(monitor|auth-user|sentinel-user)[[:space:]]+(.*)$/\1 \2/Ip' \
      -e 's/^[[:space:]]*(sentinel[[:space:]]+)?(requirepass|sentinel-pass)[[:space:]].*$/\2 (set)/Ip' \
      -e 's/^[[:space:]]*(user)[[:space:]]+([^[:space:]]+).*$/\1 \2/Ip' | head -n 200 | head -c 65536)
    tell "sentinel-conf $u" "$settings"
  fi
  port=26379
  IFS=$NL
  set -f
  for line in $settings; do case $line in [Pp][Oo][Rr][Tt]' '*) port=${line#* } ;; esac done
  unset IFS
  set +f
  case $port in 0 | *[!0-9]*) continue ;; esac
  # shellcheck disable=SC2086 # words of a command
  reply=$(echo PING | timeout -k 1 5 $DROP $CLI -p "$port" 2>&1 | heard 4096 | head -n 1)
  tell "sentinel-reply $u" "$reply"
  watched=$(printf '%s\n' "$settings" | sed -n 's/^[Mm]onitor \([^ ]*\).*/\1/p' | while read -r name; do
    printf '%s\n' "$name"
    # shellcheck disable=SC2086 # words of a command
    printf 'SENTINEL MASTER %s\n' "$name" | timeout -k 1 5 $DROP $CLI -p "$port" 2>&1 | heard 65536 |
      sed -n '/^flags$/{n;p;q;}' | grep . || echo -
    # shellcheck disable=SC2086 # words of a command
    printf 'SENTINEL CKQUORUM %s\n' "$name" | timeout -k 1 5 $DROP $CLI -p "$port" 2>&1 | heard 65536 |
      grep . | head -n 1 || echo -
  done)
  tell "sentinel-watched $u" "$watched"
done
