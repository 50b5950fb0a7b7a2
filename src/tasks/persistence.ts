import { z } from "zod";
import { sameSetting } from "../redis/setting.ts";
import { formatSize } from "../redis/size.ts";
import type { Refusal, Resource } from "../resources/kind.ts";
import type { PersistenceStep } from "../resources/persistence.ts";
import { settingsOf } from "../resources/rendered-settings.ts";
import { type Check, check, noLogin } from "../verify/controls.ts";
import { runningOr } from "../verify/running.ts";
import { defineTask, type TaskContext } from "./task.ts";

const params = z.strictObject({ mode: z.enum(["keep", "none", "rdb", "aof", "rdb+aof"]).default("keep") });

type Params = z.output<typeof params>;
type Context = TaskContext<Params>;

/** Redis 7's built-in points, written out so that every version has the same. */
const SAVE_POINTS = "3600 1 300 100 60 10000";
/** What Redis starts with where no line says it: 6.0 has other save points than later versions. */
const DEFAULTS = { save: [SAVE_POINTS, "900 1 300 10 60 10000"], appendonly: ["no"] };

declare module "./task.ts" {
  interface TaskParams {
    persistence: Params;
  }
}

/** Keep, switch on or switch off what is written to disk, always through the running server first. */
export default defineTask("persistence", {
  params,
  facts: [],
  phase: "settings",

  allowances: () => [],

  desired: (context) => {
    const text = renderPersistence(context);
    const resources: Resource[] = settingsOf(text, "persistence.conf.ejs");
    const steps = liveSteps(context);
    return {
      resources: steps.length === 0 ? resources : [...resources, { kind: "persistence", steps }],
      refusals: [...refusals(context)],
      notes: notes(context, steps),
    };
  },

  checks: (context) => [...settingChecks(context), ...lastSaveChecks(context), directoryCheck(context)],
});

function wanted({ params: { mode } }: Pick<Context, "params">): {
  appendonly: boolean | null;
  rdb: boolean | null;
} {
  if (mode === "keep") return { appendonly: null, rdb: null };
  return { appendonly: mode.includes("aof"), rdb: mode.includes("rdb") };
}

function renderPersistence(context: Context): string {
  const { appendonly, rdb } = wanted(context);
  const running = context.server.running?.get("save");
  const save = rdb === null ? null : rdb ? running || SAVE_POINTS : "";
  return context.render("persistence.conf.ejs", { appendonly, save });
}

/** On the running server, in this order: what is switched on must be on disk before anything is switched off. */
function liveSteps(context: Context): PersistenceStep[] {
  const { appendonly, rdb } = wanted(context);
  const { running } = context.server;
  if (running === undefined) return [];
  const aofNow = running.get("appendonly") === "yes";
  const rdbNow = (running.get("save") ?? "") !== "";
  return [
    ...(rdb === true && !rdbNow ? (["rdb-on"] as const) : []),
    ...(appendonly === true && !aofNow ? (["aof-on"] as const) : []),
    ...(appendonly === false && aofNow ? (["aof-off"] as const) : []),
    ...(rdb === false && rdbNow ? (["rdb-off"] as const) : []),
  ];
}

function describe({ facts, server }: Pick<Context, "facts" | "server">): string {
  const { running } = server;
  if (running === undefined) return "not known without a login";
  const parts = [
    (running.get("save") ?? "") === "" ? "" : "RDB",
    running.get("appendonly") === "yes" ? "AOF" : "",
  ].filter(Boolean);
  const last = Number(facts.redis.info.get("rdb_last_save_time") ?? 0);
  const age = last === 0 ? undefined : Math.max(0, facts.host.epoch - last);
  const since =
    age === undefined || parts.length === 0
      ? ""
      : `, last save ${age < 120 ? "moments" : `${Math.round(age / 60)} minutes`} ago`;
  return `${parts.length === 0 ? "nothing is written to disk" : parts.join(" and ")}${since}`;
}

