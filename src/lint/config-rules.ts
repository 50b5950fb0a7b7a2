import { didYouMean } from "../lib/errors.ts";
import { isLoopback, isWildcard, normalizeAddress } from "../lib/network.ts";
import { excerpt } from "../lib/secret.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Directive } from "../redis/config-reader.ts";
import {
  KNOWN_COMMANDS,
  KNOWN_SETTINGS,
  SETTINGS_OF_VALKEY,
  SETTINGS_SINCE_6_2,
  SETTINGS_SINCE_7_0,
  SETTINGS_SINCE_7_2,
  SETTINGS_SINCE_8_0,
} from "../redis/known-names.ts";
import { settingName } from "../redis/setting.ts";
import { parseSize } from "../redis/size.ts";
import type { ServerVersion } from "../redis/versions.ts";
import { isWeakPassword } from "../redis/weak-password.ts";
import type { Report } from "./finding.ts";

/** A redis.conf with what it includes, and how its lines stand in the files. */
export interface ConfigToLint {
  document: ConfigDocument;
  /** Where to speak of what is not there. */
  start: { file: string; line: number };
  /** A line as it stands. */
  textOf: (directive: Directive) => string;
  version: ServerVersion | undefined;
}

/** Everything that a redis.conf alone tells. */
export function lintConfig(config: ConfigToLint, report: Report): void {
  const { document } = config;
  const isSentinel = document.all("sentinel").length > 0;
  for (const directive of document.directives) lintLine(directive, config, isSentinel, report);
  lintDuplicates(document, report);
  lintRenames(document, report);
  if (isSentinel) {
    lintSentinel(document, report);
    return;
  }
  const settings = new Settings(config);
  for (const rule of [
    lintLogin,
    lintNetwork,
    lintTls,
    lintLocks,
    lintFiles,
    lintMemory,
    lintPersistence,
    lintTopology,
  ])
    rule(settings, report);
}

/** Settings that take several words. The value of any other with a blank in it has to be quoted. */
const SEVERAL_WORDS = new Set([
  ..."bind bind-source-addr save client-output-buffer-limit oom-score-adj-values rename-command user".split(
    " ",
  ),
  ..."loadmodule replicaof latency-tracking-info-percentiles sentinel rdma-bind".split(" "),
  ..."shutdown-on-sigint shutdown-on-sigterm".split(" "),
]);

function lintLine(directive: Directive, config: ConfigToLint, isSentinel: boolean, report: Report): void {
  const { name, args } = directive;
  const text = config.textOf(directive);
  const place = { ...directive, column: text.search(/\S/) + 1 };
  const setting = settingName(name);
  const hasModules = config.document.all("loadmodule").length > 0;
  if (
    !KNOWN_SETTINGS.has(name) &&
    !KNOWN_SETTINGS.has(setting) &&
    !isSentinel &&
    !(hasModules && /[.-]/.test(name))
  ) {
    report(
      place,
      "RK-FILE-01",
      `"${excerpt(name, 40)}" is a setting of none of Redis 6.0, 7.0, 8.0 and Valkey 8.1, which do not start with it`,
      takeOut(didYouMean(name, KNOWN_SETTINGS)),
    );
    return;
  }
  lintVersion(setting, place, config.version, report);
  const comment = setting === "user" ? -1 : args.findIndex((arg, index) => index > 0 && arg.startsWith("#"));
  if (comment > 0) {
    report(
      { ...place, column: text.indexOf("#", text.indexOf(args[0] ?? "")) + 1 },
      "RK-FILE-01",
      "Redis takes a comment behind a value for more values, and does not start",
      "give the comment a line of its own",
    );
  } else if (args.length > 1 && !SEVERAL_WORDS.has(setting)) {
    report(
      place,
      "RK-FILE-01",
      `${name} takes one value, found ${args.length}: Redis does not start`,
      'put it in quotes: "… …"',
    );
  } else if (args.length === 0 && setting !== "save") {
    report(
      place,
      "RK-FILE-01",
      `${name} lacks its value: Redis does not start`,
      "give it one, or take the line out",
    );
  }
}

function takeOut(suggestion: string): string {
  return `take the line out${suggestion === "" ? "" : `.${suggestion}`}`;
}

