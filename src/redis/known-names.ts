/**
 * The settings and commands of the measured servers (Redis 6.0, 7.0, 8.0, Valkey 8.1), for reading files without a server to
 * ask.
 */

/** Every setting that one of them has, as `CONFIG GET *` lists them, and the lines that only a file has. */
export const KNOWN_SETTINGS: ReadonlySet<string> = new Set([
  ..."acl-pubsub-default aclfile acllog-max-len active-defrag-cycle-max active-defrag-cycle-min".split(" "),
  ..."active-defrag-cycle-us active-defrag-ignore-bytes active-defrag-max-scan-fields".split(" "),
  ..."active-defrag-threshold-lower active-defrag-threshold-upper active-expire-effort activedefrag".split(
    " ",
  ),
  ..."activerehashing always-show-logo aof-disable-auto-gc aof-load-truncated aof-rewrite-cpulist".split(" "),
  ..."aof-rewrite-incremental-fsync aof-timestamp-enabled aof-use-rdb-preamble aof_rewrite_cpulist".split(
    " ",
  ),
  ..."appenddirname appendfilename appendfsync appendonly auto-aof-rewrite-min-size".split(" "),
  ..."auto-aof-rewrite-percentage availability-zone bgsave-cpulist bgsave_cpulist bind bind-source-addr".split(
    " ",
  ),
  ..."bio-cpulist bio_cpulist busy-reply-threshold client-output-buffer-limit client-query-buffer-limit".split(
    " ",
  ),
  ..."cluster-allow-pubsubshard-when-down cluster-allow-reads-when-down cluster-allow-replica-migration".split(
    " ",
  ),
  ..."cluster-announce-bus-port cluster-announce-client-ipv4 cluster-announce-client-ipv6".split(" "),
  ..."cluster-announce-hostname cluster-announce-human-nodename cluster-announce-ip cluster-announce-port".split(
    " ",
  ),
  ..."cluster-announce-tls-port cluster-blacklist-ttl cluster-compatibility-sample-ratio".split(" "),
  ..."cluster-config-file cluster-enabled cluster-link-sendbuf-limit cluster-manual-failover-timeout".split(
    " ",
  ),
  ..."cluster-migration-barrier cluster-node-timeout cluster-port cluster-preferred-endpoint-type".split(" "),
  ..."cluster-replica-no-failover cluster-replica-validity-factor cluster-require-full-coverage".split(" "),
  ..."cluster-slave-no-failover cluster-slave-validity-factor cluster-slot-stats-enabled".split(" "),
  ..."commandlog-execution-slower-than commandlog-large-reply-max-len commandlog-large-request-max-len".split(
    " ",
  ),
  ..."commandlog-reply-larger-than commandlog-request-larger-than commandlog-slow-execution-max-len".split(
    " ",
  ),
  ..."crash-log-enabled crash-memcheck-enabled daemonize databases dbfilename dir disable-thp".split(" "),
  ..."dual-channel-replication-enabled dynamic-hz enable-debug-command enable-module-command".split(" "),
  ..."enable-protected-configs extended-redis-compatibility gopher-enabled hash-max-listpack-entries".split(
    " ",
  ),
  ..."hash-max-listpack-value hash-max-ziplist-entries hash-max-ziplist-value hide-user-data-from-log".split(
    " ",
  ),
  ..."hll-sparse-max-bytes hz ignore-warnings import-mode include io-threads io-threads-do-reads".split(" "),
  ..."jemalloc-bg-thread key-load-delay latency-monitor-threshold latency-tracking".split(" "),
  ..."latency-tracking-info-percentiles lazyfree-lazy-eviction lazyfree-lazy-expire".split(" "),
  ..."lazyfree-lazy-server-del lazyfree-lazy-user-del lazyfree-lazy-user-flush lfu-decay-time".split(" "),
  ..."lfu-log-factor list-compress-depth list-max-listpack-size list-max-ziplist-entries".split(" "),
  ..."list-max-ziplist-size list-max-ziplist-value loadmodule locale-collate log-format".split(" "),
  ..."log-timestamp-format logfile loglevel lua-replicate-commands lua-time-limit masterauth masteruser".split(
    " ",
  ),
  ..."max-new-connections-per-cycle max-new-tls-connections-per-cycle maxclients maxmemory".split(" "),
  ..."maxmemory-clients maxmemory-eviction-tenacity maxmemory-policy maxmemory-samples".split(" "),
  ..."min-replicas-max-lag min-replicas-to-write min-slaves-max-lag min-slaves-to-write".split(" "),
  ..."no-appendfsync-on-rewrite notify-keyspace-events oom-score-adj oom-score-adj-values pidfile port".split(
    " ",
  ),
  ..."prefetch-batch-max-size primaryauth primaryuser proc-title-template propagation-error-behavior".split(
    " ",
  ),
  ..."protected-mode proto-max-bulk-len rdb-del-sync-files rdb-key-save-delay rdb-save-incremental-fsync".split(
    " ",
  ),
  ..."rdb-version-check rdbchecksum rdbcompression rdma-bind rdma-completion-vector rdma-port rdma-rx-size".split(
    " ",
  ),
  ..."rename-command repl-backlog-size repl-backlog-ttl repl-disable-tcp-nodelay repl-diskless-load".split(
    " ",
  ),
  ..."repl-diskless-sync repl-diskless-sync-delay repl-diskless-sync-max-replicas repl-ping-replica-period".split(
    " ",
  ),
  ..."repl-ping-slave-period repl-timeout replica-announce-ip replica-announce-port replica-announced".split(
    " ",
  ),
  ..."replica-full-sync-buffer-limit replica-ignore-disk-write-errors replica-ignore-maxmemory".split(" "),
  ..."replica-lazy-flush replica-priority replica-read-only replica-serve-stale-data replicaof requirepass".split(
    " ",
  ),
  ..."sanitize-dump-payload save server-cpulist server_cpulist set-max-intset-entries".split(" "),
  ..."set-max-listpack-entries set-max-listpack-value set-proc-title shutdown-on-sigint".split(" "),
  ..."shutdown-on-sigterm shutdown-timeout slave-announce-ip slave-announce-port slave-ignore-maxmemory".split(
    " ",
  ),
  ..."slave-lazy-flush slave-priority slave-read-only slave-serve-stale-data slaveof".split(" "),
  ..."slowlog-log-slower-than slowlog-max-len socket-mark-id stop-writes-on-bgsave-error".split(" "),
  ..."stream-node-max-bytes stream-node-max-entries supervised syslog-enabled syslog-facility syslog-ident".split(
    " ",
  ),
  ..."tcp-backlog tcp-keepalive timeout tls-auth-clients tls-ca-cert-dir tls-ca-cert-file tls-cert-file".split(
    " ",
  ),
  ..."tls-ciphers tls-ciphersuites tls-client-cert-file tls-client-key-file tls-client-key-file-pass".split(
    " ",
  ),
  ..."tls-cluster tls-dh-params-file tls-key-file tls-key-file-pass tls-port tls-prefer-server-ciphers".split(
    " ",
  ),
  ..."tls-protocols tls-replication tls-session-cache-size tls-session-cache-timeout tls-session-caching".split(
    " ",
  ),
  ..."tracking-table-max-keys unixsocket unixsocketgroup unixsocketperm user watchdog-period".split(" "),
  ..."zset-max-listpack-entries zset-max-listpack-value zset-max-ziplist-entries zset-max-ziplist-value".split(
    " ",
  ),
]);

