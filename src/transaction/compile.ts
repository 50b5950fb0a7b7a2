import { randomInt } from "node:crypto";
import { HostError } from "../connection/connection.ts";
import { attributesIn, backupPath, type KeptRun } from "../facts/kept-runs.ts";
import { type Actable, chosen, pointedAt, seen } from "../facts/origin.ts";
import type { HostFacts } from "../facts/probe.ts";
import { MASK_PASSWORDS, redisWord } from "../facts/redis-script.ts";
import { SANDBOX_PROPERTIES } from "../facts/service.ts";
import { FrameError, parseFrames, unsigned } from "../lib/frame.ts";
import type { Secret } from "../lib/secret.ts";
import type { Attributes, FileContent } from "../plan/desired.ts";
import { endpointRefusals } from "../plan/endpoint.ts";
import type { GiveBack } from "../plan/give-back.ts";
import type { HostPlan } from "../plan/plan.ts";
import { spanSeconds } from "../plan/restart.ts";
import { hashPassword } from "../redis/acl-rule.ts";
import { type ConfigDocument, parseConfig } from "../redis/config-document.ts";
import type { Server } from "../redis/server.ts";
import type { ServerLogin } from "../redis/server-login.ts";
import { sameSetting } from "../redis/setting.ts";
import { joinWords } from "../redis/words.ts";
import { shellProgram } from "../shell/program.ts";
import { shellAssignments, shellQuote } from "../shell/quote.ts";

/** A way into Redis for the host's program: redis-cli's words and, where a password is known, who logs in. */
export interface Login {
  endpoint: readonly string[];
  auth: ServerLogin | { password: Secret } | undefined;
  /** False where being alive is all that can be asked. */
  isKnown: boolean;
}

export interface CompileInput {
  plan: HostPlan;
  facts: HostFacts;
  server: Server;
  /** For the holder line that a second run is shown. */
  holder: string;
  id: string;
  nonce: string;
  /** The certificate made for this host, where the plan asks for one. */
  issued: { certificate: string; key: Secret } | undefined;
  before: Login;
  after: Login;
  /** The texts of src/shell/transaction.sh and of the recovery unit. */
  program: string;
  recoverUnit: string;
}

/** Seconds that a confirmation may take; after them the host puts itself back. */
export const CONFIRM_WINDOW = 60;

/**
 * Seconds from a change of the firewall on, where there is one: the way back takes some, and whoever is locked out by the
 * new rules can log in again within a minute.
 */
export const FIREWALL_WINDOW = 45;

/** Seconds after which a host puts back a change that has not come to its end: time to save and load on a slow disk. */
export function capSeconds({ usedMemory = 0 }: Pick<Server, "usedMemory">): number {
  return 120 + Math.ceil(usedMemory / (30 * 1024 * 1024)) * 3;
}

/** Exit status of the script where the transaction could not be laid down: nothing has begun. */
export const NOT_BEGUN = 65;

/**
 * The whole apply as one script for one channel: it lays down the transaction's folder and starts it in a unit
 * of its own, waits, and prints what came of it under lines that start with the nonce.
 */
export function compileApply(input: CompileInput): string {
  const { plan, facts, server, id, nonce } = input;
  const { actions } = plan;
  const files = actions.files.map((file, index) => ({
    ...file,
    number: index + 1,
    text: contentOf(file.content, input),
  }));
  const config = plannedConfig(server, files);
  const { base, parts: scratch } = scratchFiles(input, config, files);
  const lines = (rows: readonly string[]) => rows.map((row) => `${row}\n`).join("");
  const modes = actions.attributes.map(({ path, attributes }) => `${path} ${ownerMode(attributes)}`);
  const relied = reliedOn(
    input,
    files.map(({ path }) => path),
  );
  const parts: [string, string][] = [
    ["env", environment(input, config, base)],
    ["holder", `${input.holder}\n`],
    [
      "files",
      lines(files.map(({ number, path, attributes }) => `${number} ${path} ${ownerMode(attributes)}`)),
    ],
    ...files.map(({ number, text }): [string, string] => [`new/${number}`, text]),
    [
      "directories",
      lines(actions.directories.map(({ path, attributes }) => `${path} ${ownerMode(attributes)}`)),
    ],
    ["modes", lines(modes)],
    ["expected", lines(relied.map((path) => `${path} ${signature(facts, path)}`))],
    ["expected-facts", lines(factLines(input))],
    ["questions", lines(questions(input))],
    ["expected-modes", lines(actions.attributes.map(({ path, before }) => `${path} ${ownerMode(before)}`))],
    ["login.old", loginText(input.before, configName(server.config))],
    ["login.new", loginText(input.after, configName(config))],
    ["live", lines(liveCommands(input))],
    ["undo", lines(undoCommands(input))],
    ...scratch,
    ["recover.service", input.recoverUnit],
    ["transaction.sh", input.program],
  ];
  return program({ id, nonce, capSeconds: capSeconds(server), parts });
}

