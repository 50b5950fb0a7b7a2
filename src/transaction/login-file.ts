import { HostError } from "../connection/connection.ts";
import { redisWord } from "../facts/redis-script.ts";
import type { ServerLogin } from "../facts/server-login.ts";
import type { Secret } from "../lib/secret.ts";
import { endpointRefusals } from "../plan/endpoint.ts";

/** A way into Redis for the host's program: redis-cli's words and, where a password is known, who logs in. */
export interface Login {
  endpoint: readonly string[];
  auth: ServerLogin | { password: Secret } | undefined;
  /** False where being alive is all that can be asked. */
  isKnown: boolean;
}

/**
 * As transaction.sh reads `login.old` and `login.new`.
 *
 * @param config the name under which CONFIG answers
 * @throws HostError where transaction.sh would hand redis-cli words that are none of ours: a rollback has no plan to refuse them.
 */
export function loginText(login: Login, config: string): string {
  for (const { found, remedy } of endpointRefusals(login.endpoint))
    throw new HostError("failed", found, remedy);
  return `${login.endpoint.join(" ")}\n${authLine(login.auth)}\n${config}\n${login.isKnown ? "" : "any"}\n`;
}

/** What logs in; nothing where nobody has to. */
export function authLine(auth: Login["auth"]): string {
  if (auth === undefined) return "";
  return `AUTH ${"user" in auth ? `${redisWord(auth.user)} ` : ""}${redisWord(auth.password.reveal())}`;
}

/** Who logged in before the run; a rollback finds the password again by this word. */
export function authKind({ auth, isKnown }: Login): "admin" | "requirepass" | "none" | "unknown" {
  if (!isKnown) return "unknown";
  if (auth === undefined) return "none";
  return "user" in auth ? "admin" : "requirepass";
}
