import { z } from "zod";
import { formatSize, parseSize } from "../redis/size.ts";
import type { Refusal, Resource } from "../resources/kind.ts";
import { settingsOf } from "../resources/rendered-settings.ts";
import { type Check, type ControlId, check } from "../verify/controls.ts";
import { runningOr } from "../verify/running.ts";
import { defineTask, type TaskContext } from "./task.ts";

const POLICIES = [
  "noeviction",
  "allkeys-lru",
  "allkeys-lfu",
  "allkeys-random",
  "volatile-lru",
  "volatile-lfu",
  "volatile-random",
  "volatile-ttl",
] as const;

const maxmemory = z
  .union([z.string(), z.number().int()], {
    error: 'should be a size such as 512mb, or a share of the memory such as "25%"',
  })
  .refine((value) => percentage(value) !== undefined || (parseSize(String(value)) ?? 0) > 0, {
    error: ({ input }) =>
      `should be a size such as 512mb, or a share of the memory such as "25%", found ${JSON.stringify(input)}`,
  });

const params = z.strictObject({
  maxmemory: maxmemory.optional(),
  maxmemory_policy: z.enum(POLICIES).optional(),
  lazyfree: z.boolean().default(true),
  maxclients: z.number().int().min(1).max(1_000_000).optional(),
  nofile: z.number().int().min(64).max(1_048_576).default(10032),
});

type Params = z.output<typeof params>;
type Context = TaskContext<Params>;

declare module "./task.ts" {
  interface TaskParams {
    limits: Params;
  }
}

/** Bound what Redis may take of the host's memory and files. */
export default defineTask("limits", {
  params,
  facts: [],
  phase: "settings",

  allowances: () => [],

  desired: (context) => {
    const { params, facts } = context;
    const resources: Resource[] = settingsOf(renderLimits(context), "limits.conf.ejs");
    const loaded = facts.service.properties.get("LimitNOFILE") ?? "";
    const floor = openFilesFloor(context);
    const open = facts.service.process?.openFiles ?? floor;
    if (limitOf(loaded) < floor || open < floor) {
      resources.push({
        kind: "unit",
        property: "LimitNOFILE",
        value: String(Math.max(floor, Number.isFinite(limitOf(loaded)) ? limitOf(loaded) : floor)),
        loaded,
        process: open < floor ? String(open) : undefined,
      });
    }
    return {
      resources,
      refusals: [...refusals(context)],
      notes: params.maxmemory === undefined ? ["maxmemory is left as the host has it"] : [],
    };
  },

  checks: (context) => {
    const { params, server, facts } = context;
    const running = server.running;
    const bound = wantedMaxmemory(context);
    const checks = settingsOf(renderLimits(context), "limits.conf.ejs").map((resource) => {
      const control =
        resource.name === "maxmemory"
          ? "RK-LIM-01"
          : resource.name === "maxmemory-policy"
            ? "RK-LIM-02"
            : resource.name === "maxclients"
              ? "RK-LIM-03"
              : "RK-LIM-04";
      return runningOr(context, control, resource.name, resource.args);
    });
    if (bound === undefined && running !== undefined) {
      const value = Number(running.get("maxmemory") ?? 0);
      checks.push(
        check(
          "RK-LIM-01",
          {
            expected: `more than 0 and at most the host's ${formatSize(facts.host.memoryBytes)}`,
            observed: value === 0 ? "no bound" : formatSize(value),
            source: "CONFIG GET maxmemory",
            isAdvisory: true,
          },
          value > 0 && value <= facts.host.memoryBytes,
        ),
      );
    }
    checks.push(...leftOpen(context));
    // 10000 is Redis' own default.
    const clients = params.maxclients ?? Number(running?.get("maxclients") ?? 10000);
    const files = facts.service.process?.openFiles;
    const next = limitOf(facts.service.properties.get("LimitNOFILE") ?? "");
    checks.push(
      check(
        "RK-SYS-07",
        {
          expected: `at least ${clients + 32} open files for ${clients} clients`,
          observed:
            files === undefined
              ? "the service does not run"
              : `${files}${next >= clients + 32 ? "" : `, and ${next} after the next restart`}`,
          source: "/proc/PID/limits, systemctl show",
        },
        files !== undefined && files >= clients + 32 && next >= clients + 32,
      ),
    );
    return checks;
  },
});