export interface CompileUndoInput {
  /** The committed transaction whose changes are put back. */
  source: string;
  holder: string;
  id: string;
  nonce: string;
  server: Server;
  /** The way into Redis as it is now. */
  before: Login;
  /** Every login that Redis may take again afterwards: the host tells by the hash in the file that it puts back. */
  admins: readonly ServerLogin[];
  program: string;
  recoverUnit: string;
}

/** The transaction that puts back what a committed one changed: the host knows what that was, and says whether it still is. */
export function compileUndo(input: CompileUndoInput): string {
  const { source, id, nonce, server } = input;
  const parts: [string, string][] = [
    [
      "env.own",
      shellAssignments({
        NONCE: nonce,
        CAP: capSeconds(server),
        WINDOW: CONFIRM_WINDOW,
        FIREWALL_WINDOW,
        PATIENCE: "1",
      }),
    ],
    ["holder", `${input.holder}\n`],
    ["undoes", `${source}\n`],
    ["login.old", loginText(input.before, configName(server.config))],
    [
      "login.admin",
      input.admins.map((admin) => `${hashPassword(admin.password)} ${authLine(admin)}\n`).join(""),
    ],
    ["recover.service", input.recoverUnit],
    ["transaction.sh", input.program],
  ];
  return program({ id, nonce, capSeconds: capSeconds(server), parts, source });
}

export interface CompileGiveBackInput {
  plan: GiveBack;
  /** Folders that redkeep made. */
  created: readonly string[];
  /** The first of the runs that are undone: the one that found the service as it will be. */
  first: KeptRun;
  /** The last transaction that was confirmed here. */
  last: string;
  holder: string;
  id: string;
  nonce: string;
  facts: HostFacts;
  server: Server;
  before: Login;
  after: Login;
  program: string;
  recoverUnit: string;
}

/**
 * The transaction that brings back a state from before several runs. The contents never leave the host: it copies them from its
 * own backups. What the plan saw in their places must still be there.
 */
export function compileGiveBack(input: CompileGiveBackInput): string {
  const { plan, created, last, id, nonce, facts, server, before, after } = input;
  const lines = (rows: readonly string[]) => rows.map((row) => `${row}\n`).join("");
  const files = plan.files.map((file, index) => ({ ...file, number: index + 1 }));
  const attributesOf = (path: string) => {
    const found = facts.files.paths.get(path);
    return found === undefined ? "absent" : ownerMode(found);
  };
  const folders = created
    .filter((path) => facts.files.paths.get(path)?.kind === "directory")
    .sort()
    .reverse();
  const parts: [string, string][] = [
    ["env", giveBackEnvironment(input)],
    ["holder", `${input.holder}\n`],
    ["undoes", `${last}\n`],
    ["to-original", ""],
    [
      "files",
      lines(
        files.map(({ number, path, state }) => {
          const attributes = attributesIn(state);
          return `${number} ${path} ${attributes === undefined ? "absent 0" : ownerMode(attributes)}`;
        }),
      ),
    ],
    ...files.map(({ number }): [string, string] => [`new/${number}`, ""]),
    ["directories", ""],
    ["modes", lines(plan.modes.map(({ path, attributes }) => `${path} ${ownerMode(attributes)}`))],
    ["expected", lines(files.map(({ path }) => `${path} ${signature(facts, path)}`))],
    ["expected-modes", lines(plan.modes.map(({ path }) => `${path} ${attributesOf(path)}`))],
    ["removals", lines(folders.map((path) => `${path} ${attributesOf(path)}`))],
    ["login.old", loginText(before, configName(server.config))],
    ["login.new", loginText(after, configName(plan.config))],
    ["live", ""],
    ["undo", ""],
    ["recover.service", input.recoverUnit],
    ["transaction.sh", input.program],
  ];
  const copies = files
    .filter(({ state }) => state !== "absent")
    .map(({ number, backup }) => `${number} ${backupPath(backup)}`);
  return program({ id, nonce, capSeconds: capSeconds(server), parts, copies });
}

