import type { Report } from "../finding.ts";
import type { Settings } from "./settings.ts";

export function lintPersistence(settings: Settings, report: Report): void {
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
      "a save line after this one switches snapshots on again",
      "remove one of the two",
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
      "writes go on while no snapshot can be saved: nobody notices until a snapshot is needed",
    ],
    ["rdbchecksum", "a damaged snapshot is loaded without a warning"],
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
