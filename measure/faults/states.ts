/**
 * Random start states: a lab host as operators leave it, after years of hands, tools and half-done plans.
 *
 *     const state = drawState(17);
 *     await onHost(host, state.script);
 */

/** A habit of operators, as shell. It runs in /etc/redis, where `cli` is a redis-cli that gets in. */
interface Habit {
  name: string;
  /** Before Redis is started anew. */
  files?: string;
  /** On the running server. */
  live?: string;
}

export interface State {
  seed: number;
  /** The names of what was done to the host. */
  habits: string[];
  /** Brings a stock lab host into this state. */
  script: string;
  /** What redkeep did here before. */
  past: Past;
  /** Done to the host after that. */
  drift: { name: string; script: string } | undefined;
}

export type Past = (typeof PASTS)[number];

const PASTS = ["none", "none", "none", "none", "none", "none", "part", "whole", "rolled back"] as const;

const conf = (...lines: string[]): string =>
  `printf '%s\\n' ${lines.map((line) => `'${line.replaceAll("'", `'\\''`)}'`).join(" ")} >>redis.conf`;

const certificate = (days: number): string => `
  mkdir -p tls; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days ${days} -subj /CN=redis \\
    -keyout tls/own.key -out tls/own.crt 2>/dev/null; chown redis:redis tls/own.key`;
/** redkeep's own, where it is free. */
const TLS_PORT = 'echo "tls-port $((PORT == 6380 ? 6390 : 6380))" >>redis.conf';
const TLS_FILES = [
  "tls-cert-file /etc/redis/tls/own.crt",
  "tls-key-file /etc/redis/tls/own.key",
  "tls-ca-cert-file /etc/redis/tls/own.crt",
];

/** The users that operators made and the playbook does not list: it keeps them, whatever verify says of their rights. */
export const KEPT_USERS = ["ops", "legacy", "cache", "picky", "x"] as const;

