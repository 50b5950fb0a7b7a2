import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { ZodError } from "zod";
import { compileApply, type Login } from "../../src/apply/compile.ts";
import { InputError } from "../../src/errors.ts";
import type { HostFacts } from "../../src/facts/probe.ts";
import type { HostPlan } from "../../src/plan/plan.ts";
import { splitWords } from "../../src/redis/words.ts";
import { Secret } from "../../src/secret.ts";
import { transactionProgram } from "../../src/templates.ts";
import { hostWith } from "../support/host-facts.ts";
import { planTask, server } from "../support/run-task.ts";

// Thousands of values that would be code if they were ever read as such. Each is refused, or arrives as data: what is
// compiled has the lines that a harmless value gives, and no other.

vi.setConfig({ testTimeout: 120_000 });

const folder = mkdtempSync(join(tmpdir(), "redkeep-hostile-"));
const canary = join(folder, "canary");
afterAll(() => rmSync(folder, { recursive: true }));

const PIECES = [
  `$(touch ${canary})`,
  `\`touch ${canary}\``,
  `;touch ${canary};`,
  `' ; touch ${canary} ; '`,
  `" ; touch ${canary} ; "`,
  `\n. touch ${canary}\n`,
  `<%= process.exit(7) %>`,
  "{{ lookup('pipe', 'id') }}",
  "\nuser evil on nopass ~* &* +@all\n",
  "\r\nrequirepass evil\r\n",
  "\nExecStartPre=/bin/evil\n",
  " nopass ~* +@all ",
  ">evil",
  "EOF\n.\n",
  "\0",
  "'",
  '"',
  "\\",
  "\\'",
  "\n",
  "\t",
  "-",
  "--",
  "%n %h ${X}",
  "*",
  "?[a",
  "#",
  "../..",
  "/etc/shadow",
  "__proto__",
  "é\u202e\ud800",
  "\x1b[2J",
  "&&",
  "||",
  "|",
  "a",
  "6379",
  "10.0.0.5",
  " ",
  "~",
  "=",
];

/** mulberry32: the same values in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function values(count: number, seed: number): string[] {
  const draw = numbers(seed);
  const made = Array.from({ length: count - PIECES.length }, () =>
    Array.from({ length: 1 + draw(4) }, () => PIECES[draw(PIECES.length)] ?? "").join(""),
  );
  return [...PIECES, ...made];
}

const nobody: Login = { endpoint: ["-h", "127.0.0.1", "-p", "6379"], auth: undefined, isKnown: true };

/** What the host is sent: the shell around, and the files by name. */
function compile(
  facts: HostFacts,
  plan: HostPlan,
  login: Login = nobody,
): { shell: string; parts: Map<string, string> } {
  const script = compileApply({
    plan,
    facts,
    server: server(facts),
    holder: "ops@laptop since 2026-01-01T00:00:00Z",
    id: "20260101T000000Z-0badcafe",
    nonce: "00112233445566778899aabbccddeeff",
    issued: { certificate: "CERTIFICATE", key: new Secret("PRIVATE-KEY-OF-THE-SERVER") },
    before: login,
    after: login,
    program: transactionProgram(),
    recoverUnit: "[Unit]\n",
  });
  const parts = new Map<string, string>();
  const shell = script.replace(
    /^base64 -d >"\$d\/([a-z0-9./-]+)" <<'\.' \|\| exit 65\n([A-Za-z0-9+/=\n]*)\n\.$/gm,
    (_, name: string, text: string) => {
      parts.set(name, Buffer.from(text, "base64").toString());
      return "";
    },
  );
  return { shell: shell.replace(/\n+/g, "\n"), parts };
}

const stock = hostWith();
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
    expect(words, line).toBeDefined();
    return words?.[0]?.toLowerCase() ?? "";
  });
}

/** Every name that stands in a file after a harmless plan. */
function names(facts: HostFacts, plan: HostPlan): Set<string> {
  const { parts } = compile(facts, plan);
  return new Set(
    plan.actions.files.flatMap(({ path }, index) =>
      namesIn(parts.get(`new/${index + 1}`) ?? "", path).map((name) => `${path}: ${name}`),
    ),
  );
}

