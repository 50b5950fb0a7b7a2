import type { ResolvedConnection } from "../ssh-config.ts";

/**
 * What redkeep decides, whatever ~/.ssh/config says: for ssh the first of several values counts. The rest of the
 * configuration is in force.
 */
const DECIDED = {
  // The host key: nobody is asked, nothing but known_hosts vouches, and nothing is learned from the server.
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
  // One connection, which is noticed within 15 s when it is dead. With compression, a few bytes can expand without limit.
  Compression: "no",
  ConnectionAttempts: "1",
  ControlPersist: "no",
  ServerAliveCountMax: "2",
  ServerAliveInterval: "5",
  // A refused password is not tried again.
  NumberOfPasswordPrompts: "1",
  VisualHostKey: "no",
} as const;

interface Way {
  /** Where the control socket will be. */
  controlPath: string;
  /** Whether a new host's key is accepted. */
  acceptsNew: boolean;
  /** Whether it may ask for a secret: by an askpass program that answers. */
  asks: boolean;
  /** The control socket of the connection to the jump host before it. */
  via: string | undefined;
}

/** The arguments of the `ssh` that logs in to `target` and then carries channels: no secret is among them. */
export function masterArguments(target: ResolvedConnection, way: Way): string[] {
  const { asked, identityFiles } = target;
  const options: [string, string][] = [
    ...Object.entries(DECIDED),
    ["StrictHostKeyChecking", way.acceptsNew ? "accept-new" : "yes"],
    ["BatchMode", way.asks ? "no" : "yes"],
    ["PreferredAuthentications", methodsOf(target)],
    ["ConnectTimeout", String(Math.max(1, Math.ceil(target.timeoutSeconds)))],
    ["IdentitiesOnly", target.identitiesOnly ? "yes" : "no"],
    // They replace those of the configuration, which are among them, in our order.
    ...(target.namesIdentities
      ? identityFiles.map(({ path }): [string, string] => ["IdentityFile", quoted(path)])
      : []),
    ["UserKnownHostsFile", knownHostsFiles(target, way.acceptsNew).map(quoted).join(" ") || "none"],
    ...proxy(target, way.via),
    ...target.otherOptions,
  ];
  return [
    // With -v it says which step it has come to, and which key it offers.
    ...["-v", "-N", "-M", "-S", way.controlPath],
    ...options.flatMap(([keyword, value]) => ["-o", `${keyword}=${value}`]),
    ...(asked.configFile === undefined ? [] : ["-F", asked.configFile]),
    ...(asked.port === undefined ? [] : ["-p", String(asked.port)]),
    ...(asked.user === undefined ? [] : ["-l", asked.user]),
    "--",
    asked.address,
  ];
}

/** ssh adds a new key to the first of them: to no file that the inventory names, which could be any file of yours. */
function knownHostsFiles(
  { userKnownHostsFiles, newHostKeysFile }: ResolvedConnection,
  acceptsNew: boolean,
): string[] {
  if (!acceptsNew || newHostKeysFile === undefined) return userKnownHostsFiles;
  return [newHostKeysFile, ...userKnownHostsFiles.filter((file) => file !== newHostKeysFile)];
}

/** First what asks for no secret. A server that may ask questions of its own could ask for a key's passphrase, before OpenSSH 8.5. */
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
  // A jump host whose connection has gone must not be logged in to anew: ssh would, with other options.
  const command = `ssh -F none -S ${via} -o ProxyCommand=false -W [%h]:%p -- jump.invalid`;
  return [["ProxyCommand", command]];
}

/** A path as one word of ssh_config, which has no tokens in it. */
function quoted(path: string): string {
  return `"${path.replaceAll("%", "%%").replace(/["\\]/g, "\\$&")}"`;
}