/** The settings that each line of Redis brought. */
const SINCE: readonly (readonly [line: string, settings: ReadonlySet<string>])[] = [
  ["6.2", SETTINGS_SINCE_6_2],
  ["7.0", SETTINGS_SINCE_7_0],
  ["7.2", SETTINGS_SINCE_7_2],
  ["8.0", SETTINGS_SINCE_8_0],
];

function lintVersion(
  setting: string,
  place: Directive,
  version: ServerVersion | undefined,
  report: Report,
): void {
  if (version === undefined) return;
  const isRedis = version.product === "redis";
  const isLater = SINCE.some(([since, settings]) => version.version < since && settings.has(setting));
  const refused = isRedis && (isLater || SETTINGS_OF_VALKEY.has(place.name));
  if (refused)
    report(
      place,
      "RK-FILE-01",
      `${version.name} has no ${place.name} and does not start with it`,
      "take the line out for this version",
    );
}

/** Lines of these add up, or are told elsewhere. */
const REPEATED = new Set([
  ..."include user rename-command loadmodule save client-output-buffer-limit sentinel".split(" "),
]);

function lintDuplicates({ directives }: ConfigDocument, report: Report): void {
  const seen = new Map<string, Directive>();
  for (const directive of directives) {
    const setting = settingName(directive.name);
    if (REPEATED.has(setting)) continue;
    const key = JSON.stringify([directive.file, setting]);
    const before = seen.get(key);
    if (before !== undefined)
      report(
        before,
        "RK-FILE-02",
        `${setting} is set again on line ${directive.line}, which wins`,
        "take one of the two out",
      );
    seen.set(key, directive);
  }
}

/** Commands that an AOF may hold: one with a name that is gone stops the next start. */
const WRITTEN = new Set([
  ..."flushall flushdb swapdb restore migrate sort rename del expire eval".split(" "),
]);

function lintRenames(document: ConfigDocument, report: Report): void {
  const [first, targets] = [new Map<string, Directive>(), new Map<string, Directive>()];
  const hasModules = document.all("loadmodule").length > 0;
  const hasAof = document.get("appendonly")?.[0]?.toLowerCase() === "yes";
  for (const directive of document.all("rename-command")) {
    const [from = "", to] = directive.args;
    const command = from.toLowerCase();
    const stop = (message: string, remedy: string) =>
      report(directive, "RK-CMD-03", `${message}: Redis does not start`, remedy);
    if (to === undefined) stop("rename-command takes a command and a name", 'take a command away with ""');
    const before = first.get(command);
    if (before !== undefined)
      stop(`${from} is renamed already, ${whereIs(before, directive)}`, "write each rename once");
    else if (!KNOWN_COMMANDS.has(command) && !hasModules)
      stop(`there is no command ${from}`, takeOut(didYouMean(command, KNOWN_COMMANDS)));
    if (to !== undefined && to !== "") {
      const name = to.toLowerCase();
      const taken = targets.get(name);
      if (taken !== undefined)
        stop(`two commands get one name, ${whereIs(taken, directive)}`, "give each a name of its own");
      else if (KNOWN_COMMANDS.has(name) && !first.has(name))
        stop("the new name is a command already", "take another name");
      targets.set(name, directive);
    }
    first.set(command, before ?? directive);
    if (command === "config" && to !== undefined)
      report(
        directive,
        "RK-CMD-03",
        "without CONFIG under its name a failover by Sentinel aborts, and monitoring goes blind",
        "take it from the users instead: -config in their ACL rules",
        "info",
      );
    if (WRITTEN.has(command) && hasAof)
      report(
        directive,
        "RK-CMD-03",
        `an AOF that holds ${from.toUpperCase()} stops the next start, since its name is gone`,
        "BGREWRITEAOF before the first start with this line, or take it from the users by ACL",
        "medium",
      );
  }
}

const whereIs = (there: Directive, here: Directive) =>
  there.file === here.file ? `on line ${there.line}` : `in ${there.file}:${there.line}`;

/** Values as they count, with the line that they come from. */
class Settings {
  readonly document: ConfigDocument;
  readonly start: { file: string; line: number };
  readonly version: ServerVersion | undefined;
  /** False for a piece that another file includes: what it lacks may stand there. */
  readonly isWhole: boolean;

  constructor({ document, start, version }: ConfigToLint) {
    this.document = document;
    this.start = start;
    this.version = version;
    this.isWhole = ["bind", "port", "dir", "daemonize", "supervised", "pidfile", "tls-port"].some(
      (name) => document.all(name).length > 0,
    );
  }

