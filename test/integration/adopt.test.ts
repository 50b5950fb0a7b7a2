import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LabHost, redkeep, startHost } from "./support/lab.ts";
import { onHost, redisProcess } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

describe("redkeep adopt", () => {
  let host: LabHost;
  let project: Project;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
  });
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  /** Adopts into a folder of this name: a plan finds nothing to do, and verify nothing that was not there before. */
  async function expectAdopted(out: string): Promise<string[]> {
    const before = await redisProcess(host);
    const adopted = await redkeep(["adopt", "-i", "inventory.yml", "--out", out], { cwd: project.dir });
    expect(adopted, adopted.stdout + adopted.stderr).toMatchObject({ status: 0 });
    const plan = await project.run("plan", `${out}/playbook.yml`);
    expect(plan.record.summary, plan.stdout).toMatchObject({ unchanged: 1, changes: 0, refused: 0 });
    expect(plan.status).toBe(0);
    const verified = await project.run("verify", `${out}/playbook.yml`, "--waivers", `${out}/waivers.yml`);
    expect(verified.status, verified.stdout).toBe(0);
    expect(verified.record.summary.checks).toMatchObject({ fail: 0, unknown: 0 });
    expect(await redisProcess(host)).toBe(before);
    return verified.record.hosts.flatMap(({ checks }) => checks.map(({ control }) => control));
  }

  it("describes a stock host so that apply changes nothing", async () => {
    await expectAdopted("stock");
  });

  it("describes a host that somebody has hardened in part by hand", async () => {
    await onHost(
      host,
      `printf 'maxmemory 300mb\\nmaxmemory-policy noeviction\\nrename-command KEYS ""\\n' >>/etc/redis/redis.conf
       chmod 0640 /etc/redis/redis.conf
       systemctl restart redis-server
       ufw allow 22/tcp >/dev/null
       ufw allow from 10.0.0.0/8 to any port 6379 proto tcp >/dev/null
       ufw --force enable >/dev/null`,
    );
    await expect.poll(() => host.redis("PING")).toBe("PONG");
    await expectAdopted("by-hand");
  });

  it("describes a host that redkeep has hardened, users and certificates included", async () => {
    expect((await project.run("apply", "--yes")).status).toBe(0);
    expect(await expectAdopted("hardened")).toEqual(
      expect.arrayContaining(["RK-NET-01", "RK-ACL-01", "RK-CMD-03", "RK-TLS-01", "RK-SYS-03", "RK-NET-04"]),
    );
  });
});
