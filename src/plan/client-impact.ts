import type { Client } from "../facts/redis.ts";
import { evaluate, type Packet } from "../firewall/evaluate.ts";
import { parseBeforeRules, parseKernelRules } from "../firewall/kernel-rules.ts";
import { parseDefaults } from "../firewall/ufw-rules.ts";
import { isLoopback, isWildcard, normalizeAddress, sameAddress } from "../lib/network.ts";
import { tlsPaths } from "../pki/server-files.ts";
import type { Impact } from "../record/record.ts";
import { addressOf, clientsOf, hostAndPort } from "../redis/clients.ts";
import { type Audience, count, heirsOf, namesOf, settingOf } from "./audience.ts";
import { changesOf } from "./plan.ts";

/** Why a client will not get in as it does now, and what it should do instead. */
interface Fate {
  reasons: string[];
  advice: string[];
  /** It loses the connection that it has, and not only the next one. */
  isCut: boolean;
}

/** Addresses that are written out for one fate; further ones are counted. */
const ADDRESSES = 3;

/** Clients that will be refused. Clients with the same user, program and fate share one sentence. */
export function clientImpacts(audience: Audience): Impact[] {
  const groups = new Map<string, { client: Client; fate: Fate; sources: string[] }>();
  for (const client of clientsOf(audience.facts)) {
    const fate = fateOf(client, audience);
    if (fate.reasons.length === 0) continue;
    const { source } = addressOf(client);
    const role = roleOf(client);
    const program = role === "" ? [client.library, client.name.replace(/\d+/g, "#")] : [];
    const key = JSON.stringify([fate, role, client.user, ...program]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { client, fate, sources: [source] });
    else group.sources.push(source);
  }
  return [...groups.values()]
    .toSorted((a, b) => b.sources.length - a.sources.length)
    .map(({ client, fate, sources }) => ({
      kind: roleOf(client) === "" ? "client-refused" : "link-refused",
      detail: sentence(client, fate, sources),
    }));
}

function sentence(client: Client, { reasons, advice, isCut }: Fate, sources: readonly string[]): string {
  const role = roleOf(client);
  const different = [...new Set(sources)];
  const shown = different.slice(0, ADDRESSES).join(", ");
  const more = different.length > ADDRESSES ? ` and ${different.length - ADDRESSES} more` : "";
  const who = [
    `user ${client.user}`,
    ...(role === "" ? [client.name, client.library].filter(Boolean) : []),
    ...(sources.length > 1 ? [count(sources.length, "connection")] : []),
  ].join(", ");
  const fate = role !== "" ? "loses its link" : isCut ? "refused" : "refused when it reconnects";
  return `${role}${shown}${more}  ${who}: ${fate}, ${[reasons.join(", and "), ...advice].join(". ")}.`;
}

/** Replicas, primaries and Sentinels are named by their role. */
function roleOf({ flags, name }: Client): string {
  if (flags.includes("S")) return "replica ";
  return name.startsWith("sentinel-") ? "Sentinel " : "";
}

function fateOf(client: Client, audience: Audience): Fate {
  const { isSocket } = addressOf(client);
  const links = isSocket ? [...socketReasons(audience)] : [...networkReasons(client, audience)];
  const logins = [...loginReasons(client, audience)];
  const all = [...logins, ...links];
  return {
    reasons: all.map(([reason]) => reason),
    // A hint about the playbook helps nobody in a rollback.
    advice: [...new Set(all.map(([, advice]) => advice))].filter(
      (advice) => audience.plan.after.isGivenBack !== true || advice.startsWith("Use "),
    ),
    isCut: audience.plan.actions.restart || logins.length > 0,
  };
}

type Reason = [reason: string, advice: string];

