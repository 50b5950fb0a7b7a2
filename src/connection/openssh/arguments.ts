import type { ResolvedConnection } from "../ssh-config.ts";

/**
 * What redkeep decides, whatever ~/.ssh/config says: ssh takes the first of several values. ssh follows the rest of the
 * configuration.
 */
const DECIDED = {
  // The host key: ssh asks nobody, trusts known_hosts alone, and learns nothing from the server.
  CheckHostIP: "no",
  NoHostAuthenticationForLocalhost: "no",
  UpdateHostKeys: "no",
  VerifyHostKeyDNS: "no",
  // The server gets nothing of this machine, and runs nothing here.
  AddKeysToAgent: "no",
  ClearAllForwardings: "yes",
  ForwardAgent: "no",
  ForwardX11: "no",
  PermitLocalCommand: "no",
  RemoteCommand: "none",
  RequestTTY: "no",
  Tunnel: "no",
  GSSAPIDelegateCredentials: "no",
  // One connection, and a dead one is noticed within 15 s. No compression: with it a few bytes can expand without limit.
  Compression: "no",
  ConnectionAttempts: "1",
  ControlPersist: "no",
  ServerAliveCountMax: "2",
  ServerAliveInterval: "5",
  // A refused password is not tried again.
  NumberOfPasswordPrompts: "1",
  VisualHostKey: "no",
} as const;

interface MasterOptions {
  /** Where the control socket will be. */
  controlPath: string;
  /** Whether a new host's key is accepted. */
  acceptsNew: boolean;
  /** Whether it may ask for a secret, since an askpass program answers. */
  asks: boolean;
  /** The control socket of the connection to the jump host before it. */
  via: string | undefined;
}

/** The arguments of the `ssh` that logs in to `target` and then carries channels. They hold no secret. */
export function masterArguments(
  target: ResolvedConnection,
  { controlPath, acceptsNew, asks, via }: MasterOptions,
): string[] {
  const { asked, identityFiles } = target;
  const options: [string, string][] = [
    ...Object.entries(DECIDED),
    ["StrictHostKeyChecking", acceptsNew ? "accept-new" : "yes"],
    ["BatchMode", asks ? "no" : "yes"],
    ["PreferredAuthentications", methodsOf(target)],
    ["ConnectTimeout", String(Math.max(1, Math.ceil(target.timeoutSeconds)))],
    ["IdentitiesOnly", target.identitiesOnly ? "yes" : "no"],
    // They replace the configuration's own files, which are among them in our order.
    ...(target.namesIdentities
      ? identityFiles.map(({ path }): [string, string] => ["IdentityFile", quoted(path)])
      : []),
    ["UserKnownHostsFile", knownHostsFiles(target, acceptsNew).map(quoted).join(" ") || "none"],
    ...proxy(target, via),
    ...target.otherOptions,
  ];
  return [
    // With -v, ssh says which step it has reached, and which key it offers.
    ...["-v", "-N", "-M", "-S", controlPath],
    ...options.flatMap(([keyword, value]) => ["-o", `${keyword}=${value}`]),
    ...(asked.configFile === undefined ? [] : ["-F", asked.configFile]),
    ...(asked.port === undefined ? [] : ["-p", String(asked.port)]),
    ...(asked.user === undefined ? [] : ["-l", asked.user]),
    "--",
    asked.address,
  ];
}

/** ssh adds a new key to the first file. So no file that the inventory names comes first: it could be any file of yours. */
function knownHostsFiles(
  { userKnownHostsFiles, newHostKeysFile }: ResolvedConnection,
  acceptsNew: boolean,
): string[] {
  if (!acceptsNew || newHostKeysFile === undefined) return userKnownHostsFiles;
  return [newHostKeysFile, ...userKnownHostsFiles.filter((file) => file !== newHostKeysFile)];
}

/** Methods that need no secret come first: before OpenSSH 8.5 a server's own question could pose as one for a key's passphrase. */
function methodsOf({ password, privateKeyPassphrase }: ResolvedConnection): string {
  const withPassword =
    password === undefined
      ? ""
      : privateKeyPassphrase === undefined
        ? ",password,keyboard-interactive"
        : ",password";
  return `gssapi-with-mic,hostbased,publickey${withPassword}`;
}

function proxy({ proxyCommand }: ResolvedConnection, via: string | undefined): [string, string][] {
  if (via === undefined) return proxyCommand === undefined ? [["ProxyCommand", "none"]] : [];
  // Where the jump host's connection has gone, ssh must not log in there anew: it would, with other options.
  const command = `ssh -F none -S ${via} -o ProxyCommand=false -W [%h]:%p -- jump.invalid`;
  return [["ProxyCommand", command]];
}

/** A path as one word of ssh_config, which has no tokens in it. */
function quoted(path: string): string {
  return `"${path.replaceAll("%", "%%").replace(/["\\]/g, "\\$&")}"`;
}