/** Throws unless the compiled plan holds nothing but what a harmless one does, and `allowed`. */
function expectData(facts: HostFacts, plan: HostPlan, allowed: ReadonlySet<string>, login?: Login): void {
  const { shell, parts } = compile(facts, plan, login);
  expect(shell).toBe(SHELL);
  expect(parts.get("env")).toMatch(/^(?:[A-Z0-9_]+='(?:[^']|'\\'')*'\n)+$/);
  const rows = (name: string, pattern: RegExp, count: number) => {
    expect(lines(parts.get(name))).toHaveLength(count);
    for (const line of lines(parts.get(name))) expect(line).toMatch(pattern);
  };
  const { files, directories, attributes, liveSettings, liveAcl } = plan.actions;
  rows("files", /^\d+ \/[^\s]+ [\w.-]+:[\w.-]+ [0-7]+$/, files.length);
  rows("directories", /^\/[^\s]+ [\w.-]+:[\w.-]+ [0-7]+$/, directories.length);
  rows("modes", /^\/[^\s]+ [\w.-]+:[\w.-]+ [0-7]+$/, attributes.length);
  const live = lines(parts.get("live"));
  expect(live.length).toBeLessThanOrEqual(liveSettings.length + liveAcl.length);
  for (const line of live) expect(["CONFIG", "ACL"]).toContain(splitWords(line)?.[0]);
  for (const name of ["login.old", "login.new"]) expect(lines(parts.get(name))).toHaveLength(4);
  for (const [index, { path }] of files.entries())
    for (const name of namesIn(parts.get(`new/${index + 1}`) ?? "", path))
      expect(allowed, `${path}: ${name}`).toContain(`${path}: ${name}`);
}

const USER = { name: "app", preset: "application", keys: ["app:*"], password: { env: "APP_PASSWORD" } };
const ADMIN = { name: "admin", preset: "admin", password: { generate: true } };
const users = (user: object) => ({ users: [{ ...USER, ...user }, ADMIN] });

const PARAMETERS: readonly [
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
  ["an ACL file", "acl", (value) => ({ ...users({}), file: `/etc/redis/${value}` }), "/etc/redis/users.acl"],
  ["a user's name", "acl", (value) => users({ name: value }), "app"],
  ["a key pattern", "acl", (value) => users({ keys: [value] }), "app:*"],
  ["a channel pattern", "acl", (value) => users({ channels: [value] }), "app:*"],
  ["a rule", "acl", (value) => users({ allow: [value] }), "+eval"],
  ["a command", "rename-command", (value) => ({ commands: { [value]: "disable" } }), "DEBUG"],
  ["a command's new name", "rename-command", (value) => ({ commands: { DEBUG: value } }), "rename"],
  [
    "a name of a certificate",
    "tls",
    (value) => ({ ca: { generate: true }, names: [value] }),
    "redis.example",
  ],
  [
    "a cipher",
    "tls",
    (value) => ({ ca: { generate: true }, ciphers: [value] }),
    "ECDHE-RSA-AES128-GCM-SHA256",
  ],
  [
    "a cipher suite",
    "tls",
    (value) => ({ ca: { generate: true }, ciphersuites: [value] }),
    "TLS_AES_128_GCM_SHA256",
  ],
  ["a client", "tls", (value) => ({ ca: { generate: true }, clients: [value] }), "app"],
  ["a service user", "service-user", (value) => ({ user: value }), "redis"],
  ["a group", "service-user", (value) => ({ group: value }), "redis"],
  ["an amount of memory", "limits", (value) => ({ maxmemory: value }), "512mb"],
  ["a policy", "limits", (value) => ({ maxmemory: "512mb", maxmemory_policy: value }), "noeviction"],
  ["a subnet", "firewall", (value) => ({ allow: [value] }), "172.17.0.0/16"],
];

