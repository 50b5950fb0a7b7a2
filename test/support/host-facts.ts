import type { PathFact } from "../../src/facts/files.ts";
import type { KeptRun } from "../../src/facts/kept-runs.ts";
import { type Seen, seen } from "../../src/facts/origin.ts";
import type { HostFacts } from "../../src/facts/probe.ts";
import { factsOf } from "./facts.ts";

/** A test says what root would see: any text may stand for it. */
type Loose<T> = {
  [K in keyof T]: T[K] extends Seen | undefined
    ? string
    : T[K] extends readonly Seen[] | undefined
      ? readonly string[]
      : T[K];
};

/** What a host has that the recorded one has not. */
export interface Differences {
  /** The recorded host to start from; default: the stock install of Debian 12. */
  like?: string;
  /** Edits redis.conf. */
  conf?: (text: string) => string;
  /** `CONFIG GET` answers; null takes one away. */
  running?: Record<string, string | null>;
  info?: Record<string, string>;
  /** Of the unit. */
  properties?: Record<string, string>;
  process?: Partial<NonNullable<HostFacts["service"]["process"]>>;
  /** By path: `directory 0755 root:root`, `file 0644 redis:redis`, `link 0777 root:root`, `hard-link …`, `other …`. */
  paths?: Record<string, string>;
  host?: Partial<HostFacts["host"]>;
  service?: Loose<Partial<HostFacts["service"]>>;
  redis?: Partial<HostFacts["redis"]>;
  files?: Loose<Partial<HostFacts["files"]>>;
  firewall?: Partial<HostFacts["firewall"]>;
  transaction?: HostFacts["transaction"];
  traces?: HostFacts["traces"];
  kept?: HostFacts["kept"];
  system?: Partial<HostFacts["system"]>;
  sentinels?: HostFacts["sentinels"];
  dropIn?: string;
}

/** A recorded host that differs in what a test is about. */
export function hostWith(differences: Differences = {}): HostFacts {
  const { like = "stock", conf, running, info, properties, process, paths, dropIn } = differences;
  const facts = factsOf(like);
  const { main } = facts.configFiles;
  const config = new Map(facts.redis.config);
  for (const [name, value] of Object.entries(running ?? {}))
    if (value === null) config.delete(name);
    else config.set(name, value);
  const found = Object.entries(paths ?? {}).map(([path, text]) => [path, pathFact(path, text)] as const);
  return {
    ...facts,
    host: { ...facts.host, ...differences.host },
    configFiles: {
      ...facts.configFiles,
      main: main === undefined || conf === undefined ? main : { ...main, text: conf(main.text) },
      dropIn: dropIn ?? facts.configFiles.dropIn,
    },
    redis: {
      ...facts.redis,
      config,
      info: new Map([...facts.redis.info, ...Object.entries(info ?? {})]),
      ...differences.redis,
    },
    service: {
      ...facts.service,
      properties: new Map([
        ...facts.service.properties,
        ...Object.entries(properties ?? {}).map(([name, value]) => [name, seen(value)] as const),
      ]),
      process: facts.service.process === undefined ? undefined : { ...facts.service.process, ...process },
      ...(differences.service as Partial<HostFacts["service"]>),
    },
    files: {
      ...facts.files,
      paths: new Map([...facts.files.paths, ...found]),
      ...(differences.files as Partial<HostFacts["files"]>),
    },
    firewall: { ...facts.firewall, ...differences.firewall },
    transaction: differences.transaction ?? facts.transaction,
    traces: differences.traces ?? facts.traces,
    kept: differences.kept ?? facts.kept,
    system: { ...facts.system, ...differences.system },
    sentinels: differences.sentinels ?? facts.sentinels,
  };
}

/** A host on which redkeep cannot log in to Redis. */
export const NO_LOGIN: Pick<Differences, "redis"> = {
  redis: {
    user: undefined,
    loginError: "NOAUTH Authentication required.",
    config: undefined,
    info: new Map(),
    aclUsers: undefined,
    categories: new Map(),
    clients: [],
  },
};

/** A run that the host keeps: an apply that changed nothing yet. */
export function keptRun(run: Partial<KeptRun> = {}): KeptRun {
  return {
    id: "x",
    holder: "me@laptop since 2026-11-29T21:04:05.000Z",
    undoes: undefined,
    toOriginal: false,
    restarted: false,
    files: [],
    modes: [],
    created: [],
    env: new Map(),
    ...run,
  };
}

/** Replaces or adds lines of redis.conf, by directive. An empty text takes the line away. */
export function confWith(lines: Record<string, string>): (text: string) => string {
  return (text) =>
    Object.entries(lines).reduce((conf, [name, line]) => {
      const rest = conf
        .split("\n")
        .filter((found) => !found.startsWith(`${name} `))
        .join("\n");
      return line === "" ? rest : `${rest}\n${line}\n`;
    }, text);
}

/** A unit that was written without `User=`: Redis runs as root and owns its data as root. */
export const AS_ROOT: Differences = {
  properties: { User: "", Group: "", UMask: "0022" },
  process: { uid: 0, umask: 0o022 },
  service: { account: undefined },
  paths: {
    "/var/lib/redis": "directory 0755 root:root",
    "/var/lib/redis/dump.rdb": "file 0644 root:root",
    "/var/log/redis/redis-server.log": "file 0644 root:root",
  },
  files: { dataFiles: ["/var/lib/redis/dump.rdb", "/var/log/redis/redis-server.log"] },
};

function pathFact(path: string, text: string): PathFact {
  const [kind = "", mode = "", who = ""] = text.split(" ");
  const [owner = "", group = ""] = who.split(":");
  return {
    path,
    kind: kind === "hard-link" ? "file" : (kind as PathFact["kind"]),
    owner,
    group,
    mode: Number.parseInt(mode, 8),
    links: kind === "hard-link" ? 2 : 1,
    bytes: 100,
  };
}
