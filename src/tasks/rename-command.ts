import { z } from "zod";
import { didYouMean } from "../lib/errors.ts";
import { sameSetting } from "../redis/setting.ts";
import type { Refusal, Resource } from "../resources/kind.ts";
import type { PersistenceStep } from "../resources/persistence.ts";
import { GENERATED } from "../resources/setting.ts";
import { weakenable } from "../verify/allowance.ts";
import { type Check, check, noLogin } from "../verify/controls.ts";
import { runningOr } from "../verify/running.ts";
import { defineTask, type TaskContext } from "./task.ts";

const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** What RK-CMD-03 demands of a host. */
const DEMANDED = {
  FLUSHDB: "disable",
  FLUSHALL: "disable",
  DEBUG: "disable",
  KEYS: "disable",
  CONFIG: "rename",
  SHUTDOWN: "rename",
  SLAVEOF: "rename",
  REPLICAOF: "rename",
} as const;

const parameters = weakenable(
  {
    commands: z
      .record(
        z.string().regex(NAME, "should be a command without arguments, such as FLUSHALL"),
        z.enum(["disable", "rename"], { error: "should be disable or rename" }),
      )
      .default(DEMANDED),
  },
  {
    commands: {
      controls: ["RK-CMD-03"],
      weak: ({ commands }) => {
        const missing = leftOut(commands);
        if (missing.length === 0) return undefined;
        return Object.keys(commands).length === 0 ? "{}" : `without ${missing.join(", ")}`;
      },
    },
  },
);

/** The demanded commands that a playbook's list leaves as they are. */
function leftOut(commands: Readonly<Record<string, unknown>>): string[] {
  const named = new Set(Object.keys(commands).map((name) => name.toUpperCase()));
  return Object.keys(DEMANDED).filter((name) => !named.has(name));
}

const params = parameters.schema;

type Params = z.output<typeof params>;
type Context = TaskContext<Params>;

/** Sentinel steers a server with these; without them a failover aborts (redis-hardening.md, 4). */
const SENTINEL_NEEDS = [
  "CONFIG",
  "SLAVEOF",
  "REPLICAOF",
  "INFO",
  "PING",
  "MULTI",
  "EXEC",
  "CLIENT",
  "PUBLISH",
  "SUBSCRIBE",
  "SCRIPT",
  "ROLE",
];
/** redkeep itself, and every client, is blind or mute without these. */
const ALL_NEED = ["AUTH", "HELLO", "INFO", "PING", "ACL", "CLIENT", "COMMAND", "ECHO"];

/** From 7.0 on, what would let a client load code, or write files under names of its own; all default to no. */
const LOCKS = ["enable-debug-command", "enable-module-command", "enable-protected-configs"];

declare module "./task.ts" {
  interface TaskParams {
    "rename-command": Params;
  }
}

/** Dangerous commands go away for everyone, the administrator included: a second net under the ACLs. */
export default defineTask("rename-command", {
  params,
  facts: [],
  phase: "settings",

  probe: ({ commands }) => ({
    commands: [
      ...new Set([...Object.keys(commands).map((name) => name.toUpperCase()), ...Object.keys(DEMANDED)]),
    ],
  }),

  allowances: (params) => parameters.all(params, "rename-command"),

  desired: (context) => {
    const wanted = wantedRenames(context);
    const resources: Resource[] = [
      ...wanted.map(({ command, to }) => ({ kind: "rename", command, to }) as const),
      ...openLocks(context).map((name) => ({ kind: "setting", name, args: ["no"] }) as const),
    ];
    // An AOF written under the old names would stop the next start; a rewrite leaves only the data in it.
    const rewrite: PersistenceStep[] =
      context.facts.redis.info.get("aof_enabled") === "1" && wanted.some((rename) => !holds(context, rename))
        ? ["rewrite-aof"]
        : [];
    return {
      resources: rewrite.length > 0 ? [...resources, { kind: "persistence", steps: rewrite }] : resources,
      refusals: [...refusals(context)],
    };
  },

  checks: (context) => [...lockChecks(context), renameCheck(context)],
});

/** Locks that the running server or its file has open; one that no line names is closed. */
function openLocks({ server }: Context): string[] {
  if (!server.version.capabilities.protectedConfigs) return [];
  return LOCKS.filter((name) =>
    [server.config.get(name)?.join(" "), server.running?.get(name)].some(
      (value) => value !== undefined && !sameSetting(name, ["no"], [value]),
    ),
  );
}

function lockChecks(context: Context): Check[] {
  const { server } = context;
  if (server.version.capabilities.protectedConfigs)
    return LOCKS.map((name) => runningOr(context, "RK-CMD-01", name, ["no"], { isDefault: true }));
  const observed = `${server.version.name} has no such locks`;
  const expected = LOCKS.map((name) => `${name} no`).join(", ");
  return [check("RK-CMD-01", { expected, observed, source: "CONFIG GET" }, { outcome: "skip" })];
}

