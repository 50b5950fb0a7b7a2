import { expect, it } from "vitest";
import { toRecord } from "../../src/verify/check-record.ts";
import { witnessOf } from "../../src/verify/witness.ts";
import { audit } from "../support/audit.ts";
import { factsOf } from "../support/facts.ts";

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
] as const)("a check by %s rests on the answer of: %s", (source, witness) => {
  expect(witnessOf({ source })).toBe(witness);
});

it("a check whose outcome the server can decide says so, although root looked at something beside it", () => {
  const guessing = factsOf("hardened");
  guessing.system.kernel = {
    overcommit: 0,
    hugePages: "madvise",
    somaxconn: 4096,
    fips: false,
    corePattern: "core",
  };
  const always = factsOf("hardened");
  always.system.kernel = {
    overcommit: 1,
    hugePages: "madvise",
    somaxconn: 4096,
    fips: false,
    corePattern: "core",
  };
  const witnesses = (control: string, facts = factsOf("hardened")) =>
    audit(facts)
      .filter((check) => check.control === control)
      .map((check) => [check.observed, toRecord(check).witness]);
  expect(witnesses("RK-CMD-02")).toEqual([["no modules", "server"]]);
  expect(witnesses("RK-PER-04")).toEqual([[expect.stringMatching(/in memory$/), "server"]]);
  const thp = [expect.stringMatching(/^transparent huge pages/), undefined];
  expect(witnesses("RK-SYS-08", guessing)).toEqual([
    [expect.stringMatching(/^0, and /), "server"],
    thp,
    ["4096", "server"],
  ]);
  expect(witnesses("RK-SYS-08", always)).toEqual([
    [expect.stringMatching(/^1, and /), undefined],
    thp,
    ["4096", "server"],
  ]);
});
