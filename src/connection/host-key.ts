import type { ServerHostKeyAlgorithm } from "ssh2";
import { shellQuote } from "../shell/quote.ts";
import { HostError } from "./connection.ts";
import {
  addKnownHost,
  checkHostKey,
  fingerprint,
  keyType,
  knownHostsName,
  knownKeyTypes,
} from "./known-hosts.ts";
import { endpoint, tilde } from "./names.ts";
import { oneLine } from "./one-line.ts";
import { isRevoked } from "./revoked-keys.ts";
import type { ResolvedConnection } from "./ssh-config.ts";

/** No command that writes: the file may be anything that the inventory's writer would have a line of theirs in. */
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

/** ssh2's algorithms, those first by which the host is known: asked for another type, a known host looks changed. */
export function hostKeyAlgorithms(target: ResolvedConnection): ServerHostKeyAlgorithm[] {
  const [name, port] = nameInKnownHosts(target);
  const known = algorithmsOf(knownKeyTypes(name, port, target.knownHostsFiles));
  return [...new Set([...known, ...HOST_KEY_ALGORITHMS])];
}

/** @throws HostError when the key is revoked or is not the one on file, or there is none on file and new ones are not to be accepted or cannot be kept. */
export function admitHostKey(key: Buffer, target: ResolvedConnection): void {
  const [name, port] = nameInKnownHosts(target);
  const files = target.knownHostsFiles;
  const of = `the host key of ${target.host} (${endpoint(target)})`;
  const shown = `${keyType(key)} ${fingerprint(key)}`;
  const refuse = (message: string, remedy: string) =>
    new HostError("unreachable", `${of} ${message}`, remedy);
  const at = (place: { file: string; line?: number | undefined }) => `${tilde(place.file)}:${place.line}`;

  for (const file of target.revokedKeysFiles) {
    let revoked: boolean;
    try {
      revoked = isRevoked(key, file);
    } catch (error) {
      throw refuse(
        `may be revoked: ${tilde(file)}, the RevokedHostKeys of ~/.ssh/config, cannot be used: ${oneLine((error as Error).message)}`,
        "Correct the file, or take RevokedHostKeys out.",
      );
    }
    if (revoked) throw refuse(`is revoked by ${tilde(file)}: ${shown}`, "");
  }
  const verdict = checkHostKey(name, port, key, files);
  if (verdict.outcome === "ok") return;
  if (verdict.outcome === "revoked") throw refuse(`is marked @revoked in ${at(verdict.place)}: ${shown}`, "");
  if (verdict.outcome === "changed") {
    const removal = `ssh-keygen -R ${quoteIfNeeded(knownHostsName(name, port))} -f ${quoteIfNeeded(verdict.place.file)}`;
    throw refuse(
      `has changed: it shows ${shown}, but ${at(verdict.place)} has ${verdict.type} ${verdict.fingerprint}`,
      `Somebody may be in between. Only if the host was set up anew: ${removal}, then add the new key.`,
    );
  }
  const file = target.newHostKeysFile;
  if (target.strictHostKeyChecking === "accept-new" && file !== undefined) {
    try {
      addKnownHost(file, name, port, key);
      return;
    } catch (error) {
      throw refuse(`is new and cannot be added to ${tilde(file)}: ${(error as Error).message}`, "");
    }
  }
  if (target.strictHostKeyChecking === "accept-new" && target.inventoryNamesKnownHosts) {
    throw refuse(
      `is new: ${shown}; accept-new keeps keys in known_hosts files of your own alone, and not in ${tilde(files[0] ?? "")}, which the inventory names`,
      OWN_FILE,
    );
  }
  const authority = verdict.certAuthority;
  const unsupported = authority
    ? `; the @cert-authority in ${at(authority)} does not count, as redkeep knows no host certificates`
    : "";
  const portOption = target.port === 22 ? "" : ` -p ${target.port}`;
  // ssh-keyscan writes the name that it is given, and the key is looked for under the alias.
  const { hostKeyAlias } = target;
  const renamed = hostKeyAlias === undefined ? "" : ` | sed 's/^[^ ]*/${hostKeyAlias}/'`;
  const scan = `ssh-keyscan${portOption} ${quoteIfNeeded(target.address)}${renamed} >>${quoteIfNeeded(tilde(file ?? "~/.ssh/known_hosts"))}`;
  throw refuse(
    `is not in ${files.length === 0 ? "any known_hosts file" : tilde(files[0] ?? "")}: ${shown}${unsupported}`,
    target.inventoryNamesKnownHosts && file === undefined
      ? OWN_FILE
      : target.jumps.length > 0 || !isPlainName(hostKeyAlias)
        ? "Log in once with ssh and compare the fingerprint with the host's own."
        : `Compare the fingerprint with the host's own, then: ${scan}`,
  );
}

/** Name and port under which the host stands in known_hosts; an alias stands there without a port. */
function nameInKnownHosts({ hostKeyAlias, address, port }: ResolvedConnection): [string, number] {
  return hostKeyAlias === undefined ? [address, port] : [hostKeyAlias, 22];
}

/** An RSA key, `ssh-rsa` in the file, is asked for by its signature algorithms. */
function algorithmsOf(types: readonly string[]): ServerHostKeyAlgorithm[] {
  const names = types.flatMap((type) => (type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type]));
  return HOST_KEY_ALGORITHMS.filter((algorithm) => names.includes(algorithm));
}

const quoteIfNeeded = (word: string) => (/^[\w./~@:-]+$/.test(word) ? word : shellQuote(word));

/** An alias that can stand in a shell's and a sed's word as it is. */
const isPlainName = (alias: string | undefined) => alias === undefined || /^[\w.:-]+$/.test(alias);
