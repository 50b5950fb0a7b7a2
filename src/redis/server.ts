import { type Actable, chosen, pointedAt, type Seen } from "../facts/origin.ts";
import type { HostFacts } from "../facts/probe.ts";
import { type CommandTable, commandTable, tooManyRules } from "./acl-commands.ts";
import { type ConfigDocument, parseConfig } from "./config-document.ts";
import { type ServerVersion, serverVersion } from "./versions.ts";

/** The Redis server of a host, as far as the facts tell: one view for all tasks. */
export interface Server {
  unit: Seen;
  version: ServerVersion;
  /** redis.conf and its includes, as found. */
  config: ConfigDocument;
  configPath: Seen;
  /** `CONFIG GET *`; undefined where it could not be asked. */
  running: ReadonlyMap<string, string> | undefined;
  /** Undefined where redkeep could not log in. */
  commands: CommandTable | undefined;
  /** The user and group that the service runs as; those of the product where the unit still runs as root. */
  user: Actable;
  group: Actable;
  /** The directory under /run that systemd makes for the unit; undefined where it makes none. */
  runtimeDirectory: string | undefined;
  usedMemory: number | undefined;
  keys: number | undefined;
  role: string | undefined;
  replicas: number;
  isCluster: boolean;
  /** True where a Sentinel on this host or a connected one steers the server. */
  hasSentinel: boolean;
}

/** Why a host has no server that redkeep can work with, as a sentence. */
export interface NoServer {
  problem: string;
  remedy: string;
}

export function isServer(server: Server | NoServer): server is Server {
  return "unit" in server;
}

const tables = new WeakMap<object, CommandTable>();

/** One table for all hosts that answered alike. */
function tableOf(categories: HostFacts["redis"]["categories"]): CommandTable {
  const table = tables.get(categories) ?? commandTable(categories);
  tables.set(categories, table);
  return table;
}

/** Reads the server out of the facts, or says why there is none. */
export function serverOf(facts: HostFacts): Server | NoServer {
  const { service, configFiles, redis } = facts;
  if (!service.hasSystemd) {
    return {
      problem: "systemd does not run this host: nothing there could put a change back by itself",
      remedy: "manage Redis where it runs as a unit of systemd, or take the host out of the play",
    };
  }
  if (service.unit === "") {
    return service.units.length === 0
      ? {
          problem: "no Redis or Valkey unit was found",
          remedy: "install Redis, or take the host out of the play",
        }
      : {
          problem: `several units: ${service.units.join(", ")}`,
          remedy: "say which one you mean: set redkeep_unit in the host's variables",
        };
  }
  if (service.binary === "") {
    return {
      problem: `${service.unit} is not a unit of this host`,
      remedy: "correct redkeep_unit in the host's variables",
    };
  }
  const { configPath } = service;
  const [unread] = configFiles.unreadable;
  if (facts.host.uid === 0 && unread !== undefined) {
    return {
      problem: `${unread} could not be read whole: it is no ordinary file, is larger than 1 MiB, stands for more files than are read, or its folder's owner may not read it`,
      remedy: "look at it on the host with ls -l, and restore the file that belongs there",
    };
  }
  // Without root, the running server and the unit still tell much.
  const isClosed = configFiles.main === undefined && configFiles.unreadable.has(configPath);
  const main = isClosed ? { path: configPath, text: "" } : configFiles.main;
  if (main === undefined || main.path !== configPath) {
    return {
      problem: `${service.unit} starts without a configuration file that can be read`,
      remedy: "give its ExecStart a redis.conf as the first argument",
    };
  }
  const broken = [main, ...configFiles.includes].find(({ text }) => text.includes("\ufffd"));
  if (broken !== undefined)
    return { problem: `${broken.path} is not UTF-8 text`, remedy: "convert it to UTF-8" };
  const version = versionOf(facts);
  const config = parseConfig(main, configFiles.includes, "/", version?.capabilities.saveResetsAfterInclude);
  const [problem] = config.problems;
  if (problem !== undefined) {
    const { file = main.path, line } = problem.place ?? {};
    return {
      problem: `${file}${line === undefined ? "" : `:${line}`}: ${problem.message}`,
      remedy: "correct the line: Redis would not start with it",
    };
  }
  if (version === undefined) {
    return {
      problem: "the server's version could not be read",
      remedy: `run ${service.binary} --version on the host`,
    };
  }
  const difference = twoVersions(facts, version);
  if (difference !== undefined) return difference;
  const commands = redis.categories.size === 0 ? undefined : tableOf(redis.categories);
  const tooMany = aclLists(facts, config)
    .map((lines) => tooManyRules(lines, commands))
    .find((reason) => reason !== undefined);
  if (tooMany !== undefined) {
    return {
      problem: `what the server's users may do is more than redkeep judges: ${tooMany}`,
      remedy: "look at ACL LIST on the host: who made so many?",
    };
  }
  const user = serviceUser(facts);
  const [runtime = ""] = (service.properties.get("RuntimeDirectory") ?? "").split(" ");
  return {
    unit: service.unit,
    version,
    config,
    configPath,
    running: redis.config,
    commands,
    user,
    group: serviceGroup(facts, user),
    runtimeDirectory: runtime === "" ? undefined : `/run/${runtime}`,
    usedMemory: number(redis.info.get("used_memory")),
    keys: redis.user === undefined ? undefined : keyCount(redis.info),
    role: redis.info.get("role"),
    replicas: number(redis.info.get("connected_slaves")) ?? 0,
    isCluster:
      redis.info.get("cluster_enabled") === "1" ||
      config.get("cluster-enabled")?.[0]?.toLowerCase() === "yes",
    hasSentinel:
      service.sentinels.length > 0 ||
      redis.clients.some(({ name }) => name.startsWith("sentinel-")) ||
      facts.host.listeners.some(({ protocol, port }) => protocol === "tcp" && port === 26379),
  };
}

