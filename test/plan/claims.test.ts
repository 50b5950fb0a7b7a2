import { describe, expect, it } from "vitest";
import { claimsOf, clashes } from "../../src/plan/claims.ts";
import { parseConfig } from "../../src/redis/config-document.ts";

const claims = (name: string, text: string) => {
  const configPath = `/etc/redis/${name}.conf`;
  return claimsOf({ unit: name, configPath } as never, parseConfig({ path: configPath, text }));
};

describe("two servers of one machine", () => {
  it.each([
    ["ports of their own", "port 6381\ndir /b", "port 6382\ndir /c", []],
    ["one port on addresses of their own", "bind 10.0.0.1\ndir /b", "bind -10.0.0.2\ndir /c", []],
    ["one port on one address", "bind 10.0.0.1\ndir /b", "bind 127.0.0.1 -10.0.0.1\ndir /c", ["port 6379"]],
    ["one port, one of them on every address", "bind 10.0.0.1\ndir /b", "dir /c", ["port 6379"]],
    ["one TLS port", "port 1\ntls-port 6380\ndir /b", "port 2\ntls-port 6380\ndir /c", ["port 6380"]],
    ["one dump", "port 1\ndir /b", "port 2\ndir /b", ["dbfilename /b/dump.rdb"]],
    ["one ACL file", "port 1\ndir /b\naclfile /a", "port 2\ndir /c\naclfile /a", ["aclfile /a"]],
  ])("clash, or not, with %s", (_, one, other, both) => {
    expect(clashes(claims("one", one), claims("other", other))).toEqual(both);
  });
});