  /** The line that counts, or the file's first where there is none. */
  place(name: string): { file: string; line: number } {
    return this.document.all(name).at(-1) ?? this.start;
  }

  has(name: string): boolean {
    return this.document.all(name).length > 0;
  }

  /** Lower case; the default where there is no line. */
  word(name: string, byDefault = ""): string {
    return this.document.get(name)?.[0]?.toLowerCase() ?? byDefault;
  }

  text(name: string): string {
    return this.document.get(name)?.[0] ?? "";
  }

  get addresses(): readonly string[] {
    return this.document.get("bind") ?? ["*"];
  }

  get isLocal(): boolean {
    return this.addresses.every((address) => isLoopback(address.replace(/^-/, "")));
  }

  get plainPort(): string {
    return this.word("port", "6379");
  }

  get hasTls(): boolean {
    return this.word("tls-port", "0") !== "0";
  }
}

function lintLogin(settings: Settings, report: Report): void {
  const { document } = settings;
  const users = document.all("user");
  const hasAclFile = settings.text("aclfile") !== "";
  const password = settings.text("requirepass");
  if (hasAclFile && users.length > 0) {
    const [first] = users;
    const message = "user lines beside an aclfile: Redis does not start";
    if (first !== undefined) report(first, "RK-ACL-03", message, "move them into the ACL file");
  }
  if (password !== "") {
    const place = settings.place("requirepass");
    if (hasAclFile)
      report(
        place,
        "RK-ACL-03",
        "requirepass counts for nothing beside an aclfile: without a default line there, the server is open",
        "take it out, and write into the ACL file: user default off resetpass -@all",
      );
    const line = users.find(({ args }) => args[0] === "default");
    if (line !== undefined)
      report(
        line,
        "RK-ACL-03",
        "this line, which CONFIG REWRITE leaves, overrides requirepass: the old password goes on working",
        "keep one of the two",
      );
    report(place, "RK-ACL-09", "the password stands in clear text", "use an ACL file with hashes", "medium");
    if (isWeakPassword(password))
      report(
        place,
        "RK-ACL-10",
        "the password is short, or a known example",
        "take a random one of at least 16 characters",
      );
  }
  const hasDefault = users.some(({ args }) => args[0] === "default");
  if (settings.isWhole && !hasAclFile && password === "" && !hasDefault)
    report(
      settings.start,
      "RK-ACL-01",
      "no aclfile and no password: anybody who reaches the server may do everything",
      "give it an ACL file with: user default off resetpass -@all",
    );
  if (settings.has("replicaof") && hasAclFile && !settings.has("masteruser"))
    report(
      settings.place("replicaof"),
      "RK-ACL-11",
      "the replica logs in as the default user, which a hardened primary has switched off",
      "set masteruser and masterauth to a user with +psync +replconf +ping",
    );
  if (settings.word("acl-pubsub-default") === "allchannels")
    report(
      settings.place("acl-pubsub-default"),
      "RK-ACL-14",
      "new users reach every channel",
      "acl-pubsub-default resetchannels",
    );
  if (settings.word("acllog-max-len") === "0")
    report(
      settings.place("acllog-max-len"),
      "RK-ACL-15",
      "refused logins and commands are not kept",
      "acllog-max-len 128",
    );
}