const GUARDS = [
  "bind-absent-address",
  "bind-everywhere",
  "firewall-open",
  "other-ports",
  "weak-password",
  "blinding-rename",
];

describe("a playbook's parameter as", () => {
  it.each(PARAMETERS)("%s of %s is refused or arrives as data", (place, task, params, harmless) => {
    const allowed = names(stock, planTask(task, params(harmless), stock, { accepted: GUARDS }));
    for (const value of values(150, place.length * 7919 + task.length)) {
      let plan: HostPlan;
      try {
        plan = planTask(task, params(value), stock, { accepted: GUARDS });
        if (plan.refusals.length === 0 && plan.actions.files.length > 0) {
          // The user and the file that the value names, and nothing beside them.
          const named = [`/etc/redis/users.acl: user ${value.toWellFormed()}`, `/etc/redis/${value}: user`];
          const own = task === "acl" ? [...allowed, ...named] : allowed;
          expectData(stock, plan, new Set(own));
        }
      } catch (error) {
        if (error instanceof ZodError || error instanceof InputError) continue;
        throw new Error(`${JSON.stringify(value)}: ${error instanceof Error ? error.message : error}`);
      }
    }
  });
});

describe("a password", () => {
  it("is refused or arrives as data, in the ACL file as a hash alone", () => {
    const allowed = names(stock, planTask("acl", users({}), stock));
    for (const value of values(150, 4)) {
      const secret = new Secret(value);
      try {
        const passwords = new Map([
          ["app", secret],
          ["admin", secret],
        ] as const);
        const plan = planTask("acl", users({}), stock, { passwords, accepted: GUARDS });
        if (plan.refusals.length > 0) continue;
        const login: Login = {
          endpoint: nobody.endpoint,
          auth: { user: "admin", password: secret },
          isKnown: true,
        };
        expectData(stock, plan, allowed, login);
        const auth = compile(stock, plan, login).parts.get("login.new")?.split("\n")[1] ?? "";
        if (value.isWellFormed()) expect(splitWords(auth)).toEqual(["AUTH", "admin", value]);
      } catch (error) {
        if (!(error instanceof InputError)) throw new Error(`${JSON.stringify(value)}: ${String(error)}`);
      }
    }
  });
});

const FACTS: readonly [place: string, facts: (value: string) => HostFacts][] = [
  ["the unit's invocation", (value) => hostWith({ properties: { InvocationID: value } })],
  ["the server's program", (value) => hostWith({ service: { binary: value || "x" } })],
  ["the log file", (value) => hostWith({ files: { logFile: `/${value}` } })],
  ["a save point", (value) => hostWith({ running: { save: value } })],
  ["the AOF switch", (value) => hostWith({ running: { appendonly: value } })],
  ["the client's program", (value) => hostWith({ service: { client: value || "x" } })],
];

describe("a fact as", () => {
  it.each(FACTS)("%s arrives as data in the shell's assignments", (_, factsWith) => {
    const harmless = planTask("limits", { nofile: 70_000 }, stock);
    const allowed = names(stock, harmless);
    let compiled = 0;
    for (const [index, value] of values(80, 11).entries()) {
      const facts = factsWith(value);
      try {
        const accepted = ["persistence-differs", "last-save-failed", "stop-timeout"];
        const plan = planTask("limits", { nofile: 70_000 }, facts, { accepted });
        if (plan.refusals.length > 0) continue;
        expectData(facts, plan, allowed);
        compiled++;
        if (index % 20 === 0) {
          const env = join(folder, "env");
          writeFileSync(env, compile(facts, plan).parts.get("env") ?? "");
          execFileSync("sh", ["-uc", `. "${env}"`], { cwd: folder, stdio: "ignore" });
        }
      } catch (error) {
        // No shell can keep a NUL, and no host can send one in a variable.
        if (value.includes("\0") && error instanceof TypeError) continue;
        throw new Error(`${JSON.stringify(value)}: ${error instanceof Error ? error.message : error}`);
      }
    }
    expect(compiled).toBeGreaterThan(0);
    expect(existsSync(canary)).toBe(false);
  });
});