/** Controls about which the playbook declares nothing that a host could be held to. */
function leftOpen({ params, server }: Context): Check[] {
  const skipped = (control: ControlId, expected: string, parameter: string, setting: string) =>
    check(
      control,
      {
        expected,
        observed: `${parameter}, so the host keeps its own: ${setting} ${server.running?.get(setting) ?? "not known"}`,
        source: `CONFIG GET ${setting}`,
      },
      { outcome: "skip" },
    );
  return [
    ...(params.maxmemory_policy === undefined
      ? [
          skipped(
            "RK-LIM-02",
            "the policy that the playbook declares",
            "limits.maxmemory_policy is not set",
            "maxmemory-policy",
          ),
        ]
      : []),
    ...(params.lazyfree
      ? []
      : [skipped("RK-LIM-04", "lazyfree-lazy-* yes", "limits.lazyfree: false", "lazyfree-lazy-eviction")]),
  ];
}

function renderLimits(context: Context): string {
  const { params, render } = context;
  return render("limits.conf.ejs", {
    maxmemory: wantedMaxmemory(context) ?? null,
    policy: params.maxmemory_policy ?? null,
    lazyfree: params.lazyfree,
    maxclients: params.maxclients ?? null,
  });
}

/** In the operator's words where they gave a size; in bytes for a share of the memory. */
function wantedMaxmemory({ params, facts }: Context): string | undefined {
  if (params.maxmemory === undefined) return undefined;
  const share = percentage(params.maxmemory);
  return share === undefined
    ? String(params.maxmemory).toLowerCase()
    : String(Math.floor((facts.host.memoryBytes * share) / 100));
}

function percentage(value: string | number): number | undefined {
  const found = /^(\d{1,3})%$/.exec(String(value))?.[1];
  const share = found === undefined ? undefined : Number(found);
  return share !== undefined && share >= 1 && share <= 100 ? share : undefined;
}

/** Redis itself takes 32 files beside those of its clients, and lowers maxclients silently where they are missing. */
function openFilesFloor({ params: { maxclients, nofile } }: Context): number {
  return maxclients === undefined ? nofile : Math.max(nofile, maxclients + 32);
}

function limitOf(loaded: string): number {
  return loaded === "infinity" || loaded === "" ? Number.POSITIVE_INFINITY : Number(loaded);
}

function* refusals(context: Context): Iterable<Refusal> {
  const { params, server, facts } = context;
  const wanted = wantedMaxmemory(context);
  const bytes = wanted === undefined ? undefined : parseSize(wanted);
  const used = server.usedMemory;
  if (bytes !== undefined && used !== undefined && bytes < used * 1.1) {
    yield {
      guard: "maxmemory-below-used",
      found: `maxmemory ${formatSize(bytes)} is below 1.1 times the ${formatSize(used)} in use: Redis would evict keys or refuse writes at once`,
      remedy: `raise limits.maxmemory above ${formatSize(Math.ceil(used * 1.1))}, or free memory first`,
    };
  }
  if (bytes !== undefined && bytes > facts.host.memoryBytes) {
    yield {
      guard: "maxmemory-above-host",
      found: `maxmemory ${formatSize(bytes)} is more than the host's ${formatSize(facts.host.memoryBytes)}`,
      remedy: "lower limits.maxmemory, or say a share such as 25%",
    };
  }
  const policy = params.maxmemory_policy;
  const now = server.running?.get("maxmemory-policy");
  const isDurable = server.running?.get("appendonly") === "yes" || (server.running?.get("save") ?? "") !== "";
  if (policy?.startsWith("allkeys-") && isDurable && now !== policy && (server.keys ?? 0) > 0) {
    yield {
      guard: "evicts-stored-keys",
      found: `${policy} evicts any key when memory is full, and this host stores its ${server.keys} keys on disk: it is no cache`,
      remedy: "keep noeviction, or accept where the data may be lost",
    };
  }
}
