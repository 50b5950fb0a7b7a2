import { describe, expect, it } from "vitest";
import { describeUser } from "../../src/redis/acl-in-words.ts";
import { parseAclUser } from "../../src/redis/parse-acl.ts";

const HASH = "a".repeat(64);

describe("describeUser", () => {
  it.each([
    ["off resetpass -@all", "off, no password, no commands"],
    [`on #${HASH} ~* &* +@all`, "~* &*, every command; password ••••"],
    [
      `on #${HASH} ~app:* &app:* +@read +@write -@admin -@dangerous +info`,
      "~app:* &app:*, read and write, not admin or dangerous, and info; password ••••",
    ],
    [`on #${HASH} +ping +info`, "no keys, only info and ping; password ••••"],
    [`on #${HASH} +@read -swapdb -keys`, "no keys, read, not keys or swapdb; password ••••"],
    [
      `on #${HASH} ~app:* +@read +@pubsub -@admin -@dangerous -@scripting +@dangerous`,
      "~app:*, read and pubsub, not admin or scripting, and all of dangerous; password ••••",
    ],
    ["on nopass ~* +@all -@dangerous", "~*, every command, not dangerous; any password"],
  ])("says %s in words", (rules, text) => {
    expect(describeUser(parseAclUser(`user u ${rules}`))).toBe(text);
  });
});