/** At most one of each group, with the group's odds. */
const GROUPS: readonly { odds: number; habits: readonly Habit[] }[] = [
  {
    odds: 0.5,
    habits: [
      {
        name: "comments",
        files: `sed -i '1i # managed by ops, do not edit' redis.conf; ${conf("# maxmemory 1gb", "#bind 10.0.0.1")}`,
      },
      { name: "CRLF", files: "sed -i 's/$/\\r/' redis.conf" },
      { name: "no final newline", files: `printf '# the end' >>redis.conf` },
      { name: "umlauts", files: conf("# Schlüssel für Köln: täglich prüfen ✓") },
      { name: "no comments at all", files: "sed -i -e '/^#/d' -e '/^$/d' redis.conf" },
      {
        name: "duplicated keys",
        files: conf(
          "maxclients 50",
          "MaxClients 60",
          "timeout 5",
          "timeout 0",
          "bind 127.0.0.1",
          "bind 127.0.0.1 -::1",
        ),
      },
      {
        name: "tabs and upper case",
        files: `sed -i -e 's/^timeout .*/TIMEOUT\\t0/' -e 's/^databases .*/\\tDatabases   4/' redis.conf`,
      },
      {
        name: "quoted values",
        files: conf(
          'loglevel "notice"',
          "latency-monitor-threshold '10'",
          'proc-title-template "{title} {listen-addr}"',
        ),
      },
    ],
  },
  {
    odds: 0.25,
    habits: [
      {
        name: "include at the end",
        files: `printf 'maxclients 77\\nhz 15\\n' >site.conf; ${conf("include /etc/redis/site.conf")}`,
      },
      {
        name: "include at the start",
        files: `printf 'maxclients 77\\nmaxmemory 20mb\\n' >base.conf; sed -i '1i include /etc/redis/base.conf' redis.conf`,
      },
      {
        name: "include by pattern",
        files: `mkdir conf.d; echo 'hz 12' >conf.d/10-hz.conf; echo 'maxclients 90' >conf.d/20-clients.conf; ${conf("include /etc/redis/conf.d/*.conf")}`,
      },
      {
        name: "nested includes",
        files: `echo 'include /etc/redis/inner.conf' >outer.conf; printf 'bind 127.0.0.1\\nprotected-mode yes\\n' >inner.conf; ${conf("include /etc/redis/outer.conf")}`,
      },
      {
        name: "password in an include",
        files: `echo 'requirepass password-in-an-include' >secret.conf; chmod 640 secret.conf; chown root:redis secret.conf; ${conf("include /etc/redis/secret.conf")}; PASS=password-in-an-include`,
      },
    ],
  },
  {
    odds: 0.3,
    habits: [
      {
        name: "open to the world",
        files: `sed -i 's/^bind .*/bind 0.0.0.0/' redis.conf; ${conf("protected-mode no")}`,
      },
      { name: "bind *", files: "sed -i 's/^bind .*/bind * -::*/' redis.conf" },
      { name: "IPv4 loopback only", files: "sed -i 's/^bind .*/bind 127.0.0.1/' redis.conf" },
      { name: "no bind line", files: "sed -i '/^bind /d' redis.conf" },
      {
        name: "bind with the own address",
        files: `sed -i "s/^bind .*/bind 127.0.0.1 $(hostname -I | cut -d' ' -f1)/" redis.conf`,
      },
      { name: "bind live only", live: "cli $CONFIG SET bind 127.0.0.1" },
    ],
  },
  {
    odds: 0.2,
    habits: [
      { name: "another port", files: "sed -i 's/^port .*/port 7000/' redis.conf; PORT=7000" },
      { name: "the TLS port without TLS", files: "sed -i 's/^port .*/port 6380/' redis.conf; PORT=6380" },
      {
        name: "a socket alone",
        files: `sed -i 's/^port .*/port 0/' redis.conf; ${conf("unixsocket /run/redis/redis-server.sock", "unixsocketperm 770")}; SOCKET=/run/redis/redis-server.sock`,
      },
      {
        name: "a socket beside the port",
        files: conf("unixsocket /run/redis/other.sock", "unixsocketperm 777"),
      },
    ],
  },
  {
    odds: 0.25,
    habits: [
      {
        name: "requirepass",
        files: `${conf("requirepass an-old-password-of-ops")}; PASS=an-old-password-of-ops`,
      },
      {
        name: "requirepass in quotes",
        files: `${conf('requirepass "an old # password \\x41"')}; PASS='an old # password A'`,
      },
      {
        name: "requirepass live only",
        live: "cli $CONFIG SET requirepass set-in-a-hurry; PASS=set-in-a-hurry",
      },
      { name: "masterauth", files: conf("masterauth an-old-password-of-the-primary") },
    ],
  },
  {
    odds: 0.3,
    habits: [
      {
        name: "inline users",
        files: conf(
          "user legacy on >the-legacy-password ~legacy:* +@read",
          "user app on >an-older-app-password ~* +@all",
        ),
      },
      {
        name: "an ACL file",
        files: `printf 'user default on nopass ~* &* +@all\\nuser cache on >the-cache-password ~cache:* +get +set\\n' >users.acl; chown redis:redis users.acl; ${conf("aclfile /etc/redis/users.acl")}`,
      },
      {
        name: "an ACL file elsewhere",
        files: `printf 'user default on nopass ~* &* +@all\\nuser ops on #${"ab".repeat(32)} allkeys +@all\\n' >acl.list; chown redis:redis acl.list; ${conf("aclfile /etc/redis/acl.list")}`,
      },
      {
        name: "an ACL file that nobody reads",
        files: "printf 'user default on nopass ~* &* +@all\\nuser x on nopass +ping\\n' >users.acl",
      },
      {
        name: "a user of run time",
        live: "cli ACL SETUSER ops on '>ops-runtime-password' '~ops:*' +get +set",
      },
      {
        name: "a user with selectors",
        files: conf("user picky on nopass %R~a:* (%W~b:* +set) +get"),
      },
      { name: "app there already", files: conf("user app on >app-password-of-the-tests ~app:* +@all") },
    ],
  },
  {
    odds: 0.2,
    habits: [
      {
        name: "TLS beside the plain port",
        files: `${certificate(90)}; ${conf("tls-port 6381", "tls-auth-clients no", ...TLS_FILES)}`,
      },
      { name: "TLS prepared, not on", files: `${certificate(90)}; ${conf("tls-port 0", ...TLS_FILES)}` },
      {
        name: "TLS with a key that all may read",
        files: `${certificate(90)}; chmod 644 tls/own.key; ${conf(...TLS_FILES)}; ${TLS_PORT}`,
      },
      {
        name: "TLS about to end",
        files: `${certificate(1)}; ${conf("tls-auth-clients optional", ...TLS_FILES)}; ${TLS_PORT}`,
      },
    ],
  },
  {
    odds: 0.35,
    habits: [
      { name: "no snapshots", files: conf('save ""') },
      { name: "AOF", files: "sed -i 's/^appendonly .*/appendonly yes/' redis.conf" },
      {
        name: "AOF alone",
        files: `sed -i 's/^appendonly .*/appendonly yes/' redis.conf; ${conf('save ""')}`,
      },
      { name: "own save points", files: conf("save 900 1", "save 60 5000") },
      { name: "save points in one line", files: conf("save 3600 1 60 10000") },
      { name: "AOF live only", live: "cli $CONFIG SET appendonly yes" },
      { name: "no snapshots, live only", live: "cli $CONFIG SET save ''" },
      { name: "another dump", files: conf("dbfilename ops.rdb") },
      {
        name: "another data directory",
        files: `mkdir -p /srv/redis; chown redis:redis /srv/redis; sed -i 's|^dir .*|dir /srv/redis|' redis.conf; mkdir -p $UNITD; printf '[Service]\\nReadWritePaths=/srv/redis\\n' >$UNITD/data.conf`,
      },
    ],
  },
  {
    odds: 0.25,
    habits: [
      { name: "FLUSHALL taken away", files: conf('rename-command FLUSHALL ""') },
      { name: "CONFIG renamed", files: `${conf('rename-command CONFIG "ops-config"')}; CONFIG=ops-config` },
      {
        name: "several renamed",
        files: conf("rename-command KEYS k33ys", 'rename-command FLUSHDB ""', "rename-command DEBUG dbg"),
      },
      { name: "a command that redkeep leaves", files: conf("rename-command MONITOR mon1tor") },
    ],
  },
  {
    odds: 0.3,
    habits: [
      {
        name: "a drop-in for open files",
        files: "mkdir -p $UNITD; printf '[Service]\\nLimitNOFILE=4096\\n' >$UNITD/limits.conf",
      },
      {
        name: "a loose umask",
        files: "mkdir -p $UNITD; printf '[Service]\\nUMask=0022\\n' >$UNITD/10-umask.conf",
      },
      {
        name: "runs as root",
        files:
          "mkdir -p $UNITD; printf '[Service]\\nUser=root\\nGroup=root\\n' >$UNITD/10-user.conf; systemctl stop redis-server; chown -R root:root /var/lib/redis /var/log/redis /etc/redis; if [ -d /srv/redis ]; then chown root:root /srv/redis; fi",
      },
      {
        name: "a drop-in with the last word",
        files: "mkdir -p $UNITD; printf '[Service]\\nUMask=0022\\n' >$UNITD/umask.conf",
      },
      {
        name: "a part of redkeep's drop-in",
        files: "mkdir -p $UNITD; printf '# by hand\\n[Service]\\nUMask=0077\\n' >$UNITD/redkeep.conf",
      },
      {
        name: "a drop-in that is not loaded",
        live: "mkdir -p $UNITD; printf '[Service]\\nTimeoutStopSec=33\\n' >$UNITD/later.conf",
      },
      {
        name: "a later drop-in over redkeep's",
        files: "mkdir -p $UNITD; printf '[Service]\\nUMask=0027\\n' >$UNITD/zz-site.conf",
      },
    ],
  },
  {
    odds: 0.35,
    habits: [
      { name: "ufw with Redis open", live: "ufw allow 22/tcp; ufw allow 6379; ufw --force enable" },
      {
        name: "ufw with a limit and comments",
        live: "ufw allow 22/tcp; ufw limit 2222/tcp comment 'ssh, limited'; ufw allow 8080/tcp comment shop; ufw deny from 192.0.2.0/24; ufw --force enable",
      },
      {
        name: "ufw rules, not on",
        live: "ufw allow 22/tcp; ufw allow from 10.0.0.0/8 to any port 6380 proto tcp",
      },
      {
        name: "ufw without IPv6",
        live: "sed -i 's/^IPV6=.*/IPV6=no/' /etc/default/ufw; ufw allow OpenSSH; ufw --force enable",
      },
      {
        name: "ufw that lets all in",
        live: "ufw default allow incoming; ufw allow 22/tcp; ufw --force enable",
      },
      { name: "ufw that rejects", live: "ufw default reject incoming; ufw allow 22/tcp; ufw --force enable" },
      {
        name: "ufw with an interface and a route",
        live: "ufw allow in on eth0 to any port 22 proto tcp; ufw route allow in on eth0 out on eth1; ufw --force enable",
      },
    ],
  },
  {
    odds: 0.35,
    habits: [
      { name: "redis.conf for all to read", files: "chmod 644 redis.conf" },
      { name: "redis.conf of root", files: "chown root:root redis.conf; chmod 644 redis.conf" },
      { name: "an open directory", files: "chmod 755 /etc/redis" },
      { name: "open data", live: "cli SAVE; chmod 755 /var/lib/redis; chmod 644 /var/lib/redis/*.rdb" },
      { name: "open logs", files: "chmod 755 /var/log/redis; chmod 644 /var/log/redis/*" },
      { name: "an open copy of redis.conf", files: "cp redis.conf redis.conf.bak; chmod 666 redis.conf.bak" },
    ],
  },
  {
    odds: 0.3,
    habits: [
      { name: "maxmemory live only", live: "cli $CONFIG SET maxmemory 100mb" },
      { name: "maxmemory in the file, not loaded", live: conf("maxmemory 100mb") },
      { name: "as wanted, live only", live: "cli $CONFIG SET maxmemory 536870912" },
      { name: "protected-mode live only", live: "cli $CONFIG SET protected-mode no" },
      { name: "rewritten by Redis", live: "cli $CONFIG SET maxclients 300; cli $CONFIG REWRITE" },
      {
        name: "lazyfree set",
        files: conf("lazyfree-lazy-eviction yes", "replica-lazy-flush yes", "maxmemory-policy allkeys-lru"),
      },
      {
        name: "log to syslog",
        files: `sed -i 's/^logfile .*/logfile ""/' redis.conf; ${conf("syslog-enabled yes")}`,
      },
    ],
  },
  {
    odds: 0.15,
    habits: [
      {
        name: "another service",
        live: "systemd-run -q --unit=exporter systemd-socket-activate -a -l 0.0.0.0:9100 /bin/cat",
      },
      { name: "a stopped Redis", live: "settled; systemctl stop redis-server" },
      {
        name: "redis.conf is a link",
        files: "mv redis.conf /etc/redis.real; ln -s /etc/redis.real redis.conf",
      },
      { name: "redis.conf has two names", files: "ln redis.conf redis.twin" },
      { name: "a replica without its primary", files: conf("replicaof 192.0.2.1 6379") },
      {
        name: "a failed save",
        live: "chown root:root /var/lib/redis; chmod 755 /var/lib/redis; cli SET x y; cli BGSAVE",
      },
      { name: "bytes that are no UTF-8", files: "printf '# caf\\351\\n' >>redis.conf" },
    ],
  },
];

