import { describe, expect, it } from "vitest";
import { Secret } from "../../src/lib/secret.ts";
import { unknownRules } from "../../src/redis/acl-commands.ts";
import { hashPassword } from "../../src/redis/acl-user.ts";
import { tableOf } from "./acl-fixtures.ts";

const redis7 = tableOf("redis-7.0.15");

describe("unknownRules", () => {
  it("names what this server lacks, with a suggestion", () => {
    expect(unknownRules(["+evl", "+@scriptin", "+config|gett", "+nosuchthing"], redis7)).toEqual([
      '+evl: this server has no such command. Did you mean "eval"?',
      '+@scriptin: this server has no such category. Did you mean "@scripting"?',
      '+config|gett: this server has no such subcommand. Did you mean "config|get"?',
      "+nosuchthing: this server has no such command.",
    ]);
  });

  it("takes commands, subcommands, categories and first arguments", () => {
    expect(unknownRules(["+EVAL", "-@scripting", "+script|load", "+select|1", "+@all"], redis7)).toEqual([]);
  });
});

it("a password is hashed as Redis does", () => {
  expect(hashPassword(new Secret("a-long-application-password"))).toBe(
    "0820ec50010701406977c955de7a366d00c96807424938564777a2cca14dfe46",
  );
});
