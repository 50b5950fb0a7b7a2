# shellcheck shell=sh
# What the guide says to look at in the end, and its look at the service's user, with the options that its own TLS step makes
# necessary. stdin: the passwords of admin and app, a line each.
read -r admin
read -r app
tls=/etc/redis/tls
cli() { redis-cli --tls --cacert $tls/redkeep-ca.crt --cert $tls/redkeep-server.crt --key $tls/redkeep-server.key -p 6380 2>&1; }

grep User /lib/systemd/system/redis-server.service
echo PING | cli
# All but sshd: in a container `ss -p` does not name the processes of others.
ss -tln | awk 'NR > 1 && $4 !~ /:22$/ { print "listens on " $4 }'
printf 'AUTH admin %s\nACL LIST\n' "$admin" | cli | sed 's/#[0-9a-f]*/#…/g'
printf 'AUTH app %s\nCONFIG GET maxmemory\n' "$app" | cli
