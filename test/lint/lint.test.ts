import { describe, expect, it } from "vitest";
import type { Finding } from "../../src/lint/finding.ts";
import { configSubject, isAclFile, lint } from "../../src/lint/lint.ts";
import { type ServerName, versionOf } from "../../src/lint/server-version.ts";
import { factsOf } from "../support/facts.ts";

/** A whole redis.conf that is well. */
const WELL = `bind 127.0.0.1 -::1 -10.0.0.5
protected-mode yes
port 0
tls-port 6380
tls-cert-file /etc/redis/tls/server.crt
tls-key-file /etc/redis/tls/server.key
tls-ca-cert-file /etc/redis/tls/ca.crt
aclfile /etc/redis/users.acl
dir /var/lib/redis
maxmemory 512mb
maxmemory-policy noeviction
`;

const HASH = "a".repeat(64);
const PASSWORD = "Wq7tYc2nLr9sVd4kXb6m";

function config(text: string, server?: ServerName): Finding[] {
  const main = { path: "/repo/redis.conf", shown: "redis.conf", text };
  return lint(configSubject(main, []), server && versionOf(server));
}

function acl(text: string, server?: ServerName): Finding[] {
  const file = { path: "/repo/users.acl", shown: "users.acl", text };
  return lint({ kind: "acl", file }, server && versionOf(server));
}

const brief = (findings: readonly Finding[]) =>
  findings.map(({ line, severity, control }) => `${line} ${severity} ${control}`);

/** What is found in `WELL` with these lines first, in the place of those of the same names. */
function changed(lines: string, server?: ServerName): string[] {
  const names = new Set(lines.split("\n").map((line) => line.split(" ")[0]));
  const kept = WELL.split("\n").filter((line) => !names.has(line.split(" ")[0]));
  return brief(config([lines, ...kept].join("\n"), server));
}

describe("files without a weakness", () => {
  it("have no findings", () => {
    expect(config(WELL)).toEqual([]);
    expect(acl(`user default off resetpass -@all\nuser admin on #${HASH} ~* &* +@all\n`)).toEqual([]);
  });

  it.each(["hardened", "redis-6-hardened", "redis-8-hardened", "valkey-8-hardened"])(
    "are those of a hardened host: %s",
    (name) => {
      const { main, aclFiles } = factsOf(name).configFiles;
      const found = [
        ...config(main?.text ?? ""),
        ...[...aclFiles.values()].flatMap((text) => acl(text)),
      ].filter(({ severity }) => severity !== "info");
      expect(found).toEqual([]);
    },
  );
});

