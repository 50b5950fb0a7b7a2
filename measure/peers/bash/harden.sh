# shellcheck shell=bash
# Hardens the Redis of a Debian host over one SSH session: { echo VARIABLES; cat harden.sh; } | ssh HOST bash -s -- MODE
# MODE is apply, check or verify. Prints a line for each change and "changed=N" at the end.
# Variables: APP_SUBNET, CONFIG_NAME, APP_PASSWORD, METRICS_PASSWORD, ADMIN_PASSWORD.
set -euo pipefail
export LC_ALL=C
mode=${1:-apply} changed=0 restart=0
tls=/etc/redis/tls unit=/etc/systemd/system/redis-server.service.d
read -r _ _ address _ <<<"$SSH_CONNECTION"

note() { changed=$((changed + 1)); echo "changed: $*"; }
act() { [ "$mode" = check ] || "$@"; } # act COMMAND..: runs it, unless this is a dry run
sha() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
own() { # own OWNER MODE PATH..
  local want=$1 bits=$2 path
  shift 2
  for path; do
    [ -e "$path" ] || { [ "$mode" = check ] && continue; }
    [ "$(stat -c '%U:%G %a' "$path")" = "$want $bits" ] && continue
    note "$path $want $bits"
    act chown "$want" "$path"
    act chmod "00$bits" "$path"
  done
}
put() { # put OWNER MODE PATH < content
  local new
  new=$(cat; echo .)
  new=${new%.}
  if [ ! -f "$3" ] || ! cmp -s "$3" <(printf %s "$new"); then
    note "$3"
    restart=1
    if [ "$mode" = check ]; then
      diff -u "$3" <(printf %s "$new") || true
    else
      (umask 077; printf %s "$new" >"$3.new"; chown "$1" "$3.new"; chmod "$2" "$3.new"; mv "$3.new" "$3")
    fi
  fi
  own "$1" "$2" "$3"
}
leaf() { # leaf NAME SUBJECT SAN USAGE
  [ -f "$tls/$1.crt" ] && return
  note "certificate $1"
  restart=1
  act openssl req -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout "$tls/$1.key" -out "$tls/$1.csr" \
    -subj "/CN=$2" -addext "subjectAltName=$3" -addext "extendedKeyUsage=$4" 2>/dev/null
  act openssl x509 -req -days 825 -copy_extensions copy -in "$tls/$1.csr" -out "$tls/$1.crt" \
    -CA $tls/ca.crt -CAkey $tls/ca.key -CAcreateserial 2>/dev/null
}
rule() { # rule TEXT..: as "ufw show added" prints it
  grep -qxF "ufw $*" <<<"$rules" && return
  note "ufw $*"
  act ufw "$@" >/dev/null
}

