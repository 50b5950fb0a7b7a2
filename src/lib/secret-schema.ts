import { z } from "zod";
import { isKnownSecret, Secret } from "./secret.ts";
import { parseSecretSource, type SecretSource } from "./secret-source.ts";

/**
 * Where a secret parameter comes from: exactly one of env, file and command, or a variable whose value came from a vault, which
 * this process knows as a secret. What was found is never shown.
 */
export const secretSource = z.unknown().transform((value, context): SecretSource => {
  if (typeof value === "string" && isKnownSecret(value)) return { vaulted: new Secret(value) };
  const source = parseSecretSource(value);
  if (typeof source !== "string") return source;
  context.addIssue({ code: "custom", message: source });
  return z.NEVER;
});

/** A secret from the user, or one that redkeep makes and keeps. */
export const secretOrGenerated = z.union([z.strictObject({ generate: z.literal(true) }), secretSource], {
  error:
    "expected, instead of the secret itself, { env: NAME }, { file: PATH } (ansible-vault may have encrypted it), { command: [PROGRAM, ARGUMENT, …] }, { generate: true } or a variable from Ansible Vault",
});