const DRIFTS: readonly { name: string; script: string }[] = [
  { name: "an edit of redis.conf", script: "echo 'hz 20' >>/etc/redis/redis.conf" },
  {
    name: "the ACL file for all to read",
    script: "f=/etc/redis/users.acl; if [ -f $f ]; then chmod 644 $f; fi",
  },
  { name: "a wider rule", script: "ufw allow 6380" },
  {
    name: "the drop-in gone",
    script: "rm -f /etc/systemd/system/redis-server.service.d/redkeep.conf; systemctl daemon-reload",
  },
  { name: "the certificate gone", script: "rm -f /etc/redis/tls/redkeep-server.crt" },
  { name: "Redis restarted", script: "systemctl restart redis-server" },
];

/** The same state for the same seed. */
export function drawState(seed: number): State {
  const draw = generator(seed);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(draw() * choices.length)] as T;
  const habits = GROUPS.flatMap((group) => (draw() < group.odds ? [pick(group.habits)] : []));
  const past = pick(PASTS);
  return {
    seed,
    habits: habits.map(({ name }) => name),
    past,
    drift: past !== "none" && draw() < 0.7 ? pick(DRIFTS) : undefined,
    script: `
      UNITD=/etc/systemd/system/redis-server.service.d; PORT=6379; SOCKET=; PASS=; CONFIG=CONFIG; cd /etc/redis
      cli() { if [ -n "$PASS" ]; then export REDISCLI_AUTH="$PASS"; fi; redis-cli -p $PORT \${SOCKET:+-s $SOCKET} "$@"; }
      # Until its first AOF is written Redis takes no signal to end, and systemd would wait for it for ever.
      settled() { until cli INFO persistence | tr -d '\\r' | grep -c '^\\(rdb_bgsave\\|aof_rewrite\\)_in_progress:0' | grep -qv 1; do sleep 0.05; done; }
      (
        ${habits.map(({ files }) => files ?? ":").join("\n")}
        systemctl daemon-reload; systemctl restart redis-server
        i=0; until [ "$(cli PING 2>/dev/null)" = PONG ]; do i=$((i + 1)); [ $i -lt 200 ] || exit 1; sleep 0.05; done
        cli EVAL "for i = 1, 200 do redis.call('SET', 'app:' .. i, i) end" 0
        ${habits.map(({ live }) => live ?? ":").join("\n")}
        settled
      ) >/root/prepared 2>&1 || { cat /root/prepared; exit 1; }`,
  };
}

/** mulberry32: fractions. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
