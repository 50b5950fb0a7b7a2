/** The transaction that a plan is compiled to, looked at for anything that a harmless plan has not. */
import assert from "node:assert/strict";
import type { HostFacts } from "../../../src/facts/probe.ts";
import { Secret } from "../../../src/lib/secret.ts";
import type { HostPlan } from "../../../src/plan/plan.ts";
import { splitWords } from "../../../src/redis/words.ts";
import { transactionProgram } from "../../../src/shell/program.ts";
import { compileApply } from "../../../src/transaction/compile.ts";
import type { Login } from "../../../src/transaction/login-file.ts";
import { hostWith } from "../../../test/support/host-facts.ts";
import { planTask, server } from "../../../test/support/run-task.ts";

export const nobody: Login = { endpoint: ["-h", "127.0.0.1", "-p", "6379"], auth: undefined, isKnown: true };

/** What the host is sent: the shell around, and the files by name. */
export function compile(
  facts: HostFacts,
  plan: HostPlan,
  login: Login = nobody,
): { shell: string; parts: Map<string, string> } {
  const script = compileApply({
    plan,
    facts,
    server: server(facts),
    holder: "ops@laptop since 2026-01-01T00:00:00Z",
    state: "",
    id: "20260101T000000Z-0badcafe",
    nonce: "00112233445566778899aabbccddeeff",
    issued: { certificate: "CERTIFICATE", key: new Secret("PRIVATE-KEY-OF-THE-SERVER") },
    before: login,
    after: login,
    program: transactionProgram(),
    recoverUnit: "[Unit]\n",
  });
  const { shell, parts } = takeApart(script);
  return { shell: shell.replace(/\n+/g, "\n"), parts };
}

/** A compiled transaction without its files, and the files by name. */
export function takeApart(script: string): { shell: string; parts: Map<string, string> } {
  const parts = new Map<string, string>();
  const shell = script.replace(/^LAID='([A-Za-z0-9+/=\n]*)'$/m, (_, laying: string) =>
    Buffer.from(laying, "base64")
      .toString()
      .replace(
        /^printf %s '([^']*(?:'\\''[^']*)*)' >"\$d\/([a-z0-9./-]+)" \|\| exit 65$/gm,
        (_, text: string, name: string) => {
          parts.set(name, text.replaceAll("'\\''", "'"));
          return "";
        },
      ),
  );
  return { shell, parts };
}

export const stock = hostWith();
const SHELL = compile(stock, planTask("limits", { nofile: 70_000 }, stock)).shell;
const lines = (text = "") => text.split("\n").slice(0, -1);

/** Names of the directives of redis.conf, of the users of an ACL file, of the keys of a unit. */
function namesIn(text: string, path: string): string[] {
  const own = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (path.endsWith(".acl")) return own.map((line) => line.split(" ").slice(0, 2).join(" "));
  if (path.includes("/systemd/")) return own.map((line) => line.replace(/=.*/, ""));
  if (path.includes("/ufw/")) return own.map((line) => line.replace(/[0-9a-f.:/]{4,}/g, "ADDRESS"));
  return own.map((line) => {
    const words = splitWords(line);
    assert(words !== undefined, line);
    return words[0]?.toLowerCase() ?? "";
  });
}

/** Every name that stands in a file after a harmless plan. */
export function namesOf(facts: HostFacts, plan: HostPlan): Set<string> {
  const { parts } = compile(facts, plan);
  return new Set(
    plan.actions.files.flatMap(({ path }, index) =>
      namesIn(parts.get(`new/${index + 1}`) ?? "", path).map((name) => `${path}: ${name}`),
    ),
  );
}

/** Throws unless the compiled plan holds nothing but what a harmless one does, and `allowed`. */
export function assertData(
  facts: HostFacts,
  plan: HostPlan,
  allowed: ReadonlySet<string>,
  login?: Login,
): void {
  const { shell, parts } = compile(facts, plan, login);
  assert.equal(shell, SHELL);
  assert.match(parts.get("env") ?? "", /^(?:[A-Z0-9_]+='(?:[^']|'\\'')*'\n)+$/);
  const rows = (name: string, pattern: RegExp, count: number) => {
    assert.equal(lines(parts.get(name)).length, count, name);
    for (const line of lines(parts.get(name))) assert.match(line, pattern);
  };
  const { files, directories, attributes, liveSettings, liveAcl } = plan.actions;
  rows("files", /^\d+ \/[^\s]+ [\w.-]+:[\w.-]+ [0-7]+$/, files.length);
  rows("directories", /^\/[^\s]+ [\w.-]+:[\w.-]+ [0-7]+$/, directories.length);
  rows("modes", /^\/[^\s]+ [\w.-]+:[\w.-]+ [0-7]+$/, attributes.length);
  const live = lines(parts.get("live"));
  assert(live.length <= liveSettings.length + liveAcl.length);
  for (const line of live) assert(["CONFIG", "ACL"].includes(splitWords(line)?.[0] ?? ""), line);
  for (const name of ["login.old", "login.new"]) assert.equal(lines(parts.get(name)).length, 4, name);
  for (const [index, { path }] of files.entries())
    for (const name of namesIn(parts.get(`new/${index + 1}`) ?? "", path))
      assert(allowed.has(`${path}: ${name}`), `${path}: ${name}`);
}

