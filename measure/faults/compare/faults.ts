/** Thirty faults that an operator may meet, none of them made for one of the tools. */
import type { LabHost } from "../../../test/integration/support/lab.ts";
import { onHost } from "../../../test/integration/support/observe.ts";
import type { Values } from "./bundle.ts";

/** What every tool comes to: redis.conf has changed; the old server has ended; ufw is on. */
export type Moment = "config" | "restart" | "firewall";

/** `silence`: packets are dropped, nobody is told. `power`: the host is off, and boots. */
export type Strike = "reset" | "silence" | "killed" | "interrupted" | "power" | { onHost: string };

export interface Fault {
  name: string;
  title: string;
  /** What the host is like before; also what it is like for the tool's own "old". */
  prepare?: (host: LabHost) => Promise<unknown>;
  /** The host writes each command to its AOF before it answers: nobody's writes are lost by the power cut itself. */
  aof?: true;
  values?: Partial<Values>;
  at?: Moment;
  strike?: Strike;
  /** How many operators start at once. */
  operators?: 2;
  sshPort?: number;
  /** What `prepare` adds is not in the tool's own "new". */
  goesAway?: true;
  /** A line of redis.conf by which the host may differ from old or new, and which has to be there. */
  keeps?: string;
  /** What of the tool's own "new" is otherwise, by these values. */
  otherwise?: readonly [was: string, is: string][];
}

const MOMENTS: Record<Moment, string> = {
  config: "when redis.conf has changed",
  restart: "when Redis stops for its restart",
  firewall: "when ufw is enabled",
};

function at(moment: Moment, strike: Strike, title: string): Fault {
  const name = typeof strike === "string" ? `${strike}-${moment}` : moment;
  return { name, title: `${title} ${MOMENTS[moment]}`, at: moment, strike };
}

const setLine = (expression: string): string => `sed -i '${expression}' /etc/redis/redis.conf`;