describe("a redis.conf", () => {
  it.each([
    ["zzzqqqxxx 1", "remove the line"],
    ["maxmemroy 1gb", 'remove the line. Did you mean "maxmemory"?'],
  ])("says of %s what to do", (line, remedy) => {
    expect(config(`${WELL}${line}\n`).map((finding) => finding.remedy)).toEqual([remedy]);
  });

  it.each([
    ["user lines beside an aclfile", `user app on #${HASH} ~app:* +get`, ["1 critical RK-ACL-03"]],
    [
      "requirepass beside an aclfile",
      `requirepass ${PASSWORD}`,
      ["1 critical RK-ACL-03", "1 medium RK-ACL-09"],
    ],
    ["a short password", 'requirepass short\naclfile ""', ["1 medium RK-ACL-09", "1 high RK-ACL-10"]],
    [
      "what CONFIG REWRITE makes of a password",
      `requirepass ${PASSWORD}\nuser default on #${HASH} ~* &* +@all\naclfile ""`,
      ["1 medium RK-ACL-09", "2 critical RK-ACL-03", "2 high RK-ACL-01"],
    ],
    ["no login at all", 'aclfile ""', ["1 critical RK-ACL-01"]],
    ["a wildcard address", "bind 0.0.0.0", ["1 critical RK-NET-01"]],
    ["a wildcard address of IPv6", "bind 127.0.0.1 ::", ["1 critical RK-NET-01"]],
    ["a name in the place of an address", "bind 127.0.0.1 redis.local", ["1 medium RK-NET-01"]],
    ["::1 where IPv6 may be off", "bind 127.0.0.1 ::1", ["1 info RK-FILE-01"]],
    ["protected mode off", "protected-mode no", ["1 high RK-NET-02"]],
    ["a port in clear text beside TLS", "port 6379", ["1 high RK-TLS-01"]],
    ["no way to reach it", "port 0\ntls-port 0", ["1 high RK-FILE-01", "5 medium RK-TLS-01"]],
    ["no CA for client certificates", 'tls-ca-cert-file ""', ["5 high RK-FILE-01"]],
    ["no client certificates", "tls-auth-clients no", ["1 medium RK-TLS-04"]],
    [
      "ciphers that TLS 1.3 does not look at",
      "tls-ciphers ECDHE-RSA-AES128-GCM-SHA256",
      ["1 medium RK-TLS-03"],
    ],
    ["TLS 1.0", 'tls-protocols "TLSv1 TLSv1.2"', ["1 medium RK-TLS-03"]],
    ["protocols without quotes", "tls-protocols TLSv1.2 TLSv1.3", ["1 high RK-FILE-01"]],
    ["a replica whose link is plain", "replicaof 10.0.0.9 6380", ["1 medium RK-ACL-11", "1 high RK-TLS-02"]],
    ["DEBUG for everybody", "enable-debug-command yes", ["1 high RK-CMD-01"]],
    ["DEBUG from the host", "enable-debug-command local", ["1 medium RK-CMD-01"]],
    ["a module in /tmp", "loadmodule /tmp/x.so", ["1 critical RK-CMD-02"]],
    ["a command renamed twice", 'rename-command KEYS ""\nrename-command keys X', ["2 high RK-CMD-03"]],
    ["a command that is none", 'rename-command KEYSS ""', ["1 high RK-CMD-03"]],
    ["a new name that is a command", "rename-command KEYS GET", ["1 high RK-CMD-03"]],
    ["CONFIG renamed", "rename-command CONFIG X", ["1 info RK-CMD-03"]],
    ["a write renamed beside an AOF", 'rename-command FLUSHALL ""\nappendonly yes', ["1 medium RK-CMD-03"]],
    ["a comment behind a value", "maxclients 100 # enough", ["1 high RK-FILE-01"]],
    ["a comment behind a rename", 'rename-command KEYS "" # slow', ["1 high RK-FILE-01"]],
    ["a setting that is none", "active-expire-enabled yes", ["1 high RK-FILE-01"]],
    ["open quotes", 'logfile "x', ["1 high RK-FILE-01"]],
    ["a missing value", "maxclients", ["1 high RK-FILE-01"]],
    ["a setting twice", "timeout 0\ntimeout 300", ["1 low RK-FILE-02"]],
    ["a blank in a size", "maxmemory 512 mb", ["1 high RK-FILE-01"]],
    ["a size that is none", "maxmemory 50%", ["1 high RK-FILE-01"]],
    ["a size in thousands", "maxmemory 512m", ["1 low RK-FILE-02"]],
    ["no bound of memory", "maxmemory 0", ["1 medium RK-LIM-01"]],
    ["a policy that is none", "maxmemory-policy lru", ["1 high RK-FILE-01"]],
    [
      "an AOF of keys that are thrown away",
      "maxmemory-policy allkeys-lru\nappendonly yes",
      ["1 high RK-LIM-02"],
    ],
    ["nothing kept", 'save ""', ["1 high RK-PER-01"]],
    ["a cache that keeps nothing", 'save ""\nmaxmemory-policy allkeys-lru', []],
    ["snapshots switched on again", 'save ""\nsave 3600 1', ["1 low RK-FILE-02"]],
    ["half a save point", "save 3600", ["1 high RK-FILE-01"]],
    ["an AOF that nobody writes to the disk", "appendonly yes\nappendfsync no", ["2 medium RK-PER-01"]],
    ["a failed save that nobody notices", "stop-writes-on-bgsave-error no", ["1 low RK-PER-03"]],
    ["data in /tmp", "dir /tmp/redis", ["1 critical RK-SYS-04"]],
    ["data in a web root", "dir /var/www/html", ["1 critical RK-SYS-04"]],
    [
      "data that sshd obeys",
      "dir /home/redis/.ssh\ndbfilename authorized_keys",
      ["1 critical RK-SYS-04", "2 critical RK-SYS-04"],
    ],
    ["a snapshot with a path", "dbfilename data/dump.rdb", ["1 high RK-FILE-01"]],
    ["a socket for everybody", "unixsocket /run/redis.sock\nunixsocketperm 777", ["2 medium RK-NET-08"]],
    ["a log in /tmp", "logfile /tmp/redis.log", ["1 medium RK-SYS-05"]],
    ["a replica that is written to", "replica-read-only no", ["1 high RK-REP-01"]],
    ["channels for new users", "acl-pubsub-default allchannels", ["1 low RK-ACL-14"]],
  ])("with %s", (_, lines, expected) => {
    expect(changed(lines)).toEqual(expected);
  });

  it.each([
    ["bind", "1 critical RK-NET-01"],
    ["maxmemory-policy", "10 low RK-LIM-02"],
  ])("without %s", (name, expected) => {
    const lines = WELL.split("\n").filter((line) => !line.startsWith(`${name} `));
    expect(brief(config(lines.join("\n")))).toEqual([expected]);
  });

  it.each<[ServerName, string, string[]]>([
    ["redis-6.0", "bind 127.0.0.1 -::1", ["1 high RK-FILE-01"]],
    ["redis-7.0", "bind 127.0.0.1 -::1", []],
    ["redis-6.0", "bind 127.0.0.1\nenable-debug-command no", ["2 high RK-FILE-01"]],
    ["redis-6.2", "bind 127.0.0.1 -::1\nset-proc-title yes", []],
    ["redis-6.0", "bind 127.0.0.1\nset-proc-title yes", ["2 high RK-FILE-01"]],
    ["redis-6.2", "enable-debug-command no", ["1 high RK-FILE-01"]],
    ["redis-7.2", "enable-debug-command no\nset-max-listpack-entries 128", []],
    ["redis-7.0", "set-max-listpack-entries 128", ["1 high RK-FILE-01"]],
    ["redis-7.2", "hide-user-data-from-log yes", ["1 high RK-FILE-01"]],
    ["redis-7.0", "hide-user-data-from-log yes", ["1 high RK-FILE-01"]],
    ["valkey-8.1", "hide-user-data-from-log yes", []],
    ["redis-8.0", `primaryauth ${PASSWORD}`, ["1 high RK-FILE-01"]],
  ])("for %s with %s", (server, lines, expected) => {
    expect(changed(lines, server)).toEqual(expected);
  });

  it("that another file includes need not repeat that file's settings", () => {
    expect(config("maxclients 100\n")).toEqual([]);
  });

  it("of a Sentinel may not answer everybody", () => {
    const text = "port 26379\nsentinel monitor m 10.0.0.5 6379 2\nprotected-mode no\n";
    expect(brief(config(text))).toEqual(["3 high RK-NET-10"]);
    expect(config(`${text}requirepass ${PASSWORD}\n`)).toEqual([]);
  });

  it("has the place of a comment, not only its line", () => {
    expect(config(`${WELL}maxclients 100 # enough\n`)[0]).toMatchObject({ line: 12, column: 16 });
  });
});

