import { describe, expect, it } from "vitest";
import { seen } from "../../src/facts/origin.ts";
import { editedFacts } from "../support/facts.ts";
import { AS_ROOT, confWith, hostWith } from "../support/host-facts.ts";
import { planTasks } from "../support/plan-tasks.ts";
import {
  addresses,
  changeLines,
  findings,
  guards,
  planTask,
  verifyTask,
  written,
} from "../support/run-task.ts";

const DROP_IN = "/etc/systemd/system/redis-server.service.d/redkeep.conf";
/** Debian 11's unit: an ordinary user, but hardly a wall. */
const BARE = {
  NoNewPrivileges: "no",
  ProtectSystem: "no",
  ProtectHome: "no",
  PrivateTmp: "no",
  PrivateDevices: "no",
  ProtectKernelTunables: "no",
  ProtectKernelModules: "no",
  ProtectControlGroups: "no",
  RestrictRealtime: "no",
  RestrictSUIDSGID: "no",
  LockPersonality: "no",
  ReadWritePaths: "",
};
const serviceUser = (...given: Parameters<typeof hostWith>) =>
  planTask("service-user", {}, hostWith(...given));

describe("service-user", () => {
  it.each(["stock", "hardened", "valkey-8-stock"])(
    "plans nothing on %s, whose unit has user and sandbox",
    (like) => {
      expect(changeLines(serviceUser({ like }))).toEqual([]);
      expect(findings(verifyTask("service-user", {}, hostWith({ like })))).toEqual([]);
    },
  );

  it("gives a unit that runs as root the service user, and that user the data, the log and nothing else", () => {
    const plan = serviceUser(AS_ROOT);
    expect(changeLines(plan)).toEqual([
      "update unit:User: not set → redis",
      "update unit:Group: not set → redis",
      "update file:/var/lib/redis: 0755 root:root → 0755 redis:redis",
      "update file:/var/lib/redis/dump.rdb: 0644 root:root → 0644 redis:redis",
      "update file:/var/log/redis/redis-server.log: 0644 root:root → 0644 redis:redis",
    ]);
    expect(written(plan, DROP_IN)).toMatch(/^User=redis\nGroup=redis$/m);
    expect(plan.actions).toMatchObject({ restart: true, daemonReload: true });
  });

  it("names the drop-in that overrides redkeep's, also where redkeep's is right already", () => {
    const overruled = (name: string, later?: string) => {
      const path = (file: string) => `/etc/systemd/system/redis-server.service.d/${file}`;
      return editedFacts("hardened", {
        properties: (text) =>
          text
            .replace(/^ProtectHome=.*$/m, "ProtectHome=no")
            .replace(/^DropInPaths=.*$/m, `$& ${path(name)}${later === undefined ? "" : ` ${path(later)}`}`),
        lines: (text) =>
          `${text}${path(name)}:ProtectHome=no\n${later === undefined ? "" : `${path(later)}:ProtectHome=yes\n`}`,
        "drop-in": (text) => `${text}ProtectHome=yes\n`,
      });
    };
    const plan = planTask("service-user", {}, overruled("site.conf"));
    expect(plan.refusals[0]).toMatchObject({
      task: "service-user",
      found:
        "/etc/systemd/system/redis-server.service.d/site.conf sets ProtectHome=no, and systemd reads it after redkeep.conf: ProtectHome=yes would have no effect",
    });
    expect(guards(planTask("service-user", {}, overruled("10-site.conf")))).toEqual([]);
    expect(guards(planTask("service-user", {}, overruled("site.conf", "zz.conf")))).toEqual([]);
  });

  it("gives the user the log's directory where that is Redis' own, and never a shared directory", () => {
    const owned = (logFile: string, dir: string) =>
      serviceUser({
        ...AS_ROOT,
        files: { ...AS_ROOT.files, logFile },
        paths: { ...AS_ROOT.paths, [dir]: "directory 0755 root:root", [logFile]: "file 0644 root:root" },
      }).actions.attributes.map(({ path }) => path);
    expect(owned("/var/log/redis/redis-server.log", "/var/log/redis")).toContain("/var/log/redis");
    expect(owned("/var/log/redis.log", "/var/log")).not.toContain("/var/log");
  });

  it.each(["/", "/srv", "/data", ""])("refuses to give %j away, where the data lies", (dataDirectory) => {
    const plan = serviceUser({
      ...AS_ROOT,
      files: { dataDirectory },
      paths: { [dataDirectory]: "directory 0755 root:root" },
    });
    expect(guards(plan)).toEqual(["-"]);
    expect(plan.refusals[0]?.found).toMatch(/which is not Redis' own: redis could not write there/);
    expect(plan.actions.attributes.map(({ path }) => path)).not.toContain(dataDirectory);
  });

  it("takes Valkey's own user where the unit runs as root", () => {
    const facts = hostWith({
      like: "valkey-8-stock",
      properties: { User: "", Group: "" },
      process: { uid: 0 },
    });
    expect(changeLines(planTask("service-user", {}, facts))).toContain("update unit:User: not set → valkey");
  });

  it("needs a restart where the unit names the user and the process still runs as root", () => {
    const plan = serviceUser({ process: { uid: 0 } });
    expect(changeLines(plan)).toEqual([
      "update unit:User: redis → redis (loaded, but the process still has uid 0)",
    ]);
    expect(plan.actions.restart).toBe(true);
    expect(findings(verifyTask("service-user", {}, hostWith({ process: { uid: 0 } })))).toEqual([
      "RK-SYS-01 fail: uid 0",
    ]);
  });

  it("blames the unit where the unit says root, and leaves the files to Redis", () => {
    const account = { name: "root", uid: 0, home: "/root", shell: "/bin/bash", groups: [seen("root")] };
    const facts = hostWith({
      like: "hardened",
      properties: { User: "root", Group: "root" },
      service: { account },
    });
    const uid = facts.service.process?.uid;
    expect(findings(verifyTask("service-user", {}, facts))[0]).toBe(
      `RK-SYS-01 fail: uid ${uid} now; the unit says User=root, from the next restart on`,
    );
    expect(findings(verifyTask("permissions", {}, facts))).toEqual([]);
    expect(changeLines(planTask("permissions", {}, facts))).toEqual([]);
    expect(addresses(planTask("service-user", {}, facts))).toContain("unit:User");
  });

  it("needs a restart where the process was started before the sandbox was loaded", () => {
    const plan = serviceUser({ process: { noNewPrivileges: false } });
    expect(changeLines(plan)).toEqual([
      "update unit:NoNewPrivileges: yes → yes (loaded, but the process still has no)",
    ]);
    expect(plan.actions.restart).toBe(true);
  });

  it("adds every sandbox property that a bare unit lacks, and keeps the paths that Redis writes writable", () => {
    const plan = serviceUser({ properties: BARE });
    expect(written(plan, DROP_IN).split("\n")).toEqual(
      expect.arrayContaining([
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "LockPersonality=yes",
        "ReadWritePaths=-/var/lib/redis -/var/log/redis -/run/redis",
      ]),
    );
  });

  it("keeps the paths writable that the operator had opened", () => {
    const plan = serviceUser({
      properties: { ProtectSystem: "full", ReadWritePaths: "/srv/export -/srv/more" },
    });
    expect(written(plan, DROP_IN)).toMatch(/^ReadWritePaths=.*-\/srv\/export -\/srv\/more$/m);
  });

  it("trap 32: makes the folder of a socket writable for the unit in the same change", () => {
    const tasks = { "service-user": {}, bind: { unix_socket: "/srv/redis/redis.sock" } };
    expect(changeLines(planTasks(tasks, hostWith())).filter((line) => line.includes("unit:"))).toEqual([
      "update unit:ReadWritePaths: -/var/lib/redis -/var/log/redis -/var/run/redis -/etc/redis → " +
        "-/var/lib/redis -/var/log/redis -/run/redis -/srv/redis -/var/run/redis -/etc/redis",
    ]);
    const open = hostWith({ properties: { ReadWritePaths: "-/var/lib/redis -/var/log/redis /srv" } });
    expect(addresses(planTasks(tasks, open))).not.toContain("unit:ReadWritePaths");
  });

  it("never loosens a stricter value, and leaves out properties that this systemd does not know", () => {
    const facts = hostWith({ properties: { ...BARE, ProtectHome: "tmpfs", ProtectSystem: "strict" } });
    const properties = new Map(facts.service.properties);
    properties.delete("LockPersonality");
    const plan = planTask("service-user", {}, { ...facts, service: { ...facts.service, properties } });
    expect(addresses(plan)).not.toContain("unit:ProtectHome");
    expect(addresses(plan)).not.toContain("unit:ProtectSystem");
    expect(addresses(plan)).not.toContain("unit:LockPersonality");
  });

  it.each([
    ["data", { files: { dataDirectory: "/home/redis/data" } }, "/home/redis/data"],
    [
      "a certificate",
      { conf: confWith({ "tls-cert-file": "tls-cert-file /root/tls/redis.crt" }) },
      "/root/tls/redis.crt",
    ],
    ["the ACL file", { conf: confWith({ aclfile: "aclfile /home/ops/users.acl" }) }, "/home/ops/users.acl"],
  ])("leaves ProtectHome open where %s lies behind it, and says why", (_, differences, path) => {
    const plan = serviceUser({ ...differences, properties: BARE });
    expect(addresses(plan)).not.toContain("unit:ProtectHome");
    expect(addresses(plan)).toContain("unit:ProtectSystem");
    expect(plan.tasks[0]?.reason).toBe(`ProtectHome stays open: ${path} lies behind it`);
  });

  it("leaves PrivateTmp open where the socket lies in /tmp, and says why", () => {
    const plan = serviceUser({
      properties: BARE,
      conf: confWith({ unixsocket: "unixsocket /tmp/redis.sock" }),
    });
    expect(addresses(plan)).not.toContain("unit:PrivateTmp");
    expect(plan.tasks[0]?.reason).toMatch(/^PrivateTmp stays open: \/tmp\/redis.sock/);
  });

  it("leaves the sandbox alone when asked to, and says so", () => {
    const plan = planTask("service-user", { sandbox: false }, hostWith({ properties: BARE }));
    expect(changeLines(plan)).toEqual([]);
    expect(plan.tasks[0]?.reason).toBe("the sandbox of redis-server.service is left as it is");
  });

  it("refuses another user where there are more data files than are listed, since it could not read them all", () => {
    const plan = serviceUser({ ...AS_ROOT, files: { ...AS_ROOT.files, areDataFilesCut: true } });
    expect(plan.refusals[0]?.found).toMatch(/whether redis could read all of them is unknown$/);
    expect(guards(serviceUser({ files: { areDataFilesCut: true } }))).toEqual([]);
  });

  it("refuses an account that the host does not have", () => {
    const plan = planTask("service-user", { user: "rediss" }, hostWith());
    expect(guards(plan)).toEqual(["-"]);
    expect(plan.refusals[0]?.found).toBe("no account rediss is known on the host");
  });

  it.each(["root; reboot", "-redis", "Redis", "", "a\nb"])("refuses an account named %j", (user) => {
    expect(() => planTask("service-user", { user }, hostWith())).toThrow();
  });

  it("fails verification while the running unit has not loaded the drop-in", () => {
    const checks = verifyTask("service-user", {}, hostWith({ properties: { NeedDaemonReload: "yes" } }));
    expect(findings(checks)).toEqual(["RK-SYS-02 fail: all of them; a drop-in was never loaded"]);
  });

  it("fails verification of a user with a login shell or sudo", () => {
    const account = {
      name: "redis",
      uid: 101,
      home: "/",
      shell: "/bin/bash",
      groups: ["redis", "sudo"].map(seen),
    };
    expect(findings(verifyTask("service-user", {}, hostWith({ service: { account } })))).toEqual([
      "RK-SYS-01 fail: shell /bin/bash, groups redis, sudo",
    ]);
  });
});
