import { dirname } from "node:path/posix";
import { z } from "zod";
import type { PathFact } from "../facts/files.ts";
import type { HostFacts } from "../facts/probe.ts";
import { isLogName, isRedisOwn, ownersOf } from "../redis/own-directory.ts";
import type { Refusal, Resource } from "../resources/kind.ts";
import { check } from "../verify/controls.ts";
import { defineTask, type TaskContext } from "./task.ts";

const params = z.strictObject({});

type Params = z.output<typeof params>;
type Context = TaskContext<Params>;

const CONFIG_DIRECTORY_MODE = 0o750;
const CONFIG_FILE_MODE = 0o640;
/** What others, and the group for writing, may not: taken off the mode of data and logs. */
const CLOSED = 0o027;

declare module "./task.ts" {
  interface TaskParams {
    permissions: Params;
  }
}

/** Configuration belongs to root and is only read by Redis; data and logs are closed to others. */
export default defineTask("permissions", {
  params,
  facts: [],
  // Sees every path that the other tasks name.
  phase: "files",

  allowances: () => [],

  desired: (context) => {
    const { server, facts } = context;
    const rewrites = rewrittenByRedis(context);
    const resources: Resource[] = [];
    if (rewrites === undefined) {
      for (const { path, mode } of configPaths(context)) {
        resources.push({
          kind: "attributes",
          path: path.path,
          attributes: { owner: "root", group: server.group, mode },
        });
      }
    }
    const owners = ownersOf(facts.service, server);
    const data = dataPaths(context);
    for (const path of data) {
      if (!owners.has(path.owner)) continue;
      // A file has no setuid or setgid from us: whoever owns it may exchange it for a program.
      const kept = path.kind === "file" ? 0o777 : 0o7777;
      resources.push({
        kind: "attributes",
        path: path.path,
        attributes: { mode: path.mode & kept & ~CLOSED },
      });
    }
    if (isRedisOwn(facts.files.dataDirectory))
      resources.push({ kind: "closed-data", directory: facts.files.dataDirectory });
    const { loaded, running, isOpen } = umaskOf(context);
    if (isOpen) {
      resources.push({
        kind: "unit",
        property: "UMask",
        value: octal(loaded | CLOSED),
        loaded: octal(loaded),
        process: running === undefined || isClosed(running) ? undefined : octal(running),
      });
    }
    const foreign = data
      .filter((path) => path.kind === "file" && !owners.has(path.owner) && (path.mode & CLOSED) !== 0)
      .map(
        ({ path, owner }) => `${path} is ${owner}'s, not the service user's: its mode is left to ${owner}`,
      );
    return {
      resources,
      refusals: [...ownerRefusals(facts, owners)],
      notes: [rewrites, linkedDirectory(context), unlistedData(context), ...foreign].filter(
        (note) => note !== undefined,
      ),
    };
  },

  checks: (context) => {
    const { server } = context;
    const rewrites = rewrittenByRedis(context);
    const config = configPaths(context);
    const open = config.filter(
      ({ path }) => path.owner !== "root" || path.group !== server.group || (path.mode & CLOSED) !== 0,
    );
    const { writable, links } = elsewhere(context);
    const isSettled = rewrites === undefined && config.length > 0;
    const own =
      open.length === 0 ? `${config.length} paths hold` : open.map(({ path }) => describe(path)).join("; ");
    const data = dataPaths(context);
    const readable = data.filter((path) => (path.mode & CLOSED) !== 0);
    const umask = umaskOf(context);
    const [next] = server.config.get("dir") ?? [];
    const moves = next !== undefined && server.running !== undefined && server.running.get("dir") !== next;
    const isTight =
      readable.length === 0 && !isOddDirectory(context.facts.files.dataDirectory) && !umask.isOpen && !moves;
    return [
      check(
        "RK-SYS-03",
        {
          expected: `root:${server.group}, 0640 or tighter, directories 0750; what lies elsewhere, writable by root alone`,
          observed: [
            rewrites ?? own,
            ...writable.map((path) => `${describe(path)} is not root's alone to write`),
            ...links.map((path) => `${path} is a symbolic link: what it leads to was not looked at`),
          ].join("; "),
          source: "stat",
        },
        writable.length > 0 || (isSettled && open.length > 0)
          ? false
          : links.length > 0
            ? { outcome: "unknown" }
            : rewrites !== undefined
              ? { outcome: "skip" }
              : isSettled || { outcome: "unknown", blockedBy: "rights" },
      ),
      check(
        "RK-SYS-04",
        {
          expected: "not readable by others, not writable by the group",
          observed: [
            readable.length === 0 ? `${data.length} paths hold` : readable.map(describe).join("; "),
            linkedDirectory(context),
            unlistedData(context),
            umask.isOpen
              ? `new files are not: umask ${octal(umask.running ?? umask.loaded)}, ${octal(umask.loaded)} after the next restart`
              : undefined,
            moves
              ? `the file says dir ${next}, never loaded: the next start would look for the data there`
              : undefined,
          ]
            .filter((text) => text !== undefined)
            .join("; "),
          source: "stat, systemctl show",
        },
        data.length === 0 || (isTight && context.facts.files.areDataFilesCut)
          ? { outcome: "unknown" }
          : isTight,
      ),
    ];
  },
});