describe("an ACL file", () => {
  const DEFAULT = "user default off resetpass -@all\n";

  it.each([
    ["no default line", `user app on #${HASH} ~app:* -@all +get`, ["1 critical RK-ACL-01"]],
    ["a default user without a password", "user default on nopass ~* &* +@all", ["1 critical RK-ACL-01"]],
    ["default off and nopass", "user default off nopass -@all", ["1 critical RK-ACL-01"]],
    ["default on", `user default on #${HASH} -@all`, ["1 high RK-ACL-01"]],
    ["a comment", `${DEFAULT}# users`, ["2 critical RK-ACL-04"]],
    ["two blanks", `${DEFAULT}user app on  #${HASH}`, ["2 critical RK-ACL-04"]],
    ["one user twice", `${DEFAULT}user app on #${HASH}\nuser app on #${HASH}`, ["3 critical RK-ACL-04"]],
    ["a user without a password", `${DEFAULT}user app on nopass ~app:* -@all +get`, ["2 critical RK-ACL-02"]],
    ["a password in clear text", `${DEFAULT}user app on >${PASSWORD} -@all +get`, ["2 medium RK-ACL-09"]],
    [
      "a password that is short",
      `${DEFAULT}user app on >secret -@all +get`,
      ["2 medium RK-ACL-09", "2 high RK-ACL-10"],
    ],
    [
      "one password for two",
      `${DEFAULT}user a on #${HASH} +get\nuser b on #${HASH} +get`,
      ["3 high RK-ACL-10"],
    ],
    ["every right for an application", `${DEFAULT}user app on #${HASH} ~* &* +@all`, ["2 high RK-ACL-05"]],
    [
      "FLUSHALL by its category",
      `${DEFAULT}user app on #${HASH} ~app:* -@all +@write +@connection`,
      ["2 high RK-ACL-05"],
    ],
    [
      "+@dangerous",
      `${DEFAULT}user app on #${HASH} ~app:* -@all +@connection +@dangerous`,
      ["2 high RK-ACL-05"],
    ],
    [
      "every key and channel",
      `${DEFAULT}user app on #${HASH} ~* &* -@all +@read +@connection -@dangerous`,
      ["2 medium RK-ACL-06", "2 medium RK-ACL-06"],
    ],
    [
      "a client that may not PING",
      `${DEFAULT}user app on #${HASH} ~app:* -@all +@read -@dangerous`,
      ["2 low RK-FILE-02"],
    ],
    [
      "scripts by half",
      `${DEFAULT}user app on #${HASH} ~app:* -@all +get +ping +eval`,
      ["2 low RK-ACL-07", "2 low RK-FILE-02"],
    ],
    [
      "scripts, all that clients send",
      `${DEFAULT}user app on #${HASH} ~app:* -@all +get +eval +evalsha +script`,
      ["2 low RK-ACL-07"],
    ],
    ["scripts", `${DEFAULT}user app on #${HASH} ~app:* -@all +get +@scripting`, ["2 low RK-ACL-07"]],
    ["a user that is off", `${DEFAULT}user app off nopass ~* &* +@all`, []],
  ])("with %s", (_, text, expected) => {
    expect(brief(acl(text))).toEqual(expected);
  });

  it("for Redis 6.0 has no channels", () => {
    const text = `${DEFAULT}user app on #${HASH} ~app:* &app:* -@all +get\n`;
    expect(brief(acl(text, "redis-6.0"))).toEqual(["2 critical RK-ACL-04"]);
    expect(acl(text, "redis-7.0")).toEqual([]);
  });

  it("names the commands that its categories leave to a user", () => {
    const rules = `~app:* -@all +@connection +@write -flushall -flushdb`;
    const [found] = acl(`${DEFAULT}user app on #${HASH} ${rules}\n`);
    expect(found?.message).toBe("app may run SWAPDB, MIGRATE, RESTORE, SORT");
  });

  it("is recognised by its name or by its lines", () => {
    expect(isAclFile({ path: "/x/users.acl", text: "" })).toBe(true);
    expect(isAclFile({ path: "/x/users", text: "user default off\n\nuser app on\n" })).toBe(true);
    expect(isAclFile({ path: "/x/redis.conf", text: "user default off\nport 0\n" })).toBe(false);
  });
});

it("lint shows no password", () => {
  const found = [
    ...config(
      `requirepass ${PASSWORD} x\nmasterauth ${PASSWORD} y\nuser a on >${PASSWORD} +@all ${PASSWORD}\n`,
    ),
    ...acl(`user a on >${PASSWORD} ${PASSWORD} ~* +@all # ${PASSWORD}\n`),
  ];
  expect(found.length).toBeGreaterThan(5);
  expect(JSON.stringify(found)).not.toContain(PASSWORD);
});
