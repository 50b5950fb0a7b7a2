import type { ServerHostKeyAlgorithm } from "ssh2";
import { errorOf } from "../lib/errors.ts";
import { shellQuote } from "../shell/quote.ts";
import { HostError } from "./connection.ts";
import {
  addKnownHost,
  checkHostKey,
  fingerprint,
  type HostKeyVerdict,
  keyType,
  knownHostsName,
  knownKeyTypes,
  type ShownKey,
} from "./known-hosts.ts";
import { endpoint, tilde } from "./names.ts";
import { oneLine } from "./one-line.ts";
import { isRevoked } from "./revoked-keys.ts";
import type { ResolvedConnection } from "./ssh-config.ts";

/** We suggest no command here: the inventory names the file, and could so have you add a line of its own to any file. */
const OWN_FILE =
  "Compare the fingerprint with the host's own, then add the key to a known_hosts file, and name that by --known-hosts.";

/** ssh2's own list. */
const HOST_KEY_ALGORITHMS: readonly ServerHostKeyAlgorithm[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
  "ssh-rsa",
];

/** ssh2's algorithms, first those of the keys on file: a known host that is asked for another type would look changed. */
export function hostKeyAlgorithms(target: ResolvedConnection): ServerHostKeyAlgorithm[] {
  const [name, port] = nameInKnownHosts(target);
  const known = algorithmsOf(knownKeyTypes(name, port, target.knownHostsFiles));
  return [...new Set([...known, ...HOST_KEY_ALGORITHMS])];
}

/**
 * Returns where the key is the one on file, or is new and was stored.
 * @throws HostError where it is revoked, differs from the one on file, or is new and may not or cannot be stored
 */
export function admitHostKey(key: Buffer, target: ResolvedConnection): void {
  const [name, port] = nameInKnownHosts(target);
  const shown = { type: keyType(key), fingerprint: fingerprint(key) };
  for (const file of target.revokedKeysFiles) {
    let revoked: boolean;
    try {
      revoked = isRevoked(key, file);
    } catch (error) {
      throw refusal(
        target,
        `may be revoked: ${tilde(file)}, the RevokedHostKeys of ~/.ssh/config, cannot be used: ${oneLine(errorOf(error).message)}`,
        "Correct the file, or remove RevokedHostKeys.",
      );
    }
    if (revoked) throw refusal(target, `is revoked by ${tilde(file)}: ${textOf(shown)}`);
  }
  const verdict = checkHostKey(name, port, key, target.knownHostsFiles);
  if (verdict.outcome === "ok") return;
  const file = target.newHostKeysFile;
  if (verdict.outcome === "unknown" && target.strictHostKeyChecking === "accept-new" && file !== undefined) {
    try {
      addKnownHost(file, name, port, key);
      target.onNewHostKey?.(storedHostKey(target, shown, file));
      return;
    } catch (error) {
      throw notAddable(target, file, errorOf(error));
    }
  }
  throw refusedHostKey(
    target,
    shown,
    verdict,
    (authority) =>
      `; the @cert-authority in ${authority} does not count, as ssh2 knows no host certificates: that needs redkeep_transport: openssh`,
  );
}

/**
 * Why `shown` does not count for the host, and what to do.
 * @param ofAuthority what to say of a @cert-authority line that names the host, by its place
 */
export function refusedHostKey(
  target: ResolvedConnection,
  shown: ShownKey,
  verdict: Exclude<HostKeyVerdict, { outcome: "ok" }>,
  ofAuthority: (place: string) => string,
): HostError {
  const [name, port] = nameInKnownHosts(target);
  const files = target.knownHostsFiles;
  const at = (place: { file: string; line?: number | undefined }) => `${tilde(place.file)}:${place.line}`;
  if (verdict.outcome === "revoked")
    return refusal(target, `is marked @revoked in ${at(verdict.place)}: ${textOf(shown)}`);
  if (verdict.outcome === "changed") {
    const removal = `ssh-keygen -R ${quoteIfNeeded(knownHostsName(name, port))} -f ${quoteIfNeeded(verdict.place.file)}`;
    return refusal(
      target,
      `has changed: it shows ${textOf(shown)}, but ${at(verdict.place)} has ${verdict.type} ${verdict.fingerprint}`,
      `Somebody may be intercepting the connection. Only if the host was reinstalled: ${removal}, then add the new key.`,
    );
  }
  const file = target.newHostKeysFile;
  if (
    target.strictHostKeyChecking === "accept-new" &&
    target.inventoryNamesKnownHosts &&
    file === undefined
  ) {
    return refusal(
      target,
      `is new: ${textOf(shown)}; accept-new writes only to your own known_hosts files, and not to ${tilde(files[0] ?? "")}, which the inventory names`,
      OWN_FILE,
    );
  }
  const authority = verdict.certAuthority === undefined ? "" : ofAuthority(at(verdict.certAuthority));
  const portOption = target.port === 22 ? "" : ` -p ${target.port}`;
  // ssh-keyscan prints the name that it was given; we look the key up under the alias.
  const { hostKeyAlias } = target;
  const renamed = hostKeyAlias === undefined ? "" : ` | sed 's/^[^ ]*/${hostKeyAlias}/'`;
  const scan = `ssh-keyscan${portOption} ${quoteIfNeeded(target.address)}${renamed} >>${quoteIfNeeded(tilde(file ?? "~/.ssh/known_hosts"))}`;
  return refusal(
    target,
    `is not in ${files.length === 0 ? "any known_hosts file" : tilde(files[0] ?? "")}: ${textOf(shown)}${authority}`,
    target.inventoryNamesKnownHosts && file === undefined
      ? OWN_FILE
      : target.jumps.length > 0 || target.proxyCommand !== undefined || !isPlainName(hostKeyAlias)
        ? "Log in once with ssh and compare the fingerprint with the host's own."
        : `Compare the fingerprint with the host's own, then: ${scan}`,
  );
}

/** @param message continues a sentence that begins with the host key */
export function refusal(target: ResolvedConnection, message: string, remedy = ""): HostError {
  return new HostError("unreachable", `${nameOf(target)} ${message}`, remedy);
}

export function notAddable(target: ResolvedConnection, file: string, reason: Error): HostError {
  return refusal(target, `is new and cannot be added to ${tilde(file)}: ${reason.message}`);
}

/** What is said of a host's first key once it is stored. */
export function storedHostKey(target: ResolvedConnection, shown: ShownKey, file: string): string {
  return `${nameOf(target)} is new: ${textOf(shown)} was stored in ${tilde(file)}`;
}

const nameOf = (target: ResolvedConnection) => `the host key of ${target.host} (${endpoint(target)})`;

export const textOf = ({ type, fingerprint }: ShownKey) => `${type} ${fingerprint}`;

/** Name and port that known_hosts has the host under; an alias has no port there. */
export function nameInKnownHosts({ hostKeyAlias, address, port }: ResolvedConnection): [string, number] {
  return hostKeyAlias === undefined ? [address, port] : [hostKeyAlias, 22];
}

/** known_hosts calls an RSA key `ssh-rsa`; we ask for it by its signature algorithms. */
function algorithmsOf(types: readonly string[]): ServerHostKeyAlgorithm[] {
  const names = types.flatMap((type) => (type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type]));
  return HOST_KEY_ALGORITHMS.filter((algorithm) => names.includes(algorithm));
}

const quoteIfNeeded = (word: string) => (/^[\w./~@:-]+$/.test(word) ? word : shellQuote(word));

/** An alias that needs no quoting in shell or sed. */
const isPlainName = (alias: string | undefined) => alias === undefined || /^[\w.:-]+$/.test(alias);
