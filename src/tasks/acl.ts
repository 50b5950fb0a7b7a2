import { dirname } from "node:path";
import { z } from "zod";
import type { DryRun } from "../facts/probe-input.ts";
import { excerpt } from "../lib/secret.ts";
import { isForClients } from "../pki/certificate.ts";
import type { PasswordOrigin } from "../plan/controller.ts";
import type { Attributes, Refusal, Resource } from "../plan/desired.ts";
import { settingsOf } from "../plan/settings.ts";
import { secretOrGenerated } from "../playbook/secret-schema.ts";
import {
  dangerousFor,
  disabledDefaultUser,
  isPermitted,
  matchesNearlyAll,
  nameProblem,
  PRESETS,
  type Preset,
  patternProblem,
  presetUser,
  ruleProblem,
  SCRIPTS_NEED,
} from "../redis/acl-presets.ts";
import {
  type AclUser,
  type CommandTable,
  describeUser,
  diffUsers,
  firstOf,
  hashPassword,
  listOf,
  type Permissions,
  parseAclFile,
  permissions,
  unknownRules,
} from "../redis/acl-rule.ts";
import { grantsDanger } from "../redis/dangerous-rules.ts";
import {
  foundUsers,
  type StoredUser,
  storedUsers,
  unreadAclFile,
  usersAtStart,
} from "../redis/found-users.ts";
import { MATRIX } from "../redis/matrix.ts";
import { isWeakPassword } from "../redis/weak-password.ts";
import { bringPasswords } from "../state/bring-state.ts";
import { type Allowance, weakenable } from "../verify/allowance.ts";
import { type Check, check, noLogin } from "../verify/controls.ts";
import { defineTask, type TaskContext } from "./task.ts";

const text = (problem: (value: string) => string | undefined) =>
  z.string().superRefine((value, issue) => {
    const message = problem(value);
    if (message !== undefined) issue.addIssue({ code: "custom", message });
  });

const userParameters = weakenable(
  {
    name: text(nameProblem),
    preset: z.enum(PRESETS),
    keys: z.array(text((value) => patternProblem("key", value))).optional(),
    channels: z.array(text((value) => patternProblem("channel", value))).optional(),
    scripts: z.boolean().default(false),
    allow: z.array(text((value) => ruleProblem(value))).optional(),
    password: secretOrGenerated,
  },
  // Controls bound what every user but an administrator may do.
  {
    keys: { controls: ["RK-ACL-06"], weak: ({ preset, keys }) => weakPatterns(preset, keys) },
    channels: {
      controls: ["RK-ACL-06"],
      // A Sentinel finds the others by the channels of the servers.
      weak: ({ preset, channels }) => (preset === "sentinel" ? undefined : weakPatterns(preset, channels)),
    },
    allow: {
      controls: ["RK-ACL-05"],
      weak: ({ preset, allow = [] }) =>
        preset === "admin" ? undefined : allow.filter(grantsDanger).join(", ") || undefined,
    },
  },
);

const user = userParameters.schema;

function weakPatterns(preset: Preset, patterns: readonly string[] = []): string | undefined {
  return (preset === "admin" ? [] : patterns).filter(matchesNearlyAll).join(", ") || undefined;
}

const params = z.strictObject({
  file: z
    .string()
    .regex(/^\/[A-Za-z0-9._/-]+$/, "should be an absolute path")
    .default("/etc/redis/users.acl"),
  unlisted: z.enum(["keep", "remove"]).default("keep"),
  users: z
    .array(user)
    .default([])
    .superRefine((users, issue) => {
      for (const [index, { name }] of users.entries()) {
        if (users.findIndex((other) => other.name === name) < index) {
          issue.addIssue({
            code: "custom",
            path: [index, "name"],
            message: `should be named once, found "${name}" again`,
          });
        }
      }
    }),
});

export type AclParams = z.output<typeof params>;
type Context = TaskContext<AclParams>;

/** What clients of an application user must not reach, each with arguments that Redis takes. */
const DENIED_TO_APPLICATIONS = MATRIX.filter(({ dangerous }) => dangerous).map(({ words }) => words);
const ALLOWED_TO_APPLICATIONS: readonly (readonly string[])[] = [
  ["PING"],
  ["SELECT", "1"],
  ["MULTI"],
  ["INFO"],
];

/** The all-powerful default user goes off; named users get what their work needs. */
declare module "./task.ts" {
  interface TaskParams {
    acl: AclParams;
  }
}

