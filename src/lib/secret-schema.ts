import { z } from "zod";
import { parseSecretSource, type SecretSource } from "./secret-source.ts";

/** Where a secret parameter comes from: exactly one of env, file and command. What was found is never shown. */
export const secretSource = z.unknown().transform((value, context): SecretSource => {
  const source = parseSecretSource(value);
  if (typeof source !== "string") return source;
  context.addIssue({ code: "custom", message: source });
  return z.NEVER;
});

/** A secret from the user, or one that redkeep makes and keeps. */
export const secretOrGenerated = z.union([z.strictObject({ generate: z.literal(true) }), secretSource], {
  error:
    "expected, instead of the secret itself, { env: NAME }, { file: PATH } (ansible-vault may have encrypted it), { command: [PROGRAM, ARGUMENT, …] } or { generate: true }",
});
