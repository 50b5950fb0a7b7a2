import { expect, it } from "vitest";
import { witnessOf } from "../../src/verify/witness.ts";

it.each([
  ["CONFIG GET save, appendonly", "server"],
  ["CLIENT LIST, ACL LIST", "server"],
  ["ACL LIST against ACL CAT", "server"],
  ["PING without a login, from the host itself", "server"],
  ["ss -Hltn", "root"],
  ["grep", "root"],
  ["stat", "root"],
  ["dpkg", "root"],
  ["iptables-save, nft", "root"],
  ["stat -f, INFO memory", "root"],
  ["/etc/redis/users.acl against ACL LIST", "root"],
  ["COMMAND INFO, /etc/redis/redis.conf", "root"],
  ["/proc/PID/status", "root"],
] as const)("a check from %s rests on the word of: %s", (source, witness) => {
  expect(witnessOf({ source })).toBe(witness);
});
