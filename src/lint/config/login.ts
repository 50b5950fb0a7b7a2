import { isWeakPassword } from "../../redis/weak-password.ts";
import type { Report } from "../finding.ts";
import type { Settings } from "./settings.ts";

export function lintLogin(settings: Settings, report: Report): void {
  const { document } = settings;
  const users = document.all("user");
  const hasAclFile = settings.text("aclfile") !== "";
  const password = settings.text("requirepass");
  if (hasAclFile && users.length > 0) {
    const [first] = users;
    const message = "user lines beside an aclfile: Redis does not start";
    if (first !== undefined) report(first, "RK-ACL-03", message, "move them into the ACL file");
  }
  if (password !== "") {
    const place = settings.place("requirepass");
    if (hasAclFile)
      report(
        place,
        "RK-ACL-03",
        "Redis ignores requirepass beside an aclfile: without a default line there, the server is open",
        "remove it, and write into the ACL file: user default off resetpass -@all",
      );
    const line = users.find(({ args }) => args[0] === "default");
    if (line !== undefined)
      report(
        line,
        "RK-ACL-03",
        "this line, which CONFIG REWRITE leaves, overrides requirepass: the old password still works",
        "keep one of the two",
      );
    report(place, "RK-ACL-09", "the password stands in clear text", "use an ACL file with hashes", "medium");
    if (isWeakPassword(password))
      report(
        place,
        "RK-ACL-10",
        "the password is short, or a known example",
        "use a random one of at least 16 characters",
      );
  }
  const hasDefault = users.some(({ args }) => args[0] === "default");
  if (settings.isWhole && !hasAclFile && password === "" && !hasDefault)
    report(
      settings.start,
      "RK-ACL-01",
      "no aclfile and no password: anybody who reaches the server may do everything",
      "give it an ACL file with: user default off resetpass -@all",
    );
  if (settings.has("replicaof") && hasAclFile && !settings.has("masteruser"))
    report(
      settings.place("replicaof"),
      "RK-ACL-11",
      "the replica logs in as the default user, which a hardened primary has switched off",
      "set masteruser and masterauth to a user with +psync +replconf +ping",
    );
  if (settings.word("acl-pubsub-default") === "allchannels")
    report(
      settings.place("acl-pubsub-default"),
      "RK-ACL-14",
      "new users reach every channel",
      "acl-pubsub-default resetchannels",
    );
  if (settings.word("acllog-max-len") === "0")
    report(
      settings.place("acllog-max-len"),
      "RK-ACL-15",
      "refused logins and commands are not kept",
      "acllog-max-len 128",
    );
}
