import { existsSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { basename } from "node:path";
import type { Secret } from "../lib/secret.ts";
import { HostError } from "./connection.ts";
import { oneLine } from "./one-line.ts";
import type { ConnectionVariables } from "./settings.ts";
import { askSsh, type SshAnswer } from "./ssh-answers.ts";

/** All that is needed to reach one host: from the inventory first, then ~/.ssh/config, then OpenSSH's defaults. */
export interface ResolvedConnection {
  /** The inventory's name of the host, or a jump host as it was written. */
  host: string;
  address: string;
  port: number;
  user: string;
  /** The name that known_hosts has instead of address and port, from HostKeyAlias. */
  hostKeyAlias: string | undefined;
  knownHostsFiles: string[];
  /** From RevokedHostKeys: we refuse a key that one of these files names, whatever known_hosts says. */
  revokedKeysFiles: string[];
  /** Where `accept-new` writes: a file of your own. None where the inventory names a file, which we only read. */
  newHostKeysFile: string | undefined;
  /** The inventory says where host keys are looked for. */
  inventoryNamesKnownHosts: boolean;
  strictHostKeyChecking: "yes" | "accept-new";
  /** Somebody named the file, or it is one of OpenSSH's defaults, which need not exist. */
  identityFiles: { path: string; isNamed: boolean }[];
  identitiesOnly: boolean;
  /** The agent's socket. */
  identityAgent: string | undefined;
  privateKeyPassphrase: Secret | undefined;
  password: Secret | undefined;
  timeoutSeconds: number;
  /** Told of each host key that `accept-new` stores. */
  onNewHostKey?: ((message: string) => void) | undefined;
  /** Jump hosts in the order in which they are passed. */
  jumps: ResolvedConnection[];
  /** What the system's ssh is to be asked for: it reads ~/.ssh/config by this name, not by what that leads to. */
  asked: {
    address: string;
    port: number | undefined;
    user: string | undefined;
    configFile: string | undefined;
  };
  /** The inventory or the command line names a key file: ssh has to be told. */
  namesIdentities: boolean;
  userKnownHostsFiles: string[];
  /** A command that connects, and that only a shell understands. */
  proxyCommand: string | undefined;
  /** Options of the inventory that only ssh knows, as keyword and value. */
  otherOptions: [keyword: string, value: string][];
  /** From ControlPath: where a connection of the user's own may stand. */
  controlPath: string | undefined;
  /** What the inventory or ~/.ssh/config asks for and ssh2 cannot do, in words; what must not be left out comes first. */
  beyondSsh2: { what: string; isNeeded: boolean; remedy: string }[];
}

/** Fills what `variables` leave open from `ssh -G`, jump hosts included. @throws HostError "unreachable". */
export async function resolveConnection(variables: ConnectionVariables): Promise<ResolvedConnection> {
  const { host, sshOptions, privateKeyPassphrase, password } = variables;
  const port = variables.port ?? sshOptions.port;
  const user = variables.user ?? sshOptions.user;
  const target = { host, address: variables.address, port, user };
  const { proxyJump, ...resolved } = await resolveHost("target", target, variables);
  return {
    ...resolved,
    privateKeyPassphrase,
    password,
    jumps: await resolveJumps(proxyJump, resolved, variables),
  };
}

interface HostToResolve {
  host: string;
  address: string;
  port: number | undefined;
  user: string | undefined;
}

type ResolvedHost = ResolvedConnection & { proxyJump: string[] };

async function resolveHost(
  role: "target" | "jump" | "later jump",
  { host, address, port, user }: HostToResolve,
  variables: ConnectionVariables,
): Promise<ResolvedHost> {
  const { sshOptions, hostKeys } = variables;
  const { configFile } = sshOptions;
  const config = await askSsh(address, port, user, configFile);
  const others = role === "target" ? (sshOptions.others ?? []) : [];
  const other = (wanted: string) => others.find(([keyword]) => keyword === wanted)?.[1];
  // For ssh the first one counts, which would be the inventory's.
  if (other("RevokedHostKeys") !== undefined && config.has("revokedhostkeys"))
    throw new HostError(
      "unreachable",
      `the inventory has RevokedHostKeys for ${host}, which would replace those of ~/.ssh/config`,
      "Take it out of the inventory, and add its keys to your own file.",
    );
  checkName(other("HostName"));
  checkName(other("HostKeyAlias"));
  const resolvedAddress =
    other("HostName")?.replaceAll("%h", address) ?? config.get("hostname")?.[0] ?? address;
  const resolvedPort = port ?? Number(config.get("port")?.[0] ?? 22);
  const resolvedUser = user ?? config.get("user")?.[0] ?? userInfo().username;
  const tokens = { h: resolvedAddress, n: address, p: String(resolvedPort), r: resolvedUser };
  const expand = (path: string) => expandPath(path, tokens);

  const configured = config.get("identityfile") ?? DEFAULT_IDENTITIES;
  const isDefault = configured.every((file) => DEFAULT_IDENTITIES.includes(file));
  const named = [variables.privateKeyFile ?? [], sshOptions.identityFiles ?? []].flat();
  // A jump host's own keys from ssh_config come first; then the host's key, since many fleets have only one.
  // Naming any file disables the defaults.
  const fromConfig = role === "target" && isDefault && named.length > 0 ? [] : configured;
  const ofJump = role !== "target" ? (sshOptions.jumpIdentityFiles ?? []) : [];
  const ordered = role === "target" ? [...named, ...fromConfig] : [...ofJump, ...fromConfig, ...named];
  const identityFiles = [...new Set(ordered)].map((file) => ({
    path: expand(file),
    isNamed: named.includes(file) || ofJump.includes(file) || !isDefault,
  }));

  const isNamed = (file: string) => !/^none$/i.test(file);
  const expandAll = (files: readonly string[]) => files.filter(isNamed).map(expand);
  const configuredFiles = splitFiles(config.get("userknownhostsfile"));
  // With accept-new, files that forget every key are overridden, wherever they are named.
  const keep = (files: readonly string[] | undefined) =>
    hostKeys === "accept-new" ? files?.filter((file) => !file.startsWith("/dev/")) : files;
  const filled = (files: readonly string[] | undefined) => (files?.length ? files : USER_KNOWN_HOSTS);
  // The inventory names the file of -F, so what that file names is the inventory's word too.
  const isOwnConfig = sshOptions.configFile === undefined;
  const ownFiles = expandAll(
    variables.knownHostsFile
      ? [variables.knownHostsFile]
      : filled(keep(isOwnConfig ? configuredFiles : undefined)),
  );
  const fromInventory = variables.knownHostsFile
    ? undefined
    : (sshOptions.userKnownHostsFiles ?? (isOwnConfig ? undefined : keep(configuredFiles)));
  const userFiles = fromInventory === undefined ? ownFiles : expandAll(fromInventory);
  const globalFiles = splitFiles(config.get("globalknownhostsfile")) ?? GLOBAL_KNOWN_HOSTS;

  const inventoryCommand = other("ProxyCommand");
  const inventoryJumps = role === "target" ? sshOptions.proxyJump : undefined;
  // A later jump host is reached through the one before it.
  const isWayKnown = inventoryCommand !== undefined || inventoryJumps !== undefined || role === "later jump";
  const way = isWayKnown ? undefined : wayOf(config);
  const proxyCommand = inventoryCommand ?? way?.proxyCommand;
  const needed = role === "target" ? sshOptions.needsOpenssh : undefined;
  return {
    host,
    asked: { address, port, user, configFile },
    namesIdentities: named.length > 0 || ofJump.length > 0,
    userKnownHostsFiles: userFiles,
    proxyCommand,
    otherOptions: others,
    controlPath: config.get("controlpath")?.[0],
    beyondSsh2: [
      ...(needed === undefined ? [] : [inventoryNeeds(host, needed, other(needed))]),
      ...beyondSsh2(config, way?.proxyCommand, host),
    ],
    address: resolvedAddress,
    port: resolvedPort,
    user: resolvedUser,
    hostKeyAlias: other("HostKeyAlias") ?? config.get("hostkeyalias")?.[0],
    knownHostsFiles: [...userFiles, ...expandAll(globalFiles)],
    revokedKeysFiles: (config.get("revokedhostkeys") ?? [])
      .filter(isNamed)
      .flatMap((value) => (existsSync(expand(value)) ? [value] : value.split(/\s+/)))
      .map(expand),
    // Otherwise whoever writes the inventory could have a line of theirs added to any file.
    newHostKeysFile: userFiles.find((file) => ownFiles.includes(file)),
    inventoryNamesKnownHosts: fromInventory !== undefined,
    // "no" and "off" in ssh_config would let anybody pose as the host; we read them as yes.
    strictHostKeyChecking:
      sshOptions.strictHostKeyChecking ??
      (config.get("stricthostkeychecking")?.[0] === "accept-new" ? "accept-new" : "yes"),
    identityFiles,
    identitiesOnly: sshOptions.identitiesOnly ?? config.get("identitiesonly")?.[0] === "yes",
    identityAgent: agentSocket(config.get("identityagent")?.[0], expand),
    privateKeyPassphrase: variables.privateKeyPassphrase,
    password: undefined,
    timeoutSeconds: sshOptions.connectTimeoutSeconds ?? variables.timeoutSeconds,
    ...(variables.onNewHostKey && { onNewHostKey: variables.onNewHostKey }),
    jumps: [],
    proxyJump: (inventoryJumps ?? way?.jumps ?? []).map((jump) => expandTokens(jump, tokens)),
  };
}

/**
 * A name that an inventory gives to ssh alone. ssh puts it into the command that leads to the host (`%h`, `%k`), of ~/.ssh/config or
 * of ours through a jump host, and a shell reads that.
 * @throws HostError "unreachable"
 */
function checkName(name: string | undefined): void {
  if (name !== undefined && !/^[\p{L}\p{N}_:[%][\p{L}\p{N}_.:[\]%-]*$/u.test(name))
    throw new HostError("unreachable", `${JSON.stringify(name)} is not a host name or address`);
}

/**
 * The first jump host may itself be behind others that only ~/.ssh/config knows; each later one is reached through the one
 * before it. A host is never its own jump host: `ProxyJump` under `Host *` means every host but the jump host itself.
 */
async function resolveJumps(
  jumps: readonly string[],
  target: ResolvedConnection,
  variables: ConnectionVariables,
  depth = 0,
): Promise<ResolvedConnection[]> {
  if (depth > 8) throw new HostError("unreachable", `${target.host}: its jump hosts lead in a circle`);
  const chain: ResolvedConnection[] = [];
  for (const [index, jump] of jumps.entries()) {
    const { proxyJump, ...resolved } = await resolveHost(
      index === 0 ? "jump" : "later jump",
      { host: jump, ...parseJump(jump) },
      variables,
    );
    if (resolved.address === target.address && resolved.port === target.port) continue;
    if (index === 0) chain.push(...(await resolveJumps(proxyJump, resolved, variables, depth + 1)));
    chain.push(resolved);
  }
  return chain;
}

const DEFAULT_IDENTITIES = [
  "id_rsa",
  "id_ecdsa",
  "id_ecdsa_sk",
  "id_ed25519",
  "id_ed25519_sk",
  "id_xmss",
  "id_dsa",
].map((name) => `~/.ssh/${name}`);
const USER_KNOWN_HOSTS = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"];
const GLOBAL_KNOWN_HOSTS = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

/** `ssh -G` prints a list of files with spaces between them, and none around a path that holds one. */
function splitFiles(values: readonly string[] | undefined): string[] | undefined {
  return values?.flatMap((value) => value.split(/\s+/)).filter((file) => file !== "");
}

/** The jump hosts that ~/.ssh/config names, or its command, where that is more than a jump. */
function wayOf(config: SshAnswer): { jumps: string[]; proxyCommand: string | undefined } {
  const jump = config.get("proxyjump")?.[0];
  if (jump !== undefined && jump !== "none") return { jumps: jump.split(","), proxyCommand: undefined };
  const command = config.get("proxycommand")?.[0];
  if (command === undefined || command === "none") return { jumps: [], proxyCommand: undefined };
  const viaSsh = jumpOfProxyCommand(command);
  return viaSsh === undefined
    ? { jumps: [], proxyCommand: command }
    : { jumps: [viaSsh], proxyCommand: undefined };
}

function inventoryNeeds(host: string, keyword: string, value = ""): ResolvedConnection["beyondSsh2"][number] {
  return {
    what: `the ssh option ${keyword} is given for ${host}: ${oneLine(value)}`,
    isNeeded: true,
    remedy: "reach the host without that option",
  };
}

/** What the configuration asks for and ssh2 cannot do. */
function beyondSsh2(
  config: SshAnswer,
  proxyCommand: string | undefined,
  host: string,
): ResolvedConnection["beyondSsh2"] {
  const value = (keyword: Parameters<SshAnswer["get"]>[0]) => config.get(keyword)?.[0];
  const isSet = (keyword: Parameters<SshAnswer["get"]>[0], ...defaults: string[]) => {
    const found = value(keyword);
    return found !== undefined && !["none", ...defaults].includes(found.toLowerCase());
  };
  const found: ResolvedConnection["beyondSsh2"] = [];
  const add = (what: string, isNeeded: boolean, remedy = "") => found.push({ what, isNeeded, remedy });
  // It may say that a key is revoked.
  if (isSet("knownhostscommand")) {
    add(
      `~/.ssh/config has a KnownHostsCommand for ${host}: ${oneLine(value("knownhostscommand") ?? "")}`,
      true,
      "keep the host keys in a file that UserKnownHostsFile names",
    );
  }
  if (proxyCommand !== undefined) {
    add(
      `~/.ssh/config has a ProxyCommand for ${host}: ${oneLine(proxyCommand)}`,
      true,
      "use ProxyJump, or the form ssh -W %h:%p HOST",
    );
  }
  for (const [keyword, name, ...defaults] of OPENSSH_ONLY)
    if (isSet(keyword, ...defaults)) add(`~/.ssh/config sets ${name} for ${host}`, false);
  return found;
}

/** Keywords that ssh2 has no word for, and values with which they ask for nothing. */
const OPENSSH_ONLY = [
  ["certificatefile", "CertificateFile"],
  ["pkcs11provider", "PKCS11Provider"],
  ["securitykeyprovider", "SecurityKeyProvider", "internal"],
  ["hostbasedauthentication", "HostbasedAuthentication", "no", "false"],
  ["bindaddress", "BindAddress"],
  ["bindinterface", "BindInterface"],
  ["addressfamily", "AddressFamily", "any"],
] as const;

/** `[user@]host[:port]` for a command that is no more than `ssh -W %h:%p HOST`. */
function jumpOfProxyCommand(command: string): string | undefined {
  const [program = "", ...words] = command
    .trim()
    .split(/\s+/)
    .map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));
  if (basename(program) !== "ssh") return undefined;
  let host: string | undefined;
  let user = "";
  let port = "";
  let forwards = false;
  while (words.length > 0) {
    const word = words.shift() ?? "";
    if (word === "-W") forwards = /^(%h|\[%h\]):%p$/.test(words.shift() ?? "");
    else if (word === "-l") user = `${words.shift() ?? ""}@`;
    else if (word === "-p") port = `:${words.shift() ?? ""}`;
    else if (word.startsWith("-") ? !/^-[aqTx]+$/.test(word) : host !== undefined) return undefined;
    else if (!word.startsWith("-")) host = word;
  }
  return forwards && host !== undefined ? `${user}${host}${port}` : undefined;
}

