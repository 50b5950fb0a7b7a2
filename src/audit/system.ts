import type { PathFact } from "../facts/files.ts";
import { formatSize } from "../redis/size.ts";
import { type Check, check } from "../verify/controls.ts";
import { type AuditContext, found, notJudged, soundSetting, withoutLogin } from "./context.ts";

export function systemChecks(context: AuditContext): Check[] {
  return [
    ...logChecks(context),
    crashReportCheck(context),
    ...kernelChecks(context),
    packageCheck(context),
    programsCheck(context),
    coreDumpCheck(context),
    openSecretsCheck(context),
    swapCheck(context),
    tracesCheck(context),
  ];
}

function logChecks(context: AuditContext): Check[] {
  const { server, facts } = context;
  const level = soundSetting(context, "RK-SYS-05", "loglevel", "loglevel notice or verbose", (value) =>
    ["notice", "verbose"].includes(value.toLowerCase()),
  );
  const { running } = server;
  if (running === undefined) return [level];
  const file = running.get("logfile") ?? "";
  // What a unit prints goes to the journal.
  const place =
    file === "/dev/null"
      ? ""
      : file ||
        (running.get("syslog-enabled") === "yes" ? "syslog" : facts.service.unit ? "the journal" : "");
  return [
    level,
    found(
      "RK-SYS-05",
      {
        expected: "a log file, syslog or the journal",
        observed: place || "no log",
        source: "CONFIG GET logfile",
      },
      place !== "",
    ),
  ];
}

function crashReportCheck(context: AuditContext): Check {
  const setting = "hide-user-data-from-log";
  const made = soundSetting(context, "RK-SYS-06", setting, `${setting} yes`, (value) => value === "yes");
  return made.outcome === "fail"
    ? notJudged("RK-SYS-06", "reported", {
        expected: made.expected,
        observed: `${made.observed}: crash reports name keys and values`,
        source: made.source,
      })
    : made;
}

/** Each part of the control that the host can tell. */
function kernelChecks(context: AuditContext): Check[] {
  const { facts, server } = context;
  const { kernel } = facts.system;
  const source = "/proc/sys, /sys/kernel/mm";
  const one = (
    expected: string,
    observed: string,
    verdict: boolean | undefined,
    { from = source, witness }: { from?: string; witness?: "server" | undefined } = {},
  ): Check =>
    check(
      "RK-SYS-08",
      { expected, observed, source: from, isAdvisory: true, witness },
      verdict ?? { outcome: "unknown" },
    );
  const { overcommit, hugePages, somaxconn } = kernel ?? {};
  const maxmemory = Number(server.running?.get("maxmemory") ?? 0);
  const most = Math.max(maxmemory || facts.host.memoryBytes, server.usedMemory ?? 0);
  const fits = most * 2 <= facts.host.memoryBytes;
  const share =
    maxmemory === 0
      ? "the memory of Redis has no bound"
      : `Redis takes ${formatSize(most)} of ${formatSize(facts.host.memoryBytes)} at most`;
  const backlog = Number(server.running?.get("tcp-backlog") ?? 511);
  const wanted = "vm.overcommit_memory 1, or 0 where Redis takes half of the memory at most";
  return [
    overcommit === 0 && server.running === undefined
      ? withoutLogin(context, "RK-SYS-08", wanted, source)
      : one(
          wanted,
          overcommit === undefined ? "not to be read" : `${overcommit}, and ${share}`,
          overcommit === undefined ? undefined : overcommit === 1 || (overcommit === 0 && fits),
          // How much Redis takes, it says itself.
          overcommit === 0 ? { from: "/proc/sys, CONFIG GET maxmemory", witness: "server" } : {},
        ),
    one(
      "no huge pages for Redis",
      hugePages === undefined ? "not to be read" : `transparent huge pages: ${hugePages}`,
      hugePages === undefined || facts.service.process === undefined
        ? undefined
        : hugePages !== "always" || !facts.service.process.hugePages,
    ),
    one(
      `net.core.somaxconn of ${backlog} at least`,
      somaxconn === undefined ? "not to be read" : String(somaxconn),
      somaxconn === undefined ? undefined : somaxconn >= backlog,
      { witness: server.running?.has("tcp-backlog") ? "server" : undefined },
    ),
  ];
}

function programsCheck({ facts }: AuditContext): Check {
  const { loosePrograms } = facts.service;
  return found(
    "RK-SYS-13",
    {
      expected: "the server's program and client are root's, and so are the folders above them",
      observed: loosePrograms.join(", ") || "they are",
      source: "stat",
    },
    loosePrograms.length === 0,
  );
}

function packageCheck({ facts }: AuditContext): Check {
  const { package: owner } = facts.system;
  const { binary } = facts.service;
  const expected = `a package that ${binary} belongs to`;
  const source = "dpkg";
  if (owner === undefined)
    return notJudged("RK-SYS-09", "untold", {
      expected,
      observed: "no dpkg on this host that could be asked",
      source,
    });
  return found(
    "RK-SYS-09",
    {
      expected,
      observed:
        owner === null
          ? `no package owns ${binary}`
          : `${owner.name} ${owner.version}${owner.isHeld ? ", held back from updates" : ""}`,
      source,
    },
    owner !== null && !owner.isHeld,
  );
}

