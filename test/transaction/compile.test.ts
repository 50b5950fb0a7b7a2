import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { takeApart } from "../../measure/faults/hostile/compiled.ts";
import { SaidTexts, SeenTexts } from "../../src/facts/fact.ts";
import { filesFact } from "../../src/facts/files.ts";
import type { HostFacts } from "../../src/facts/probe.ts";
import { NOTHING_ASKED } from "../../src/facts/probe-input.ts";
import { Secret } from "../../src/lib/secret.ts";
import type { HostPlan } from "../../src/plan/plan.ts";
import { parseConfig } from "../../src/redis/config-document.ts";
import { splitWords } from "../../src/redis/words.ts";
import type { Actions } from "../../src/resources/kind.ts";
import { transactionProgram } from "../../src/shell/program.ts";
import { shellAssignments } from "../../src/shell/quote.ts";
import { type CompileInput, compileApply } from "../../src/transaction/compile.ts";
import type { Login } from "../../src/transaction/login-file.ts";
import { compileConfirm, compileRollback, compileStatus, parseReport } from "../../src/transaction/report.ts";
import { compileUndo } from "../../src/transaction/undo.ts";
import { AS_ROOT, confWith, hostWith } from "../support/host-facts.ts";
import { planTasks } from "../support/plan-tasks.ts";
import { reportText } from "../support/report.ts";
import { planAll, server } from "../support/run-task.ts";

const ID = "20260101T000000Z-0badcafe";
const NONCE = "00112233445566778899aabbccddeeff";
const CONF = "/etc/redis/redis.conf";
const SHELLS = ["sh", "dash", "bash"].filter((shell) => existsSync(`/bin/${shell}`));
const nobody: Login = { endpoint: ["-h", "127.0.0.1", "-p", "6379"], auth: undefined, isKnown: true };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "redkeep-compile-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function inputOf(facts: HostFacts, plan: HostPlan, more: Partial<CompileInput> = {}): CompileInput {
  return {
    plan,
    facts,
    server: server(facts),
    holder: "ops@laptop since 2026-01-01T00:00:00Z",
    state: "3 0badcafe",
    id: ID,
    nonce: NONCE,
    issued: { certificate: "CERTIFICATE", key: new Secret("PRIVATE-KEY-OF-THE-SERVER") },
    before: nobody,
    after: nobody,
    program: transactionProgram(),
    recoverUnit: "[Unit]\n",
    ...more,
  };
}

/** The files that a script lays down on the host, by name in the transaction's folder. */
const partsOf = (script: string): Map<string, string> => takeApart(script).parts;

function compiled(facts: HostFacts, plan: HostPlan, more: Partial<CompileInput> = {}): Map<string, string> {
  return partsOf(compileApply(inputOf(facts, plan, more)));
}

function planWith(actions: Partial<Actions>): HostPlan {
  const { tasks, ...rest } = planTasks([], hostWith());
  return { ...rest, tasks, actions: { ...rest.actions, ...actions } };
}

/** What a shell makes of a file of assignments. */
function read(shell: string, env: string, names: readonly string[]): string[] {
  writeFileSync(join(directory, "env"), env);
  const script = `. "$1"; printf '%s\\0' ${names.map((name) => `"$${name}"`).join(" ")}`;
  const output = execFileSync(shell, ["-c", script, "sh", join(directory, "env")], { encoding: "utf8" });
  return output.split("\0").slice(0, -1);
}

const words = (lines = "") =>
  lines
    .split("\n")
    .filter(Boolean)
    .map((line) => splitWords(line));

