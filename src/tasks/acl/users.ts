import type { CommandTable } from "../../redis/acl-commands.ts";
import { type Permissions, permissions } from "../../redis/acl-permissions.ts";
import { disabledDefaultUser, presetUser } from "../../redis/acl-presets.ts";
import { type AclUser, hashPassword } from "../../redis/acl-user.ts";
import { foundUsers, type StoredUser, storedUsers } from "../../redis/found-users.ts";
import { isWeakPassword } from "../../redis/weak-password.ts";
import type { Refusal } from "../../resources/kind.ts";
import { bringPasswords } from "../../state/bring-state.ts";
import type { Context, User } from "./parameters.ts";
import { originOf } from "./passwords.ts";

/** The playbook's users with their password's hash; a user whose password apply will make keeps none for now. */
export function playbookUsers({
  params,
  server,
  controller,
}: Context): { user: AclUser; isGenerated: boolean }[] {
  return params.users.map(({ name, preset, keys, channels, scripts, allow }) => {
    const password = controller.password(name);
    const user = presetUser(
      {
        name,
        preset,
        keys,
        channels,
        scripts,
        allow,
        passwordHash: "value" in password ? hashPassword(password.value) : "",
      },
      server.version.capabilities,
    );
    return "value" in password
      ? { user, isGenerated: false }
      : { user: { ...user, passwords: new Set<string>() }, isGenerated: true };
  });
}

/** The users of the ACL file to be, and why it may not be written. */
export function wantedUsers(context: Context): {
  users: AclUser[];
  kept: StoredUser[];
  generated: string[];
  refusals: Refusal[];
} {
  const { params, server, controller } = context;
  const found = foundUsers(context);
  const playbook = playbookUsers(context);
  const strangers = playbook
    .filter(
      ({ user, isGenerated }) =>
        isGenerated &&
        (found.get(user.name)?.passwords.size ?? 0) > 0 &&
        !controller.rotate.has(user.name) &&
        originOf(context, user.name) === undefined,
    )
    .map(({ user: { name } }) => name);
  const refusals: Refusal[] = strangers.map((name) => ({
    guard: null,
    found: `user ${name} has a password on the host that is not in this controller's state (${controller.state.name})`,
    remedy: bringPasswords(controller.state, strangers),
  }));
  for (const { name } of params.users) {
    const password = controller.password(name);
    if ("value" in password && isWeakPassword(password.value.reveal())) {
      refusals.push({
        guard: "weak-password",
        found: `the password of user ${name} has fewer than 16 characters, or is a known example`,
        remedy: "use one of at least 16 random characters, or { generate: true }",
      });
    }
  }
  const listed = new Set(["default", ...playbook.map(({ user }) => user.name)]);
  const kept =
    params.unlisted === "keep"
      ? [...storedUsers(context).values()].filter(({ name }) => !listed.has(name))
      : [];
  for (const { name, problems } of kept) {
    const [problem] = problems;
    if (problem === undefined) continue;
    refusals.push({
      guard: null,
      found: `user ${name} on the host has a rule that redkeep cannot read, so it cannot be kept: ${problem}`,
      remedy: "put the user into the playbook, or say acl.unlisted: remove",
    });
  }
  return {
    users: [
      disabledDefaultUser(server.version.capabilities, { replaysAof: replaysAof(context) }),
      ...playbook.map(({ user }) => user),
    ],
    kept: kept.sort((a, b) => (a.name < b.name ? -1 : 1)),
    generated: playbook.filter(({ isGenerated }) => isGenerated).map(({ user }) => user.name),
    refusals,
  };
}

/** Whether an AOF will be on, by the playbook or else as the server has it. */
function replaysAof({ server, config, others: { persistence } }: Context): boolean {
  if (persistence !== undefined && persistence.mode !== "keep") return persistence.mode.includes("aof");
  return (server.running?.get("appendonly") ?? config.get("appendonly")?.[0]) === "yes";
}

/** What the playbook lets a user run. */
export function permitsOf({ server }: Context, user: User, table: CommandTable): Permissions {
  return permissions(presetUser({ ...user, passwordHash: "" }, server.version.capabilities), table);
}