export default defineTask("acl", {
  params,
  leftOut: {
    users: [
      {
        name: "app",
        preset: "application",
        keys: ["app:*"],
        channels: ["app:*"],
        password: { env: "APP_PASSWORD" },
      },
      { name: "metrics", preset: "metrics", password: { generate: true } },
      { name: "admin", preset: "admin", password: { generate: true } },
    ],
  },
  facts: ["certificates", "proofs"],
  phase: "settings",

  probe: ({ file, users }) => ({
    paths: [file, aclPath(file, "/etc/valkey/")],
    dryRuns: users.filter(({ preset }) => preset === "application").flatMap(dryRunsFor),
    // Of keys that are one in ten, one is then missed once in 850 times. Each is one quick question.
    keySamples: 64,
  }),

  secrets: ({ users }) => new Map(users.map(({ name, password }) => [name, password])),

  allowances: ({ users }) => users.flatMap((user) => userParameters.all(user, placeOf(user))),

  desired: (context) => {
    const { params, server, render } = context;
    const path = aclPath(params.file, server.configPath);
    const { users, kept, generated, refusals } = wantedUsers(context);
    const resources: Resource[] = [
      ...settingsOf(render("acl.conf.ejs", { file: path }), "acl.conf.ejs"),
      {
        kind: "no-setting",
        name: "requirepass",
        secret: true,
        after: "the ACL file: requirepass is ignored beside it",
      },
      { kind: "no-setting", name: "user", secret: true, after: "the ACL file: both together stop Redis" },
      ...missingDirectory(context, path),
      {
        kind: "acl-file",
        path,
        users,
        kept,
        removesUnlisted: params.unlisted === "remove",
        listed: params.users.map(({ name }) => name),
        generated,
        unknownPasswords: unknownPasswords(context),
        refused: refusedLogins(context),
        attributes: aclAttributes(server.group),
      },
    ];
    return {
      resources,
      refusals: [
        ...refusals,
        ...otherServersPasswords(context),
        ...fileRefusals(context),
        ...linkRefusals(context),
        ...ruleRefusals(context),
        ...nobodyLeft([...users, ...kept]),
      ],
      notes: [...loginNotes(context), ...channelNotes(context), ...scriptNotes(context)],
    };
  },

  checks: (context) => [
    ...defaultUserChecks(context),
    ...userChecks(context),
    ...fileChecks(context),
    ...dryRunChecks(context),
    ...passwordChecks(context),
  ],
});

/** Where a user stands in the playbook, by its name. */
function placeOf({ name }: { name: string }): string {
  return `acl.users[${name}]`;
}

/** Two weakenings of one control: it counts as a failure from the first day on that one of them names. */
function bothAllowed(one: Allowance | undefined, other: Allowance | undefined): Allowance | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const [until] = [one.until, other.until].filter((day) => day !== undefined).sort();
  const parameter = `${one.parameter} and ${other.parameter}`;
  return { parameter, controls: one.controls, ...(until === undefined ? {} : { until }) };
}

/** One that is there keeps its owner and mode, or gets them from permissions. */
function missingDirectory({ facts, server }: Context, path: string): Resource[] {
  const directory = dirname(path);
  if (facts.files.paths.has(directory)) return [];
  return [
    { kind: "directory", path: directory, attributes: { owner: "root", group: server.group, mode: 0o750 } },
  ];
}

export function aclAttributes(group: string): Attributes {
  return { owner: "root", group, mode: 0o640 };
}

type User = AclParams["users"][number];

function dryRunsFor({ name, keys = [] }: User): DryRun[] {
  const asked = [...DENIED_TO_APPLICATIONS, ...ALLOWED_TO_APPLICATIONS];
  const [pattern = ""] = keys;
  const key = pattern.replace(/^%[RW]+~/i, "").replace(/\*/g, "x");
  return [...asked, ...(/^[A-Za-z0-9:._-]+$/.test(key) ? [["GET", key]] : [])].map((command) => ({
    user: name,
    command: [...command],
  }));
}

/** The playbook's users with their password's hash; a user whose password apply will make keeps none for now. */
function playbookUsers({ params, server, controller }: Context): { user: AclUser; isGenerated: boolean }[] {
  return params.users.map(({ name, preset, keys, channels, scripts, allow }) => {
    const password = controller.password(name);
    const user = presetUser(
      {
        name,
        preset,
        keys,
        channels,
        scripts,
        allow,
        passwordHash: "value" in password ? hashPassword(password.value) : "",
      },
      server.version.capabilities,
    );
    return "value" in password
      ? { user, isGenerated: false }
      : { user: { ...user, passwords: new Set<string>() }, isGenerated: true };
  });
}