describe("the program for a host", () => {
  it.each(SHELLS)("is read by %s", async (shell) => {
    const facts = hostWith();
    const script = compileApply(inputOf(facts, await planAll(facts)));
    for (const text of [
      script,
      compileStatus(ID, NONCE),
      compileConfirm(ID, NONCE, NONCE),
      compileRollback(ID, NONCE),
    ])
      execFileSync(shell, ["-n"], { input: text });
  });

  it("has no secret in clear text, neither old nor new nor the certificate's key", async () => {
    const secrets = ["Old-requirepass-000001", "Recorded-admin-password-03", "PRIVATE-KEY-OF-THE-SERVER"];
    const facts = hostWith({ conf: confWith({ requirepass: `requirepass ${secrets[0]}` }) });
    const script = compileApply(
      inputOf(facts, await planAll(facts), {
        before: { ...nobody, auth: { password: new Secret(secrets[0] ?? "") } },
        after: { ...nobody, auth: { user: "admin", password: new Secret(secrets[1] ?? "") } },
      }),
    );
    for (const secret of secrets) expect(script).not.toContain(secret);
    // They travel, encoded, into files of a folder that is root's alone.
    const parts = partsOf(script);
    expect([...parts.values()].some((text) => text.includes(secrets[2] ?? ""))).toBe(true);
    expect(parts.get("login.old")).toContain("AUTH ");
  });

  it("writes everything into files that only root can read, before anything runs", async () => {
    const facts = hostWith();
    const script = compileApply(inputOf(facts, await planAll(facts)));
    const root = join(directory, "state");
    const laying = script
      .slice(0, script.search(/\nif \[ -z "\$SOURCE" \]/))
      .replaceAll("/var/lib/redkeep", root)
      .replace("'0 700'", `'${process.getuid?.()} 700'`);
    mkdirSync(root, { mode: 0o700 });
    execFileSync("sh", { input: laying });
    const laid = join(root, "txn", ID);
    expect(statSync(laid).mode & 0o777).toBe(0o700);
    for (const [name, text] of partsOf(script)) {
      expect(readFileSync(join(laid, name), "utf8"), name).toBe(text);
      expect(statSync(join(laid, name)).mode & 0o777, name).toBe(0o600);
    }
    expect(readFileSync(join(laid, "state"), "utf8")).toBe("prepared\n");
  });

  it("does not begin where /var/lib/redkeep is not root's alone", async () => {
    const facts = hostWith();
    const root = join(directory, "state");
    mkdirSync(root);
    chmodSync(root, 0o755);
    const script = compileApply(inputOf(facts, await planAll(facts)));
    const laying = script
      .slice(0, script.search(/\nif \[ -z "\$SOURCE" \]/))
      .replaceAll("/var/lib/redkeep", root)
      .replace("'0 700'", `'${process.getuid?.()} 700'`);
    expect(() => execFileSync("sh", { input: laying, stdio: ["pipe", "ignore", "ignore"] })).toThrow();
    expect(existsSync(join(root, "txn", ID, "state"))).toBe(false);
  });

  it("lists what is written, created and closed, with owner and mode", () => {
    const attributes = { owner: "root", group: "redis", mode: 0o640 };
    const parts = compiled(
      hostWith(),
      planWith({
        files: [
          { path: "/etc/redis/users.acl", content: { text: "user default off\n", secret: true }, attributes },
        ],
        directories: [{ path: "/etc/redis/tls", attributes: { ...attributes, mode: 0o750 } }],
        attributes: [
          {
            path: "/etc/redis",
            attributes: { ...attributes, mode: 0o750 },
            before: { owner: "redis", group: "redis", mode: 0o2770 },
          },
        ],
      }),
    );
    expect(parts.get("files")).toBe("1 /etc/redis/users.acl root:redis 640\n");
    expect(parts.get("new/1")).toBe("user default off\n");
    expect(parts.get("directories")).toBe("/etc/redis/tls root:redis 750\n");
    expect(parts.get("modes")).toBe("/etc/redis root:redis 750\n");
    expect(parts.get("expected-modes")).toBe("/etc/redis redis:redis 2770\n");
  });

  it("is not made where a certificate that belongs into a file is missing", () => {
    const plan = planWith({
      files: [
        {
          path: "/etc/redis/tls/x",
          content: { issued: "key" },
          attributes: { owner: "root", group: "redis", mode: 0o640 },
        },
      ],
    });
    expect(() => compiled(hostWith(), plan, { issued: undefined })).toThrow(/none was issued/);
  });
});

it("a rollback gives redis-cli no options that stand in the name of a socket", () => {
  const undo = (socket: string) =>
    compileUndo({
      source: ID,
      holder: "me",
      state: "",
      id: ID,
      nonce: NONCE,
      server: server(hostWith()),
      before: { ...nobody, endpoint: ["-s", ...socket.split(" ")] },
      admins: [],
      program: transactionProgram(),
      recoverUnit: "",
    });
  expect(undo("/run/redis/redis.sock")).toContain("undo");
  for (const socket of ["/run/redis/a --eval /etc/shadow", "/run/redis/*"])
    expect(() => undo(socket)).toThrow(/no word that redkeep hands to redis-cli/);
});

