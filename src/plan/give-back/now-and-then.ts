import type { HostFacts } from "../../facts/probe.ts";
import type { DefaultPolicy } from "../../firewall/evaluate.ts";
import { parseKernelRules } from "../../firewall/kernel-rules.ts";
import { parseRules, type UfwEntry } from "../../firewall/ufw-rules.ts";
import { Secret } from "../../lib/secret.ts";
import type { CommandTable } from "../../redis/acl-commands.ts";
import { type AclUser, hashPassword } from "../../redis/acl-user.ts";
import { type ConfigDocument, parseConfig } from "../../redis/config-document.ts";
import { diffUsers } from "../../redis/diff-users.ts";
import { foundUsers } from "../../redis/found-users.ts";
import { parseAclFile, parseAclUser } from "../../redis/parse-acl.ts";
import type { Server } from "../../redis/server.ts";
import type { Destination, KeptState } from "../kept-state.ts";
import { type RulesOfOthers, rulesOfOthers, UFW_RULES } from "../rules-of-others.ts";

interface Given {
  facts: HostFacts;
  server: Server;
  /** What the host goes back to, where that differs from what it has now. */
  state: KeptState;
}

/** A host as it is now, and as it will be once it has gone back. Worked out once; nobody changes it. */
export interface NowAndThen extends Given {
  /** redis.conf as it will be. */
  config: ConfigDocument;
  users: { before: ReadonlyMap<string, AclUser>; after: ReadonlyMap<string, AclUser> };
  restart: boolean;
  /** ufw is on now, and will be off. */
  goesOff: boolean;
  /** ufw is on. */
  isActive: boolean;
  rules: Record<4 | 6, { before: readonly UfwEntry[]; after: readonly UfwEntry[] }>;
  policy: { before: DefaultPolicy; after: DefaultPolicy };
  others: readonly RulesOfOthers[];
}

export const UFW_DEFAULTS = "/etc/default/ufw";

/** @param destination one run noted whether it restarted Redis; of several together only the files are known */
export function nowAndThen({
  facts,
  server,
  state,
  destination,
}: Given & { destination: Destination }): NowAndThen {
  const given = { facts, server, state };
  const config = configAfter(given);
  const restart = destination === "last" ? state.restarted : touchesRedis(given);
  const before = foundUsers({ facts, server });
  const kernel = parseKernelRules(facts.firewall.kernel4, 4);
  const rules = (family: 4 | 6, now: string) => ({
    before: parseRules(now, family).entries,
    after: parseRules(textAfter(given, UFW_RULES[family]) ?? now, family).entries,
  });
  const policy = kernel.defaultIncoming ?? "allow";
  return {
    ...given,
    config,
    restart,
    users: { before, after: usersAfter({ ...given, config, restart }, before) },
    isActive: kernel.active,
    goesOff: state.firewall?.wasEnabled === false && kernel.active,
    rules: { 4: rules(4, facts.firewall.rules4), 6: rules(6, facts.firewall.rules6) },
    policy: { before: policy, after: state.policy ?? policy },
    others: rulesOfOthers({ facts, state, ports: ownPorts({ ...given, config }) }).filter(({ path }) =>
      state.files.some((file) => file.path === path),
    ),
  };
}

/** A port as redis.conf has it; 0 for none. */
export function portOf(document: ConfigDocument, name: "port" | "tls-port"): number {
  return Number(document.get(name)?.[0] ?? (name === "port" ? "6379" : "0"));
}

function touchesRedis(way: Given): boolean {
  const isUfws = (path: string) => path.startsWith("/etc/ufw/") || path === UFW_DEFAULTS;
  return way.state.files.some(({ path }) => !isUfws(path));
}

/** The ports that a rule of redkeep's may name: those of Redis, now and afterwards, and of sshd. */
function ownPorts(way: Given & { config: ConfigDocument }): number[] {
  const { facts, server } = way;
  const redis = [server.config, way.config].flatMap((document) => [
    portOf(document, "port"),
    portOf(document, "tls-port"),
  ]);
  const ssh = [...facts.host.sshPorts, facts.host.sshPeer?.localPort ?? 0];
  return [...redis, ...ssh].filter((port) => port > 0);
}

