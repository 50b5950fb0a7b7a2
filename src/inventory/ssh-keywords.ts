const words = (text: string) => text.split(/\s+/).filter(Boolean);

/** The keywords that redkeep follows itself. */
const FOLLOWED = words(
  "ConnectTimeout IdentitiesOnly IdentityFile Port ProxyCommand ProxyJump StrictHostKeyChecking User UserKnownHostsFile",
);

/**
 * Keywords that mean nothing to one connection of a few seconds that runs one script without a terminal: sharing connections,
 * compression, keep-alives, agent forwarding, logging, the order of login methods. None changes whom redkeep trusts.
 */
const IGNORED = words(`
  AddKeysToAgent AddressFamily BatchMode ChallengeResponseAuthentication ChannelTimeout CheckHostIP ClearAllForwardings Compression
  CompressionLevel ConnectionAttempts ControlMaster ControlPath ControlPersist EnableEscapeCommandline EnableSSHKeysign EscapeChar
  ExitOnForwardFailure FingerprintHash ForkAfterAuthentication ForwardAgent ForwardX11 ForwardX11Timeout ForwardX11Trusted
  GatewayPorts HashKnownHosts HostbasedAuthentication IgnoreUnknown IPQoS KbdInteractiveAuthentication KbdInteractiveDevices
  LogLevel LogVerbose NumberOfPasswordPrompts ObscureKeystrokeTiming PasswordAuthentication PermitLocalCommand
  PreferredAuthentications Protocol PubkeyAuthentication RekeyLimit RequestTTY RSAAuthentication SendEnv ServerAliveCountMax
  ServerAliveInterval SetEnv StdinNull StreamLocalBindMask StreamLocalBindUnlink SyslogFacility Tag TCPKeepAlive UpdateHostKeys
  UseKeychain UsePrivilegedPort UseRoaming VisualHostKey WarnWeakCrypto XAuthLocation`);

/** Keywords that only the system's ssh can follow. */
const NEEDS_OPENSSH = words(`
  BindAddress BindInterface CanonicalDomains CanonicalizeFallbackLocal CanonicalizeHostname CanonicalizeMaxDots
  CanonicalizePermittedCNAMEs CASignatureAlgorithms CertificateFile Ciphers HostKeyAlgorithms HostKeyAlias HostName
  IdentityAgent KexAlgorithms MACs PKCS11Provider ProxyUseFdpass PubkeyAcceptedAlgorithms PubkeyAcceptedKeyTypes
  RequiredRSASize RevokedHostKeys SecurityKeyProvider`);

/** Keywords for ssh where there is a Kerberos ticket. Distributions set them for everybody. */
const FOR_OPENSSH = words(`
  GSSAPIAuthentication GSSAPIClientIdentity GSSAPIDelegateCredentials GSSAPIKeyExchange GSSAPIKexAlgorithms
  GSSAPIRenewalForcesRekey GSSAPIServerIdentity GSSAPITrustDNS`);

export const KEYWORDS: readonly string[] = [...FOLLOWED, ...IGNORED, ...NEEDS_OPENSSH, ...FOR_OPENSSH];

const SPELLINGS = new Map(KEYWORDS.map((keyword) => [keyword.toLowerCase(), keyword]));
const lower = (keywords: readonly string[]) => keywords.map((keyword) => keyword.toLowerCase());

/** In lower case, as ssh compares them. */
export const IGNORED_KEYWORDS: ReadonlySet<string> = new Set(lower(IGNORED));

/** Keywords for the system's ssh, in lower case. `needs openssh`: redkeep must not reach the host without it. */
export const OTHER_KEYWORDS: ReadonlyMap<string, "needs openssh" | "for openssh"> = new Map([
  ...lower(NEEDS_OPENSSH).map((keyword) => [keyword, "needs openssh"] as const),
  ...lower(FOR_OPENSSH).map((keyword) => [keyword, "for openssh"] as const),
]);

const CARRIES_NOTHING_ELSE = "redkeep's connection carries one script and nothing else: remove it";

/** Keywords that ssh knows, and that redkeep follows nowhere or only elsewhere: in lower case, with the end of the message. */
export const REFUSED: ReadonlyMap<string, string> = new Map([
  ...words(
    "DynamicForward LocalCommand LocalForward RemoteCommand RemoteForward SessionType Tunnel TunnelDevice",
  ).map((keyword) => [keyword.toLowerCase(), CARRIES_NOTHING_ELSE] as const),
  ["knownhostscommand", "redkeep follows it in ~/.ssh/config alone: set it there"],
]);

/** A keyword as ssh_config(5) writes it. */
export function spellingOf(keyword: string): string {
  return SPELLINGS.get(keyword.toLowerCase()) ?? keyword;
}