it("a refused rollback leaves no file of its run on the host, and none of its units has run", () => {
  const root = join(directory, "redkeep");
  const source = join(root, "txn", ID);
  const id = "20260102T000000Z-0badcafe";
  const here = (text: string) =>
    text.replaceAll("/var/lib/redkeep", root).replaceAll("'0 700'", `'${process.getuid?.()} 700'`);
  const changed = join(directory, "redis.conf");
  writeFileSync(changed, "by hand\n");
  for (const folder of ["old", "new"]) mkdirSync(join(source, folder), { recursive: true });
  chmodSync(root, 0o700);
  for (const [name, text] of Object.entries({
    env: "FIREWALL=''\n",
    files: `1 ${changed} root:root 644\n`,
    "expected-modes": "",
    modes: "",
    "old/1": "old\n",
    "old/1.signature": `root:root 644 ${"0".repeat(64)}\n`,
    "new/1.signature": `root:root 644 ${"1".repeat(64)}\n`,
  }))
    writeFileSync(join(source, name), text);
  const script = compileUndo({
    source: ID,
    holder: "me",
    state: "",
    id,
    nonce: NONCE,
    server: server(hostWith()),
    before: nobody,
    admins: [],
    program: here(transactionProgram()),
    recoverUnit: "",
  });
  const said = execFileSync("sh", ["-c", here(script)], { encoding: "utf8" });
  expect(said).toContain(`stale ${changed}`);
  expect(readdirSync(join(root, "txn", id)).filter((name) => /^(new|scratch|login)/.test(name))).toEqual([]);
});

describe("what the plan relied on", () => {
  it("is signed as the host's own program signs it, for every kind of file", () => {
    const paths = ["plain", "tight", "link", "twice", "folder", "absent"].map((name) =>
      join(directory, name),
    );
    const [plain = "", tight = "", link = "", twice = "", folder = ""] = paths;
    writeFileSync(plain, "maxmemory 1gb\n");
    writeFileSync(tight, "");
    chmodSync(tight, 0o600);
    symlinkSync(plain, link);
    writeFileSync(twice, "x");
    linkSync(twice, `${twice}.other`);
    mkdirSync(folder);
    const shell = (script: string) =>
      execFileSync("sh", ["-c", script, "sh", ...paths], { encoding: "utf8" });
    const files = filesFact.parse(
      {
        said: new SaidTexts(),
        seen: new SeenTexts(
          new Map([
            [
              "paths",
              shell(
                `for p in "$@"; do if [ -e "$p" ] || [ -L "$p" ]; then stat -c '%F|%U|%G|%a|%h|%s|%n' -- "$p"; fi; done`,
              ),
            ],
            ["digests", shell(`for p in "$@"; do if [ -f "$p" ]; then sha256sum -- "$p"; fi; done`)],
          ]),
        ),
      },
      NOTHING_ASKED,
    );
    const attributes = { owner: "root", group: "root", mode: 0o640 };
    const plan = planWith({
      files: paths.map((path) => ({ path, content: { text: "", secret: false }, attributes })),
    });
    const expected = (compiled(hostWith({ files }), plan).get("expected") ?? "").split("\n");

    writeFileSync(join(directory, "env"), "");
    writeFileSync(join(directory, "transaction.sh"), transactionProgram());
    const words = ["eval", `sign ${paths.join(" ")}; echo "$signatures"`];
    const signed = execFileSync("sh", [join(directory, "transaction.sh"), ...words], { encoding: "utf8" });
    for (const [index, signature] of signed.trim().split("\n").entries())
      expect(expected).toContain(`${paths[index]} ${signature}`);
    expect(expected).toEqual(
      expect.arrayContaining([
        `${link} link`,
        `${twice} unusual`,
        `${folder} unusual`,
        `${join(directory, "absent")} absent`,
      ]),
    );
  });

  it("includes redis.conf, the ACL file and the drop-in even where this run does not change them", () => {
    const facts = hostWith({ like: "hardened" });
    const names = (compiled(facts, planWith({})).get("expected") ?? "")
      .split("\n")
      .map((line) => line.split(" ")[0]);
    expect(names).toEqual(
      expect.arrayContaining([
        CONF,
        "/etc/redis/users.acl",
        "/etc/systemd/system/redis-server.service.d/redkeep.conf",
      ]),
    );
  });

  it("includes unchanged certificates, but none that was not read", () => {
    const pem = "/etc/redis/tls/redkeep-server.crt";
    const { digests } = hostWith({ like: "hardened" }).files;
    expect(digests.has(pem)).toBe(false);
    const expectedOf = (read: [string, string][]) =>
      compiled(
        hostWith({ like: "hardened", files: { digests: new Map([...digests, ...read]) } }),
        planWith({}),
      ).get("expected");
    expect(expectedOf([[pem, "ab".repeat(32)]])).toContain(`${pem} root:redis 640 ${"ab".repeat(32)}`);
    expect(expectedOf([])).not.toContain(pem);
  });

  it("includes ufw's files only where the firewall changes", () => {
    const facts = hostWith();
    expect(compiled(facts, planWith({})).get("expected")).not.toContain("/etc/ufw");
    const plan = planWith({ firewall: { enable: true, loadOnly: true, defaultPolicy: undefined } });
    expect(compiled(facts, plan).get("expected")).toContain("/etc/ufw/user6.rules");
  });
});