function renameCheck(context: Context): Check {
  const { facts } = context;
  const wanted = wantedRenames(context);
  if (facts.redis.user === undefined) {
    return noLogin(
      "RK-CMD-03",
      "gone under their old names",
      "COMMAND INFO",
      facts.redis.loginError ?? "it does not answer",
    );
  }
  const isKnown = (command: string) => facts.redis.commands.get(command) !== false;
  const still = wanted.map(({ command }) => command).filter(isKnown);
  const lost = wanted
    .filter(({ command, to }) => !still.includes(command) && lineOf(context, command)?.args[1] !== to)
    .map(({ command }) => command);
  // A failover takes some of them: where a Sentinel watches, nobody demands that those go.
  const demanded = leftOut(context.params.commands).filter(
    (command) => !(context.server.hasSentinel && SENTINEL_NEEDS.includes(command)),
  );
  const open = demanded.filter(isKnown);
  const unwritten = demanded.filter(
    (command) => !open.includes(command) && lineOf(context, command) === undefined,
  );
  const all = [...wanted.map(({ command }) => command), ...demanded];
  const demand =
    all.length === 0 ? "nothing that a Sentinel needs" : `unknown to the server: ${all.join(", ")}`;
  const isAsAsked = still.length === 0 && lost.length === 0;
  // What the playbook asks for, and only where that holds also what it leaves out.
  const [known, back] = isAsAsked ? [open, unwritten] : [still, lost];
  return check(
    "RK-CMD-03",
    {
      expected: demand,
      observed:
        [
          known.length === 0
            ? ""
            : isAsAsked && known.length === all.length
              ? "no command is taken away"
              : `still known: ${known.join(", ")}`,
          back.length === 0 ? "" : `back at the next restart, as the file says: ${back.join(", ")}`,
        ]
          .filter(Boolean)
          .join("; ") || "none of them is known",
      source: `COMMAND INFO, ${context.server.configPath}`,
      allows: {
        by: parameters.by("commands", context.params, "rename-command"),
        demand,
        isMet: open.length === 0 && unwritten.length === 0,
      },
    },
    isAsAsked,
  );
}

function wantedRenames({ params, config }: Context): { command: string; to: string }[] {
  return Object.entries(params.commands).map(([name, wish]) => {
    const command = name.toUpperCase();
    const [, existing = ""] = lineOf({ config }, command)?.args ?? [];
    // A name that is there already stays: clients and Sentinel may have been told.
    return { command, to: wish === "disable" ? "" : existing || GENERATED };
  });
}

function lineOf({ config }: Pick<Context, "config">, command: string) {
  return config.all("rename-command").find(({ args }) => args[0]?.toUpperCase() === command);
}

function holds({ facts, config }: Context, { command, to }: { command: string; to: string }): boolean {
  return lineOf({ config }, command)?.args[1] === to && facts.redis.commands.get(command) === false;
}

function* refusals(context: Context): Iterable<Refusal> {
  const { params, server, facts } = context;
  const known = server.commands?.commands;
  for (const name of Object.keys(params.commands)) {
    if (known === undefined || known.has(name.toLowerCase())) continue;
    const hint = didYouMean(
      name,
      [...known].filter((command) => !command.includes("|")).map((command) => command.toUpperCase()),
    );
    yield {
      guard: null,
      found: `rename-command.commands.${name}: ${server.version.name} has no such command.${hint}`,
      remedy: "correct the command's name in the playbook",
    };
  }
  // What holds already cuts nobody off: a nightly run must not need the same risk accepted again.
  const pending = new Set(
    wantedRenames(context)
      .filter((rename) => !holds(context, rename))
      .map(({ command }) => command),
  );
  const commands = Object.entries(params.commands).map(([name, wish]) => ({
    command: name.toUpperCase(),
    wish,
  }));
  const blinding = commands.find(
    ({ command, wish }) => ALL_NEED.includes(command) || (command === "CONFIG" && wish === "disable"),
  );
  if (blinding !== undefined) {
    yield {
      guard: "blinding-rename",
      found: `without ${blinding.command} neither redkeep nor monitoring can read the server any more`,
      remedy:
        blinding.command === "CONFIG"
          ? "say CONFIG: rename: root finds the new name in redis.conf"
          : `leave ${blinding.command} out, and deny it by ACL`,
    };
  }
  const needed = commands
    .filter(({ command }) => SENTINEL_NEEDS.includes(command) && pending.has(command))
    .map(({ command }) => command);
  if (server.hasSentinel && needed.length > 0) {
    yield {
      guard: "sentinel-rename",
      found: `a Sentinel watches this host and needs ${needed.join(", ")}: its failover would abort`,
      remedy: "leave them out for this host, and deny them by ACL",
    };
  }
  if (
    (server.replicas > 0 || server.role === "slave") &&
    commands.some(({ command }) => command.startsWith("FLUSH") && pending.has(command))
  ) {
    yield {
      guard: "replica-rename",
      found:
        "this host is in a replication group: where only some members rename FLUSHALL or FLUSHDB, their data drifts apart",
      remedy: "rename on all members in one run and accept, or deny by ACL instead",
    };
  }
  if (
    facts.redis.info.get("aof_enabled") === "1" &&
    facts.redis.info.get("aof_last_bgrewrite_status") === "err" &&
    pending.size > 0
  ) {
    yield {
      guard: "aof-rewrite-failed",
      found: "the last AOF rewrite failed, and an AOF with the old names would stop the next start",
      remedy: "find out why BGREWRITEAOF fails (disk, permissions), then run again",
    };
  }
}
