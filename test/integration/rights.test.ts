import { describe, expect, it } from "vitest";
import { startHost } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { openProject } from "./support/project.ts";

describe("verify by a login that may not become root", () => {
  it("checks an unknown host as far as its rights reach, where plan refuses", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host }, { ansible_user: "operator", ansible_become: false });
    const verified = await project.run("verify");
    const { checks, status, error } = verified.host("redis-01");
    expect({ status, error, exit: verified.status }).toEqual({ status: "unchanged", error: null, exit: 3 });
    const outcomes = (control: string) =>
      checks.filter((check) => check.control === control).map((check) => check.outcome);
    expect(outcomes("RK-SYS-02")).toEqual(["pass"]);
    expect(outcomes("RK-NET-03")).toEqual(["fail"]);
    expect(outcomes("RK-ACL-04")).toEqual(["unknown"]);
    expect(verified.stdout).toMatch(/\d+ controls not checked for lack of rights on the host/);

    const refused = await project.run("plan");
    expect(refused.host("redis-01")).toMatchObject({ status: "failed", error: { where: "login" } });

    // With a password that it does not know it has no way into Redis either: unknown, never a pass.
    await onHost(
      host,
      "echo 'requirepass Nobody-told-the-auditor-1' >>/etc/redis/redis.conf; systemctl restart redis-server",
    );
    const locked = await project.run("verify");
    expect(locked.status).toBe(3);
    const found = locked.host("redis-01").checks;
    expect(found.filter(({ blockedBy }) => blockedBy === "login").length).toBeGreaterThan(20);
    const passed = found.filter(({ outcome }) => outcome === "pass").map(({ source }) => source);
    expect(passed.filter((source) => /^(CONFIG|ACL|INFO|stat|iptables)|redis\.conf/.test(source))).toEqual(
      [],
    );
  });
});