/** Settings that Redis 6.2 and later have, and 6.0 does not start with. Of those that 7.0 has, the ones in the sources of 6.2. */
export const SETTINGS_SINCE_6_2: ReadonlySet<string> = new Set([
  ..."acl-pubsub-default cluster-allow-replica-migration cluster-announce-tls-port".split(" "),
  ..."crash-log-enabled crash-memcheck-enabled disable-thp lazyfree-lazy-user-flush".split(" "),
  ..."maxmemory-eviction-tenacity proc-title-template replica-announced".split(" "),
  ..."sanitize-dump-payload set-proc-title tls-client-cert-file tls-client-key-file".split(" "),
  ..."tls-client-key-file-pass tls-key-file-pass".split(" "),
]);

/** Settings that Redis 7.0 and later have, and 6.2 does not start with. */
export const SETTINGS_SINCE_7_0: ReadonlySet<string> = new Set([
  ..."aof-timestamp-enabled appenddirname bind-source-addr busy-reply-threshold".split(" "),
  ..."cluster-allow-pubsubshard-when-down cluster-announce-hostname".split(" "),
  ..."cluster-link-sendbuf-limit cluster-port cluster-preferred-endpoint-type".split(" "),
  ..."enable-debug-command enable-module-command enable-protected-configs".split(" "),
  ..."hash-max-listpack-entries hash-max-listpack-value latency-tracking".split(" "),
  ..."latency-tracking-info-percentiles list-max-listpack-size maxmemory-clients".split(" "),
  ..."propagation-error-behavior repl-diskless-sync-max-replicas".split(" "),
  ..."replica-ignore-disk-write-errors shutdown-on-sigint shutdown-on-sigterm".split(" "),
  ..."shutdown-timeout socket-mark-id zset-max-listpack-entries zset-max-listpack-value".split(" "),
]);

