import type { HostFacts } from "../facts/probe.ts";
import { MASK_PASSWORDS } from "../facts/redis-script.ts";
import { STATE_MARK } from "../facts/transaction.ts";
import type { Secret } from "../lib/secret.ts";
import type { HostPlan } from "../plan/plan.ts";
import { spanSeconds } from "../plan/restart.ts";
import { type ConfigDocument, parseConfig } from "../redis/config-document.ts";
import { configName } from "../redis/config-set.ts";
import type { Server } from "../redis/server.ts";
import { type FileContent, lines, type Part } from "../resources/kind.ts";
import { partsOf } from "../resources/kinds.ts";
import { shellAssignments } from "../shell/quote.ts";
import { candidate, type PlannedFile } from "./candidate.ts";
import { authKind, type Login, loginText } from "./login-file.ts";
import { CONFIRM_WINDOW, capSeconds, FIREWALL_WINDOW, program } from "./program.ts";
import { circumstances, expectations } from "./relied-on.ts";
import { plannedUnit, whatRuns } from "./what-runs.ts";

export interface CompileInput {
  plan: HostPlan;
  facts: HostFacts;
  server: Server;
  /** For the holder line that a second run is shown. */
  holder: string;
  /** The mark of the controller's state. */
  state: string;
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

/**
 * The whole apply as one script for one channel: it lays down the transaction's folder and starts it in a unit
 * of its own, waits, and prints what came of it under lines that start with the nonce.
 */
export function compileApply(input: CompileInput): string {
  const { plan, facts, server, id, nonce, before, after } = input;
  const { actions } = plan;
  const textOf = (content: FileContent) => contentOf(content, input);
  const files = actions.files.map(({ path, content }, index) => ({
    number: index + 1,
    path,
    text: textOf(content),
  }));
  const config = plannedConfig(server, files);
  const { base, parts: scratch } = candidate(input, config, files);
  const kinds = partsOf(actions, { facts, server, config, restart: actions.restart, textOf });
  const parts: [string, string][] = [
    ["env", environment(input, kinds.env, base)],
    ["holder", `${input.holder}\n`],
    ...kinds.parts,
    ...expectations(input, { ...kinds, written: files.map(({ path }) => path) }),
    ["login.old", loginText(before, configName(server.config))],
    ["login.new", loginText(after, configName(config))],
    ["live", lines(kinds.live)],
    ["undo", lines(kinds.undo)],
    ...scratch,
    ["recover.service", input.recoverUnit],
    ["transaction.sh", input.program],
  ];
  return program({ id, nonce, capSeconds: capSeconds(server), parts });
}

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

/**
 * @param kinds the variables of the kinds of resources
 * @param base the planned file that the candidate's configuration begins with, where it does
 */
function environment(
  input: CompileInput,
  kinds: NonNullable<Part["env"]>,
  base: PlannedFile | undefined,
): string {
  const { plan, facts, server, before } = input;
  return shellAssignments({
    NONCE: input.nonce,
    [STATE_MARK]: input.state,
    CAP: capSeconds(server),
    WINDOW: CONFIRM_WINDOW,
    FIREWALL_WINDOW,
    ASK_VERSION: facts.service.binaryVersion === "" ? "" : "1",
    ...whatRuns(input, plannedUnit(input)),
    UNIT_FACTS: circumstances(facts).join(),
    INVOCATION: facts.service.properties.get("InvocationID") ?? "",
    NEEDS_REDIS: facts.service.process === undefined ? "" : "1",
    PATIENCE: isSoonLoaded(server, facts) ? "" : "1",
    RESTART: plan.actions.restart ? "1" : "",
    ...kinds,
    SCRATCH_BASE: base?.number ?? "",
    MASK: MASK_PASSWORDS,
    // For a later rollback of this run: how Redis was reached before it. The password itself is not kept.
    BEFORE_ENDPOINT: before.endpoint.join(" "),
    BEFORE_CONFIG: configName(server.config),
    BEFORE_AUTH: authKind(before),
  });
}

/**
 * True where the unit's own time to start is far more than Redis can need: a minute at least, which `loadTime` has compared with
 * the last start, for little data. Where that is wrong, the way back waits longer.
 */
function isSoonLoaded({ usedMemory }: Server, { service }: HostFacts): boolean {
  const isSmall = usedMemory !== undefined && usedMemory <= 64 * 1024 * 1024;
  return isSmall && spanSeconds(service.properties.get("TimeoutStartUSec") || "0") >= 60;
}