function wantedUsers(context: Context): {
  users: AclUser[];
  kept: StoredUser[];
  generated: string[];
  refusals: Refusal[];
} {
  const { params, server, controller } = context;
  const found = foundUsers(context);
  const playbook = playbookUsers(context);
  const strangers = playbook
    .filter(
      ({ user, isGenerated }) =>
        isGenerated &&
        (found.get(user.name)?.passwords.size ?? 0) > 0 &&
        !controller.rotate.has(user.name) &&
        originOf(context, user.name) === undefined,
    )
    .map(({ user: { name } }) => name);
  const refusals: Refusal[] = strangers.map((name) => ({
    guard: null,
    found: `user ${name} has a password on the host that is not in this controller's state (${controller.state.name})`,
    remedy: bringPasswords(controller.state, strangers),
  }));
  for (const { name } of params.users) {
    const password = controller.password(name);
    if ("value" in password && isWeakPassword(password.value.reveal())) {
      refusals.push({
        guard: "weak-password",
        found: `the password of user ${name} has fewer than 16 characters, or is a known example`,
        remedy: "take one of at least 16 random characters, or { generate: true }",
      });
    }
  }
  const listed = new Set(["default", ...playbook.map(({ user }) => user.name)]);
  const kept =
    params.unlisted === "keep"
      ? [...storedUsers(context).values()].filter(({ name }) => !listed.has(name))
      : [];
  for (const { name, problems } of kept) {
    const [problem] = problems;
    if (problem === undefined) continue;
    refusals.push({
      guard: null,
      found: `user ${name} on the host has a rule that redkeep cannot read, so it cannot be kept: ${problem}`,
      remedy: "put the user into the playbook, or say acl.unlisted: remove",
    });
  }
  return {
    users: [
      disabledDefaultUser(server.version.capabilities, { replaysAof: replaysAof(context) }),
      ...playbook.map(({ user }) => user),
    ],
    kept: kept.sort((a, b) => (a.name < b.name ? -1 : 1)),
    generated: playbook.filter(({ isGenerated }) => isGenerated).map(({ user }) => user.name),
    refusals,
  };
}

/** Whether an AOF will be on, by the playbook or else as the server has it. */
function replaysAof({ server, config, others: { persistence } }: Context): boolean {
  if (persistence !== undefined && persistence.mode !== "keep") return persistence.mode.includes("aof");
  return (server.running?.get("appendonly") ?? config.get("appendonly")?.[0]) === "yes";
}

/** With nobody to log in as, all clients would stand outside, and so would redkeep: it could neither check Redis nor confirm. */
function* nobodyLeft(users: readonly AclUser[]): Iterable<Refusal> {
  if (users.some(({ enabled }) => enabled)) return;
  yield {
    guard: null,
    found: "nobody could log in any more: the default user goes off, and acl.users names no other",
    remedy: "list an administrator: { name: admin, preset: admin, password: { generate: true } }",
  };
}

/** A file of somebody else's, such as /etc/shadow, is not to be written over. */
/** A password that the user has on this host and that is not this host's, as the state tells. */
function originOf({ facts, server, controller }: Context, name: string): PasswordOrigin | undefined {
  const hashes = [...(foundUsers({ facts, server }).get(name)?.passwords ?? [])];
  return hashes.flatMap((hash) => controller.origin(name, hash) ?? [])[0];
}

/** Users whose generated password is here another one than the state's, and none that the state has had. */
function unknownPasswords(context: Context): string[] {
  const { params, controller } = context;
  const found = foundUsers(context);
  return params.users
    .filter(({ name, password: source }) => {
      const password = controller.password(name);
      const hashes = found.get(name)?.passwords ?? new Set();
      return (
        "generate" in source &&
        "value" in password &&
        !controller.rotate.has(name) &&
        hashes.size > 0 &&
        !hashes.has(hashPassword(password.value)) &&
        originOf(context, name) === undefined
      );
    })
    .map(({ name }) => name);
}

/** By its hash alone: to try it would show a server what opens another. */
function* otherServersPasswords(context: Context): Iterable<Refusal> {
  for (const { name } of context.params.users) {
    const origin = originOf(context, name);
    if (origin?.of !== "server" || context.controller.rotate.has(name)) continue;
    yield {
      guard: "other-password",
      found: `user ${name} has the password here that is made for ${origin.name}`,
      remedy: `where this is the same server under another name, set redkeep_password_name: ${origin.name} for it; else accept, and it gets its own`,
    };
  }
}