describe("what the plan relied on beside files", () => {
  it("is the running server's own account, its unit, and the installed version", () => {
    const parts = compiled(hostWith(), planWith({}));
    const facts = parts.get("expected-facts")?.split("\n") ?? [];
    expect(facts).toEqual(
      expect.arrayContaining([
        "info role master",
        expect.stringMatching(/^info run_id [0-9a-f]{40}$/),
        "running maxmemory 0",
        "unit NeedDaemonReload=no",
        expect.stringMatching(/^user default on /),
        expect.stringMatching(/^version Redis server v=7/),
      ]),
    );
    expect(facts.filter((line) => line.startsWith("sshd "))).toEqual([]);
    expect(parts.get("questions")).toBe("INFO server\nINFO replication\nACL LIST\nECHO --\nCONFIG GET *\n");
  });

  it("includes sshd's ports where the firewall changes", () => {
    const plan = planWith({ firewall: { enable: true, loadOnly: true, defaultPolicy: undefined } });
    expect(compiled(hostWith(), plan).get("expected-facts")).toMatch(/^sshd port 22$/m);
  });

  it("includes only settings that the server answered before", () => {
    const stranger = { ...nobody, isKnown: false };
    expect(compiled(hostWith(), planWith({}), { before: stranger }).get("questions")).toBe("");
    const { user } = hostWith().redis;
    const limited = hostWith({ redis: { user, config: undefined, aclUsers: undefined } });
    expect(compiled(limited, planWith({})).get("questions")).toBe("INFO server\nINFO replication\n");
  });

  it("leaves out values that are no text, which would never compare equal", () => {
    const odd = hostWith({ running: { "proc-title-template": "caf\ufffd" } });
    expect(compiled(odd, planWith({})).get("questions")).toBe("INFO server\nINFO replication\nACL LIST\n");
    expect(compiled(odd, planWith({})).get("expected-facts")).not.toMatch(/^running /m);
  });

  it.each(SHELLS)("is reported by name, never by value, under %s", (shell) => {
    writeFileSync(join(directory, "env"), "");
    writeFileSync(join(directory, "transaction.sh"), transactionProgram());
    const told = (lines: string[]) =>
      execFileSync(shell, [join(directory, "transaction.sh"), "fact_names"], {
        input: lines.map((line) => `${line}\n`).join(""),
        encoding: "utf8",
      }).trim();
    expect(told([])).toBe("");
    expect(told(["running masterauth (set)", "running masterauth "])).toBe(
      "masterauth of the running server",
    );
    expect(told(["user app on #0123 ~* +@all", "unit UMask=0077"])).toBe(
      "UMask of the unit, user app of the running server",
    );
    expect(told(["info role slave", "version Redis server v=8", "sshd port 22"])).toBe(
      "role of the running server, sshd's port, the installed server's version",
    );
  });
});

