import { describe, expect, it } from "vitest";
import { serverVersion } from "../../src/redis/versions.ts";

describe("serverVersion", () => {
  it.each([
    [{ redisVersion: "6.0.16" }, "Redis 6.0.16", "measured"],
    [{ redisVersion: "7.0.15" }, "Redis 7.0.15", "measured"],
    [{ redisVersion: "8.0.2" }, "Redis 8.0.2", "measured"],
    [{ redisVersion: "7.2.4", serverName: "valkey", valkeyVersion: "8.1.1" }, "Valkey 8.1.1", "measured"],
    [{ redisVersion: "6.2.7" }, "Redis 6.2.7", "unmeasured"],
    [{ redisVersion: "7.4.1" }, "Redis 7.4.1", "unmeasured"],
    [{ redisVersion: "7.2.4", serverName: "valkey", valkeyVersion: "9.0.0" }, "Valkey 9.0.0", "unmeasured"],
    [{ redisVersion: "5.0.14" }, "Redis 5.0.14", "unsupported"],
  ])("knows %o", (info, name, support) => {
    expect(serverVersion(info)).toMatchObject({ name, support });
  });

  it("refuses text that is no version", () => {
    expect(() => serverVersion({ redisVersion: "seven\n" })).toThrow(RangeError);
  });

  const redis6 = serverVersion({ redisVersion: "6.0.16" });
  const redis7 = serverVersion({ redisVersion: "7.0.15" });
  const redis8 = serverVersion({ redisVersion: "8.0.2" });
  const valkey = serverVersion({ redisVersion: "7.2.4", serverName: "valkey", valkeyVersion: "8.1.1" });

  it("gives the capabilities that changed with Redis 7.0", () => {
    for (const name of [
      "aclDryrun",
      "liveBind",
      "multiPairConfigSet",
      "protectedConfigs",
      "appendDirName",
    ] as const) {
      expect([redis6, redis7, redis8, valkey].map(({ capabilities }) => capabilities[name])).toEqual([
        false,
        true,
        true,
        true,
      ]);
    }
  });

  it("says which servers close all connections on ACL LOAD, and which rewrite their rules", () => {
    const servers = [redis6, redis7, redis8, valkey];
    expect(servers.map(({ capabilities }) => capabilities.aclLoadKeepsConnections)).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(servers.map(({ capabilities }) => capabilities.aclListIsCanonical)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it.each([
    ["maxmemory", true, true],
    ["MAXMEMORY", true, true],
    ["bind", false, true],
    ["tls-port", false, true],
    ["tls-cert-file", true, true],
    ["dir", true, false],
    ["dbfilename", true, false],
    ["aclfile", false, false],
    ["unixsocket", false, false],
    ["appendfilename", false, false],
    ["rename-command", false, false],
    ["slaveof", false, false],
  ])("%s by CONFIG SET: Redis 6.0 %s, 7.0 %s", (setting, six, seven) => {
    expect([redis6.liveSettable(setting), redis7.liveSettable(setting)]).toEqual([six, seven]);
  });
});