function lintNetwork(settings: Settings, report: Report): void {
  const { version, document } = settings;
  if (settings.isWhole && !settings.has("bind"))
    report(
      settings.start,
      "RK-NET-01",
      "without a bind line Redis listens on every address",
      "bind 127.0.0.1 -::1, and the address that clients use",
    );
  const bind = document.all("bind").at(-1);
  for (const given of bind?.args ?? []) {
    const place = settings.place("bind");
    const address = given.replace(/^-/, "");
    if (given.startsWith("#")) break;
    if (given === "*" || isWildcard(address))
      report(
        place,
        "RK-NET-01",
        `${given} is every address of the host`,
        "name the addresses that clients use",
      );
    else if (normalizeAddress(address) === undefined)
      report(
        place,
        "RK-NET-01",
        `"${given}" is no address: the start waits for DNS, and ends where it fails`,
        "write an IP address",
        "medium",
      );
    else if (version?.capabilities.bindOptionalPrefix === false && given.startsWith("-"))
      report(
        place,
        "RK-FILE-01",
        `${version.name} takes ${given} for a host name and does not start`,
        "write it without the dash",
      );
    else if (
      version?.capabilities.bindOptionalPrefix !== false &&
      !given.startsWith("-") &&
      given !== "127.0.0.1"
    )
      report(
        place,
        "RK-FILE-01",
        `Redis 7.0 and later do not start while the host lacks ${given}, as after a boot without the network or without IPv6`,
        `write -${given}`,
        "info",
      );
  }
  if (settings.word("protected-mode") === "no")
    report(
      settings.place("protected-mode"),
      "RK-NET-02",
      "protected mode is off: a server without a password answers everybody",
      "protected-mode yes",
    );
  if (
    settings.isWhole &&
    settings.plainPort === "0" &&
    !settings.hasTls &&
    settings.text("unixsocket") === ""
  )
    report(
      settings.place("port"),
      "RK-FILE-01",
      "there is no port, no tls-port and no unixsocket: Redis does not start",
      "set one of them",
    );
  const mode = settings.text("unixsocketperm");
  if (/^[0-7]{3,4}$/.test(mode) && (Number.parseInt(mode, 8) & 0o007) !== 0)
    report(
      settings.place("unixsocketperm"),
      "RK-NET-08",
      "every user of the host may connect by the Unix socket",
      "unixsocketperm 700, or 770 for a group",
    );
  if (settings.word("tcp-keepalive") === "0")
    report(
      settings.place("tcp-keepalive"),
      "RK-NET-09",
      "connections of clients that are gone stay open",
      "tcp-keepalive 300",
    );
}

function lintTls(settings: Settings, report: Report): void {
  const { document } = settings;
  const given = document.directives.find(({ name }) => /^tls-(?!port$)/.test(name));
  if (!settings.hasTls) {
    if (given !== undefined && settings.isWhole)
      report(
        given,
        "RK-TLS-01",
        "TLS is off: no tls-port is set, and Redis does not look at these values until one is",
        "tls-port 6380 and port 0",
        "medium",
      );
    else if (settings.isWhole && settings.plainPort !== "0" && !settings.isLocal)
      report(
        settings.place("port"),
        "RK-TLS-01",
        "passwords and data cross the network in clear text",
        "tls-port 6380 with a certificate, and port 0",
      );
    return;
  }
  if (settings.isWhole && settings.plainPort !== "0" && !settings.isLocal)
    report(
      settings.place("port"),
      "RK-TLS-01",
      `port ${settings.plainPort} stays open in clear text beside TLS`,
      "port 0, and a unixsocket for tools on the host",
    );
  for (const name of ["tls-cert-file", "tls-key-file"])
    if (settings.text(name) === "")
      report(
        settings.place("tls-port"),
        "RK-FILE-01",
        `tls-port without ${name}: Redis does not start`,
        `set ${name}`,
      );
  const asks = settings.word("tls-auth-clients", "yes");
  if (asks !== "yes")
    report(
      settings.place("tls-auth-clients"),
      "RK-TLS-04",
      asks === "no"
        ? "a stolen password is enough: no client certificate is asked for"
        : "a client without a certificate gets in",
      "tls-auth-clients yes",
    );
  if (asks !== "no" && settings.text("tls-ca-cert-file") === "" && settings.text("tls-ca-cert-dir") === "")
    report(
      settings.place("tls-port"),
      "RK-FILE-01",
      "client certificates are asked for and no CA is named: Redis does not start",
      "set tls-ca-cert-file",
    );
  const old =
    document
      .get("tls-protocols")
      ?.join(" ")
      .match(/TLSv1(\.[01])?(?![.0-9])/gi) ?? [];
  if (old.length > 0)
    report(
      settings.place("tls-protocols"),
      "RK-TLS-03",
      `${old.join(" and ")} can be broken`,
      'tls-protocols "TLSv1.2 TLSv1.3"',
    );
  if (settings.has("tls-ciphers") && !settings.has("tls-ciphersuites"))
    report(
      settings.place("tls-ciphers"),
      "RK-TLS-03",
      "tls-ciphers says nothing of TLS 1.3, which takes any suite",
      "set tls-ciphersuites too",
    );
  if (settings.has("replicaof") && settings.word("tls-replication") !== "yes")
    report(
      settings.place("replicaof"),
      "RK-TLS-02",
      "the link to the primary is plain text",
      "tls-replication yes",
    );
  if (settings.word("cluster-enabled") === "yes" && settings.word("tls-cluster") !== "yes")
    report(
      settings.place("cluster-enabled"),
      "RK-TLS-02",
      "the cluster bus is plain text",
      "tls-cluster yes",
    );
}