function coreDumpCheck({ facts }: AuditContext): Check {
  const expected = "no core dumps, or kept by systemd-coredump for root alone";
  const bytes = facts.service.process?.coreBytes;
  const pattern = facts.system.kernel?.corePattern ?? "";
  const isKept = /^\|\S*\/systemd-coredump /.test(pattern);
  return found(
    "RK-SYS-10",
    {
      expected,
      observed:
        bytes === undefined
          ? "the service does not run, or cannot be looked at"
          : bytes === 0
            ? "none"
            : `up to ${Number.isFinite(bytes) ? formatSize(bytes) : "any size"}, to ${pattern || "an unknown place"}`,
      source: "/proc/PID/limits",
    },
    bytes === undefined ? { outcome: "unknown" } : bytes === 0 || isKept,
  );
}

function openSecretsCheck({ facts }: AuditContext): Check {
  const { openSecrets } = facts.system;
  return found(
    "RK-SYS-11",
    {
      expected: "no password of Redis in arguments, histories, units and environment files",
      observed:
        openSecrets === undefined
          ? "not searched"
          : openSecrets
              .map((path) => path.replace(/^\/proc\/(\d+)\/cmdline$/, "arguments of process $1"))
              .join(", ") || "none found",
      source: "grep",
    },
    openSecrets === undefined ? { outcome: "unknown" } : openSecrets.length === 0,
  );
}

function swapCheck({ facts }: AuditContext): Check {
  const { swaps } = facts.system;
  const expected = "no swap, or encrypted";
  const source = "/proc/swaps";
  if (swaps === undefined)
    return found("RK-SYS-12", { expected, observed: "not to be read", source }, { outcome: "unknown" });
  const clear = swaps.filter(({ isClear }) => isClear).map(({ name }) => name);
  return clear.length === 0
    ? found("RK-SYS-12", { expected, observed: swaps.length === 0 ? "no swap" : "encrypted", source }, true)
    : notJudged("RK-SYS-12", "reported", {
        expected,
        observed: `${clear.join(", ")}, not encrypted as far as can be told`,
        source,
      });
}

/** Of what deviates that a report names. */
const MAX_NAMED = 10;

/** What systemd runs for a unit, a setting a line. An older redkeep may have written the order of its start otherwise. */
function runBy(unit: string): string {
  let section = "";
  const lines = unit.split("\n").map((line) => line.trim());
  // Further sections of the same name add to the first.
  const own = lines.filter((line) => {
    if (line.startsWith("[")) section = line;
    return section === "[Service]" && line !== section && /^[^#;]/.test(line);
  });
  return own.join("\n");
}

function tracesCheck({ facts, recoverUnit = "" }: AuditContext): Check {
  const expected =
    "state, backups, units and certificates of redkeep that only root may write and no stranger may read, and nothing left over";
  const source = "find /var/lib/redkeep, stat";
  const { traces, transaction, files, configFiles, service } = facts;
  if (traces === undefined)
    return found("RK-SYS-14", { expected, observed: "not looked at", source }, { outcome: "unknown" });
  const { pending, last } = transaction;
  const configuration = configFiles.main?.path.replace(/\/[^/]*$/, "") ?? "";
  const units = [
    `/etc/systemd/system/${service.unit}.d/redkeep.conf`,
    "/etc/systemd/system/redkeep-recover.service",
  ];
  const certificates = ["ca.crt", "server.crt", "server.key"].map(
    (name) => `${configuration}/tls/redkeep-${name}`,
  );
  const deviations = [
    ...traces.open.map((line) => `open: ${line}`),
    ...units.flatMap((path) => openOnes(files.paths.get(path), 0o022)),
    ...certificates.flatMap((path) => openOnes(files.paths.get(path), 0o027)),
    ...(recoverUnit !== "" &&
    transaction.recoverUnit !== undefined &&
    runBy(transaction.recoverUnit) !== runBy(recoverUnit)
      ? ["edited: /etc/systemd/system/redkeep-recover.service runs something else than redkeep wrote"]
      : []),
    ...traces.secrets.map((path) => `a secret of a run that is over: ${path}`),
    ...traces.leftovers.map((path) => `left over: ${path}`),
    ...(pending?.state === "needs_human"
      ? [`transaction ${pending.id} of ${pending.holder} could not be put back and waits for somebody`]
      : []),
  ];
  const more = deviations.length - MAX_NAMED;
  const kept =
    traces.transactions === undefined
      ? "redkeep has left nothing here"
      : `${traces.transactions} ${traces.transactions === 1 ? "transaction" : "transactions"} kept in /var/lib/redkeep, closed to others${
          last === undefined ? "" : `; the last committed is ${last.id} of ${last.holder}`
        }${pending === undefined ? "" : `; ${pending.id} waits for its confirmation`}`;
  return found(
    "RK-SYS-14",
    {
      expected,
      observed:
        deviations.length === 0
          ? kept
          : `${deviations.slice(0, MAX_NAMED).join("; ")}${more > 0 ? `; and ${more} more` : ""}`,
      source,
    },
    deviations.length === 0,
  );
}

/** @param forbidden bits of the mode */
function openOnes(path: PathFact | undefined, forbidden: number): string[] {
  if (path === undefined) return [];
  if (path.kind === "file" && path.owner === "root" && (path.mode & forbidden) === 0) return [];
  const what = path.kind === "file" ? "" : `${path.kind} `;
  return [`open: ${what}${path.owner}:${path.group} ${path.mode.toString(8)} ${path.path}`];
}
