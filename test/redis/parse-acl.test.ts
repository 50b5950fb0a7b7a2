import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { parseAclFile, parseAclUser } from "../../src/redis/parse-acl.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("parseAclUser", () => {
  it("hashes a clear password at once", () => {
    const user = parseAclUser("user app on >hunter2-hunter2 ~*");
    expect([...user.passwords]).toEqual([sha256("hunter2-hunter2")]);
    expect(JSON.stringify(user)).not.toContain("hunter2");
  });

  it("reads the words of a redis.conf line, whose quotes are already removed", () => {
    expect([...parseAclUser(["app", "on", ">a b"]).passwords]).toEqual([sha256("a b")]);
  });

  it("gives a user every channel where the server's default does", () => {
    const line = "user u on nopass +@all";
    expect(parseAclUser(line).allChannels).toBe(false);
    expect(parseAclUser(line, { allChannelsByDefault: true }).allChannels).toBe(true);
  });

  it.each([
    ["user u on nopas", 'word 2: "nopas" is no ACL rule. Did you mean "nopass"?'],
    ["user u on #ABC", "word 2: a password hash is 64 hex digits in lower case"],
    ["user u on (~a +get", "a selector lacks its closing parenthesis"],
    ["user u ~* ~a", '"~a" after a rule that gives all keys has no effect'],
    ["user u &* &a", '"&a" after a rule that gives all channels has no effect'],
    ["user u %X~a", "word 1 is no ACL rule"],
    ["user u <never-set", "word 1: there is no such password to take away"],
    ["user", "a user needs a name"],
  ])("reports %s", (line, problem) => {
    expect(parseAclUser(line).problems).toEqual([problem]);
  });

  it("does not show the part behind a blank of a password", () => {
    expect(parseAclUser("user u on >correct horsebattery").problems).toEqual(["word 3 is no ACL rule"]);
  });
});

describe("parseAclFile", () => {
  it("names each line that stops Redis from starting", () => {
    const text = `# people\nuser default off resetpass -@all\n\nuser app on  nopass ~*\nuser app on nopas\nother\nuser t\ton\n`;
    const { users, problems } = parseAclFile(text, "/etc/redis/users.acl");
    expect(users.map(({ line, user }) => [line, user.name])).toEqual([
      [2, "default"],
      [4, "app"],
      [5, "app"],
      [7, "t"],
    ]);
    expect(problems.map(({ place, message }) => `${place?.line} ${message}`)).toEqual([
      "1 an ACL file takes no comments",
      "4 words must be one blank apart",
      '5 user "app" is already on line 4',
      '5 user "app": word 2: "nopas" is no ACL rule. Did you mean "nopass"?',
      '6 should start with "user" and a name',
      "7 words must be separated by a blank, not a tab",
    ]);
  });

  it("reads blank lines, CRLF, a leading blank and a missing last line end, as Redis does", () => {
    const { users, problems } = parseAclFile("\r\n  \r\n user a on\r\nuser b off", "users.acl");
    expect(problems).toEqual([]);
    expect(users.map(({ user }) => [user.name, user.enabled])).toEqual([
      ["a", true],
      ["b", false],
    ]);
  });
});
