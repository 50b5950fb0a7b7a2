import { describe, expect, it } from "vitest";
import { seen } from "../../src/facts/origin.ts";
import { changesOf } from "../../src/plan/plan.ts";
import { editedFacts } from "../support/facts.ts";
import { AS_ROOT, confWith, hostWith } from "../support/host-facts.ts";
import { planTasks } from "../support/plan-tasks.ts";
import { addresses, changeLines, findings, guards, planTask, verifyTask } from "../support/run-task.ts";

const permissions = (...given: Parameters<typeof hostWith>) =>
  planTask("permissions", {}, hostWith(...given));

it("permissions never passes for a path that the host did not describe", () => {
  const found = verifyTask("permissions", {}, editedFacts("hardened", { paths: () => undefined }));
  expect(found.find(({ control }) => control === "RK-SYS-03")?.outcome).toBe("unknown");
});

describe("permissions", () => {
  it("closes the configuration, data and log of a stock install to others, and files written later", () => {
    expect(changeLines(permissions())).toEqual([
      "update file:/etc/redis: 2770 redis:redis → 0750 root:redis",
      "update file:/etc/redis/redis.conf: 0640 redis:redis → 0640 root:redis",
      "update file:/var/log/redis/redis-server.log: 0660 redis:adm → 0640 redis:adm",
      "update unit:UMask: 0007 → 0027",
    ]);
  });

  it("plans nothing on a hardened host", () => {
    expect(changeLines(permissions({ like: "hardened" }))).toEqual([]);
    expect(findings(verifyTask("permissions", {}, hostWith({ like: "hardened" })))).toEqual([]);
  });

  describe("an include outside of Redis' own folders", () => {
    const judged = (file: string, folder = "directory 0755 root:root") => {
      const facts = hostWith({
        like: "hardened",
        conf: (text) => `${text}include /srv/x.conf\n`,
        paths: { "/srv/x.conf": file, "/srv": folder },
      });
      const includes = [{ path: "/srv/x.conf", text: "loglevel notice\n" }];
      const withInclude = { ...facts, configFiles: { ...facts.configFiles, includes } };
      expect(changeLines(planTask("permissions", {}, withInclude))).toEqual([]);
      return findings(verifyTask("permissions", {}, withInclude));
    };

    it("fails where others than root may write it, or its folder", () => {
      expect(judged("file 0666 root:root")).toEqual([
        expect.stringMatching(
          /^RK-SYS-03 fail: .*; \/srv\/x\.conf 0666 root:root is not root's alone to write$/,
        ),
      ]);
      expect(judged("file 0644 deploy:deploy")).toHaveLength(1);
      expect(judged("file 0664 root:deploy")).toHaveLength(1);
      expect(judged("file 0644 root:root", "directory 0777 root:root")).toHaveLength(1);
    });

    it("holds where root alone may, and is unknown behind a link", () => {
      expect(judged("file 0644 root:root")).toEqual([]);
      expect(judged("link 0777 root:root")).toEqual([expect.stringMatching(/^RK-SYS-03 unknown: /)]);
    });
  });

  it("clears setgid on the configuration's directory", () => {
    const [action] = permissions().actions.attributes.filter(({ path }) => path === "/etc/redis");
    expect(action?.attributes.mode).toBe(0o750);
  });

  it("leaves data with its owner, and tighter modes as they are", () => {
    const plan = permissions({
      paths: {
        "/var/lib/redis": "directory 0700 redis:cache",
        "/var/lib/redis/dump.rdb": "file 0666 redis:cache",
      },
      files: { dataFiles: ["/var/lib/redis/dump.rdb"] },
    });
    expect(changeLines(plan)).toContain(
      "update file:/var/lib/redis/dump.rdb: 0666 redis:cache → 0640 redis:cache",
    );
    expect(addresses(plan)).not.toContain("file:/var/lib/redis");
  });

  it("leaves alone what does not belong to the service user, wherever the server says its log and data are", () => {
    const plan = permissions({
      paths: {
        "/etc/passwd": "file 0644 root:root",
        "/var/log/dpkg.log": "file 0644 root:root",
        "/var/lib/redis/old.rdb": "file 0644 root:root",
      },
      files: { dataFiles: ["/var/lib/redis/old.rdb"], logFile: "/etc/passwd" },
    });
    expect(addresses(plan).filter((address) => !address.startsWith("file:/etc/redis"))).not.toContain(
      "file:/etc/passwd",
    );
    expect(addresses(plan)).not.toContain("file:/var/lib/redis/old.rdb");
    expect(plan.tasks[0]?.reason).toContain(
      "/var/lib/redis/old.rdb is root's, not the service user's: its mode is left to root",
    );
  });

  it("refuses a host whose server names a folder of somebody else's for its data", () => {
    const plan = permissions({
      paths: { "/srv/redis-backups": "directory 0755 backup:backup" },
      files: { dataDirectory: "/srv/redis-backups" },
    });
    expect(plan.refusals.map(({ found }) => found)).toContain(
      "/srv/redis-backups, which the server names for its data or log, is backup's and not the service user's",
    );
  });

  it("changes no file of the system that redis.conf names", () => {
    const plan = permissions({
      conf: (text) => `${text}\naclfile /etc/shadow\n`,
      paths: { "/etc/shadow": "file 0640 root:shadow" },
    });
    expect(addresses(plan)).toContain("file:/etc/redis/redis.conf");
    expect(addresses(plan)).not.toContain("file:/etc/shadow");
  });

  it("plans nothing behind a link that stands in the place of the AOF's directory, and says so", () => {
    const stat = (path: string, kind: string, mode: string) => `${kind}|root|root|${mode}|1|9|${path}\n`;
    const facts = editedFacts("hardened", {
      "data-files": () => "/var/lib/redis/appendonlydir\n/var/lib/redis/appendonlydir/passwd\n",
      paths: (text) =>
        text +
        stat("/var/lib/redis/appendonlydir", "symbolic link", "777") +
        stat("/var/lib/redis/appendonlydir/passwd", "regular file", "644"),
    });
    expect(facts.files.dataFiles).toEqual(["/var/lib/redis/appendonlydir"]);
    const plan = planTask("permissions", {}, facts);
    expect(changeLines(plan)).toEqual([]);
    expect(plan.tasks[0]?.reason).toBe("/var/lib/redis/appendonlydir is a symbolic link: not followed");
    const check = verifyTask("permissions", {}, facts).find(({ control }) => control === "RK-SYS-04");
    expect(check).toMatchObject({ outcome: "pass", observed: expect.stringContaining("symbolic link") });
  });

  it("says that the rest is unknown where there are more data files than are listed", () => {
    const facts = editedFacts("hardened", { "data-files-cut": () => "" });
    const check = verifyTask("permissions", {}, facts).find(({ control }) => control === "RK-SYS-04");
    const rest = "/var/lib/redis has more data files than redkeep looks at: who may read the rest is unknown";
    expect(check).toMatchObject({ outcome: "unknown", observed: expect.stringContaining(rest) });
    expect(planTask("permissions", {}, facts).tasks[0]?.reason).toBe(rest);
  });

  it("closes the data again after a restart, since the old process saves with its old mode", () => {
    expect(permissions().actions.closedData).toBe("/var/lib/redis");
  });

  it("restarts a process that was started before its UMask was loaded", () => {
    const plan = permissions({ like: "hardened", properties: { UMask: "0027" }, process: { umask: 0o007 } });
    expect(changeLines(plan)).toEqual([
      "update unit:UMask: 0027 → 0027 (loaded, but the process still has 0007)",
    ]);
    expect(plan.actions.restart).toBe(true);
  });

  it("keeps a stricter UMask", () => {
    const plan = permissions({ like: "hardened", properties: { UMask: "0077" }, process: { umask: 0o077 } });
    expect(changeLines(plan)).toEqual([]);
  });

  describe("leaves alone what is not Redis' own", () => {
    const shared = {
      "/etc": "directory 0755 root:root",
      "/etc/ssl/certs": "directory 0755 root:root",
      "/etc/ssl/certs/ca-certificates.crt": "file 0644 root:root",
      "/etc/ssl/private": "directory 0710 root:ssl-cert",
      "/etc/ssl/private/redis.key": "file 0640 root:ssl-cert",
      "/var/log": "directory 0755 root:root",
      "/": "directory 0755 root:root",
      "/srv": "directory 0755 root:root",
    };
    const touched = (differences: Parameters<typeof hostWith>[0]) =>
      permissions({ ...differences, paths: { ...shared, ...differences?.paths } }).actions.attributes.map(
        ({ path }) => path,
      );

    it("/etc, where the configuration lies directly in it", () => {
      const facts = hostWith({ paths: { ...shared, "/etc/redis.conf": "file 0644 root:root" } });
      const { main } = facts.configFiles;
      const plan = planTask(
        "permissions",
        {},
        {
          ...facts,
          service: { ...facts.service, configPath: seen("/etc/redis.conf") },
          configFiles: { ...facts.configFiles, main: { path: "/etc/redis.conf", text: main?.text ?? "" } },
        },
      );
      expect(changeLines(plan)).toContain("update file:/etc/redis.conf: 0644 root:root → 0640 root:redis");
      expect(addresses(plan)).not.toContain("file:/etc");
    });

    it("/etc/ssl and the system's CAs, where the configuration names a certificate there", () => {
      const facts = hostWith({
        paths: { ...shared, "/etc/redis.conf": "file 0644 root:root" },
        conf: confWith({
          "tls-cert-file": "tls-cert-file /etc/ssl/certs/redis.crt",
          "tls-key-file": "tls-key-file /etc/ssl/private/redis.key",
          "tls-ca-cert-file": "tls-ca-cert-file /etc/ssl/certs/ca-certificates.crt",
        }),
      });
      for (const path of ["/etc/redis.conf", "/etc/redis/redis.conf"]) {
        const plan = planTask(
          "permissions",
          {},
          {
            ...facts,
            service: { ...facts.service, configPath: seen(path) },
            configFiles: { ...facts.configFiles, main: { path, text: facts.configFiles.main?.text ?? "" } },
          },
        );
        expect(addresses(plan).filter((address) => address.includes("ssl"))).toEqual([]);
      }
    });

    it("/var/log, where the log lies directly in it", () => {
      const paths = touched({
        files: { logFile: "/var/log/redis.log" },
        paths: { "/var/log/redis.log": "file 0644 redis:redis" },
      });
      expect(paths).toContain("/var/log/redis.log");
      expect(paths).not.toContain("/var/log");
    });

    it("/var/log, where the log's name leads back to it", () => {
      const paths = touched({
        files: { logFile: "/var/log/redis/../redis.log" },
        paths: { "/var/log/redis/..": "directory 0755 root:root" },
      });
      expect(paths).not.toContain("/var/log/redis/..");
    });

    it.each(["/", "/srv"])(
      "%s as the data directory, but not the files that Redis wrote there",
      (directory) => {
        const dump = `${directory === "/" ? "" : directory}/dump.rdb`;
        const paths = touched({
          files: { dataDirectory: directory, dataFiles: [dump] },
          paths: { [dump]: "file 0644 redis:redis" },
        });
        expect(paths).toContain(dump);
        expect(paths).not.toContain(directory);
      },
    );
  });

  it("refuses a redis.conf that is a link, however its target is closed", () => {
    const plan = permissions({ paths: { "/etc/redis/redis.conf": "link 0777 root:root" } });
    expect(plan.refusals.map(({ found }) => found)).toEqual(["/etc/redis/redis.conf is a symbolic link"]);
    expect(guards(plan)).toEqual(["-"]);
  });

  it("refuses a redis.conf with a second name, which someone else may hold", () => {
    const plan = permissions({ paths: { "/etc/redis/redis.conf": "hard-link 0640 redis:redis" } });
    expect(plan.refusals.map(({ found }) => found)).toEqual([
      "/etc/redis/redis.conf has a second name (hard link)",
    ]);
  });

  it("does not follow a data file that is a link", () => {
    const plan = permissions({
      paths: { "/var/lib/redis/dump.rdb": "link 0777 redis:redis" },
      files: { dataFiles: ["/var/lib/redis/dump.rdb"] },
    });
    expect(addresses(plan)).not.toContain("file:/var/lib/redis/dump.rdb");
  });

  it.each([
    [
      "Sentinel",
      { service: { sentinels: ["redis-sentinel.service"] } },
      /Sentinel on this host rewrites its files/,
    ],
    ["a cluster", { info: { cluster_enabled: "1" } }, /Redis Cluster rewrites its own configuration/],
  ])("leaves /etc/redis to %s, which rewrites it, and says so", (_, differences, reason) => {
    const plan = permissions(differences);
    expect(addresses(plan).filter((address) => address.includes("/etc/redis"))).toEqual([]);
    expect(plan.tasks[0]?.reason).toMatch(reason);
    expect(
      verifyTask("permissions", {}, hostWith(differences)).find(({ control }) => control === "RK-SYS-03"),
    ).toMatchObject({ outcome: "skip", observed: expect.stringMatching(reason) });
  });

  it("fails the check while others can read data or configuration", () => {
    const checks = verifyTask(
      "permissions",
      {},
      hostWith({
        like: "hardened",
        paths: {
          "/etc/redis/redis.conf": "file 0644 root:redis",
          "/var/lib/redis": "directory 0755 redis:redis",
        },
      }),
    );
    expect(findings(checks)).toEqual([
      "RK-SYS-03 fail: /etc/redis/redis.conf 0644 root:redis",
      "RK-SYS-04 fail: /var/lib/redis 0755 redis:redis",
    ]);
  });

  it("fails the check where a dump would land among cron's files", () => {
    const facts = hostWith({
      like: "hardened",
      files: { dataDirectory: "/var/spool/redis/cron", logFile: "", dataFiles: [] },
      paths: { "/var/spool/redis/cron": "directory 0750 redis:redis" },
    });
    expect(verifyTask("permissions", {}, facts).find(({ control }) => control === "RK-SYS-04")?.outcome).toBe(
      "fail",
    );
  });

  it("closes data that another task gives to the service user, without giving it back to root", () => {
    const plan = planTasks({ "service-user": {}, permissions: {} }, hostWith(AS_ROOT));
    expect(plan.actions.attributes.find(({ path }) => path === "/var/lib/redis")).toEqual({
      path: "/var/lib/redis",
      attributes: { owner: "redis", group: "redis", mode: 0o750 },
      before: { owner: "root", group: "root", mode: 0o755 },
    });
    expect(
      changesOf(plan)
        .filter(({ address }) => address === "file:/var/lib/redis")
        .map(({ after }) => after),
    ).toEqual(["0755 redis:redis", "0750 redis:redis"]);
  });
});