function lintLocks(settings: Settings, report: Report): void {
  for (const name of ["enable-debug-command", "enable-module-command", "enable-protected-configs"]) {
    const value = settings.word(name, "no");
    if (value !== "no")
      report(
        settings.place(name),
        "RK-CMD-01",
        `${name} ${value} lets whoever has the command run code or write files${value === "local" ? ", from the host itself" : ""}`,
        `${name} no`,
        value === "local" ? "medium" : undefined,
      );
  }
  for (const module of settings.document.all("loadmodule")) {
    const path = module.args[0] ?? "";
    const isOpen = isOpenToAll(path);
    report(
      module,
      "RK-CMD-02",
      isOpen ? `every user of the host may put another module at ${path}` : `${path} runs inside the server`,
      isOpen
        ? "load it from a directory that only root may write"
        : "make sure that only root may write it, and that it is still needed",
      isOpen ? "critical" : "low",
    );
  }
}

/** Directories in which every user may make files. */
function isOpenToAll(path: string): boolean {
  return /^\/(tmp|var\/tmp|dev\/shm)(\/|$)/.test(path);
}

/** Directories that a web server, sshd or cron reads: a file there runs code, or logs somebody in. */
function isObeyed(path: string): boolean {
  return (
    /^\/(var\/www|srv\/(www|http)|usr\/share\/(nginx|httpd|apache2?)|etc|root|var\/spool\/cron)(\/|$)/.test(
      path,
    ) || /\/(\.ssh|htdocs|public_html|wwwroot|html)(\/|$)/.test(path)
  );
}

function lintFiles(settings: Settings, report: Report): void {
  const directory = settings.text("dir");
  if (isOpenToAll(directory) || isObeyed(directory))
    report(
      settings.place("dir"),
      "RK-SYS-04",
      isOpenToAll(directory)
        ? `every user of the host may replace the data in ${directory}, and a reboot may empty it`
        : `${directory} is read by others: a snapshot there can become a web page, a key or a job`,
      "dir /var/lib/redis",
    );
  for (const name of ["dbfilename", "appendfilename"])
    if (settings.text(name).includes("/"))
      report(
        settings.place(name),
        "RK-FILE-01",
        `${name} is a name, not a path: Redis does not start`,
        "put the directory into dir",
      );
  const file = settings.text("dbfilename");
  if (/^(authorized_keys|root|crontab)$|\.(php|jsp|aspx?|so|sh|py|cgi)$/.test(file))
    report(
      settings.place("dbfilename"),
      "RK-SYS-04",
      `"${file}" is a name that others run or obey`,
      "dbfilename dump.rdb",
    );
  const log = settings.text("logfile");
  if (isOpenToAll(log) || isObeyed(log))
    report(
      settings.place("logfile"),
      "RK-SYS-05",
      `others may read or replace the log in ${log}`,
      "logfile /var/log/redis/redis-server.log",
    );
  if (
    settings.word("daemonize") === "yes" &&
    log === "" &&
    settings.word("syslog-enabled") !== "yes" &&
    settings.isWhole
  )
    report(
      settings.place("daemonize"),
      "RK-SYS-05",
      "a daemon without a logfile writes its log to /dev/null",
      "set logfile or syslog-enabled yes",
    );
  if (settings.word("loglevel") === "debug")
    report(
      settings.place("loglevel"),
      "RK-SYS-05",
      "the debug log buries what matters and fills the disk",
      "loglevel notice",
      "low",
    );
  if (settings.word("hide-user-data-from-log") === "no")
    report(
      settings.place("hide-user-data-from-log"),
      "RK-SYS-06",
      "crash reports hold keys and values",
      "hide-user-data-from-log yes",
    );
}

const POLICIES = [
  ..."noeviction allkeys-lru allkeys-lfu allkeys-random volatile-lru volatile-lfu".split(" "),
  ..."volatile-random volatile-ttl".split(" "),
];