function giveBackEnvironment({ plan, first, facts, server, nonce }: CompileGiveBackInput): string {
  const { config, restart } = plan;
  const said = (setting: string) => server.running?.get(setting)?.replaceAll(/[\r\n]/g, " ");
  const [save, aof] = [said("save") ?? "", said("appendonly") ?? "no"];
  const newSave = (config.get("save") ?? [save]).join(" ");
  const newAof = config.get("appendonly")?.[0]?.toLowerCase() ?? aof;
  const planned = new Map<string, Actable>([
    ["User", seen(first.env.get("OLDUSER") ?? "")],
    ["Group", seen(first.env.get("OLDGROUP") ?? "")],
  ]);
  return shellAssignments({
    NONCE: nonce,
    CAP: capSeconds(server),
    WINDOW: CONFIRM_WINDOW,
    FIREWALL_WINDOW,
    ASK_VERSION: "",
    ...whatRuns({ facts, server }, planned),
    UNIT_FACTS: "",
    INVOCATION: facts.service.properties.get("InvocationID") ?? "",
    NEEDS_REDIS: facts.service.process === undefined ? "" : "1",
    PERSIST:
      server.running !== undefined && !(sameSetting("save", [newSave], [save]) && newAof === aof) ? "1" : "",
    NEW_SAVE: newSave,
    NEW_AOF: newAof,
    OLD_SAVE: save,
    OLD_AOF: aof,
    // Names that went are back in the AOF's way: it is rewritten first, as it was on the way here.
    REWRITE_AOF: restart && aof === "yes" ? "1" : "",
    RENAMED: "",
    TIGHTEN: "",
    PATIENCE: "1",
    RELOAD: "1",
    RESTART: restart ? "1" : "",
    FIREWALL: plan.firewall ?? "",
    LOAD_ONLY: "",
    POLICY: plan.policy?.after ?? "",
    OLD_POLICY: plan.policy?.before ?? "",
    SCRATCH_BASE: "",
    MASK: MASK_PASSWORDS,
    BEFORE_ENDPOINT: "",
    BEFORE_CONFIG: "",
    BEFORE_AUTH: "unknown",
    OLD_ENABLED: /^ENABLED=yes/im.test(facts.firewall.ufwConf) ? "yes" : "no",
    IPV6: /^IPV6="?yes"?/im.test(facts.firewall.defaults) ? "yes" : "no",
  });
}

/**
 * Takes redkeep's own traces off a host: the program is laid down as a transaction's is, and takes its own folder away last. What is
 * left of one that was cut off, the next one takes.
 */
export function compileEject(input: {
  id: string;
  nonce: string;
  facts: HostFacts;
  server: Server;
  program: string;
}): string {
  const { id, nonce, facts, server } = input;
  const conf = server.configPath.slice(0, server.configPath.lastIndexOf("/")) || "/";
  const folders = [
    conf,
    `${conf}/tls`,
    plainPath(facts.files.dataDirectory),
    "/etc/ufw",
    "/etc/default",
    "/etc/systemd/system",
    `/etc/systemd/system/${server.unit}.d`,
  ].filter((path) => path !== "");
  const user = facts.service.properties.get("User") || chosen("root");
  const env = shellAssignments({
    CAP: 30,
    RUNUSER: user,
    RUNGROUP: facts.service.properties.get("Group") || server.group,
    OLDUSER: user,
    OLDGROUP: facts.service.properties.get("Group") || server.group,
  });
  const parts: [string, string][] = [
    ["env", env],
    ["folders", folders.map((path) => `${path}\n`).join("")],
    ["transaction.sh", input.program],
  ];
  return shellProgram("eject.sh", { N: nonce, ID: id, LAID: laid(parts) });
}

