import { describe, expect, it } from "vitest";
import { startHost } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { openProject, type ProjectRun } from "./support/project.ts";

const outcome = (run: ProjectRun) =>
  run
    .host("redis-01")
    .checks.filter(({ control }) => control === "RK-SYS-14")
    .map(({ outcome, observed }) => `${outcome}: ${observed}`)
    .join("\n");

describe("what redkeep itself left on a host", () => {
  it("is reported by verify, and each deviation is named by its path", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    expect(outcome(await project.run("verify"))).toBe("pass: redkeep has left nothing here");

    const applied = await project.run("apply", "--yes");
    expect(applied.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(outcome(applied)).toMatch(/^(?:pass: |$)/);
    const hardened = outcome(await project.run("verify"));
    expect(hardened).toMatch(
      /^pass: 1 transaction kept in \/var\/lib\/redkeep, closed to others; the last committed is \S+ of \S+@/,
    );

    const txn = await onHost(host, "echo /var/lib/redkeep/txn/*");
    await onHost(
      host,
      `chmod 755 /var/lib/redkeep; chown redis ${txn}/undo; chmod 604 ${txn}/journal
       echo AUTH x >${txn}/login.old; chmod 600 ${txn}/login.old
       chmod 664 /etc/systemd/system/redis-server.service.d/redkeep.conf; chown redis /etc/redis/tls/redkeep-server.key
       touch /etc/ufw/.redkeep.20200101T000000Z-00000000
       su -s /bin/sh redis -c 'touch "/var/lib/redis/.redkeep.a
leftover shadow"'`,
    );
    const found = outcome(await project.run("verify"));
    expect(found).toMatch(/^fail: /);
    const named = found.replace(/^fail: /, "").split("; ");
    expect(named.toSorted()).toEqual([
      `a secret of a run that is over: ${txn}/login.old`,
      "left over: /etc/ufw/.redkeep.20200101T000000Z-00000000",
      "left over: a temporary file of an odd name",
      "open: redis:redis 640 /etc/redis/tls/redkeep-server.key",
      `open: redis:root 600 ${txn}/undo`,
      `open: root:root 604 ${txn}/journal`,
      "open: root:root 664 /etc/systemd/system/redis-server.service.d/redkeep.conf",
      "open: root:root 755 /var/lib/redkeep",
    ]);
  });

  it("is unknown without root", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host }, { ansible_user: "operator", ansible_become: false });
    expect(outcome(await project.run("verify"))).toMatch(/^unknown: .* needs root/);
  });
});
