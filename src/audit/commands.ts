import { parseSize } from "../redis/size.ts";
import type { ServerVersion } from "../redis/versions.ts";
import type { Check } from "../verify/controls.ts";
import { type AuditContext, found, notJudged, soundSetting, withoutLogin } from "./context.ts";

export function commandChecks(context: AuditContext): Check[] {
  const timeLimit = context.server.running?.has("busy-reply-threshold")
    ? "busy-reply-threshold"
    : "lua-time-limit";
  return [
    moduleCheck(context),
    soundSetting(context, "RK-CMD-04", timeLimit, `${timeLimit} above 0`, (value) => Number(value) > 0),
    soundSetting(
      context,
      "RK-CMD-04",
      "proto-max-bulk-len",
      "proto-max-bulk-len of 512mb at most",
      (value) => (parseSize(value) ?? Number.POSITIVE_INFINITY) <= 512 * 1024 ** 2,
    ),
    versionCheck(context),
  ];
}

/** Part of the server's own program. */
const BUILT_IN = ["vectorset"];

function moduleCheck(context: AuditContext): Check {
  const { server, facts } = context;
  const expected = "modules from files that root alone can write, none loaded by hand";
  const source = "redis.conf, stat, INFO modules";
  if (facts.redis.user === undefined) return withoutLogin(context, "RK-CMD-02", expected, source);
  const running = facts.redis.modules.filter((name) => !BUILT_IN.includes(name));
  const { arguments: words } = facts.service;
  const files = [
    ...server.config.all("loadmodule").map(({ args }) => args[0] ?? ""),
    ...words.flatMap((word, index) => (words[index - 1] === "--loadmodule" ? [word] : [])),
  ];
  // One that was loaded by hand stands in no file: that there is none, only the server says.
  if (running.length === 0 && files.length === 0)
    return found("RK-CMD-02", { expected, observed: "no modules", source, witness: "server" }, true);
  const unseen = files.filter((file) => facts.files.paths.get(file) === undefined);
  const open = files.filter((file) => {
    const path = facts.files.paths.get(file);
    return path !== undefined && (path.owner !== "root" || (path.mode & 0o022) !== 0);
  });
  const findings = [
    ...open.map((file) => `${file} can be written by others than root`),
    ...(running.length > files.length
      ? [`${running.join(", ")} loaded, and the configuration names ${files.length}`]
      : []),
  ];
  if (findings.length > 0)
    return found("RK-CMD-02", { expected, observed: findings.join("; "), source }, false);
  return found(
    "RK-CMD-02",
    {
      expected,
      observed:
        unseen.length > 0 ? `${unseen.join(", ")} cannot be seen` : `${running.join(", ")}, root's files`,
      source,
    },
    unseen.length === 0 || { outcome: "unknown" },
  );
}

/**
 * Holes that let somebody run code, and the upstream version that closes each where that is known. Distributions mend
 * a version without changing its number, so that an older version alone proves nothing.
 */
const CRITICAL: { cve: string; closedBy?: readonly [number, number, number] }[] = [
  { cve: "CVE-2025-49844" },
  { cve: "CVE-2026-23479", closedBy: [8, 6, 3] },
  { cve: "CVE-2026-25243", closedBy: [8, 6, 3] },
];

function versionCheck({ server, facts }: AuditContext): Check {
  const expected = `without ${CRITICAL.map(({ cve }) => cve).join(", ")}`;
  const source = "INFO server, the package's changelog, the process";
  const { package: owner, mended, isReplaced } = facts.system;
  const name = `${server.version.name}${owner ? ` (package ${owner.version})` : ""}`;
  if (isReplaced) {
    const observed = `${server.version.name} still runs a program that was replaced on disk: restart it`;
    return found("RK-CMD-05", { expected, observed, source }, false);
  }
  const open = CRITICAL.filter(
    ({ cve, closedBy }) => !mended.has(cve) && !(closedBy && isAtLeast(server.version, closedBy)),
  ).map(({ cve }) => cve);
  if (open.length === 0) return found("RK-CMD-05", { expected, observed: name, source }, true);
  const observed = `${name}: not known for ${open.join(", ")}, which neither the version nor the package's changelog tells`;
  return notJudged("RK-CMD-05", "untold", { expected, observed, source });
}

function isAtLeast({ product, version }: ServerVersion, wanted: readonly number[]): boolean {
  if (product !== "redis") return false;
  const parts = version.split(".").map(Number);
  const differing = wanted.findIndex((part, index) => part !== (parts[index] ?? 0));
  return differing < 0 || (parts[differing] ?? 0) > (wanted[differing] ?? 0);
}
