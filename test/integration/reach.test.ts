import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateKey } from "../connection/support/server.ts";
import { type LabHost, operatorPassword, startHost } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { openProject } from "./support/project.ts";

let good: LabHost;
let other: LabHost;
beforeAll(async () => {
  [good, other] = await Promise.all([startHost(), startHost()]);
});
afterAll(async () => {
  await Promise.all([good, other].map((host) => host?.[Symbol.asyncDispose]()));
});

const limits = [{ limits: { maxmemory: "64mb" } }];

describe("becoming root", () => {
  it.each([
    ["deploy", {}],
    ["operator", { ansible_become_password: operatorPassword }],
  ])("%s applies changes through sudo", async (user, vars) => {
    using project = openProject({ "redis-01": good }, { ansible_user: user, ...vars });
    const playbook = project.playbook("limits.yml", [
      { limits: { maxmemory: user === "deploy" ? "64mb" : "65mb" } },
    ]);
    const run = await project.run("apply", playbook, "--yes");
    expect(run.status).toBe(0);
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(run.stdout + run.stderr + JSON.stringify(run.record)).not.toContain(operatorPassword);
    expect(await good.redis("CONFIG", "GET", "maxmemory")).toBe(
      `maxmemory\n${(user === "deploy" ? 64 : 65) * 1024 * 1024}`,
    );
  });

  it("a wrong become password fails the host after one attempt", async () => {
    const attempts = () =>
      onHost(other, "journalctl --no-pager | grep -c 'pam_unix(sudo:auth): authentication failure' || true");
    expect(await attempts()).toBe("0");
    using project = openProject(
      { "redis-01": other },
      { ansible_user: "operator", ansible_become_password: "wrong-become-password" },
    );
    const run = await project.run("plan", project.playbook("limits.yml", limits));
    expect(run.status).toBe(3);
    expect(run.host("redis-01").status).toBe("failed");
    expect(run.host("redis-01").error?.found).toContain("become password");
    expect(run.stdout + run.stderr + JSON.stringify(run.record)).not.toContain("wrong-become-password");
    await expect.poll(attempts).toBe("1");
  });

  it("a login without rights is advised to become root", async () => {
    using project = openProject({ "redis-01": good }, { ansible_user: "deploy" });
    const run = await project.run("plan", project.playbook("limits.yml", limits, { become: false }));
    expect(run.status).toBe(3);
    expect(run.host("redis-01").error?.remedy).toContain("become");
  });
});

describe("hosts that cannot be reached", () => {
  it("a host with another key than the known one is unreachable, and is sent nothing", async () => {
    await onHost(other, "journalctl --rotate -q; journalctl --vacuum-time=1s -q");
    using project = openProject({ "redis-01": other }, { ansible_user: "deploy" });
    project.write("known_hosts", `[${other.address}]:${other.sshPort} ${generateKey().public}\n`);
    const run = await project.run("apply", project.playbook("limits.yml", limits), "--yes");
    expect(run.status).toBe(4);
    expect(run.host("redis-01")).toMatchObject({ status: "unreachable", roundTrips: 0 });
    expect(run.host("redis-01").error?.found).toContain("has changed");
    expect(await onHost(other, "journalctl --no-pager -u ssh | grep -E 'deploy|publickey' || true")).toBe("");
  });

  it("an unreachable host does not keep the other hosts from being changed", async () => {
    using project = openProject(
      { "redis-01": good, "redis-02": other, "redis-03": good },
      {},
      { "redis-01": { ansible_port: 1 } },
    );
    const run = await project.run(
      "apply",
      project.playbook("limits.yml", [{ limits: { maxmemory: "70mb" } }]),
      "--yes",
    );
    expect(run.status).toBe(4);
    expect(run.record.hosts.map(({ status }) => status)).toEqual(["unreachable", "changed", "changed"]);
    expect(await other.redis("CONFIG", "GET", "maxmemory")).toBe(`maxmemory\n${70 * 1024 * 1024}`);
  });

  it("a host that hangs delays no other host", async () => {
    const vars = { "redis-01": { ansible_timeout: 3 } };
    using project = openProject({ "redis-01": other, "redis-02": good }, {}, vars);
    const pid = await onHost(other, "systemctl show -p MainPID --value ssh");
    await onHost(other, `kill -STOP ${pid}`);
    try {
      let output = "";
      const run = await project.runWith(
        { onOutput: (text) => (output += text) },
        "apply",
        project.playbook("limits.yml", [{ limits: { maxmemory: "71mb" } }]),
        "--yes",
      );
      expect(run.status).toBe(4);
      expect(run.host("redis-01")).toMatchObject({ status: "unreachable" });
      expect(run.host("redis-02")).toMatchObject({ status: "changed" });
      expect(run.host("redis-02").durationMs).toBeLessThan(run.record.durationMs);
      expect(output).toContain("redis-02");
    } finally {
      await onHost(other, `kill -CONT ${pid}`);
    }
  });

  it("--limit with an unknown name, or with no match, ends the run before any host is asked", async () => {
    using project = openProject({ "redis-01": good });
    const name = randomBytes(4).toString("hex");
    await expect(project.run("plan", "--limit", name)).rejects.toThrow(/ended with 1.*/s);
  });
});
