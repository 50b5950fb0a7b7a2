# shellcheck shell=sh
# Prints what the Redis of this host is like, a line for each fact, asked of what is running: the service, systemd, the
# kernel. Owes nothing to any of the tools that are compared. Run inside the host by `docker exec -i`.
# stdin: the administrator's password, then the application's. Arguments: the client's CA, certificate and key; APP_SUBNET.
set -u
export LC_ALL=C
read -r admin_password
read -r app_password
ca=$1 certificate=$2 key=$3 subnet=$4
address=$(hostname -i | cut -d ' ' -f 1)
name=$(sed -n 's/^rename-command CONFIG //p' /etc/redis/redis.conf | tr -d '"')

admin() { REDISCLI_AUTH=$admin_password redis-cli -s /run/redis/redis.sock --user admin --no-auth-warning "$@" 2>&1; }
setting() { admin "$name" GET "$1" | sed -n 2p; }
facts() { sed "s/^/$1: /; s/$address/ADDRESS/g; s|$subnet|SUBNET|g"; }
words() { tr ' ' '\n' | sort | paste -sd ' '; }

ss -Htln | awk '{ print $4 }' | grep -E ':(6379|6380)$' | sort | facts listens

# Which files a certificate lies in is a tool's own affair; what they are is looked at below.
admin "$name" GET '*' | paste -sd '\t\n' | grep -Ev '^tls-(cert|key|ca-cert)-file' | sort | facts setting

admin ACL LIST | while read -r line; do echo "$line" | words; done | sort | facts user
for command in FLUSHDB FLUSHALL DEBUG KEYS CONFIG SHUTDOWN SLAVEOF REPLICAOF; do
  admin COMMAND INFO $command | grep -qi "^$command\$" && echo "command: $command is there"
done

systemctl show redis-server -p ActiveState -p UnitFileState -p User -p Group -p UMask -p LimitNOFILE -p NoNewPrivileges \
  -p ProtectSystem -p ProtectHome -p PrivateTmp -p PrivateDevices | sort | facts unit
pid=$(systemctl show -p MainPID --value redis-server)
awk '/^(Uid|Gid|Umask|NoNewPrivs):/ { print $1, $2 }' "/proc/$pid/status" | facts process

served=$(setting tls-cert-file)
stat -c '%n %a %U:%G' /etc/redis /etc/redis/redis.conf /etc/redis/users.acl /etc/redis/tls /var/lib/redis /var/log/redis \
  /var/log/redis/redis-server.log | facts mode
for file in tls-cert-file tls-key-file tls-ca-cert-file; do
  stat -c "$file %a %U:%G" "$(setting $file)" | facts mode
done
openssl verify -CAfile "$(setting tls-ca-cert-file)" -purpose sslserver -verify_ip "$address" "$served" 2>&1 |
  sed 's/.*: //' | facts certificate
openssl x509 -in "$served" -noout -text | grep 'NIST CURVE' | sed 's/^ *//' | facts certificate

tls() { timeout 5 redis-cli -h "$address" -p 6380 --tls --cacert "$ca" --no-auth-warning "$@" 2>&1; }
echo "client: the plain port says $(timeout 5 redis-cli -h 127.0.0.1 -p 6379 ping 2>&1)"
echo "client: without a certificate is $(tls ping | grep -q PONG && echo "let in" || echo "turned away")"
echo "client: with a certificate alone gets $(tls --cert "$certificate" --key "$key" ping | cut -d ' ' -f 1)"
echo "client: the application gets $(REDISCLI_AUTH=$app_password tls --cert "$certificate" --key "$key" --user app set app:probe 1 ex 1)"

ufw status verbose | sed 's/  */ /g' | grep . | facts firewall
ufw show added | facts firewall