function* fileRefusals({ params, facts, server }: Context): Iterable<Refusal> {
  const path = aclPath(params.file, server.configPath);
  const content = facts.configFiles.aclFiles.get(path);
  if (!facts.files.paths.has(path) || server.config.get("aclfile")?.[0] === path) return;
  const isAclFile =
    content !== undefined && (content.trim() === "" || parseAclFile(content, path).users.length > 0);
  if (isAclFile) return;
  yield {
    guard: null,
    found: `acl.file ${path} is there already, and is no ACL file`,
    remedy: "name another file (acl.file), or move that one away",
  };
}

/** Replicas and Sentinel log in too: with the default user off they stand outside. */
function* linkRefusals(context: Context): Iterable<Refusal> {
  const { params, server, config } = context;
  // Where the default user is off already, nobody loses it by this run.
  if (context.facts.redis.aclUsers !== undefined && foundUsers(context).get("default")?.enabled === false)
    return;
  const has = (preset: string) => params.users.some((user) => user.preset === preset);
  if (server.role === "slave" && config.get("masteruser") === undefined) {
    yield {
      guard: "replication",
      found: "this host is a replica that logs in to its primary as the default user, which goes off",
      remedy:
        "give the playbook a user with preset replication, and set masteruser and masterauth on every member first",
    };
  } else if (server.role === "master" && server.replicas > 0 && !has("replication")) {
    yield {
      guard: "replication",
      found: `${server.replicas} replica(s) follow this host, and the playbook has no user with preset replication`,
      remedy: "add one, and set masteruser and masterauth on the replicas first",
    };
  }
  if (server.hasSentinel && !has("sentinel")) {
    yield {
      guard: "sentinel",
      found: "a Sentinel watches this host, and the playbook has no user with preset sentinel",
      remedy: "add one, and set auth-user and auth-pass in Sentinel first",
    };
  }
}

function* ruleRefusals({ params, server }: Context): Iterable<Refusal> {
  const table = server.commands;
  for (const { name, keys = [], channels = [], allow = [] } of params.users) {
    const problems = [
      ...keys.map((key) => patternProblem("key", key, server.version.capabilities)),
      ...channels.map((channel) => patternProblem("channel", channel, server.version.capabilities)),
      ...allow.map((rule) => ruleProblem(rule, server.version.capabilities)),
      ...(table === undefined ? [] : unknownRules(allow, table)),
    ].filter((problem) => problem !== undefined);
    for (const problem of problems) {
      yield {
        guard: null,
        found: `acl user ${name}: ${problem}`,
        remedy: "correct the user in the playbook",
      };
    }
  }
}

