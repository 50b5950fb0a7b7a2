import { listOf } from "../lib/words.ts";
import type { CommandTable } from "./acl-commands.ts";
import { type Permissions, permissions } from "./acl-permissions.ts";
import { type AclUser, channelWords, keyWords } from "./acl-user.ts";

/**
 * How the user found on a server differs from the wanted one, in words for people. Empty when both permit the
 * same, in whatever order and form Redis printed the rules.
 */
export function diffUsers(wanted: AclUser, found: AclUser, table: CommandTable): string[] {
  const differences: string[] = [];
  if (wanted.enabled !== found.enabled) {
    differences.push(found.enabled ? "is on, should be off" : "is off, should be on");
  }
  if (wanted.nopass !== found.nopass) {
    differences.push(found.nopass ? "needs no password" : "needs a password, should need none");
  } else differences.push(...diffPasswords(wanted.passwords, found.passwords));
  if (wanted.skipSanitizePayload !== found.skipSanitizePayload) {
    differences.push(
      `${found.skipSanitizePayload ? "skips" : "does not skip"} the check of RESTORE payloads`,
    );
  }
  const [should, does] = [permissions(wanted, table), permissions(found, table)];
  differences.push(...diffPermissions(should, does));
  const selectors = (list: readonly Permissions[]) => list.map(permissionsKey).sort().join("\n");
  if (selectors(should.selectors) !== selectors(does.selectors)) {
    differences.push(
      wanted.selectors.length === 0
        ? "has selectors that permit more"
        : "its selectors permit something else",
    );
  }
  return differences;
}

function diffPasswords(wanted: ReadonlySet<string>, found: ReadonlySet<string>): string[] {
  const missing = [...wanted].some((hash) => !found.has(hash));
  const extra = [...found].some((hash) => !wanted.has(hash));
  if (missing && extra) return ["has another password"];
  if (missing) return [found.size === 0 ? "has no password" : "lacks a password"];
  return extra ? ["has a password too many"] : [];
}

function diffPermissions(wanted: Permissions, found: Permissions): string[] {
  const differences: string[] = [];
  const extra = [...found.commands].filter((name) => !wanted.commands.has(name)).sort();
  const missing = [...wanted.commands].filter((name) => !found.commands.has(name)).sort();
  if (extra.length > 0) differences.push(`may also run ${listOf(extra)}`);
  if (missing.length > 0) differences.push(`may not run ${listOf(missing)}`);
  if (wanted.futureCommands !== found.futureCommands) {
    differences.push(`${found.futureCommands ? "may" : "may not"} run commands that modules add`);
  }
  const describe = (words: string[]) => (words.length === 0 ? "none" : words.sort().join(" "));
  const [keys, wantedKeys] = [describe(keyWords(found)), describe(keyWords(wanted))];
  if (keys !== wantedKeys) differences.push(`keys are ${keys}, should be ${wantedKeys}`);
  const [channels, wantedChannels] = [describe(channelWords(found)), describe(channelWords(wanted))];
  if (channels !== wantedChannels) differences.push(`channels are ${channels}, should be ${wantedChannels}`);
  return differences;
}

const permissionsKey = (permitted: Permissions): string =>
  JSON.stringify([
    [...permitted.commands].sort(),
    permitted.futureCommands,
    keyWords(permitted).sort(),
    channelWords(permitted).sort(),
  ]);
