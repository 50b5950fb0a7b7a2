import { attributesIn, backupPath, type KeptRun } from "../facts/kept-runs.ts";
import { type Actable, seen } from "../facts/origin.ts";
import type { HostFacts } from "../facts/probe.ts";
import { MASK_PASSWORDS } from "../facts/redis-script.ts";
import { STATE_MARK } from "../facts/transaction.ts";
import { ownerMode } from "../lib/attributes.ts";
import type { GiveBack } from "../plan/give-back.ts";
import { configName } from "../redis/config-set.ts";
import type { Server } from "../redis/server.ts";
import { sameSetting } from "../redis/setting.ts";
import { lines, type Part } from "../resources/kind.ts";
import { noActions, partsOf } from "../resources/kinds.ts";
import { shellAssignments } from "../shell/quote.ts";
import { type Login, loginText } from "./login-file.ts";
import { CONFIRM_WINDOW, capSeconds, FIREWALL_WINDOW, program } from "./program.ts";
import { signature } from "./relied-on.ts";
import { whatRuns } from "./what-runs.ts";

export interface CompileGiveBackInput {
  plan: GiveBack;
  /** Folders that redkeep made. */
  created: readonly string[];
  /** The first of the runs that are undone: the one that found the service as it will be. */
  first: KeptRun;
  /** The last transaction that was confirmed here. */
  last: string;
  holder: string;
  /** The mark of the controller's state. */
  state: string;
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
  const files = plan.files.map((file, index) => ({ ...file, number: index + 1 }));
  const attributesOf = (path: string) => {
    const found = facts.files.paths.get(path);
    return found === undefined ? "absent" : ownerMode(found);
  };
  const folders = created
    .filter((path) => facts.files.paths.get(path)?.kind === "directory")
    .sort()
    .reverse();
  const { config, restart } = plan;
  const nothing = partsOf(noActions(), { facts, server, config, restart, textOf: () => "" });
  // What a kind brings is there, saying that nothing is to be done; what this way back does itself takes its place.
  const parts = new Map<string, string>([
    ...nothing.parts,
    ["env", giveBackEnvironment(input, nothing.env)],
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
  ]);
  const copies = files
    .filter(({ state }) => state !== "absent")
    .map(({ number, backup }) => `${number} ${backupPath(backup)}`);
  return program({ id, nonce, capSeconds: capSeconds(server), parts: [...parts], copies });
}

/** @param env the kinds' variables, where they have nothing to do */
function giveBackEnvironment(
  { plan, first, facts, server, nonce, state }: CompileGiveBackInput,
  env: Required<Part>["env"],
): string {
  const planned = new Map<string, Actable>([
    ["User", seen(first.env.get("OLDUSER") ?? "")],
    ["Group", seen(first.env.get("OLDGROUP") ?? "")],
  ]);
  const persists =
    server.running !== undefined &&
    !(sameSetting("save", [String(env.NEW_SAVE)], [String(env.OLD_SAVE)]) && env.NEW_AOF === env.OLD_AOF);
  return shellAssignments({
    NONCE: nonce,
    [STATE_MARK]: state,
    CAP: capSeconds(server),
    WINDOW: CONFIRM_WINDOW,
    FIREWALL_WINDOW,
    ASK_VERSION: "",
    ...whatRuns({ facts, server }, planned),
    UNIT_FACTS: "",
    INVOCATION: facts.service.properties.get("InvocationID") ?? "",
    NEEDS_REDIS: facts.service.process === undefined ? "" : "1",
    PATIENCE: "1",
    RESTART: plan.restart ? "1" : "",
    ...env,
    PERSIST: persists ? "1" : "",
    // Names that went are back in the AOF's way: it is rewritten first, as it was on the way here.
    REWRITE_AOF: plan.restart && env.OLD_AOF === "yes" ? "1" : "",
    RELOAD: "1",
    FIREWALL: plan.firewall ?? "",
    POLICY: plan.policy?.after ?? "",
    OLD_POLICY: plan.policy?.before ?? "",
    SCRATCH_BASE: "",
    MASK: MASK_PASSWORDS,
    BEFORE_ENDPOINT: "",
    BEFORE_CONFIG: "",
    BEFORE_AUTH: "unknown",
  });
}
