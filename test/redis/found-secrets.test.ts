import { expect, it } from "vitest";
import { foundSecrets } from "../../src/redis/found-secrets.ts";

it("the secrets that redis.conf, its includes and the ACL file hold in clear text are found", () => {
  const main = {
    path: "/etc/redis/redis.conf",
    text: `# requirepass of-a-comment
port 6379
requirepass "old \\"pass\\x21"
  MasterAuth 'it\\'s'
rename-command CONFIG cfg-0815
rename-command FLUSHALL ""
user bob on >first <second #${"0".repeat(64)} ~* +@all
tls-key-file-pass "unbalanced
`,
  };
  const includes = [{ path: "/etc/redis/more.conf", text: "primaryauth of-the-include\r\n" }];
  const aclFiles = new Map([["/etc/redis/users.acl", "user eve on >third ~*\nuser default off"]]);
  expect(
    foundSecrets({ main, includes, aclFiles, dropIn: undefined, unreadable: new Set<string>() }),
  ).toEqual([
    'old "pass!',
    "it's",
    "cfg-0815",
    "",
    "first",
    "second",
    '"unbalanced',
    "of-the-include",
    "third",
  ]);
  expect(
    foundSecrets({
      main: undefined,
      includes: [],
      aclFiles: new Map(),
      dropIn: undefined,
      unreadable: new Set<string>(),
    }),
  ).toEqual([]);
});
