import { diffUsers } from "../../redis/diff-users.ts";
import { foundUsers } from "../../redis/found-users.ts";
import { parseAclFile } from "../../redis/parse-acl.ts";
import { type Check, check, noLogin } from "../../verify/controls.ts";
import { aclPath } from "./file.ts";
import type { Context } from "./parameters.ts";

/** Whether the ACL file alone says who may log in, can be loaded, and says what is in memory. */
export function fileChecks(context: Context): Check[] {
  const { params, facts, server } = context;
  const path = aclPath(params.file, server.configPath);
  const content = facts.configFiles.aclFiles.get(path);
  const inline = server.config.all("user").length;
  const requirepass = server.config.get("requirepass") !== undefined;
  const aclfile = server.config.get("aclfile")?.[0] ?? "";
  const both = [inline > 0 ? `${inline} user line(s)` : "", requirepass ? "requirepass" : ""]
    .filter(Boolean)
    .join(" and ");
  const parsed = content === undefined ? undefined : parseAclFile(content, path);
  const checks = [
    check(
      "RK-ACL-03",
      {
        expected: `aclfile ${path} alone`,
        observed:
          aclfile === ""
            ? `no aclfile${both === "" ? "" : `, but ${both}`}`
            : both === ""
              ? `aclfile ${aclfile}`
              : `aclfile beside ${both}`,
        source: server.configPath,
      },
      aclfile === path && both === "",
    ),
    check(
      "RK-ACL-04",
      {
        expected: "parses, with a line for the default user",
        observed:
          parsed === undefined
            ? `${path} is not there`
            : (parsed.problems[0]?.message ??
              `${parsed.users.length} users${parsed.users.some(({ user }) => user.name === "default") ? ", default among them" : ", no default user"}`),
        source: path,
      },
      parsed !== undefined &&
        parsed.problems.length === 0 &&
        parsed.users.some(({ user }) => user.name === "default"),
    ),
  ];
  if (parsed === undefined || content === undefined) return checks;
  const table = server.commands;
  const running = foundUsers(context);
  const clear = /(^|\s)>/m.test(content);
  const stored = new Map(parsed.users.map(({ user }) => [user.name, user]));
  const ours = new Set(["default", ...params.users.map(({ name }) => name)]);
  const apart =
    table === undefined || facts.redis.aclUsers === undefined
      ? undefined
      : [...new Set([...stored.keys(), ...running.keys()])].flatMap((name) => {
          const [there, now] = [stored.get(name), running.get(name)];
          if (there === undefined) return [{ name, how: "lives only in memory" }];
          if (now === undefined) return [{ name, how: "stands only in the file" }];
          return diffUsers(there, now, table).length === 0
            ? []
            : [{ name, how: "has other rules in memory than in the file" }];
        });
  const others = apart?.filter(({ name }) => !ours.has(name)) ?? [];
  const differing = apart?.filter(({ name }) => ours.has(name)).map(({ name }) => name) ?? [];
  checks.push(
    apart === undefined
      ? noLogin(
          "RK-ACL-09",
          "hashes, the same in file and memory",
          path,
          facts.redis.loginError ?? "ACL LIST does not answer",
        )
      : check(
          "RK-ACL-09",
          {
            expected: "hashes, the same in file and memory",
            observed: clear
              ? "a password in clear text"
              : differing.length === 0
                ? "hashes, the same"
                : `file and memory differ: ${differing.join(", ")}`,
            source: `${path} against ACL LIST`,
          },
          !clear && differing.length === 0,
        ),
  );
  // Users that the playbook lacks are left as they are: apply is not to be put back for them.
  if (apart !== undefined)
    checks.push(
      check(
        "RK-ACL-09",
        {
          expected: "no other user, or rule of one, in one of both alone",
          observed: others.map(({ name, how }) => `"${name}" ${how}`).join("; ") || "none",
          source: `${path} against ACL LIST`,
          isAdvisory: params.unlisted === "keep",
        },
        others.length === 0,
      ),
    );
  return checks;
}
