const words = (text: string) => text.split(/\s+/).filter(Boolean);

/** The keywords that redkeep follows itself. */
const FOLLOWED = words(
  "ConnectTimeout IdentitiesOnly IdentityFile Port ProxyCommand ProxyJump StrictHostKeyChecking User UserKnownHostsFile",
);

/**
 * Without meaning for one connection of a few seconds that runs one script without a terminal: sharing connections, compression,
 * keep-alives, agents that are forwarded, logging, the order of login methods. None of them changes whom redkeep trusts.
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

/** Only the system's ssh can do these. */
const NEEDS_OPENSSH = words(`
  BindAddress BindInterface CanonicalDomains CanonicalizeFallbackLocal CanonicalizeHostname CanonicalizeMaxDots
  CanonicalizePermittedCNAMEs CASignatureAlgorithms CertificateFile Ciphers HostKeyAlgorithms HostKeyAlias HostName
  IdentityAgent KexAlgorithms MACs PKCS11Provider ProxyUseFdpass PubkeyAcceptedAlgorithms PubkeyAcceptedKeyTypes
  RequiredRSASize RevokedHostKeys SecurityKeyProvider`);

/** These say what ssh may do where there is a ticket; distributions set them for everybody. */
const FOR_OPENSSH = words(`
  GSSAPIAuthentication GSSAPIClientIdentity GSSAPIDelegateCredentials GSSAPIKeyExchange GSSAPIKexAlgorithms
  GSSAPIRenewalForcesRekey GSSAPIServerIdentity GSSAPITrustDNS`);

export const KEYWORDS: readonly string[] = [...FOLLOWED, ...IGNORED, ...NEEDS_OPENSSH, ...FOR_OPENSSH];

const SPELLINGS = new Map(KEYWORDS.map((keyword) => [keyword.toLowerCase(), keyword]));
const lower = (keywords: readonly string[]) => keywords.map((keyword) => keyword.toLowerCase());

/** In lower case, as ssh compares them. */
export const IGNORED_KEYWORDS: ReadonlySet<string> = new Set(lower(IGNORED));

/** Passed on to the system's ssh; `needs openssh`: without it the host must not be reached. In lower case. */
export const OTHER_KEYWORDS: ReadonlyMap<string, "needs openssh" | "for openssh"> = new Map([
  ...lower(NEEDS_OPENSSH).map((keyword) => [keyword, "needs openssh"] as const),
  ...lower(FOR_OPENSSH).map((keyword) => [keyword, "for openssh"] as const),
]);

const CARRIES_NOTHING_ELSE = "redkeep's connection carries one script and nothing else: remove it";

/** ssh knows these, and redkeep follows them nowhere or elsewhere; in lower case, with the end of the sentence. */
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
