import { hashPassword } from "../../redis/acl-user.ts";
import { foundUsers } from "../../redis/found-users.ts";
import { isWeakPassword } from "../../redis/weak-password.ts";
import type { Refusal } from "../../resources/kind.ts";
import type { PasswordOrigin } from "../../state/controller.ts";
import { type Check, check } from "../../verify/controls.ts";
import type { Context } from "./parameters.ts";

/** A password that the user has on this host and that is not this host's, as the state tells. */
export function originOf({ facts, server, controller }: Context, name: string): PasswordOrigin | undefined {
  const hashes = [...(foundUsers({ facts, server }).get(name)?.passwords ?? [])];
  return hashes.flatMap((hash) => controller.origin(name, hash) ?? [])[0];
}

/** Users whose generated password is here another one than the state's, and none that the state has had. */
export function unknownPasswords(context: Context): string[] {
  const { params, controller } = context;
  const found = foundUsers(context);
  return params.users
    .filter(({ name, password: source }) => {
      const password = controller.password(name);
      const hashes = found.get(name)?.passwords ?? new Set();
      return (
        "generate" in source &&
        "value" in password &&
        !controller.rotate.has(name) &&
        hashes.size > 0 &&
        !hashes.has(hashPassword(password.value)) &&
        originOf(context, name) === undefined
      );
    })
    .map(({ name }) => name);
}

/** By its hash alone: to try it would show a server what opens another. */
export function* otherServersPasswords(context: Context): Iterable<Refusal> {
  for (const { name } of context.params.users) {
    const origin = originOf(context, name);
    if (origin?.of !== "server" || context.controller.rotate.has(name)) continue;
    yield {
      guard: "other-password",
      found: `user ${name} has the password here that is made for ${origin.name}`,
      remedy: `where this is the same server under another name, set redkeep_password_name: ${origin.name} for it; else accept, and it gets its own`,
    };
  }
}

/** The administrator, where its password is known and the running server does not take it. */
export function refusedLogins({ params, facts, controller }: Context): string[] {
  const { user, loginError = "", endpoint } = facts.redis;
  // A way in is named where one was refused, whatever another way in said after it.
  if (user !== undefined || !(/^(NOAUTH|WRONGPASS)/.test(loginError) || endpoint.length > 0)) return [];
  const admin = params.users.find(({ preset }) => preset === "admin");
  return admin !== undefined && "value" in controller.password(admin.name) ? [admin.name] : [];
}

/** On the controller: what the passwords are worth, without a word of them. */
export function passwordChecks(context: Context): Check[] {
  const { params, controller } = context;
  const values = params.users.flatMap(({ name }) => {
    const password = controller.password(name);
    return "value" in password ? [{ name, text: password.value.reveal() }] : [];
  });
  const everywhere = params.users
    .filter(({ name }) => originOf(context, name)?.of === "all")
    .map(({ name }) => name);
  const weak = values.filter(({ text }) => isWeakPassword(text)).map(({ name }) => name);
  const shared = values
    .filter(({ text }, index) => values.findIndex((other) => other.text === text) < index)
    .map(({ name }) => name);
  return [
    check(
      "RK-ACL-10",
      {
        expected:
          "at least 16 characters, no example, one for each user, the administrator's for each server",
        observed:
          [
            weak.length > 0 ? `weak: ${weak.join(", ")}` : "",
            shared.length > 0 ? `used twice: ${shared.join(", ")}` : "",
            everywhere.length > 0 ? `the same on all servers: ${everywhere.join(", ")}` : "",
          ]
            .filter(Boolean)
            .join("; ") || `${values.length} passwords hold`,
        source: "the controller's secrets",
        isAdvisory: true,
      },
      values.length + everywhere.length === 0
        ? { outcome: "skip" }
        : weak.length + shared.length + everywhere.length === 0,
    ),
  ];
}
