import { settingName } from "./setting.ts";

/**
 * What each version of the server can do; only this file knows. `support` says whether a row was measured. Rows between the
 * measured versions follow the release notes and the server's sources.
 */

export type Product = "redis" | "valkey";

/** `measured`: tried on a running server of this line. `unmeasured`: should work. `unsupported`: has no ACLs. */
export type Support = "measured" | "unmeasured" | "unsupported";

export interface Capabilities {
  /** ACL rules know channels: `&app:*`, `allchannels`, `resetchannels`. Without, they are syntax errors. */
  aclChannels: boolean;
  /** ACL rules know `%R~` and `%W~` and selectors in parentheses. */
  aclSelectors: boolean;
  /** Subcommands are commands of their own, so that `-config|set` is a rule; before 7.0 only `+` takes one. */
  aclDenySubcommand: boolean;
  /** `EVAL_RO`, `EVALSHA_RO`, `FCALL` and `FCALL_RO` exist. */
  functions: boolean;
  /** `ACL DRYRUN` exists. */
  aclDryrun: boolean;
  /** `ACL LIST` prints rules that it worked out from the permitted commands, in an order that differs from process to process. */
  aclListIsCanonical: boolean;
  /** `ACL LOAD` leaves the connections of unchanged users open; before, it closes those of every named user. */
  aclLoadKeepsConnections: boolean;
  /** `bind -::1`: an address that may be absent. Before, the server takes the dash for a part of a host name and does not start. */
  bindOptionalPrefix: boolean;
  /** A `bind` address that the host lacks stops the start. Before, the server starts without it, with a warning only. */
  absentAddressStopsStart: boolean;
  /** `bind`, `port` and `tls-port` take effect by `CONFIG SET`. */
  liveBind: boolean;
  /** One `CONFIG SET` takes several pairs, all or nothing. */
  multiPairConfigSet: boolean;
  /** `enable-protected-configs`, `enable-debug-command` and `enable-module-command` exist, and default to no. */
  protectedConfigs: boolean;
  /** `appenddirname` exists: the AOF is a directory. */
  appendDirName: boolean;
  /** `HELLO` before login is subject to the default user's rules: it needs `+hello` even when switched off. */
  helloNeedsDefaultUser: boolean;
  /** `SELECT` and the harmless `CLIENT` subcommands are not reached by `+@connection`. */
  selectAndClientOutsideConnection: boolean;
  /** In a file that included another before, each `save` line replaces those before it; else they add up. */
  saveResetsAfterInclude: boolean;
  /** `redis-cli -e` exits 1 on an error reply. */
  cliErrorExit: boolean;
}

export interface ServerVersion {
  product: Product;
  /** The product's own version: for Valkey not the Redis version that it claims for compatibility. */
  version: string;
  /** For people: `Redis 7.0.15`. */
  name: string;
  support: Support;
  capabilities: Capabilities;
  /** Settings that only a start reads: `CONFIG SET` refuses them. `rename-command` and `user` lines are among them. */
  immutableSettings: ReadonlySet<string>;
  /** Whether `CONFIG SET` takes this setting on a server whose `enable-protected-configs` has the default. */
  liveSettable(setting: string): boolean;
}

const MEASURED: Record<Product, readonly string[]> = { redis: ["6.0", "7.0", "8.0"], valkey: ["8.1"] };

/** Found on the measured versions by setting every setting of `CONFIG GET *` to its own value; and the lines that are no settings. */
const IMMUTABLE = [
  ..."aclfile always-show-logo aof_rewrite_cpulist appenddirname appendfilename bgsave_cpulist".split(" "),
  ..."bio_cpulist cluster-config-file cluster-enabled cluster-port daemonize databases disable-thp".split(
    " ",
  ),
  ..."enable-debug-command enable-module-command enable-protected-configs io-threads".split(" "),
  ..."io-threads-do-reads logfile pidfile rdbchecksum replicaof server_cpulist set-proc-title".split(" "),
  ..."socket-mark-id supervised syslog-enabled syslog-facility syslog-ident tcp-backlog".split(" "),
  ..."unixsocket unixsocketgroup unixsocketperm include loadmodule rename-command user".split(" "),
  ..."aof-rewrite-cpulist bgsave-cpulist bio-cpulist server-cpulist".split(" "),
];

/** Settings that need `enable-protected-configs yes` since 7.0. */
const PROTECTED = ["dir", "dbfilename"];

/**
 * What `INFO server` tells. Valkey reports `redis_version:7.2.4` for compatibility, so its own fields come first.
 * Throws a RangeError when the version is not a dotted number.
 */
export function serverVersion(info: {
  redisVersion: string;
  serverName?: string | undefined;
  valkeyVersion?: string | undefined;
}): ServerVersion {
  const product = info.serverName === "valkey" || info.valkeyVersion !== undefined ? "valkey" : "redis";
  const version = (product === "valkey" ? info.valkeyVersion : undefined) ?? info.redisVersion;
  const numbers = /^(\d{1,4})\.(\d{1,4})(\.\d{1,6})?/.exec(version);
  if (numbers === null) throw new RangeError(`not a server version: ${JSON.stringify(version.slice(0, 40))}`);
  const [major, minor] = [Number(numbers[1]), Number(numbers[2])];
  const since = (wantedMajor: number, wantedMinor: number) =>
    major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);

  const capabilities: Capabilities = {
    aclChannels: since(6, 2),
    aclSelectors: since(7, 0),
    aclDenySubcommand: since(7, 0),
    functions: since(7, 0),
    aclDryrun: since(7, 0),
    aclListIsCanonical: !since(7, 2),
    aclLoadKeepsConnections: product === "valkey" ? since(8, 0) : since(7, 4),
    bindOptionalPrefix: since(6, 2),
    absentAddressStopsStart: since(6, 2),
    liveBind: since(7, 0),
    multiPairConfigSet: since(7, 0),
    protectedConfigs: since(7, 0),
    appendDirName: since(7, 0),
    helloNeedsDefaultUser: !since(6, 2),
    selectAndClientOutsideConnection: !since(7, 0),
    saveResetsAfterInclude: since(7, 0),
    cliErrorExit: since(7, 0),
  };
  const immutableSettings = new Set(IMMUTABLE);
  if (!capabilities.liveBind) for (const name of ["bind", "port", "tls-port"]) immutableSettings.add(name);

  return {
    product,
    version,
    name: `${product === "valkey" ? "Valkey" : "Redis"} ${version}`,
    support: !since(6, 0)
      ? "unsupported"
      : MEASURED[product].includes(`${major}.${minor}`)
        ? "measured"
        : "unmeasured",
    capabilities,
    immutableSettings,
    liveSettable: (setting) => {
      const name = settingName(setting);
      return !immutableSettings.has(name) && !(capabilities.protectedConfigs && PROTECTED.includes(name));
    },
  };
}