/** The client's user goes, or gets another password. */
function* loginReasons({ user: name, command }: Client, audience: Audience): Iterable<Reason> {
  const user = audience.before.get(name);
  const next = audience.after.get(name);
  if (user?.enabled !== true || user === next) return;
  // A connection that has not logged in yet counts as the default user.
  if (name === "default" && !user.nopass && command === "NULL") return;
  const heirs = heirsOf(audience);
  const suited = heirs.filter((heir) => audience.access.mayRun(heir, command));
  const move =
    heirs.length === 0
      ? "Give it a user of its own in the playbook"
      : `Give it user ${namesOf(suited.length > 0 ? suited : heirs)}`;
  const ends = audience.plan.after.memoryOnly.some(({ user, fate }) => fate === "ends" && user.name === name);
  if (next === undefined && ends)
    yield [`user ${name} is in memory only, and Redis restarts`, "Name it in the playbook"];
  else if (next === undefined) yield [`user ${name} is removed`, move];
  else if (!next.enabled) yield [`user ${name} goes off`, move];
  else if (user.nopass && !next.nopass)
    yield [`user ${name} needs a password`, `Give it the password of ${name}`];
  else {
    const gone = [...user.passwords].filter((hash) => !next.passwords.has(hash)).length;
    if (gone === 0) return;
    const what =
      gone === user.passwords.size ? `user ${name} gets another password` : `a password of user ${name} goes`;
    yield [what, "Give it the new one"];
  }
}

function* socketReasons(audience: Audience): Iterable<Reason> {
  const { before = "", after = "" } = settingOf(audience, "unixsocket");
  if (after !== before) {
    yield [`the Unix socket ${before} goes`, after === "" ? "Use a port" : `Use ${after}`];
    return;
  }
  const { plan, facts } = audience;
  const mode = facts.files.paths.get(before)?.mode ?? 0;
  const wanted = Number.parseInt(settingOf(audience, "unixsocketperm").after ?? "", 8);
  if (plan.actions.restart && mode & 0o022 & ~wanted) {
    yield [
      "the Unix socket is closed to other users of the host",
      "Run it as the service's user, or use a port",
    ];
  }
}

/** Port, TLS, address and firewall, one after the other: each may refuse for itself. */
function* networkReasons(client: Client, audience: Audience): Iterable<Reason> {
  const { source, isLocal } = addressOf(client);
  const setting = (name: string, missing: string) => {
    const { before = missing, after = missing } = settingOf(audience, name);
    return { before, after };
  };
  const [plain, tls, auth] = [
    setting("port", "6379"),
    setting("tls-port", "0"),
    setting("tls-auth-clients", "yes"),
  ];
  const before = { plain: Number(plain.before), tls: Number(tls.before) };
  const after = { plain: Number(plain.after), tls: Number(tls.after) };
  const local = localEnd(client, before);
  const hasTls = local.port === before.tls;
  const certificate = auth.after === "yes" ? " and a client certificate" : "";
  const left =
    after.tls > 0
      ? `Use TLS on port ${after.tls}${hasTls ? "" : certificate}`
      : after.plain > 0
        ? `Use port ${after.plain}`
        : "Use the Unix socket";
  let port = local.port;
  if (local.port !== undefined && local.port !== (hasTls ? after.tls : after.plain)) {
    const isTaken = local.port === after.tls || local.port === after.plain;
    yield [
      isTaken
        ? `port ${local.port} ${hasTls ? "speaks TLS no more" : "speaks TLS only"}`
        : `port ${local.port} closes`,
      left,
    ];
    port = after.tls > 0 ? after.tls : after.plain;
  }
  if (hasTls && port === after.tls) yield* certificateReasons(audience, auth);
  yield* addressReasons(setting("bind", "*"), local.host, isLocal);
  if (isLocal) return;
  if (isProtected(audience))
    yield [
      "protected mode refuses clients from other machines without a password",
      "Give it a user with a password",
    ];
  if (port === undefined || port === 0) return;
  const packet: Packet = {
    protocol: "tcp",
    source,
    destinationPort: port,
    ...path(audience, local.host, source),
  };
  const verdict = firewallTurnsAway(audience, packet, local.port ?? port);
  if (verdict !== undefined)
    yield [
      verdict === "unknown"
        ? `the firewall may not let ${source} in`
        : `the firewall does not let ${source} in`,
      "Add its network to firewall.allow",
    ];
}

