import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { issueServerCertificate } from "../../src/pki/openssl.ts";
import { Secret } from "../../src/secret.ts";
import { type LabHost, startHost } from "./support/lab.ts";
import { onHost, redisProcess } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

const TLS = "/etc/redis/tls";

describe("a server's certificate", () => {
  let host: LabHost;
  let project: Project;
  let playbook: string;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
    playbook = project.playbook("tls.yml", [
      { name: "listen", bind: { addresses: ["127.0.0.1", "<%= private_ip %>"] } },
      {
        name: "users",
        acl: { users: [{ name: "admin", preset: "admin", password: { generate: true } }] },
      },
      { name: "encrypt", tls: { clients: ["app"] } },
    ]);
    const run = await project.run("apply", playbook, "--yes");
    expect(run.status, run.stdout + run.stderr).toBe(0);
  }, 180_000);
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  /** What a Redis answers to whoever shows it the certificate of this one. */
  const shown = async (): Promise<string> => {
    const files = `--cacert ${TLS}/redkeep-ca.crt --cert ${TLS}/redkeep-server.crt --key ${TLS}/redkeep-server.key`;
    return (await host.sh(`redis-cli -h 127.0.0.1 -p 6380 --tls ${files} PING 2>&1 || true`)).stdout;
  };

  it("opens no server, and all checks hold with it", async () => {
    expect(await shown()).not.toMatch(/NOAUTH|PONG/);
    const { checks } = (await project.run("verify", playbook)).host("redis-01");
    const told = checks.filter(({ control }) => /^RK-(TLS|ACL)-/.test(control));
    expect(told.filter(({ outcome }) => outcome === "fail" || outcome === "unknown")).toEqual([]);
    const again = await project.run("apply", playbook, "--yes");
    expect(again.record.summary).toMatchObject({ unchanged: 1, changes: 0 });
  });

  it("that is a client's too, from an earlier version, is issued anew without a restart", async () => {
    const pki = (name: string) => readFileSync(project.path(`.redkeep/pki/${name}`), "utf8");
    const ca = { certificate: pki("ca.crt"), key: new Secret(pki("ca.key")) };
    const names = {
      dns: [await onHost(host, "hostname"), "localhost"],
      ip: ["127.0.0.1", "::1", host.ip],
    };
    const { certificate, key } = await issueServerCertificate(ca, "redis-01", names, 825, true);
    await host.writeFile(`${TLS}/redkeep-server.crt`, certificate, "0640", "root:redis");
    await host.writeFile(`${TLS}/redkeep-server.key`, key.reveal(), "0640", "root:redis");
    await project.asAdmin(host, `CONFIG SET tls-cert-file ${TLS}/redkeep-server.crt`);
    expect(await shown()).toMatch(/NOAUTH/);
    const process = await redisProcess(host);
    const run = await project.run("apply", playbook, "--yes");
    expect(run.status, run.stdout + run.stderr).toBe(0);
    expect(run.host("redis-01").tasks.flatMap(({ changes }) => changes)).toContainEqual(
      expect.objectContaining({
        address: `file:${TLS}/redkeep-server.crt`,
        before: "it is a client's too, so that it opens other servers",
        after: "issued for 825 days, for serving alone, 0640 root:redis",
      }),
    );
    expect(await redisProcess(host)).toBe(process);
    expect(await shown()).not.toMatch(/NOAUTH|PONG/);
  });
});