/** What the unit gives the next process, and what the present one has; open where either lets others in. */
function umaskOf({ facts: { service } }: Context): { loaded: number; running?: number; isOpen: boolean } {
  const loaded = Number.parseInt(service.properties.get("UMask") ?? "0022", 8);
  const running = service.process?.umask;
  return {
    loaded,
    ...(running === undefined ? {} : { running }),
    isOpen: !isClosed(loaded) || (running !== undefined && !isClosed(running)),
  };
}

const isClosed = (umask: number): boolean => (umask & CLOSED) === CLOSED;
const octal = (umask: number): string => umask.toString(8).padStart(4, "0");

/** Sentinel and cluster rewrite their configuration: it has to stay theirs. */
function rewrittenByRedis({ server, facts }: Context): string | undefined {
  if (facts.service.sentinels.length > 0)
    return `skipped: Sentinel on this host rewrites its files in ${dirname(server.configPath)}`;
  return server.isCluster ? "skipped: Redis Cluster rewrites its own configuration" : undefined;
}

function configPaths({ server, facts, config }: Context): { path: PathFact; mode: number }[] {
  const directory = dirname(server.configPath);
  const named = ["aclfile", "tls-cert-file", "tls-key-file", "tls-ca-cert-file"].map(
    (name) => config.get(name)?.[0] ?? "",
  );
  const [main = server.configPath, ...includes] = config.files().map(({ path }) => path);
  // A certificate in /etc/ssl is not ours to close; and whoever may write redis.conf could name any file in it.
  const files = [main, ...[...includes, ...named].filter((path) => isRedisOwn(dirname(path)))];
  const tls = dirname(config.get("tls-cert-file")?.[0] ?? "");
  const known = (wanted: readonly string[], mode: number) =>
    [...new Set(wanted)].flatMap((path) => {
      const found = facts.files.paths.get(path);
      return found === undefined ? [] : [{ path: found, mode }];
    });
  return [
    ...known([directory, tls].filter(isRedisOwn), CONFIG_DIRECTORY_MODE),
    ...known(files, CONFIG_FILE_MODE),
  ];
}

/**
 * Files of the configuration in folders that are not Redis' own, such as an include in /srv, with these folders: redkeep sets no
 * modes there, but whoever may write one configures the server.
 */
function elsewhere({ server, facts, config }: Context): { writable: PathFact[]; links: string[] } {
  const [main = server.configPath, ...includes] = config.files().map(({ path }) => path);
  const named = ["aclfile", "tls-ca-cert-file"].map((name) => config.get(name)?.[0] ?? "");
  const files = [...includes, ...named].filter((path) => path.startsWith("/") && !isRedisOwn(dirname(path)));
  const paths = [...new Set([main, ...files].flatMap((path) => [path, dirname(path)]))].filter(
    (path) => path !== main && !isRedisOwn(path),
  );
  const found = paths.flatMap((path) => facts.files.paths.get(path) ?? []);
  const isOpen = ({ owner, group, mode }: PathFact) =>
    owner !== "root" || (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && group !== "root");
  return {
    writable: found.filter((path) => path.kind !== "link" && isOpen(path)),
    links: found.filter(({ kind }) => kind === "link").map(({ path }) => path),
  };
}

/** Data and log files, and their directories where these are Redis' own. */
function dataPaths({ facts }: Context): PathFact[] {
  const { dataDirectory, dataFiles, logFile, paths } = facts.files;
  const directories = [dataDirectory, dirname(logFile)].filter(isRedisOwn);
  const isInside = (path: string) => directories.some((directory) => path.startsWith(`${directory}/`));
  // In a directory that others share, only the files that Redis is known to write.
  const inside = [...dataFiles, logFile].filter(
    (path) => isInside(path) || /\.(rdb|aof)$/.test(path) || (path === logFile && isLogName(path)),
  );
  return [...new Set([...directories, ...inside])].flatMap((path) => {
    const found = paths.get(path);
    return found === undefined || found.kind === "link" || found.kind === "other" ? [] : [found];
  });
}

/** What lies behind a link of the service user's is not ours to close. */
function linkedDirectory({ facts: { files } }: Context): string | undefined {
  const path = `${files.dataDirectory}/appendonlydir`;
  return files.paths.get(path)?.kind === "link" ? `${path} is a symbolic link: not followed` : undefined;
}

/** Whoever may write the directory can fill it. */
function unlistedData({ facts: { files } }: Context): string | undefined {
  return files.areDataFilesCut
    ? `${files.dataDirectory} has more data files than redkeep looks at: who may read the rest is unknown`
    : undefined;
}

/** Where a dump file turns into a way in: cron, keys, web roots. */
function isOddDirectory(directory: string): boolean {
  return /^\/(etc|root|var\/www|var\/spool)(\/|$)/.test(directory) || /\/\.ssh(\/|$)/.test(directory);
}

function describe({ path, owner, group, mode }: PathFact): string {
  return `${path} 0${mode.toString(8)} ${owner}:${group}`;
}

/** Directories for data or logs whose owner is somebody else than the service's user: the server may have named them to have them changed. */
function* ownerRefusals(
  { files: { dataDirectory, logFile, paths } }: Pick<HostFacts, "files">,
  owners: ReadonlySet<string>,
): Iterable<Refusal> {
  for (const directory of new Set([dataDirectory, dirname(logFile)].filter(isRedisOwn))) {
    const found = paths.get(directory);
    if (found === undefined || owners.has(found.owner)) continue;
    yield {
      guard: null,
      found: `${directory}, which the server names for its data or log, is ${found.owner}'s and not the service user's`,
      remedy: `give it to the service's user, or correct dir and logfile: redkeep changes no folder of others'`,
    };
  }
}