/** What the host said of it: undefined where the answer was cut short. `status` 0: its folder is gone. */
export function parseEjected(output: Buffer, nonce: string): { status: number; text: string } | undefined {
  try {
    const frames = parseFrames(output, nonce, (title) => title === "status" || title === "said");
    const status = Number(frames.get("status")?.toString("utf8").trim() || "1");
    return { status, text: unsigned("said", frames.get("said") ?? Buffer.alloc(0)).trim() };
  } catch (error) {
    if (error instanceof FrameError) return undefined;
    throw error;
  }
}

/** Lays down a transaction's folder, starts it in a unit of its own, waits, and prints what came of it. */
function program(given: {
  id: string;
  nonce: string;
  capSeconds: number;
  parts: readonly (readonly [name: string, text: string])[];
  /** The committed transaction that lays down what this one changes. */
  source?: string;
  /** `NUMBER PATH`: new content that is a backup of the host's own. */
  copies?: readonly string[];
}): string {
  const { id, nonce, capSeconds, parts, source = "", copies = [] } = given;
  return shellProgram("start.sh", {
    ...reported(nonce, id),
    SOURCE: source,
    COPIES: copies,
    STOP_SECONDS: 2 * capSeconds + 60,
    LAID: laid(parts),
  });
}

/** What has the shell write these files, in base64. */
function laid(parts: readonly (readonly [name: string, text: string])[]): string {
  const puts = parts.map(([name, text]) => `printf %s ${shellQuote(text)} >"$d/${name}" || exit 65\n`);
  return wrap(`${puts.join("")}laid=1\n`);
}

/** Asks again how a transaction stands, after a reply was lost: once it has come to rest, after at most a minute. */
export function compileStatus(id: string, nonce: string): string {
  return shellProgram("look-again.sh", reported(nonce, id));
}

/** `confirm` turns `applied` into `committed`, or finds that the host has put itself back meanwhile. */
export function compileConfirm(id: string, secretNonce: string, nonce: string): string {
  return shellProgram("confirm.sh", { ...reported(nonce, id), SECRET: secretNonce });
}

/** Has the host put back what this transaction changed. */
export function compileRollback(id: string, nonce: string): string {
  return shellProgram("take-back.sh", reported(nonce, id));
}

/** Words and numbers of transaction.sh's own. */
const OWN_PARTS = ["state", "unavailable", "keys.before", "keys.after"];
/** What may hold the words of Redis, of its log and of other programs. */
const FOREIGN_PARTS = ["journal", "log"];

/** What every program is told that says how a transaction stands. */
function reported(nonce: string, id: string) {
  return { N: nonce, ID: id, OWN_PARTS: OWN_PARTS.join(" "), FOREIGN_PARTS: FOREIGN_PARTS.join(" ") };
}

/** How a transaction stands on the host. */
export interface TransactionReport {
  /** undefined where there is no such transaction. */
  state: string | undefined;
  /** Journal lines without their times. */
  journal: string[];
  unavailableMs: number;
  keysBefore: number | undefined;
  keysAfter: number | undefined;
  /** What the programs on the host said, for the case that nothing began. */
  log: string;
}

