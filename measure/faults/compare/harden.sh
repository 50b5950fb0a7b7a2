#!/bin/bash
# Hardens the Redis of this Debian host, as the guide says, step by step. Needs root, and beside it harden.conf and tls/.
# A second run changes nothing. Whatever fails is put back from the backup.
set -Eeuo pipefail
cd "$(dirname "$0")"
# shellcheck source=/dev/null
. ./harden.conf

conf=/etc/redis/redis.conf
dropin=/etc/systemd/system/redis-server.service.d/hardening.conf
backup=/var/backups/redis-hardening
umask 027

step() { echo "== $*"; }

restore() {
  trap - ERR
  exec >&2 # stdout may be a file on a full disk
  echo "line $1 failed: putting everything back"
  rm -rf /etc/redis/tls /etc/redis/users.acl "$conf.new" "$dropin"
  cp -a "$backup/redis/." /etc/redis/
  [ ! -e "$backup/hardening.conf" ] || cp -a "$backup/hardening.conf" "$dropin"
  cp -a "$backup"/user*.rules /etc/ufw/
  if [ "$firewall" = inactive ]; then ufw --force disable; else ufw reload; fi
  systemctl daemon-reload
  systemctl restart redis-server
  exit 1
}

# The guide's "Verify your security" shows passwords in the arguments: REDISCLI_AUTH keeps them out of ps.
as_admin() { REDISCLI_AUTH=$ADMIN_PASSWORD redis-cli -s /run/redis/redis.sock --user admin "$@"; }

check() {
  for _ in $(seq 40); do
    [ "$(as_admin ping 2>&1)" = PONG ] && return 0
    sleep 0.25
  done
  echo "Redis does not answer" >&2
  return 1
}

step Backup
firewall=$(ufw status | sed -n 's/^Status: //p')
rm -rf "$backup"
mkdir -p "$backup"
cp -a /etc/redis "$backup/redis"
cp -a /etc/ufw/user.rules /etc/ufw/user6.rules "$backup/"
[ ! -e "$dropin" ] || cp -a "$dropin" "$backup/"
trap 'restore $LINENO' ERR

step "1, 3, 4, 6, 7: redis.conf"
managed='bind|protected-mode|port|unixsocket|unixsocketperm|tls-[a-z-]+|aclfile|requirepass|rename-command'
managed="$managed|maxmemory|maxmemory-policy|lazyfree-lazy-eviction|dir|dbfilename|appendfilename"
{
  grep -vE "^($managed) |^# Hardening$" "$conf"
  cat <<EOT
# Hardening
bind $BIND
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
aclfile /etc/redis/users.acl
rename-command FLUSHDB ""
rename-command FLUSHALL ""
rename-command DEBUG ""
rename-command KEYS ""
rename-command SLAVEOF ""
rename-command REPLICAOF ""
rename-command CONFIG "$CONFIG_NAME"
rename-command SHUTDOWN "SHUTDOWN_$CONFIG_NAME"
maxmemory $MAXMEMORY
maxmemory-policy $MAXMEMORY_POLICY
lazyfree-lazy-eviction yes
dir /var/lib/redis
dbfilename dump.rdb
appendfilename "appendonly.aof"
EOT
} >"$conf.new"
changed=0
cmp -s "$conf.new" "$conf" || changed=1
mv "$conf.new" "$conf"

step "2: users"
# Not the guide's "nopass": with it, protected-mode turns every client away that is not on this host.
cat >/etc/redis/users.acl <<EOT
user default off resetpass nocommands
user metrics on >$METRICS_PASSWORD ~* &* +INFO +MONITOR +GET +HGET +LRANGE
user app on >$APP_PASSWORD ~app:* &app:* +@read +@write +@string +@hash +@list +@set +@sortedset $APP_RULES -CONFIG -DEBUG -SHUTDOWN -REPLICAOF -SLAVEOF
user admin on >$ADMIN_PASSWORD allkeys allchannels allcommands
EOT
cmp -s /etc/redis/users.acl "$backup/redis/users.acl" || changed=1

step "4: certificates"
install -d -m 750 /etc/redis/tls
install -m 640 tls/ca.crt tls/server.crt /etc/redis/tls/
install -m 600 tls/server.key /etc/redis/tls/
diff -rq /etc/redis/tls "$backup/redis/tls" >/dev/null 2>&1 || changed=1

step "5: service user and file modes"
mkdir -p "$(dirname "$dropin")"
printf '[Service]\nUser=redis\nGroup=redis\n' >"$dropin"
chown -R redis:redis /var/lib/redis /etc/redis
chmod 750 /var/lib/redis
chmod 640 "$conf" /etc/redis/users.acl
systemctl daemon-reload

if [ $changed = 1 ]; then
  step Restart
  systemctl restart redis-server
fi
check

# The allows stand before the denies: ufw takes the first that fits.
step "8: firewall"
ufw allow OpenSSH
ufw allow from "$APP_SUBNET" to any port 6380 proto tcp
ufw deny 6379/tcp
ufw deny 6380/tcp
ufw --force enable
check
ss -Htln | grep -q ':6380 '
step Done
