import { describe, expect, it } from "vitest";
import { sameSetting, settingName } from "../../src/redis/setting.ts";

describe("sameSetting", () => {
  it.each([
    ["maxmemory", ["512mb"], ["536870912"]],
    ["maxmemory", ["512MB"], ["512mb"]],
    ["proto-max-bulk-len", ["1gb"], ["1073741824"]],
    ["appendonly", ["YES"], ["yes"]],
    ["protected-mode", ["No"], ["no"]],
    ["maxmemory-policy", ["AllKeys-LRU"], ["allkeys-lru"]],
    ["tls-auth-clients", ["Optional"], ["optional"]],
    ["unixsocketperm", ["0700"], ["700"]],
    ["save", ["3600", "1", "300", "100"], ["3600 1 300 100"]],
    ["save", ["300", "100", "3600", "1"], ["3600 1 300 100"]],
    ["save", [""], []],
    ["bind", ["127.0.0.1", "-::1"], ["127.0.0.1 -::1"]],
    ["tls-protocols", ["TLSv1.3 TLSv1.2"], ["tlsv1.2 TLSv1.3"]],
    ["client-output-buffer-limit", ["replica", "256mb", "64mb", "60"], ["slave 268435456 67108864 60"]],
  ])("%s: %j is %j", (name, a, b) => {
    expect(sameSetting(name, a, b)).toBe(true);
    expect(sameSetting(name, b, a)).toBe(true);
  });

  it.each([
    ["maxmemory", ["512m"], ["512mb"]],
    ["maxclients", ["010000"], ["10000"]],
    ["save", ["3600", "1"], ["3600", "10"]],
    ["save", [""], ["3600", "1"]],
    ["bind", ["127.0.0.1", "::1"], ["127.0.0.1", "-::1"]],
    ["tls-ciphers", ["A:B"], ["B:A"]],
    ["tls-protocols", ["TLSv1.2"], ["TLSv1.2 TLSv1.3"]],
    ["dir", ["/var/lib/Redis"], ["/var/lib/redis"]],
    ["requirepass", ["007"], ["7"]],
    ["requirepass", ["YES"], ["yes"]],
    ["requirepass", ["a  b"], ["a b"]],
    ["masterauth", ["1mb"], ["1048576"]],
  ])("%s: %j is not %j", (name, a, b) => {
    expect(sameSetting(name, a, b)).toBe(false);
  });
});

describe("settingName", () => {
  it.each([
    ["SLAVEOF", "replicaof"],
    ["slave-read-only", "replica-read-only"],
    ["min-slaves-to-write", "min-replicas-to-write"],
    ["primaryauth", "masterauth"],
    ["maxmemory", "maxmemory"],
  ])("%s is %s", (name, same) => {
    expect(settingName(name)).toBe(same);
  });
});