/** Undefined where the answer is cut short, or is not framed as the script frames it: then nothing is known. */
export function parseReport(output: Buffer, nonce: string): TransactionReport | undefined {
  const parts = [...OWN_PARTS, ...FOREIGN_PARTS];
  const texts = new Map<string, string>();
  try {
    for (const [part, body] of parseFrames(output, nonce, (title) => parts.includes(title)))
      texts.set(part, FOREIGN_PARTS.includes(part) ? unsigned(part, body) : body.toString("utf8"));
  } catch (error) {
    if (error instanceof FrameError) return undefined;
    throw error;
  }
  const state = texts.get("state")?.trim();
  const count = (name: string) => {
    const found = /^\d+/.exec(texts.get(name) ?? "")?.[0];
    return found === undefined ? undefined : Number(found);
  };
  return {
    state: state === "" ? undefined : state,
    journal: (texts.get("journal") ?? "")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.replace(/^[\d.]+ /, "")),
    unavailableMs: count("unavailable") ?? 0,
    keysBefore: count("keys.before"),
    keysAfter: count("keys.after"),
    log: (texts.get("log") ?? "").trim(),
  };
}

type PlannedFile = { number: number; path: string; text: string; attributes: Attributes };

function contentOf(content: FileContent, { issued }: CompileInput): string {
  if ("text" in content) return content.text;
  if (issued === undefined) throw new Error("the plan asks for a certificate, and none was issued");
  return content.issued === "certificate" ? issued.certificate : issued.key.reveal();
}

/** redis.conf as it will be: the files of the plan over those that were found. */
function plannedConfig(server: Server, files: readonly PlannedFile[]): ConfigDocument {
  const [main, ...includes] = server.config
    .files()
    .map(({ path, text }) => ({ path, text: files.find((file) => file.path === path)?.text ?? text }));
  const { saveResetsAfterInclude } = server.version.capabilities;
  return main === undefined ? server.config : parseConfig(main, includes, "/", saveResetsAfterInclude);
}

/** @param base the planned file that the candidate's configuration begins with, where it does */
function environment(input: CompileInput, config: ConfigDocument, base: PlannedFile | undefined): string {
  const { plan, facts, server, nonce } = input;
  const { actions } = plan;
  const { running } = server;
  // A line break of the server's would look like another assignment to whoever reads the file by its lines.
  const said = (setting: string) => running?.get(setting)?.replaceAll(/[\r\n]/g, " ");
  const persists = actions.persistence.some((step) => step !== "rewrite-aof");
  const planned = plannedUnit(input);
  const values: Record<string, string | number> = {
    NONCE: nonce,
    CAP: capSeconds(server),
    WINDOW: CONFIRM_WINDOW,
    FIREWALL_WINDOW,
    ASK_VERSION: facts.service.binaryVersion === "" ? "" : "1",
    ...whatRuns(input, planned),
    UNIT_FACTS: circumstances(facts).join(),
    INVOCATION: facts.service.properties.get("InvocationID") ?? "",
    NEEDS_REDIS: facts.service.process === undefined ? "" : "1",
    PERSIST: persists ? "1" : "",
    NEW_SAVE: (config.get("save") ?? [said("save") ?? ""]).join(" "),
    NEW_AOF: config.get("appendonly")?.[0]?.toLowerCase() ?? said("appendonly") ?? "no",
    OLD_SAVE: said("save") ?? "",
    OLD_AOF: said("appendonly") ?? "no",
    REWRITE_AOF: actions.persistence.includes("rewrite-aof") ? "1" : "",
    RENAMED: actions.persistence.includes("rewrite-aof") ? renamed(config).join("|") : "",
    TIGHTEN: actions.restart ? actions.closedData : "",
    PATIENCE: isSoonLoaded(server, facts) ? "" : "1",
    RELOAD: actions.daemonReload ? "1" : "",
    RESTART: actions.restart ? "1" : "",
    FIREWALL: actions.firewall === undefined ? "" : actions.firewall.enable ? "enable" : "load",
    LOAD_ONLY: actions.firewall?.loadOnly ? "1" : "",
    POLICY: actions.firewall?.defaultPolicy?.after ?? "",
    OLD_POLICY: actions.firewall?.defaultPolicy?.before ?? "",
    SCRATCH_BASE: base?.number ?? "",
    MASK: MASK_PASSWORDS,
    // For a later rollback of this run: how Redis was reached before it. The password itself is not kept.
    BEFORE_ENDPOINT: input.before.endpoint.join(" "),
    BEFORE_CONFIG: configName(server.config),
    BEFORE_AUTH: authKind(input.before),
    OLD_ENABLED: /^ENABLED=yes/im.test(facts.firewall.ufwConf) ? "yes" : "no",
    IPV6: /^IPV6="?yes"?/im.test(facts.firewall.defaults) ? "yes" : "no",
  };
  return shellAssignments(values);
}