/** On Valkey's own layout the default path lies beside its configuration: its user may not even enter /etc/redis. */
export function aclPath(file: string, configPath: string): string {
  return configPath.startsWith("/etc/valkey/") ? file.replace(/^\/etc\/redis\//, "/etc/valkey/") : file;
}

function channelNotes({ params, server }: Context): string[] {
  const limited = params.users
    .filter(({ channels = [] }) => channels.length > 0 && !channels.includes("*"))
    .map(({ name }) => name);
  if (server.version.capabilities.aclChannels || limited.length === 0) return [];
  return [`${server.version.name} knows no channel rules: ${limited.join(", ")} may use every channel`];
}

/** Users of the playbook who may run some of the commands that clients need together for a script. */
function scriptNotes(context: Context): string[] {
  const table = context.server.commands;
  if (table === undefined) return [];
  return playbookUsers(context).flatMap(({ user }) => {
    const { commands } = permissions(user, table);
    const may = (name: string) => isPermitted({ commands }, name);
    const missing = SCRIPTS_NEED.filter((name) => !may(name));
    if (missing.length === 0 || !["eval", "evalsha"].some(may)) return [];
    const words = (names: readonly string[], last: string) =>
      listOf(
        names.map((name) => name.replace("|", " ").toUpperCase()),
        last,
      );
    return [
      `user ${user.name} may run ${words(SCRIPTS_NEED.filter(may), "and")} and not ${words(missing, "or")}: client libraries send them together, so say scripts: true`,
    ];
  });
}

/** The administrator, where its password is known and the running server does not take it. */
function refusedLogins({ params, facts, controller }: Context): string[] {
  const { user, loginError = "", endpoint } = facts.redis;
  // A way in is named where one was refused, whatever another way in said after it.
  if (user !== undefined || !(/^(NOAUTH|WRONGPASS)/.test(loginError) || endpoint.length > 0)) return [];
  const admin = params.users.find(({ preset }) => preset === "admin");
  return admin !== undefined && "value" in controller.password(admin.name) ? [admin.name] : [];
}

function loginNotes(context: Context): string[] {
  const { facts, params } = context;
  const shared = params.users.filter(({ name }) => originOf(context, name)?.of === "all");
  const notes = shared.map(
    ({ name }) =>
      `user ${name} has the password of all servers here, which opens the others too: it gets its own`,
  );
  return facts.redis.user === undefined
    ? [
        ...notes,
        `no login to Redis (${facts.redis.loginError ?? "unknown"}): the users' lines are rewritten, which takes a restart; it ends users that live only in memory, which nobody can list now`,
      ]
    : notes;
}

/** What a stranger is told: a timeout or a failed handshake proves nothing. */
const REFUSED = /^(NOAUTH|-?DENIED)|Connection refused/;

/** The same by Redis itself. */
const REFUSED_BY_REDIS = /^(NOAUTH|-?DENIED)/;

/** Whether the host has one that it could show as a client: that of a server may be for serving alone. */
function hasClientCertificate({ facts, server }: Context): boolean {
  const path = server.running?.get("tls-cert-file") ?? server.config.get("tls-cert-file")?.[0] ?? "";
  const pem = facts.certificates.pem.get(path);
  return pem === undefined || isForClients(pem);
}

/** @param where address and port: the default port is always asked, and another server of the machine may have it. */
function isOfAnother({ facts, server }: Context, where: string): boolean {
  const port = Number(where.split(" ").at(-1));
  const there = facts.host.listeners.filter(
    (listener) => listener.protocol === "tcp" && listener.port === port,
  );
  return there.length > 0 && there.every(({ unit }) => unit !== undefined && unit !== server.unit);
}

const NEXT = "after the next restart";

/** Users as the next start has them; none that could be told apart from those of now where the ACL file was not read. */
function usersNext(context: Context): ReadonlyMap<string, AclUser> {
  return unreadAclFile(context) === undefined ? usersAtStart(context) : foundUsers(context);
}

/** Where what is observed was seen; the file is named where only it says so. */
function aclSource({ server }: Context, isOfFile: boolean): string {
  return isOfFile ? `ACL LIST, and ${server.config.get("aclfile")?.[0] ?? server.configPath}` : "ACL LIST";
}

function defaultUserChecks(context: Context): Check[] {
  const { facts } = context;
  const expected = "off, without nopass";
  if (facts.redis.aclUsers === undefined) {
    return [noLogin("RK-ACL-01", expected, "ACL LIST", facts.redis.loginError ?? "ACL LIST does not answer")];
  }
  const user = foundUsers(context).get("default");
  const next = usersNext(context);
  const nextDefault = next.get("default");
  const isOff = (one: AclUser | undefined) => one !== undefined && !one.enabled && !one.nopass;
  const shown = (one: AclUser | undefined) =>
    one === undefined ? "no default user is listed" : describeUser(one);
  const isOpened = isOff(user) && !isOff(nextDefault);
  const openIn = (users: ReadonlyMap<string, AclUser>) =>
    [...users.values()].filter((user) => user.enabled && user.nopass).map(({ name }) => name);
  const open = openIn(foundUsers(context));
  const opening = openIn(next).filter((name) => !open.includes(name));
  // A certificate that is for serving alone gets nobody as far as a PING.
  const overTls = [...facts.proofs.withCertificate].filter(
    ([, reply]) => /PONG|^NOAUTH|DENIED/.test(reply) || hasClientCertificate(context),
  );
  const isUntried = overTls.length < facts.proofs.withCertificate.size;
  const plain = [...facts.proofs.plainPings].filter(([where]) => !isOfAnother(context, where));
  const ports = [...plain, ...overTls];
  const { socketPing } = facts.proofs;
  const asked = socketPing === undefined ? ports : [...ports, ["the Unix socket", socketPing] as const];
  const strangers = asked.filter(([, reply]) => reply === "PONG");
  const unclear = asked.filter(([, reply]) => reply !== "PONG" && !REFUSED.test(reply));
  // A port that is shut says nothing of one that is open and could not be tried.
  const isOpenQuestion = isUntried && !asked.some(([, reply]) => REFUSED_BY_REDIS.test(reply));
  return [
    check(
      "RK-ACL-01",
      {
        expected,
        observed: `${shown(user)}${isOpened ? `; ${NEXT}: ${shown(nextDefault)}` : ""}`,
        source: aclSource(context, isOpened),
      },
      isOff(user) && !isOpened,
    ),
    check(
      "RK-ACL-01",
      {
        expected: "PING without a login is refused",
        observed:
          strangers.length > 0
            ? `answered on ${strangers.map(([where]) => where).join(", ")}`
            : unclear.length > 0
              ? `no clear answer on ${unclear.map(([where]) => where).join(", ")}`
              : `refused on ${ports.length} port(s)${socketPing === undefined ? "" : " and the Unix socket"}${isUntried ? "; not tried over TLS, where the host's certificate is for serving alone" : ""}`,
        source: "PING without a login, from the host itself",
      },
      strangers.length === 0 && (asked.length === 0 || unclear.length > 0 || isOpenQuestion)
        ? { outcome: "unknown" }
        : strangers.length === 0,
    ),
    check(
      "RK-ACL-02",
      {
        expected: "no enabled user with nopass",
        observed: [...open, ...opening.map((name) => `${name} ${NEXT}`)].join(", ") || "none",
        source: aclSource(context, opening.length > 0),
        isAdvisory: true,
      },
      open.length === 0 && opening.length === 0,
    ),
  ];
}

function userChecks(context: Context): Check[] {
  const { facts, server } = context;
  const table = server.commands;
  if (facts.redis.aclUsers === undefined || table === undefined) {
    return [
      noLogin(
        "RK-ACL-08",
        "the users of the playbook",
        "ACL LIST",
        facts.redis.loginError ?? "ACL CAT does not answer",
      ),
    ];
  }
  const found = foundUsers(context);
  const stored = storedUsers(context);
  const wanted = playbookUsers(context);
  const listed = new Set(["default", ...wanted.map(({ user }) => user.name)]);
  const next = usersNext(context);
  const findings: string[] = [];
  const nextFindings: string[] = [];
  for (const { user, isGenerated } of wanted) {
    const differs = (there: AclUser | undefined): string | undefined => {
      if (there === undefined) return `${user.name} is missing`;
      // A password that this controller does not know cannot be compared.
      const differences = diffUsers(
        isGenerated ? { ...user, passwords: there.passwords } : user,
        there,
        table,
      );
      return differences.length === 0 ? undefined : `${user.name}: ${firstOf(differences, 3)}`;
    };
    const [now, then] = [differs(found.get(user.name)), differs(next.get(user.name))];
    if (now !== undefined) findings.push(now);
    else if (then !== undefined) nextFindings.push(`${NEXT}, ${then}`);
  }
  const others = [...found]
    .filter(([name]) => !listed.has(name))
    .map(
      ([name, user]) =>
        `"${name}"${stored.has(name) ? "" : ", which lives only in memory"} (${describeUser(user)})`,
    );
  const nextOthers = [...next].flatMap(([name, user]) => {
    const now = found.get(name);
    if (listed.has(name) || (now !== undefined && diffUsers(now, user, table).length === 0)) return [];
    return [`"${name}" ${NEXT} (${describeUser(user)})`];
  });
  const bounded = context.params.users.flatMap((user) => {
    const there = found.get(user.name);
    if (user.preset === "admin" || there === undefined) return [];
    const byPreset = permitsOf(context, { ...user, allow: [], scripts: false }, table);
    const dangerous = dangerousFor(there, table).filter((command) => !isPermitted(byPreset, command));
    return [{ user, name: user.name, there, dangerous }];
  });
  return [
    check(
      "RK-ACL-08",
      {
        expected: [...listed].join(", "),
        observed: [...findings, ...nextFindings].join("; ") || `exactly ${[...listed].join(", ")}`,
        source: aclSource(context, nextFindings.length > 0),
      },
      findings.length === 0 && nextFindings.length === 0,
    ),
    check(
      "RK-ACL-08",
      {
        expected: "no other user",
        observed:
          others.length + nextOthers.length === 0 ? "none" : `also ${[...others, ...nextOthers].join(", ")}`,
        source: aclSource(context, nextOthers.length > 0),
        isAdvisory: context.params.unlisted === "keep",
      },
      others.length === 0 && nextOthers.length === 0,
    ),
    ...bounded.map(({ user, name, there, dangerous }) => {
      const declared = permitsOf(context, user, table);
      const extra = dangerous.filter((command) => !isPermitted(declared, command));
      const demand = `${name}: no command of @admin or @dangerous${user.preset === "application" ? "" : " beyond its preset's"}`;
      return check(
        "RK-ACL-05",
        {
          expected: demand,
          observed:
            dangerous.length === 0
              ? `none of ${table.commands.size} commands`
              : firstOf(extra.length === 0 ? dangerous : extra, 8),
          source: "ACL LIST against ACL CAT",
          allows: {
            by: userParameters.by("allow", user, placeOf(user)),
            demand,
            isMet: dangerous.length === 0,
          },
        },
        extra.length === 0 && there.enabled,
      );
    }),
    ...bounded.map(({ user, name, there }) => {
      const weakened = ["keys", "channels"] as const;
      const [keys, channels] = weakened.map((name) => userParameters.by(name, user, placeOf(user)));
      const everyKey = there.allKeys || [...there.keys.keys()].some(matchesNearlyAll);
      // The preset of a Sentinel has all of them.
      const everyChannel =
        user.preset !== "sentinel" && (there.allChannels || [...there.channels].some(matchesNearlyAll));
      return check(
        "RK-ACL-06",
        {
          expected: `${name}: only its own keys and channels`,
          observed: [
            there.allKeys
              ? "every key"
              : [...there.keys.keys()].map((key) => `~${key}`).join(" ") || "no keys",
            there.allChannels
              ? "every channel"
              : [...there.channels].map((channel) => `&${channel}`).join(" ") || "no channels",
          ].join(", "),
          source: "ACL LIST",
          allows: {
            by: bothAllowed(keys, channels),
            demand: `${name}: only its own keys and channels`,
            isMet: !everyKey && !everyChannel,
          },
        },
        !(everyKey && keys === undefined) && !(everyChannel && channels === undefined),
      );
    }),
  ];
}

function fileChecks(context: Context): Check[] {
  const { params, facts, server } = context;
  const path = aclPath(params.file, server.configPath);
  const content = facts.configFiles.aclFiles.get(path);
  const inline = server.config.all("user").length;
  const requirepass = server.config.get("requirepass") !== undefined;
  const aclfile = server.config.get("aclfile")?.[0] ?? "";
  const both = [inline > 0 ? `${inline} user line(s)` : "", requirepass ? "requirepass" : ""]
    .filter(Boolean)
    .join(" and ");
  const parsed = content === undefined ? undefined : parseAclFile(content, path);
  const checks = [
    check(
      "RK-ACL-03",
      {
        expected: `aclfile ${path} alone`,
        observed:
          aclfile === ""
            ? `no aclfile${both === "" ? "" : `, but ${both}`}`
            : both === ""
              ? `aclfile ${aclfile}`
              : `aclfile beside ${both}`,
        source: server.configPath,
      },
      aclfile === path && both === "",
    ),
    check(
      "RK-ACL-04",
      {
        expected: "parses, with a line for the default user",
        observed:
          parsed === undefined
            ? `${path} is not there`
            : (parsed.problems[0]?.message ??
              `${parsed.users.length} users${parsed.users.some(({ user }) => user.name === "default") ? ", default among them" : ", no default user"}`),
        source: path,
      },
      parsed !== undefined &&
        parsed.problems.length === 0 &&
        parsed.users.some(({ user }) => user.name === "default"),
    ),
  ];
  if (parsed === undefined || content === undefined) return checks;
  const table = server.commands;
  const running = foundUsers(context);
  const clear = /(^|\s)>/m.test(content);
  const stored = new Map(parsed.users.map(({ user }) => [user.name, user]));
  const ours = new Set(["default", ...params.users.map(({ name }) => name)]);
  const apart =
    table === undefined || facts.redis.aclUsers === undefined
      ? undefined
      : [...new Set([...stored.keys(), ...running.keys()])].flatMap((name) => {
          const [there, now] = [stored.get(name), running.get(name)];
          if (there === undefined) return [{ name, how: "lives only in memory" }];
          if (now === undefined) return [{ name, how: "stands only in the file" }];
          return diffUsers(there, now, table).length === 0
            ? []
            : [{ name, how: "has other rules in memory than in the file" }];
        });
  const others = apart?.filter(({ name }) => !ours.has(name)) ?? [];
  const differing = apart?.filter(({ name }) => ours.has(name)).map(({ name }) => name) ?? [];
  checks.push(
    apart === undefined
      ? noLogin(
          "RK-ACL-09",
          "hashes, the same in file and memory",
          path,
          facts.redis.loginError ?? "ACL LIST does not answer",
        )
      : check(
          "RK-ACL-09",
          {
            expected: "hashes, the same in file and memory",
            observed: clear
              ? "a password in clear text"
              : differing.length === 0
                ? "hashes, the same"
                : `file and memory differ: ${differing.join(", ")}`,
            source: `${path} against ACL LIST`,
          },
          !clear && differing.length === 0,
        ),
  );
  // Users that the playbook lacks are left as they are: apply is not to be put back for them.
  if (apart !== undefined)
    checks.push(
      check(
        "RK-ACL-09",
        {
          expected: "no other user, or rule of one, in one of both alone",
          observed: others.map(({ name, how }) => `"${name}" ${how}`).join("; ") || "none",
          source: `${path} against ACL LIST`,
          isAdvisory: params.unlisted === "keep",
        },
        others.length === 0,
      ),
    );
  return checks;
}

/** What the playbook lets a user run. */
function permitsOf({ server }: Context, user: User, table: CommandTable): Permissions {
  return permissions(presetUser({ ...user, passwordHash: "" }, server.version.capabilities), table);
}

/** The command without the arguments that it is asked with. */
function nameOf(words: readonly string[]): string {
  const asked = words.join(" ");
  return MATRIX.find((command) => command.words.join(" ") === asked)?.name ?? words[0] ?? "";
}

function dryRunChecks(context: Context): Check[] {
  const { params, facts, server } = context;
  const table = server.commands;
  return params.users
    .filter(({ preset }) => preset === "application")
    .map((user) => {
      const expected = `${user.name}: dangerous commands denied, ordinary ones allowed`;
      if (table === undefined)
        return noLogin(
          "RK-ACL-05",
          expected,
          "ACL DRYRUN",
          facts.redis.loginError ?? "ACL CAT does not answer",
        );
      const declared = permitsOf(context, user, table);
      const wrong: string[] = [];
      /** What the playbook gives, though its preset does not. */
      const given: string[] = [];
      let denied = 0;
      let allowed = 0;
      for (const { command } of dryRunsFor(user)) {
        const answer = facts.redis.dryRuns.get([user.name, ...command].join(" "));
        if (answer === undefined) continue;
        const isDenied = /no permissions|not found|NOPERM/i.test(answer);
        const isOrdinary =
          ALLOWED_TO_APPLICATIONS.some(([name]) => name === command[0]) || command[0] === "GET";
        // Any other error, such as a wrong number of arguments, tells neither.
        if (!isDenied && answer !== "OK") wrong.push(`${command[0]}: ${excerpt(answer, 60)}`);
        else if (!isOrdinary && !isDenied && isDeclared(declared, command)) given.push(nameOf(command));
        else if (isDenied === isOrdinary) wrong.push(`${nameOf(command)} ${isDenied ? "denied" : "allowed"}`);
        else if (isDenied) denied++;
        else allowed++;
      }
      if (denied + allowed + wrong.length === 0 || !server.version.capabilities.aclDryrun) {
        return check(
          "RK-ACL-05",
          { expected, observed: `${server.version.name} cannot be asked`, source: "ACL DRYRUN" },
          facts.redis.user === undefined
            ? { outcome: "unknown", blockedBy: "login" }
            : { outcome: "skip", skipped: "untold" },
        );
      }
      return check(
        "RK-ACL-05",
        {
          expected,
          observed:
            wrong.length > 0
              ? firstOf(wrong, 6, "; ")
              : `${denied} denied, ${allowed} allowed${given.length === 0 ? "" : `; ${given.join(", ")} by the playbook`}`,
          source: "ACL DRYRUN",
          allows: {
            by: userParameters.by("allow", user, placeOf(user)),
            demand: expected,
            isMet: given.length === 0,
          },
        },
        wrong.length === 0,
      );
    });
}

function isDeclared(declared: Permissions, words: readonly string[]): boolean {
  const [name = "", first = ""] = words.map((word) => word.toLowerCase());
  return isPermitted(declared, `${name}|${first}`);
}

/** On the controller: what the passwords are worth, without a word of them. */
function passwordChecks(context: Context): Check[] {
  const { params, controller } = context;
  const values = params.users.flatMap(({ name }) => {
    const password = controller.password(name);
    return "value" in password ? [{ name, text: password.value.reveal() }] : [];
  });
  const everywhere = params.users
    .filter(({ name }) => originOf(context, name)?.of === "all")
    .map(({ name }) => name);
  const weak = values.filter(({ text }) => isWeakPassword(text)).map(({ name }) => name);
  const shared = values
    .filter(({ text }, index) => values.findIndex((other) => other.text === text) < index)
    .map(({ name }) => name);
  return [
    check(
      "RK-ACL-10",
      {
        expected:
          "at least 16 characters, no example, one for each user, the administrator's for each server",
        observed:
          [
            weak.length > 0 ? `weak: ${weak.join(", ")}` : "",
            shared.length > 0 ? `used twice: ${shared.join(", ")}` : "",
            everywhere.length > 0 ? `the same on all servers: ${everywhere.join(", ")}` : "",
          ]
            .filter(Boolean)
            .join("; ") || `${values.length} passwords hold`,
        source: "the controller's secrets",
        isAdvisory: true,
      },
      values.length + everywhere.length === 0
        ? { outcome: "skip" }
        : weak.length + shared.length + everywhere.length === 0,
    ),
  ];
}