export const FAULTS: readonly Fault[] = [
  at("config", "reset", "SSH connection reset"),
  at("restart", "reset", "SSH connection reset"),
  at("firewall", "reset", "SSH connection reset"),
  at("config", "silence", "SSH connection goes silent"),
  at("firewall", "silence", "SSH connection goes silent"),
  at("config", "killed", "The operator's laptop dies"),
  at("restart", "killed", "The operator's laptop dies"),
  at("firewall", "killed", "The operator's laptop dies"),
  at("restart", "interrupted", "Ctrl-C"),
  { ...at("config", "power", "The host loses power"), aof: true },
  { ...at("restart", "power", "The host loses power"), aof: true },
  { ...at("firewall", "power", "The host loses power"), aof: true },
  {
    name: "edit",
    title: "Someone adds a line to redis.conf when Redis stops for its restart",
    at: "restart",
    strike: { onHost: "echo 'timeout 300' >>/etc/redis/redis.conf" },
    keeps: "timeout 300",
  },
  { name: "two-operators", title: "Two operators start at once", operators: 2 },
  {
    name: "disk-full",
    title: "64 KiB free where redis.conf lies",
    prepare: (host) =>
      onHost(
        host,
        `cp -a /etc/redis /root/redis && mount -t tmpfs -o size=256k,mode=2770,uid=$(id -u redis),gid=$(id -g redis) none /etc/redis
         cp -a /root/redis/. /etc/redis/ && rm -r /root/redis
         head -c $(($(df --output=avail -B 1 /etc/redis | tail -n 1) - 65536)) /dev/zero >/etc/redis/other-data`,
      ),
  },
  {
    name: "line-break",
    title: "A password with a line break and an ACL rule in it",
    values: { metricsPassword: "metrics-password-of-the-tests\nuser evil on nopass ~* &* +@all" },
  },
  {
    name: "unknown-value",
    title: "A setting with a typing error: allkeys-lruu",
    values: { maxmemoryPolicy: "allkeys-lruu" },
  },
  {
    name: "absent-address",
    title: "An address to listen on that the host does not have",
    values: { bind: ["127.0.0.1", "10.99.99.99"] },
  },
  {
    name: "unknown-category",
    title: "An ACL rule that does not exist: +@sortedsets",
    values: { appRules: "+@sortedsets" },
  },
  { name: "foreign-key", title: "The certificate's key belongs to another one", values: { key: "other" } },
  { name: "expired", title: "The certificate has expired", values: { certificate: "expired" } },
  {
    name: "evicting-limit",
    title: "maxmemory below what the keys take, with allkeys-lru",
    values: { maxmemory: "8mb", maxmemoryPolicy: "allkeys-lru" },
    otherwise: [
      ["maxmemory 512mb", "maxmemory 8mb"],
      [`maxmemory ${512 * 2 ** 20}`, `maxmemory ${8 * 2 ** 20}`],
      ["maxmemory-policy noeviction", "maxmemory-policy allkeys-lru"],
    ],
  },
  {
    name: "aof-live-only",
    title: "The AOF was switched on in the running server alone, snapshots are off",
    prepare: (host) =>
      onHost(
        host,
        `${setLine('$a save ""')}
         redis-cli config set save '' && redis-cli config set appendonly yes
         until redis-cli info persistence | grep -q '^aof_rewrite_in_progress:0' &&
           ! redis-cli info persistence | grep -q '^aof_rewrite_scheduled:1'; do sleep 0.1; done
         rm -f /var/lib/redis/dump.rdb`,
      ),
  },
  {
    name: "dir-live-only",
    title: "The data's folder was changed in the running server alone",
    prepare: (host) =>
      onHost(
        host,
        `${setLine("$a enable-protected-configs local")} && systemctl restart redis-server
         until [ "$(redis-cli dbsize)" -ge 100000 ]; do sleep 0.1; done
         install -d -o redis -g redis -m 750 /var/lib/redis/other && redis-cli config set dir /var/lib/redis/other
         redis-cli save && rm /var/lib/redis/dump.rdb`,
      ),
  },
  {
    name: "memory-only",
    title: 'A host that saves nothing (save "") holds its keys in memory alone',
    prepare: (host) =>
      onHost(host, `${setLine('$a save ""')} && redis-cli config set save '' && rm /var/lib/redis/dump.rdb`),
  },
  {
    name: "aof-old-name",
    title: "The AOF holds FLUSHDB, which will be renamed",
    aof: true,
    prepare: (host) => onHost(host, "redis-cli -n 5 set x 1 && redis-cli -n 5 flushdb"),
  },
  {
    name: "failing-save",
    title: "Redis cannot save: a folder lies where dump.rdb belongs",
    prepare: (host) =>
      onHost(host, "rm /var/lib/redis/dump.rdb && install -d -o redis -g redis /var/lib/redis/dump.rdb/x"),
  },
  {
    name: "ssh-port",
    title: "sshd listens on port 2222 alone",
    sshPort: 2222,
    prepare: (host) =>
      onHost(host, "echo 'Port 2222' >/etc/ssh/sshd_config.d/port.conf && systemctl restart ssh"),
    otherwise: [
      ["-p tcp -m tcp --dport 22 -j ACCEPT", "-p tcp -m tcp --dport 2222 -j ACCEPT"],
      ["ufw: 22/tcp ALLOW", "ufw: 2222/tcp ALLOW"],
      ["ufw: 22/tcp (v6) ALLOW", "ufw: 2222/tcp (v6) ALLOW"],
      ["ufw: ufw allow 22/tcp", "ufw: ufw allow 2222/tcp"],
    ],
  },
  {
    name: "broad-rule",
    title: "An earlier rule of ufw opens port 6380 to everybody",
    prepare: (host) => onHost(host, "ufw allow 6380/tcp"),
    goesAway: true,
  },
  {
    name: "link",
    title: "redis.conf is a symbolic link",
    prepare: (host) =>
      onHost(
        host,
        `install -d /srv/redis && mv /etc/redis/redis.conf /srv/redis/redis.conf
         ln -s /srv/redis/redis.conf /etc/redis/redis.conf`,
      ),
  },
];
