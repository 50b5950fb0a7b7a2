import type { HostFacts } from "../facts/probe.ts";
import { SANDBOX_PROPERTIES } from "../facts/service.ts";
import { ownerMode } from "../lib/attributes.ts";
import { configName } from "../redis/config-set.ts";
import type { Server } from "../redis/server.ts";
import { dropInPath } from "../resources/drop-in.ts";
import { lines, type Part } from "../resources/kind.ts";
import type { Login } from "./login-file.ts";

interface Input {
  facts: HostFacts;
  server: Server;
  before: Login;
}

/** What has to be as it was when the plan was made; `parts` is what the kinds rely on beside. */
export function expectations(
  input: Input,
  {
    written,
    reliedPaths,
    reliedFacts,
  }: { written: readonly string[] } & Pick<Required<Part>, "reliedPaths" | "reliedFacts">,
): [name: string, text: string][] {
  const paths = reliedOn(input, written, reliedPaths);
  return [
    ["expected", lines(paths.map((path) => `${path} ${signature(input.facts, path)}`))],
    ["expected-facts", lines(factLines(input, reliedFacts))],
    ["questions", lines(questions(input))],
  ];
}

/** Everything that the plan was worked out from and that apply may replace: what it writes comes first, in its order. */
function reliedOn({ server, facts }: Input, written: readonly string[], more: readonly string[]): string[] {
  const aclfile = server.config.get("aclfile")?.[0];
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
    dropInPath(facts.service.unit),
    ...more,
  ];
  return [...new Set(all)];
}

const CIRCUMSTANCES = ["FragmentPath", "DropInPaths", "NeedDaemonReload", ...SANDBOX_PROPERTIES] as const;

/** Those that the host's systemd knows. */
export function circumstances({ service }: HostFacts): string[] {
  return CIRCUMSTANCES.filter((name) => service.properties.has(name));
}

const INFO_FIELDS = ["run_id", "role", "master_host", "master_port"] as const;

/** What the plan relied on beside files, in the words in which transaction.sh looks again. */
function factLines(input: Input, more: readonly string[]): string[] {
  const { facts } = input;
  const { info, users, config } = comparable(input);
  return [
    ...circumstances(facts).map((name) => `unit ${name}=${facts.service.properties.get(name)}`),
    // Not known where others than root may write the program: nobody runs it to find out.
    ...(facts.service.binaryVersion === "" ? [] : [`version ${facts.service.binaryVersion}`]),
    ...more,
    ...info,
    ...users,
    ...config,
  ];
}

/** Only what the running server has answered already: an error now would pass for a change. */
function questions(input: Input): string[] {
  const { info, users, config } = comparable(input);
  return [
    ...(info.length === 0 ? [] : ["INFO server", "INFO replication"]),
    ...(users.length === 0 ? [] : ["ACL LIST"]),
    ...(config.length === 0 ? [] : ["ECHO --", `${configName(input.server.config)} GET *`]),
  ];
}

/** The running server's answers; none of a kind that holds bytes which are no text, and would never be found again. */
function comparable({ facts: { redis }, before }: Input): Record<"info" | "users" | "config", string[]> {
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
