import { z } from "zod";
import { secretOrGenerated } from "../../lib/secret-schema.ts";
import {
  matchesNearlyAll,
  nameProblem,
  PRESETS,
  type Preset,
  patternProblem,
  ruleProblem,
} from "../../redis/acl-presets.ts";
import { grantsDanger } from "../../redis/dangerous-rules.ts";
import { weakenable } from "../../verify/allowance.ts";
import type { TaskContext } from "../task.ts";

export const text = (problem: (value: string) => string | undefined) =>
  z.string().superRefine((value, issue) => {
    const message = problem(value);
    if (message !== undefined) issue.addIssue({ code: "custom", message });
  });

export const userParameters = weakenable(
  {
    name: text(nameProblem),
    preset: z.enum(PRESETS),
    keys: z.array(text((value) => patternProblem("key", value))).optional(),
    channels: z.array(text((value) => patternProblem("channel", value))).optional(),
    scripts: z.boolean().default(false),
    allow: z.array(text((value) => ruleProblem(value))).optional(),
    password: secretOrGenerated,
  },
  // Controls bound what every user but an administrator may do.
  {
    keys: { controls: ["RK-ACL-06"], weak: ({ preset, keys }) => weakPatterns(preset, keys) },
    channels: {
      controls: ["RK-ACL-06"],
      // A Sentinel finds the others by the channels of the servers.
      weak: ({ preset, channels }) => (preset === "sentinel" ? undefined : weakPatterns(preset, channels)),
    },
    allow: {
      controls: ["RK-ACL-05"],
      weak: ({ preset, allow = [] }) =>
        preset === "admin" ? undefined : allow.filter(grantsDanger).join(", ") || undefined,
    },
  },
);

export const user = userParameters.schema;

function weakPatterns(preset: Preset, patterns: readonly string[] = []): string | undefined {
  return (preset === "admin" ? [] : patterns).filter(matchesNearlyAll).join(", ") || undefined;
}

export const params = z.strictObject({
  file: z
    .string()
    .regex(/^\/[A-Za-z0-9._/-]+$/, "should be an absolute path")
    .default("/etc/redis/users.acl"),
  unlisted: z.enum(["keep", "remove"]).default("keep"),
  users: z
    .array(user)
    .default([])
    .superRefine((users, issue) => {
      for (const [index, { name }] of users.entries()) {
        if (users.findIndex((other) => other.name === name) < index) {
          issue.addIssue({
            code: "custom",
            path: [index, "name"],
            message: `should be named once, found "${name}" again`,
          });
        }
      }
    }),
});

export type AclParams = z.output<typeof params>;
export type Context = TaskContext<AclParams>;

/** Where a user stands in the playbook, by its name. */
export function placeOf({ name }: { name: string }): string {
  return `acl.users[${name}]`;
}

export type User = AclParams["users"][number];