function lintMemory(settings: Settings, report: Report): void {
  const given = settings.text("maxmemory");
  const bytes = given === "" ? 0 : parseSize(given);
  const place = settings.place("maxmemory");
  if (bytes === undefined)
    report(
      place,
      "RK-FILE-01",
      `maxmemory takes no "${given}": Redis does not start`,
      "write bytes, or a whole number with kb, mb or gb",
    );
  else if (bytes === 0 && settings.isWhole)
    report(
      place,
      "RK-LIM-01",
      "memory has no bound: the kernel ends the process that needs most",
      "maxmemory below the memory of the host",
    );
  if (/[0-9](k|m|g)$/i.test(given))
    report(
      place,
      "RK-FILE-02",
      `${given} counts in thousands: ${given}b is ${/m$/i.test(given) ? "5" : /g$/i.test(given) ? "7" : "2"} per cent more`,
      "write kb, mb or gb",
    );
  const policy = settings.word("maxmemory-policy", "noeviction");
  if (!POLICIES.includes(policy))
    report(
      settings.place("maxmemory-policy"),
      "RK-FILE-01",
      `there is no policy "${policy}": Redis does not start`,
      `take one of ${POLICIES.join(", ")}.${didYouMean(policy, POLICIES)}`,
    );
  else if (bytes !== undefined && bytes > 0 && !settings.has("maxmemory-policy"))
    report(
      place,
      "RK-LIM-02",
      "without a maxmemory-policy writes fail once the memory is full",
      "say which is meant: noeviction for data, allkeys-lru for a cache",
      "low",
    );
  if (policy.startsWith("allkeys-") && settings.word("appendonly") === "yes")
    report(
      settings.place("maxmemory-policy"),
      "RK-LIM-02",
      `${policy} throws keys away that appendonly is meant to keep`,
      "noeviction for data, or no AOF for a cache",
    );
}

function lintPersistence(settings: Settings, report: Report): void {
  const { document } = settings;
  const isAof = settings.word("appendonly") === "yes";
  const saves = document.all("save");
  const reset = saves.find(({ args }) => args.every((arg) => arg === ""));
  const points = document.get("save");
  const isOff = points?.every((point) => point === "") === true;
  const isCache = settings.word("maxmemory-policy").startsWith("allkeys-");
  if (reset !== undefined && !isOff)
    report(
      reset,
      "RK-FILE-02",
      "a save line behind this one switches snapshots on again",
      "take one of the two out",
    );
  if (
    points !== undefined &&
    !isOff &&
    points.length % 2 === 1 &&
    !points.some((point) => point.startsWith("#"))
  )
    report(
      settings.place("save"),
      "RK-FILE-01",
      "save takes pairs of seconds and changes: Redis does not start",
      "such as: save 3600 1",
    );
  if (isOff && !isAof && !isCache)
    report(
      settings.place("save"),
      "RK-PER-01",
      'with save "" and no AOF a restart loses every key, or brings an old snapshot back',
      "appendonly yes, or save points; for a cache, maxmemory-policy allkeys-lru",
      "high",
    );
  if (isAof && settings.word("appendfsync") === "no")
    report(
      settings.place("appendfsync"),
      "RK-PER-01",
      "appendfsync no leaves it to the kernel when a write reaches the disk: half a minute may be lost",
      "appendfsync everysec",
      "medium",
    );
  for (const [name, message] of [
    [
      "stop-writes-on-bgsave-error",
      "writes go on while no snapshot can be saved: nobody notices until it is needed",
    ],
    ["rdbchecksum", "a damaged snapshot is loaded without a word"],
  ] as const)
    if (settings.word(name) === "no") report(settings.place(name), "RK-PER-03", message, `${name} yes`);
  if (settings.word("sanitize-dump-payload") === "no" && settings.has("sanitize-dump-payload"))
    report(
      settings.place("sanitize-dump-payload"),
      "RK-PER-03",
      "RESTORE takes payloads unchecked",
      "sanitize-dump-payload clients",
    );
}

function lintTopology(settings: Settings, report: Report): void {
  if (settings.word("replica-read-only") === "no")
    report(
      settings.place("replica-read-only"),
      "RK-REP-01",
      "the replica takes writes that its primary never sees",
      "replica-read-only yes",
    );
}

function lintSentinel(document: ConfigDocument, report: Report): void {
  const off = document.all("protected-mode").find(({ args }) => args[0]?.toLowerCase() === "no");
  const hasLogin = ["requirepass", "aclfile", "user"].some((name) => document.all(name).length > 0);
  if (off !== undefined && !hasLogin)
    report(
      off,
      "RK-NET-10",
      "Sentinel answers everybody, who may then name another primary",
      "requirepass, or bind it to the addresses of the others",
    );
}