/** `[user@]host[:port]`, `ssh://[user@]host[:port]`; an IPv6 address with a port stands in brackets. */
function parseJump(jump: string): { address: string; user: string | undefined; port: number | undefined } {
  const text = jump
    .trim()
    .replace(/^ssh:\/\//, "")
    .replace(/\/$/, "");
  const at = text.lastIndexOf("@");
  const user = at < 0 ? undefined : text.slice(0, at);
  const rest = text.slice(at + 1);
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(rest) ?? [];
  const address = bracketed ?? plain ?? rest;
  return { address, user, port: port === undefined ? undefined : Number(port) };
}

function agentSocket(setting: string | undefined, expand: (path: string) => string): string | undefined {
  if (setting === "none") return undefined;
  if (setting === undefined || setting === "SSH_AUTH_SOCK") return process.env.SSH_AUTH_SOCK || undefined;
  if (setting.startsWith("$") && !setting.startsWith("${")) return process.env[setting.slice(1)] || undefined;
  return expand(setting);
}

/** The tokens that ssh expands in a jump host: `%r@bastion` logs in there by the name that it has at the host. */
function expandTokens(text: string, tokens: Record<"h" | "n" | "p" | "r", string>): string {
  const all = new Map(Object.entries({ ...tokens, "%": "%" }));
  return text.replace(/%(.)/g, (whole, token: string) => all.get(token) ?? whole);
}

/** `~`, `${NAME}` and the tokens of ssh_config(5), TOKENS, that concern files. */
function expandPath(path: string, tokens: Record<"h" | "n" | "p" | "r", string>): string {
  const all = new Map(Object.entries({ ...tokens, "%": "%", d: homedir(), u: userInfo().username }));
  return path
    .replace(/^~(?=\/|$)/, homedir())
    .replace(/\$\{(\w+)\}/g, (whole, name: string) => process.env[name] ?? whole)
    .replace(/%(.)/g, (whole, token: string) => all.get(token) ?? whole);
}
