import { randomInt } from "node:crypto";
import { shellQuote } from "../connection/shell-quote.ts";
import { chosen } from "../facts/origin.ts";
import type { HostFacts } from "../facts/probe.ts";
import type { HostPlan } from "../plan/plan.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Server } from "../redis/server.ts";
import { joinWords } from "../redis/words.ts";
import { isHandedOver, plannedUnit } from "./what-runs.ts";

/** A file of the plan with what it will hold. */
export interface PlannedFile {
  number: number;
  path: string;
  text: string;
}

/**
 * The candidate's own configuration, and copies of what it reads, for a server that touches nothing of the real one. Where there
 * is a `base`, scratch/redis.conf is what comes behind that planned file: it is long, and is not sent twice.
 */
export function candidate(
  input: { plan: HostPlan; facts: HostFacts; server: Server; id: string },
  config: ConfigDocument,
  files: readonly PlannedFile[],
): { base?: PlannedFile | undefined; parts: [string, string][] } {
  const { plan, facts, id } = input;
  if (
    plan.actions.files.every(({ path }) => path.startsWith("/etc/ufw/") || path === "/etc/default/ufw") &&
    !plan.actions.restart
  )
    return { parts: [] };
  const run = `/run/redkeep-${id}/scratch`;
  const staged = (setting: string): [string, string][] => {
    const path = config.get(setting)?.[0] ?? "";
    const file = files.find((file) => file.path === path);
    return file === undefined ? [] : [[setting, file.text]];
  };
  const copies = ["aclfile", "tls-cert-file", "tls-key-file", "tls-ca-cert-file"].flatMap(staged);
  const tlsPort = config.get("tls-port")?.[0] ?? "0";
  const taken = new Set(facts.host.listeners.map(({ port }) => port));
  // Below the ports that Linux gives to outgoing connections: one of those may come between the look and the start.
  let port = randomInt(20_000, 32_000);
  while (taken.has(port)) port++;
  const overrides: [string, ...string[]][] = [
    ["bind", "127.0.0.1"],
    ["port", "0"],
    ...(tlsPort === "0" ? [] : [["tls-port", String(port)] as [string, string]]),
    ["unixsocket", `${run}/redis.sock`],
    ["unixsocketperm", "700"],
    ["dir", run],
    ["dbfilename", "scratch.rdb"],
    ["pidfile", `${run}/redis.pid`],
    ["logfile", ""],
    ["syslog-enabled", "no"],
    ["save", ""],
    ["appendonly", "no"],
    ...(config.get("replicaof") === undefined ? [] : [["replicaof", "no", "one"] as [string, ...string[]]]),
    ...(config.get("cluster-enabled") === undefined ? [] : [["cluster-enabled", "no"] as [string, string]]),
    ...copies.map(([setting]): [string, string] => [setting, `${run}/${setting}`]),
  ];
  const [main, ...includes] = config.files();
  const properties = plannedUnit(input);
  const sameIncludes = includes.every(({ path }) => !files.some((file) => file.path === path));
  // Redis enters `dir` and opens `logfile` as it reads their lines, although others follow: to a new user they are closed yet.
  const isEntered = (name: string) => isHandedOver(properties, facts) && ["dir", "logfile"].includes(name);
  // Byte for byte where no included file changes; else as one list of lines, since `include` names the old files.
  const isWhole = sameIncludes && !config.directives.some(({ name }) => isEntered(name));
  const base = isWhole ? files.find(({ path }) => path === main?.path) : undefined;
  const text = isWhole
    ? (main?.text ?? "")
    : config.directives
        .filter(({ name }) => name !== "include" && !isEntered(name))
        .map(({ name, args }) => joinWords(name, args))
        .join("\n");
  properties.set("ReadWritePaths", chosen(`${properties.get("ReadWritePaths") ?? ""} ${run}`.trim()));
  const parts: [string, string][] = [
    [
      "scratch/redis.conf",
      `${base === undefined ? text : ""}\n${overrides.map(([name, ...args]) => joinWords(name, args)).join("\n")}\n`,
    ],
    [
      "scratch.properties",
      [...properties]
        .filter(([name, value]) => value !== "" || name === "CapabilityBoundingSet")
        .map(([name, value]) => `set -- "$@" -p ${shellQuote(`${name}=${value}`)}\n`)
        .join(""),
    ],
    ...copies.map(([setting, content]): [string, string] => [`scratch/${setting}`, content]),
  ];
  return { base, parts };
}
