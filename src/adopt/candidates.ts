import type { HostFacts } from "../facts/probe.ts";
import { concernsPort } from "../firewall/evaluate.ts";
import { parseKernelRules } from "../firewall/kernel-rules.ts";
import { isAnywhere, parseRules } from "../firewall/ufw-rules.ts";
import { printable } from "../lib/printable.ts";
import type { Secret } from "../lib/secret.ts";
import type { SecretSource } from "../lib/secret-source.ts";
import { aboutMemoryOnly, memoryOnlyUsers, shownName } from "../plan/memory-only.ts";
import { PRESETS, presetUser } from "../redis/acl-presets.ts";
import { type AclUser, hashPassword } from "../redis/acl-user.ts";
import { diffUsers } from "../redis/diff-users.ts";
import { foundUsers, storedUsers } from "../redis/found-users.ts";
import type { Server } from "../redis/server.ts";
import type { TaskName } from "../tasks/task.ts";
import { plainParams, type RawParams, TEMPLATE_MARKS } from "./plain.ts";

/** A password that somebody knows here, and where it comes from. */
export interface KnownPassword {
  user: string;
  value: Secret;
  source: SecretSource | { generate: true };
}

/** A host as it was found. */
export interface Found {
  facts: HostFacts;
  server: Server;
  passwords: readonly KnownPassword[];
}

/**
 * The parameters that may say what a host has, the fullest ones first; none where the task has no words for it. Whether
 * they change nothing is for the plan to tell.
 */
export const CANDIDATES: Readonly<Record<TaskName, (found: Found) => RawParams[]>> = {
  bind: ({ server }) => {
    const addresses = wordsOf(server, "bind");
    if (addresses.length === 0) return [];
    return [
      {
        addresses,
        unix_socket: server.config.get("unixsocket")?.[0] || null,
        protected_mode: wordsOf(server, "protected-mode")[0] !== "no",
      },
    ].flatMap((params) => [params, { ...params, wait_for_network: false }]);
  },

  acl: (found) => {
    const file = found.server.config.get("aclfile")?.[0];
    if (!file) return [];
    return [
      { file, unlisted: "keep", users: knownUsers(found).filter((user) => plainParams(user) !== undefined) },
    ];
  },

  "rename-command": ({ server }) => {
    const renames = server.config
      .all("rename-command")
      .map(({ args: [command = "", name] }) => [command.toUpperCase(), name ? "rename" : "disable"]);
    return [{ commands: Object.fromEntries(renames) }];
  },

  tls: ({ server }) => {
    const [port = "0"] = wordsOf(server, "tls-port");
    if (port === "0") return [];
    const list = (name: string, separator: RegExp) =>
      wordsOf(server, name)
        .flatMap((value) => value.split(separator))
        .filter(Boolean);
    const [asks = "yes"] = wordsOf(server, "tls-auth-clients");
    return [
      {
        port: Number(port),
        plain_port: Number(wordsOf(server, "port")[0] ?? "6379"),
        ca: { generate: true },
        auth_clients: asks === "optional" ? asks : asks === "yes",
        clients: [],
        protocols: list("tls-protocols", / /),
        ciphers: list("tls-ciphers", /:/),
        ciphersuites: list("tls-ciphersuites", /:/),
      },
    ];
  },

  "service-user": () => [{ sandbox: true }, { sandbox: false }],

  permissions: () => [{}],

  limits: ({ server, facts }) => {
    const inFile = (name: string) => server.config.get(name)?.[0];
    const clients = inFile("maxclients");
    const files = Number(facts.service.properties.get("LimitNOFILE"));
    const given = {
      ...optional("maxmemory", inFile("maxmemory") === "0" ? undefined : inFile("maxmemory")),
      ...optional("maxmemory_policy", inFile("maxmemory-policy")),
      ...optional("maxclients", clients === undefined ? undefined : Number(clients)),
      ...(Number.isSafeInteger(files) ? { nofile: Math.min(files, 1_048_576) } : {}),
    };
    return [
      { ...given, lazyfree: true },
      { ...given, lazyfree: false },
    ];
  },

  persistence: () => [{ mode: "keep" }],

  firewall: ({ facts, server }) => {
    const { installed, rules4, rules6, kernel4 } = facts.firewall;
    const policy = parseKernelRules(kernel4, 4).defaultIncoming;
    if (!installed || policy === undefined || policy === "allow") return [];
    const ports = ["port", "tls-port"].flatMap((name) => wordsOf(server, name)).map(Number);
    const entries = [...parseRules(rules4, 4).entries, ...parseRules(rules6, 6).entries];
    const allowed = entries.flatMap((entry) =>
      entry.kind === "rule" &&
      entry.action === "allow" &&
      !isAnywhere(entry.source) &&
      ports.some((port) => port > 0 && concernsPort(entry, port))
        ? entry.source
        : [],
    );
    return [{ allow: [...new Set(allowed)], default: policy, other_ports: "keep" }];
  },
};