describe("changes of a server that is not restarted", () => {
  const settings: [string, string][] = [
    ["maxmemory", "1gb"],
    ["maxclients", "500"],
  ];

  it("are one CONFIG SET, all or nothing, from Redis 7.0 on, and are taken back to what ran", () => {
    const parts = compiled(
      hostWith({ running: { maxmemory: "42", maxclients: "9968" } }),
      planWith({ liveSettings: settings }),
    );
    expect(words(parts.get("live"))).toEqual([["CONFIG", "SET", "maxmemory", "1gb", "maxclients", "500"]]);
    expect(words(parts.get("undo"))).toEqual([["CONFIG", "SET", "maxmemory", "42", "maxclients", "9968"]]);
  });

  it("are one CONFIG SET each before Redis 7.0", () => {
    const facts = hostWith({ like: "redis-6-stock", running: { maxmemory: "42", maxclients: "9968" } });
    const parts = compiled(facts, planWith({ liveSettings: settings }));
    expect(words(parts.get("live"))).toEqual([
      ["CONFIG", "SET", "maxmemory", "1gb"],
      ["CONFIG", "SET", "maxclients", "500"],
    ]);
    expect(words(parts.get("undo"))).toEqual([
      ["CONFIG", "SET", "maxmemory", "42"],
      ["CONFIG", "SET", "maxclients", "9968"],
    ]);
  });

  it("are made with CONFIG under its name on this host", () => {
    const facts = hostWith({ conf: (text) => `${text}\nrename-command CONFIG cfg_secret\n` });
    const parts = compiled(facts, planWith({ liveSettings: settings }));
    expect(words(parts.get("live"))[0]?.[0]).toBe("cfg_secret");
    expect(parts.get("login.old")?.split("\n")[2]).toBe("cfg_secret");
  });

  it("of users are undone to each user's old rules, and new users are deleted", () => {
    const facts = hostWith({
      redis: {
        aclUsers: [
          "user default on nopass ~* &* +@all",
          `user app on #${"a".repeat(64)} ~app:* +get (~x +set)`,
        ],
      },
    });
    const plan = planWith({
      liveAcl: [
        ["ACL", "SETUSER", "app", "reset", "off"],
        ["CLIENT", "KILL", "USER", "app", "SKIPME", "yes"],
        ["ACL", "SETUSER", "new", "reset", "on", "(~a b +get)"],
        ["ACL", "DELUSER", "default"],
      ],
    });
    const parts = compiled(facts, plan);
    expect(words(parts.get("live"))).toEqual(plan.actions.liveAcl);
    expect(words(parts.get("undo"))).toEqual([
      ["ACL", "SETUSER", "app", "reset", "on", `#${"a".repeat(64)}`, "~app:*", "+get", "(~x", "+set)"],
      ["ACL", "DELUSER", "new"],
      ["ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all"],
    ]);
  });

  it("cannot add a second command", () => {
    const value = 'x"\nFLUSHALL\n';
    const parts = compiled(hostWith(), planWith({ liveSettings: [["requirepass", value]] }));
    expect(words(parts.get("live"))).toEqual([["CONFIG", "SET", "requirepass", value]]);
  });
});

describe("the login files of a transaction", () => {
  const lines = (login: Login) =>
    (compiled(hostWith(), planWith({}), { after: login }).get("login.new") ?? "").split("\n");

  it("hold the endpoint, the AUTH line, CONFIG's name, and that the password is known", () => {
    const login: Login = {
      endpoint: ["-s", "/run/redis/redis.sock"],
      auth: { user: "admin", password: new Secret(`a "b' $(c)`) },
      isKnown: true,
    };
    const [endpoint, auth = "", config, known] = lines(login);
    expect([endpoint, config, known]).toEqual(["-s /run/redis/redis.sock", "CONFIG", ""]);
    expect(splitWords(auth)).toEqual(["AUTH", "admin", `a "b' $(c)`]);
  });

  it("leave the user out for a server with requirepass", () => {
    const [, auth = ""] = lines({ ...nobody, auth: { password: new Secret("old-password-1234") } });
    expect(splitWords(auth)).toEqual(["AUTH", "old-password-1234"]);
  });

  it("have an empty second line without a password, and say where only PING can be asked", () => {
    expect(lines({ ...nobody, isKnown: false }).slice(1)).toEqual(["", "CONFIG", "any", ""]);
  });
});

