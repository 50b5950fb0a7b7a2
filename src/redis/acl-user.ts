import { createHash } from "node:crypto";
import type { Secret } from "../lib/secret.ts";
import type { Capabilities } from "./versions.ts";

export type KeyAccess = "R" | "W" | "RW";

/** What one set of rules permits: a user's own, or one of the selectors in parentheses that follow them. */
export interface AclSelector {
  /** Command rules in order, lower case, from the last `+@all` or `-@all` on: `-@all`, `+@read`, `+config|get`. */
  rules: readonly string[];
  allKeys: boolean;
  keys: ReadonlyMap<string, KeyAccess>;
  allChannels: boolean;
  channels: ReadonlySet<string>;
}

export interface AclUser extends AclSelector {
  name: string;
  enabled: boolean;
  /** Any password logs in. */
  nopass: boolean;
  /** SHA-256 of each password, 64 hex digits in lower case. */
  passwords: ReadonlySet<string>;
  /** Payloads of `RESTORE` are taken unchecked even where the server checks those of clients. */
  skipSanitizePayload: boolean;
  selectors: readonly AclSelector[];
  /** The reasons why Redis would refuse the line. They never contain a password. */
  problems: readonly string[];
}

/** As Redis stores a password: SHA-256 in lower-case hex, without the `#` of the rule. */
export function hashPassword(password: Secret): string {
  return sha256(password.reveal());
}

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * The line of an ACL file for a user: single blanks, no comment, hashes only, every word one that this server
 * takes. Channels are left out for servers that do not know them.
 */
export function renderAclUser(user: AclUser, { aclChannels }: Capabilities): string {
  const passwords = [...user.passwords].map((hash) => `#${hash}`);
  if (user.nopass) passwords.push("nopass");
  if (passwords.length === 0) passwords.push("resetpass");
  return [
    "user",
    user.name,
    user.enabled ? "on" : "off",
    ...passwords,
    ...(user.skipSanitizePayload ? ["skip-sanitize-payload"] : []),
    ...selectorWords(user, aclChannels),
    ...user.selectors.map((selector) => `(${selectorWords(selector, aclChannels).join(" ")})`),
  ].join(" ");
}

function selectorWords(selector: AclSelector, aclChannels: boolean): string[] {
  const channels = aclChannels ? channelWords(selector) : [];
  if (aclChannels && !selector.allChannels) channels.unshift("resetchannels");
  return [...keyWords(selector), ...channels, ...selector.rules];
}

export const keyWords = ({ allKeys, keys }: Pick<AclSelector, "allKeys" | "keys">): string[] =>
  allKeys
    ? ["~*"]
    : [...keys].map(([pattern, access]) => `${access === "RW" ? "" : `%${access}`}~${pattern}`);

export const channelWords = ({
  allChannels,
  channels,
}: Pick<AclSelector, "allChannels" | "channels">): string[] =>
  allChannels ? ["&*"] : [...channels].map((pattern) => `&${pattern}`);
