import { z } from "zod";

/** Where a secret parameter comes from: exactly one of env, file and command. */
export const secretSource = z.union(
  [
    z.strictObject({ env: z.string().min(1) }),
    z.strictObject({ file: z.string().min(1) }),
    z.strictObject({ command: z.array(z.string()).min(1) }),
  ],
  { error: "should be one of { env: NAME }, { file: PATH } and { command: [PROGRAM, ARGUMENT, …] }" },
);

export const generated = z.strictObject({ generate: z.literal(true) });

/** A secret from the user, or one that redkeep makes and keeps. */
export const secretOrGenerated = z.union([secretSource, generated], {
  error: "should be one of { env: NAME }, { file: PATH }, { command: [PROGRAM, …] } and { generate: true }",
});