/** Whether ufw gets other rules. */
export function hasNewRules(way: Given): boolean {
  return way.state.files.some(({ path }) => path === UFW_RULES[4] || path === UFW_RULES[6]);
}

/** The text that a path gets back; undefined where it stays, goes or is not shown. */
export function textAfter(way: Given, path: string): string | undefined {
  const file = way.state.files.find((one) => one.path === path);
  return file === undefined ? undefined : way.facts.kept.backups.get(file.backup);
}

/** Whether a path is taken away. */
export function isGone(way: Given, path: string): boolean {
  return way.state.files.some((file) => file.path === path && file.state === "absent");
}

function configAfter(way: Given): ConfigDocument {
  const { facts, server } = way;
  const [main, ...includes] = server.config.files().map(({ path, text }) => ({
    path,
    text: isGone(way, path) ? "" : (textAfter(way, path) ?? text),
  }));
  const known = new Set([main, ...includes].map((file) => file?.path));
  const others = way.state.files.flatMap(({ path, backup }) => {
    const text = path.endsWith(".conf") && !known.has(path) ? facts.kept.backups.get(backup) : undefined;
    return text === undefined || path.startsWith("/etc/systemd/") ? [] : [{ path, text }];
  });
  if (main === undefined) return server.config;
  return parseConfig(main, [...includes, ...others], "/", server.version.capabilities.saveResetsAfterInclude);
}

function usersAfter(
  way: Pick<NowAndThen, keyof Given | "config" | "restart">,
  before: ReadonlyMap<string, AclUser>,
): ReadonlyMap<string, AclUser> {
  const { facts, server } = way;
  const [path, now] = [way.config.get("aclfile")?.[0], server.config.get("aclfile")?.[0]];
  const requirepass = way.config.get("requirepass")?.[0];
  const isSame =
    path === now &&
    requirepass === server.config.get("requirepass")?.[0] &&
    (path === undefined || (textAfter(way, path) === undefined && !isGone(way, path)));
  if (isSame) return before;
  const options = { allChannelsByDefault: server.running?.get("acl-pubsub-default") === "allchannels" };
  const text =
    path === undefined || isGone(way, path)
      ? ""
      : (textAfter(way, path) ?? facts.configFiles.aclFiles.get(path) ?? "");
  const users = [
    ...way.config.all("user").map(({ args }) => parseAclUser(["user", ...args], options)),
    ...parseAclFile(text, path ?? "", options).users.map(({ user }) => user),
  ];
  const after = new Map(users.map((user) => [user.name, user]));
  // Without a restart, who lives only in memory lives on.
  const inFile = facts.configFiles.aclFiles.get(path ?? "") ?? "";
  if (!way.restart)
    for (const [name, user] of before)
      if (!after.has(name) && !inFile.includes(`user ${name} `)) after.set(name, user);
  if (!after.has("default")) {
    const login =
      requirepass === undefined || requirepass === ""
        ? "nopass"
        : `#${hashPassword(new Secret(requirepass))}`;
    after.set("default", parseAclUser(["user", "default", "on", login, "~*", "&*", "+@all"]));
  }
  const table = server.commands;
  return table === undefined
    ? after
    : new Map([...after].map(([name, user]) => [name, inFormOf(before.get(name), user, table)]));
}

/** The user in today's words, where it will have the same rights: redkeep and Redis write the same rules in different words. */
function inFormOf(now: AclUser | undefined, user: AclUser, table: CommandTable): AclUser {
  if (now === undefined) return user;
  const { passwords, nopass } = user;
  const otherwise = diffUsers(now, { ...user, passwords: now.passwords, nopass: now.nopass }, table);
  return otherwise.length === 0 ? { ...now, passwords, nopass } : user;
}