/**
 * Programs, paths, users and groups: root looked them up, or the plan names them. The server only points at a file that root
 * saw in the data directory; where it says another name, the configuration's holds.
 */
function whatRuns(
  { facts, server }: Pick<CompileInput, "facts" | "server">,
  planned: ReadonlyMap<string, Actable>,
) {
  const { service, files } = facts;
  const oldUser = service.properties.get("User") || chosen("root");
  const data = plainPath(files.dataDirectory);
  const names = files.dataFiles.flatMap((path) =>
    path.startsWith(`${data}/`) ? [seen(path.slice(data.length + 1))] : [],
  );
  const called = (setting: string): Actable => {
    const fallback = server.running?.has(setting) ? DATA_NAMES[setting] : "";
    const inFile = server.config.get(setting)?.[0] ?? fallback ?? "";
    const name = pointedAt(names, server.running?.get(setting)) ?? seen(inFile);
    return name.includes("/") || name === "." || name === ".." ? "" : name;
  };
  return {
    UNIT: server.unit,
    BIN: service.binary,
    CLI: service.client,
    CONF: server.configPath,
    RUNUSER: planned.get("User") ?? "",
    RUNGROUP: planned.get("Group") ?? "",
    OLDUSER: oldUser,
    OLDGROUP: service.properties.get("Group") || (oldUser === "root" ? chosen("root") : server.group),
    DATA: data,
    DUMP: called("dbfilename"),
    AOF: called("appendfilename"),
    AOFDIR: called("appenddirname"),
    HANDOVER: isHandedOver(planned, facts) ? data : "",
    LOG: readableLog(facts),
  } satisfies Record<string, Actable>;
}

/** A folder that is one from the root down and can stand in a list: else "". */
function plainPath<T extends Actable>(path: T): T | "" {
  return path.startsWith("/") && !/\p{Cc}/u.test(path) && !path.split("/").includes("..") ? path : "";
}

/** As Redis calls its files where redis.conf does not say. */
const DATA_NAMES: Readonly<Record<string, string>> = {
  dbfilename: "dump.rdb",
  appendfilename: "appendonly.aof",
  appenddirname: "appendonlydir",
};

/**
 * True where the unit's own time to start is far more than Redis can need: a minute at least, which `loadTime` has compared with
 * the last start, for little data. Where that is wrong, the way back waits longer.
 */
function isSoonLoaded({ usedMemory }: Server, { service }: HostFacts): boolean {
  const isSmall = usedMemory !== undefined && usedMemory <= 64 * 1024 * 1024;
  return isSmall && spanSeconds(service.properties.get("TimeoutStartUSec") || "0") >= 60;
}

/** Commands that get another name or none, in capitals. */
function renamed(config: ConfigDocument): string[] {
  const names = config.all("rename-command").map(({ args }) => args[0]?.toUpperCase() ?? "");
  return names.filter((name) => /^[A-Z_-]+$/.test(name));
}

/** Where the last lines of the log tell why a restart failed. Through a link of the service user's they would be another file's. */
function readableLog({ files: { logFile, paths } }: HostFacts): Actable {
  const found = paths.get(logFile);
  return logFile.startsWith("/") && found?.kind === "file" && found.links === 1 ? logFile : "";
}

