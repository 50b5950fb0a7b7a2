import type { Resource } from "../resources/kind.ts";
import { settingsOf } from "../resources/rendered-settings.ts";
import { defaultUserChecks } from "./acl/default-user-checks.ts";
import { dryRunChecks, dryRunsFor } from "./acl/dry-runs.ts";
import { aclAttributes, aclPath, missingDirectory } from "./acl/file.ts";
import { fileChecks } from "./acl/file-checks.ts";
import { channelNotes, loginNotes, scriptNotes } from "./acl/notes.ts";
import { type AclParams, params, placeOf, userParameters } from "./acl/parameters.ts";
import { otherServersPasswords, passwordChecks, refusedLogins, unknownPasswords } from "./acl/passwords.ts";
import { fileRefusals, linkRefusals, nobodyLeft, ruleRefusals } from "./acl/refusals.ts";
import { userChecks } from "./acl/user-checks.ts";
import { wantedUsers } from "./acl/users.ts";
import { defineTask } from "./task.ts";

declare module "./task.ts" {
  interface TaskParams {
    acl: AclParams;
  }
}

/** The all-powerful default user goes off; named users get what their work needs. */
export default defineTask("acl", {
  params,
  leftOut: {
    users: [
      {
        name: "app",
        preset: "application",
        keys: ["app:*"],
        channels: ["app:*"],
        password: { env: "APP_PASSWORD" },
      },
      { name: "metrics", preset: "metrics", password: { generate: true } },
      { name: "admin", preset: "admin", password: { generate: true } },
    ],
  },
  facts: ["certificates", "proofs"],
  phase: "settings",

  probe: ({ file, users }) => ({
    paths: [file, aclPath(file, "/etc/valkey/")],
    dryRuns: users.filter(({ preset }) => preset === "application").flatMap(dryRunsFor),
    // Of keys that are one in ten, one is then missed once in 850 times. Each is one quick question.
    keySamples: 64,
  }),

  secrets: ({ users }) => new Map(users.map(({ name, password }) => [name, password])),

  allowances: ({ users }) => users.flatMap((user) => userParameters.all(user, placeOf(user))),

  desired: (context) => {
    const { params, server, render } = context;
    const path = aclPath(params.file, server.configPath);
    const { users, kept, generated, refusals } = wantedUsers(context);
    const resources: Resource[] = [
      ...settingsOf(render("acl.conf.ejs", { file: path }), "acl.conf.ejs"),
      {
        kind: "no-setting",
        name: "requirepass",
        secret: true,
        after: "the ACL file: requirepass is ignored beside it",
      },
      { kind: "no-setting", name: "user", secret: true, after: "the ACL file: both together stop Redis" },
      ...missingDirectory(context, path),
      {
        kind: "acl-file",
        path,
        users,
        kept,
        removesUnlisted: params.unlisted === "remove",
        listed: params.users.map(({ name }) => name),
        generated,
        unknownPasswords: unknownPasswords(context),
        refused: refusedLogins(context),
        attributes: aclAttributes(server.group),
      },
    ];
    return {
      resources,
      refusals: [
        ...refusals,
        ...otherServersPasswords(context),
        ...fileRefusals(context),
        ...linkRefusals(context),
        ...ruleRefusals(context),
        ...nobodyLeft([...users, ...kept]),
      ],
      notes: [...loginNotes(context), ...channelNotes(context), ...scriptNotes(context)],
    };
  },

  checks: (context) => [
    ...defaultUserChecks(context),
    ...userChecks(context),
    ...fileChecks(context),
    ...dryRunChecks(context),
    ...passwordChecks(context),
  ],
});