const USER = { name: "app", preset: "application", keys: ["app:*"], password: { env: "APP_PASSWORD" } };
const ADMIN = { name: "admin", preset: "admin", password: { generate: true } };
export const users = (user: object) => ({ users: [{ ...USER, ...user }, ADMIN] });
const tls = (params: object) => ({ ca: { generate: true }, ...params });

/** Every parameter that takes a text. `harmless` is one that is right. */
export const PARAMETERS: readonly [
  place: string,
  task: string,
  params: (value: string) => object,
  harmless: string,
][] = [
  ["an address", "bind", (value) => ({ addresses: ["127.0.0.1", value] }), "172.17.0.10"],
  [
    "a socket",
    "bind",
    (value) => ({ addresses: ["127.0.0.1"], unix_socket: value }),
    "/run/redis/redis.sock",
  ],
  ["an ACL file", "acl", (value) => ({ ...users({}), file: `/etc/redis/${value}` }), "users.acl"],
  ["a user's name", "acl", (value) => users({ name: value }), "app"],
  ["a preset", "acl", (value) => users({ preset: value }), "application"],
  ["a key pattern", "acl", (value) => users({ keys: [value] }), "app:*"],
  ["a channel pattern", "acl", (value) => users({ channels: [value] }), "app:*"],
  ["a rule", "acl", (value) => users({ allow: [value] }), "+eval"],
  ["what becomes of other users", "acl", (value) => ({ ...users({}), unlisted: value }), "keep"],
  ["a command", "rename-command", (value) => ({ commands: { [value]: "disable" } }), "DEBUG"],
  ["a command's new name", "rename-command", (value) => ({ commands: { DEBUG: value } }), "rename"],
  ["a name of a certificate", "tls", (value) => tls({ names: [value] }), "redis.example"],
  ["a cipher", "tls", (value) => tls({ ciphers: [value] }), "ECDHE-RSA-AES128-GCM-SHA256"],
  ["a cipher suite", "tls", (value) => tls({ ciphersuites: [value] }), "TLS_AES_128_GCM_SHA256"],
  ["a protocol", "tls", (value) => tls({ protocols: [value] }), "TLSv1.3"],
  ["who shows a certificate", "tls", (value) => tls({ auth_clients: value }), "optional"],
  ["a client", "tls", (value) => tls({ clients: [value] }), "app"],
  ["a service user", "service-user", (value) => ({ user: value }), "redis"],
  ["a group", "service-user", (value) => ({ group: value }), "redis"],
  ["an amount of memory", "limits", (value) => ({ maxmemory: value }), "512mb"],
  ["a policy", "limits", (value) => ({ maxmemory: "512mb", maxmemory_policy: value }), "noeviction"],
  ["a mode", "persistence", (value) => ({ mode: value }), "keep"],
  ["a subnet", "firewall", (value) => ({ allow: [value] }), "172.17.0.0/16"],
  ["the default policy", "firewall", (value) => ({ allow: ["172.17.0.0/16"], default: value }), "deny"],
  ["other ports", "firewall", (value) => ({ allow: ["172.17.0.0/16"], other_ports: value }), "refuse"],
];

export const ACCEPTED = [
  "bind-absent-address",
  "bind-everywhere",
  "firewall-open",
  "other-ports",
  "weak-password",
  "blinding-rename",
];

const harmlessNames = new Map(
  PARAMETERS.map(([place, task, params, harmless]) => [
    place,
    namesOf(stock, planTask(task, params(harmless), stock, { accepted: ACCEPTED })),
  ]),
);

/**
 * Compiles a plan with `value` as this parameter; throws unless it arrives as data.
 * @throws ZodError or InputError where the value is refused
 */
export function compileParameter([place, task, params]: (typeof PARAMETERS)[number], value: string): void {
  const plan = planTask(task, params(value), stock, { accepted: ACCEPTED });
  if (plan.refusals.length > 0 || plan.actions.files.length === 0) return;
  const allowed = harmlessNames.get(place) ?? new Set();
  // The user and the file that the value names, and nothing beside them.
  const named = [`/etc/redis/users.acl: user ${value.toWellFormed()}`, `/etc/redis/${value}: user`];
  const moved = [...allowed].map((name) => name.replace("/etc/redis/users.acl:", `/etc/redis/${value}:`));
  assertData(stock, plan, task === "acl" ? new Set([...allowed, ...named, ...moved]) : allowed);
}