describe("the environment of a host's program", () => {
  const ALPHABET = [
    "'",
    '"',
    "\\",
    "$",
    "`",
    "(",
    ")",
    "\n",
    "\t",
    " ",
    ";",
    "&",
    "|",
    "#",
    "*",
    "~",
    "=",
    "!",
    "a",
    "0",
    "é",
    "\r",
    "\u001b",
    "-",
    "{",
    "}",
  ];

  /** A small generator with a fixed start, so that a failure can be seen again. */
  function* hostileValues(count: number): Iterable<string> {
    let seed = 20260101;
    const next = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    for (let i = 0; i < count; i++) {
      yield Array.from({ length: next(12) }, () => ALPHABET[next(ALPHABET.length)] ?? "").join("");
    }
  }

  it.each(SHELLS)("is text to %s, whatever it holds", (shell) => {
    const values = [
      "$(touch /tmp/pwned)",
      "`id`",
      "'; exit 7; '",
      "a\nRESTART=1",
      "\\",
      "$HOME",
      "\n",
      "",
      ...hostileValues(500),
    ];
    const named = Object.fromEntries(values.map((value, index) => [`V${index}`, value]));
    expect(read(shell, shellAssignments(named), Object.keys(named))).toEqual(values);
  });

  it("keeps a server's value on one line, so that it cannot pass for another variable", () => {
    const save = "900 1\nFIREWALL='enable'\nX=";
    const facts = hostWith({ running: { save, appendonly: "no\nX=1" } });
    const env = compiled(facts, planWith({ restart: true })).get("env") ?? "";
    expect(env).toMatch(/^OLD_SAVE='900 1 FIREWALL=.*$/m);
    expect(env).not.toMatch(/^X=|^FIREWALL='enable/m);
  });

  it("is refused where it holds a NUL, which no shell keeps", () => {
    expect(() => shellAssignments({ LOG: "/var/log/\0x" })).toThrow(/NUL/);
  });

  it("tells the program the unit, the user it will run as, and what was running", () => {
    const facts = hostWith({ properties: { InvocationID: "abc" } });
    const env = compiled(facts, planWith({ restart: true, daemonReload: true })).get("env") ?? "";
    expect(
      read("sh", env, [
        "UNIT",
        "INVOCATION",
        "RUNUSER",
        "RUNGROUP",
        "RESTART",
        "RELOAD",
        "NEEDS_REDIS",
        "HANDOVER",
        "CLI",
      ]),
    ).toEqual(["redis-server.service", "abc", "redis", "redis", "1", "1", "1", "", "redis-cli"]);
  });

  it("gives the files that Redis saves as root to the user that starts next", () => {
    const facts = hostWith(AS_ROOT);
    const plan = planTasks({ "service-user": {} }, facts);
    expect(read("sh", compiled(facts, plan).get("env") ?? "", ["RUNUSER", "HANDOVER"])).toEqual([
      "redis",
      "/var/lib/redis",
    ]);
    // Where root stays root, the candidate runs as root too, and nothing changes hands.
    const other = planTasks({ limits: { nofile: 20000 } }, facts);
    expect(read("sh", compiled(facts, other).get("env") ?? "", ["RUNUSER", "RUNGROUP", "HANDOVER"])).toEqual([
      "root",
      "root",
      "",
    ]);
  });

  it("trap 1, 7, 8: says what persistence is now and what it becomes", () => {
    const facts = hostWith({
      running: { save: "900 1", appendonly: "no" },
      conf: confWith({ save: "save 900 1" }),
    });
    const env = compiled(facts, planTasks({ persistence: { mode: "aof" } }, facts)).get("env") ?? "";
    expect(read("sh", env, ["PERSIST", "OLD_SAVE", "OLD_AOF", "NEW_SAVE", "NEW_AOF"])).toEqual([
      "1",
      "900 1",
      "no",
      "",
      "yes",
    ]);
    const quiet = compiled(facts, planTasks({ limits: {} }, facts)).get("env") ?? "";
    expect(read("sh", quiet, ["PERSIST", "REWRITE_AOF"])).toEqual(["", ""]);
  });

  it("gives a big server the time to save and to load before the host rolls back", () => {
    const cap = (used_memory: string) =>
      Number(
        read("sh", compiled(hostWith({ info: { used_memory } }), planWith({})).get("env") ?? "", ["CAP"])[0],
      );
    expect(cap("1000000")).toBeLessThan(150);
    expect(cap(String(30 * 1024 ** 3))).toBeGreaterThan(2 * 1024);
  });
});

describe("the candidate that is tried beside the service", () => {
  const scratch = (facts: HostFacts, plan: HostPlan) => {
    const parts = compiled(facts, plan);
    const [, base = ""] = /^SCRATCH_BASE='(.*)'$/m.exec(parts.get("env") ?? "") ?? [];
    const text = `${parts.get(`new/${base}`) ?? ""}${parts.get("scratch/redis.conf")}`;
    return { parts, text, config: parseConfig({ path: "/scratch.conf", text }) };
  };

  it("has the planned settings, and touches no file, port, peer or data of the real one", () => {
    const facts = hostWith({
      conf: (text) =>
        `${text}\nappendonly yes\nreplicaof 10.0.0.9 6379\ncluster-enabled yes\nunixsocket /run/redis/redis.sock\n`,
    });
    const { config, text } = scratch(facts, planTasks({ limits: { maxmemory: "1gb" } }, facts));
    const run = `/run/redkeep-${ID}/scratch`;
    expect(config.get("maxmemory")).toEqual(["1gb"]);
    const effective = Object.fromEntries(
      [
        "bind",
        "port",
        "unixsocket",
        "dir",
        "dbfilename",
        "pidfile",
        "logfile",
        "save",
        "appendonly",
        "replicaof",
        "cluster-enabled",
      ].map((name) => [name, config.get(name)?.join(" ")]),
    );
    expect(effective).toEqual({
      bind: "127.0.0.1",
      port: "0",
      unixsocket: `${run}/redis.sock`,
      dir: run,
      dbfilename: "scratch.rdb",
      pidfile: `${run}/redis.pid`,
      logfile: "",
      save: "",
      appendonly: "no",
      replicaof: "no one",
      "cluster-enabled": "no",
    });
    // Byte for byte before that, so that a bad line is told by its own number.
    expect(text).toContain("# Redis configuration file example");
  });

  it("listens with TLS on a free port where the service will", () => {
    const facts = hostWith({ like: "hardened" });
    const { config } = scratch(facts, planTasks({ limits: { maxmemory: "1gb" } }, facts));
    const port = Number(config.get("tls-port")?.[0]);
    expect(port).toBeGreaterThanOrEqual(20_000);
    expect(port).toBeLessThan(32_768);
    expect(facts.host.listeners.map((listener) => listener.port)).not.toContain(port);
  });

  it("reads the new ACL file and certificates before they are in place", async () => {
    const facts = hostWith();
    const { config, parts } = scratch(facts, await planAll(facts));
    const run = `/run/redkeep-${ID}/scratch`;
    for (const name of ["aclfile", "tls-cert-file", "tls-key-file"]) {
      expect(config.get(name)).toEqual([`${run}/${name}`]);
      expect(parts.get(`scratch/${name}`), name).toBeTruthy();
    }
  });

  it("does not use the old user's data and log, which the new user cannot open yet", () => {
    const facts = hostWith(AS_ROOT);
    const { text, config } = scratch(facts, planTasks({ "service-user": {} }, facts));
    expect(text).not.toMatch(/^dir \/var\/lib\/redis|^logfile \/var\/log/m);
    expect(config.get("maxmemory-policy") ?? config.get("databases")).toBeDefined();
    expect(config.get("dir")).toEqual([`/run/redkeep-${ID}/scratch`]);
  });

  it("runs in the sandbox that the unit will have", () => {
    const facts = hostWith({ properties: { NoNewPrivileges: "no", ProtectHome: "no" } });
    const { parts } = scratch(facts, planTasks({ "service-user": {} }, facts));
    const script = `${parts.get("scratch.properties")}printf '%s\\n' "$@"`;
    const properties = execFileSync("sh", ["-s"], { input: script, encoding: "utf8" }).split("\n");
    expect(properties).toEqual(
      expect.arrayContaining([
        "User=redis",
        "Group=redis",
        "NoNewPrivileges=yes",
        "ProtectHome=yes",
        "CapabilityBoundingSet=",
      ]),
    );
    expect(properties.find((line) => line.startsWith("ReadWritePaths="))).toContain(
      `/run/redkeep-${ID}/scratch`,
    );
  });

  it("is not started where the firewall alone changes", () => {
    const attributes = { owner: "root", group: "root", mode: 0o640 };
    const plan = planWith({
      files: [{ path: "/etc/ufw/user.rules", content: { text: "", secret: false }, attributes }],
      firewall: { enable: false, loadOnly: false, defaultPolicy: undefined },
    });
    expect(compiled(hostWith(), plan).has("scratch/redis.conf")).toBe(false);
  });

  it("gets one joined configuration where an included file changes", () => {
    const base = hostWith({ conf: (text) => `${text}\ninclude /etc/redis/extra.conf\n` });
    const facts = {
      ...base,
      configFiles: {
        ...base.configFiles,
        includes: [{ path: "/etc/redis/extra.conf", text: "maxclients 77\n" }],
      },
    };
    const attributes = { owner: "root", group: "redis", mode: 0o640 };
    const plan = planWith({
      restart: true,
      files: [
        { path: "/etc/redis/extra.conf", content: { text: "maxclients 99\n", secret: true }, attributes },
      ],
    });
    const { config } = scratch(facts, plan);
    expect(config.all("include")).toEqual([]);
    expect(config.get("maxclients")).toEqual(["99"]);
  });
});

describe("the host's report", () => {
  const report = (parts: Record<string, string>) =>
    reportText(
      { state: "", journal: "", unavailable: "", "keys.before": "", "keys.after": "", log: "", ...parts },
      NONCE,
    );

  it("gives the state, the steps, the keys and how long Redis was down", () => {
    const output = report({
      state: "applied\n",
      journal: "12.34 begin\n12.40 restart redis-server.service\n",
      unavailable: "140\n",
      "keys.before": "10000 12\n",
      "keys.after": "9999 11\n",
    });
    expect(parseReport(Buffer.from(`motd\n${output}`), NONCE)).toMatchObject({
      state: "applied",
      journal: ["begin", "restart redis-server.service"],
      unavailableMs: 140,
      keysBefore: 10000,
      keysAfter: 9999,
    });
  });

  it("has no state where there is no such transaction", () => {
    expect(parseReport(Buffer.from(report({})), NONCE)).toMatchObject({
      state: undefined,
      journal: [],
      unavailableMs: 0,
      keysBefore: undefined,
    });
  });

  it("is not accepted where it was cut short, wherever that happened", () => {
    const whole = report({ state: "committed\n", journal: "1.0 begin\n" });
    const end = whole.lastIndexOf(" end") + " end".length;
    for (let length = 0; length < end; length++)
      expect(parseReport(Buffer.from(whole.slice(0, length)), NONCE)).toBeUndefined();
    expect(parseReport(Buffer.from(whole.slice(0, end)), NONCE)?.state).toBe("committed");
  });

  it.each([
    "",
    "\0\0\0",
    "\n\n\n",
    "applied\n",
    `${NONCE} end`,
    "\nffffffffffffffff state\ncommitted\n\nffffffffffffffff end\n",
  ])("is not found in %j", (output) => {
    expect(parseReport(Buffer.from(output), NONCE)).toBeUndefined();
  });

  it("is not accepted where a journal or log line looks like a frame, or a frame comes twice", () => {
    const whole = report({ state: "rolled_back\n", log: `x\n\n${NONCE} state\ncommitted\n` });
    expect(parseReport(Buffer.from(whole), NONCE)?.state).toBe("rolled_back");
    expect(parseReport(Buffer.from(whole.replaceAll("\n>", "\n")), NONCE)).toBeUndefined();
  });

  it("has no counts where they are no numbers", () => {
    const output = report({
      state: "applied",
      unavailable: "soon",
      "keys.before": "ERR no",
      "keys.after": "-1 0",
    });
    expect(parseReport(Buffer.from(output), NONCE)).toMatchObject({
      unavailableMs: 0,
      keysBefore: undefined,
      keysAfter: undefined,
    });
  });
});