/** Properties of the unit as they will be: what is loaded, and our drop-in over it. */
function plannedUnit({ plan, facts, server }: CompileInput): Map<string, Actable> {
  const properties = new Map<string, Actable>(
    SANDBOX_PROPERTIES.flatMap((name) => {
      const value = facts.service.properties.get(name);
      return value === undefined ? [] : [[name as string, value] as const];
    }),
  );
  const dropIn = plan.actions.files.find(({ path }) => path === dropInPath(facts))?.content;
  if (dropIn !== undefined && "text" in dropIn) {
    for (const [, name = "", value = ""] of dropIn.text.matchAll(/^([A-Za-z]+)=(.*)$/gm)) {
      if (properties.has(name)) properties.set(name, chosen(value));
    }
  }
  // A unit that names neither, and gets neither, runs as root: so does the candidate, which reads what root reads.
  const user = properties.get("User") || chosen("root");
  properties.set("User", user);
  properties.set("Group", properties.get("Group") || (user === "root" ? chosen("root") : server.group));
  return properties;
}

/** True where another user starts the service than the one that stops it. */
function isHandedOver(planned: ReadonlyMap<string, string>, { service }: HostFacts): boolean {
  return planned.get("User") !== (service.properties.get("User") || "root");
}

/**
 * The candidate's own configuration, and copies of what it reads, for a server that touches nothing of the real one. Where there
 * is a `base`, scratch/redis.conf is what comes behind that planned file: it is long, and is not sent twice.
 */
