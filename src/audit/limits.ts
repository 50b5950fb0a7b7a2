import { formatSize } from "../redis/size.ts";
import type { Check } from "../verify/controls.ts";
import { type AuditContext, found, notApplicable, notJudged, soundSetting, withoutLogin } from "./context.ts";

export function limitChecks(context: AuditContext): Check[] {
  return [outputBufferCheck(context), ...damageChecks(context), roomCheck(context)];
}

/** `normal 0 0 0 slave 268435456 67108864 60 pubsub …`: hard bound, soft bound and seconds of each class. */
function outputBufferCheck(context: AuditContext): Check {
  const { server } = context;
  const expected = "a bound on the output of subscribers, and of ordinary clients";
  const source = "CONFIG GET client-output-buffer-limit";
  const { running } = server;
  if (running === undefined) return withoutLogin(context, "RK-LIM-03", expected, source);
  const bounds = (text: string) => {
    const words = text.split(/\s+/);
    const hard = (name: string) => words.indexOf(name) >= 0 && words[words.indexOf(name) + 1] !== "0";
    return { normal: hard("normal"), pubsub: hard("pubsub") };
  };
  const value = running.get("client-output-buffer-limit") ?? "";
  const { normal, pubsub } = bounds(value);
  if (!pubsub)
    return found(
      "RK-LIM-03",
      { expected, observed: `subscribers have none: ${value || "unknown"}`, source },
      false,
    );
  if (normal || (running.get("maxmemory-clients") ?? "0") !== "0")
    return found("RK-LIM-03", { expected, observed: value, source }, true);
  return notJudged("RK-LIM-03", "reported", {
    expected,
    observed: "ordinary clients have none, as Redis ships",
    source,
  });
}

function damageChecks(context: AuditContext): Check[] {
  const isYes = (value: string) => value.toLowerCase() === "yes";
  const { running } = context.server;
  const stop = "stop-writes-on-bgsave-error";
  return [
    running !== undefined && (running.get("save") ?? "") === ""
      ? notApplicable("RK-PER-03", `${stop} yes`, "no snapshots are taken", `CONFIG GET ${stop}`)
      : soundSetting(context, "RK-PER-03", stop, `${stop} yes`, isYes),
    soundSetting(context, "RK-PER-03", "rdbchecksum", "rdbchecksum yes", isYes),
  ];
}

function roomCheck(context: AuditContext): Check {
  const { server, facts } = context;
  const expected = "room for two more data sets";
  const source = "stat -f, INFO memory";
  const { running, usedMemory } = server;
  if (running === undefined || usedMemory === undefined)
    return withoutLogin(context, "RK-PER-04", expected, source);
  if ((running.get("save") ?? "") === "" && running.get("appendonly") !== "yes")
    return notApplicable("RK-PER-04", expected, "nothing is written to disk", source);
  const free = facts.files.dataFree;
  return found(
    "RK-PER-04",
    {
      expected,
      observed: `${free === undefined ? "unknown room" : `${formatSize(free)} free`} for ${formatSize(usedMemory)} in memory`,
      source,
      // Root sees the room; how much has to fit into it, only the server says.
      witness: "server",
    },
    free === undefined ? { outcome: "unknown" } : free >= 2 * usedMemory,
  );
}
