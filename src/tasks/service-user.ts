import { dirname } from "node:path";
import { z } from "zod";
import { excerpt } from "../lib/secret.ts";
import { isRedisOwn, ownersOf } from "../redis/own-directory.ts";
import type { Refusal, Resource } from "../resources/kind.ts";
import { weakenable } from "../verify/allowance.ts";
import { type Check, check } from "../verify/controls.ts";
import { defineTask, type TaskContext } from "./task.ts";

const account = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, "should be auto or an account's name");

const parameters = weakenable(
  {
    user: account.default("auto"),
    group: account.default("auto"),
    sandbox: z.boolean().default(true),
  },
  {
    user: { controls: ["RK-SYS-01"], weak: ({ user }) => (user === "root" ? user : undefined) },
    sandbox: { controls: ["RK-SYS-02"], weak: ({ sandbox }) => (sandbox ? undefined : "false") },
  },
);

const params = parameters.schema;

type Params = z.output<typeof params>;
type Context = TaskContext<Params>;

/** Walls that Redis does not notice, with the value that each needs. Debian 12's unit has them all; Debian 11's has not. */
const SANDBOX = {
  NoNewPrivileges: "yes",
  ProtectSystem: "strict",
  ProtectHome: "yes",
  PrivateTmp: "yes",
  PrivateDevices: "yes",
  ProtectKernelTunables: "yes",
  ProtectKernelModules: "yes",
  ProtectControlGroups: "yes",
  RestrictRealtime: "yes",
  RestrictSUIDSGID: "yes",
  LockPersonality: "yes",
} as const;

/** Values that are as strict as the wanted one or stricter, and so stay. */
const STRICTER: Readonly<Record<string, readonly string[]>> = { ProtectHome: ["yes", "tmpfs"] };

declare module "./task.ts" {
  interface TaskParams {
    "service-user": Params;
  }
}

/** Redis runs as an ordinary user, behind the walls that systemd offers. */
export default defineTask("service-user", {
  params,
  facts: [],
  // The sandbox must leave the paths writable that the settings name.
  phase: "service",

  allowances: (params) => parameters.all(params, "service-user"),

  desired: (context) => {
    const { params, server, facts } = context;
    const { properties } = facts.service;
    const wanted = wantedAccount(context);
    const resources: Resource[] = [];
    const unit = (property: string, value: string, process?: string) => {
      resources.push({ kind: "unit", property, value, loaded: properties.get(property) ?? "", process });
    };
    const { process, account } = facts.service;
    if (wanted.user !== (properties.get("User") ?? "")) {
      unit("User", wanted.user);
      unit("Group", wanted.group);
      for (const path of ownedBefore(context)) {
        if (facts.files.paths.get(path)?.owner === wanted.user) continue;
        resources.push({
          kind: "attributes",
          path,
          attributes: { owner: wanted.user, group: wanted.group },
        });
      }
    } else if (process !== undefined && account !== undefined && process.uid !== account.uid) {
      unit("User", wanted.user, `uid ${process.uid}`);
    }
    const walls = missingWalls(context);
    for (const [property, value] of walls) unit(property, value);
    if (params.sandbox && process?.noNewPrivileges === false && properties.get("NoNewPrivileges") === "yes")
      unit("NoNewPrivileges", "yes", "no");
    const isNew = walls.some(([property]) => property === "ProtectSystem");
    const isStrict = properties.get("ProtectSystem") === "strict";
    // A socket or log in a place that is read-only to the unit would stop its start.
    if (isNew || (params.sandbox && isStrict && newPaths(context).length > 0)) {
      const paths = [...new Set([...writablePaths(context), ...openPaths(context)])];
      unit("ReadWritePaths", paths.map((path) => `-${path}`).join(" "));
    }
    return {
      resources,
      refusals: [...refusals(context)],
      notes: params.sandbox ? [...leftOpen(context)] : [`the sandbox of ${server.unit} is left as it is`],
    };
  },

  checks: (context) => [...userChecks(context), sandboxCheck(context)],
});

function wantedAccount({ params, server }: Context): { user: string; group: string } {
  const user = params.user === "auto" ? server.user : params.user;
  return {
    user,
    group: params.group === "auto" ? (params.user === "auto" ? server.group : user) : params.group,
  };
}