function scratchFiles(
  input: CompileInput,
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

/** Everything that the plan was worked out from and that apply may replace: what it writes comes first, in its order. */
function reliedOn({ plan, server, facts }: CompileInput, written: readonly string[]): string[] {
  const aclfile = server.config.get("aclfile")?.[0];
  const firewall =
    plan.actions.firewall === undefined
      ? []
      : ["/etc/ufw/user.rules", "/etc/ufw/user6.rules", "/etc/ufw/ufw.conf", "/etc/default/ufw"];
  // A certificate that stays was looked at, too: where it is a plain file under a name that the list can hold.
  const tls = ["tls-cert-file", "tls-key-file", "tls-ca-cert-file"].flatMap((name) => {
    const path = server.config.get(name)?.[0] ?? "";
    return facts.files.digests.has(path) && !/\s/.test(path) ? [path] : [];
  });
  const all = [
    ...written,
    ...server.config.files().map(({ path }) => path),
    ...tls,
    ...(aclfile ? [aclfile] : []),
    dropInPath(facts),
    ...firewall,
  ];
  return [...new Set(all)];
}

const CIRCUMSTANCES = ["FragmentPath", "DropInPaths", "NeedDaemonReload", ...SANDBOX_PROPERTIES] as const;

/** Those that the host's systemd knows. */
function circumstances({ service }: HostFacts): string[] {
  return CIRCUMSTANCES.filter((name) => service.properties.has(name));
}

const INFO_FIELDS = ["run_id", "role", "master_host", "master_port"] as const;

/** What the plan relied on beside files, in the words in which transaction.sh looks again. */
function factLines(input: CompileInput): string[] {
  const { plan, facts } = input;
  const { info, users, config } = comparable(input);
  return [
    ...circumstances(facts).map((name) => `unit ${name}=${facts.service.properties.get(name)}`),
    // Not known where others than root may write the program: nobody runs it to find out.
    ...(facts.service.binaryVersion === "" ? [] : [`version ${facts.service.binaryVersion}`]),
    ...(plan.actions.firewall === undefined ? [] : facts.host.sshPorts.map((port) => `sshd port ${port}`)),
    ...info,
    ...users,
    ...config,
  ];
}

/** Only what the running server has answered already: an error now would pass for a change. */
function questions(input: CompileInput): string[] {
  const { info, users, config } = comparable(input);
  return [
    ...(info.length === 0 ? [] : ["INFO server", "INFO replication"]),
    ...(users.length === 0 ? [] : ["ACL LIST"]),
    ...(config.length === 0 ? [] : ["ECHO --", `${configName(input.server.config)} GET *`]),
  ];
}

/** The running server's answers; none of a kind that holds bytes which are no text, and would never be found again. */
function comparable({
  facts: { redis },
  before,
}: CompileInput): Record<"info" | "users" | "config", string[]> {
  const text = (lines: string[]) =>
    before.isKnown && !lines.some((line) => line.includes("\ufffd")) ? lines : [];
  return {
    info: text(
      INFO_FIELDS.flatMap((name) => {
        const value = redis.info.get(name);
        return value === undefined ? [] : [`info ${name} ${value}`];
      }),
    ),
    users: text([...(redis.aclUsers ?? [])]),
    config: text([...(redis.config ?? [])].map(([name, value]) => `running ${name} ${value}`)),
  };
}

function dropInPath({ service }: HostFacts): string {
  return `/etc/systemd/system/${service.unit}.d/redkeep.conf`;
}

/** As transaction.sh computes it; owner and mode included. */
export function signature({ files }: HostFacts, path: string): string {
  const found = files.paths.get(path);
  if (found === undefined) return "absent";
  if (found.kind === "link") return "link";
  const digest = files.digests.get(path);
  return found.kind !== "file" || found.links !== 1 || digest === undefined
    ? "unusual"
    : `${ownerMode(found)} ${digest}`;
}

/** `root:redis 750`, as the host's own program says it. */
export function ownerMode({ owner, group, mode }: Attributes): string {
  return `${owner}:${group} ${mode.toString(8)}`;
}

/** @throws HostError where transaction.sh would hand redis-cli words that are none of ours: a rollback has no plan to refuse them. */
function loginText(login: Login, config: string): string {
  for (const { found, remedy } of endpointRefusals(login.endpoint))
    throw new HostError("failed", found, remedy);
  return `${login.endpoint.join(" ")}\n${authLine(login.auth)}\n${config}\n${login.isKnown ? "" : "any"}\n`;
}

function authLine(auth: Login["auth"]): string {
  if (auth === undefined) return "";
  return `AUTH ${"user" in auth ? `${redisWord(auth.user)} ` : ""}${redisWord(auth.password.reveal())}`;
}

/** Who logged in before the run; a rollback finds the password again by this word. */
function authKind({ auth, isKnown }: Login): "admin" | "requirepass" | "none" | "unknown" {
  if (!isKnown) return "unknown";
  if (auth === undefined) return "none";
  return "user" in auth ? "admin" : "requirepass";
}

/** The name under which CONFIG answers. */
function configName(config: ConfigDocument): string {
  return (
    config.all("rename-command").find(({ args }) => args[0]?.toUpperCase() === "CONFIG")?.args[1] || "CONFIG"
  );
}

function liveCommands({ plan, server }: CompileInput): string[] {
  return [
    ...configSet(plan.actions.liveSettings, server),
    ...plan.actions.liveAcl.map((words) => words.map(redisWord).join(" ")),
  ];
}

/** The running server's own values, for a rollback that needs no restart. */
function undoCommands({ plan, server, facts }: CompileInput): string[] {
  const before = plan.actions.liveSettings.map(([name]): [string, string] => [
    name,
    server.running?.get(name) ?? "",
  ]);
  const users = new Set(
    plan.actions.liveAcl
      .filter(([, verb]) => verb === "SETUSER" || verb === "DELUSER")
      .map((words) => words[2] ?? ""),
  );
  const lines = new Map(
    (facts.redis.aclUsers ?? []).map((line) => [line.split(" ")[1] ?? "", line.split(" ").slice(2)]),
  );
  return [
    ...configSet(before, server),
    ...[...users].map((user) => {
      const rules = lines.get(user);
      return (rules === undefined ? ["ACL", "DELUSER", user] : ["ACL", "SETUSER", user, "reset", ...rules])
        .map(redisWord)
        .join(" ");
    }),
  ];
}

function configSet(pairs: readonly (readonly [string, string])[], server: Server): string[] {
  if (pairs.length === 0) return [];
  const words = pairs.map(([name, value]) => `${name} ${redisWord(value)}`);
  const name = configName(server.config);
  return server.version.capabilities.multiPairConfigSet
    ? [`${name} SET ${words.join(" ")}`]
    : words.map((pair) => `${name} SET ${pair}`);
}

function wrap(text: string): string {
  return Buffer.from(text)
    .toString("base64")
    .replace(/(.{76})/g, "$1\n");
}