/** Settings that Redis 7.2 and later have, and 7.0 does not start with. Of those that 8.0 has, the ones in the sources of 7.2. */
export const SETTINGS_SINCE_7_2: ReadonlySet<string> = new Set([
  ..."cluster-announce-human-nodename locale-collate set-max-listpack-entries".split(" "),
  ..."set-max-listpack-value".split(" "),
]);

/** Settings that Redis 8.0 and Valkey 8.1 have, and earlier ones do not start with. */
export const SETTINGS_SINCE_8_0: ReadonlySet<string> = new Set([
  ..."aof-rewrite-cpulist bgsave-cpulist bio-cpulist hide-user-data-from-log".split(" "),
  ..."max-new-connections-per-cycle max-new-tls-connections-per-cycle server-cpulist".split(" "),
]);

/** Settings that only Valkey 8.1 has. */
export const SETTINGS_OF_VALKEY: ReadonlySet<string> = new Set([
  ..."active-defrag-cycle-us availability-zone cluster-announce-client-ipv4 cluster-announce-client-ipv6".split(
    " ",
  ),
  ..."cluster-blacklist-ttl cluster-manual-failover-timeout cluster-slot-stats-enabled".split(" "),
  ..."commandlog-execution-slower-than commandlog-large-reply-max-len commandlog-large-request-max-len".split(
    " ",
  ),
  ..."commandlog-reply-larger-than commandlog-request-larger-than commandlog-slow-execution-max-len".split(
    " ",
  ),
  ..."dual-channel-replication-enabled extended-redis-compatibility import-mode log-format".split(" "),
  ..."log-timestamp-format prefetch-batch-max-size primaryauth primaryuser rdb-version-check rdma-bind".split(
    " ",
  ),
  ..."rdma-completion-vector rdma-port rdma-rx-size unixsocketgroup".split(" "),
]);

/** Every command that one of them has, as `ACL CAT` lists them. */
export const KNOWN_COMMANDS: ReadonlySet<string> = new Set([
  ..."acl append asking auth bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos blmove blmpop".split(
    " ",
  ),
  ..."blpop brpop brpoplpush bzmpop bzpopmax bzpopmin client cluster command commandlog config copy dbsize".split(
    " ",
  ),
  ..."debug decr decrby del discard dump echo eval eval_ro evalsha evalsha_ro exec exists expire expireat".split(
    " ",
  ),
  ..."expiretime failover fcall fcall_ro flushall flushdb function geoadd geodist geohash geopos georadius".split(
    " ",
  ),
  ..."georadius_ro georadiusbymember georadiusbymember_ro geosearch geosearchstore get getbit getdel getex".split(
    " ",
  ),
  ..."getrange getset hdel hello hexists hexpire hexpireat hexpiretime hget hgetall hgetdel hgetex hincrby".split(
    " ",
  ),
  ..."hincrbyfloat hkeys hlen hmget hmset hpersist hpexpire hpexpireat hpexpiretime hpttl hrandfield hscan".split(
    " ",
  ),
  ..."hset hsetex hsetnx hstrlen httl hvals incr incrby incrbyfloat info keys lastsave latency lcs lindex".split(
    " ",
  ),
  ..."linsert llen lmove lmpop lolwut lpop lpos lpush lpushx lrange lrem lset ltrim memory mget migrate".split(
    " ",
  ),
  ..."module monitor move mset msetnx multi object persist pexpire pexpireat pexpiretime pfadd pfcount".split(
    " ",
  ),
  ..."pfdebug pfmerge pfselftest ping psetex psubscribe psync pttl publish pubsub punsubscribe quit".split(
    " ",
  ),
  ..."randomkey readonly readwrite rename renamenx replconf replicaof reset restore restore-asking role".split(
    " ",
  ),
  ..."rpop rpoplpush rpush rpushx sadd save scan scard script sdiff sdiffstore select set setbit setex".split(
    " ",
  ),
  ..."setnx setrange shutdown sinter sintercard sinterstore sismember slaveof slowlog smembers smismember".split(
    " ",
  ),
  ..."smove sort sort_ro spop spublish srandmember srem sscan ssubscribe stralgo strlen subscribe substr".split(
    " ",
  ),
  ..."sunion sunionstore sunsubscribe swapdb sync time touch ttl type unlink unsubscribe unwatch wait".split(
    " ",
  ),
  ..."waitaof watch xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup".split(
    " ",
  ),
  ..."xrevrange xsetid xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore".split(
    " ",
  ),
  ..."zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore".split(
    " ",
  ),
  ..."zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore".split(
    " ",
  ),
  ..."zrevrank zscan zscore zunion zunionstore".split(" "),
]);