function notes(context: Context, steps: readonly PersistenceStep[]): string[] {
  const { mode } = context.params;
  if (mode === "keep") return [`${describe(context)}: left as it is`];
  return mode === "none" && steps.length > 0
    ? ["the last snapshot is set aside: it would come back, out of date, at a later start"]
    : [];
}

function* refusals(context: Context): Iterable<Refusal> {
  const { params, server, facts } = context;
  const { running } = server;
  if (running === undefined) {
    if (params.mode !== "keep") {
      yield {
        guard: null,
        found: "persistence can only be changed through a running server that answers",
        remedy: "make the login work first (users[].password of the admin), then run again",
      };
    }
    return;
  }
  if (params.mode === "none" && server.replicas > 0) {
    yield {
      guard: "primary-without-persistence",
      found: `${server.replicas} replica(s) follow this host: restarted without its data it would empty them`,
      remedy: "keep persistence on a primary",
    };
  }
  const steps = liveSteps(context);
  const need = (server.usedMemory ?? 0) * 2;
  const { dataFree, dataDirectory } = facts.files;
  if (steps.length > 0 && dataFree !== undefined && dataFree < need) {
    yield {
      guard: "disk-too-small",
      found: `${formatSize(dataFree)} are free in ${dataDirectory}, less than twice the ${formatSize(need / 2)} of data`,
      remedy: "free disk in the data directory first",
    };
  }
}

function settingChecks(context: Context): Check[] {
  const { appendonly, rdb } = wanted(context);
  const { running } = context.server;
  if (appendonly === null || rdb === null) {
    const expected = "as the file says";
    if (running === undefined)
      return [
        noLogin(
          "RK-PER-01",
          expected,
          "CONFIG GET save, appendonly",
          context.facts.redis.loginError ?? "CONFIG does not answer",
        ),
      ];
    const apart = (["save", "appendonly"] as const).filter((name) => {
      const inFile = context.server.config.get(name);
      const loaded = running.get(name) ?? "";
      // What a file does not say is what Redis starts with.
      const next = inFile === undefined ? DEFAULTS[name] : [inFile.join(" ")];
      return !next.some((value) => sameSetting(name, [value], [loaded]));
    });
    return [
      check(
        "RK-PER-01",
        {
          expected,
          observed:
            apart.length === 0 ? describe(context) : `running and file differ in ${apart.join(" and ")}`,
          source: "CONFIG GET save, appendonly",
        },
        apart.length === 0,
      ),
    ];
  }
  return [
    runningOr(context, "RK-PER-01", "appendonly", [appendonly ? "yes" : "no"]),
    runningOr(context, "RK-PER-01", "save", [rdb ? running?.get("save") || SAVE_POINTS : ""]),
  ];
}

function lastSaveChecks({ facts }: Context): Check[] {
  const { info, user, loginError } = facts.redis;
  const expected = "last snapshot and last AOF write ok";
  if (user === undefined)
    return [noLogin("RK-PER-01", expected, "INFO persistence", loginError ?? "INFO does not answer")];
  const rdb = info.get("rdb_last_bgsave_status") ?? "ok";
  const aof = info.get("aof_enabled") === "1" ? (info.get("aof_last_write_status") ?? "ok") : "off";
  return [
    check(
      "RK-PER-01",
      { expected, observed: `snapshot ${rdb}, AOF ${aof}`, source: "INFO persistence", isAdvisory: true },
      rdb === "ok" && aof !== "err",
    ),
  ];
}

function directoryCheck({ facts, server }: Context): Check {
  const names = (["dbfilename", "appendfilename", "appenddirname"] as const).map(
    (name) => server.running?.get(name) ?? server.config.get(name)?.[0] ?? "",
  );
  const odd = names.filter((name) => name.includes("/"));
  return check(
    "RK-PER-02",
    {
      expected: "plain file names in the data directory",
      observed:
        odd.length === 0
          ? `${facts.files.dataDirectory}: ${names.filter(Boolean).join(", ")}`
          : odd.join(", "),
      source: "CONFIG GET",
    },
    odd.length === 0 && facts.files.dataDirectory.startsWith("/"),
  );
}