/** What the new user has to own before it can start: data and log, never the configuration. */
function ownedBefore(context: Context): string[] {
  const { facts, server } = context;
  const { dataDirectory, dataFiles, logFile, paths } = facts.files;
  const directories = [dataDirectory, dirname(logFile)].filter(isRedisOwn);
  const owners = ownersOf(facts.service, server, wantedAccount(context).user);
  return [...directories, ...dataFiles, logFile].filter((path) => {
    const owner = paths.get(path)?.owner;
    return path.startsWith("/") && owner !== undefined && owners.has(owner);
  });
}

function missingWalls(context: Context): [string, string][] {
  const { params, facts } = context;
  if (!params.sandbox) return [];
  const open = new Set([...leftOpen(context)].map((note) => note.split(" ")[0] ?? ""));
  return Object.entries(SANDBOX).filter(([property, value]) => {
    if (open.has(property)) return false;
    const loaded = facts.service.properties.get(property);
    // A property that this systemd does not know is not printed.
    if (loaded === undefined) return false;
    return loaded !== value && !(STRICTER[property] ?? []).includes(loaded);
  });
}

/** Walls that this host's own paths do not allow, as sentences that start with the property. */
function* leftOpen({ facts, server, config, params }: Context): Iterable<string> {
  if (!params.sandbox) return;
  const named = ["unixsocket", "pidfile", "aclfile", "tls-cert-file", "tls-key-file", "tls-ca-cert-file"];
  const paths = [
    facts.files.dataDirectory,
    facts.files.logFile,
    server.configPath,
    ...config.files().map(({ path }) => path),
    ...named.map((name) => config.get(name)?.[0] ?? ""),
  ];
  const home = paths.find((path) => /^\/(home|root|run\/user)\//.test(path));
  if (home !== undefined && !["yes", "tmpfs"].includes(facts.service.properties.get("ProtectHome") ?? ""))
    yield `ProtectHome stays open: ${home} lies behind it`;
  const temporary = paths.find((path) => /^\/(var\/)?tmp\//.test(path));
  if (temporary !== undefined && facts.service.properties.get("PrivateTmp") === "no")
    yield `PrivateTmp stays open: ${temporary} lies behind it`;
}

/** What the unit may write already. */
function openPaths({ facts }: Context): string[] {
  return (facts.service.properties.get("ReadWritePaths") ?? "")
    .split(" ")
    .map((path) => path.replace(/^[-+]+/, ""))
    .filter((path) => path.startsWith("/"));
}

/** What it will have to write and may not: its runtime directory and /tmp are writable in any case. */
function newPaths(context: Context): string[] {
  const { runtimeDirectory = "/run/redis" } = context.server;
  const open = [...openPaths(context), runtimeDirectory, "/tmp", "/var/tmp", "/dev"].map(realRun);
  return writablePaths(context).filter(
    (path) => !open.some((above) => `${realRun(path)}/`.startsWith(above === "/" ? above : `${above}/`)),
  );
}

/** /var/run is a link to /run. */
function realRun(path: string): string {
  return path.replace(/^\/var\/run(?=\/|$)/, "/run");
}

/** What Redis writes: data, log, socket and pid file. */
function writablePaths({ facts, server, config }: Context): string[] {
  const directories = [
    facts.files.logFile,
    config.get("pidfile")?.[0] ?? "",
    config.get("unixsocket")?.[0] ?? "",
  ]
    .filter((path) => path.startsWith("/"))
    .map((path) => path.replace(/\/[^/]*$/, ""));
  return [...new Set([facts.files.dataDirectory, ...directories, server.runtimeDirectory ?? ""])].filter(
    (path) => path.startsWith("/"),
  );
}

function* refusals(context: Context): Iterable<Refusal> {
  const { params, facts } = context;
  const { user } = wantedAccount(context);
  const { dataDirectory } = facts.files;
  if (user !== (facts.service.properties.get("User") ?? "") && !isRedisOwn(dataDirectory)) {
    yield {
      guard: null,
      found: `the data lies in ${dataDirectory || "no known directory"}, which is not Redis' own: ${user} could not write there`,
      remedy: "move it to a directory of its own, such as /var/lib/redis, or leave service-user out",
    };
  }
  if (user !== (facts.service.properties.get("User") ?? "") && facts.files.areDataFilesCut) {
    yield {
      guard: null,
      found: `${dataDirectory} has more data files than redkeep looks at: whether ${user} could read all of them is unknown`,
      remedy: "remove the files that are not Redis', or leave service-user out",
    };
  }
  const known = [facts.service.account?.name, ...facts.service.productUsers];
  if (!known.includes(user)) {
    yield {
      guard: null,
      found: `no account ${user} is known on the host`,
      remedy: params.user === "auto" ? "create the product's account" : "correct service-user.user",
    };
  }
}

function userChecks(context: Context): Check[] {
  const { facts } = context;
  const { user } = wantedAccount(context);
  const { process, account } = facts.service;
  const root = parameters.by("user", context.params, "service-user");
  const shell = account?.shell ?? "";
  // A unit of another name is somebody's; what runs in a container is the container's matter.
  const strays = facts.service.servers.filter(
    ({ group }) => !/^[^/]+\.service$|(?:^|\/)(?:docker|libpod|crio|cri-containerd)-/.test(group),
  );
  const ofUnit = facts.service.properties.get("User") || "root";
  const seen =
    process === undefined
      ? "the service does not run"
      : process.uid === account?.uid
        ? `uid ${process.uid} (${account.name})`
        : `uid ${process.uid}`;
  // A unit that was changed and loaded says nothing of the process that runs.
  const isUnits =
    process !== undefined && process.uid !== 0 && ofUnit !== user && process.uid !== account?.uid;
  const privileged = (account?.groups ?? []).filter((group) =>
    ["root", "sudo", "wheel", "admin"].includes(group),
  );
  return [
    check(
      "RK-SYS-01",
      {
        expected:
          root === undefined
            ? `the process runs as ${user}, not as root, now and after the next restart`
            : "the process runs as root",
        observed: isUnits ? `${seen} now; the unit says User=${ofUnit}, from the next restart on` : seen,
        source: "/proc/PID/status",
        allows: { by: root, demand: "the process does not run as root" },
      },
      process !== undefined &&
        (process.uid !== 0 || root !== undefined) &&
        process.uid === account?.uid &&
        account.name === user,
    ),
    check(
      "RK-SYS-01",
      {
        expected: "no login shell, no group that may use sudo",
        observed: `shell ${shell || "unknown"}, groups ${(account?.groups ?? []).join(", ") || "none"}${facts.service.sudoRules.length > 0 ? ", and a rule of its own in sudoers" : ""}`,
        source: "passwd, id, sudoers",
        isAdvisory: true,
      },
      /(nologin|false)$/.test(shell) && privileged.length === 0 && facts.service.sudoRules.length === 0,
    ),
    check(
      "RK-SYS-01",
      {
        expected: "no server beside those of systemd's units",
        observed:
          strays.map(({ pid, group }) => `process ${pid} (${excerpt(group, 60)})`).join(", ") || "none",
        source: "/proc/PID/comm, /proc/PID/cgroup",
        isAdvisory: true,
      },
      strays.length === 0,
    ),
  ];
}

function sandboxCheck(context: Context): Check {
  const { facts, params } = context;
  const missing = missingWalls({ ...context, params: { ...params, sandbox: true } }).map(
    ([property]) => property,
  );
  const stale = facts.service.properties.get("NeedDaemonReload") === "yes";
  const loose = facts.service.process?.noNewPrivileges === false;
  const isMet = missing.length === 0 && !loose;
  const expected = Object.keys(SANDBOX).join(", ");
  return check(
    "RK-SYS-02",
    {
      expected,
      observed: [
        missing.length === 0 ? "all of them" : `without ${missing.join(", ")}`,
        stale ? "a drop-in was never loaded" : "",
        loose ? "the process may gain privileges" : "",
      ]
        .filter(Boolean)
        .join("; "),
      source: "systemctl show, /proc/PID/status",
      isAdvisory: !params.sandbox,
      allows: { by: parameters.by("sandbox", params, "service-user"), demand: expected, isMet },
    },
    // What the playbook leaves as it is, is as it asks.
    !stale && (isMet || !params.sandbox),
  );
}
