import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LabHost, operatorPassword, startHost } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

const requirepass = "marker-requirepass-0123456789";

let host: LabHost;
let project: Project;
/** All that redkeep printed or wrote into records. */
let told = "";
let markers: string[];

beforeAll(async () => {
  host = await startHost();
  project = openProject(
    { "redis-01": host },
    { ansible_user: "operator", ansible_become_password: operatorPassword },
  );
  await onHost(
    host,
    `echo 'requirepass ${requirepass}' >>/etc/redis/redis.conf; systemctl restart redis-server`,
  );
  const sampled = onHost(
    host,
    "until [ -e /tmp/done ]; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; done >/tmp/cmdlines; true",
  );
  for (const [command, ...args] of [
    ["plan", "--diff"],
    ["apply", "--yes", "--diff", "-v"],
    ["verify", "-v"],
  ] as const) {
    const run = await project.run(command, ...args);
    told += run.stdout + run.stderr + JSON.stringify(run.record);
  }
  const rotated = await project.runWith(
    { env: { APP_PASSWORD: "marker-new-app-password" } },
    "apply",
    "--yes",
    "--diff",
  );
  told += rotated.stdout + rotated.stderr + JSON.stringify(rotated.record);
  expect(rotated.host("redis-01").status).toBe("changed");
  await onHost(host, "touch /tmp/done");
  await sampled;
  const runs = project.path(".redkeep/runs");
  for (const name of readdirSync(runs)) told += readFileSync(join(runs, name), "utf8");
  markers = [
    requirepass,
    operatorPassword,
    project.appPassword,
    "marker-new-app-password",
    project.password("admin"),
    project.password("metrics"),
  ];
});
afterAll(async () => {
  project?.[Symbol.dispose]();
  await host?.[Symbol.asyncDispose]();
});

/** The markers found by grep in what a script prints on the host. They travel on stdin, as redkeep's do. */
async function found(script: string): Promise<string> {
  return await onHost(
    host,
    `cat >/run/markers; { ${script}; } 2>/dev/null; rm /run/markers; true`,
    `${markers.join("\n")}\n`,
  );
}

describe("passwords of a run", () => {
  it("stand in nothing that redkeep prints, and in no record", () => {
    for (const marker of markers) expect(told).not.toContain(marker);
  });

  it("stand in no log of the host", async () => {
    expect(await found("journalctl --no-pager | grep -F -f /run/markers")).toBe("");
    expect(await found("grep -rlF -f /run/markers /var/log")).toBe("");
  });

  it("are never an argument of a process", async () => {
    expect(await onHost(host, "grep -c . /tmp/cmdlines")).toMatch(/^\d{3,}$/);
    expect(await onHost(host, "grep -c redis-cli /tmp/cmdlines")).not.toBe("0");
    expect(await found("grep -F -f /run/markers /tmp/cmdlines")).toBe("");
  });

  it("stand in no file that others may read", async () => {
    expect(
      await found("find / -xdev -type f -perm /007 -size -4M -print0 | xargs -0 grep -lF -f /run/markers"),
    ).toBe("");
  });

  it("rest nowhere on the host but as hashes, after the run", async () => {
    const places = await found(
      "grep -rlF -f /run/markers /etc /var/lib /root /home /run --exclude=markers --exclude-dir=udev",
    );
    // The operator's own requirepass, in the backup that root alone can read.
    expect(
      places.split("\n").filter((path) => !/^\/var\/lib\/redkeep\/txn\/[^/]+\/old\/\d+$/.test(path)),
    ).toEqual(places === "" ? [""] : []);
  });

  it("stay with their owner on the controller", () => {
    const mode = (name: string): string => (statSync(project.path(name)).mode & 0o777).toString(8);
    expect(mode(".redkeep")).toBe("700");
    expect(mode(".redkeep/secrets.yml")).toBe("600");
    for (const name of ["ca.key", "clients/app.key"]) expect(mode(`.redkeep/pki/${name}`)).toBe("600");
    for (const name of readdirSync(project.path(".redkeep/runs")))
      expect(mode(`.redkeep/runs/${name}`)).toBe("600");
  });
});
