import { describe, expect, it } from "vitest";
import { renderAclUser } from "../../src/redis/acl-user.ts";
import { diffUsers } from "../../src/redis/diff-users.ts";
import { parseAclUser } from "../../src/redis/parse-acl.ts";
import { serverVersion } from "../../src/redis/versions.ts";
import { ACL_FILES, fixture, SERVERS, tableOf, usersOf } from "./acl-fixtures.ts";

const HASH = "a".repeat(64);
const { capabilities } = serverVersion({ redisVersion: "7.0.15" });

describe("renderAclUser", () => {
  it.each(SERVERS.flatMap((server) => ACL_FILES.map((file) => ({ ...server, file }))))(
    "writes $file for $server so that it means the same when read back",
    ({ server, version, file }) => {
      for (const user of usersOf(fixture(`${server}/${file}.acl`)).values()) {
        const line = renderAclUser(user, version.capabilities);
        expect(line).not.toMatch(/ {2}|[\r\n\t>]/);
        expect(diffUsers(user, parseAclUser(line), tableOf(server))).toEqual([]);
      }
    },
  );

  it("writes a preset in the measured form", () => {
    const line = `user app on #${HASH} ~app:* resetchannels &app:* -@all +@read -@dangerous +info`;
    expect(renderAclUser(parseAclUser(line), capabilities)).toBe(line);
    expect(renderAclUser(parseAclUser("user default off"), capabilities)).toBe(
      "user default off resetpass resetchannels -@all",
    );
  });

  it("leaves out channels for Redis 6.0, where they are a syntax error", () => {
    const { capabilities: redis6 } = serverVersion({ redisVersion: "6.0.16" });
    expect(renderAclUser(parseAclUser("user a on nopass ~* &* +@all"), redis6)).toBe(
      "user a on nopass ~* +@all",
    );
  });
});