/** Why a task has no words for what a host has, where there is more to say than that it has nothing. */
export const WITHOUT_WORDS: Readonly<Partial<Record<TaskName, (found: Found) => string | undefined>>> = {
  // The task keeps users in an ACL file: to take one of these over is to move it there, which is a change and a restart.
  acl: ({ server }) => {
    if (server.config.get("aclfile")?.[0]) return undefined;
    const users = server.config.all("user").map(({ args: [name] }) => name);
    // `CONFIG REWRITE` writes requirepass a second time, as the line of the default user.
    if (server.config.get("requirepass")?.[0] && users.every((name) => name === "default"))
      return "it has a password for everybody (requirepass) instead of users: giving it some is a change";
    return users.length > 0
      ? "its users stand in redis.conf, and the task keeps them in an ACL file: moving them is a change"
      : undefined;
  },
};

/** Parts that a task leaves out, each with the reason; whether or not the rest of it is taken. */
export const PARTS_WITHOUT_WORDS: Readonly<
  Partial<Record<TaskName, (found: Found, isTaken: boolean) => { part: string; reason: string }[]>>
> = {
  acl: (found, isTaken) => [
    ...knownUsers(found)
      .filter((user) => isTaken && plainParams(user) === undefined)
      .map(({ name }) => ({
        part: `user ${printable(String(name), 60)}`,
        reason: `its name or its rules hold ${TEMPLATE_MARKS}, which a playbook would run as a template`,
      })),
    ...memoryOnlyUsers(found, { restarts: false }).map(({ user }) => ({
      part: shownName(user),
      reason: `it ${aboutMemoryOnly(found, user)}. Name it in the playbook yourself where it is yours`,
    })),
  ],
};

function optional(name: string, value: unknown): RawParams {
  return value === undefined ? {} : { [name]: value };
}

/** The words of a setting as it runs, else as the file has it. */
function wordsOf(server: Server, name: string): string[] {
  const running = server.running?.get(name);
  const words = running === undefined ? (server.config.get(name) ?? []) : running.split(" ");
  return words.filter((word) => word !== "");
}

/** The users of its files that a preset describes and whose password is known here; the others stay by `unlisted: keep`. */
function knownUsers({ facts, server, passwords }: Found): RawParams[] {
  const table = server.commands;
  if (table === undefined) return [];
  const users = foundUsers({ facts, server });
  const stored = storedUsers({ facts, server });
  return passwords.flatMap(({ user: name, value, source }) => {
    const user = users.get(name);
    const passwordHash = hashPassword(value);
    if (user === undefined || !stored.has(name) || !user.enabled || !user.passwords.has(passwordHash))
      return [];
    const reach = reachOf(user);
    const preset = PRESETS.find((preset) => {
      const wanted = presetUser({ name, preset, ...reach, passwordHash }, server.version.capabilities);
      return diffUsers(wanted, user, table).length === 0;
    });
    return preset === undefined ? [] : [{ name, preset, ...reach, password: source }];
  });
}

function reachOf(user: AclUser): { keys: string[]; channels: string[] } {
  const keys = [...user.keys].map(([pattern, access]) =>
    access === "RW" ? pattern : `%${access}~${pattern}`,
  );
  return {
    keys: user.allKeys ? ["*"] : keys,
    channels: user.allChannels ? ["*"] : [...user.channels],
  };
}