/** @param host the address of the server that the client uses; empty where it is not told. */
function* addressReasons(
  bind: { before: string; after: string },
  host: string,
  isLocal: boolean,
): Iterable<Reason> {
  if (bind.before === bind.after) return;
  const bound = bind.after.split(" ").map((text) => text.replace(/^-/, ""));
  const hears = (address: string) => bound.some((text) => isWildcard(text) || sameAddress(text, address));
  const isDeaf = host === "" ? !isLocal && bound.every(isLoopback) : !hears(host);
  if (!isDeaf) return;
  const other = bound.find((text) => normalizeAddress(text) !== undefined && !isLoopback(text));
  yield [
    `Redis listens ${host === "" ? "on loopback alone" : `on ${host} no more`}`,
    other === undefined ? "Add its address to bind.addresses" : `Use ${other}`,
  ];
}

/** The server's end of the connection. If the server does not say, it is certain only where there is one port. */
function localEnd(
  { local }: Client,
  ports: { plain: number; tls: number },
): { host: string; port: number | undefined } {
  if (local !== "") return hostAndPort(local);
  const open = [ports.plain, ports.tls].filter((port) => port > 0);
  return { host: "", port: open.length === 1 ? open[0] : undefined };
}

/** What a host sends to itself goes over loopback, whatever the addresses. */
function path(
  { facts }: Audience,
  address: string,
  source: string,
): Pick<Packet, "destination" | "interface"> {
  const interfaceOf = (text: string) =>
    facts.host.addresses.find((own) => sameAddress(own.address, text))?.interface;
  const name = interfaceOf(source) === undefined ? interfaceOf(address) : "lo";
  return {
    ...(address === "" ? {} : { destination: address }),
    ...(name === undefined ? {} : { interface: name }),
  };
}

function* certificateReasons(audience: Audience, auth: { before: string; after: string }): Iterable<Reason> {
  if (auth.before !== "yes" && auth.after === "yes")
    yield ["a client certificate is demanded", "Name it in tls.clients"];
  const { ca } = tlsPaths(audience.server.configPath);
  const { before = "", after } = settingOf(audience, "tls-ca-cert-file");
  const isReplaced = changesOf(audience.plan).some(
    ({ address, action }) => address === `file:${ca}` && action === "update",
  );
  if ((before !== "" && before !== after) || isReplaced)
    yield ["the certificates come from another CA", "Give it that CA, and a certificate of it"];
}

/** Protected mode goes on while the default user still needs no password. Before 6.2 it looks at `bind` too. */
function isProtected(audience: Audience): boolean {
  const { before, after } = settingOf(audience, "protected-mode");
  if (before !== "no" || after !== "yes" || audience.after.get("default")?.nopass !== true) return false;
  const looksAtBind = !audience.server.version.capabilities.bindOptionalPrefix;
  return !looksAtBind || settingOf(audience, "bind").after === undefined;
}

/** Whether a connection that gets in now would not. Undefined where nothing changes for it. */
function firewallTurnsAway(
  { plan: { after }, facts: { firewall } }: Audience,
  packet: Packet,
  portBefore: number,
): "yes" | "unknown" | undefined {
  const planned = after.firewall;
  if (planned === undefined || planned.changes.length === 0) return undefined;
  const family = packet.source.includes(":") && normalizeAddress(packet.source)?.includes(":") ? 6 : 4;
  const kernel = parseKernelRules(family === 4 ? firewall.kernel4 : firewall.kernel6, family);
  const ahead = parseBeforeRules(firewall.before, family);
  const now = kernel.defaultIncoming ?? "allow";
  if (
    kernel.active &&
    isTurnedAway(evaluate([...ahead, ...kernel.entries], now, { ...packet, destinationPort: portBefore }))
  )
    return undefined;
  const policy =
    planned.defaultPolicy?.after ??
    (kernel.active ? now : (parseDefaults(firewall.defaults).defaultIncoming ?? "deny"));
  const rules = family === 4 ? planned.rules4 : planned.rules6;
  const decision = evaluate([...ahead, ...rules.entries], policy, packet);
  if (isTurnedAway(decision)) return "yes";
  return decision.verdict === "unknown" ? "unknown" : undefined;
}

function isTurnedAway({ verdict }: ReturnType<typeof evaluate>): boolean {
  return verdict === "deny" || verdict === "reject";
}