harden() {
  [ -d $tls ] || { note $tls; act install -d $tls; }
  if [ ! -f $tls/ca.crt ]; then
    note 'certificate ca'
    restart=1
    act openssl req -new -x509 -days 3650 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
      -keyout $tls/ca.key -out $tls/ca.crt -subj /CN=Redis-CA 2>/dev/null
  fi
  leaf server redis.internal "DNS:localhost,DNS:$HOSTNAME,IP:127.0.0.1,IP:$address" serverAuth
  leaf client app DNS:app clientAuth
  own root:redis 750 /etc/redis $tls
  own root:redis 640 $tls/{ca,server}.crt $tls/server.key
  own root:root 600 $tls/{ca,client}.key

  put root:redis 640 /etc/redis/users.acl <<EOT
user default off resetpass resetkeys resetchannels -@all
user app on #$(sha "$APP_PASSWORD") resetchannels &app:* ~app:* -@all +@read +@write +@connection +@transaction +@pubsub -@admin -@dangerous -@scripting +info
user metrics on #$(sha "$METRICS_PASSWORD") resetchannels -@all +ping +info +dbsize +lastsave +role +latency|latest +slowlog|len
user admin on #$(sha "$ADMIN_PASSWORD") ~* &* +@all
EOT
  put root:redis 640 /etc/redis/redis.conf <<EOT
bind 127.0.0.1 -::1 $address
protected-mode yes
unixsocket /run/redis/redis.sock
unixsocketperm 700
port 0
tls-port 6380
tls-cert-file /etc/redis/tls/server.crt
tls-key-file /etc/redis/tls/server.key
tls-ca-cert-file /etc/redis/tls/ca.crt
tls-auth-clients yes
tls-protocols "TLSv1.2 TLSv1.3"
tls-ciphers "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
tls-ciphersuites "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"
tls-prefer-server-ciphers yes
aclfile /etc/redis/users.acl
rename-command FLUSHDB ""
rename-command FLUSHALL ""
rename-command DEBUG ""
rename-command KEYS ""
rename-command CONFIG "$CONFIG_NAME"
rename-command SHUTDOWN "SHUTDOWN_$CONFIG_NAME"
rename-command SLAVEOF "SLAVEOF_$CONFIG_NAME"
rename-command REPLICAOF "REPLICAOF_$CONFIG_NAME"
maxmemory 512mb
maxmemory-policy allkeys-lru
lazyfree-lazy-eviction yes
lazyfree-lazy-expire yes
lazyfree-lazy-server-del yes
maxclients 10000
dir /var/lib/redis
# As Debian ships it
tcp-backlog 511
timeout 0
tcp-keepalive 300
daemonize yes
pidfile /run/redis/redis-server.pid
loglevel notice
logfile /var/log/redis/redis-server.log
databases 16
always-show-logo no
set-proc-title yes
proc-title-template "{title} {listen-addr} {server-mode}"
stop-writes-on-bgsave-error yes
rdbcompression yes
rdbchecksum yes
dbfilename dump.rdb
rdb-del-sync-files no
replica-serve-stale-data yes
replica-read-only yes
repl-diskless-sync yes
repl-diskless-sync-delay 5
repl-diskless-sync-max-replicas 0
repl-diskless-load disabled
repl-disable-tcp-nodelay no
replica-priority 100
acllog-max-len 128
replica-lazy-flush no
lazyfree-lazy-user-del no
lazyfree-lazy-user-flush no
oom-score-adj no
oom-score-adj-values 0 200 800
disable-thp yes
appendonly no
appendfilename "appendonly.aof"
appenddirname "appendonlydir"
appendfsync everysec
no-appendfsync-on-rewrite no
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
aof-load-truncated yes
aof-use-rdb-preamble yes
aof-timestamp-enabled no
slowlog-log-slower-than 10000
slowlog-max-len 128
latency-monitor-threshold 0
notify-keyspace-events ""
hash-max-listpack-entries 512
hash-max-listpack-value 64
list-max-listpack-size -2
list-compress-depth 0
set-max-intset-entries 512
zset-max-listpack-entries 128
zset-max-listpack-value 64
hll-sparse-max-bytes 3000
stream-node-max-bytes 4096
stream-node-max-entries 100
activerehashing yes
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit replica 256mb 64mb 60
client-output-buffer-limit pubsub 32mb 8mb 60
hz 10
dynamic-hz yes
aof-rewrite-incremental-fsync yes
rdb-save-incremental-fsync yes
jemalloc-bg-thread yes
EOT
  [ -d $unit ] || { note $unit; act install -d -m 755 $unit; }
  put root:root 644 $unit/hardening.conf <<'EOT'
[Service]
User=redis
Group=redis
UMask=0027
LimitNOFILE=10032
EOT
  own redis:redis 750 /var/lib/redis
  own redis:adm 2750 /var/log/redis
  own redis:adm 640 /var/log/redis/redis-server.log

  rules=$(ufw show added) # in this order: SSH stays open
  rule allow 22/tcp
  rule allow from "$APP_SUBNET" to any port 6380 proto tcp
  if ! grep -qx ENABLED=yes /etc/ufw/ufw.conf; then
    note 'ufw enable'
    act ufw --force enable >/dev/null
  fi

  if ! systemctl -q is-enabled redis-server; then
    note 'redis enabled'
    act systemctl -q enable redis-server
  fi
  if [ $restart = 1 ]; then
    note 'redis restart'
    act systemctl daemon-reload
    act systemctl restart redis-server
  elif ! systemctl -q is-active redis-server; then
    note 'redis start'
    act systemctl start redis-server
  fi
  echo "changed=$changed"
}

verify() {
  local fail=0 tlscli="redis-cli -p 6380 --tls --cacert $tls/ca.crt"
  local mtls="$tlscli --cert $tls/client.crt --key $tls/client.key --no-auth-warning"
  probe() { # probe NAME EXPECT COMMAND..: the output must match the regular expression EXPECT
    local out
    out=$("${@:3}" 2>&1 | tr -d '\r') || true
    if [[ $out =~ $2 ]]; then echo "ok: $1"; else fail=1; echo "FAILED: $1: $out"; fi
  }
  as() { # as USER COMMAND..
    local password=${1^^}_PASSWORD
    REDISCLI_AUTH=${!password} $mtls --user "$@"
  }
  open() { ss -Htln | awk '{print $4}' | grep -E ':(6379|6380)$' | sort -u; }
  probe 'plaintext port closed' 'Connection refused' redis-cli -p 6379 PING
  # shellcheck disable=SC2086 # words of a command
  probe 'client certificate required' 'ertificate required|reset|closed|I/O error' $tlscli PING
  # shellcheck disable=SC2086 # words of a command
  probe 'no anonymous access' 'NOAUTH' $mtls PING
  probe 'listens where it should' "^127\\.0\\.0\\.1:6380"$'\n'"${address//./\\.}:6380(\$|"$'\n'"\\[::1\\]:6380\$)" open
  probe 'four ACL users' 'admin on.*app on.*default off.*metrics on' as admin ACL LIST
  probe 'CONFIG disabled' "unknown command 'CONFIG'" as admin CONFIG GET maxmemory
  probe 'FLUSHALL disabled' "unknown command 'FLUSHALL'" as admin FLUSHALL
  probe 'application can write' '^OK' as app SET app:probe 1 EX 5
  probe 'memory limit' 'maxmemory:536870912.*maxmemory_policy:allkeys-lru' as metrics INFO memory
  probe 'unprivileged service' 'User=redis' systemctl show -p User redis-server
  probe 'service active' '^active' systemctl is-active redis-server
  probe 'file modes' '^750 redis:redis [^ ]+.640 root:redis [^ ]+.640 root:redis [^ ]+.640 root:redis [^ ]+$' \
    stat -c '%a %U:%G %n' /var/lib/redis /etc/redis/redis.conf /etc/redis/users.acl $tls/server.key
  probe 'firewall order' "Status: active.*deny \\(incoming\\).*22/tcp +ALLOW IN.*6380/tcp +ALLOW IN +$APP_SUBNET" \
    ufw status verbose
  return $fail
}

case $mode in
  apply | check) harden ;;
  verify) verify ;;
  *) echo "usage: harden.sh [apply|check|verify]" >&2; exit 2 ;;
esac