/** Users, a line each, as they run, as redis.conf has them and as each ACL file does. */
function aclLists({ redis, configFiles }: HostFacts, config: ConfigDocument): (readonly string[])[] {
  return [
    redis.aclUsers ?? [],
    config.all("user").map(({ args }) => args.join(" ")),
    ...[...configFiles.aclFiles.values()].map((text) => text.split("\n").filter(Boolean)),
  ];
}

/** If the running program is the one on disk, and only root could write that, the version that it prints is the true one. */
function twoVersions({ service, redis }: HostFacts, version: ServerVersion): NoServer | undefined {
  const [, onDisk] = /^\w+ server v=([\d.]+)/.exec(service.binaryVersion) ?? [];
  const isSame = service.process?.isProgram === true;
  if (
    !isSame ||
    onDisk === undefined ||
    redis.info.get("redis_version") === undefined ||
    onDisk === version.version
  )
    return undefined;
  return {
    problem: `${service.binary} is version ${onDisk}, and what answers in its place says ${version.version}`,
    remedy: "look at who listens on its socket and its ports: ss -lxp, ss -ltp",
  };
}

function versionOf({ redis, service }: HostFacts): ServerVersion | undefined {
  const { info } = redis;
  const running = info.get("redis_version");
  try {
    if (running !== undefined) {
      return serverVersion({
        redisVersion: running,
        serverName: info.get("server_name"),
        valkeyVersion: info.get("valkey_version"),
      });
    }
    // `Redis server v=7.0.15 sha=…`, `Valkey server v=8.1.1 …`
    const binary = /^(\w+) server v=([\d.]+)/.exec(service.binaryVersion);
    if (binary?.[1] === undefined || binary[2] === undefined) return undefined;
    return serverVersion({
      redisVersion: binary[2],
      valkeyVersion: binary[1] === "Valkey" ? binary[2] : undefined,
    });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const isRoot = (name: string): boolean => ["", "root", "0"].includes(name);

function serviceGroup({ service }: HostFacts, user: Actable): Actable {
  const group = service.properties.get("Group");
  if (group !== undefined && !isRoot(group)) return group;
  // Root's own groups are not the product's: its files are to be read by the product's user.
  if (isRoot(service.properties.get("User") ?? "")) return user;
  return group || (service.account?.groups[0] ?? user);
}

function serviceUser({ service }: HostFacts): Actable {
  const user = service.properties.get("User") ?? "";
  if (!isRoot(user)) return user;
  // The product of the program that root sees, and not the one that the server claims to be.
  const product = /valkey/.test(`${service.unit} ${service.binary}`) ? "valkey" : "redis";
  return pointedAt(service.productUsers, product) ?? service.productUsers[0] ?? chosen(product);
}

/** `db0:keys=5,expires=0,avg_ttl=0` for each database. */
function keyCount(info: ReadonlyMap<string, string>): number {
  let keys = 0;
  for (const [name, value] of info) {
    const found = /^keys=(\d+)/.exec(value)?.[1];
    if (/^db\d+$/.test(name) && found !== undefined) keys += Number(found);
  }
  return keys;
}

function number(text: string | undefined): number | undefined {
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
}

/** The ports for clients: those of the running server, else those in its file. */
export function clientPorts(server: Pick<Server, "running" | "config">): number[] {
  const ports = [settingOf(server, "port") ?? "6379", settingOf(server, "tls-port") ?? "0"].map(Number);
  return [...new Set(ports.filter((port) => port > 0))];
}

/** The addresses that it binds, likewise, without the dash of those that the host may lack; "*" for all. */
export function boundAddresses(server: Pick<Server, "running" | "config">): string[] {
  const bound = settingOf(server, "bind") || "*";
  return bound.split(/\s+/).map((text) => text.replace(/^-/, ""));
}

const settingOf = (
  { running, config }: Pick<Server, "running" | "config">,
  name: string,
): string | undefined => running?.get(name) ?? config.get(name)?.join(" ");
